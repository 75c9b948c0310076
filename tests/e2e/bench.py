"""The project's own stacks in the sandbox: one backend folder, and what a test asks of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sandbox.run
import stacks.environment
import stacks.hub
from sandbox.events import OnEvent, Operation, Result, Step
from sandbox.provider import Package
from sandbox.references import Backend
from sandbox.state import Resource, urn_name
from tests.conftest import ROOT
from wheelhouse.providers import packages

PASSPHRASE: Final = "e2e"
PROJECT: Final = "wheelhouse"
PROVIDERS: Final = packages()
"""One account for all runs of this process: it is rebuilt when the saved stacks are not what it holds."""
KEPT: Final = (stacks.environment, stacks.hub)
"""Modules that a program is the first to import are read again by its next run; these are not."""


@dataclass(frozen=True)
class Bench:
    """The project's stacks, saved in one folder."""

    backend: Path

    def run(
        self,
        operation: Operation,
        stack: str,
        config: Mapping[str, str] | None = None,
        *,
        providers: Mapping[str, Package] | None = None,
        on_event: OnEvent | None = None,
    ) -> Result:
        """One operation, whether it succeeds or not."""
        return sandbox.run.run(
            operation,
            stack,
            project_dir=ROOT,
            providers=providers or PROVIDERS,
            backend=self.backend,
            passphrase=PASSPHRASE,
            config=config,
            on_event=on_event,
        )

    def good(self, operation: Operation, stack: str, config: Mapping[str, str] | None = None) -> Result:
        """One operation that must succeed."""
        result = self.run(operation, stack, config)
        assert result.succeeded, "\n".join(result.errors)
        return result

    def export(self, stack: str) -> dict[str, Any]:
        """The saved stack, secrets encrypted; without the time of its writing."""
        document = sandbox.run.export(stack, project_dir=ROOT, backend=self.backend)
        del document["deployment"]["manifest"]["time"]
        return document

    def resources(self, stack: str) -> list[Resource]:
        """The saved resources, secrets decrypted and wrapped."""
        opened = Backend(self.backend, PASSPHRASE)
        store = opened.store(PROJECT, stack)
        store.load()
        return opened.resources(store)

    def command(self, *arguments: str, project: Path = ROOT) -> subprocess.Popen[str]:
        """The command in a process of its own, in the project's folder or in that of a copy."""
        return subprocess.Popen(
            [sys.executable, "-m", "wheelhouse", *arguments, "--backend", str(self.backend)],
            cwd=project,
            env={"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE, "PATH": os.defpath, "COLUMNS": "400"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def copy(self, folder: Path, stacks: Iterable[str]) -> Bench:
        """A bench of its own with some of the stacks as they are now."""
        target = folder / PROJECT
        target.mkdir(parents=True)
        for stack in stacks:
            shutil.copy(self.backend / PROJECT / f"{stack}.json", target)
        return Bench(folder)


def copy_project(folder: Path) -> Path:
    """The program, its packages and its stacks' files in another folder, for a test that changes them.

    With what Python has compiled already: a process that compiles it all takes four times as long to begin."""
    folder.mkdir(parents=True)
    for path in ROOT.iterdir():
        if (path / "__init__.py").exists():
            shutil.copytree(path, folder / path.name)
        elif path.suffix in (".py", ".yaml", ".toml"):
            shutil.copy(path, folder)
    return folder


def changed(steps: Iterable[Step]) -> dict[str, str]:
    """URN -> operation of every step that is neither ``same`` nor ``read``."""
    return {step.urn: step.op for step in steps if step.op not in ("same", "read")}


def label(urn: str) -> str:
    """``type::name`` of a URN without its parents' types; empty for no URN."""
    return f"{urn.split('::')[2].rpartition('$')[2]}::{urn_name(urn)}" if urn else ""
