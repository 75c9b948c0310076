"""A stack's monthly cost: every registered resource priced, free for a stated reason, or named as not priced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from cost import free
from cost.assumptions import Assumptions
from cost.errors import CostError, Unpriced
from cost.prices import PriceTable
from cost.resources import Resource, Stack
from cost.rules import RULES
from cost.split import Share, split
from cost.world import Charge, World

ZERO = Decimal("0.00")
Tables = Callable[[str], PriceTable]
"""Region -> its prices. :class:`CostError` for a region without."""


@dataclass(frozen=True)
class Item:
    """What one resource costs."""

    resource: Resource
    component: str
    """Name of the component that owns it; the stack's own name for one that has none."""
    charges: tuple[Charge, ...]

    @property
    def total(self) -> Decimal:
        return sum((charge.amount for charge in self.charges), ZERO)


@dataclass(frozen=True)
class Gap:
    """A resource whose cost is not known."""

    resource: Resource
    reason: str


@dataclass(frozen=True)
class Estimate:
    """One stack's bill for a month."""

    stack: str
    prices: PriceTable
    """Of the region where most of it is."""
    usage: Assumptions
    items: tuple[Item, ...]
    """Of the resources that cost something, in the order of registration."""
    free: Mapping[str, int]
    """Type -> resources of it that cost nothing."""
    gaps: tuple[Gap, ...]
    shares: tuple[Share, ...]
    """What of it each service answers for; empty where no pods are registered."""

    @property
    def total(self) -> Decimal:
        return sum((item.total for item in self.items), ZERO)

    @property
    def components(self) -> dict[str, Decimal]:
        """Component -> its resources' cost, the dearest first."""
        return ranked((item.component, item.total) for item in self.items)

    @property
    def by_price(self) -> dict[str, Decimal]:
        """Price -> what is paid at it, the dearest first."""
        return ranked((charge.price.key, charge.amount) for item in self.items for charge in item.charges)


def ranked(pairs: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """Sums by name, the largest first."""
    sums: dict[str, Decimal] = {}
    for name, amount in pairs:
        sums[name] = sums.get(name, ZERO) + amount
    return dict(sorted(sums.items(), key=lambda pair: (-pair[1], pair[0])))


def estimate(name: str, stack: Stack, tables: Tables, usage: Assumptions, owners: Mapping[str, str | None]) -> Estimate:
    """The bill of a stack, each resource at the prices of its own region.

    ``owners``: store -> the service that answers for its direct costs; None: all do. :class:`CostError` when the
    stack's region has no prices; what is in another such region is not priced.
    """
    worlds = {stack.region: World(stack, tables(stack.region), usage)}
    items: list[Item] = []
    gaps: list[Gap] = []
    nothing: Counter[str] = Counter()
    for resource in stack.resources:
        try:
            charges = _charges(_world(worlds, stack.region_of(resource), tables), resource)
        except Unpriced as error:
            gaps.append(Gap(resource, str(error)))
            continue
        if charges:
            owner = next(stack.owners(resource), None)
            items.append(Item(resource, owner.name if owner else name, charges))
        else:
            nothing[resource.type] += 1
    main = worlds[stack.region]
    shares = split(main, [(item.resource, item.total) for item in items], owners)
    return Estimate(name, main.prices, usage, tuple(items), dict(sorted(nothing.items())), tuple(gaps), shares)


def _world(worlds: dict[str, World], region: str, tables: Tables) -> World:
    if region not in worlds:
        try:
            worlds[region] = replace(next(iter(worlds.values())), prices=tables(region))
        except CostError as error:
            raise Unpriced(str(error)) from error
    return worlds[region]


def _charges(world: World, resource: Resource) -> tuple[Charge, ...]:
    rule = RULES.get(resource.type)
    if rule is not None:
        return tuple(rule(world, resource))
    if resource.custom and free.reason(resource.type) is None:
        raise Unpriced("there is no price rule for its type, and it is not known to be free")
    return ()
