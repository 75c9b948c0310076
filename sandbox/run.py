"""Run a Pulumi project in this process: no CLI, no account.

``run`` brings a stack up, previews it or destroys it; ``outputs`` and ``export`` read what is saved.
What is refused before the first step (settings, lock, state file, passphrase) raises
:class:`~sandbox.events.SandboxError`; what fails later is in :attr:`Result.errors`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sandbox.config import Project, StackConfig, find_passphrase, load_config, load_project
from sandbox.engine import Engine
from sandbox.events import MASK, OnEvent, Operation, Result, SandboxError, StackOutput, Summary
from sandbox.journal import Journal, StepError, Stopped, describe
from sandbox.paths import changes, display
from sandbox.program import INTERRUPTED, collecting_seldom, execute, explain, forget, interruptible
from sandbox.provider import Package, ResourceError
from sandbox.references import Backend
from sandbox.registry import Registry
from sandbox.secrets import Crypter
from sandbox.state import REFERENCE_TYPE, STACK_TYPE
from sandbox.store import Store
from sandbox.values import SECRET, SIGNATURE, has_secret, plain

BACKEND: Final = Path(".wheelhouse") / "stacks"
"""Where stacks are saved, in the project's folder, unless told otherwise."""


@collecting_seldom()
def run(
    operation: Operation,
    stack: str,
    *,
    project_dir: Path,
    providers: Mapping[str, Package],
    backend: Path | None = None,
    passphrase: str | None = None,
    config: Mapping[str, str] | None = None,
    on_event: OnEvent | None = None,
) -> Result:
    """Run one operation on one stack and say what it did.

    ``providers`` maps a package's name (``aws``) to its :class:`~sandbox.provider.Package`.
    ``backend`` is the folder of the saved stacks, by default ``.wheelhouse/stacks`` in the project.
    ``passphrase`` encrypts the secrets; by default PULUMI_CONFIG_PASSPHRASE or the file that
    PULUMI_CONFIG_PASSPHRASE_FILE names. ``config`` adds to, and wins over, ``Pulumi.<stack>.yaml``;
    a key without a namespace belongs to the project.
    """
    project = load_project(project_dir.resolve())
    opened = Backend((backend or project.root / BACKEND).resolve(), find_passphrase(passphrase))
    settings = StackConfig({}, frozenset())
    if operation != "destroy":
        settings = load_config(project, stack, opened.passphrase, config or {})
    store = opened.store(project.name, stack)
    if operation == "preview":
        return _Run(operation, project, store, opened, providers, settings, on_event).go()
    if operation == "destroy" and not store.exists():
        raise SandboxError(f"there is no stack {stack!r} of project {project.name!r} to destroy ({store.path})")
    store.acquire(operation)
    try:
        return _Run(operation, project, store, opened, providers, settings, on_event).go()
    finally:
        store.release()


