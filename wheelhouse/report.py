"""What a run shows at the end: counts, what changed from what to what, outputs, errors; or one JSON document."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

from sandbox.events import MASK, Change, Op, Operation, Result, StackOutput, Step
from wheelhouse.progress import SIGNS, count_line, describe

DONE: Final[dict[Operation, str]] = {"up": "is up", "preview": "would change", "destroy": "is destroyed"}
UNLISTED: Final[tuple[Op, ...]] = ("same", "read", "delete-replaced")
GROUPED: Final[tuple[Op, ...]] = ("create", "delete")
"""Operations without old and new values: many of one type are one line with a count."""
_GROUP_FROM: Final = 4
_WIDTH: Final = 100
"""Characters of a value that a summary shows; ``--full`` shows all."""


def print_result(console: Console, result: Result, *, full: bool, show_secrets: bool) -> None:
    """The summary of one run. Warnings were shown while it went."""
    for line in step_lines(result.steps, full=full):
        console.print(line, soft_wrap=True)
    first = result.operation == "up" and all(change.kind == "add" for change in result.output_changes)
    if result.output_changes and result.operation != "destroy" and not first:
        console.print(f"changed outputs of {result.stack}", style="bold")
        for change in result.output_changes:
            console.print(change_line(change, full=full), soft_wrap=True)
    if result.outputs and result.operation == "up" and result.succeeded:
        console.print(f"outputs of {result.stack}", style="bold")
        for line in output_lines({key: reveal(value, show_secrets) for key, value in result.outputs.items()}):
            console.print(line, soft_wrap=True)
    if result.errors:
        console.print(error_block(f"{result.stack}: {result.operation} failed", result.errors))
    console.print(headline(result))


def headline(result: Result) -> Text:
    """The last line of a run: the stack, the verdict, the counts, the time."""
    if not result.succeeded:
        kept = "what was done is saved" if result.changed else "nothing was changed"
        verdict = f"{result.operation} failed{'' if result.operation == 'preview' else f'; {kept}'}"
        style = "bold red"
    elif result.operation != "destroy" and not result.changed and not result.output_changes:
        verdict, style = "nothing changed" if result.operation == "up" else "nothing would change", "bold green"
    else:
        verdict, style = DONE[result.operation], "bold green"
    counts = count_line(Counter(result.counts))
    return Text.assemble((f"{result.stack} {verdict}", style), "  ", counts, f"  in {result.seconds:.1f}s")


def step_lines(steps: Iterable[Step], *, full: bool) -> list[Text]:
    """The steps that changed something. Unless ``full``, many creates or deletes of one type are one line."""
    lines: list[Text] = []
    grouped: dict[tuple[Op, str], list[Step]] = {}
    for step in steps:
        if step.op in UNLISTED and not (full and step.op == "read"):
            continue
        if step.op in GROUPED and not full:
            grouped.setdefault((step.op, step.type), []).append(step)
        else:
            lines.append(describe(step))
            lines += [change_line(change, full=full) for change in step.changes]
    for (op, type_), group in sorted(grouped.items()):
        if len(group) < _GROUP_FROM:
            lines += [describe(step) for step in group]
        else:
            sign, style = SIGNS[op]
            lines.append(Text(f"{sign} {type_}  x{len(group)}", style=style))
    return lines


def change_line(change: Change, *, full: bool) -> Text:
    """``    cidrBlock: 10.0.0.0/16 -> 10.1.0.0/16  (replaces)``."""
    old, new = (shorten(value, full=full) for value in (change.old, change.new))
    shown = {"add": f"+ {new}", "delete": f"- {old}", "update": f"{old} -> {new}"}[change.kind]
    replaces = "  (forces replacement)" if change.forces_replacement else ""
    return Text(f"    {change.path}: {shown}{replaces}")


def shorten(value: Any, *, full: bool) -> str:
    """A value on one line: text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = text.replace("\n", "\\n")
    return text if full or len(text) <= _WIDTH else f"{text[:_WIDTH]}... ({len(text)} characters)"


def reveal(output: StackOutput, show_secrets: bool) -> Any:
    """An output's value, or the mask."""
    return output.value if show_secrets or not output.secret else MASK


def output_lines(values: Mapping[str, Any]) -> list[Text]:
    """Outputs by name, aligned, whole (they are copied from here); nested ones as JSON."""
    width = max(map(len, values), default=0)
    lines = []
    for key in sorted(values):
        value = values[key]
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        lines.append(Text.assemble("  ", (key.ljust(width), "cyan"), "  ", text))
    return lines


def error_block(title: str, errors: Sequence[str]) -> Panel:
    """All messages of a failure in one block, each once."""
    distinct = list(dict.fromkeys(error.strip() for error in errors))
    texts = [Text(error) for error in distinct]
    spaced = [part for text in texts for part in (text, Text(""))][:-1]
    return Panel(Group(*spaced), title=Text(title, style="bold red"), title_align="left", border_style="red")


def result_document(result: Result, *, show_secrets: bool) -> dict[str, Any]:
    """A run for machines. Steps that changed nothing are only counted."""
    return {
        "stack": result.stack,
        "operation": result.operation,
        "succeeded": result.succeeded,
        "changed": result.changed,
        "outputChanges": [_change_document(change) for change in result.output_changes],
        "counts": dict(result.counts),
        "seconds": round(result.seconds, 3),
        "outputs": {key: reveal(value, show_secrets) for key, value in sorted(result.outputs.items())},
        "steps": [_step_document(step) for step in result.steps if step.op != "same"],
        "errors": list(result.errors),
        "warnings": list(result.warnings),
    }


def _step_document(step: Step) -> dict[str, Any]:
    document: dict[str, Any] = {"op": step.op, "urn": step.urn, "type": step.type, "name": step.name}
    if step.id:
        document["id"] = step.id
    if step.detail:
        document["detail"] = step.detail
    if step.changes:
        document["changes"] = [_change_document(change) for change in step.changes]
    return document


def _change_document(change: Change) -> dict[str, Any]:
    return {
        "path": change.path,
        "kind": change.kind,
        "old": change.old,
        "new": change.new,
        "forcesReplacement": change.forces_replacement,
    }
