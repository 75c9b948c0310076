"""Autoscalers and disruption budgets: their targets exist, and have what they measure or protect."""

from __future__ import annotations

from typing import Final

from sandbox.kubernetes import pods, quota, references, selectors
from sandbox.kubernetes.access import Problem, Problems, dig, enumerated, mapping, text
from sandbox.kubernetes.landscape import Landscape
from sandbox.kubernetes.store import Entry
from sandbox.provider import has_unknown

AUTOSCALERS: Final = (("autoscaling", "HorizontalPodAutoscaler"), ("keda.sh", "ScaledObject"))


def autoscaler_problems(entry: Entry, landscape: Landscape) -> Problems:
    """The target is there; a metric in percent of requests needs the requests."""
    if (entry.key.group, entry.key.kind) not in AUTOSCALERS:
        return
    target = references.scale_target(entry.body, entry.key.namespace)
    if target is None:
        return
    found = landscape.view.get(target)
    if found is None:
        if not landscape.may_exist(target.group, target.kind, target.namespace, target.name):
            yield Problem("spec.scaleTargetRef", f"{target} does not exist")
        return
    yield from _rival_problems(entry, landscape)
    template = pods.template(found.body)
    spec = mapping(template[1], "spec") if template else {}
    for at, metric in enumerated(entry.body, "", "spec", "metrics"):
        source = mapping(metric, "resource") or mapping(metric, "containerResource")
        name, only = text(source, "name"), text(source, "container")
        if text(source, "target", "type") != "Utilization" or not name:
            continue
        for _, container in enumerated(spec, "", "containers"):
            if only not in (None, text(container, "name")) or has_unknown(container.get("resources")):
                continue
            if quota.request(container, name, quota.defaults(target.namespace, landscape)) is None:
                who = text(container, "name")
                yield Problem(at, f"container {who!r} of {target} sets no {name} request to measure utilization by")


def _rival_problems(entry: Entry, landscape: Landscape) -> Problems:
    """Two autoscalers of one target undo each other's work."""
    target = references.scale_target(entry.body, entry.key.namespace)
    for group, kind in AUTOSCALERS:
        for other in landscape.view.of_kind(group, kind):
            if str(other.key) < str(entry.key) and references.scale_target(other.body, other.key.namespace) == target:
                yield Problem("spec.scaleTargetRef", f"{target} is scaled by {other.key} too")


def budget_problems(entry: Entry, landscape: Landscape) -> Problems:
    """A PodDisruptionBudget protects some pods."""
    key, selector = entry.key, dig(entry.body, "spec", "selector")
    if (key.group, key.kind) != ("policy", "PodDisruptionBudget") or has_unknown(selector):
        return
    running = landscape.running(key.namespace)
    if landscape.is_operated(key.namespace) or any(has_unknown(one.pod.get("metadata")) for one in running):
        return
    if not any(selectors.matches(selector or {}, one.labels) for one in running):
        yield Problem("spec.selector", f"selects no pod in namespace {key.namespace!r}")
