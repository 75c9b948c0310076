"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy, with Cilium's own semantics.

A section that is present and not empty closes its direction for the selected pods. An empty rule (``- {}``) allows
nothing, a rule with ports alone allows everybody on these ports. Selectors without a namespace stay in the policy's
own; addresses never match what Cilium manages (pods, nodes); names (``toFQDNs``) work only for pods whose DNS answers
Cilium's proxy sees.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from audit.addresses import common, ranges, without
from audit.errors import AuditError
from audit.hosts import name_matches
from audit.population import (
    CILIUM_NAMESPACE,
    CILIUM_NAMESPACE_LABELS,
    Mask,
    Population,
    bare,
    bits,
    union,
)
from audit.resources import Object, Registry
from audit.rules import ANY, PolicyRules, PortRange, Ports

KINDS: Final = ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy")
Spec = Mapping[str, Any]
_COMMON: Final = frozenset({"toPorts", "icmps", "authentication"})
_INGRESS: Final = _COMMON | {"fromEndpoints", "fromEntities", "fromCIDR", "fromCIDRSet"}
_EGRESS: Final = _COMMON | {"toEndpoints", "toEntities", "toCIDR", "toCIDRSet", "toFQDNs"}
_SPEC: Final = frozenset(
    {"endpointSelector", "ingress", "egress", "ingressDeny", "egressDeny", "enableDefaultDeny", "description", "labels"}
)
DNS: Final = ("UDP", 53)


