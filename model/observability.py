"""What people want to see of a system, and to be told of it: dashboards with their panels, alerts."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from model.base import Declared, Name, minutes

Unit = Literal["short", "reqps", "percentunit", "s", "ms", "bytes", "ops"]
"""Grafana's unit ids."""


class Panel(Declared):
    """One question and the PromQL that answers it."""

    title: str
    query: str
    """PromQL; SQL where ``source`` is a database, with the columns ``time`` and one for each series."""
    source: Name | None = None
    """The database that is asked: the one that the platform's Grafana reads. Absent: Prometheus."""
    legend: str = ""
    """Legend of each series, with ``{{label}}`` placeholders. Absent: all labels."""
    unit: Unit = "short"
    shape: Literal["graph", "number"] = "graph"
    """A course over time, or one number with its sparkline."""


class Alert(Declared):
    """What only the system itself knows to be wrong, by a metric of its own."""

    name: str = Field(pattern=r"^([A-Z][a-z0-9]+)+$")
    query: str
    """PromQL that yields something when it is wrong."""
    lasting: timedelta = minutes(5)
    """How long it must be wrong before somebody is told."""
    severity: Literal["critical", "warning", "info"] = "warning"
    summary: str
    """What happened; ``{{ $labels.name }}`` and ``{{ $value }}`` are filled in."""
    meaning: str
    """Whom it concerns."""
    first: str
    """What to do first."""


class Dashboard(Declared):
    """A page of panels. One with the title of a derived dashboard adds its panels to that one."""

    title: str = Field(max_length=60)
    panels: tuple[Panel, ...] = Field(min_length=1)
