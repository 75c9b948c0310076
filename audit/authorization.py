"""AuthorizationPolicy: who may ask what, by identity.

A denial wins. Without any ALLOW policy for a pod everything else passes; with one, only what a rule allows. An ALLOW
policy without rules allows nothing, an empty rule everything. What the audit cannot know (headers, tokens) is taken
as satisfied in ALLOW rules and as unsatisfied in denials: it never calls something unreachable that is reachable.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from audit.addresses import common, ranges
from audit.errors import AuditError
from audit.population import Mask, Population, Port, bits, union
from audit.requests import Request, matches
from audit.resources import Object, Registry

GROUP: Final = "security.istio.io"
Rule = Mapping[str, Any]
_SOURCE: Final = frozenset(
    f"{negated}{name}"
    for negated, names in (
        ("", ("principals", "namespaces", "requestPrincipals", "ipBlocks", "remoteIpBlocks", "serviceAccounts")),
        ("not", ("Principals", "Namespaces", "RequestPrincipals", "IpBlocks", "RemoteIpBlocks", "ServiceAccounts")),
    )
    for name in names
)
_OPERATION: Final = frozenset({"hosts", "ports", "methods", "paths", "notHosts", "notPorts", "notMethods", "notPaths"})
_HTTP: Final = ("hosts", "methods", "paths", "notHosts", "notMethods", "notPaths")
_HTTP_SOURCE: Final = ("requestPrincipals", "notRequestPrincipals")


class Authorization:
    """The policies of every pod, and the verdict about a request."""

    def __init__(self, registry: Registry, population: Population, root: str) -> None:
        self._population = population
        self._policies: dict[int, list[Object]] = defaultdict(list)
        for policy in registry.objects("AuthorizationPolicy", group=GROUP):
            if policy.spec.get("targetRef") or policy.spec.get("targetRefs"):
                raise AuditError(f"{policy.key}: targetRefs are for waypoints, which the audit does not know")
            scope = population.pods if policy.namespace == root else population.namespaces.get(policy.namespace, 0)
            labels = (policy.spec.get("selector") or {}).get("matchLabels") or {}
            for pod in bits(population.has(labels, scope & population.meshed)):
                self._policies[pod].append(policy)

    def mentioned(self, pod: int) -> tuple[set[int], set[str], set[str]]:
        """Ports, methods and paths that policies about a pod name."""
        ports: set[int] = set()
        methods: set[str] = set()
        paths: set[str] = set()
        for policy in self._policies.get(pod, ()):
            for rule in policy.spec.get("rules") or ():
                for operation in _operations(rule):
                    ports |= {int(port) for key in ("ports", "notPorts") for port in operation.get(key) or ()}
                    methods |= {method for key in ("methods", "notMethods") for method in operation.get(key) or ()}
                    paths |= {path for key in ("paths", "notPaths") for path in operation.get(key) or ()}
        return ports, methods, paths

    def admitted(
        self, pod: int, port: Port, request: Request | None, identified: Mask, server: str | None = None
    ) -> Mask:
        """Callers that pass. ``identified``: those that arrive with mutual TLS. No ``request``: opaque traffic.

        ``server``: the name in the handshake. Absent: whatever is admitted.
        """
        everyone = self._population.everyone
        allowed, allowing, denied = 0, False, 0
        for policy in self._policies.get(pod, ()):
            action = str(policy.spec.get("action") or "ALLOW")
            if action in ("AUDIT", "CUSTOM"):
                continue
            if action not in ("ALLOW", "DENY"):
                raise AuditError(f"{policy.key}: action '{action}' is unknown")
            allow = action == "ALLOW"
            rules = policy.spec.get("rules") or ()
            matched = union(self._rule(policy, rule, port, request, identified, allow, server) for rule in rules)
            if allow:
                allowing, allowed = True, allowed | matched
            else:
                denied |= matched
        return (allowed if allowing else everyone) & ~denied

    def _rule(
        self,
        policy: Object,
        rule: Rule,
        port: Port,
        request: Request | None,
        identified: Mask,
        allow: bool,
        server: str | None,
    ) -> Mask:
        operations = _operations(rule)
        for operation in operations:
            _known(policy, operation, _OPERATION)
        if operations and not any(_asks(operation, port, request, allow) for operation in operations):
            return 0
        sources = [entry.get("source") or {} for entry in rule.get("from") or ()]
        found = self._population.everyone
        if sources:
            found = union(self._source(policy, source, request, identified, allow) for source in sources)
        for condition in rule.get("when") or ():
            found &= self._condition(condition, port, identified, allow, server)
        return found

    def _source(self, policy: Object, source: Rule, request: Request | None, identified: Mask, allow: bool) -> Mask:
        _known(policy, source, _SOURCE)
        if request is None and any(source.get(key) for key in _HTTP_SOURCE) and allow:
            return 0
        found = self._population.everyone
        for key, values in source.items():
            if values:
                negated = key.startswith("not")
                name = key[3:4].lower() + key[4:] if negated else key
                mask = self._attribute(name, values, policy.namespace, identified, allow != negated)
                found &= self._population.everyone & ~mask if negated else mask
        return found

    def _attribute(self, name: str, values: Sequence[str], namespace: str, identified: Mask, certain: bool) -> Mask:
        """Callers with one of the values. ``certain``: the unknown counts as matched."""
        population = self._population
        match name:
            case "principals":
                return identified & _pick(population.principals, values)
            case "namespaces":
                return identified & _pick(population.namespaces, values)
            case "serviceAccounts":
                accounts = [value if "/" in value else f"{namespace}/{value}" for value in values]
                principals = [f"cluster.local/ns/{own}/sa/{name}" for own, name in (a.split("/", 1) for a in accounts)]
                return identified & _pick(population.principals, principals)
            case "ipBlocks" | "remoteIpBlocks":
                named = ranges(*values)
                return union(
                    1 << index
                    for index, actor in enumerate(population.actors)
                    if common(named, actor.addresses) or (certain and not actor.addresses)
                )
        return population.everyone if certain else 0

    def _condition(self, condition: Rule, port: Port, identified: Mask, allow: bool, server: str | None) -> Mask:
        everyone = self._population.everyone
        found = everyone
        attributes: dict[str, Callable[[Sequence[str]], Mask]] = {
            "source.principal": lambda values: self._attribute("principals", values, "", identified, allow),
            "source.namespace": lambda values: self._attribute("namespaces", values, "", identified, allow),
            "source.ip": lambda values: self._attribute("ipBlocks", values, "", identified, allow),
            "connection.sni": lambda values: (
                everyone if (server is None and allow) or any(matches(value, server or "") for value in values) else 0
            ),
            "destination.port": lambda values: everyone if str(port[1]) in map(str, values) else 0,
        }
        attribute = attributes.get(condition.get("key", ""))
        if attribute is None:
            return everyone if allow else 0
        if condition.get("values"):
            found &= attribute(condition["values"])
        if condition.get("notValues"):
            found &= everyone & ~attribute(condition["notValues"])
        return found


def _operations(rule: Rule) -> list[Rule]:
    return [entry.get("operation") or {} for entry in rule.get("to") or ()]


def _pick(index: Mapping[str, Mask], patterns: Iterable[str]) -> Mask:
    found = 0
    for pattern in patterns:
        if "*" in pattern:
            found |= union(mask for name, mask in index.items() if matches(pattern, name))
        else:
            found |= index.get(pattern, 0)
    return found


def _asks(operation: Rule, port: Port, request: Request | None, allow: bool) -> bool:
    """Whether a request is one of the operation's. Of opaque traffic nobody knows: it is not allowed, but denied."""
    number = str(port[1])
    if operation.get("ports") and number not in map(str, operation["ports"]):
        return False
    if operation.get("notPorts") and number in map(str, operation["notPorts"]):
        return False
    if request is None:
        return not allow or not any(operation.get(key) for key in _HTTP)
    for key, value in (("methods", request.method), ("paths", request.path)):
        listed, excluded = operation.get(key), operation.get(f"not{key.capitalize()}")
        if listed and not any(matches(pattern, value) for pattern in listed):
            return False
        if excluded and any(matches(pattern, value) for pattern in excluded):
            return False
    return allow or not (operation.get("hosts") or operation.get("notHosts"))


def _known(policy: Object, entry: Rule, known: frozenset[str]) -> None:
    unknown = sorted(key for key, value in entry.items() if key not in known and value)
    if unknown:
        raise AuditError(
            f"{policy.key}: the audit does not know '{unknown[0]}'; extend it, or write the rule otherwise"
        )
