"""The state file: what survives a kill, a clash, damage."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sandbox.events import Diagnostic, SandboxError
from sandbox.run import outputs
from sandbox.secrets import Crypter
from sandbox.state import Resource, Snapshot, make_urn
from sandbox.store import Store

KILLED = """
import importlib.util, sys
sys.path[:0] = {paths!r}
spec = importlib.util.spec_from_file_location("harness", {conftest!r})
harness = importlib.util.module_from_spec(spec)
sys.modules["harness"] = harness
spec.loader.exec_module(harness)
import sandbox.secrets
sandbox.secrets.ROUNDS = 10
from pathlib import Path
project = harness.Harness(Path({folder!r}), Path({backend!r}))
print(project.run().errors)
"""

CHAIN = """
a = Thing("a", password=Output.secret("correct-horse"))
b = Thing("b", uses=a.id)
c = Thing("c", uses=b.id, HOW)
"""


def _in_another_process(project: Any) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    script = KILLED.format(
        paths=[str(root)],
        conftest=str(Path(__file__).with_name("conftest.py")),
        folder=str(project.folder),
        backend=str(project.backend),
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)


def test_a_killed_run_keeps_what_it_did(project: Any) -> None:
    """Guards against losing resources to ``kill -9``, and against a lock that nobody can open any more."""
    project.write(CHAIN.replace("HOW", "kill=True"))
    assert _in_another_process(project).returncode == -9
    assert not project.path().exists()
    assert "correct-horse" not in project.path().with_suffix(".journal").read_text()
    assert project.path().with_suffix(".lock").exists()
    preview = project.write(CHAIN.replace("HOW", "size=1")).run("preview")
    assert preview.counts == {"create": 1, "same": 3}
    assert project.path().with_suffix(".journal").exists()
    result = project.up(CHAIN.replace("HOW", "size=1"))
    assert result.counts == {"create": 1, "same": 3}
    assert result.warnings == (
        "an earlier run was cut short while creating urn:pulumi:dev::proj::fake:index:Thing::c; check it",
    )
    assert {path.name for path in project.path().parent.iterdir()} == {"dev.json", "dev.json.bak"}
    assert project.up(CHAIN.replace("HOW", "size=1")).warnings == ()


def test_a_line_cut_short_by_the_kill_is_dropped(project: Any) -> None:
    """Guards against a torn last line making the whole journal unreadable."""
    project.write(CHAIN.replace("HOW", "kill=True"))
    _in_another_process(project)
    with project.path().with_suffix(".journal").open("a") as journal:
        journal.write('{"do": "put", "resour')
    assert project.up(CHAIN.replace("HOW", "size=1")).counts == {"create": 1, "same": 3}


def test_an_interrupted_run_finishes_its_step_and_stops(project: Any) -> None:
    """Guards against a SIGTERM that loses the step in flight, or goes on with new ones."""
    result = project.write(CHAIN.replace("uses=a.id", "uses=a.id, interrupt=True").replace("HOW", "size=1")).run()
    assert result.errors == ("interrupted: what was done until then is saved; run again to go on",)
    assert set(project.state()) == {"a", "b", "default", "proj-dev"}
    assert project.up(CHAIN.replace("HOW", "size=1")).counts["create"] == 1


def test_an_interrupted_destroy_can_be_resumed(project: Any) -> None:
    """Guards against a destroy that cannot be stopped between two resources."""
    project.up(CHAIN.replace("HOW", "size=1"))

    class Spy(list[Any]):
        def append(self, event: Any) -> None:
            if getattr(getattr(event, "step", None), "name", "") == "b":
                os.kill(os.getpid(), 15)

    project.events = Spy()
    result = project.run("destroy")
    assert result.errors == ("interrupted: what was done until then is saved; run again to go on",)
    assert set(project.state()) == {"a", "default", "proj-dev"}
    project.events = []
    assert project.run("destroy").counts == {"delete": 2}


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    """A traceback would hide that it is the disk's fault."""
    (tmp_path / "file").write_text("")
    with pytest.raises(
        SandboxError, match=rf"{tmp_path}/file/proj cannot be written to: .*put that right, and run again"
    ):
        Store(tmp_path / "file", "proj", "dev").acquire("up")


def test_a_full_disk_is_said_and_what_was_written_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, "proj", "dev")
    store.acquire("up")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        with pytest.raises(SandboxError, match="cannot be written to: No space left on device"):
            store.save()
    store.release()
    store.acquire("up")
    store.save()


