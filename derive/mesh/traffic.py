"""How calls inside the mesh behave: timeouts, retries, pools, ejection, and what each sidecar knows at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from derive import naming
from derive.choices import Collector
from derive.mesh.graph import Exit, Links
from derive.services import releases
from manifests import istio
from manifests.base import Manifest
from model import DeclarationError, Istio, ServicePolicy

ALWAYS_KNOWN = (
    f"{naming.MESH_NAMESPACE}/*",
    f"kube-system/{naming.fqdn('kube-dns', 'kube-system')}",
)
"""The mesh itself, and DNS over TCP, which the sidecar would otherwise refuse as an unknown destination."""


def default_rule(namespace: str, mesh: Istio) -> Manifest | None:
    """The DestinationRule of every host of the namespace. No defaults declared: the mesh's own behaviour."""
    if mesh.defaults is None:
        return None
    return istio.destination_rule(
        f"{namespace}-mtls", namespace, f"*.{namespace}.svc.cluster.local", "ISTIO_MUTUAL", mesh.defaults
    )


def destination_rule(links: Links, policy: ServicePolicy | None) -> Manifest | None:
    """A workload's own DestinationRule, which replaces the namespace's for its host.

    A workload outside the mesh needs one in any case: its clients must not offer it the mesh's TLS.
    """
    traffic = policy.traffic if policy else None
    subsets = releases.subsets(links)
    if traffic is None and links.in_mesh and not subsets:
        return None
    workload = links.workload
    tls = "ISTIO_MUTUAL" if links.in_mesh else "DISABLE"
    return istio.destination_rule(workload.name, workload.namespace, workload.fqdn, tls, traffic, subsets)


def virtual_service(links: Links, policy: ServicePolicy | None) -> Manifest | None:
    """The mesh-internal route of a service with a timeout, retries, or a canary release.

    A service that is also routed from outside keeps its plain name for that route.
    """
    timeout = policy.timeout if policy else None
    retry = policy.retry if policy else None
    if not (timeout or retry or links.release == "canary"):
        return None
    workload = links.workload
    if not releases.is_http(links):
        raise DeclarationError(
            f"policy to '{workload.name}' has a timeout or retries, but '{workload.name}' speaks {links.protocol}, "
            f"whose requests the mesh cannot tell apart; drop them from policies to '{workload.name}'"
        )
    several = len(links.requests) > 1
    routes = [
        istio.http_route(
            releases.destinations(links, port),
            timeout=timeout,
            retry=retry,
            name=releases.route_name(links, number),
            port=port if several else None,
        )
        for number, port in enumerate(links.requests)
    ]
    return istio.virtual_service(releases.internal_route(links), workload.namespace, [workload.fqdn], routes)


def default_sidecar(namespace: str) -> Manifest:
    """What a proxy knows that nobody declared: the mesh and DNS. Without it, every host of the mesh."""
    return istio.sidecar("default", namespace, None, ALWAYS_KNOWN)


def sidecar(links: Links, collector: Collector | None, monitoring: str) -> Manifest:
    """What a workload's proxy can reach: what it declares, and nothing else of the mesh.

    ``collector``: where spans go. Absent: there are none. ``monitoring``: the namespace of the Pushgateway.
    """
    known = [f"{connection.target.namespace}/{host}" for connection in links.outbound for host in connection.called]
    known += [f"{leaving.registry}/{host}" for leaving in links.exits for host in leaving.hosts]
    if links.pushes:
        known.append(f"{monitoring}/{naming.fqdn(naming.PUSHGATEWAY, monitoring)}")
    if collector:
        known.append(f"{collector.namespace}/{naming.fqdn(collector.service, collector.namespace)}")
    return istio.sidecar(
        links.workload.name, links.workload.namespace, links.workload.selector, [*ALWAYS_KNOWN, *known]
    )


def service_entries(namespace: str, members: Iterable[Links]) -> tuple[Manifest, ...]:
    """The hosts outside the mesh that workloads of a namespace declare, each once and visible there only. The first has
    the declared name, others their own behind it.

    Those behind the egress gateway are registered with it.
    """
    exits = {leaving.name: leaving for links in members for leaving in links.exits if not leaving.through_gateway}
    return tuple(
        _service_entry(_entry_name(leaving.name, host) if number else leaving.name, namespace, leaving, host)
        for leaving in exits.values()
        for number, host in enumerate(leaving.hosts)
    )


def _entry_name(name: str, host: str) -> str:
    """A name of Kubernetes has no star."""
    return f"{name}.{host.replace('*', 'any')}"


def _service_entry(name: str, namespace: str, leaving: Exit, host: str) -> Manifest:
    port = "tcp-postgres" if leaving.kind == "database" else leaving.protocol.lower()
    return istio.service_entry(name, namespace, (host,), leaving.ports, port, leaving.protocol)


def shares_a_port(links: Links) -> bool:
    """Whether two plain TCP destinations outside share a port, so that only addresses can tell them apart."""
    ports = Counter(
        port for leaving in links.exits if leaving.protocol == "TCP" for _ in leaving.hosts for port in leaving.ports
    )
    return any(count > 1 for count in ports.values())
