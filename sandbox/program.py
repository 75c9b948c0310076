"""Executing a Pulumi program in this process, and leaving nothing of it behind."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import runpy
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final

import pulumi
import pulumi.runtime.resource
import pulumi.runtime.stack
from pulumi.runtime import settings as sdk
from pulumi.runtime._callbacks import _CallbackServicer
from pulumi.runtime.proto import source_pb2

from sandbox.config import Project, StackConfig
from sandbox.engine import Engine, ProgramLog
from sandbox.journal import Journal, StepError, Stopped
from sandbox.references import ORGANIZATION

_WORKERS: Final = 16
"""Resources in flight at once: the Pulumi CLI's default."""

_GC: Final = (200_000, 50, 50)
"""Garbage collection thresholds of a run. The SDK makes hundreds of objects per resource that live to the end,
and so do the saved state and the account; collecting less often halves the time of a run of 5,000 resources."""

_PATIENCE: Final = 5.0
"""Seconds that a program's cancelled tasks get to end."""

INTERRUPTED: Final = "interrupted: what was done until then is saved; run again to go on"


def execute(project: Project, engine: Engine, config: StackConfig) -> BaseException | None:
    """Run the program's ``__main__.py`` against the engine and give the exception it ended with, if any.

    The SDK keeps its settings in context variables, so a copied context isolates one run from the next.
    """
    return contextvars.copy_context().run(_execute, project, engine, config)


def _execute(project: Project, engine: Engine, config: StackConfig) -> BaseException | None:
    sdk.ROOT.set(None)
    sdk.configure(
        sdk.Settings(
            project=project.name,
            stack=engine.stack,
            monitor=engine,
            engine=ProgramLog(engine.journal),
            parallel=_WORKERS,
            dry_run=engine.journal.preview,
            organization=ORGANIZATION,
            root_directory=str(project.root),
        )
    )
    pulumi.runtime.set_all_config(dict(config.values), sorted(config.secret_keys))
    main = project.main / "__main__.py"
    loop = asyncio.new_event_loop()
    executor = ThreadPoolExecutor(_WORKERS, thread_name_prefix="sandbox")
    loop.set_default_executor(executor)
    loop.set_exception_handler(_say_nothing)
    try:
        with (
            _tuned() as patient,
            _program_environment(project, main),
            interruptible(engine.journal, at_once=True),
        ):
            asyncio.set_event_loop(loop)
            program = pulumi.runtime.stack.run_in_stack(lambda: _run_file(main))
            try:
                loop.run_until_complete(program)
            except BaseException as error:
                return patient.origin(error)
            finally:
                engine.journal.stopped.set()
                _close(loop, executor)
    except BaseException as error:
        return error
    finally:
        asyncio.set_event_loop(None)
        engine.callbacks.close()
    return None


