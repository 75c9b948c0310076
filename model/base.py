"""The base of every declared value: frozen, strict, and clear about what is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator


class DeclarationError(ValueError):
    """A declaration that cannot hold. The message names the place and the remedy."""

    user_facing = True
    """Whoever shows it leaves the traceback out: the mistake is in the declaration, not in the program."""


class Declared(BaseModel):
    """A frozen value whose unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, values: Any) -> Any:
        """Pydantic says of a misspelt field that it is not permitted; this says which one is."""
        if isinstance(values, Mapping):
            for name in values:
                if name not in cls.model_fields:
                    raise DeclarationError(
                        f"{cls.__name__} has no field '{name}'{did_you_mean(name, cls.model_fields)}"
                    )
        return values


_NAME: Final = r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$"
_HOST: Final = r"^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+$"
_REGIONAL: Final = r"^(\*\.)?(([a-z0-9]([a-z0-9-]*[a-z0-9])?|\{region\})\.)+[a-z0-9-]+$"
_REGION: Final = r"^[a-z]{2}(-[a-z]+)+-[0-9]$"
_CPU: Final = r"^[0-9]+m$|^[0-9]+(\.[0-9]{1,3})?$"
_MEMORY: Final = r"^[0-9]+(Ki|Mi|Gi|Ti)$"
_PINNED: Final = r"^[a-z0-9.:/_-]+(:[\w.-]*\d[\w.-]*|@sha256:[0-9a-f]{64})$"
_SHAPES: Final[Mapping[str, str]] = {
    _NAME: "must be 2 to 40 lower-case letters, digits and hyphens, with a letter first and no hyphen last",
    _HOST: "must be a host name such as api.example.com",
    _REGIONAL: "must be a host name such as api.example.com, with {region} where the stack's region belongs",
    _REGION: "must be a region of AWS such as eu-west-1",
    _CPU: "must be CPU as Kubernetes writes it: '250m' or '2'",
    _MEMORY: "must be memory as Kubernetes writes it: '256Mi' or '2Gi'",
}
"""Pattern -> what it asks for, in words."""

Name = Annotated[str, Field(pattern=_NAME)]
"""A name for AWS, DNS and Kubernetes alike: RFC 1123 label; 40 characters leave room for suffixes under 63."""

Host = Annotated[str, Field(pattern=_HOST, max_length=253)]
"""A DNS host name, optionally with a leading wildcard label."""

RegionalHost = Annotated[str, Field(pattern=_REGIONAL, max_length=253)]
"""The same, with ``{region}`` as a label where the stack's region belongs."""

Region = Annotated[str, Field(pattern=_REGION)]
Port = Annotated[int, Field(ge=1, le=65535)]
Percent = Annotated[int, Field(ge=1, le=100)]
CpuQuantity = Annotated[str, Field(pattern=_CPU)]
"""Kubernetes CPU: ``250m`` or ``2``."""
MemoryQuantity = Annotated[str, Field(pattern=_MEMORY)]
"""Kubernetes bytes in binary units: ``256Mi``."""
PinnedImage = Annotated[str, Field(pattern=_PINNED)]
"""Repository and a tag that has a number in it, or a digest: ``latest`` is another image tomorrow."""


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
        field = ".".join(str(part) for part in (error.title, *detail["loc"]))
        own = detail["type"] == "value_error"
        found.append(reason(detail) if own else f"{field}: {reason(detail)}, not {detail['input']!r}")
    return "; ".join(found)


def reason(detail: Mapping[str, Any]) -> str:
    """What a value was refused for: our words where there are some, otherwise Pydantic's."""
    context = detail.get("ctx", {})
    if "error" in context:
        return str(context["error"])
    if detail["type"] == "tuple_type" and isinstance(detail["input"], str):
        return f"must be a tuple, with a comma: ({detail['input']!r},)"
    return _SHAPES.get(context.get("pattern", ""), str(detail["msg"]))
