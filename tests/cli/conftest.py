"""A small project of two stacks, hub and dev, and the command run on it in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wheelhouse.cli import main

PROGRAM = """
import pulumi
import pulumi_random as random

config = pulumi.Config()
if pulumi.get_stack() == "hub":
    pulumi.export("zone", random.RandomId("zone", byte_length=2).hex)
else:
    hub = pulumi.StackReference(f"organization/{pulumi.get_project()}/hub")
    pulumi.export("zone", hub.require_output("zone"))
    password = random.RandomPassword("password", length=config.require_int("length"))
    pulumi.export("password", password.result)
    for index in range(config.get_int("ids") or 0):
        random.RandomId(f"id-{index}", byte_length=4)
"""


@dataclass(frozen=True)
class Outcome:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def flat(self) -> str:
        """Both outputs as running text, without the frame and the line breaks of an error block."""
        return " ".join(word for word in (self.out + self.err).split() if word not in "╭─╮│╰╯")


Wheelhouse = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deriving a key takes a quarter of a second on purpose; nearly every test has a passphrase of its own."""
    monkeypatch.setattr("sandbox.secrets.ROUNDS", 10)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project's folder."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (folder / "Pulumi.hub.yaml").write_text("config: {}\n")
    set_length(folder, 12)
    (folder / "__main__.py").write_text(PROGRAM)
    return folder


def set_length(folder: Path, length: int | str) -> None:
    """The length of the dev stack's password: a change replaces it."""
    (folder / "Pulumi.dev.yaml").write_text(f"config:\n  shop:length: {length}\n")


@pytest.fixture
def wheelhouse(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Wheelhouse:
    """Runs the command in the project's folder."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("CI", raising=False)

    def call(*arguments: str) -> Outcome:
        capfd.readouterr()
        code = main(arguments)
        out, err = capfd.readouterr()
        return Outcome(int(code), out, err)

    return call
