"""Small exported stacks, made by hand, and what they cost."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from cost import assumptions, prices
from cost.assumptions import Assumptions
from cost.estimate import Estimate, estimate
from cost.prices import Price, PriceTable
from cost.resources import Stack

Values = Mapping[str, Any]


def urn(stack: str, type_: str, name: str) -> str:
    return f"urn:pulumi:{stack}::shop::{type_}::{name}"


def resource(type_: str, name: str, inputs: Values, parent: str = "", stack: str = "dev", id_: str = "") -> Values:
    """One resource of a provider, or a component where the type is one of ours."""
    custom = not type_.startswith("shop:") and not type_.startswith("wheelhouse:")
    return {
        "urn": urn(stack, type_, name),
        "type": type_,
        "custom": custom,
        "id": id_ or (f"{name}-id" if custom else ""),
        "parent": parent or urn(stack, "pulumi:pulumi:Stack", f"shop-{stack}"),
        "inputs": dict(inputs),
        "outputs": dict(inputs),
    }


def component(type_: str, name: str, parent: str = "", stack: str = "dev") -> Values:
    return resource(type_, name, {}, parent, stack)


def export(resources: Iterable[Values], stack: str = "dev", region: str = "us-east-1") -> dict[str, Any]:
    """A stack's document, with its root and its AWS provider."""
    root = {"urn": urn(stack, "pulumi:pulumi:Stack", f"shop-{stack}"), "type": "pulumi:pulumi:Stack", "custom": False}
    provider = resource("pulumi:providers:aws", "aws", {"region": region}, stack=stack)
    return {"version": 3, "deployment": {"resources": [root, provider, *resources]}}


def flat(*keys: str) -> PriceTable:
    """A table in which each unit of these prices costs one dollar: a total is the quantity."""
    day = datetime.date(2025, 1, 1)
    return PriceTable("us-east-1", "made up", {key: Price(key, Decimal(1), "unit", "made up", day) for key in keys})


def bill(
    resources: Iterable[Values],
    owners: Mapping[str, str | None] | None = None,
    table: PriceTable | None = None,
    usage: Assumptions | None = None,
    stack: str = "dev",
) -> Estimate:
    """What resources cost, by default at the prices of us-east-1 and the stated assumptions."""
    return estimate(
        stack,
        Stack(export(resources, stack)),
        (lambda region: table) if table else prices.load,
        usage or assumptions.load(stack),
        owners or {},
    )


def total(type_: str, inputs: Values, *others: Values) -> Decimal:
    """What one resource costs; the others must be free."""
    found = bill([resource(type_, "it", inputs), *others])
    assert not found.gaps, [gap.reason for gap in found.gaps]
    return found.total
