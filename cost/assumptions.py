"""Usage that resources do not show (hours, gigabytes, requests): stated in one file, overridable per stack."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from cost.errors import CostError

FILE: Final = Path(__file__).with_name("assumptions.toml")


@dataclass(frozen=True)
class Assumptions:
    """Usage by name, such as ``nat.gb``; what each one means is said beside it in the file."""

    values: Mapping[str, Decimal]

    def __getitem__(self, key: str) -> Decimal:
        return self.values[key]


def load(stack: str, overrides: Mapping[str, str] | None = None, file: Path = FILE) -> Assumptions:
    """The defaults, a stack's own values over them, and ``overrides`` over both. :class:`CostError` for a wrong one."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CostError(f"{file}: {error}") from error
    values = _flat(document.get("default", {}))
    stacks = document.get("stacks", {})
    for place, given in (
        (f"{file.name}, stacks.{stack}", _flat(stacks.get(stack, {}))),
        ("--assume", {key: _number("--assume", key, value) for key, value in (overrides or {}).items()}),
    ):
        for key, value in given.items():
            if key not in values:
                raise CostError(f"{place}: '{key}' is no assumption; there is: {', '.join(sorted(values))}")
            values[key] = value
    return Assumptions(values)


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found.update(_flat(value, f"{prefix}{key}."))
        else:
            found[prefix + key] = _number("assumptions", prefix + key, value)
    return found


def _number(place: str, key: str, value: Any) -> Decimal:
    try:
        number = Decimal(value)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise CostError(f"{place}: '{key}' is {value!r}; give a number, 0 or more") from error
    if not number.is_finite() or number < 0:
        raise CostError(f"{place}: '{key}' is {value}; give a number, 0 or more")
    return number
