"""Network policies at layers 3 and 4: exactly the declared connections, in Cilium's or the standard notation.

With mutual TLS the network sees ciphertext only, so methods and paths belong to the authorization policies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from derive import cloud, naming
from derive.choices import Collector
from derive.edge.doorman import Doorman
from derive.mesh.graph import Connection, Exit, Links, Workload
from manifests import cilium, network
from manifests.base import Manifest


@dataclass(frozen=True)
class Surroundings:
    """What of the platform every policy takes into account."""

    mesh: bool
    monitoring: str
    """Namespace of Prometheus."""
    doorman: Doorman
    """Who reaches what is routed."""
    collector: Collector | None = None
    """Where spans go. Absent: there are none."""
    store_ranges: tuple[str, ...] = ()
    """Subnets of the databases: the standard policy knows no names, only addresses."""


DEFAULT_DENY = "default-deny"
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10")
"""RFC 1918, link-local (instance metadata) and shared addresses (RFC 6598): never part of 'outside' in a standard
policy."""


def cilium_default_deny(namespace: str) -> Manifest:
    """No pod of the namespace hears or speaks but by another policy."""
    return cilium.network_policy(DEFAULT_DENY, namespace, {}, (), ())


def standard_default_deny(namespace: str) -> Manifest:
    return network.network_policy(DEFAULT_DENY, namespace, {}, (), ())


def cilium_service_policy(name: str, links: Links, around: Surroundings) -> Manifest:
    """A service's policy: its callers by ``app``, the ingress where it is routed, Prometheus where scraped."""
    home = links.workload.namespace
    inbound = []
    if links.doors:
        doorman = cilium.endpoints(around.doorman.labels, around.doorman.namespace)
        inbound.append(cilium.ingress([doorman], links.doors))
    for ports, connections in _by_ports(links.inbound):
        sources = [_cilium_pods(connection.source, home) for connection in connections]
        inbound.append(cilium.ingress(sources, ports))
    return _cilium_policy(name, links, [*inbound, *_cilium_scrapes(links, around)], around)


def cilium_store_policy(name: str, links: Links, around: Surroundings) -> Manifest:
    """A store's policy: its users by tier and ``app``, so that no other pod of the tier gets in."""
    home = links.workload.namespace
    inbound = []
    for (ports, borne), namespaces in _labelled(links).items():
        sources = [cilium.endpoints(dict(borne), _other(namespace, home)) for namespace in namespaces]
        inbound.append(cilium.ingress(sources, ports))
    for ports, connections in _by_ports(_named(links)):
        groups: dict[tuple[str, str], list[str]] = defaultdict(list)
        for connection in connections:
            groups[connection.source.tier, connection.source.namespace].append(connection.source.name)
        sources = [
            cilium.endpoints_in("app", sorted(names), {"tier": tier}, None if namespace == home else namespace)
            for (tier, namespace), names in groups.items()
        ]
        inbound.append(cilium.ingress(sources, ports))
    return _cilium_policy(name, links, [*inbound, *_cilium_scrapes(links, around)], around)


def _cilium_policy(name: str, links: Links, inbound: Sequence[Manifest], around: Surroundings) -> Manifest:
    home = links.workload.namespace
    outbound = [
        cilium.egress([_cilium_pods(connection.target, home)], connection.ports) for connection in links.outbound
    ]
    for leaving in links.exits:
        if leaving.through_gateway:
            gateway = cilium.endpoints(naming.EGRESS_GATEWAY_LABELS, naming.MESH_NAMESPACE)
            outbound.append(cilium.egress([gateway], leaving.ports))
        else:
            outbound.append(cilium.egress_names(leaving.hosts, leaving.ports))
    if links.granted:
        outbound.append(cilium.egress_addresses([cloud.METADATA], [cloud.METADATA_PORT]))
    outbound.append(cilium.dns())
    for labels, namespace, port in _platform(links, around):
        outbound.append(cilium.egress([cilium.endpoints(labels, namespace)], [port]))
    return cilium.network_policy(name, home, links.workload.selector, inbound, outbound)


def _cilium_pods(workload: Workload, home: str) -> Manifest:
    return cilium.endpoints(workload.selector, None if workload.namespace == home else workload.namespace)


