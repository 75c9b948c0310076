"""Mutual TLS: what a callee's port accepts (PeerAuthentication) and what its callers offer (DestinationRule)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from audit.errors import AuditError
from audit.hosts import host_covers, qualified
from audit.population import Mask, Population, bits
from audit.resources import Object, Registry

GROUP: Final = "security.istio.io"
NETWORKING: Final = "networking.istio.io"
UNSET: Final = "UNSET"
ACCEPTED: Final[Mapping[str, tuple[bool, bool]]] = {
    "STRICT": (True, False),
    "PERMISSIVE": (True, True),
    "DISABLE": (False, True),
}
"""Mode -> whether mutual TLS and plain text are accepted."""
OFFERED: Final[Mapping[str, str]] = {"ISTIO_MUTUAL": "mutual", "DISABLE": "plain", "SIMPLE": "other", "MUTUAL": "other"}
"""A client's TLS mode -> what arrives. ``other``: TLS that is not the mesh's own."""


class PeerModes:
    """The mode of every port of every pod. The narrowest policy wins: pods, namespace, mesh; then PERMISSIVE."""

    def __init__(self, registry: Registry, population: Population, root: str) -> None:
        self._mesh = "PERMISSIVE"
        self.namespaces: dict[str, str] = {}
        """What a namespace sets for all of its pods."""
        self._pods: dict[int, Object] = {}
        policies = registry.objects("PeerAuthentication", group=GROUP)
        for policy in sorted(policies, key=lambda item: (item.namespace, item.name), reverse=True):
            labels = (policy.spec.get("selector") or {}).get("matchLabels") or {}
            mode = _mode(policy, policy.spec.get("mtls"))
            if labels and policy.namespace != root:
                for index in bits(population.has(labels, population.namespaces.get(policy.namespace, 0))):
                    self._pods[index] = policy
            elif not labels and policy.namespace == root and mode != UNSET:
                self._mesh = mode
            if not labels and mode != UNSET:
                self.namespaces[policy.namespace] = mode
        self._population = population

    @property
    def mesh(self) -> str:
        """The mode where no narrower policy is."""
        return self._mesh

    def ports(self, pod: int) -> set[int]:
        """Ports with a mode of their own."""
        policy = self._pods.get(pod)
        return {int(port) for port in (policy.spec.get("portLevelMtls") or {})} if policy else set()

    def mode(self, pod: int, port: int) -> str:
        inherited = self.namespaces.get(self._population.actors[pod].namespace, self._mesh)
        policy = self._pods.get(pod)
        if policy is None:
            return inherited
        own = _mode(policy, policy.spec.get("mtls"))
        levels = {int(number): value for number, value in (policy.spec.get("portLevelMtls") or {}).items()}
        for mode in (_mode(policy, levels.get(port)), own):
            if mode != UNSET:
                return mode
        return inherited


def _mode(policy: Object, setting: Mapping[str, Any] | None) -> str:
    mode = str((setting or {}).get("mode") or UNSET)
    if mode != UNSET and mode not in ACCEPTED:
        raise AuditError(f"{policy.key}: mode '{mode}' is unknown; use STRICT, PERMISSIVE, DISABLE or UNSET")
    return mode


class ClientModes:
    """What clients of a namespace offer to a host: the rule of their own namespace, the host's, or the mesh's root."""

    def __init__(self, registry: Registry, root: str) -> None:
        self._root = root
        self._rules: dict[str, list[tuple[str, Object]]] = {}
        self._known: dict[tuple[str, str, str], Object | None] = {}
        for rule in registry.objects("DestinationRule", group=NETWORKING):
            if not rule.spec.get("workloadSelector"):
                host = qualified(str(rule.spec.get("host")), rule.namespace)
                self._rules.setdefault(rule.namespace, []).append((host, rule))

    def rule(self, client: str, host: str, service: str) -> Object | None:
        """The DestinationRule that holds; the longest host wins within a namespace."""
        key = (client, host, service)
        if key not in self._known:
            self._known[key] = self._rule(client, host, service)
        return self._known[key]

    def _rule(self, client: str, host: str, service: str) -> Object | None:
        for namespace in dict.fromkeys((client, service, self._root)):
            found = [
                (pattern.startswith("*"), -len(pattern), rule.name, rule)
                for pattern, rule in self._rules.get(namespace, ())
                if host_covers(pattern, host) and _exported(rule, client)
            ]
            if found:
                return min(found, key=lambda item: item[:3])[3]
        return None

    def offered(self, client: str, host: str, service: str, port: int, *, meshed: bool) -> str:
        """``mutual``, ``plain`` or ``other``; without a rule the mesh offers its own TLS to whoever has a proxy."""
        rule = self.rule(client, host, service)
        policy = (rule.spec.get("trafficPolicy") or {}) if rule else {}
        settings = [
            level.get("tls") or {}
            for level in policy.get("portLevelSettings") or ()
            if (level.get("port") or {}).get("number") == port
        ]
        mode = (settings[0] if settings else policy.get("tls") or {}).get("mode")
        if mode is None:
            return "mutual" if meshed else "plain"
        if mode not in OFFERED:
            raise AuditError(f"{rule.key if rule else host}: TLS mode '{mode}' is unknown; use {', '.join(OFFERED)}")
        return OFFERED[mode]

    def subset(self, host: str, service: str, name: str) -> Mapping[str, str] | None:
        """The labels of a subset; None when no rule defines it, and calls to it fail."""
        rule = self.rule(service, host, service)
        for subset in (rule.spec.get("subsets") or ()) if rule else ():
            if subset.get("name") == name:
                labels: Mapping[str, str] = subset.get("labels") or {}
                return labels
        return None


def _exported(item: Object, client: str) -> bool:
    to: Iterable[str] = item.spec.get("exportTo") or ("*",)
    return any(name in ("*", client) or (name == "." and client == item.namespace) for name in to)


def accepts(mode: str, offers: Mapping[str, Mask]) -> Mask:
    """Callers whose transport a port of that mode accepts."""
    mutual, plain = ACCEPTED[mode]
    return (offers["mutual"] if mutual else 0) | (offers["plain"] if plain else 0)
