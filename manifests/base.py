"""What every manifest shares: its type, its metadata, and the rule that absent values are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]
"""A Kubernetes object, or a part of one, as plain data in camelCase."""


def compact(**fields: Any) -> Manifest:
    """The given fields without those that are None; empty lists and maps stay, for they may mean 'nothing'."""
    return {name: value for name, value in fields.items() if value is not None}


def metadata(
    name: str,
    namespace: str | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """ObjectMeta. ``namespace`` absent: the object is cluster-wide."""
    return compact(
        name=name,
        namespace=namespace,
        labels=dict(labels) if labels else None,
        annotations=dict(annotations) if annotations else None,
    )


def manifest(
    api_version: str,
    kind: str,
    name: str,
    namespace: str | None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **fields: Any,
) -> Manifest:
    """A whole object; ``fields`` are its top-level fields beside metadata."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": metadata(name, namespace, labels, annotations),
        **compact(**fields),
    }


def match_labels(labels: Mapping[str, str]) -> Manifest:
    """A label selector that asks for exactly these labels."""
    return {"matchLabels": dict(labels)}
