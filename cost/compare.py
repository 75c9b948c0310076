"""Two bills beside each other: two stacks, or one before and after a change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from cost.estimate import ZERO, Estimate, ranked

OWN = "*"
"""Stands in names for what the name of the environment is."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of a comparison."""

    name: str
    before: Decimal
    after: Decimal

    @property
    def change(self) -> Decimal:
        return self.after - self.before


@dataclass(frozen=True)
class Comparison:
    """What costs more or less."""

    before: Estimate
    after: Estimate

    @property
    def total(self) -> Difference:
        return Difference("total", self.before.total, self.after.total)

    @property
    def components(self) -> tuple[Difference, ...]:
        """By component, the environment's name in it replaced, so that two environments' components meet."""
        return _differences(_components(self.before), _components(self.after))

    @property
    def prices(self) -> tuple[Difference, ...]:
        """By price: more machines of a type, more gigabytes."""
        return _differences(self.before.by_price, self.after.by_price)


def _components(estimate: Estimate) -> dict[str, Decimal]:
    own = estimate.stack.rpartition("-")[2]
    return ranked(
        ("-".join(OWN if part == own else part for part in name.split("-")), amount)
        for name, amount in estimate.components.items()
    )


def _differences(before: Mapping[str, Decimal], after: Mapping[str, Decimal]) -> tuple[Difference, ...]:
    """The lines that differ, the largest difference first; those that do not are left out."""
    names = {*before, *after}
    found = [Difference(name, before.get(name, ZERO), after.get(name, ZERO)) for name in names]
    return tuple(sorted((line for line in found if line.change), key=lambda line: (-abs(line.change), line.name)))