def test_a_locked_stack_is_refused_and_says_by_whom(project: Any) -> None:
    """Guards against two runs writing one state."""
    holder = Store(project.backend, "proj", "dev")
    holder.acquire("up")
    project.write('Thing("a")')
    with pytest.raises(
        SandboxError, match=rf"stack dev is locked by `up` of process {os.getpid()} on .*wait until that run ends"
    ):
        project.run()
    assert project.run(stack="other").succeeded
    assert project.run("preview").succeeded
    holder.release()
    assert project.run().succeeded
    assert not project.path().with_suffix(".lock").exists()


def test_a_dead_process_lock_is_taken_over_but_another_hosts_is_not(project: Any) -> None:
    """Guards against a stack that stays locked for ever, and against stealing a lock that cannot be checked."""
    project.up('Thing("a")')
    lock = project.path().with_suffix(".lock")
    lock.write_text(json.dumps({"pid": 999999, "host": socket.gethostname(), "run": "up"}))
    assert project.up('Thing("a")').succeeded
    lock.write_text(json.dumps({"pid": 1, "host": "elsewhere", "run": "up"}))
    with pytest.raises(SandboxError, match=rf"locked by a run on elsewhere; if that run is over, delete {lock}"):
        project.run()


def test_concurrent_runs_of_one_stack_do_not_mix(project: Any) -> None:
    """Guards against a lock that two runs of one process can hold."""
    project.write('Thing("a", slow=0.5)')
    said: list[str] = []

    def second() -> None:
        try:
            project.run()
        except SandboxError as error:
            said.append(str(error))

    store = Store(project.backend, "proj", "dev")
    store.acquire("up")
    thread = threading.Thread(target=second)
    thread.start()
    thread.join()
    store.release()
    assert len(said) == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "is damaged"),
        (lambda text: "", "is damaged"),
        (lambda text: "[]", "is damaged"),
        (lambda text: text.replace('"a-0"', '"a-9"'), "its checksum does not match"),
        (lambda text: text.replace('"version": 3', '"version": 99'), "version 99 is not supported, only 3"),
    ],
)
def test_a_damaged_state_is_refused_with_the_remedy(project: Any, damage: Any, message: str) -> None:
    """Guards against going on from half a state, and against overwriting it."""
    project.up('Thing("a")')
    good = project.text()
    project.up('Thing("a", size=2)')
    project.path().write_text(damage(project.text()))
    damaged = project.text()
    for operation in ("up", "preview", "destroy"):
        with pytest.raises(SandboxError, match=message) as caught:
            project.run(operation)
        assert str(project.path()) in str(caught.value)
        assert f"cp {project.path()}.bak {project.path()}" in str(caught.value)
    assert project.text() == damaged
    backup = Path(f"{project.path()}.bak")
    assert backup.read_text() == good
    backup.replace(project.path())
    assert project.up('Thing("a")').counts == {"same": 2}


def test_a_state_of_the_cli_is_read(project: Any) -> None:
    """Guards against refusing a file without the sandbox's checksum, or with keys it does not use."""
    project.up('Thing("a")')
    document = json.loads(project.text())
    del document["checksum"]
    document["deployment"]["metadata"] = {}
    document["deployment"]["resources"][0]["sourcePosition"] = "project:///__main__.py#1"
    project.path().write_text(json.dumps(document, indent=4))
    assert project.up('Thing("a")').counts == {"same": 2}


def test_a_journal_that_does_not_fit_the_state_is_refused(project: Any) -> None:
    """Guards against folding an interrupted run into a state file that was replaced meanwhile."""
    project.write(CHAIN.replace("HOW", "kill=True"))
    _in_another_process(project)
    journal = project.path().with_suffix(".journal").read_text()
    project.up(CHAIN.replace("HOW", "size=1"))
    project.path().with_suffix(".journal").write_text(journal)
    with pytest.raises(SandboxError, match="was changed after the interrupted run"):
        project.run()
    project.path().with_suffix(".journal").write_text(journal.replace('{"do"', '{"du"', 1).replace('"do"', "do", 1))
    with pytest.raises(SandboxError, match="delete the journal"):
        project.run()


