"""What a run shows while it goes: a live display on a terminal, one plain line per step elsewhere."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from sandbox.events import (
    COUNTED,
    Diagnostic,
    Event,
    Op,
    Operation,
    Severity,
    Step,
    StepFailed,
    StepFinished,
    StepStarted,
    Summary,
)

SIGNS: Final[dict[Op, tuple[str, str]]] = {
    "same": (" ", "dim"),
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "replace": ("±", "magenta"),
    "delete": ("-", "red"),
    "delete-replaced": ("-", "red"),
    "read": (">", "cyan"),
    "import": ("=", "cyan"),
    "retain": ("!", "yellow"),
}
"""The sign and the colour of an operation."""

DOING: Final[dict[Operation, str]] = {"up": "Bringing up", "preview": "Previewing", "destroy": "Destroying"}
_RECENT: Final = 6
"""Lines of steps in the live display, those under way first; more would scroll on a small terminal."""
_STYLES: Final[dict[Severity, str]] = {"debug": "dim", "info": "", "warning": "yellow", "error": "red"}


class Progress(Protocol):
    """Takes a run's events; called from many threads, one call at a time."""

    def __call__(self, event: Event) -> None: ...


@contextmanager
def show(console: Console, operation: Operation, stack: str, *, quiet: bool) -> Iterator[Progress]:
    """The display for one run, taken down at the end. ``quiet`` shows nothing: the caller wants only the result."""
    if quiet:
        yield lambda event: None
    elif console.is_terminal:
        display = LiveProgress(console, operation, stack)
        with Live(display, console=console, refresh_per_second=8, transient=True):
            yield display
    else:
        console.print(f"{DOING[operation]} {stack}", style="bold")
        yield PlainProgress(console, steps=operation != "preview")


def describe(step: Step) -> Text:
    """One line for a step: sign, type, name."""
    sign, style = SIGNS[step.op]
    remark = f"  ({step.detail})" if step.detail else ""
    return Text(f"{sign} {step.type}  {step.name}{remark}", style=style)


class PlainProgress:
    """One line per message and, where ``steps`` is set, per finished step that changed something.

    A preview does nothing that takes time: its steps are in the summary.
    """

    def __init__(self, console: Console, *, steps: bool) -> None:
        self._console = console
        self._steps = steps

    def __call__(self, event: Event) -> None:
        match event:
            case StepFinished(step) if self._steps and step.op not in ("same", "read"):
                line = describe(step).append(f"  {step.op} {step.seconds:.1f}s", style="dim")
                self._console.print(line, soft_wrap=True)
            case StepFailed(step, _):
                self._console.print(describe(step).append("  failed"), style="red", soft_wrap=True)
            case Diagnostic():
                print_message(self._console, event)
            case _:
                pass


class LiveProgress:
    """A counter line and the steps that are under way, redrawn in place."""

    def __init__(self, console: Console, operation: Operation, stack: str) -> None:
        self._console = console
        self._title = f"{DOING[operation]} {stack}"
        self._counts: Counter[Op] = Counter()
        self._running: dict[str, Step] = {}
        self._recent: deque[Step] = deque(maxlen=_RECENT)
        self._started = time.monotonic()
        self._spinner = Spinner("dots")

    def __call__(self, event: Event) -> None:
        match event:
            case StepStarted(step):
                self._running[step.urn] = step
            case StepFinished(step):
                self._running.pop(step.urn, None)
                self._counts[step.op] += 1
                if step.op != "same":
                    self._recent.append(step)
            case StepFailed(step, _):
                self._running.pop(step.urn, None)
                self._console.print(describe(step).append("  failed", style="red"))
            case Diagnostic():
                print_message(self._console, event)
            case Summary():
                self._running.clear()

    def __rich__(self) -> RenderableType:
        running = list(self._running.values())[:_RECENT]
        room = _RECENT - len(running)
        done = list(self._recent)[-room:] if room else []
        seconds = time.monotonic() - self._started
        self._spinner.update(text=Text.assemble((self._title, "bold"), f"  {seconds:.0f}s  ", count_line(self._counts)))
        return Group(
            self._spinner,
            *(describe(step).append("  done", style="dim") for step in done),
            *(describe(step).append("  ...", style="dim") for step in running),
        )


def print_message(console: Console, message: Diagnostic) -> None:
    """A message of the program or the engine; debugging ones are left out."""
    if message.severity == "debug":
        return
    name = message.urn.rsplit("::", 1)[-1]
    where = f" {name}" if name else ""
    console.print(
        Text(f"{message.severity}{where}: {message.message}", style=_STYLES[message.severity]), soft_wrap=True
    )


def count_line(counts: Counter[Op]) -> Text:
    """``+ 12 create  ~ 1 update``, in the order of a summary; the old halves of replacements are not counted again."""
    parts = [(f"{SIGNS[op][0]} {counts[op]} {op}".strip(), SIGNS[op][1]) for op in COUNTED if counts[op]]
    return Text("  ").join(Text(text, style=style) for text, style in parts)