def _say_nothing(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """One failed resource fails every output that waits for it; asyncio would report each of them."""


def _run_file(main: Path) -> None:
    runpy.run_path(str(main), run_name="__main__")


def _close(loop: asyncio.AbstractEventLoop, executor: ThreadPoolExecutor) -> None:
    """Let the steps in flight end and be saved, then drop what waits for them."""
    executor.shutdown(wait=True, cancel_futures=True)
    for task in asyncio.all_tasks(loop):
        task.cancel()
    with contextlib.suppress(Exception):
        loop.run_until_complete(_settle())
    loop.close()


async def _settle() -> None:
    """Let cancelled tasks run to their end, and stop the SDK's callback server."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    if others:
        await asyncio.wait(others, timeout=_PATIENCE)
    await _CallbackServicer.shutdown()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


@contextlib.contextmanager
def _program_environment(project: Project, main: Path) -> Iterator[None]:
    """The working directory, ``sys.path`` and ``sys.argv`` of a program; its modules are forgotten afterwards.

    Only modules that the program was the first to import are forgotten, so that the next run reads them
    again. The sandbox's own are kept: providers import parts of themselves late.
    """
    before, path, argv, folder = set(sys.modules), list(sys.path), list(sys.argv), Path.cwd()
    sys.path.insert(0, str(project.main))
    sys.argv = [str(main)]
    os.chdir(project.root)
    try:
        yield
    finally:
        os.chdir(folder)
        sys.path[:], sys.argv[:] = path, argv
        own = __name__.partition(".")[0]
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if name.partition(".")[0] != own and file and _is_program(Path(file), project):
                _forget_module(name)


def _forget_module(name: str) -> None:
    """Also as a part of its package, which may stay: ``from package import part`` looks there first."""
    module = sys.modules.pop(name)
    package, _, part = name.rpartition(".")
    if package in sys.modules and vars(sys.modules[package]).get(part) is module:
        delattr(sys.modules[package], part)


def _is_program(file: Path, project: Project) -> bool:
    inside = file.is_relative_to(project.root) or file.is_relative_to(project.main)
    return inside and "site-packages" not in file.parts


class _PatientAsyncio:
    """asyncio as the SDK's wait for outstanding outputs sees it.

    The SDK waits for the first of all pending outputs, again and again: quadratic in their number. Waiting
    for all, or the first that fails, comes to the same and is linear.
    """

    FIRST_COMPLETED = asyncio.FIRST_EXCEPTION

    def __init__(self) -> None:
        self.failures: list[tuple[BaseException, TracebackType | None]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def wait(self, tasks: Iterable[asyncio.Task[Any]], return_when: str) -> tuple[set[Any], set[Any]]:
        """Wait, and note where a failure came from: asyncio keeps a traceback for the first who asks only."""
        done, pending = await asyncio.wait(tasks, return_when=return_when)
        for task in done:
            error = None if task.cancelled() else task.exception()
            if error:
                self.failures.append((error, error.__traceback__))
        return done, pending

    def origin(self, error: BaseException) -> BaseException:
        """The error with the most telling traceback it ever had."""
        known = [trace for failure, trace in self.failures if failure is error]
        traces = known or [error.__traceback__]
        return error.with_traceback(max(traces, key=lambda trace: len(traceback.extract_tb(trace))))


@contextlib.contextmanager
def collecting_seldom() -> Iterator[None]:
    """Collect garbage at :data:`_GC`, and leave alone what was there before."""
    threshold = gc.get_threshold()
    gc.set_threshold(*_GC)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)


@contextlib.contextmanager
def _tuned() -> Iterator[_PatientAsyncio]:
    """Make the SDK fast enough for thousands of resources, for the time of a program.

    It reads the whole call stack at each resource, with the lines of all files in it, for a monitor that says where a
    resource was declared; this one does not.
    And quiet: of a program that fails, the SDK drops coroutines of its own outputs, and Python would warn of each.
    """
    module: Any = pulumi.runtime.stack
    resource: Any = pulumi.runtime.resource
    module.asyncio = patient = _PatientAsyncio()
    traced, resource._get_stack_trace = resource._get_stack_trace, source_pb2.StackTrace
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"coroutine 'Output\.\w+' was never awaited", RuntimeWarning)
            yield patient
    finally:
        module.asyncio = asyncio
        resource._get_stack_trace = traced


@contextlib.contextmanager
def interruptible(journal: Journal, at_once: bool) -> Iterator[None]:
    """SIGINT and SIGTERM stop the run; a second one, or the first when ``at_once``, raises KeyboardInterrupt.

    Signals reach the main thread only; a run in another thread cannot be interrupted so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        second = journal.stopped.is_set()
        journal.stopped.set()
        if at_once or second:
            raise KeyboardInterrupt

    saved = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in saved.items():
            signal.signal(number, handler)


def forget() -> None:
    """Collect what a failed program left, without a word about coroutines that it no longer awaits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        gc.collect()


def explain(error: BaseException, project: Project, known_outputs: dict[str, list[str]]) -> str | None:
    """One message for the way a program ended; None when a failed step has already said it.

    ``known_outputs`` holds the names of each referenced stack's outputs.
    """
    if isinstance(error, StepError | Stopped):
        return None
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, pulumi.RunError) or getattr(error, "user_facing", False):
        return str(error)
    if isinstance(error, SystemExit):
        return f"the program ended itself with exit code {error.code}"
    missing = _missing_output(error, known_outputs)
    if missing:
        return missing
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_program(Path(f.filename), project)]
    trace = "".join(traceback.format_list(frames))
    last = "".join(traceback.format_exception_only(type(error), error))
    return f"the program failed:\n{trace}{last}".rstrip()


def _missing_output(error: BaseException, known_outputs: dict[str, list[str]]) -> str:
    """A KeyError of ``StackReference.require_output`` in words."""
    if not isinstance(error, KeyError):
        return ""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if not frames or Path(frames[-1].f_code.co_filename).name != "stack_reference.py":
        return ""
    name, outputs = frames[-1].f_locals["l"]
    stack = next((stack for stack, names in known_outputs.items() if set(names) == set(outputs)), "the stack")
    return f"{stack} has no output {name!r}; it has {', '.join(sorted(outputs)) or 'none'}"
