"""Everybody who can open or accept a connection, indexed so that a selector is answered by a few integer operations.

A set of actors is an integer with one bit per actor ("mask"): a rule that selects a thousand pods costs as much as one
that selects a single pod.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from audit.addresses import Ranges
from audit.errors import AuditError

Mask = int
Kind = Literal["pod", "host", "remote-node", "api-server", "world"]
Proxy = Literal["none", "sidecar", "outbound", "gateway"]
"""``outbound``: a sidecar that lets pass what comes in."""
Protocol = Literal["TCP", "UDP", "SCTP"]
Port = tuple[str, int]
"""Protocol and number."""
TRUST_DOMAIN: Final = "cluster.local"
CILIUM_NAMESPACE: Final = "io.kubernetes.pod.namespace"
CILIUM_NAMESPACE_LABELS: Final = "io.cilium.k8s.namespace.labels."
CILIUM_ACCOUNT: Final = "io.cilium.k8s.policy.serviceaccount"
CILIUM_CLUSTER: Final = "io.cilium.k8s.policy.cluster"


@dataclass(frozen=True)
class Actor:
    """One end of a connection: pods of one template, a node, the API server, or something outside the cluster."""

    name: str
    kind: Kind
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    account: str = ""
    proxy: Proxy = "none"
    named_ports: Mapping[str, int] = field(default_factory=dict)
    listens: frozenset[Port] = frozenset()
    hosts: tuple[str, ...] = ()
    """DNS names: of something outside, or of Services that a chart makes for its pods."""
    calls: tuple[str, ...] = ()
    """DNS names that its own configuration tells it to call."""
    addresses: Ranges = ()
    chart: bool = False
    """Whether a chart makes it, not the program."""
    services: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    """A chart's Services in its namespace: the pod's port by the Service's."""
    role: str = ""
    """What it is to the expectation: ``service:<name>``, ``store:<name>``, ``stranger`` or a part of the platform."""

    @property
    def principal(self) -> str:
        return f"{TRUST_DOMAIN}/ns/{self.namespace}/sa/{self.account}"


def bits(mask: Mask) -> Iterator[int]:
    """The positions of the set bits."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class Population:
    """The actors and the masks by which they are selected."""

    def __init__(self, actors: Sequence[Actor]) -> None:
        self.actors = tuple(actors)
        self.everyone: Mask = (1 << len(self.actors)) - 1
        self._labels: dict[tuple[str, str], Mask] = defaultdict(int)
        self._keys: dict[str, Mask] = defaultdict(int)
        self.kinds: dict[str, Mask] = defaultdict(int)
        self.roles: dict[str, Mask] = defaultdict(int)
        self.namespaces: dict[str, Mask] = defaultdict(int)
        self.principals: dict[str, Mask] = defaultdict(int)
        self.namespace_labels: dict[str, Mapping[str, str]] = {}
        self.meshed: Mask = 0
        self.by_name = {actor.name: index for index, actor in enumerate(self.actors)}
        for index, actor in enumerate(self.actors):
            self._add(actor, 1 << index)
        self.pods: Mask = self.kinds["pod"]
        self.world: Mask = self.kinds["world"]

    def _add(self, actor: Actor, bit: Mask) -> None:
        self.kinds[actor.kind] |= bit
        self.roles[actor.role] |= bit
        if actor.kind != "pod":
            return
        self.namespaces[actor.namespace] |= bit
        self.namespace_labels[actor.namespace] = actor.namespace_labels
        if actor.proxy != "none":
            self.meshed |= bit
            self.principals[actor.principal] |= bit
        for key, value in _labels(actor):
            self._labels[key, value] |= bit
            self._keys[key] |= bit

    def role(self, name: str) -> Mask:
        return self.roles.get(name, 0)

    def names(self, mask: Mask) -> list[str]:
        return [self.actors[index].name for index in bits(mask)]

    def select(self, selector: Mapping[str, Any] | None, among: Mask, place: str = "") -> Mask:
        """Pods among ``among`` that a label selector matches. An empty selector matches all of them."""
        selector = selector or {}
        for key, value in (selector.get("matchLabels") or {}).items():
            among &= self._labels.get((bare(key), str(value)), 0)
        for expression in selector.get("matchExpressions") or ():
            among &= self._expression(expression, place)
        return among

    def has(self, labels: Mapping[str, str], among: Mask) -> Mask:
        """Pods among ``among`` that carry all of the labels."""
        return self.select({"matchLabels": labels}, among)

    def _expression(self, expression: Mapping[str, Any], place: str) -> Mask:
        key, operator = bare(expression["key"]), expression["operator"]
        values = [self._labels.get((key, str(value)), 0) for value in expression.get("values") or ()]
        inside = union(values)
        match operator:
            case "In":
                return inside
            case "NotIn":
                return self.pods & ~inside
            case "Exists":
                return self._keys.get(key, 0)
            case "DoesNotExist":
                return self.pods & ~self._keys.get(key, 0)
        raise AuditError(
            f"{place}: operator '{operator}' in a selector is unknown; use In, NotIn, Exists, DoesNotExist"
        )

    def in_namespaces(self, selector: Mapping[str, Any], place: str = "") -> Mask:
        """Pods of the namespaces that a namespace selector matches."""
        found = 0
        for namespace, labels in self.namespace_labels.items():
            if matches_labels(selector, {"kubernetes.io/metadata.name": namespace, **labels}, place):
                found |= self.namespaces[namespace]
        return found


def union(masks: Iterable[Mask]) -> Mask:
    found = 0
    for mask in masks:
        found |= mask
    return found


def bare(key: str) -> str:
    """A label's key without the source that Cilium may put before it."""
    source, separator, rest = key.partition(":")
    return rest if separator and source in ("k8s", "any") else key


def matches_labels(selector: Mapping[str, Any] | None, labels: Mapping[str, str], place: str = "") -> bool:
    """Whether one set of labels satisfies a selector; an empty selector is satisfied by all."""
    selector = selector or {}
    if any(labels.get(key) != str(value) for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for expression in selector.get("matchExpressions") or ():
        key, values = expression["key"], [str(value) for value in expression.get("values") or ()]
        satisfied = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }.get(expression["operator"])
        if satisfied is None:
            raise AuditError(f"{place}: operator '{expression['operator']}' in a selector is unknown")
        if not satisfied:
            return False
    return True


def _labels(actor: Actor) -> Iterator[tuple[str, str]]:
    """The pod's labels, and those that Cilium adds to it."""
    yield from ((key, str(value)) for key, value in actor.labels.items())
    yield CILIUM_NAMESPACE, actor.namespace
    yield CILIUM_ACCOUNT, actor.account
    yield CILIUM_CLUSTER, "default"
    yield CILIUM_NAMESPACE_LABELS + "kubernetes.io/metadata.name", actor.namespace
    for key, value in actor.namespace_labels.items():
        yield CILIUM_NAMESPACE_LABELS + key, str(value)
