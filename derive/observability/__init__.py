"""What watches a system: monitors, rules and dashboards, all derived from its declaration."""

from __future__ import annotations

from derive.observability.dashboards import dashboards
from derive.observability.monitors import monitors
from derive.observability.rules import prometheus_rule
from derive.observability.scope import scope
from derive.shapes import Deployment, Part

__all__ = ["observability"]


def observability(deployment: Deployment) -> tuple[Part, ...]:
    """The objects that tell Prometheus and Grafana what to read, to alert on and to show."""
    observed = scope(deployment)
    system = deployment.system
    rules = prometheus_rule(observed)
    pages = dashboards(observed, system, deployment.environment.dashboards)
    return (
        *monitors(deployment),
        Part(f"{observed.system}-alerts", observed.home, (rules,)),
        *((Part(f"{observed.system}-dashboards", pages[0]["metadata"]["namespace"], pages),) if pages else ()),
    )
