"""Kubernetes quantities (``500m``, ``1Gi``, ``2e3``) as exact numbers."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

_QUANTITY: Final = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d+))?$")
_SUFFIXES: Final = {
    **{
        letter: Decimal(10) ** power
        for letter, power in zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True)
    },
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}


def parse(value: Any) -> Decimal | None:
    """The value of a quantity; None when it is not one. A plain number is a quantity too."""
    match = (
        _QUANTITY.match(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    )
    if match is None:
        return None
    digits, suffix, exponent = match.groups()
    if exponent:
        return Decimal(digits) * Decimal(10) ** int(exponent)
    return Decimal(digits) * _SUFFIXES.get(suffix or "", Decimal(1))


def show(value: Decimal, resource: str) -> str:
    """Write a quantity the way people write that resource: CPU in cores or milli, bytes in binary units."""
    if resource.endswith("cpu"):
        milli = value * 1000
        return f"{value.normalize():f}" if value == value.to_integral_value() else f"{milli.normalize():f}m"
    if "memory" in resource or "storage" in resource:
        for letter in reversed("KMGTPE"):
            unit = _SUFFIXES[f"{letter}i"]
            if value and value % unit == 0:
                return f"{(value / unit):f}{letter}i"
    return f"{value.normalize():f}"
