"""``python -m benchmarks [CASE...]`` (or ``make bench``): timings beside their budgets, for two cores."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Line:
    """One figure of one run of a case, and its budget."""

    title: str
    case: str
    turn: int
    figure: str
    budget: float
    unit: str


LINES: Final = (
    Line("derive 1,000 services with 3,000 calls", "derivation", 1, "derive_seconds", 2, "s"),
    Line("the same, to writing as many objects as YAML", "derivation", 1, "to_plain", 1, "x"),
    Line("the same, to ten times what 100 services take", "derivation", 1, "growth", 1.5, "x"),
    Line("audit 1,000 services with 3,000 calls", "audit", 1, "seconds", 4, "s"),
    Line("the same, to ten times what 100 services take", "audit", 1, "growth", 1.5, "x"),
    Line("derive and register through components, to raw", "components", 1, "ratio", 1.3, "x"),
    Line("the same for 1,000 services with 3,000 calls", "large", 1, "ratio", 1.3, "x"),
    Line("up of the default stacks, from nothing", "stacks", 1, "seconds", 20, "s"),
    Line("up of the default stacks, unchanged", "stacks", 2, "seconds", 10, "s"),
    Line("up of 5,000 resources, from nothing", "many", 1, "seconds", 40, "s"),
    Line("up of 5,000 resources, memory", "many", 1, "megabytes", 1024, "MB"),
    Line("up of 5,000 resources, unchanged", "many", 2, "seconds", 40, "s"),
)
"""Every turn is a process of its own; turn 2 goes on from the folder of turn 1. The budgets are for an idle machine:
on a busy one, the CPU time beside a figure tells how much of it was waiting."""


def main(wanted: list[str]) -> None:
    """Run the cases and print a table; a case that cannot run says why."""
    cases = dict.fromkeys(line.case for line in LINES)
    unknown = [name for name in wanted if name not in cases]
    if unknown:
        raise SystemExit(f"unknown case {unknown[0]!r}; there is: {', '.join(cases)}")
    console = Console()
    table = Table("figure", "measured", "budget", "of it CPU", "resources", box=None)
    for case in wanted or cases:
        lines = [line for line in LINES if line.case == case]
        with tempfile.TemporaryDirectory() as folder:
            for turn in sorted({line.turn for line in lines}):
                with console.status(f"{case}, run {turn}"):
                    figures = _measure(case, Path(folder))
                if "error" in figures:
                    console.print(f"{case}: {figures['error']}", style="red", markup=False)
                    break
                for line in (line for line in lines if line.turn == turn):
                    _add(table, line, figures)
    if table.rows:
        console.print(table)


def _measure(case: str, folder: Path) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.cases", case, str(folder)], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        return {"error": ran.stderr.strip().splitlines()[-1] if ran.stderr.strip() else f"exit code {ran.returncode}"}
    figures: dict[str, Any] = json.loads(ran.stdout)
    return figures


def _add(table: Table, line: Line, figures: dict[str, Any]) -> None:
    value = float(figures[line.figure])
    resources = f"{figures['resources']:.0f} ({figures['changed']:.0f} changed)" if "resources" in figures else ""
    cpu = f"{figures['cpu_seconds']:.2f} s" if line.figure == "seconds" else ""
    style = "" if value <= line.budget else "yellow"
    table.add_row(line.title, f"{value:.2f} {line.unit}", f"{line.budget:g} {line.unit}", cpu, resources, style=style)


if __name__ == "__main__":
    main(sys.argv[1:])
