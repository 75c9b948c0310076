"""What the command says to a mistake in the project's own stacks: one message that names the place and the remedy,
before anything is made, and nothing is lost."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import systems
from sandbox.store import Store
from tests.conftest import ROOT
from tests.e2e.bench import PASSPHRASE, PROJECT, Bench
from wheelhouse.cli import main
from wheelhouse.errors import Exit

Command = Callable[..., tuple[int, str]]
"""The command's arguments -> exit code, and all that is printed as running text without the frame of a block."""

DECLARATION = ROOT / "systems" / "fitsync.py"


def running(printed: str) -> str:
    """Printed text in one line, without the frame of an error block."""
    assert "Traceback" not in printed
    assert "RuntimeWarning" not in printed
    assert "program failed" not in printed
    return " ".join(word for word in printed.split() if word.strip("╭─╮│╰╯"))


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run the command on the project; stacks are saved in `tmp_path` unless `backend` says otherwise."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("COLUMNS", "400")

    def run(*arguments: str, backend: Path = tmp_path) -> tuple[int, str]:
        code = main([*arguments, "--cwd", str(ROOT), "--backend", str(backend)])
        captured = capsys.readouterr()
        return code, running(captured.out + captured.err)

    return run


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Declare a copy of the default system, with one text in place of another, as system `other`."""
    folder = tmp_path / "systems"
    folder.mkdir()
    monkeypatch.setattr(systems, "__path__", [*systems.__path__, str(folder)])

    def write(old: str, new: str) -> None:
        text = DECLARATION.read_text()
        assert old in text
        (folder / "other.py").write_text(text.replace(old, new, 1))

    yield write
    sys.modules.pop("systems.other", None)


def test_dev_before_hub_says_to_bring_the_hub_up_first(tmp_path: Path) -> None:
    """Without the hub's outputs a spoke can only fail: it must say why, and make nothing."""
    bench = Bench(tmp_path)
    process = bench.command("up", "dev")
    printed = running("".join(process.communicate()))
    assert process.returncode == Exit.FAILED
    assert "unknown stack 'organization/wheelhouse/hub'; bring it up first" in printed
    assert [found.type for found in bench.resources("dev") if found.type.startswith("aws:")] == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "environment=dve",
            "Pulumi.dev.yaml: environment 'dve' is not declared in system 'fitsync'; did you mean 'dev'?",
        ),
        ("system=fitsnyc", "Pulumi.dev.yaml: system 'fitsnyc' is not declared in systems/; did you mean 'fitsync'?"),
        (
            'imageTags={"user-servce": "1"}',
            "Pulumi.dev.yaml: imageTags names 'user-servce', which is no service; did you mean 'user-service'?",
        ),
        ('adminRanges=["0.0.0.0/0"]', "adminRanges in Pulumi.dev.yaml: 0.0.0.0/0 is everybody"),
        ("aws:region=Ireland", "aws:region in Pulumi.dev.yaml: must be a region of AWS such as eu-west-1"),
    ],
)
def test_a_setting_that_cannot_hold_is_refused_by_its_key_and_file(
    command: Command, tmp_path: Path, setting: str, message: str
) -> None:
    """A wrong name must not deploy a default in its place, and nothing may be saved for it."""
    code, text = command("preview", "dev", "-c", setting)
    assert code == Exit.FAILED
    assert message in text
    assert not (tmp_path / PROJECT).exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'callee="user-service"',
            'callee="usr-service"',
            "{line}service 'usr-service' in calls[1].callee is not declared; did you mean 'user-service'?",
        ),
        (
            'Call(caller="frontend", callee="api-gateway"),',
            'Call(caller="frontend", callee="api-gateway"), Call(caller="user-service", callee="api-gateway"),',
            "{line}calls form a cycle: api-gateway -> user-service -> api-gateway; use a topic for one of them",
        ),
        (
            'HubAndSpoke(hub="10.0.0.0/16")',
            'HubAndSpoke(hub="10.1.0.0/16")',
            "{line}environments['dev'].cidr 10.1.0.0/16 overlaps network.hub 10.1.0.0/16; choose a range of its own",
        ),
        ("port=4000", "port=70000", "{line}Service.port: Input should be less than or equal to 65535, not 70000"),
        ("port=4000", "prot=4000", "{line}Service has no field 'prot'; did you mean 'port'?"),
        (
            'name="fitsync"',
            'name="fitsync-in-the-whole-of-europe"',
            "system 'fitsync-in-the-whole-of-europe', environment 'dev': target group "
            "'fitsync-in-the-whole-of-europe-dev-entry-6443' has 45 characters, AWS allows 32; "
            "shorten the system's or environment's name",
        ),
        (
            'ServicePolicy(to="training-service", timeout=seconds(10))',
            'ServicePolicy(to="training-service", timeout=seconds(40))',
            "timeouts cannot hold on route api/api -> api-gateway -> training-service: 'training-service' may take "
            "40 s, but is waited for only 30 s; shorten the timeout of policies to 'training-service'",
        ),
    ],
    ids=["callee", "cycle", "ranges", "port", "field", "name", "timeout"],
)
def test_a_declaration_that_cannot_hold_is_refused_before_anything_is_made(
    command: Command, declare: Callable[[str, str], None], tmp_path: Path, old: str, new: str, message: str
) -> None:
    """Found at deployment, it would leave half a platform; a traceback would leave the reader without the place."""
    declare(old, new)
    text = (tmp_path / "systems" / "other.py").read_text()
    start = (
        '    Service(\n            name="api-gateway"' if message.startswith("{line}Service") else "SYSTEM = System("
    )
    line = text[: text.index(start)].count("\n") + 1
    code, printed = command("preview", "dev", "-c", "system=other")
    assert code == Exit.FAILED
    assert message.format(line=f"systems/other.py, line {line}: ") in printed
    assert not (tmp_path / PROJECT).exists()


