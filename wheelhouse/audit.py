"""`wheelhouse audit`: who can reach whom, read from what was registered, against what is declared."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from audit.audit import audit
from audit.errors import AuditError
from audit.findings import Report
from audit.layers import LAYERS
from audit.resources import referenced
from audit.scope import Scope
from stacks.settings import HUB, Settings
from wheelhouse.errors import Exit, UserError
from wheelhouse.options import AsJson, Backend, Cwd, Files, Stacks
from wheelhouse.project import Project, find, has_resources
from wheelhouse.sources import Documents, export_of, exports, settings_of

LETTERS: Final[Mapping[str, str]] = dict(zip(LAYERS, "NEITAR", strict=True))
"""Layer -> its letter in the matrix."""
MOST: Final = 40
"""Callees that fit into a matrix; beyond that only sums are shown."""
UNBOUNDED: Final = 10_000
"""Columns of a terminal in which every matrix fits."""
SHOWN: Final = 40
"""Lines of one kind that are printed; ``--json`` has all."""


def command(
    stacks: Stacks = None,
    cwd: Cwd = Path(),
    backend: Backend = None,
    files: Files = None,
    as_json: AsJson = False,
) -> None:
    """Say who can reach whom, at which layer the others are stopped, and whether that is what is declared."""
    project = find(cwd, backend)
    source = exports(project, files)
    chosen = list(stacks or [name for name, document in source.items() if has_resources(document)])
    reports = [_audit(project, name, source) for name in chosen]
    if as_json:
        documents = [report.document() for report in reports]
        sys.stdout.write(json.dumps({"clean": all(r.clean for r in reports), "stacks": documents}, indent=2) + "\n")
    else:
        console = Console()
        if not reports:
            console.print("No stack is up; there is nothing to audit.")
        for report in reports:
            show(console, report)
    if not all(report.clean for report in reports):
        raise typer.Exit(Exit.FAILED)


def _audit(project: Project, stack: str, source: Documents) -> Report:
    needed = _with_referenced(stack, source)
    settings = settings_of(project, stack)
    try:
        return audit(stack, scope_of(settings), needed, hub=settings.environment == HUB)
    except AuditError as error:
        raise UserError(f"stack {stack!r}: {error}") from error
    except (AttributeError, LookupError, StopIteration, TypeError, ValueError) as error:
        raise UserError(
            f"stack {stack!r} cannot be audited: a resource is not saved as its provider saves it "
            f"({type(error).__name__}: {error}); give an export of what AWS or the sandbox made"
        ) from error


def scope_of(settings: Settings) -> Scope:
    """What the audit holds a stack to: the declaration, and what only the stack's file says."""
    return Scope(
        settings.declaration,
        settings.environment,
        settings.region,
        settings.databases,
        tuple(str(network) for network in settings.admin_ranges),
    )


def _with_referenced(stack: str, source: Documents) -> Documents:
    """The stack's document and those of the stacks that it reads."""
    found = {stack: export_of(stack, source)}
    for name in referenced(found[stack]):
        if name not in source:
            raise UserError(
                f"stack {stack!r} reads stack {name!r}, which is missing; bring it up, or add its --from file"
            )
        found[name] = source[name]
    return found


# -- what is printed -------------------------------------------------------------------------------


def show(console: Console, report: Report) -> None:
    """The matrix, what one layer alone stops, the doors, the machines, the differences, and the verdict."""
    console.print(Text(f"{report.stack}: who can reach whom", style="bold"))
    if report.callees and len(report.callees) <= MOST:
        whole = _matrix(report, short=False)
        fits = Measurement.get(console, console.options.update(width=UNBOUNDED), whole).maximum <= console.width
        console.print(whole if fits else _matrix(report, short=True))
        console.print(_legend())
    elif report.callees:
        possible = sum(column.possible.bit_count() for column in report.columns.values())
        console.print(f"{len(report.callees)} callees, {possible} possible pairs; the matrix is in --json")
    _list(console, "Stopped by one layer only", _thin(report))
    _list(console, "Possible though not declared: no policy holds the caller", _exposed(report), style="yellow")
    _list(console, "The ingress gateway answers", [f"{door}  {answer}" for door, answer in report.doors.items()])
    _list(console, "Machines", _machines(report))
    for note in report.notes:
        console.print(f"note: {note}", style="yellow", soft_wrap=True)
    if report.clean:
        console.print(Text(f"{report.stack} is as declared", style="bold green"))
        return
    _list(console, "Differences", [f"{item.text}" for item in report.differences], style="red")
    count = len(report.differences)
    console.print(Text(f"{report.stack} differs from the declaration in {count} places", style="bold red"))


def _matrix(report: Report, *, short: bool) -> Table:
    """``short``: of several layers the first and the number of the others, for a narrow terminal."""
    names = list(dict.fromkeys([*report.callees, *report.callers]))
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("", justify="right", no_wrap=True, min_width=2)
    table.add_column("caller", no_wrap=True, max_width=22 if short else None)
    for callee in report.callees:
        table.add_column(str(names.index(callee) + 1), justify="center", no_wrap=True, min_width=3)
    for caller in names:
        if caller not in report.callers:
            table.add_row(str(names.index(caller) + 1), Text(caller, style="dim"))
            continue
        cells = [_cell(report, caller, callee, short) for callee in report.callees]
        table.add_row(str(names.index(caller) + 1), caller, *cells)
    return table


def _cell(report: Report, caller: str, callee: str, short: bool) -> Text:
    cell = report.cell(caller, callee)
    if cell is None:
        return Text("")
    if cell.possible:
        return Text("yes", style="bold green")
    letters = "".join(LETTERS[layer] for layer in cell.stopped_by)
    shown = f"{letters[0]}+{len(letters) - 1}" if short and len(letters) > 1 else letters
    return Text(shown or "?", style="yellow" if len(letters) == 1 else "dim")


def _legend() -> Text:
    letters = ", ".join(f"{letter} {layer}" for layer, letter in LETTERS.items())
    return Text(
        f"yes: every layer lets it pass. Otherwise the layers that stop it: {letters}; E+2: E and two more", style="dim"
    )


def _thin(report: Report) -> list[str]:
    shown = set(report.callers)
    found = ((layer, callee, [name for name in callers if name in shown]) for layer, callee, callers in report.thin)
    return [f"{layer}: {', '.join(callers)} -> {callee}" for layer, callee, callers in found if callers]


def _exposed(report: Report) -> list[str]:
    groups: dict[tuple[str, str], list[str]] = {}
    for item in report.exposed:
        groups.setdefault((item.callee, item.port), []).append(item.caller)
    return [f"{', '.join(dict.fromkeys(callers))} -> {callee} on {port}" for (callee, port), callers in groups.items()]


def _machines(report: Report) -> list[str]:
    groups: dict[tuple[str, str], list[str]] = {}
    for (source, target), ports in report.machines.items():
        groups.setdefault((target, ports), []).append(source)
    return [f"{target} <- {ports} <- {', '.join(sources)}" for (target, ports), sources in groups.items()]


def _list(console: Console, title: str, lines: Sequence[str], style: str = "") -> None:
    if not lines:
        return
    console.print(Text(title, style="bold"))
    for line in lines[:SHOWN]:
        console.print(Text(f"  {line}", style=style), soft_wrap=True)
    if len(lines) > SHOWN:
        console.print(f"  and {len(lines) - SHOWN} more; --json has them all")
