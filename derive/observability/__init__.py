"""What watches a system: monitors, rules and dashboards, all derived from its declaration."""

from __future__ import annotations

from derive.observability.monitors import monitors
from derive.shapes import Deployment, Part

__all__ = ["observability"]


def observability(deployment: Deployment) -> tuple[Part, ...]:
    """The objects that tell Prometheus and Grafana what to read, to alert on and to show."""
    return monitors(deployment)
