"""The base of every declared value: frozen, strict, and clear about what is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Declared(BaseModel):
    """A frozen value whose unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DeclarationError(ValueError):
    """A declaration that cannot hold. The message names the place and the remedy."""

    user_facing = True
    """Whoever shows it leaves the traceback out: the mistake is in the declaration, not in the program."""


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$")]
"""A name for AWS, DNS and Kubernetes alike: RFC 1123 label; 40 characters leave room for suffixes under 63."""

Host = Annotated[str, Field(pattern=r"^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+$", max_length=253)]
"""A DNS host name, optionally with a leading wildcard label."""

Port = Annotated[int, Field(ge=1, le=65535)]
Percent = Annotated[int, Field(ge=1, le=100)]
CpuQuantity = Annotated[str, Field(pattern=r"^[0-9]+m$|^[0-9]+(\.[0-9]{1,3})?$")]
"""Kubernetes CPU: ``250m`` or ``2``."""
MemoryQuantity = Annotated[str, Field(pattern=r"^[0-9]+(Ki|Mi|Gi|Ti)$")]
"""Kubernetes bytes in binary units: ``256Mi``."""


def seconds(amount: float) -> timedelta:
    return timedelta(seconds=amount)


def minutes(amount: float) -> timedelta:
    return timedelta(minutes=amount)


def hours(amount: float) -> timedelta:
    return timedelta(hours=amount)


def days(amount: float) -> timedelta:
    return timedelta(days=amount)


def rotation_period(time: timedelta | None) -> timedelta | None:
    """How often a secret is made anew: whole days, at most 1,000 (Secrets Manager API, RotationRulesType)."""
    if time is not None and (time % timedelta(days=1) or not timedelta(days=1) <= time <= timedelta(days=1000)):
        raise DeclarationError(f"rotate = {span(time)}: a secret is rotated every 1 to 1,000 whole days")
    return time


def span(time: timedelta) -> str:
    """A duration in its largest whole unit, e.g. ``6 h``; fractions of a second are left out."""
    seconds_ = int(time.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds_ >= size and seconds_ % size == 0:
            return f"{seconds_ // size} {unit}"
    return f"{seconds_} s"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for a near miss, otherwise the names there are."""
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; declared are: {', '.join(choices) or 'none'}"


def mistakes(error: ValidationError) -> str:
    """What a value was refused for, in words: ours as they are, Pydantic's with the field and the value."""
    found = []
    for detail in error.errors(include_url=False):
        own = detail.get("ctx", {}).get("error")
        field = ".".join(str(part) for part in (error.title, *detail["loc"]))
        found.append(str(own) if own else f"{field}: {detail['msg']}, not {detail['input']!r}")
    return "; ".join(found)
