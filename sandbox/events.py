"""What a run tells its caller: events while it goes, a :class:`Result` at the end.

Everything here is frozen and safe to print: secret values are replaced by :data:`MASK` before they
get here, except in :attr:`Result.outputs`, where each value says whether it is secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Operation = Literal["up", "preview", "destroy"]

Op = Literal["same", "create", "update", "replace", "delete", "read", "import", "retain", "delete-replaced"]
"""``retain``: dropped from the state, left alive. ``delete-replaced``: the old half of a replacement."""

COUNTED: Final[tuple[Op, ...]] = ("create", "update", "replace", "delete", "read", "import", "retain", "same")
"""The operations of a summary, in the order to show them; the old half of a replacement is not counted twice."""

Severity = Literal["debug", "info", "warning", "error"]

MASK: Final = "[secret]"
COMPUTED: Final = "[unknown]"


@dataclass(frozen=True)
class Change:
    """One property path and its values before and after, ready for display.

    ``None`` on one side means the path did not exist there (or was null).
    """

    path: str
    kind: Literal["add", "delete", "update"]
    old: Any
    new: Any
    forces_replacement: bool = False


@dataclass(frozen=True)
class Step:
    """One operation on one resource. ``detail`` is a short remark (``retained``, ``deleted with X``), or empty."""

    op: Op
    urn: str
    type: str
    name: str
    parent: str = ""
    id: str = ""
    changes: tuple[Change, ...] = ()
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class StepStarted:
    """The provider is about to be called. Not sent for ``same``."""

    step: Step


@dataclass(frozen=True)
class StepFinished:
    """The step is done and its outcome is in the journal (never in a preview)."""

    step: Step


@dataclass(frozen=True)
class StepFailed:
    """The step was refused; the run stops taking new steps."""

    step: Step
    message: str


@dataclass(frozen=True)
class Diagnostic:
    """A message of the program (``pulumi.log``), of the engine, or of an interrupted earlier run."""

    severity: Severity
    message: str
    urn: str = ""


@dataclass(frozen=True)
class Summary:
    """The last event of every run."""

    counts: Mapping[Op, int]
    seconds: float
    succeeded: bool


Event = StepStarted | StepFinished | StepFailed | Diagnostic | Summary
OnEvent = Callable[[Event], None]
"""Called from many threads, but one call at a time."""


@dataclass(frozen=True)
class StackOutput:
    """One stack output: the plain value, and whether it must be masked. Unknown in a preview: :data:`COMPUTED`."""

    value: Any
    secret: bool = False


@dataclass(frozen=True)
class Result:
    """What a run did. ``errors`` are whole messages, one per cause; empty when ``succeeded``.

    ``steps`` holds every finished step in the order they finished, ``same`` included; default
    providers are left out, as the Pulumi CLI does.
    """

    operation: Operation
    project: str
    stack: str
    succeeded: bool
    counts: Mapping[Op, int]
    seconds: float
    outputs: Mapping[str, StackOutput] = field(default_factory=dict)
    output_changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything but ``same`` and ``read`` happened (or would happen, in a preview)."""
        return any(count for op, count in self.counts.items() if op not in ("same", "read"))


class SandboxError(Exception):
    """A mistake the user can put right: the message names the place and the remedy, no traceback is wanted."""

    user_facing = True
