"""What a run knows and reports: the saved state it changes, the events it sends, its failures."""

from __future__ import annotations

import datetime
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sandbox.events import (
    COUNTED,
    Diagnostic,
    Event,
    OnEvent,
    Op,
    SandboxError,
    Severity,
    Step,
    StepFailed,
    StepFinished,
    StepStarted,
)
from sandbox.provider import ResourceError
from sandbox.registry import is_default
from sandbox.secrets import Crypter
from sandbox.state import Raw, Resource, entry_key
from sandbox.store import Store


class StepError(Exception):
    """A step failed, and its message is already among the run's errors."""

    user_facing = True


class Stopped(Exception):
    """The run takes no new steps: one failed, or it was interrupted."""

    user_facing = True


class Journal:
    """Thread-safe record of one run. In a preview nothing is written."""

    def __init__(self, store: Store, crypter: Crypter, preview: bool, on_event: OnEvent | None) -> None:
        self.store = store
        self.crypter = crypter
        self.preview = preview
        self.stopped = threading.Event()
        self.steps: list[Step] = []
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self._on_event = on_event
        self._lock = threading.RLock()

    # -- state ---------------------------------------------------------------------------------

    def put(self, resource: Resource, old: Resource | None = None) -> Resource:
        """Save a resource, with its times; nothing is written when it is just as ``old``."""
        if old is not None and resource == old:
            return resource
        now = datetime.datetime.now(datetime.UTC).isoformat()
        resource = replace(resource, created=resource.created or now, modified=now)
        if not self.preview:
            self.store.record({"do": "put", "resource": resource.to_raw(self.crypter)})
        return resource

    def record(self, change: Raw) -> None:
        """Journal a change that is not a ``put``."""
        if not self.preview:
            self.store.record(change)

    def begin(self, kind: str, resource: Resource) -> None:
        """Note that the provider is about to be called; what a kill leaves here is reported by the next run."""
        if not self.preview:
            self.store.record({"do": "begin", "type": kind, "resource": resource.to_raw(self.crypter)})

    def drop(self, raw: Raw) -> None:
        """Forget an entry."""
        self.record({"do": "drop", "key": entry_key(raw)})

    # -- events --------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Tell the caller, one event at a time."""
        with self._lock:
            if isinstance(event, StepFinished):
                self.steps.append(event.step)
            elif isinstance(event, Diagnostic) and event.severity == "warning":
                self.warnings.append(event.message)
            if self._on_event:
                self._on_event(event)

    def say(self, severity: Severity, message: str, urn: str = "") -> None:
        """Send a diagnostic."""
        self.emit(Diagnostic(severity, message, urn))

    def check_running(self) -> None:
        """Refuse a new step once the run is stopping."""
        if self.stopped.is_set():
            raise Stopped("the run is stopping and takes no new steps")

    @contextmanager
    def step(self, step: Step, announce: bool = True) -> Iterator[None]:
        """A failure inside is this step's. ``announce`` says that it has started; :meth:`done` that it has ended."""
        if announce and not is_default(step.urn):
            self.emit(StepStarted(step))
        try:
            yield
        except (StepError, Stopped):
            raise
        except Exception as error:
            if step.urn in self.store.snapshot.pending:
                self.record({"do": "end", "urn": step.urn})
            raise self.fail(step, error) from error

    def done(self, step: Step, started: float, **outcome: Any) -> None:
        """The step ended well."""
        if not is_default(step.urn):
            self.emit(StepFinished(replace(step, seconds=time.monotonic() - started, **outcome)))

    def fail(self, step: Step, error: Exception) -> StepError:
        """Record a failure, stop the run, and give the exception to raise."""
        self.stopped.set()
        message = f"{step.type} {step.name!r}: {describe(error)}"
        with self._lock:
            self.errors.append(message)
            self.emit(StepFailed(step, message))
        return StepError(message)

    def counts(self) -> dict[Op, int]:
        """How many steps of each operation, as a summary shows them."""
        with self._lock:
            counted = Counter(step.op for step in self.steps)
        return {op: counted[op] for op in COUNTED if counted[op]}


def describe(error: BaseException) -> str:
    """One message for a user: a refusal in its own words, anything else with the place where it broke."""
    if isinstance(error, ResourceError):
        return f"{error}; {error.remedy}" if error.remedy else str(error)
    if isinstance(error, SandboxError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return f"internal error of the sandbox: {type(error).__name__}: {error} ({place})"
