"""What every test gets: no AWS account, no Pulumi settings of the developer's, and the ``tool`` marker."""

from __future__ import annotations

import functools
import os
import shutil
from itertools import zip_longest
from pathlib import Path

import kubernetes_validate.utils  # type: ignore[import-untyped]  # the package ships no types
import pytest

ROOT = Path(__file__).resolve().parent.parent
REAL = ROOT / "tests" / "real"
POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
"""Debian keeps the PostgreSQL server out of PATH, one folder per version."""


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def _schemas_read_once() -> None:
    """kubernetes-validate reads two files, one of them of a megabyte, for every object."""
    kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)


@pytest.fixture(autouse=True)
def _no_personal_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's account, passphrase or cluster must neither be touched nor decide a test's outcome."""
    for name in os.environ:
        if name.startswith(("AWS_", "PULUMI_")) or name == "KUBECONFIG":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("PULUMI_ERROR_OUTPUT_STRING", "true")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="Write the golden files anew instead of comparing with them."
    )


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether the golden files are to be written."""
    return bool(request.config.getoption("--update-golden"))


def pytest_configure(config: pytest.Config) -> None:
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, reversed(POSTGRESQL)), "/usr/sbin"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In several processes: files that wait for servers come early and in turn with the others, which compute."""
    if config.getoption("dist", "no") == "no" and "PYTEST_XDIST_WORKER" not in os.environ:
        return
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    waiting = [path for path in files if path.parent == REAL or any(map(_is_slow, files[path]))]
    computing = [path for path in files if path not in waiting]
    in_turn = [path for pair in zip_longest(waiting, computing) for path in pair if path]
    items[:] = [item for path in in_turn for item in files[path]]


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """``@pytest.mark.tool("promtool")``: skip without the program; in CI, where a skip hides failures, fail."""
    missing = [name for mark in item.iter_markers("tool") for name in mark.args if shutil.which(name) is None]
    if not missing:
        return
    message = f"needs {', '.join(missing)}, which `.ci/run` installs on Debian"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