def _cilium_scrapes(links: Links, around: Surroundings) -> list[Manifest]:
    ports = scraped_ports(links, around)
    if not ports:
        return []
    return [cilium.ingress([cilium.endpoints(naming.PROMETHEUS_LABELS, around.monitoring)], ports)]


def scraped_ports(links: Links, around: Surroundings) -> tuple[int, ...]:
    """The workload's own metrics and its sidecar's."""
    own = (links.metrics,) if links.metrics else ()
    return (*own, *((naming.SIDECAR_METRICS_PORT,) if around.mesh and links.in_mesh else ()))


def standard_policy(name: str, links: Links, around: Surroundings) -> Manifest:
    """The same connections as a NetworkPolicy. Destinations outside are addresses: the data subnets, or all that is
    not private; the mesh narrows them to the declared hosts."""
    home = links.workload.namespace
    inbound = []
    if links.doors:
        doorman = network.peer(around.doorman.labels, around.doorman.namespace)
        inbound.append(network.ingress([doorman], links.doors))
    for (ports, borne), namespaces in _labelled(links).items():
        sources = [network.peer(dict(borne), _other(namespace, home)) for namespace in namespaces]
        inbound.append(network.ingress(sources, ports))
    for ports, connections in _by_ports(_named(links)):
        inbound.append(network.ingress([_pods(connection.source, home) for connection in connections], ports))
    if ports := scraped_ports(links, around):
        inbound.append(network.ingress([network.peer(naming.PROMETHEUS_LABELS, around.monitoring)], ports))
    outbound = [network.egress([_pods(connection.target, home)], connection.ports) for connection in links.outbound]
    outbound += [_standard_exit(leaving, around) for leaving in links.exits]
    if links.granted:
        outbound.append(network.egress([network.block(cloud.METADATA)], [cloud.METADATA_PORT]))
    dns = network.peer({"k8s-app": "kube-dns"}, "kube-system")
    outbound.append(network.egress([dns], [53], ("UDP", "TCP")))
    for labels, namespace, port in _platform(links, around):
        outbound.append(network.egress([network.peer(labels, namespace)], [port]))
    return network.network_policy(name, home, links.workload.selector, inbound, outbound)


def _pods(workload: Workload, home: str) -> Manifest:
    return network.peer(workload.selector, None if workload.namespace == home else workload.namespace)


def _standard_exit(leaving: Exit, around: Surroundings) -> Manifest:
    if leaving.through_gateway:
        gateway = network.peer(naming.EGRESS_GATEWAY_LABELS, naming.MESH_NAMESPACE)
        return network.egress([gateway], leaving.ports)
    if leaving.kind == "database":
        return network.egress([network.block(cidr) for cidr in around.store_ranges], leaving.ports)
    return network.egress([network.block("0.0.0.0/0", PRIVATE)], leaving.ports)


def _platform(links: Links, around: Surroundings) -> Iterable[tuple[dict[str, str], str, int]]:
    """What a sidecar needs: certificates and configuration from istiod, and somewhere to send spans."""
    if links.pushes:
        yield {naming.APP: naming.PUSHGATEWAY}, around.monitoring, naming.PUSHGATEWAY_PORT
    if around.mesh and links.in_mesh:
        yield {"app": "istiod"}, naming.MESH_NAMESPACE, naming.ISTIOD_PORT
        if around.collector:
            yield around.collector.labels, around.collector.namespace, around.collector.port


def _other(namespace: str, home: str) -> str | None:
    return None if namespace == home else namespace


def _named(links: Links) -> list[Connection]:
    """Connections whose source is let in by its own name."""
    return [connection for connection in links.inbound if not connection.admitted]


def _labelled(links: Links) -> dict[tuple[tuple[int, ...], tuple[tuple[str, str], ...]], dict[str, None]]:
    """Ports and labels of the sources that are let in by what they bear, and the namespaces that they are in."""
    found: dict[tuple[tuple[int, ...], tuple[tuple[str, str], ...]], dict[str, None]] = defaultdict(dict)
    for connection in links.inbound:
        if connection.admitted:
            key = (connection.ports, tuple(sorted(connection.admitted.items())))
            found[key].setdefault(connection.source.namespace)
    return found


def _by_ports(connections: Iterable[Connection]) -> list[tuple[tuple[int, ...], list[Connection]]]:
    groups: dict[tuple[int, ...], list[Connection]] = defaultdict(list)
    for connection in connections:
        groups[connection.ports].append(connection)
    return list(groups.items())
