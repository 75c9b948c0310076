"""Where pods may run: the pools of workers, by the labels and taints that the platform gives their nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from manifests.base import Manifest
from model import DeclarationError
from model.platform import Platform


def placement(platform: Platform, pool: str | None) -> Manifest:
    """``nodeSelector`` and ``tolerations`` of pods that belong to a pool. ``pool`` absent: neither, so they go wherever
    no taint keeps them off.

    Raises DeclarationError for a pool that is not declared, or that pods cannot be bound to, as it has no labels.
    """
    if pool is None:
        return {}
    found = next((candidate for candidate in platform.pools if candidate.name == pool), None)
    if found is None:
        raise DeclarationError(f"'{pool}' is no pool of the platform; add it to platform.pools")
    if not found.labels:
        raise DeclarationError(
            f"platform.pools['{pool}'] has no labels to choose its nodes by; give it one, e.g. {{'pool': '{pool}'}}"
        )
    rules: Manifest = {"nodeSelector": dict(found.labels)}
    if found.taints:
        rules["tolerations"] = [_toleration(pool, taint) for taint in found.taints]
    return rules


_PODS: Final = {
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "Rollout": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Where an object says what its pods are."""


def placed(objects: Sequence[Manifest | None], platform: Platform, pool: str | None) -> list[Manifest | None]:
    """The objects of one workload, its pods bound to a pool."""
    rules = placement(platform, pool)
    return [_bound(item, _PODS.get(item["kind"], ()), rules) if item and rules else item for item in objects]


def _bound(item: Manifest, path: Sequence[str], rules: Manifest) -> Manifest:
    if not path:
        return item
    inner = {**item[path[0]], **rules} if len(path) == 1 else _bound(item[path[0]], path[1:], rules)
    return {**item, path[0]: inner}


def _toleration(pool: str, taint: str) -> dict[str, Any]:
    """``key=value:Effect`` or ``key:Effect``, as the kubelet takes them."""
    pair, _, effect = taint.rpartition(":")
    key, equals, value = pair.partition("=")
    if not key or not effect:
        raise DeclarationError(f"platform.pools['{pool}'].taints: '{taint}' must be like 'key=value:NoSchedule'")
    if equals:
        return {"key": key, "operator": "Equal", "value": value, "effect": effect}
    return {"key": key, "operator": "Exists", "effect": effect}
