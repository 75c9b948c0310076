"""`wheelhouse impact`: who loses which route, call, data or event when a part of a deployment is gone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graph.impact import Impact, Loss, impact
from model import DeclarationError
from wheelhouse.errors import UserError
from wheelhouse.options import AsJson, Cwd, StackName
from wheelhouse.project import find
from wheelhouse.sources import deployment_of


def command(
    stack: StackName,
    without: Annotated[
        str,
        typer.Option(
            "--without",
            metavar="PART",
            help="A service, store or external, a zone (eu-west-1a, or a), a node group; 'servers': the control plane.",
        ),
    ],
    cwd: Cwd = Path(),
    as_json: AsJson = False,
) -> None:
    """Say who loses what without a service, store, zone or node group: for good (hard), or in part (degraded)."""
    deployment = deployment_of(find(cwd), stack)
    try:
        found = impact(deployment, without)
    except DeclarationError as error:
        raise UserError(f"stack {stack!r}: {error}") from error
    if as_json:
        sys.stdout.write(json.dumps({"stack": stack, **found.document()}, indent=2) + "\n")
        return
    show(Console(), stack, found)


def show(console: Console, stack: str, found: Impact) -> None:
    """One table of losses, hard ones first for everybody, and the sum."""
    failure = found.failure
    console.print(Text(f"{stack} without {failure.kind} {failure.part}", style="bold"))
    for note in failure.notes:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)
    for why, names in _gone(found).items():
        console.print(Text(f"gone with it: {', '.join(names)}: {why}", style="red"), soft_wrap=True)
    if not found.losses:
        console.print(Text(f"nobody{' else' if _gone(found) else ''} loses anything", style="bold green"))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("how", "what", "is lost", "why", "to"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("how", "what"))
    for loss, names, who in _rows(found.losses):
        how = Text(loss.severity, style="red" if loss.severity == "hard" else "yellow")
        table.add_row(how, loss.what, ", ".join(names), loss.why, who)
    console.print(table)
    hard, degraded = _losers(found.hard), _losers(loss for loss in found.losses if loss.severity == "degraded")
    console.print(Text(f"hard: {', '.join(hard) or 'nobody'}", style="bold red" if hard else "bold green"))
    if degraded:
        console.print(Text(f"degraded: {', '.join(degraded)}", style="bold yellow"))


def _gone(found: Impact) -> dict[str, list[str]]:
    """What stands still together with a zone or node group, by why."""
    gone: dict[str, list[str]] = {}
    if found.failure.kind in ("zone", "node group"):
        for node, why in found.failure.down.items():
            gone.setdefault(why, []).append(node.name)
    return gone


def _rows(losses: Iterable[Loss]) -> list[tuple[Loss, list[str], str]]:
    """What is lost, hard losses first, with everybody who loses it; what the same ones lose alike is one row."""
    losers: dict[tuple[str, str, str, str], list[Loss]] = {}
    for loss in losses:
        losers.setdefault((loss.severity, loss.what, loss.name, loss.why), []).append(loss)
    rows: dict[tuple[str, str, str, str], tuple[Loss, list[str], str]] = {}
    for (severity, what, name, why), found in losers.items():
        who = _who(found)
        rows.setdefault((severity, what, why, who), (found[0], [], who))[1].append(name)
    return sorted(rows.values(), key=lambda row: row[0].severity != "hard")


def _who(losses: Iterable[Loss]) -> str:
    """Those that lose it themselves, and those that lose it through others."""
    direct: list[str] = []
    through: list[str] = []
    for loss in losses:
        if loss.who != loss.name:
            (through if loss.via else direct).append(loss.who)
    return "; ".join(
        [*([", ".join(direct)] if direct else []), *([f"through others: {', '.join(through)}"] if through else [])]
    )


def _losers(losses: Iterable[Loss]) -> list[str]:
    return list(dict.fromkeys(loss.who for loss in losses))
