"""Controllers of pods and what scales them: selectors, strategies, schedules, autoscalers, budgets, claims."""

from __future__ import annotations

import re
import zoneinfo
from typing import Any, Final

from sandbox.kubernetes import quantity, selectors
from sandbox.kubernetes.access import Body, Problem, Problems, dig, enumerated, mapping, number, strings, text
from sandbox.kubernetes.kinds import object_type
from sandbox.provider import UNKNOWN, has_unknown

_PERCENT: Final = re.compile(r"\d+%")
_CRON_NICKNAMES: Final = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_CRON_FIELDS: Final = (
    ("minute", 0, 59, ""),
    ("hour", 0, 23, ""),
    ("day of month", 1, 31, ""),
    ("month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"),
    ("day of week", 0, 6, "sun mon tue wed thu fri sat"),
)


def selector_problems(body: Body) -> Problems:
    """A controller's selector is there, is well formed and selects the pods of its own template."""
    kind = object_type(body).kind
    selector = mapping(body, "spec", "selector")
    if dig(body, "spec", "selector") is UNKNOWN:
        return
    if selectors.is_empty(selector):
        yield Problem("spec.selector", f"a {kind} needs a selector that is not empty")
        return
    yield from selectors.problems(selector, "spec.selector")
    labels = strings(body, "spec", "template", "metadata", "labels")
    if not has_unknown(dig(body, "spec", "template", "metadata")) and not selectors.matches(selector, labels):
        yield Problem("spec.selector", f"does not match the template's labels {labels}", "give both the same labels")


def deployment_problems(body: Body) -> Problems:
    """Selector and rollout strategy."""
    yield from selector_problems(body)
    strategy = mapping(body, "spec", "strategy")
    rolling = mapping(strategy, "rollingUpdate")
    if strategy.get("type") == "Recreate" and rolling:
        yield Problem("spec.strategy.rollingUpdate", "is not allowed with type Recreate")
    for name in ("maxSurge", "maxUnavailable"):
        yield from _share_problems(rolling.get(name), f"spec.strategy.rollingUpdate.{name}")
    if _is_zero(rolling.get("maxUnavailable")) and _is_zero(rolling.get("maxSurge")):
        yield Problem("spec.strategy.rollingUpdate", "maxSurge and maxUnavailable cannot both be 0")


def rollout_problems(body: Body) -> Problems:
    """An Argo Rollout is a Deployment, unless it takes its pods from one."""
    if dig(body, "spec", "workloadRef") is None:
        yield from selector_problems(body)


def _is_zero(value: Any) -> bool:
    return value in (0, "0", "0%") and not isinstance(value, bool)


def _share_problems(value: Any, path: str) -> Problems:
    """A count or a percentage."""
    if isinstance(value, str) and not (_PERCENT.fullmatch(value) or value.isdigit()):
        yield Problem(path, f"{value!r} is neither a number nor a percentage like 25%")
    if isinstance(value, int) and value < 0:
        yield Problem(path, f"{value} is negative")


def stateful_set_problems(body: Body) -> Problems:
    """Selector, and the claims that each pod gets."""
    yield from selector_problems(body)
    for at, claim in enumerated(body, "", "spec", "volumeClaimTemplates"):
        for problem in claim_problems(claim):
            yield problem.under(at)


def claim_problems(body: Body) -> Problems:
    """A PersistentVolumeClaim says how much and how it is mounted."""
    requested = dig(body, "spec", "resources", "requests", "storage")
    if requested is None and not has_unknown(dig(body, "spec", "resources")):
        yield Problem("spec.resources.requests.storage", "is required")
    elif requested not in (None, UNKNOWN):
        size = quantity.parse(requested)
        if size is None or size <= 0:
            yield Problem("spec.resources.requests.storage", f"{requested!r} is not a positive quantity (like 20Gi)")
    if not dig(body, "spec", "accessModes"):
        yield Problem("spec.accessModes", "at least one is required")


def cron_job_problems(body: Body) -> Problems:
    """The schedule and its time zone."""
    schedule = text(body, "spec", "schedule")
    if schedule is not None and (problem := cron_problem(schedule)):
        yield Problem("spec.schedule", problem)
    zone = text(body, "spec", "timeZone")
    if zone is not None and zone not in zoneinfo.available_timezones():
        yield Problem("spec.timeZone", f"{zone!r} is not an IANA time zone (like Europe/Berlin)")


def cron_problem(schedule: str) -> str:
    """What is wrong with a five-field cron schedule; empty when nothing is."""
    if schedule in _CRON_NICKNAMES or re.fullmatch(r"@every (\d+(\.\d+)?(ns|us|ms|s|m|h))+", schedule):
        return ""
    if "TZ" in schedule:
        return f"{schedule!r} names a time zone; use spec.timeZone"
    fields = schedule.split()
    if len(fields) != len(_CRON_FIELDS):
        return f"{schedule!r} has {len(fields)} fields; a schedule has 5 (minute hour day month weekday)"
    for field, (name, least, most, words) in zip(fields, _CRON_FIELDS, strict=True):
        if not all(_cron_part(part, least, most, words.split()) for part in field.lower().split(",")):
            return f"{schedule!r}: {field!r} is not a {name} ({least}-{most})"
    return ""


def _cron_part(part: str, least: int, most: int, words: list[str]) -> bool:
    span, slash, step = part.partition("/")
    if slash and not (step.isdigit() and int(step) > 0):
        return False
    if span in ("*", "?"):
        return True
    ends = [str(words.index(end) + least) if end in words else end for end in span.split("-")]
    if len(ends) > 2 or not all(end.isdigit() and least <= int(end) <= most for end in ends):
        return False
    return int(ends[0]) <= int(ends[-1])


def autoscaler_problems(body: Body) -> Problems:
    """Bounds and metric targets of a HorizontalPodAutoscaler."""
    least, most = number(body, "spec", "minReplicas") or 1, number(body, "spec", "maxReplicas")
    if most is not None and most < least:
        yield Problem("spec.maxReplicas", f"{most} is less than minReplicas {least}")
    for at, metric in enumerated(body, "", "spec", "metrics"):
        kind = text(metric, "type") or ""
        source = kind[:1].lower() + kind[1:]
        if kind and source not in metric:
            yield Problem(at, f"type {kind} needs {source}")
            continue
        target = mapping(metric, source, "target")
        wanted = {"Utilization": "averageUtilization", "Value": "value", "AverageValue": "averageValue"}
        field = wanted.get(text(target, "type") or "")
        if field and field not in target:
            yield Problem(f"{at}.{source}.target", f"type {target['type']} needs {field}")


def budget_problems(body: Body) -> Problems:
    """A PodDisruptionBudget has one bound, a count or a percentage."""
    given = [name for name in ("minAvailable", "maxUnavailable") if dig(body, "spec", name) is not None]
    if len(given) > 1:
        yield Problem("spec", "minAvailable and maxUnavailable are mutually exclusive")
    for name in given:
        yield from _share_problems(dig(body, "spec", name), f"spec.{name}")
    yield from selectors.problems(mapping(body, "spec", "selector"), "spec.selector")
