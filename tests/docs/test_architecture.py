"""What the architecture's page names is there, and is all there is."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest

from tests.conftest import ROOT
from wheelhouse.cli import main

DOCS: Final = ROOT / "docs"
PAGE: Final = (DOCS / "architecture.md").read_text()


def test_a_call_has_just_the_objects_that_the_page_lists(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newcomer follows one call through the code by this table."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of no stack in use")
    command = re.search(r"`wheelhouse (what-if \S+ --remove) '([^']+)'`", PAGE)
    assert command
    assert main([*command[1].split(), command[2], "--cwd", str(ROOT), "--json"]) == 0
    changed = {item["object"] for item in json.loads(capsys.readouterr().out)["changed"]}
    rows = dict(re.findall(r"^\| `(\w+ [\w/-]+)` \|.*\| `([\w/.]+)` \|$", PAGE, re.MULTILINE))
    assert rows.keys() == changed
    assert all((ROOT / file).is_file() for file in rows.values())


def test_every_file_that_the_page_names_is_there() -> None:
    named = re.findall(r"`((?:model|derive|stacks|components|systems)/[\w/.]+)`", PAGE)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_folder_of_the_program_is_explained() -> None:
    """A folder that no page explains is opened last."""
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {"tests"}
    table = PAGE[PAGE.index("## Folders") : PAGE.index("## The network")]
    assert set(re.findall(r"`(\w+)/`", table)) == folders


def test_every_folder_of_tests_is_explained() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    folders = {
        path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith(("_", "."))
    }
    assert set(re.findall(r"`tests/(\w+)/`", text)) == folders


def test_every_document_is_in_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w/.-]+)\)", (DOCS / "README.md").read_text()))
    assert linked == {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - {"README.md"}
