"""What a person sees: the live display, the lines of a summary, the exit code of an interrupted run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import get_args

import pytest
from rich.console import Console

from sandbox.events import Change, Diagnostic, Op, Result, Step, StepFailed, StepFinished, StepStarted
from sandbox.program import INTERRUPTED
from tests.cli.conftest import Wheelhouse
from wheelhouse import report
from wheelhouse.errors import Exit, UserError
from wheelhouse.progress import SIGNS, LiveProgress, show
from wheelhouse.project import destroy_order


def _console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    return Console(file=written, force_terminal=terminal, width=100, color_system=None), written


def _step(name: str, op: Op = "create") -> Step:
    return Step(op, f"urn:pulumi:dev::shop::aws:s3/bucket:Bucket::{name}", "aws:s3/bucket:Bucket", name)


def test_every_operation_has_a_sign() -> None:
    """An operation without one would end the display, and with it the run."""
    assert set(SIGNS) == set(get_args(Op))


def test_live_display_shows_what_is_under_way_and_how_much_is_done() -> None:
    console, written = _console(terminal=False)
    display = LiveProgress(console, "up", "dev")
    for name in ("logs", "media"):
        display(StepStarted(_step(name)))
    display(StepFinished(_step("logs")))
    console.print(display)
    shown = written.getvalue()
    assert "Bringing up dev" in shown
    assert "+ 1 create" in shown
    assert "logs  done" in shown
    assert "media  ..." in shown


def test_live_display_leaves_failures_and_warnings_on_the_screen() -> None:
    console, written = _console(terminal=True)
    with show(console, "up", "dev", quiet=False) as on_event:
        on_event(StepStarted(_step("logs")))
        on_event(StepFailed(_step("logs"), "taken"))
        on_event(Diagnostic("warning", "slow", "urn:pulumi:dev::shop::t::media"))
        on_event(Diagnostic("debug", "noise"))
    assert "logs  failed" in written.getvalue()
    assert "warning media: slow" in written.getvalue()
    assert "noise" not in written.getvalue()


def test_without_a_terminal_each_step_is_a_plain_line() -> None:
    console, written = _console(terminal=False)
    with show(console, "up", "dev", quiet=False) as on_event:
        on_event(StepFinished(_step("logs")))
        on_event(StepFinished(_step("media", "same")))
    assert written.getvalue().splitlines() == ["Bringing up dev", "+ aws:s3/bucket:Bucket  logs  create 0.0s"]


def test_long_values_are_shortened_unless_full() -> None:
    change = Change("policy", "update", "a" * 400, "b\nc")
    assert report.change_line(change, full=False).plain.endswith("... (400 characters) -> b\\nc")
    assert "a" * 400 in report.change_line(change, full=True).plain


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (Change("tags.team", "add", None, "web"), "    tags.team: + web"),
        (Change("tags.team", "delete", "web", None), "    tags.team: - web"),
        (Change("ports[0]", "update", 80, 443, True), "    ports[0]: 80 -> 443  (forces replacement)"),
        (Change("rule", "update", {"a": 1}, [True]), '    rule: {"a": 1} -> [true]'),
    ],
)
def test_change_line(change: Change, line: str) -> None:
    assert report.change_line(change, full=False).plain == line


def test_brackets_in_a_message_are_not_taken_for_markup() -> None:
    """A message such as ``subnets[0]: ...`` or ``[/dev]`` must come out as it is, and must not raise."""
    console, written = _console(terminal=False)
    console.print(report.error_block("dev", ["subnets[0]: [/dev] overlaps [red]", "subnets[0]: [/dev] overlaps [red]"]))
    assert written.getvalue().count("subnets[0]: [/dev] overlaps [red]") == 1


def test_an_interrupted_run_has_its_own_exit_code(wheelhouse: Wheelhouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is not a failed deployment: scripts tell them apart."""

    def interrupted(*_: object, **__: object) -> Result:
        return Result("up", "shop", "hub", succeeded=False, counts={}, seconds=0.1, errors=(INTERRUPTED,))

    monkeypatch.setattr("sandbox.run.run", interrupted)
    found = wheelhouse("up", "hub")
    assert found.code == Exit.INTERRUPTED
    assert "run again to go on" in found.flat


def test_destroy_order_refuses_a_circle() -> None:
    def reading(other: str) -> dict[str, object]:
        reference = {"type": "pulumi:pulumi:StackReference", "inputs": {"name": f"organization/shop/{other}"}}
        return {"deployment": {"resources": [reference]}}

    with pytest.raises(UserError, match=r"in a circle: (a -> b -> a|b -> a -> b)"):
        destroy_order({"a": reading("b"), "b": reading("a")})


def test_a_name_in_another_project_folder_is_not_picked_up(wheelhouse: Wheelhouse, tmp_path: Path) -> None:
    """--backend keeps the stacks of two trials apart."""
    wheelhouse("up", "hub")
    other = tmp_path / "other"
    assert wheelhouse("outputs", "hub", "--backend", str(other)).code == Exit.USAGE
