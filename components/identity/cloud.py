"""The cloud's own names in plain data: references of the plan, replaced by what was made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pulumi

from components.identity.role import Statement
from derive.cloud import Allow, Grant, Reference, filled, references

Cloud = Mapping[Reference, pulumi.Output[str]]
"""What each reference stands for."""


def resolved(value: Any, cloud: Cloud) -> Any:
    """The same data, every text with a reference an output. Data without one is returned as it is."""
    if not references(value):
        return value
    if isinstance(value, str):
        found = {str(reference): cloud[reference] for reference in references(value)}
        return pulumi.Output.all(**found).apply(lambda known: filled(value, lambda reference: known[str(reference)]))
    if isinstance(value, Mapping):
        return {key: resolved(item, cloud) for key, item in value.items()}
    return [resolved(item, cloud) for item in value]


def statements(grant: Grant, cloud: Cloud) -> list[Statement]:
    """A grant as statements of a role."""
    return allowed(grant.statements, cloud)


def allowed(allows: Iterable[Allow], cloud: Cloud) -> list[Statement]:
    """Statements of a role, every reference replaced."""
    return [
        Statement(allow.actions, [resolved(resource, cloud) for resource in allow.resources], allow.conditions)
        for allow in allows
    ]
