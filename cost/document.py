"""Bills and comparisons for machines: plain values, money as decimal texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cost.compare import Comparison, Difference
from cost.estimate import Estimate, Item


def document(estimate: Estimate) -> dict[str, Any]:
    """One stack's bill: by component and resource with each charge, by service, and what is free or not priced."""
    oldest, newest = estimate.prices.dates
    return {
        "stack": estimate.stack,
        "region": estimate.prices.region,
        "currency": "USD",
        "total": str(estimate.total),
        "complete": not estimate.gaps,
        "components": [
            {
                "component": name,
                "total": str(total),
                "resources": [_item(item) for item in estimate.items if item.component == name],
            }
            for name, total in estimate.components.items()
        ],
        "services": [
            {
                "service": share.service,
                "direct": str(share.direct),
                "shared": str(share.shared),
                "total": str(share.total),
            }
            for share in estimate.shares
        ],
        "unpriced": [
            {"type": gap.resource.type, "urn": gap.resource.urn, "reason": gap.reason} for gap in estimate.gaps
        ],
        "free": dict(estimate.free),
        "assumptions": {key: str(value) for key, value in sorted(estimate.usage.values.items())},
        "prices": {"origin": estimate.prices.origin, "oldest": str(oldest), "newest": str(newest)},
    }


def comparison(compared: Comparison) -> dict[str, Any]:
    """Two bills' differences; ``change`` is what the second costs more."""
    return {
        "before": compared.before.stack,
        "after": compared.after.stack,
        "total": _difference(compared.total),
        "components": _differences(compared.components),
        "prices": _differences(compared.prices),
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "urn": item.resource.urn,
        "type": item.resource.type,
        "total": str(item.total),
        "charges": [
            {
                "price": charge.price.key,
                "usd": str(charge.price.usd),
                "unit": charge.price.unit,
                "source": charge.price.source,
                "as_of": str(charge.price.as_of),
                "quantity": f"{charge.quantity:f}",
                "amount": str(charge.amount),
            }
            for charge in item.charges
        ],
    }


def _differences(lines: Sequence[Difference]) -> list[dict[str, str]]:
    return [_difference(line) for line in lines]


def _difference(line: Difference) -> dict[str, str]:
    return {
        "name": line.name,
        "before": str(line.before),
        "after": str(line.after),
        "change": str(line.change),
    }
