"""`wheelhouse cost`: what a stack costs a month, computed from what was registered and a dated price table."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cost import assumptions, prices
from cost.compare import Comparison, Difference
from cost.document import comparison, document
from cost.errors import CostError
from cost.estimate import Estimate, estimate
from cost.owners import owners
from cost.resources import Stack
from model import DeclarationError
from wheelhouse.errors import Exit, UserError
from wheelhouse.options import AsJson, Backend, Cwd, Files, Stacks
from wheelhouse.project import Project, find, has_resources
from wheelhouse.sources import Documents, export_of, exports, read_files, settings_of

SHOWN: Final = 40
"""Lines of one table that are printed; ``--json`` has all."""


def command(
    stacks: Stacks = None,
    compare: Annotated[
        str | None,
        typer.Option(
            "--compare",
            metavar="STACK|FILE",
            help="Say what the stack costs more or less than another one, or than itself in a file of an earlier "
            "`pulumi stack export`.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when anything has no price.")] = False,
    assume: Annotated[
        list[str] | None,
        typer.Option("--assume", metavar="NAME=VALUE", help="Wins over cost/assumptions.toml.", show_default=False),
    ] = None,
    cwd: Cwd = Path(),
    backend: Backend = None,
    files: Files = None,
    as_json: AsJson = False,
) -> None:
    """Say what stacks cost a month in USD: by component, by service, and what is not priced."""
    project = find(cwd, backend)
    source = exports(project, files)
    names = list(stacks or [name for name, exported in source.items() if has_resources(exported)])
    assumed = _assumed(assume or ())
    bills = [bill(project, name, export_of(name, source), assumed) for name in names]
    compared = _compared(project, bills, compare, source, assumed) if compare else None
    if as_json:
        stated: dict[str, Any] = {"stacks": [document(bill) for bill in bills]}
        if compared:
            stated["comparison"] = comparison(compared)
        sys.stdout.write(json.dumps(stated, indent=2) + "\n")
    else:
        _show(Console(), bills, compared)
    seen = [*bills, *([compared.before] if compared else [])]
    if strict and any(bill.gaps for bill in seen):
        raise typer.Exit(Exit.FAILED)


def bill(project: Project, name: str, exported: Mapping[str, Any], assumed: Mapping[str, str]) -> Estimate:
    """What an exported stack costs. ``assumed``: what replaces the written assumptions.

    :class:`UserError` for a region without prices, and for settings or a stack that cannot be read.
    """
    try:
        system = settings_of(project, name).declaration
        stack = Stack(exported)
        return estimate(name, stack, prices.load, assumptions.load(name, assumed), owners(system))
    except (CostError, DeclarationError) as error:
        raise UserError(f"stack {name!r}: {error}") from error


def _compared(
    project: Project, bills: Sequence[Estimate], other: str, source: Documents, assumed: Mapping[str, str]
) -> Comparison:
    if len(bills) != 1:
        raise UserError(f"--compare takes one stack beside {other!r}, not {len(bills)}; name it")
    name, exported = (other, source[other]) if other in source else _other(other, source)
    return Comparison(bill(project, name, exported, assumed), bills[0])


def _other(other: str, source: Documents) -> tuple[str, Mapping[str, Any]]:
    path = Path(other)
    if not path.is_file():
        raise UserError(
            f"--compare {other}: neither a file nor among the stacks that are read: {', '.join(source) or 'none'}"
        )
    (found,) = read_files([path]).items()
    return found


def _assumed(pairs: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise UserError(f"--assume {pair}: write it as name=value, for instance --assume hours=300")
        found[key] = value
    return found


# -- what is printed -------------------------------------------------------------------------------


def _show(console: Console, bills: Sequence[Estimate], compared: Comparison | None) -> None:
    if not bills:
        console.print("No stack is up; there is nothing to price.")
    for bill in bills:
        _show_bill(console, bill)
    if len(bills) > 1 and not compared:
        total = sum((bill.total for bill in bills), Decimal("0.00"))
        console.print(Text(f"all of them: {_money(total)} USD a month", style="bold"))
    if compared:
        _show_comparison(console, compared)
    for line in dict.fromkeys(_basis(bill) for bill in bills):
        console.print(line, style="dim", soft_wrap=True)


def _show_bill(console: Console, bill: Estimate) -> None:
    console.print(Text(f"{bill.stack}: {_money(bill.total)} USD a month in {bill.prices.region}", style="bold"))
    table = _table("component", "what", "USD")
    for name, total in list(bill.components.items())[:SHOWN]:
        table.add_row(name, _what(bill, name), _money(total))
    console.print(table)
    _more(console, len(bill.components))
    if bill.shares:
        table = _table("service", "of its own", "shared", "USD")
        for share in bill.shares[:SHOWN]:
            table.add_row(share.service, _money(share.direct), _money(share.shared), _money(share.total))
        console.print(table)
        _more(console, len(bill.shares))
    for gap in bill.gaps:
        console.print(
            Text(f"not priced: {gap.resource.type} {gap.resource.name}: {gap.reason}", style="yellow"), soft_wrap=True
        )
    console.print(f"{sum(bill.free.values())} resources of {len(bill.free)} types cost nothing", style="dim")


def _what(bill: Estimate, component: str) -> str:
    """The prices that a component pays at, the dearest first."""
    sums: dict[str, Decimal] = {}
    for item in bill.items:
        if item.component == component:
            for charge in item.charges:
                sums[charge.price.key] = sums.get(charge.price.key, Decimal(0)) + charge.amount
    return ", ".join(f"{key} {_money(sums[key])}" for key in sorted(sums, key=lambda key: (-sums[key], key)))


def _show_comparison(console: Console, compared: Comparison) -> None:
    before, after = compared.before.stack, compared.after.stack
    labels = (before, after) if before != after else ("before", "after")
    console.print(Text(f"{labels[1]} beside {labels[0]}", style="bold"))
    for title, lines in (("component", compared.components), ("price", compared.prices)):
        table = _table(title, *labels, "difference")
        for line in lines[:SHOWN]:
            table.add_row(*_cells(line))
        table.add_section()
        table.add_row(*_cells(compared.total), style="bold")
        console.print(table)
        _more(console, len(lines))


def _cells(line: Difference) -> tuple[str, str, str, str]:
    return line.name, _money(line.before), _money(line.after), f"{line.change:+,.2f}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, **({"style": "dim", "ratio": 1} if name == "what" else {"justify": "right"}))
    return table


def _more(console: Console, count: int) -> None:
    if count > SHOWN:
        console.print(f"  and {count - SHOWN} more; --json has them all")


def _basis(bill: Estimate) -> str:
    """Where the figures are from."""
    oldest, newest = bill.prices.dates
    dates = str(newest) if oldest == newest else f"{oldest} to {newest}"
    return f"Prices of {bill.prices.region}, {dates}. {bill.prices.origin} Usage is assumed: cost/assumptions.toml."


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"
