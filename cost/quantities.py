"""Kubernetes quantities as exact numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from cost.errors import CostError

GIBIBYTE: Final = 2**30
_UNITS: Final = {
    **{f"{letter}i": Fraction(2 ** (10 * power)) for power, letter in enumerate("KMGTPE", start=1)},
    **{letter: Fraction(10 ** (3 * power)) for power, letter in enumerate("kMGTPE", start=1)},
    "m": Fraction(1, 1000),
    "": Fraction(1),
}


def quantity(text: str) -> Fraction:
    """``250m`` -> 1/4, ``1.5`` -> 3/2, ``256Mi`` -> 268435456. :class:`CostError` for anything else."""
    number = text.rstrip("KMGTPEkmi")
    unit = text[len(number) :]
    try:
        return Fraction(number) * _UNITS[unit]
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise CostError(f"'{text}' is no Kubernetes quantity, such as 250m or 256Mi") from error
