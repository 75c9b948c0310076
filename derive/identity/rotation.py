"""Generated values made anew: who reads them must start again, for a process reads its Secrets when it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from derive import labels
from derive.application import ApplicationPlan
from derive.shapes import Part, SecretPlan


def restarted(plan: ApplicationPlan, secrets: Sequence[SecretPlan], rotations: Mapping[str, int]) -> ApplicationPlan:
    """The plan with an annotation on every pod template that reads a rotated value, so that its pods are replaced."""
    read = {secret.read_as: {name for name in secret.generated if name in rotations} for secret in secrets}

    def parts(found: Sequence[Part]) -> tuple[Part, ...]:
        return tuple(
            replace(part, objects=tuple(_restarted(item, read, rotations) for item in part.objects)) for part in found
        )

    return replace(plan, services=parts(plan.services), stores=parts(plan.stores)) if rotations else plan


def _restarted(
    item: dict[str, Any], read: Mapping[tuple[str, str], set[str]], rotations: Mapping[str, int]
) -> dict[str, Any]:
    """Changes what has a pod template, a CronJob's apart: its next run reads what is there then."""
    spec = item.get("spec", {})
    template = spec.get("template")
    if not isinstance(template, dict) or "spec" not in template:
        return item
    namespace = item["metadata"].get("namespace", "")
    names = {name for secret in set(_secrets(template["spec"])) for name in read.get((namespace, secret), ())}
    if not names:
        return item
    metadata = template.get("metadata", {})
    annotations = {**metadata.get("annotations", {}), **labels.rotated(names, rotations)}
    return {**item, "spec": {**spec, "template": {**template, "metadata": {**metadata, "annotations": annotations}}}}


def _secrets(value: Any) -> Iterator[str]:
    """Names of the Secrets that a pod reads as variables or as files."""
    if isinstance(value, list):
        for item in value:
            yield from _secrets(item)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if key in ("secretKeyRef", "secretRef", "secret") and isinstance(item, dict):
            yield item.get("secretName") or item["name"]
        else:
            yield from _secrets(item)