def test_a_kill_between_the_two_files_is_harmless(project: Any) -> None:
    """Guards against a journal applied twice when the kill came after the state file was in place."""
    project.up('Thing("a", kind="x")')
    store = Store(project.backend, "proj", "dev")
    store.acquire("up")
    store.load()
    raw = next(raw for raw in store.snapshot.resources.values() if raw["type"] == "fake:index:Thing")
    store.record({"do": "condemn", "urn": raw["urn"]})
    store.record({"do": "put", "resource": {**raw, "id": "a-1"}})
    journal = store.path.with_suffix(".journal")
    before = journal.read_text()
    store.save()
    folded = json.loads(store.path.read_text())["checksum"]
    journal.write_text(before + json.dumps({"folded": folded}) + "\n")
    store.release()
    again = Store(project.backend, "proj", "dev")
    again.load()
    assert sorted(raw["id"] for raw in again.snapshot.resources.values() if raw["urn"].endswith("::a")) == [
        "a-0",
        "a-1",
    ]


def test_outputs_are_readable_while_a_run_was_cut_short(project: Any) -> None:
    """Guards against ``outputs`` writing, locking or failing beside an interrupted run."""
    project.up(CHAIN.replace("HOW", "size=1") + 'pulumi.export("c", c.id)')
    project.write(CHAIN.replace("HOW", "size=1") + 'Thing("d", uses=c.id, kill=True)')
    assert _in_another_process(project).returncode == -9
    assert outputs("dev", project_dir=project.folder, backend=project.backend) == {"c": "c-0"}
    assert project.path().with_suffix(".journal").exists()


def test_pending_operations_are_in_the_file_of_the_cli(project: Any) -> None:
    """Guards against a file that the CLI's users would not recognize."""
    project.up('Thing("a")')
    document = json.loads(project.text())
    assert set(document) == {"version", "checksum", "deployment"}
    deployment = document["deployment"]
    assert set(deployment) == {"manifest", "secrets_providers", "resources", "pending_operations"}
    assert deployment["manifest"]["version"].startswith("v3.")
    assert deployment["pending_operations"] == []


def test_the_order_puts_everything_after_what_it_refers_to() -> None:
    """Guards against restoring a resource before the one it uses: however they were recorded, and in a long chain."""
    entries = [
        {"urn": f"u{i}", "custom": True, "type": "t", "dependencies": [f"u{i - 1}"] if i else []} for i in range(3000)
    ]
    ordered = [raw["urn"] for raw in Snapshot(reversed(entries)).ordered()]
    assert ordered == [f"u{i}" for i in range(3000)]
    kept = [{"urn": name, "custom": True, "type": "t"} for name in "cab"]
    assert [raw["urn"] for raw in Snapshot(kept).ordered()] == ["c", "a", "b"]


def test_a_resource_survives_the_file(tmp_path: Path) -> None:
    """Guards against an attribute that is written but not read back."""
    crypter = Crypter.new("pass")
    resource = Resource(
        urn=make_urn("s", "p", "", "t:i:T", "n"),
        type="t:i:T",
        custom=True,
        id="i",
        inputs={"a": [1, 2.5, None, {"b": True}]},
        outputs={"c": ""},
        parent="x",
        protect=True,
        external=True,
        dependencies=["d"],
        provider="p::q",
        property_dependencies={"a": ["d"]},
        additional_secret_outputs=["c"],
        aliases=["e"],
        custom_timeouts={"create": "5m"},
        import_id="i",
        retain_on_delete=True,
        deleted_with="w",
        replacement_trigger=0,
        hooks={"BeforeDelete": ["h"]},
        created="1",
        modified="2",
    )
    raw = json.loads(json.dumps(resource.to_raw(crypter)))
    assert Resource.from_raw(raw, crypter) == resource


def test_warnings_of_the_program_are_diagnostics(project: Any) -> None:
    """Guards against messages of the program going nowhere."""
    result = project.up('pulumi.log.warn("careful")\npulumi.info("hello")\npulumi.debug("no")')
    assert result.warnings == ("careful",)
    said = [(event.severity, event.message) for event in project.events if isinstance(event, Diagnostic)]
    assert said == [("warning", "careful"), ("info", "hello")]


def test_a_stack_killed_in_its_first_run_still_counts_for_the_others(shared: Any) -> None:
    """Guards against a shared account that forgets what only a journal holds."""
    shared.write(CHAIN.replace("HOW", "kill=True"))
    assert _in_another_process(shared).returncode == -9
    shared.up('Thing("x", uses="b-0")', stack="other")
    assert shared.world.names("restore") == ["a", "b"]


def test_a_damaged_neighbour_does_not_stop_a_stack_that_shares_nothing(project: Any) -> None:
    """Guards against one broken file blocking every stack of the folder."""
    project.up('Thing("a")', stack="broken")
    project.path("broken").write_text("{")
    assert project.up('Thing("a")').counts == {"create": 2}
