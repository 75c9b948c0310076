"""The standard NetworkPolicy. A policy closes the directions of its ``policyTypes`` for the pods it selects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from audit.addresses import common, ranges, without
from audit.population import Mask, Population, union
from audit.resources import Object, Registry
from audit.rules import PolicyRules, PortRange, Ports

KIND: Final = "NetworkPolicy"
GROUP: Final = "networking.k8s.io"


def add_all(registry: Registry, population: Population, rules: PolicyRules, *, by_address: Mask) -> None:
    """Add every policy. ``by_address``: who is recognised by address; the plug-in decides whether pods are."""
    for policy in registry.objects(KIND, group=GROUP):
        _add(policy, population, rules, by_address)


def _add(policy: Object, population: Population, rules: PolicyRules, by_address: Mask) -> None:
    spec = policy.spec
    subjects = population.select(spec.get("podSelector"), population.namespaces.get(policy.namespace, 0), policy.key)
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") is not None else [])]
    if "Ingress" in types:
        rules.ingress.enforced |= subjects
        for rule in spec.get("ingress") or ():
            peers = _peers(policy, rule.get("from"), population, by_address)
            rules.ingress.add(peers, subjects, _ports(rule))
    if "Egress" in types:
        rules.egress.enforced |= subjects
        for rule in spec.get("egress") or ():
            rules.egress.add(subjects, _peers(policy, rule.get("to"), population, by_address), _ports(rule))


def _peers(policy: Object, peers: Any, population: Population, by_address: Mask) -> Mask:
    """An absent or empty list means everybody."""
    if not peers:
        return population.everyone
    return union(_peer(policy, peer, population, by_address) for peer in peers)


def _peer(policy: Object, peer: Mapping[str, Any], population: Population, by_address: Mask) -> Mask:
    if peer.get("ipBlock"):
        block = peer["ipBlock"]
        named = without(ranges(block["cidr"]), ranges(*(block.get("except") or ())))
        return union(
            1 << index
            for index, actor in enumerate(population.actors)
            if by_address >> index & 1 and common(named, actor.addresses)
        )
    if peer.get("namespaceSelector") is None:
        among = population.namespaces.get(policy.namespace, 0)
    else:
        among = population.in_namespaces(peer["namespaceSelector"], policy.key)
    return population.select(peer.get("podSelector"), among, policy.key)


def _ports(rule: Mapping[str, Any]) -> Ports:
    if not rule.get("ports"):
        return None
    found = []
    for item in rule["ports"]:
        protocol, port = str(item.get("protocol") or "TCP"), item.get("port")
        if port is None:
            found.append(PortRange(protocol, 1, 65535))
        elif isinstance(port, str) and not port.isdigit():
            found.append(PortRange(protocol, 0, 0, port))
        else:
            found.append(PortRange(protocol, int(port), int(item.get("endPort") or port)))
    return tuple(found)
