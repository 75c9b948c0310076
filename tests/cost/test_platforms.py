"""The default system's stacks: nothing in them is without a price, and what they cost is for a person to review."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

import systems
from cost import assumptions, prices
from cost.estimate import Estimate, estimate
from cost.owners import owners
from cost.resources import Stack
from tests.cost.conftest import STACKS
from tests.e2e.golden import GOLDEN, compare

SYSTEM = "fitsync"
UPDATE = "pytest tests/cost --update-golden"


@pytest.fixture(scope="session")
def bills(documents: Mapping[str, Any]) -> dict[str, Estimate]:
    system = systems.load(SYSTEM)
    found = {}
    for name, exported in documents.items():
        stack = Stack(exported)
        found[name] = estimate(name, stack, prices.load, assumptions.load(name), owners(system))
    return found


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_is_priced_or_free(bills: Mapping[str, Estimate], stack: str) -> None:
    assert [(gap.resource.urn, gap.reason) for gap in bills[stack].gaps] == []


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_is_counted_once(
    bills: Mapping[str, Estimate], documents: Mapping[str, Any], stack: str
) -> None:
    found = bills[stack]
    assert len(found.items) + sum(found.free.values()) == len(documents[stack]["deployment"]["resources"])


@pytest.mark.parametrize("stack", STACKS)
def test_the_services_shares_sum_to_the_total(bills: Mapping[str, Estimate], stack: str) -> None:
    """To the cent. The hub has no services: its costs are every environment's."""
    found = bills[stack]
    named = {service.name for service in systems.load(SYSTEM).services}
    if found.shares:
        assert sum(share.total for share in found.shares) == found.total
        assert {share.service for share in found.shares} == named
    assert bool(found.shares) == (stack != "hub")


def test_a_database_is_paid_by_its_owner(bills: Mapping[str, Estimate]) -> None:
    """Machine, volumes and, in prod, the standby's: without them a service with a database would look as cheap as one
    without."""
    databases = {owner for owner in owners(systems.load(SYSTEM)).values() if owner}
    for stack in ("dev", "prod"):
        direct = {share.service for share in bills[stack].shares if share.direct}
        assert direct == databases


def test_environments_cost_as_they_grow(bills: Mapping[str, Estimate]) -> None:
    assert bills["dev"].total < bills["stage"].total < bills["prod"].total


def test_what_stacks_cost(bills: Mapping[str, Estimate], update_golden: bool) -> None:
    """A change that makes a platform dearer shows up in review, not on the bill."""
    found = {GOLDEN / f"cost-{SYSTEM}-{name}.txt": text(bill) for name, bill in bills.items()}
    compare(found, GOLDEN, f"cost-{SYSTEM}-*.txt", update_golden, UPDATE)


def text(bill: Estimate) -> str:
    """A bill for reading: total, components, services."""
    lines = [f"# What stack {bill.stack} costs a month, in USD of {bill.prices.region}. Written by: {UPDATE}", ""]
    lines += [f"{bill.total:>10}  total", "", "components"]
    lines += [_line(name, amount) for name, amount in bill.components.items()]
    lines += ["", "prices", *(_line(name, amount) for name, amount in bill.by_price.items())]
    if bill.shares:
        lines += ["", "services"]
        lines += [_line(f"{share.service} ({share.direct} of its own)", share.total) for share in bill.shares]
    return "\n".join([*lines, ""])


def _line(name: str, amount: Decimal) -> str:
    return f"{amount:>10}  {name}"
