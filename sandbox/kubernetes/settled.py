"""What is wrong with a cluster as a whole, once everything is declared.

An API server takes these objects one by one and its controllers then fail over and over: a pod that refers to
a Secret that nobody makes, a quota too small for what it holds. Here they are findings, each of one object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from sandbox.kubernetes import admission, quota, references, scaling
from sandbox.kubernetes.access import Problems
from sandbox.kubernetes.landscape import Landscape
from sandbox.kubernetes.store import Entry, View
from sandbox.provider import ResourceError

Rule = Callable[[Entry, Landscape], Problems]


def _pod_security(entry: Entry, landscape: Landscape) -> Problems:
    """Again: the namespace's level may have been raised after the object was admitted."""
    return admission.pod_security_problems(entry.key.namespace, entry.body, landscape.view)


RULES: Final[tuple[Rule, ...]] = (
    references.pod_problems,
    references.object_problems,
    references.service_problems,
    scaling.autoscaler_problems,
    scaling.budget_problems,
    quota.limit_problems,
    quota.quota_problems,
    _pod_security,
)


def findings(view: View, nameless: frozenset[tuple[str, str]]) -> Iterator[ResourceError]:
    """One error per object and reason, at the first place that has it, in the order of the objects' keys."""
    landscape = Landscape(view, nameless)
    for entry in sorted(view.everything(), key=lambda one: (one.key.namespace, one.key.kind, one.key.name)):
        if not entry.urn:
            continue
        told: set[str] = set()
        for problem in (problem for rule in RULES for problem in rule(entry, landscape)):
            if problem.message not in told:
                told.add(problem.message)
                yield ResourceError(f"{entry.key}: {problem.message}", path=problem.path, remedy=problem.remedy)
