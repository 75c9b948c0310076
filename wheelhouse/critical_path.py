"""`wheelhouse critical-path`: the chain of resources that an update of a stack cannot be faster than."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graph.critical import Report, StateError, Step, critical_path
from wheelhouse.errors import UserError
from wheelhouse.options import AsJson, Backend, Cwd, StackName
from wheelhouse.project import find
from wheelhouse.sources import export_of, exports

WORTH: Final = 5
"""Seconds below which a saving is not shown; ``--json`` has all."""


def command(
    stack: StackName,
    cwd: Cwd = Path(),
    backend: Backend = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="A file of `pulumi stack export` instead of the saved stack.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the longest chain of resources that wait for one another, by count and by estimated time."""
    project = find(cwd, backend)
    document = export_of(stack, exports(project, [file] if file else None))
    try:
        report = critical_path(stack, document)
    except StateError as error:
        raise UserError(f"stack {stack!r}: {error}") from error
    if as_json:
        sys.stdout.write(json.dumps(report.document(), indent=2) + "\n")
        return
    show(Console(), report)


def show(console: Console, report: Report) -> None:
    """Both chains, and what could be shorter."""
    if not report.longest:
        console.print(f"{report.stack} has no resources")
        return
    heading = f"{report.stack}: the longest chain has {len(report.longest)} of {report.resources} resources"
    console.print(Text(heading, style="bold"))
    console.print(_table(report.longest, timed=False))
    console.print(Text(f"{report.stack}: the slowest chain takes about {_time(report.seconds)}", style="bold"))
    console.print(_table(report.slowest, timed=True))
    console.print(Text("What would be saved without an order that no value asks for, each alone:", style="bold"))
    worth = [saving for saving in report.savings if saving.saves >= WORTH]
    for saving in worth:
        console.print(f"  {_time(saving.saves)}: {saving.waits} after {saving.on}", soft_wrap=True)
    if not worth:
        console.print("  nothing: the waits on the slowest chain are for values, or beside chains as slow")


def _table(steps: Sequence[Step], *, timed: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("", "resource", "type", "waits for a", *(("seconds", "source") if timed else ())):
        table.add_column(title, overflow="fold", justify="right" if title in ("", "seconds") else "left")
    for number, step in enumerate(steps, start=1):
        row = [str(number), step.name, step.type, step.why or ""]
        table.add_row(*row, *((f"{step.seconds:g}", step.source) if timed else ()))
    return table


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
