"""The documents' commands are run, where they need neither a cloud nor a change of the project."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import ROOT
from tests.docs.guide import commands
from tests.docs.test_commands import DOCUMENTS
from tests.e2e.bench import PASSPHRASE
from tests.platforms import Platforms
from wheelhouse.cli import main

BENCHES: Final = {"hub": "dev", "dev": "dev", "stage": "stage", "prod": "prod", "neotool-prod": "neotool-prod"}
"""Stack -> the platform that holds it, of the stacks that the documents' examples name."""
CHANGING: Final = frozenset({"up", "preview", "destroy"})
"""Run by the tests of the guides, on copies."""
ELSEWHERE: Final = frozenset({"before.json", "after.json", "api-gateway->billing-service", "myhealth-prod"})
"""Words of examples that need what the reader has, or what a guide has made before."""


def asked() -> Iterator[tuple[str, ...]]:
    """Every distinct question to `wheelhouse`, placeholders for a stack with a real one in their place."""
    found = {
        tuple("neotool-prod" if word == "<stack>" else word for word in words[1:])
        for path in DOCUMENTS
        for words in commands(path.read_text())
        if words[0] == "wheelhouse" and words[1] not in CHANGING
    }
    yield from sorted(
        words for words in found if not {*words} & ELSEWHERE and not any("shop" in word for word in words)
    )


@pytest.mark.parametrize("words", [*asked()], ids=" ".join)
def test_a_question_is_answered(
    words: tuple[str, ...],
    platforms: Platforms,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Parsed, it can still name a part that is no more, or fail at the stack that the page shows it with."""
    stacks = [word for word in words[1:] if word in BENCHES] or ["dev"]
    bench = platforms.bench(BENCHES[stacks[0]])
    if len(stacks) > 1:
        bench = bench.copy(tmp_path / "stacks", (stacks[0], "hub"))
        other = platforms.bench(BENCHES[stacks[1]]).backend / "wheelhouse" / f"{stacks[1]}.json"
        (bench.backend / "wheelhouse" / other.name).write_bytes(other.read_bytes())
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", PASSPHRASE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    arguments = [re.sub(r"^\.\./", "", word) for word in words]
    saved = ["--backend", str(bench.backend)] if words[0] not in ("impact", "what-if", "render") else []
    assert main([*arguments, "--cwd", str(ROOT), *saved]) == 0, capsys.readouterr().err
    written = [arguments[index + 1] for index, word in enumerate(arguments) if word in ("--out", "--to")]
    assert all((tmp_path / name).exists() for name in written)
    assert written or capsys.readouterr().out.strip()


def test_every_target_of_the_makefile_can_be_made() -> None:
    """A target that names a file or a variable that is no more fails at whoever types it first."""
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    done = subprocess.run(["make", "--dry-run", *targets], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "wheelhouse up" in done.stdout
