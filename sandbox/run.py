"""Run a Pulumi project in this process: no CLI, no account.

``run`` brings a stack up, previews it or destroys it; ``outputs`` and ``export`` read what is saved.
What is refused before the first step (settings, lock, state file, passphrase) raises
:class:`~sandbox.events.SandboxError`; what fails later is in :attr:`Result.errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.events import OnEvent, Operation, Result
from sandbox.provider import Package


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
    raise NotImplementedError


def outputs(
    stack: str,
    *,
    project_dir: Path,
    backend: Path | None = None,
    passphrase: str | None = None,
    show_secrets: bool = False,
) -> dict[str, Any]:
    """The saved outputs of a stack; secret ones are masked unless ``show_secrets``, which needs the passphrase."""
    raise NotImplementedError


def export(stack: str, *, project_dir: Path, backend: Path | None = None) -> dict[str, Any]:
    """The saved stack in the shape of ``pulumi stack export``; secrets stay encrypted."""
    raise NotImplementedError
