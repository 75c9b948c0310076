"""IAM policy documents: JSON texts in which a single value may stand for a list of one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def statements(document: Any) -> Iterator[Mapping[str, Any]]:
    """The statements of a policy document, whether given as text or as object; none for what is neither."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return
    if isinstance(document, Mapping):
        for statement in as_list(document.get("Statement")):
            if isinstance(statement, Mapping):
                yield statement


def as_list(value: Any) -> list[Any]:
    """The elements of a list, the single value, or nothing."""
    if value is None:
        return []
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return [value]
