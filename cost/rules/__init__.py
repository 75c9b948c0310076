"""The price rules, one per resource type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cost.rules import compute, data, network, operations, storage, volumes
from cost.world import Rule

RULES: Final[Mapping[str, Rule]] = {
    **compute.RULES,
    **storage.RULES,
    **network.RULES,
    **data.RULES,
    **operations.RULES,
    **volumes.RULES,
}
"""Type -> its rule. A type that is neither here nor in :mod:`cost.free` is not priced, and said so."""
