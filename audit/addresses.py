"""IPv4 address ranges as sorted pairs of integers, exact to the address."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network
from typing import Final

from audit.errors import AuditError

Range = tuple[int, int]
"""First and last address."""
Ranges = tuple[Range, ...]
"""Disjoint and sorted."""


def ranges(*cidrs: str) -> Ranges:
    """The addresses of IPv4 networks; a bare address is a network of one. IPv6 networks have no addresses here.

    :class:`AuditError` for a text that is neither."""
    return merged(_range(cidr) for cidr in cidrs if ":" not in cidr)


@lru_cache(maxsize=8192)
def _range(cidr: str) -> Range:
    try:
        network = IPv4Network(cidr, strict=False)
    except ValueError as error:
        raise AuditError(f"'{cidr}' is no IPv4 address or network: {error}") from error
    return int(network.network_address), int(network.broadcast_address)


def merged(parts: Iterable[Range]) -> Ranges:
    """Sorted, and joined where they touch."""
    found: list[Range] = []
    for low, high in sorted(parts):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


def common(left: Ranges, right: Ranges) -> Ranges:
    """The addresses in both."""
    return merged((max(a, c), min(b, d)) for a, b in left for c, d in right if max(a, c) <= min(b, d))


def without(left: Ranges, right: Ranges) -> Ranges:
    """The addresses of ``left`` that are not in ``right``."""
    rest = list(left)
    for low, high in right:
        rest = [part for a, b in rest for part in ((a, min(b, low - 1)), (max(a, high + 1), b)) if part[0] <= part[1]]
    return merged(rest)


def size(found: Ranges) -> int:
    return sum(high - low + 1 for low, high in found)


WORLD: Final = ranges("0.0.0.0/0")
PRIVATE: Final = ranges("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10")
"""RFC 1918, link-local (instance metadata) and shared address space: no route of the internet leads there."""
PUBLIC: Final = without(WORLD, PRIVATE)
