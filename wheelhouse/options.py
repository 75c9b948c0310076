"""The arguments and options that several commands have, each worded once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

StackName = Annotated[str, typer.Argument(metavar="STACK")]
Stacks = Annotated[list[str] | None, typer.Argument(metavar="STACK", show_default=False)]
Named = Annotated[
    list[str] | None, typer.Option("--stack", "-s", metavar="STACK", help="A stack; the same as naming it.")
]
Cwd = Annotated[Path, typer.Option("--cwd", "-C", metavar="DIR", help="The project's folder, or one below it.")]
Backend = Annotated[
    Path | None,
    typer.Option(
        "--backend", metavar="DIR", help="Folder of the saved stacks [default: .wheelhouse/stacks]", show_default=False
    ),
]
Files = Annotated[
    list[Path] | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="A file of `pulumi stack export` instead of the saved stacks; once per stack, the hub's included.",
        show_default=False,
    ),
]
Config = Annotated[
    list[str] | None, typer.Option("--config", "-c", metavar="KEY=VALUE", help="Wins over the stack's file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")]
Secrets = Annotated[bool, typer.Option("--show-secrets", help="Print secret outputs in the clear.")]
Full = Annotated[bool, typer.Option("--full", help="List every step and whole values.")]
Expect = Annotated[bool, typer.Option("--expect-no-changes", help="Exit with 3 when there are changes.")]


def both(stacks: Sequence[str] | None, named: Sequence[str] | None) -> list[str]:
    """The stacks of the arguments, then those of ``--stack``."""
    return [*(stacks or []), *(named or [])]
