"""Where the passphrase comes from, and that it is never lost, shared or changed by mistake."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Wheelhouse
from wheelhouse.errors import Exit


def _file(project: Path) -> Path:
    return project / ".wheelhouse" / "passphrase"


def test_first_run_makes_one_for_its_owner_only_and_says_so(wheelhouse: Wheelhouse, project: Path) -> None:
    first, second = wheelhouse("up", "hub"), wheelhouse("up", "hub")
    assert stat.S_IMODE(_file(project).stat().st_mode) == 0o600
    assert str(_file(project)) in first.err
    assert second.err == ""
    assert _file(project).read_text().strip() not in first.out + first.err


@pytest.mark.parametrize("variable", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_the_environments_passphrase_wins(
    wheelhouse: Wheelhouse, project: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    own = project / "own-passphrase"
    own.write_text("correct horse\n")
    monkeypatch.setenv(variable, str(own) if variable.endswith("FILE") else "correct horse")
    assert wheelhouse("up").code == Exit.OK
    assert not _file(project).exists()


def test_a_lost_passphrase_is_not_replaced(wheelhouse: Wheelhouse, project: Path) -> None:
    """A new one could decrypt nothing, and would hide that the old one is needed."""
    wheelhouse("up")
    _file(project).unlink()
    found = wheelhouse("up")
    assert found.code == Exit.USAGE
    assert "put the file back, or set PULUMI_CONFIG_PASSPHRASE" in found.flat
    assert not _file(project).exists()


def test_a_passphrase_that_others_can_read_is_refused(wheelhouse: Wheelhouse, project: Path) -> None:
    wheelhouse("up", "hub")
    _file(project).chmod(0o644)
    found = wheelhouse("up", "hub")
    assert found.code == Exit.USAGE
    assert "chmod 600" in found.flat


def test_a_wrong_passphrase_changes_nothing(
    wheelhouse: Wheelhouse, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse("up")
    saved = (project / ".wheelhouse" / "stacks" / "shop" / "dev.json").read_bytes()
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "wrong")
    found = wheelhouse("up", "dev")
    assert found.code == Exit.USAGE
    assert "wrong passphrase" in found.flat
    assert (project / ".wheelhouse" / "stacks" / "shop" / "dev.json").read_bytes() == saved


def test_reading_needs_no_passphrase(wheelhouse: Wheelhouse, project: Path) -> None:
    wheelhouse("up")
    _file(project).unlink()
    assert wheelhouse("outputs").code == Exit.OK
    assert wheelhouse("export", "dev").code == Exit.OK
    assert wheelhouse("outputs", "--show-secrets").code == Exit.USAGE
