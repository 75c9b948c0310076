"""The comparison with a published estimate in docs/cost.md is of today's figures."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

import systems
from cost import assumptions, prices
from cost.estimate import estimate
from cost.owners import owners
from cost.resources import Stack
from tests.conftest import ROOT
from tests.platforms import Platforms

COLUMNS = {"myhealth-dev": 2, "myhealth-prod": 4}
"""Column of our figures by stack."""


def rows() -> list[list[str]]:
    text = (ROOT / "docs" / "cost.md").read_text()
    table = text[text.index("## A published estimate beside ours") :]
    return [
        [cell.strip(" *") for cell in line.split("|")[1:-1]] for line in re.findall(r"^\| (?!line).*$", table, re.M)
    ]


@pytest.mark.parametrize("stack", COLUMNS)
def test_our_column_sums_to_what_the_command_says(platforms: Platforms, stack: str) -> None:
    """An explanation of figures that are not the command's explains nothing."""
    exported = Stack(platforms.bench(stack).export(stack))
    bill = estimate(stack, exported, prices.load, assumptions.load(stack, {}), owners(systems.load("myhealth")))
    *lines, total = rows()
    assert total[0] == "total"
    assert Decimal(total[COLUMNS[stack]]) == bill.total
    for column in (1, 2, 3, 4):
        assert sum(Decimal(line[column]) for line in lines) == Decimal(total[column])
