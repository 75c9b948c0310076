"""Cron schedules: whether they are well formed, and how far apart their runs are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Annotated, Final

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator

from model.base import DeclarationError

_START: Final = datetime(2024, 1, 1, tzinfo=UTC)
_WINDOW: Final = timedelta(days=92)
"""A quarter: shows every schedule that comes round in a month, and takes the rest for as rare as that."""


def _checked(text: str) -> str:
    try:
        CronSim(text, _START)
    except CronSimError as error:
        raise DeclarationError(
            f"'{text}' is no cron schedule ({error}); write minute, hour, day of month, month and day of week"
        ) from error
    return text


Cron = Annotated[str, AfterValidator(_checked)]
"""Five fields, in UTC: ``0 2 * * *`` is every night at two."""


@cache
def gaps(*schedules: str) -> tuple[timedelta, timedelta]:
    """The shortest and the longest time between two runs of whichever schedule comes next."""
    end = _START + _WINDOW
    runs = {_START, end}
    for schedule in schedules:
        for run in CronSim(schedule, _START - timedelta(minutes=1)):
            if run > end:
                break
            runs.add(run)
    between = [later - earlier for earlier, later in pairwise(sorted(runs))]
    inner = between[1:-1] or between
    return min(inner), max(between)
