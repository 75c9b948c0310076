"""The price tables, the assumptions and the lists of types: complete, consistent, and refused when they are wrong."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from cost import assumptions, free, prices
from cost.errors import CostError
from cost.rules import RULES
from sandbox.aws.types import TABLE

LISTED = [type_ for types in free.TYPES.values() for type_ in types]


@pytest.mark.parametrize("region", prices.regions())
def test_each_price_has_a_source_and_a_date_that_is_past(region: str) -> None:
    """A figure of unknown age and origin is a rumour."""
    table = prices.load(region)
    assert table.region == region
    assert "not fetched" in table.origin
    assert len(table.prices) > 50
    for price in table.prices.values():
        assert price.source.startswith("https://aws.amazon.com/"), price.key
        assert price.as_of < datetime.date.today(), price.key
        assert 0 < price.usd < 10, price.key


def test_the_regions_price_the_same_things_but_for_what_is_said_to_be_left_out() -> None:
    """A price that was forgotten for one region is noticed here, not on a bill."""
    first, second = (prices.load(region).prices.keys() for region in ("eu-west-1", "us-east-1"))
    left_out = {key for key in second - first if not key.startswith(("rds.", "elasticache.", "guardduty."))}
    assert left_out == set()
    assert first - second == set()


def test_each_listed_type_exists() -> None:
    """A misspelt type never matches, and what it was for would not be priced."""
    listed = {type_ for type_ in {*RULES, *LISTED} if type_.startswith("aws:")}
    assert listed - TABLE.keys() == set()


def test_no_type_is_listed_twice() -> None:
    assert len(LISTED) == len(set(LISTED))
    assert not RULES.keys() & set(LISTED)


def test_every_type_that_the_sandbox_can_register_is_priced_or_free() -> None:
    assert {type_ for type_ in TABLE if type_ not in RULES and free.reason(type_) is None} == set()


def table(folder: Path, text: str) -> Path:
    (folder / "eu-west-1.toml").write_text(f'origin = "made up, not fetched"\n[[group]]\n{text}')
    return folder


GROUP = 'of = "nat"\nunit = "hour"\nsource = "https://aws.amazon.com/"\nas_of = 2025-01-01\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GROUP + "[group.usd]\nhour = 0\n", "'nat.hour' costs 0; a price is above 0, and what is free is listed"),
        (GROUP + f"[group.usd]\nhour = 1\n[[group]]\n{GROUP}[group.usd]\nhour = 2\n", "'nat.hour' has two prices"),
        (GROUP.replace("2025-01-01", '"2025"') + "[group.usd]\nhour = 1\n", "'nat.hour' has no date"),
        ('of = "nat"\n', "eu-west-1.toml is no price table: 'usd'"),
        ("of = nat\n", "eu-west-1.toml is no price table: Invalid value"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CostError, match=message):
        prices.load("eu-west-1", table(tmp_path, text))


def test_a_region_without_prices_is_refused(tmp_path: Path) -> None:
    """Another region's prices would be wrong by up to a half."""
    with pytest.raises(CostError, match=r"no prices for region 'sa-east-1', only for eu-west-1, us-east-1; add cost/"):
        prices.load("sa-east-1")


def test_prices_are_exact() -> None:
    """0.0114 as a binary fraction is not 0.0114."""
    assert prices.load("eu-west-1").price("ec2.t3.micro").usd == Decimal("0.0114")


def test_a_stacks_own_assumption_wins_and_the_commands_wins_over_it(tmp_path: Path) -> None:
    file = tmp_path / "assumptions.toml"
    file.write_text("[default]\nhours = 730\n[default.nat]\ngb = 50\n[stacks.dev]\nhours = 200.5\nnat.gb = 5\n")
    assert assumptions.load("prod", file=file).values == {"hours": 730, "nat.gb": 50}
    assert assumptions.load("dev", file=file).values == {"hours": Decimal("200.5"), "nat.gb": 5}
    assert assumptions.load("dev", {"nat.gb": "7"}, file=file)["nat.gb"] == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[default]\nhours = 730\n[stacks.dev]\nhour = 1\n", r"stacks.dev: 'hour' is no assumption; there is: hours"),
        ("[default]\nhours = -1\n", "'hours' is -1; give a number, 0 or more"),
        ("[default]\nhours = nan\n", "'hours' is NaN; give a number, 0 or more"),
        ('[default]\nhours = "x"\n', "'hours' is 'x'; give a number, 0 or more"),
        ("[default\n", "assumptions.toml: Expected"),
    ],
)
def test_a_wrong_assumption_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "assumptions.toml"
    file.write_text(text)
    with pytest.raises(CostError, match=message):
        assumptions.load("dev", file=file)
