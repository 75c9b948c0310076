"""Kubernetes quantities as numbers: CPU in millicores, memory in bytes. And times as Go writes them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

_BINARY: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def millicores(quantity: str) -> int:
    """``250m`` -> 250, ``1.5`` -> 1500."""
    if quantity.endswith("m"):
        return int(quantity[:-1])
    return int(Decimal(quantity) * 1000)


def cpu(amount: int) -> str:
    """1500 -> ``1500m``, 2000 -> ``2``."""
    return f"{amount}m" if amount % 1000 else str(amount // 1000)


def memory_bytes(quantity: str) -> int:
    """``256Mi`` -> 268435456."""
    return int(quantity[:-2]) * _BINARY[quantity[-2:]]


def memory(amount: int) -> str:
    """Bytes in whole mebibytes, rounded up, or in gibibytes where that is exact."""
    if amount and amount % _BINARY["Gi"] == 0:
        return f"{amount // _BINARY['Gi']}Gi"
    return f"{-(-amount // _BINARY['Mi'])}Mi"


def duration(value: timedelta) -> str:
    """Whole seconds in the largest unit that holds them exactly: ``24h``, ``5m``, ``90s``."""
    amount = int(value.total_seconds())
    for unit, size in (("h", 3600), ("m", 60)):
        if amount and amount % size == 0:
            return f"{amount // size}{unit}"
    return f"{amount}s"
