"""The project's own stacks, brought up in the sandbox once per test run and shared by every test process."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.bench import Bench

HUB = "hub"
GIVEN = {"orion-prod": {"cloudflare-api-token": "a-token-of-cloudflare", "operations": "https://hooks.example/orion"}}
"""What only the operators of a stack know, and it asks for."""


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """One process at a time; the lock ends with its process."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Platforms:
    """A folder with one bench per platform: the hub, or the hub and one spoke. None of them is to be changed."""

    folder: Path

    def bench(self, stack: str, config: Mapping[str, str] | None = None, variant: str = "") -> Bench:
        """The hub and ``stack`` with ``config``, up. A ``variant`` names what differs from the stack's own settings."""
        name = stack + variant
        given = {"secrets": json.dumps(GIVEN[stack])} if stack in GIVEN else {}
        with _held(self.folder / f"{name}.lock"):
            done = self.folder / f"{name}.up"
            if not done.exists():
                bench = self._fresh(name, stack)
                bench.good("up", stack, {**given, **(config or {})})
                done.touch()
        return Bench(self.folder / name)

    def _fresh(self, name: str, stack: str) -> Bench:
        if stack == HUB:
            return Bench(self.folder / name)
        return self.bench(HUB).copy(self.folder / name, (HUB,))


@pytest.fixture(scope="session")
def platforms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platforms]:
    """The platforms of this test run, those of pytest-xdist's other processes included."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "platforms"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "PULUMI_"))]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield Platforms(folder)
