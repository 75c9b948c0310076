"""The `wheelhouse` command: try a project's stacks in the embedded sandbox, with no account and no cluster.

Exit codes: 0 done; 1 a run failed (a refused declaration or setting, too), the audit found differences, or
`cost --strict` something without a price; 2 nothing was begun (a wrong option, an unknown stack, a file that cannot be
read, a locked or damaged state, a wrong passphrase); 3 `preview --expect-no-changes` found changes; 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import sandbox.run
from sandbox.events import Operation, Result, SandboxError
from sandbox.program import INTERRUPTED
from wheelhouse import audit, cost, critical_path, diagram, impact, passphrase, render, report, what_if
from wheelhouse.errors import Exit, UserError
from wheelhouse.options import AsJson, Backend, Config, Cwd, Expect, Full, Named, Secrets, Stacks, both
from wheelhouse.progress import show
from wheelhouse.project import Project, destroy_order, find, has_resources, refuse_read
from wheelhouse.providers import packages

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

NOTHING_UP = "No stack is up. Bring the default ones up with: wheelhouse up"


@app.command()
def up(
    stacks: Stacks = None,
    stack: Named = None,
    cwd: Cwd = Path(),
    backend: Backend = None,
    config: Config = None,
    as_json: AsJson = False,
    show_secrets: Secrets = False,
    full: Full = False,
) -> None:
    """Bring stacks up, in the order given; without a name, the default ones (hub, then dev)."""
    project = find(cwd, backend)
    chosen = project.choose(both(stacks, stack))
    _finish(_run("up", project, chosen, config, as_json, show_secrets, full))


@app.command()
def preview(
    stacks: Stacks = None,
    stack: Named = None,
    cwd: Cwd = Path(),
    backend: Backend = None,
    config: Config = None,
    as_json: AsJson = False,
    show_secrets: Secrets = False,
    full: Full = False,
    expect_no_changes: Expect = False,
) -> None:
    """Say what `up` would change, and change nothing."""
    project = find(cwd, backend)
    chosen = project.choose(both(stacks, stack))
    results = _run("preview", project, chosen, config, as_json, show_secrets, full)
    _finish(results)
    if expect_no_changes and any(result.changed or result.output_changes for result in results):
        raise typer.Exit(Exit.CHANGES)


@app.command()
def destroy(
    stacks: Stacks = None,
    stack: Named = None,
    cwd: Cwd = Path(),
    backend: Backend = None,
    as_json: AsJson = False,
    full: Full = False,
) -> None:
    """Delete what `up` made; without a name, all of it. A stack that others read goes after them, never alone."""
    project = find(cwd, backend)
    saved = _saved(project, both(stacks, stack))
    refuse_read(_saved(project, []), saved)
    _finish(_run("destroy", project, destroy_order(saved), None, as_json, False, full))


@app.command()
def outputs(
    stacks: Stacks = None,
    stack: Named = None,
    cwd: Cwd = Path(),
    backend: Backend = None,
    as_json: AsJson = False,
    show_secrets: Secrets = False,
) -> None:
    """Show the outputs of stacks that are up; without a name, of all. JSON has them by stack."""
    project = find(cwd, backend)
    chosen = _saved(project, both(stacks, stack))
    secret = passphrase.find(project, os.environ, _tell) if show_secrets else None
    found: dict[str, Mapping[str, Any]] = {
        name: sandbox.run.outputs(
            name,
            project_dir=project.root,
            backend=project.backend,
            passphrase=secret,
            show_secrets=show_secrets,
        )
        for name in chosen
    }
    if as_json:
        _print_json(found)
        return
    console = Console()
    if not found:
        console.print(NOTHING_UP)
    for name, values in found.items():
        console.print(name, style="bold")
        for line in report.output_lines(values):
            console.print(line, soft_wrap=True)


@app.command()
def export(
    stack: Annotated[str, typer.Argument(metavar="STACK")],
    cwd: Cwd = Path(),
    backend: Backend = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Write here instead of standard output.")
    ] = None,
) -> None:
    """Print a saved stack in the shape of `pulumi stack export`; its secrets stay encrypted."""
    project = find(cwd, backend)
    (name,) = project.choose_saved([stack])
    text = json.dumps(_export(project, name), indent=2)
    if file is None:
        sys.stdout.write(text + "\n")
        return
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}") from error


app.command(name="audit")(audit.command)
app.command(name="cost")(cost.command)
app.command(name="critical-path")(critical_path.command)
app.command(name="diagram")(diagram.command)
app.command(name="render")(render.command)
app.command(name="impact")(impact.command)
app.command(name="what-if")(what_if.command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and answer its exit code. A user's mistake is one block on standard error, no traceback."""
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="wheelhouse")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else Exit.OK
    except (UserError, SandboxError) as error:
        Console(stderr=True).print(report.error_block("wheelhouse", [str(error)]))
        return Exit.USAGE
    return Exit.OK


def _run(
    operation: Operation,
    project: Project,
    stacks: Sequence[str],
    config: Sequence[str] | None,
    as_json: bool,
    show_secrets: bool,
    full: bool,
) -> list[Result]:
    """Run one operation on each stack, in order, until one fails; print as it goes, or one document at the end."""
    settings = _settings(config or ())
    secret = passphrase.find(project, os.environ, _tell)
    console = Console()
    results: list[Result] = []
    providers = packages()
    try:
        for name in stacks:
            with show(console, operation, name, quiet=as_json) as on_event:
                result = sandbox.run.run(
                    operation,
                    name,
                    project_dir=project.root,
                    providers=providers,
                    backend=project.backend,
                    passphrase=secret,
                    config=settings,
                    on_event=on_event,
                )
            results.append(result)
            if not as_json:
                report.print_result(console, result, full=full, show_secrets=show_secrets)
            if not result.succeeded:
                break
    finally:
        if as_json:
            documents = [report.result_document(result, show_secrets=show_secrets) for result in results]
            complete = len(results) == len(stacks) and all(result.succeeded for result in results)
            _print_json({"succeeded": complete, "stacks": documents})
    if not as_json and not stacks:
        console.print(NOTHING_UP)
    if not as_json and len(results) < len(stacks):
        console.print(f"Not begun: {', '.join(stacks[len(results) :])}", style="yellow")
    return results


def _finish(results: Sequence[Result]) -> None:
    """End with the exit code of a failed run, if there is one."""
    if any(INTERRUPTED in result.errors for result in results):
        raise typer.Exit(Exit.INTERRUPTED)
    if not all(result.succeeded for result in results):
        raise typer.Exit(Exit.FAILED)


def _settings(pairs: Sequence[str]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise UserError(f"--config {pair}: write it as key=value, for instance --config aws:region=eu-west-1")
        settings[key] = value
    return settings


def _saved(project: Project, named: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The named saved stacks, exported; without a name, all that hold something."""
    exported = {name: _export(project, name) for name in project.choose_saved(named)}
    return {name: document for name, document in exported.items() if named or has_resources(document)}


def _export(project: Project, stack: str) -> dict[str, Any]:
    return sandbox.run.export(stack, project_dir=project.root, backend=project.backend)


def _tell(line: str) -> None:
    Console(stderr=True).print(line, highlight=False, soft_wrap=True)


def _print_json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")
