"""`wheelhouse what-if`: what a change of the graph would change of everything that is registered."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from graph.changes import Answer, Arrow, Changed, what_if
from graph.edits import ABSENT, Change, Splice, Step, edits
from model import DeclarationError
from wheelhouse.errors import Exit, UserError
from wheelhouse.options import AsJson, Cwd, StackName
from wheelhouse.project import find
from wheelhouse.sources import deployment_of

WIDTH: Final = 200
"""Characters of a value that are shown; ``--json`` has all."""
SIGNS: Final = {"add": ("+", "green"), "remove": ("-", "red"), "change": ("~", "yellow")}

Arrows = list[str] | None


def command(
    stack: StackName,
    add: Annotated[
        Arrows, typer.Option("--add", metavar="A->B", help="Service A may call or use B: a service, store or external.")
    ] = None,
    remove: Annotated[Arrows, typer.Option("--remove", metavar="C->D", help="The opposite.")] = None,
    cwd: Cwd = Path(),
    as_json: AsJson = False,
) -> None:
    """Say what a call more, or less, would change at each layer. Exit code 1: the declaration would be refused."""
    if not add and not remove:
        raise UserError("what-if what? Give --add 'caller->callee', --remove 'caller->callee', or several of them")
    deployment = deployment_of(find(cwd), stack)
    try:
        more, less = ([Arrow.read(text) for text in texts or ()] for texts in (add, remove))
        answer = what_if(deployment, more, less)
    except DeclarationError as error:
        raise UserError(f"stack {stack!r}: {error}") from error
    if as_json:
        sys.stdout.write(json.dumps({"stack": stack, **document(answer)}, indent=2) + "\n")
    else:
        show(Console(), answer)
    if answer.refusal:
        raise typer.Exit(Exit.FAILED)


def document(answer: Answer) -> dict[str, Any]:
    """Plain data for machines; a field without ``before`` is new, one without ``after`` is gone."""
    changed = [
        {
            "layer": item.key.layer,
            "object": item.key.name,
            "how": item.how,
            "fields": [_field(change) for change in item.changes],
        }
        for item in answer.changed
    ]
    return {"refusal": answer.refusal, "changed": changed}


def _field(change: Change) -> dict[str, Any]:
    if isinstance(change, Splice):
        place = {"path": list(change.path), "at": change.at}
        return {**place, "before": list(change.before), "after": list(change.after)}
    sides = {"before": change.before, "after": change.after}
    return {"path": list(change.path), **{side: value for side, value in sides.items() if value is not ABSENT}}


def show(console: Console, answer: Answer) -> None:
    """Layer by layer the objects and their changed fields, then the sum; or the refusal."""
    if answer.refusal:
        console.print(Text(f"refused: {answer.refusal}", style="bold red"), soft_wrap=True)
        return
    for layer, items in groupby(answer.changed, key=lambda item: item.key.layer):
        console.print(Text(layer, style="bold"))
        for item in items:
            _show_object(console, item)
    counts = Counter(item.key.layer for item in answer.changed)
    summary = ", ".join(f"{count} in {layer}" for layer, count in counts.items())
    console.print(Text(f"{counts.total()} objects would change: {summary}" if counts else "nothing would change"))


def _show_object(console: Console, item: Changed) -> None:
    sign, style = SIGNS[item.how]
    console.print(Text(f"  {sign} {item.key.name}", style=style), soft_wrap=True)
    if item.how == "change":
        for line, colour in (line for change in item.changes for line in _lines(change)):
            console.print(Text(f"      {line}", style=colour), soft_wrap=True)


def _lines(change: Change) -> Iterator[tuple[str, str]]:
    """One line per value that goes or comes; a text that is JSON is compared field by field."""
    place = _place(change.path)
    if isinstance(change, Splice):
        yield from ((f"- {place}[]: {_short(value)}", "red") for value in change.before)
        yield from ((f"+ {place}[]: {_short(value)}", "green") for value in change.after)
        return
    inner = _parsed(change.before), _parsed(change.after)
    if all(isinstance(side, dict | list) for side in inner):
        for nested in edits(*inner):
            for line, colour in _lines(nested):
                yield f"{line[:2]}{place}: {line[2:]}", colour
        return
    if change.before is not ABSENT:
        yield f"- {place}: {_short(change.before)}", "red"
    if change.after is not ABSENT:
        yield f"+ {place}: {_short(change.after)}", "green"


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _place(path: tuple[Step, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    text = " ".join(text.split())
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."
