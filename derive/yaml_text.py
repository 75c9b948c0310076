"""Data as YAML that people read: in the order given, so that a change shows as the lines that changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


class _Dumper(yaml.CSafeDumper):
    """Text of several lines as a literal block, and no node twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _block(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block)


def yaml_text(value: Any) -> str:
    """The value as one YAML document, lines unbroken; tuples are lists."""
    return yaml.dump(plain(value), Dumper=_Dumper, sort_keys=False, width=10_000)


def plain(value: Any) -> Any:
    """The same data of plain lists and maps, as a dumper takes it."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
