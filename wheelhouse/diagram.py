"""`wheelhouse diagram`: a system in one environment, drawn."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from graph.page import data, page
from graph.picture import picture
from graph.svg import svg
from model import DeclarationError
from wheelhouse.errors import UserError
from wheelhouse.options import AsJson, Cwd, StackName
from wheelhouse.project import find
from wheelhouse.sources import deployment_of


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
    as_json: AsJson = False,
) -> None:
    """Draw services, stores, doors and exits, and what joins them: as a page to click in, as SVG, or as JSON."""
    if out is not None and (as_json or out.suffix not in (".html", ".svg")):
        raise UserError(f"--out {out}: the file's name must end in .html or .svg, and --json goes to standard output")
    deployment = deployment_of(find(cwd), stack)
    try:
        drawn = picture(deployment)
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