def test_a_setting_of_a_wrong_type_is_refused_by_its_key_and_file(command: Command) -> None:
    """A text where a list belongs would be read letter by letter."""
    code, text = command("preview", "dev", "-c", "adminRanges=10.0.0.0/8")
    assert code == Exit.USAGE
    assert 'Pulumi.dev.yaml: wheelhouse:adminRanges must be of type array, not "10.0.0.0/8"' in text


def test_an_unknown_stack_is_refused_with_what_there_is(command: Command) -> None:
    """A stack of a misspelt name would be a second platform."""
    code, text = command("up", "stagee")
    assert code == Exit.USAGE
    known = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
    assert f"did you mean 'stage'? There is: {', '.join(known)}" in text


def test_a_locked_stack_is_refused_and_says_by_whom(command: Command, own: Bench) -> None:
    """Two runs at once would each overwrite what the other has made."""
    before = own.export("dev")
    holder = Store(own.backend, PROJECT, "dev")
    holder.acquire("destroy")
    code, text = command("up", "dev", backend=own.backend)
    holder.release()
    assert code == Exit.USAGE
    assert f"stack dev is locked by `destroy` of process {os.getpid()} on " in text
    assert "wait until that run ends" in text
    assert own.export("dev") == before


def test_a_damaged_state_is_refused_and_kept(command: Command, own: Bench) -> None:
    """Read as an empty stack, it would be built a second time, and the first be managed by nobody."""
    state = own.backend / PROJECT / "dev.json"
    state.write_text(state.read_text()[:-1000])
    damaged = state.read_bytes()
    for operation in ("up", "destroy", "outputs"):
        code, text = command(operation, "dev", backend=own.backend)
        assert code == Exit.USAGE
        assert str(state) in text
        assert state.read_bytes() == damaged


def test_a_wrong_passphrase_is_refused_and_changes_nothing(
    command: Command, own: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets made anew would lock the platform out of its own databases."""
    before = own.export("dev")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "wrong")
    code, text = command("up", "dev", backend=own.backend)
    assert code == Exit.USAGE
    assert "wrong passphrase; set PULUMI_CONFIG_PASSPHRASE to the one this stack was encrypted with" in text
    assert own.export("dev") == before


def test_a_hub_in_use_is_not_destroyed(command: Command, own: Bench) -> None:
    """Its spokes would lose their way out, and their state would name what is gone."""
    before = own.export("hub")
    code, text = command("destroy", "hub", backend=own.backend)
    assert code == Exit.USAGE
    assert "stack 'hub' is still read by dev; destroy dev first, or together: wheelhouse destroy dev hub" in text
    assert own.export("hub") == before
