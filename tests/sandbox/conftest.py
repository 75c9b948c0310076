"""Small Pulumi projects in a temporary folder, run by the embedded engine against a dict for a cloud."""

from __future__ import annotations

import importlib.util
import json
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sandbox.events import Event, Operation, Result
from sandbox.provider import Package
from sandbox.run import run

THINGS = """
import pulumi
from pulumi import ResourceOptions, Output, Alias

OUTPUTS = {"out": None, "token": None, "url": None}

class Thing(pulumi.CustomResource):
    def __init__(self, name, opts=None, type_="fake:index:Thing", **props):
        super().__init__(type_, name, {**OUTPUTS, **props}, opts)

class Group(pulumi.ComponentResource):
    def __init__(self, name, opts=None, type_="test:index:Group", props=None):
        super().__init__(type_, name, props, opts)

class Fake(pulumi.ProviderResource):
    def __init__(self, name, opts=None, **props):
        super().__init__("fake", name, props, opts)
"""


def _fake() -> ModuleType:
    """The fake provider's module, found by path because tests are imported without packages."""
    name = "sandbox_fake_provider"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("fake_provider.py"))
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


class Harness:
    """One project folder, its backend folder and its cloud."""

    def __init__(self, folder: Path, backend: Path, name: str = "proj", shared: bool = False) -> None:
        self.folder = folder
        self.backend = backend
        self.name = name
        self.shared = shared
        self.events: list[Event] = []
        self.world = _fake().World()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\n")
        (folder / "things.py").write_text(THINGS)

    def write(self, program: str) -> Harness:
        """Set the program; ``things`` is imported for it."""
        (self.folder / "__main__.py").write_text("from things import *\n" + textwrap.dedent(program))
        return self

    def packages(self) -> Mapping[str, Package]:
        package: Package = self.world.package(self.shared)
        return {"fake": package}

    def run(self, operation: Operation = "up", stack: str = "dev", passphrase: str = "pass", **more: Any) -> Result:
        """Run in a world that was just switched on: only what is restored exists."""
        self.events.clear()
        self.world = _fake().World()
        return run(
            operation,
            stack,
            project_dir=self.folder,
            providers=self.packages(),
            backend=self.backend,
            passphrase=passphrase,
            on_event=self.events.append,
            **more,
        )

    def up(self, program: str | None = None, **more: Any) -> Result:
        """Bring it up and insist on success."""
        if program is not None:
            self.write(program)
        result = self.run("up", **more)
        assert result.errors == ()
        return result

    def fails(self, program: str, operation: Operation = "up", **more: Any) -> str:
        """Run a program that must fail, and give its one message."""
        result = self.write(program).run(operation, **more)
        assert not result.succeeded
        assert len(result.errors) == 1, result.errors
        return result.errors[0]

    def path(self, stack: str = "dev") -> Path:
        return self.backend / self.name / f"{stack}.json"

    def text(self, stack: str = "dev") -> str:
        return self.path(stack).read_text()

    def state(self, stack: str = "dev") -> dict[str, dict[str, Any]]:
        """The saved resources by logical name; default providers and the stack under their own."""
        resources = json.loads(self.text(stack))["deployment"]["resources"]
        return {raw["urn"].split("::")[-1]: raw for raw in resources}


@pytest.fixture(autouse=True)
def _quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deriving a key takes a quarter of a second on purpose; tests derive hundreds."""
    monkeypatch.setattr("sandbox.secrets.ROUNDS", 10)


@pytest.fixture
def project(tmp_path: Path) -> Harness:
    return Harness(tmp_path / "project", tmp_path / "stacks")


@pytest.fixture
def shared(tmp_path: Path) -> Harness:
    """A project whose package is one account for all stacks."""
    return Harness(tmp_path / "project", tmp_path / "stacks", shared=True)
