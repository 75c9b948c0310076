"""Labels, from one place: what selectors ask for, what pods carry, and what every object of a system carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from manifests.base import Manifest

VERSION: Final = "v1"
"""The mesh's label of a workload that has one version at a time."""
LONGEST: Final = 63
"""Characters of a label's value (Kubernetes documentation, "Labels and Selectors")."""
ROTATED: Final = "wheelhouse/rotated"
"""Annotation of pods, and of what fills their Secrets: the generated values in them that are not the first of their
name."""
METRICS_PORT: Final = "metrics-port"
"""Pod label with the port of ``/metrics``: the mTLS exception for scraping selects by it."""


def selector(name: str) -> dict[str, str]:
    """What selects the pods of a workload; never changed, for selectors are immutable."""
    return {"app": name}


def workload(name: str, tier: str) -> dict[str, str]:
    return {**selector(name), "tier": tier}


def pod(name: str, tier: str, metrics: int | None, version: str = VERSION) -> dict[str, str]:
    """Labels of a pod. ``metrics`` absent: nothing to scrape."""
    scraped = {METRICS_PORT: str(metrics)} if metrics else {}
    return {**workload(name, tier), "version": version, **scraped}


def tagged(image: str) -> str:
    """The version of an image by its tag, as a label's value."""
    return image.rpartition(":")[2][:LONGEST].strip("_.-")


def service(name: str, tier: str, metrics: int | None) -> dict[str, str]:
    """Labels of a Service; ``monitoring: enabled`` is what the service monitors select by."""
    return {**workload(name, tier), **({"monitoring": "enabled"} if metrics else {})}


def owned(system: str, environment: str) -> dict[str, str]:
    """Recommended labels that say which system and deployment an object belongs to."""
    return {
        "app.kubernetes.io/part-of": system,
        "app.kubernetes.io/instance": f"{system}-{environment}",
        "app.kubernetes.io/managed-by": "pulumi",
    }


def stamped(objects: Iterable[Manifest], common: Mapping[str, str]) -> tuple[Manifest, ...]:
    """The objects with the common labels added to their metadata; labels of their own win."""
    return tuple(
        {**item, "metadata": {**item["metadata"], "labels": {**common, **item["metadata"].get("labels", {})}}}
        for item in objects
    )


def rotated(names: Iterable[str], rotations: Mapping[str, int]) -> dict[str, str]:
    """The annotation for these generated values. Empty: none of them was ever made anew."""
    again = sorted(name for name in names if name in rotations)
    return {ROTATED: ",".join(f"{name}={rotations[name]}" for name in again)} if again else {}