class _Run:
    """The stages of one run."""

    def __init__(
        self,
        operation: Operation,
        project: Project,
        store: Store,
        backend: Backend,
        providers: Mapping[str, Package],
        settings: StackConfig,
        on_event: OnEvent | None,
    ) -> None:
        self.started = time.monotonic()
        self.operation = operation
        self.project = project
        self.settings = settings
        store.load()
        crypter, fresh = _crypter(store, backend, settings.salt)
        preview = operation == "preview"
        if not preview:
            store.fold()
        self.journal = Journal(store, crypter, preview, on_event)
        if fresh:
            salt = {"type": "passphrase", "state": {"salt": crypter.state}}
            self.journal.record({"do": "secrets", "provider": salt})
        self.registry = Registry(providers)
        self.engine = Engine(project.name, store.stack, self.journal, self.registry, backend)
        stacks = [(store, backend.resources(store))]
        if any(package.shared for package in providers.values()):
            stacks = backend.in_order(store)
        self.stacks = [(found is store, resources) for found, resources in stacks]
        self.own = next(resources for own, resources in self.stacks if own)

    def go(self) -> Result:
        """Restore, run, save, report."""
        self._report_interrupted()
        try:
            self.registry.restore(self.stacks)
        except ResourceError as error:
            raise SandboxError(f"the saved resources cannot be rebuilt: {describe(error)}") from error
        try:
            if self.operation == "destroy":
                self._destroy()
            else:
                self._program()
        finally:
            if not self.journal.preview:
                self.journal.store.save()
        return self._result()

    def _report_interrupted(self) -> None:
        """Say which steps a killed run left undecided. The saved state is what the run goes on from."""
        for urn, item in list(self.journal.store.snapshot.pending.items()):
            self.journal.say("warning", f"an earlier run was cut short while {item['type']} {urn}; check it", urn)
            self.journal.record({"do": "end", "urn": urn})

    def _program(self) -> None:
        self.engine.begin({resource.urn: resource for resource in self.own if not resource.delete}, self.settings)
        error = execute(self.project, self.engine, self.settings)
        if error is None:
            return
        references = {
            resource.id: list(resource.outputs["outputs"])
            for resource in self.engine.deployer.news.values()
            if resource.type == REFERENCE_TYPE
        }
        message = explain(error, self.project, references)
        if message:
            self.journal.errors.append(message)
        del error
        forget()

    def _destroy(self) -> None:
        try:
            with interruptible(self.journal, at_once=False):
                self.engine.remover.finish(())
        except (KeyboardInterrupt, Stopped):
            self.journal.errors.append(INTERRUPTED)
        except SandboxError as error:
            self.journal.errors.append(str(error))
        except StepError:
            """The journal has its message already."""

    def _result(self) -> Result:
        old = next((resource.outputs for resource in self.own if resource.type == STACK_TYPE), {})
        errors = tuple(dict.fromkeys(self.journal.errors))
        new: dict[str, Any] = old if errors else self.engine.stack_outputs
        counts, seconds = self.journal.counts(), time.monotonic() - self.started
        self.journal.emit(Summary(counts, seconds, not errors))
        return Result(
            self.operation,
            self.project.name,
            self.engine.stack,
            succeeded=not errors,
            counts=counts,
            seconds=seconds,
            outputs={name: _output(value) for name, value in new.items()},
            output_changes=changes(old, new),
            steps=tuple(self.journal.steps),
            errors=errors,
            warnings=tuple(self.journal.warnings),
        )


def _output(value: Any) -> StackOutput:
    return StackOutput(display(plain(value)), has_secret(value))


def _crypter(store: Store, backend: Backend, salt: str) -> tuple[Crypter, bool]:
    """The stack's crypter, and whether it is new to the stack.

    A new stack takes the salt of its settings file, else that of a stack beside it (deriving a key takes
    half a second, once per salt), else a fresh one.
    """
    own = backend.crypter(store)
    if own:
        return own, False
    if salt:
        return backend.open(salt, f"Pulumi.{store.stack}.yaml"), True
    for sibling in backend.stores():
        try:
            sibling.load()
            found = backend.crypter(sibling)
        except SandboxError:
            continue
        if found:
            return found, True
    return Crypter.new(backend.passphrase), True


def outputs(
    stack: str,
    *,
    project_dir: Path,
    backend: Path | None = None,
    passphrase: str | None = None,
    show_secrets: bool = False,
) -> dict[str, Any]:
    """The saved outputs of a stack; secret ones are masked unless ``show_secrets``, which needs the passphrase."""
    store = _saved(stack, project_dir, backend)
    if show_secrets:
        opened = Backend(store.path.parent.parent, find_passphrase(passphrase))
        found = [resource for resource in opened.resources(store) if resource.type == STACK_TYPE]
        return {name: plain(value) for name, value in found[0].outputs.items()} if found else {}
    return {name: _mask(value) for name, value in store.snapshot.stack_outputs().items()}


def export(stack: str, *, project_dir: Path, backend: Path | None = None) -> dict[str, Any]:
    """The saved stack in the shape of ``pulumi stack export``; secrets stay encrypted."""
    return _saved(stack, project_dir, backend).document()


def _saved(stack: str, project_dir: Path, backend: Path | None) -> Store:
    project = load_project(project_dir.resolve())
    store = Store((backend or project.root / BACKEND).resolve(), project.name, stack)
    if not store.exists():
        raise SandboxError(f"there is no stack {stack!r} of project {project.name!r} ({store.path}); bring it up first")
    store.load()
    return store


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return MASK if value.get(SIGNATURE) == SECRET else {key: _mask(item) for key, item in value.items()}
    return [_mask(item) for item in value] if isinstance(value, list) else value
