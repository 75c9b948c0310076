"""Where the project is, which stacks it has, which of them are saved, and in which order to take them."""

from __future__ import annotations

import difflib
import graphlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandbox.config import load_project
from wheelhouse.errors import UserError

DEFAULT_STACKS: Final[tuple[str, ...]] = ("hub", "dev")
"""What a command works on when no stack is named, in this order; those without a stack file are left out."""

PRIVATE: Final = ".wheelhouse"
STACK_REFERENCE: Final = "pulumi:pulumi:StackReference"


@dataclass(frozen=True)
class Project:
    """A Pulumi project on disk. ``backend`` is the folder of its saved stacks."""

    root: Path
    name: str
    stack_files: Path
    backend: Path

    @property
    def private(self) -> Path:
        """The folder that is never committed: the passphrase and, by default, the saved stacks."""
        return self.root / PRIVATE

    def declared(self) -> list[str]:
        """The stacks that have a ``Pulumi.<stack>.yaml``."""
        return sorted(
            path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in self.stack_files.glob("Pulumi.*.yaml")
        )

    def saved(self) -> list[str]:
        """The stacks with a state file, or the journal of a first run that was cut short."""
        folder = self.backend / self.name
        return sorted({path.stem for pattern in ("*.json", "*.journal") for path in folder.glob(pattern)})

    def choose(self, named: Sequence[str]) -> list[str]:
        """The named stacks, each once; without a name, the default ones. :class:`UserError` for one without a file."""
        declared = self.declared()
        if named:
            unknown = [stack for stack in named if stack not in declared]
            if unknown:
                raise UserError(_no_stack(unknown[0], self.stack_files, declared))
            return list(dict.fromkeys(named))
        chosen = [stack for stack in DEFAULT_STACKS if stack in declared]
        if not chosen:
            raise UserError(
                f"{self.root}: no stack named, and neither {' nor '.join(DEFAULT_STACKS)} has a Pulumi.<stack>.yaml; "
                f"name one of: {', '.join(declared) or 'none is declared yet'}"
            )
        return chosen

    def choose_saved(self, named: Sequence[str]) -> list[str]:
        """The named stacks, or all that were brought up. :class:`UserError` for one that was not."""
        saved = self.saved()
        for stack in named:
            if stack not in saved:
                raise UserError(
                    f"stack {stack!r} is not up in {self.backend}; there is: {', '.join(saved) or 'none'}. "
                    f"Bring it up with: wheelhouse up {stack}"
                )
        return list(dict.fromkeys(named)) or saved


def find(start: Path, backend: Path | None = None) -> Project:
    """The project of a folder: its own ``Pulumi.yaml`` or the nearest one above, as the Pulumi CLI finds it."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").is_file():
            loaded = load_project(folder)
            return Project(folder, loaded.name, loaded.stack_files, (backend or folder / PRIVATE / "stacks").resolve())
    raise UserError(f"no Pulumi.yaml in {start} nor above; run this in the project's folder, or name it with --cwd")


def destroy_order(exported: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Readers before what they read: a stack that others refer to goes last.

    ``exported`` holds the chosen stacks in the shape of ``pulumi stack export``; references to any other
    stack do not matter here. :class:`UserError` when stacks refer to each other in a circle.
    """
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for stack, document in exported.items():
        sorter.add(stack)
        for target in sorted(referenced(document) & exported.keys() - {stack}):
            sorter.add(target, stack)
    try:
        return list(sorter.static_order())
    except graphlib.CycleError as error:
        circle = " -> ".join(error.args[1])
        raise UserError(
            f"stacks refer to each other in a circle: {circle}; destroy them by name, one by one"
        ) from error


def refuse_read(exported: Mapping[str, Mapping[str, Any]], chosen: Iterable[str]) -> None:
    """:class:`UserError` for a chosen stack that a stack beside the chosen ones, which stays up, refers to."""
    going = set(chosen)
    for stack in sorted(going):
        readers = sorted(name for name in exported.keys() - going if stack in referenced(exported[name]))
        if readers:
            raise UserError(
                f"stack {stack!r} is still read by {', '.join(readers)}; destroy {', '.join(readers)} first, "
                f"or together: wheelhouse destroy {' '.join(readers)} {stack}"
            )


def has_resources(document: Mapping[str, Any]) -> bool:
    """Whether an exported stack holds anything; a destroyed one does not."""
    return bool((document.get("deployment") or {}).get("resources"))


def referenced(document: Mapping[str, Any]) -> set[str]:
    """The names of the stacks that an exported stack reads by StackReference."""
    resources = (document.get("deployment") or {}).get("resources") or []
    names = (
        (resource.get("inputs") or {}).get("name") or resource.get("id") or ""
        for resource in resources
        if resource.get("type") == STACK_REFERENCE
    )
    return {str(name).rsplit("/", 1)[-1] for name in names}


def _no_stack(stack: str, folder: Path, declared: Sequence[str]) -> str:
    # A default system's stacks bear the environment's name alone.
    close = [name for name in declared if stack.endswith(f"-{name}")] or difflib.get_close_matches(stack, declared, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else "."
    return f"stack {stack!r} has no Pulumi.{stack}.yaml in {folder}{meant} There is: {', '.join(declared) or 'none'}"