class CiliumPolicies:
    """Adds every rule of the registered policies to the common form."""

    def __init__(self, population: Population, rules: PolicyRules, dns: Mask, by_address: Mask) -> None:
        """``dns``: the pods of the cluster's DNS. ``by_address``: who is recognised by address; never pods."""
        self._population = population
        self._rules = rules
        self._dns = dns
        self._by_address = by_address
        self._observed: dict[str, Mask] = defaultdict(int)
        """By pattern of names: pods for which the DNS proxy sees the answers."""
        self._named: list[tuple[Mask, tuple[Spec, ...], Ports]] = []

    def add_all(self, registry: Registry) -> None:
        for policy in registry.objects(*KINDS):
            for spec in (policy.spec, *(policy.body.get("specs") or ())):
                if spec:
                    self._add(policy, spec)
        for subjects, names, ports in self._named:
            self._add_names(subjects, names, ports)

    def _add(self, policy: Object, spec: Spec) -> None:
        _known(policy, spec, _SPEC)
        subjects = self._subjects(policy, spec)
        closes = spec.get("enableDefaultDeny") or {}
        ingress, egress = self._rules.ingress, self._rules.egress
        for direction, section, peers in ((ingress, "ingress", _INGRESS), (egress, "egress", _EGRESS)):
            allowed, denied = spec.get(section) or (), spec.get(f"{section}Deny") or ()
            if (allowed or denied) and closes.get(section, True):
                direction.enforced |= subjects
            for rule in (*allowed, *denied):
                _known(policy, rule, peers)
        for section, deny in (("ingress", False), ("ingressDeny", True)):
            for rule in spec.get(section) or ():
                for ports in self._ports(policy, rule):
                    ingress.add(self._peers(policy, rule, "from"), subjects, ports, deny)
        for section, deny in (("egress", False), ("egressDeny", True)):
            for rule in spec.get(section) or ():
                self._add_egress(policy, subjects, rule, deny)

    def _add_egress(self, policy: Object, subjects: Mask, rule: Spec, deny: bool) -> None:
        peers = self._peers(policy, rule, "to")
        for ports in self._ports(policy, rule):
            self._rules.egress.add(subjects, peers, ports, deny)
            if rule.get("toFQDNs"):
                self._named.append((subjects, tuple(rule["toFQDNs"]), ports))
        if not deny and peers & self._dns:
            server = self._population.actors[next(bits(self._dns))]
            for entry in rule.get("toPorts") or ():
                for seen in (entry.get("rules") or {}).get("dns") or ():
                    if any(item.holds(server, DNS) for item in _ranges(policy, entry) or ()):
                        self._observed[seen.get("matchName") or seen.get("matchPattern") or ""] |= subjects

    def _add_names(self, subjects: Mask, names: Iterable[Spec], ports: Ports) -> None:
        """An actor outside is reached by a name when a rule names it and the DNS proxy sees the answer."""
        for index in bits(self._population.world):
            for host in self._population.actors[index].hosts:
                if any(_fqdn_matches(name, host) for name in names):
                    seen = union(mask for pattern, mask in self._observed.items() if name_matches(pattern, host))
                    self._rules.egress.add(subjects & seen, 1 << index, ports)

    def _subjects(self, policy: Object, spec: Spec) -> Mask:
        if "endpointSelector" not in spec:
            raise AuditError(f"{policy.key} selects nodes, which the audit does not judge; select endpoints")
        scope = self._population.namespaces.get(policy.namespace, 0) if policy.namespace else self._population.pods
        return self._population.select(spec["endpointSelector"], scope, policy.key)

    def _peers(self, policy: Object, rule: Spec, side: str) -> Mask:
        """Whom a rule names. Nobody named: everybody, if the rule has ports; otherwise nobody."""
        keys = [key for key in rule if key.startswith(side) and key != "toPorts"]
        if not keys:
            return self._population.everyone if rule.get("toPorts") else 0
        found = 0
        for selector in rule.get(f"{side}Endpoints") or ():
            found |= self._endpoints(policy, selector)
        for entity in rule.get(f"{side}Entities") or ():
            found |= self._entity(policy, entity)
        for cidr in rule.get(f"{side}CIDR") or ():
            found |= self._addresses(cidr, ())
        for entry in rule.get(f"{side}CIDRSet") or ():
            if "cidr" not in entry:
                raise AuditError(f"{policy.key}: a group of addresses in {side}CIDRSet is unknown here; write the CIDR")
            found |= self._addresses(entry["cidr"], entry.get("except") or ())
        return found

    def _endpoints(self, policy: Object, selector: Spec) -> Mask:
        keys = [*(selector.get("matchLabels") or {}), *(item["key"] for item in selector.get("matchExpressions") or ())]
        reserved = [key for key in keys if key.startswith("reserved:")]
        if reserved:
            return self._entity(policy, reserved[0].removeprefix("reserved:").removeprefix("."))
        names = {bare(key) for key in keys}
        scope = self._population.pods
        elsewhere = CILIUM_NAMESPACE in names or any(name.startswith(CILIUM_NAMESPACE_LABELS) for name in names)
        if policy.namespace and not elsewhere:
            scope = self._population.namespaces.get(policy.namespace, 0)
        return self._population.select(selector, scope, policy.key)

    def _entity(self, policy: Object, name: str) -> Mask:
        population = self._population
        kinds = population.kinds
        nodes = kinds["remote-node"] | kinds["api-server"]
        entities = {
            "all": population.everyone,
            "world": population.world,
            "world-ipv4": population.world,
            "world-ipv6": 0,
            "cluster": population.everyone & ~population.world,
            "host": kinds["host"],
            "remote-node": nodes,
            "kube-apiserver": kinds["api-server"],
            "health": 0,
            "ingress": 0,
            "init": 0,
            "unmanaged": 0,
            "none": 0,
        }
        if name not in entities:
            raise AuditError(f"{policy.key}: entity '{name}' is unknown; use one of {', '.join(entities)}")
        return entities[name]

    def _addresses(self, cidr: str, excepted: Iterable[str]) -> Mask:
        named = without(ranges(cidr), ranges(*excepted))
        actors = self._population.actors
        return union(1 << index for index in bits(self._by_address) if common(named, actors[index].addresses))

    def _ports(self, policy: Object, rule: Spec) -> Iterator[Ports]:
        """The rule's ports; a rule for ICMP alone admits no connection."""
        if not rule.get("toPorts"):
            if not rule.get("icmps"):
                yield None
            return
        for entry in rule["toPorts"]:
            unknown = set(entry.get("rules") or {}) - {"dns"}
            if unknown:
                raise AuditError(f"{policy.key}: rules of layer 7 ({', '.join(sorted(unknown))}) are not judged here")
            yield _ranges(policy, entry)


def _ranges(policy: Object, entry: Spec) -> Ports:
    if not entry.get("ports"):
        return None
    found = []
    for item in entry["ports"]:
        text, protocol = str(item.get("port", "0")), str(item.get("protocol") or ANY).upper()
        if not text.isdigit():
            found.append(PortRange(protocol, 0, 0, text))
        elif int(text) == 0:
            found.append(PortRange(protocol, 1, 65535))
        else:
            found.append(PortRange(protocol, int(text), int(item.get("endPort") or text)))
    return tuple(found)


def _fqdn_matches(name: Spec, host: str) -> bool:
    return name_matches(name.get("matchName") or name.get("matchPattern") or "", host)


def _known(policy: Object, rule: Spec, known: frozenset[str]) -> None:
    unknown = sorted(key for key, value in rule.items() if key not in known and value)
    if unknown:
        raise AuditError(
            f"{policy.key}: the audit does not know '{unknown[0]}'; extend it, or write the rule otherwise"
        )


def policed_names(registry: Registry) -> set[str]:
    """Names and patterns that any rule lets pods out to."""
    found = set()
    for policy in registry.objects(*KINDS):
        for spec in (policy.spec, *(policy.body.get("specs") or ())):
            for rule in spec.get("egress") or ():
                found |= {name.get("matchName") or name.get("matchPattern") for name in rule.get("toFQDNs") or ()}
    return {name for name in found if name}
