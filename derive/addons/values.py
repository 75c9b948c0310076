"""Values of a chart as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


def values_text(values: Mapping[str, Any]) -> str:
    """Values as YAML in the order given, so that a change shows as the lines that changed."""
    return yaml.dump(plain(values), Dumper=yaml.CSafeDumper, sort_keys=False, width=10_000)


def plain(value: Any) -> Any:
    """Lists and maps as the YAML dumper takes them: no tuples, and no node twice (it would write an alias)."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
