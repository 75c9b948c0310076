"""The standard NetworkPolicy as the API's documentation has it: who gets in, who gets out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from tests.requirements.registered import Registered

Labels = Mapping[str, str]
Pod = tuple[str, Labels]
"""Namespace and labels."""
Peer = Pod | IPv4Address
"""Or somebody outside the cluster."""


def selected(selector: Mapping[str, Any], labels: Labels) -> bool:
    assert set(selector) <= {"matchLabels"}, f"the test does not understand {selector}"
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def policies(stack: Registered, pod: Pod, direction: str) -> list[Mapping[str, Any]]:
    """The policies that hold a pod in one direction (``Ingress`` or ``Egress``)."""
    namespace, labels = pod
    specs = [item["spec"] for item in stack.manifests("NetworkPolicy", namespace).values()]
    return [spec for spec in specs if direction in spec["policyTypes"] and selected(spec["podSelector"], labels)]


def _peers(rule: Mapping[str, Any], side: str, other: Peer, home: str) -> bool:
    if side not in rule:
        return True
    return any(_is(peer, other, home) for peer in rule[side])


def _is(peer: Mapping[str, Any], other: Peer, home: str) -> bool:
    assert set(peer) <= {"podSelector", "namespaceSelector", "ipBlock"}
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        inside = isinstance(other, IPv4Address) and other in IPv4Network(block["cidr"])
        return inside and not any(other in IPv4Network(part) for part in block.get("except", ()))
    if isinstance(other, IPv4Address):
        return False
    namespace, labels = other
    if "namespaceSelector" in peer:
        inside = selected(peer["namespaceSelector"], {"kubernetes.io/metadata.name": namespace})
    else:
        inside = namespace == home
    return inside and selected(peer.get("podSelector", {}), labels)


def _opens(rule: Mapping[str, Any], port: int, protocol: str) -> bool:
    return "ports" not in rule or any(
        item.get("port") in (None, port) and item.get("protocol", "TCP") == protocol for item in rule["ports"]
    )


def passes(stack: Registered, source: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
    """Whether a pod may open a connection to another: let out by its own policies, let in by the other's."""
    return lets_out(stack, source, target, port, protocol) and lets_in(stack, source, target, port, protocol)


def lets_in(stack: Registered, source: Peer, target: Pod, port: int, protocol: str = "TCP") -> bool:
    holding = policies(stack, target, "Ingress")
    return not holding or any(
        _opens(rule, port, protocol) and _peers(rule, "from", source, target[0])
        for spec in holding
        for rule in spec.get("ingress", ())
    )


def lets_out(stack: Registered, source: Pod, target: Peer, port: int, protocol: str = "TCP") -> bool:
    holding = policies(stack, source, "Egress")
    return not holding or any(
        _opens(rule, port, protocol) and _peers(rule, "to", target, source[0])
        for spec in holding
        for rule in spec.get("egress", ())
    )


def pods(stack: Registered, namespace: str) -> Iterator[tuple[str, Pod]]:
    """Every registered workload's pods, by name."""
    for _, name, template in stack.pods():
        home, _, own = name.partition("/")
        if home == namespace:
            yield own, (home, template["metadata"].get("labels", {}))
