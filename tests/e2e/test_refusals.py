"""What the command says to a mistake in the project's own stacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.bench import PASSPHRASE, PROJECT
from wheelhouse.errors import Exit


def command(*arguments: str, backend: Path) -> tuple[int, str]:
    """Exit code and all that is printed, as running text without the frame of an error block."""
    ran = subprocess.run(
        [sys.executable, "-m", "wheelhouse", *arguments, "--backend", str(backend)],
        cwd=ROOT,
        env={"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE, "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    printed = ran.stdout + ran.stderr
    assert "Traceback" not in printed
    assert "RuntimeWarning" not in printed
    return ran.returncode, " ".join(word for word in printed.split() if word not in "╭─╮│╰╯")


def test_dev_before_hub_says_to_bring_the_hub_up_first(tmp_path: Path) -> None:
    """Without the hub's outputs a spoke can only fail: it must say why, and make nothing."""
    code, text = command("up", "dev", backend=tmp_path)
    assert code == Exit.FAILED
    assert "unknown stack 'organization/wheelhouse/hub'; bring it up first" in text
    assert "aws:" not in (tmp_path / PROJECT / "dev.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("dev", "-c", "environment=dve"),
            "Pulumi.dev.yaml: environment 'dve' is not declared in system 'fitsync'; did you mean 'dev'?",
        ),
        (
            ("dev", "-c", "system=fitsnyc"),
            "Pulumi.dev.yaml: system 'fitsnyc' is not declared in systems/; did you mean 'fitsync'?",
        ),
        (
            ("dev", "-c", 'imageTags={"user-servce": "1"}'),
            "Pulumi.dev.yaml: imageTags names 'user-servce', which is no service; did you mean 'user-service'?",
        ),
        (("dev", "-c", "adminRanges=[0.0.0.0/0]"), "adminRanges in Pulumi.dev.yaml cannot be read"),
        (("dev", "-c", 'adminRanges=["0.0.0.0/0"]'), "adminRanges in Pulumi.dev.yaml: Value error, 0.0.0.0/0 is every"),
    ],
)
def test_a_setting_that_cannot_hold_is_refused_by_its_key_and_file(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    """A wrong name must not deploy a default in its place, and nothing may be saved for it."""
    code, text = command("preview", *arguments, backend=tmp_path)
    assert code == Exit.FAILED
    assert message in text
    assert not (tmp_path / PROJECT).exists()


def test_an_unknown_stack_is_refused_with_what_there_is(tmp_path: Path) -> None:
    code, text = command("up", "stagee", backend=tmp_path)
    assert code == Exit.USAGE
    assert "did you mean 'stage'? There is: dev, hub, prod, stage" in text
