"""Who may call whom in the platform's namespaces, once, and in two notations: Cilium's and the standard one.

Cilium knows the API server, the nodes and host names. The standard policy knows pods and addresses only: there, a node
or the API server is the network's own range, a host is everything outside it, and a webhook, which the API server calls
from an address that depends on the network plug-in, hears everybody (it speaks TLS, and answers questions only).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from derive import naming
from derive.edge.tools import Tool
from derive.mesh.network_policies import PRIVATE
from manifests import cilium, network
from manifests.base import Manifest
from model import System

DNS_LABELS: Final = {"k8s:k8s-app": "kube-dns"}
API_PORTS: Final = (443, 6443)
"""Of the API server's Service and, behind it, of K3s' own process."""


@dataclass(frozen=True)
class Pods:
    """Pods by labels. ``namespace`` absent: in the policy's own."""

    labels: Mapping[str, str]
    namespace: str | None = None


@dataclass(frozen=True)
class Entities:
    """What is no pod of its own, by Cilium's names."""

    names: tuple[Literal["all", "cluster", "host", "kube-apiserver", "remote-node"], ...]


@dataclass(frozen=True)
class Hosts:
    """Machines outside the cluster by name. ``inside``: their addresses may be the network's own."""

    names: tuple[str, ...]
    inside: bool = False


@dataclass(frozen=True)
class Addresses:
    """Ranges outside the cluster."""

    ranges: tuple[str, ...]


@dataclass(frozen=True)
class Flow:
    """Connections with ``peers`` on ``ports`` (none: all)."""

    peers: tuple[Pods, ...] | Entities | Hosts | Addresses
    ports: tuple[int, ...] = ()
    protocols: tuple[str, ...] = ("TCP",)


@dataclass(frozen=True)
class Rule:
    """Pods of a namespace, and who may call them and whom they may call. What is not here is refused."""

    name: str
    selector: Mapping[str, str]
    inbound: tuple[Flow, ...] = ()
    outbound: tuple[Flow, ...] = ()


API_SERVER: Final = Flow(Entities(("kube-apiserver",)))


def webhook(port: int) -> Flow:
    """The API server calls; on K3s it is a process of a node, this one or another."""
    return Flow(Entities(("kube-apiserver", "remote-node", "host")), (port,))


def to_routed(system: System) -> tuple[Flow, ...]:
    """To every port that is routed, once: where the ingress leads."""
    found = dict.fromkeys((route.to, naming.route_port(system, route)) for route in system.routes)
    return tuple(
        Flow((Pods({"app": name}, naming.service_namespace(system, system.service(name))),), (port,))
        for name, port in found
    )


def to_tools(found: Iterable[Tool]) -> tuple[Flow, ...]:
    """To the platform's pages that have a public name."""
    return tuple(Flow((Pods(tool.labels, tool.namespace),), (tool.target,)) for tool in found)


def cilium_policy(rule: Rule, namespace: str) -> Manifest:
    return cilium.network_policy(
        rule.name,
        namespace,
        rule.selector,
        [_cilium(flow, "from") for flow in rule.inbound],
        [cilium.dns(), *(_cilium(flow, "to") for flow in rule.outbound)],
    )


def _cilium(flow: Flow, way: Literal["from", "to"]) -> Manifest:
    peers = flow.peers
    ports = {"toPorts": cilium.ports(flow.ports, flow.protocols)} if flow.ports else {}
    if isinstance(peers, Entities):
        return {f"{way}Entities": list(peers.names), **ports}
    if isinstance(peers, Hosts):
        return cilium.egress_names(peers.names, flow.ports)
    if isinstance(peers, Addresses):
        return {f"{way}CIDR": list(peers.ranges), **ports}
    return {f"{way}Endpoints": [cilium.endpoints(pods.labels, pods.namespace) for pods in peers], **ports}


def standard_policy(rule: Rule, namespace: str, vpc: str, api: str | None = None) -> Manifest:
    """``vpc``: the range of the network that the nodes are in. ``api``: the address of the API server's Service, by
    which pods call it: some plug-ins judge a connection before kube-proxy leads it on
    (aws/amazon-network-policy-controller-k8s#222). Absent: it is not known."""
    dns = Flow((Pods(DNS_LABELS, "kube-system"),), (53,), ("UDP", "TCP"))
    return network.network_policy(
        rule.name,
        namespace,
        rule.selector,
        [_standard(flow, "from", vpc, None) for flow in rule.inbound],
        [_standard(flow, "to", vpc, api) for flow in (dns, *rule.outbound)],
    )


def _standard(flow: Flow, way: Literal["from", "to"], vpc: str, api: str | None) -> Manifest:
    numbers, service = flow.ports, []
    if isinstance(flow.peers, Entities) and "kube-apiserver" in flow.peers.names and way == "to":
        numbers = numbers or API_PORTS
        service = [network.block(f"{api}/32")] if api else []
    ports = [{"port": port, "protocol": protocol} for port in numbers for protocol in flow.protocols]
    peers = _standard_peers(flow.peers, way, vpc)
    peers = [*peers, *service] if peers is not None else None
    return {**({way: peers} if peers is not None else {}), **({"ports": ports} if ports else {})}


def _standard_peers(
    peers: tuple[Pods, ...] | Entities | Hosts | Addresses, way: Literal["from", "to"], vpc: str
) -> list[Manifest] | None:
    """None: everybody."""
    if isinstance(peers, Entities):
        if "cluster" in peers.names:
            return [{"namespaceSelector": {}}]
        return [network.block(vpc)] if way == "to" else None
    if isinstance(peers, Hosts):
        outside = [network.block("0.0.0.0/0", PRIVATE)]
        return [*outside, network.block(vpc)] if peers.inside else outside
    if isinstance(peers, Addresses):
        return [network.block(cidr) for cidr in peers.ranges]
    return [
        network.peer({key.removeprefix("k8s:"): value for key, value in pods.labels.items()}, pods.namespace)
        for pods in peers
    ]


def completed(rules: Mapping[str, Sequence[Rule]], added: Iterable[tuple[str, Rule]]) -> dict[str, tuple[Rule, ...]]:
    """``rules`` by namespace with the other end of every flow between pods that the ``added`` ones declare.

    An add-on says whom it calls or who calls it; the pods at the other end, where a rule of these namespaces selects
    them, let the connection in or out accordingly.
    """
    found = {namespace: list(members) for namespace, members in rules.items()}
    for home, rule in added:
        for way, flows in (("inbound", rule.outbound), ("outbound", rule.inbound)):
            for flow in flows:
                for peer in flow.peers if isinstance(flow.peers, tuple) else ():
                    _open(found, peer.namespace or home, peer.labels, way, home, rule.selector, flow)
    return {namespace: tuple(members) for namespace, members in found.items()}


def _open(
    found: dict[str, list[Rule]],
    namespace: str,
    labels: Mapping[str, str],
    way: str,
    home: str,
    selector: Mapping[str, str],
    flow: Flow,
) -> None:
    """Add to the rules that select these pods what the other end declares, unless it is there already."""
    end = Flow((Pods(selector, None if home == namespace else home),), flow.ports, flow.protocols)
    for index, rule in enumerate(found.get(namespace, ())):
        inbound, outbound = rule.inbound, rule.outbound
        if dict(rule.selector) != dict(labels) or end in (inbound if way == "inbound" else outbound):
            continue
        if way == "inbound":
            inbound = (*inbound, end)
        else:
            outbound = (*outbound, end)
        found[namespace][index] = Rule(rule.name, rule.selector, inbound, outbound)
