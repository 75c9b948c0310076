"""The longest chain of resources of which each waits for the one before: what an update cannot be faster than."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any, Final, Literal

from graph.estimates import estimate

Why = Literal["value", "order", "parent", "provider"]
"""A value of the other is an input; ``depends_on``; a component's child; a provider's resource."""
STACK: Final = "pulumi:pulumi:Stack"


class StateError(ValueError):
    """A saved stack of another shape than `pulumi stack export` writes."""


@dataclass(frozen=True)
class Resource:
    """One resource and what it waits for."""

    urn: str
    type: str
    custom: bool
    parent: str | None
    waits: Mapping[str, Why]

    @property
    def name(self) -> str:
        return self.urn.rsplit("::", 1)[-1]

    @property
    def seconds(self) -> float:
        return estimate(self.type, self.custom).seconds

    @property
    def counted(self) -> bool:
        """Whether somebody beside the engine has to make it."""
        return self.custom and not self.type.startswith("pulumi:")


@dataclass(frozen=True)
class Step:
    """One resource of a chain."""

    name: str
    type: str
    seconds: float
    source: str
    why: Why | None
    """How it waits for the step before. Absent: it is the first."""


@dataclass(frozen=True)
class Saving:
    """An order on a chain that no value asks for, and what the longest time would be without it."""

    waits: str
    on: str
    """The component, or the resource, that is waited for."""
    saves: float
    """Seconds."""


@dataclass(frozen=True)
class Report:
    """The chains of one stack."""

    stack: str
    resources: int
    longest: tuple[Step, ...]
    slowest: tuple[Step, ...]
    savings: tuple[Saving, ...] = field(default=())

    @property
    def seconds(self) -> float:
        return sum(step.seconds for step in self.slowest)

    def document(self) -> dict[str, Any]:
        """Plain data for machines."""
        return {**asdict(self), "seconds": self.seconds}


def critical_path(stack: str, document: Mapping[str, Any]) -> Report:
    """The longest chain by count and by estimated time of an exported stack. Raises StateError for another document."""
    resources = _read(document)
    order = _order(resources)
    count = _chain(resources, order, {urn: float(item.counted) for urn, item in resources.items()})
    times = {urn: item.seconds for urn, item in resources.items()}
    slowest = _chain(resources, order, times)
    return Report(
        stack,
        sum(item.counted for item in resources.values()),
        _steps(resources, count),
        _steps(resources, slowest),
        tuple(_savings(resources, order, times, slowest)),
    )


def _read(document: Mapping[str, Any]) -> dict[str, Resource]:
    try:
        items = [item for item in document["deployment"].get("resources") or () if not item.get("delete")]
        known = {item["urn"] for item in items}
        return {item["urn"]: _resource(item, known) for item in items}
    except (KeyError, TypeError, AttributeError) as error:
        raise StateError(f"this is no exported stack: {error!r} is missing or of another type") from error


def _resource(item: Mapping[str, Any], known: set[str]) -> Resource:
    waits: dict[str, Why] = {}
    if item.get("parent"):
        waits[item["parent"]] = "parent"
    if item.get("provider"):
        waits[item["provider"].rsplit("::", 1)[0]] = "provider"
    waits |= dict.fromkeys(item.get("dependencies") or (), "order")
    for urns in (item.get("propertyDependencies") or {}).values():
        waits |= dict.fromkeys(urns or (), "value")
    others = {urn: why for urn, why in waits.items() if urn in known and urn != item["urn"]}
    return Resource(item["urn"], item["type"], bool(item.get("custom")), item.get("parent") or None, others)


def _order(resources: Mapping[str, Resource]) -> list[str]:
    try:
        return list(TopologicalSorter({urn: item.waits for urn, item in resources.items()}).static_order())
    except CycleError as error:
        raise StateError(f"resources wait for one another: {' -> '.join(error.args[1])}") from error


def _chain(
    resources: Mapping[str, Resource],
    order: Sequence[str],
    weights: Mapping[str, float],
    without: frozenset[tuple[str, str]] = frozenset(),
) -> list[str]:
    """The heaviest chain, first resource first. ``without``: pairs of waiting and awaited that do not count."""
    best: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for urn in order:
        waits = [other for other in resources[urn].waits if (urn, other) not in without]
        longest = max(waits, key=lambda other: best[other], default=None)
        best[urn] = weights[urn] + (best[longest] if longest else 0.0)
        before[urn] = longest
    at = max(best, key=lambda urn: best[urn], default=None)
    chain: list[str] = []
    while at:
        chain.append(at)
        at = before[at]
    return chain[::-1]


def _steps(resources: Mapping[str, Resource], chain: Sequence[str]) -> tuple[Step, ...]:
    """Without what only the engine makes; how a step waits is how its chain left the one before it."""
    steps: list[Step] = []
    reasons: list[Why] = []
    for index, urn in enumerate(chain):
        item = resources[urn]
        if index:
            reasons.append(item.waits[chain[index - 1]])
        if item.counted:
            guess = estimate(item.type)
            strongest: Why = next((why for why in ("order", "value", "provider") if why in reasons), "parent")
            steps.append(Step(item.name, item.type, guess.seconds, guess.source, strongest if steps else None))
            reasons = []
    return tuple(steps)


def _savings(
    resources: Mapping[str, Resource], order: Sequence[str], times: Mapping[str, float], chain: Sequence[str]
) -> list[Saving]:
    """Each order on the chain taken out, with all others between the same two: what that alone would save."""
    total = sum(times[urn] for urn in chain)
    found: list[Saving] = []
    for awaited, urn in pairwise(chain):
        if resources[urn].waits[awaited] != "order":
            continue
        other = _apart(resources, awaited, urn)
        own = _apart(resources, urn, awaited)
        pairs = frozenset(
            (waiting, target)
            for waiting in resources
            if own in _lineage(resources, waiting)
            for target, why in resources[waiting].waits.items()
            if why == "order" and other in _lineage(resources, target)
        )
        saved = total - sum(times[step] for step in _chain(resources, order, times, pairs))
        if saved > 0:
            found.append(Saving(resources[own].name, resources[other].name, saved))
    return sorted(found, key=lambda saving: -saving.saves)


def _lineage(resources: Mapping[str, Resource], urn: str) -> list[str]:
    """The resource, its parent, and so on, without the stack."""
    found: list[str] = []
    at: str | None = urn
    while at and at in resources and resources[at].type != STACK:
        found.append(at)
        at = resources[at].parent
    return found


def _apart(resources: Mapping[str, Resource], urn: str, other: str) -> str:
    """The outermost component that holds ``urn`` but not ``other``; itself if there is none."""
    around = set(_lineage(resources, other))
    return next((outer for outer in reversed(_lineage(resources, urn)) if outer not in around), urn)
