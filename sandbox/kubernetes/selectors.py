"""Label selectors: do they match, and are they well formed."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.kubernetes import names
from sandbox.kubernetes.access import Body, Problem, Problems, enumerated, items, strings, text
from sandbox.provider import has_unknown


def matches(selector: Body, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector selects ``labels``; an empty one selects all, an unknown one may."""
    if has_unknown(selector):
        return True
    if any(labels.get(key) != value for key, value in strings(selector, "matchLabels").items()):
        return False
    return all(_expression(one, labels) for _, one in enumerated(selector, "", "matchExpressions"))


def _expression(expression: Body, labels: Mapping[str, str]) -> bool:
    value = labels.get(text(expression, "key") or "")
    values = items(expression, "values")
    match expression.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


def is_empty(selector: Body) -> bool:
    """Whether a selector has no condition at all."""
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


def problems(selector: Body, path: str) -> Problems:
    """Syntax of a LabelSelector."""
    yield from names.labels_problems(strings(selector, "matchLabels"), f"{path}.matchLabels")
    for at, expression in enumerated(selector, path, "matchExpressions"):
        operator, values = expression.get("operator"), expression.get("values")
        if (key := text(expression, "key")) is not None and (problem := names.key_problem(key)):
            yield Problem(f"{at}.key", problem)
        if operator in ("In", "NotIn") and not values:
            yield Problem(f"{at}.values", f"operator {operator} needs values")
        if operator in ("Exists", "DoesNotExist") and values:
            yield Problem(f"{at}.values", f"operator {operator} takes no values")
