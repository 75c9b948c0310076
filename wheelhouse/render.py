"""`wheelhouse render`: what a Git repository holds of an environment: the tree that Flux follows, or workflows."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from derive.delivery import gitops
from derive.delivery.workflows import workflows
from derive.plan import system_plan
from model import DeclarationError, GithubActions
from wheelhouse.errors import UserError
from wheelhouse.options import AsJson, Cwd, StackName
from wheelhouse.project import find
from wheelhouse.sources import deployment_of


def command(
    stack: StackName,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="A working copy of the repository.")],
    cwd: Cwd = Path(),
    as_json: AsJson = False,
) -> None:
    """Write what Git holds of a stack: what Flux follows, every layer's objects and which of them it applies; or the
    workflows on GitHub."""
    deployment = deployment_of(find(cwd), stack)
    owners: dict[str, str] = {}
    try:
        if isinstance(deployment.system.platform.pipeline, GithubActions):
            files = workflows(deployment, stack)
        else:
            plan = system_plan(deployment)
            files = gitops.tree(deployment, plan)
            owners |= {layer.name: layer.owner for layer in gitops.layers(deployment, plan)}
    except DeclarationError as error:
        raise UserError(f"stack {stack!r}: {error}") from error
    try:
        changed = write(to, files)
    except OSError as error:
        raise UserError(f"{to} cannot be written: {error.strerror}") from error
    if as_json:
        sys.stdout.write(json.dumps({"files": sorted(files), "changed": changed, "owners": owners}, indent=2) + "\n")
        return
    console = Console()
    for layer, owner in owners.items():
        console.print(f"{layer}: applied by {'Flux, from Git' if owner == 'git' else 'the stack'}")
    console.print(f"{len(files)} files in {to}, {len(changed)} of them changed")


def write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Make the tree what ``files`` says; answers what changed. Files that people wrote beside it stay."""
    changed = []
    for path in _rendered(folder, files):
        if path not in files:
            (folder / path).unlink()
            changed.append(path)
    for path, text in files.items():
        target = folder / path
        if target.is_file() and target.read_text(encoding="utf-8") == text:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        changed.append(path)
    return sorted(changed)


def _rendered(folder: Path, files: Mapping[str, str]) -> list[str]:
    """What an earlier run wrote below the same layers."""
    homes = {folder / Path(path).parent for path in files if Path(path).name == gitops.OWNER}
    return sorted(
        found.relative_to(folder).as_posix()
        for home in homes
        for found in home.rglob("*.yaml")
        if found.read_text(encoding="utf-8").startswith(gitops.HEADER)
    )
