"""The price tables: one file per region, each price with its unit, its source and its date."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from cost.errors import CostError, Unpriced

FOLDER: Final = Path(__file__).with_name("tables")


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit costs, without tax and discounts."""

    key: str
    usd: Decimal
    unit: str
    source: str
    as_of: datetime.date


@dataclass(frozen=True)
class PriceTable:
    """The prices of one region."""

    region: str
    origin: str
    """How the figures came into the file."""
    prices: Mapping[str, Price]

    def price(self, key: str) -> Price:
        """:class:`Unpriced` for what the table does not have."""
        if key not in self.prices:
            raise Unpriced(f"no price '{key}' for {self.region}")
        return self.prices[key]

    @property
    def dates(self) -> tuple[datetime.date, datetime.date]:
        """The oldest and the newest price's date."""
        found = [price.as_of for price in self.prices.values()]
        return min(found), max(found)


def regions(folder: Path = FOLDER) -> tuple[str, ...]:
    """The regions that have a table."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def load(region: str, folder: Path = FOLDER) -> PriceTable:
    """A region's table. :class:`CostError` when there is none, or when it is wrong, naming the entry."""
    if region not in regions(folder):
        raise CostError(
            f"there are no prices for region '{region}', only for {', '.join(regions(folder))}; "
            f"add cost/tables/{region}.toml"
        )
    path = folder / f"{region}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        prices: dict[str, Price] = {}
        for group in document["group"]:
            for price in _group(group):
                if price.key in prices:
                    raise CostError(f"{path.name}: '{price.key}' has two prices")
                prices[price.key] = price
        return PriceTable(region, document["origin"], prices)
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise CostError(f"{path.name} is no price table: {error}") from error


def _group(group: Mapping[str, Any]) -> list[Price]:
    found = []
    for name, value in group["usd"].items():
        usd = Decimal(value)
        key = f"{group['of']}.{name}"
        if usd <= 0:
            raise CostError(f"'{key}' costs {usd}; a price is above 0, and what is free is listed in cost/free.py")
        if not isinstance(group["as_of"], datetime.date):
            raise CostError(f"'{key}' has no date; write as_of = 2025-01-31 without quotes")
        found.append(Price(key, usd, group["unit"], group["source"], group["as_of"]))
    return found
