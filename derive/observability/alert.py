"""One alert: how bad it is, what happened, what it means, and what to do first."""

from __future__ import annotations

from typing import Any, Literal

from derive.observability.scope import Scope

Severity = Literal["critical", "warning", "info"]


def alert(
    name: str,
    expression: str,
    lasting: str,
    severity: Severity,
    scope: Scope | None,
    summary: str,
    description: str,
    runbook: str,
) -> dict[str, Any]:
    owner = {"system": scope.system, "environment": scope.environment} if scope else {}
    return {
        "alert": name,
        "expr": expression,
        "for": lasting,
        "labels": {"severity": severity, **owner},
        "annotations": {"summary": summary, "description": description, "runbook": runbook},
    }
