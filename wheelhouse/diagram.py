"""`wheelhouse diagram`: a system in one environment, drawn."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from graph.page import data, page
from graph.picture import picture, priced
from graph.svg import svg
from model import DeclarationError
from wheelhouse.cost import bill
from wheelhouse.errors import UserError
from wheelhouse.options import AsJson, Backend, Cwd, Files, StackName
from wheelhouse.project import Project, find, has_resources
from wheelhouse.sources import Documents, deployment_of, exports


def command(
    stack: StackName,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="A file that ends in .html, a page to click in, or in .svg. Absent: SVG on standard output.",
            show_default=False,
        ),
    ] = None,
    cwd: Cwd = Path(),
    backend: Backend = None,
    files: Files = None,
    as_json: AsJson = False,
) -> None:
    """Draw services, stores, doors and exits, and what joins them: as a page to click in, as SVG, or as JSON.

    Where the stack is up, or given by --from, the page also says what each service costs.
    """
    if out is not None and (as_json or out.suffix not in (".html", ".svg")):
        raise UserError(f"--out {out}: the file's name must end in .html or .svg, and --json goes to standard output")
    project = find(cwd, backend)
    deployment = deployment_of(project, stack)
    try:
        source = exports(project, files)
        if files and stack not in source:
            raise UserError(f"stack {stack!r} is not in the files of --from; there is: {', '.join(source)}")
        drawn = priced(picture(deployment), _costs(project, stack, source))
    except DeclarationError as error:
        raise UserError(f"stack {stack!r}: {error}") from error
    if as_json:
        text = json.dumps(data(drawn), indent=2) + "\n"
    else:
        text = page(drawn) if out and out.suffix == ".html" else svg(drawn)
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from error


def _costs(project: Project, stack: str, source: Documents) -> dict[str, str]:
    """Monthly cost by service; nothing for a stack that is not up, or that stands where no prices are known."""
    if stack not in source or not has_resources(source[stack]):
        return {}
    try:
        shares = bill(project, stack, source[stack], {}).shares
    except UserError as error:
        sys.stderr.write(f"Costs are left out: {error}\n")
        return {}
    return {
        item.service: f"{item.total:,.2f} USD a month, {item.direct:,.2f} of it for itself alone" for item in shares
    }
