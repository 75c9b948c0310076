"""What the tests of Orion's rows share: its services, and who reaches whom by the standard network policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from tests.requirements.registered import Manifest, Registered

SERVICES = {"gateway": 3000, "auth": 3001, "user": 3002, "notification": 3003}
SPACES = tuple(f"orion-{service}" for service in SERVICES)
INTERNET = IPv4Address("93.184.216.34")
NGINX = ("orion-ingress", {"app.kubernetes.io/name": "nginx-ingress"})
PROMETHEUS = ("orion-monitoring", {"app.kubernetes.io/name": "prometheus"})
DNS = ("kube-system", {"k8s-app": "kube-dns"})
ISTIOD = ("istio-system", {"app": "istiod"})
EGRESS = ("istio-system", {"istio": "egressgateway"})
Pod = tuple[str, Mapping[str, str]]
"""Namespace and labels."""
NAMESPACE = "kubernetes.io/metadata.name"


def pod(name: str, namespace: str | None = None) -> Pod:
    """A service's pods, or a store's."""
    return namespace or f"orion-{name}", {"app": name}


def stranger(namespace: str = "somewhere") -> Pod:
    return namespace, {"app": "stranger"}


def store(name: str) -> Pod:
    return pod(name, "orion-data")


def container(template: Manifest) -> Manifest:
    """The first container of a pod template."""
    found: Manifest = template["spec"]["containers"][0]
    return found


def template(stack: Registered, service: str, namespace: str | None = None) -> Manifest:
    found: Manifest = stack.workload(namespace or f"orion-{service}", service)["spec"]["template"]
    return found


def leaves(stack: Registered, caller: Pod, callee: Pod | IPv4Address, port: int, protocol: str = "TCP") -> bool:
    """Whether the caller's own policies let it go there."""
    return _passes(stack, "egress", "to", caller, callee, port, protocol)


def enters(stack: Registered, caller: Pod | IPv4Address, callee: Pod, port: int, protocol: str = "TCP") -> bool:
    """Whether the callee's own policies let it in."""
    return _passes(stack, "ingress", "from", callee, caller, port, protocol)


def reaches(stack: Registered, caller: Pod, callee: Pod, port: int, protocol: str = "TCP") -> bool:
    """Whether both ends let the connection pass."""
    return leaves(stack, caller, callee, port, protocol) and enters(stack, caller, callee, port, protocol)


def _passes(
    stack: Registered, way: str, peers: str, own: Pod, other: Pod | IPv4Address, port: int, protocol: str
) -> bool:
    """The standard NetworkPolicy: what no policy selects is free; what one selects needs a rule of any that does."""
    namespace, labels = own
    found = [
        item["spec"]
        for item in stack.manifests("NetworkPolicy", namespace).values()
        if _selected(item["spec"]["podSelector"], labels) and way.capitalize() in item["spec"]["policyTypes"]
    ]
    rules = [rule for spec in found for rule in spec.get(way, ())]
    return not found or any(
        _ports(rule.get("ports"), port, protocol)
        and (peers not in rule or any(_peer(peer, namespace, other) for peer in rule[peers]))
        for rule in rules
    )


def _ports(ports: Iterable[Mapping[str, Any]] | None, port: int, protocol: str) -> bool:
    return not ports or any((item["port"], item.get("protocol", "TCP")) == (port, protocol) for item in ports)


def _peer(peer: Mapping[str, Any], home: str, other: Pod | IPv4Address) -> bool:
    assert peer.keys() <= {"ipBlock", "namespaceSelector", "podSelector"}
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        outside = isinstance(other, IPv4Address) and other in IPv4Network(block["cidr"])
        return outside and not any(other in IPv4Network(part) for part in block.get("except", ()))
    if isinstance(other, IPv4Address):
        return False
    namespace, labels = other
    around = {NAMESPACE: namespace}
    there = _selected(peer["namespaceSelector"], around) if "namespaceSelector" in peer else namespace == home
    return there and _selected(peer.get("podSelector", {}), labels)


def _selected(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels"}, f"the test does not understand {selector}"
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
