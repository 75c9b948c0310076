"""What a price rule sees: the stack's resources, the prices of its region and the assumed usage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from cost.assumptions import Assumptions
from cost.prices import Price, PriceTable
from cost.resources import Resource, Stack

CENT: Final = Decimal("0.01")
THOUSAND, TEN_THOUSAND, MILLION = Decimal(1000), Decimal(10_000), Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Charge:
    """One line of a bill: a quantity of a price's units in a month."""

    quantity: Decimal
    price: Price

    @property
    def amount(self) -> Decimal:
        """In whole cents, rounded once; every sum is of such amounts and therefore exact."""
        return (self.quantity * self.price.usd).quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True)
class World:
    """Rules look up here, and nowhere else."""

    stack: Stack
    prices: PriceTable
    usage: Assumptions

    @property
    def hours(self) -> Decimal:
        """Of a month."""
        return self.usage["hours"]

    def charge(self, key: str, quantity: Decimal | int) -> Charge:
        """A quantity of a price's units. :class:`Unpriced` when the table has no such price."""
        return Charge(Decimal(quantity), self.prices.price(key))

    def hourly(self, key: str, count: Decimal | int = 1) -> Charge:
        """So many of something all month."""
        return self.charge(key, self.hours * count)

    def requests(self, key: str, usage: str, per: Decimal) -> Charge:
        """Assumed requests, priced by the ``per``."""
        return self.charge(key, self.usage[usage] / per)


Rule = Callable[[World, Resource], Iterator[Charge]]
"""The charges of one resource; none when it is free as it is configured. :class:`Unpriced` for what is not known."""
