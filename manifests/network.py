"""The standard NetworkPolicy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from manifests.base import Manifest, compact, manifest, match_labels

API = "networking.k8s.io/v1"


def peer(labels: Mapping[str, str], namespace: str | None = None) -> Manifest:
    """Pods by labels. ``namespace`` absent: in the policy's own."""
    where = match_labels({"kubernetes.io/metadata.name": namespace}) if namespace else None
    return compact(namespaceSelector=where, podSelector=match_labels(labels))


def block(cidr: str, without: Sequence[str] = ()) -> Manifest:
    """Addresses outside the cluster."""
    return {"ipBlock": compact(cidr=cidr, **{"except": list(without) or None})}


def _ports(numbers: Sequence[int], protocols: Sequence[str]) -> list[Manifest]:
    return [{"port": number, "protocol": protocol} for number in numbers for protocol in protocols]


def ingress(sources: Sequence[Manifest], numbers: Sequence[int]) -> Manifest:
    return {"from": list(sources), "ports": _ports(numbers, ("TCP",))}


def egress(targets: Sequence[Manifest], numbers: Sequence[int], protocols: Sequence[str] = ("TCP",)) -> Manifest:
    return {"to": list(targets), "ports": _ports(numbers, protocols)}


def _once(rules: Sequence[Manifest]) -> list[Manifest]:
    """Two reasons for the same connection are one rule."""
    return [rule for number, rule in enumerate(rules) if rule not in rules[:number]]


def network_policy(
    name: str,
    namespace: str,
    selector: Mapping[str, str],
    inbound: Sequence[Manifest],
    outbound: Sequence[Manifest],
) -> Manifest:
    """Both directions are always enforced; an empty list admits nothing."""
    spec = {
        "podSelector": match_labels(selector) if selector else {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": _once(inbound),
        "egress": _once(outbound),
    }
    return manifest(API, "NetworkPolicy", name, namespace, spec=spec)
