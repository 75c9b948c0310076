"""An add-on that is a Helm chart: what is installed, as which release, and how one knows that it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from derive.versions import ChartVersion
from model import minutes

TIMEOUT: Final = minutes(10)
"""Of one Helm operation with its hooks; Helm's own five minutes are short where a node pulls its first images."""


@dataclass(frozen=True)
class Release:
    """A chart under a release name, with its values. Values hold no secret, only names of Secrets."""

    name: str
    source: ChartVersion
    values: Mapping[str, Any]
    requires: tuple[str, ...] = ()
    """Add-ons that must work before this one is installed."""
    ready: tuple[str, ...] = ()
    """Workloads of the release that must have rolled out before what follows, e.g. ``deployment/istiod``."""
    bootstrap: bool = False
    """Whether it must come up in a cluster that has no pod network yet."""
    timeout: timedelta = TIMEOUT
