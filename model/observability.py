"""What people want to see of a system: dashboards and their panels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from model.base import Declared

Unit = Literal["short", "reqps", "percentunit", "s", "ms", "bytes", "ops"]
"""Grafana's unit ids."""


class Panel(Declared):
    """One question and the PromQL that answers it."""

    title: str
    query: str
    """PromQL."""
    legend: str = ""
    """Legend of each series, with ``{{label}}`` placeholders. Absent: all labels."""
    unit: Unit = "short"
    shape: Literal["graph", "number"] = "graph"
    """A course over time, or one number with its sparkline."""


class Dashboard(Declared):
    """A page of panels. One with the title of a derived dashboard adds its panels to that one."""

    title: str = Field(max_length=60)
    panels: tuple[Panel, ...] = Field(min_length=1)
