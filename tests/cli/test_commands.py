"""The command from the outside: what it prints, saves and exits with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Wheelhouse, set_length
from wheelhouse.errors import Exit


def test_up_without_names_brings_up_hub_then_dev(wheelhouse: Wheelhouse) -> None:
    """dev reads hub's outputs: in the other order a first run fails."""
    found = wheelhouse("up", "--json")
    assert found.code == Exit.OK
    assert [stack["stack"] for stack in found.document["stacks"]] == ["hub", "dev"]
    hub, dev = found.document["stacks"]
    assert dev["outputs"]["zone"] == hub["outputs"]["zone"]


def test_second_up_changes_nothing(wheelhouse: Wheelhouse) -> None:
    wheelhouse("up")
    found = wheelhouse("up")
    assert found.code == Exit.OK
    assert "hub nothing changed" in found.out
    assert "dev nothing changed" in found.out


def test_summary_says_what_changed_from_what_to_what(wheelhouse: Wheelhouse, project: Path) -> None:
    wheelhouse("up")
    set_length(project, 20)
    found = wheelhouse("up", "dev")
    assert "± random:index/randomPassword:RandomPassword  password" in found.out
    assert "length: 12 -> 20  (forces replacement)" in found.out
    assert "± 1 replace" in found.out


def test_preview_saves_nothing(wheelhouse: Wheelhouse, project: Path) -> None:
    found = wheelhouse("preview", "hub")
    assert found.code == Exit.OK
    assert "hub would change  + 2 create" in found.out
    assert not (project / ".wheelhouse" / "stacks").exists()


def test_preview_can_refuse_changes(wheelhouse: Wheelhouse, project: Path) -> None:
    """A pipeline that checks for drift must see a pending change in the exit code."""
    wheelhouse("up")
    assert wheelhouse("preview", "--expect-no-changes").code == Exit.OK
    set_length(project, 20)
    assert wheelhouse("preview", "--expect-no-changes").code == Exit.CHANGES
    assert wheelhouse("preview").code == Exit.OK


def test_secrets_are_shown_only_on_request(wheelhouse: Wheelhouse) -> None:
    brought_up = wheelhouse("up")
    clear = wheelhouse("outputs", "dev", "--json", "--show-secrets").document["dev"]
    assert len(clear["password"]) == 12
    assert clear["password"] not in brought_up.out
    for masked in (wheelhouse("outputs", "dev"), wheelhouse("outputs", "--json"), wheelhouse("up", "--json")):
        assert clear["password"] not in masked.out
        assert "[secret]" in masked.out
    assert clear["password"] in wheelhouse("up", "--show-secrets").out


def test_json_output_is_one_document_and_nothing_else(wheelhouse: Wheelhouse) -> None:
    """A progress line on standard output would break every script that parses it."""
    document = wheelhouse("up", "--json").document
    assert document["succeeded"] is True
    assert document["stacks"][0]["counts"] == {"create": 2}
    assert {step["op"] for step in document["stacks"][0]["steps"]} == {"create"}


def test_a_failed_run_stops_the_next_stacks(wheelhouse: Wheelhouse, project: Path) -> None:
    program = project / "__main__.py"
    program.write_text('import pulumi\nraise pulumi.RunError("no network left")\n')
    found = wheelhouse("up")
    assert found.code == Exit.FAILED
    assert "no network left" in found.flat
    assert "Not begun: dev" in found.out
    assert "Traceback" not in found.out + found.err
    document = wheelhouse("up", "--json").document
    assert document["succeeded"] is False
    assert len(document["stacks"]) == 1


def test_destroy_takes_readers_before_what_they_read(wheelhouse: Wheelhouse) -> None:
    """hub sorts after dev here, but is named first: the references decide, not the names."""
    wheelhouse("up")
    found = wheelhouse("destroy", "hub", "dev", "--json")
    assert found.code == Exit.OK
    assert [stack["stack"] for stack in found.document["stacks"]] == ["dev", "hub"]
    assert wheelhouse("outputs", "--json").document == {}
    assert "No stack is up" in wheelhouse("destroy").out


def test_export_has_the_shape_of_the_cli_and_no_secret(wheelhouse: Wheelhouse, project: Path) -> None:
    wheelhouse("up")
    secret = wheelhouse("outputs", "--json", "--show-secrets").document["dev"]["password"]
    printed = wheelhouse("export", "dev")
    wheelhouse("export", "dev", "--file", "dev.json")
    written = json.loads((project / "dev.json").read_text())
    assert written["deployment"]["resources"] == printed.document["deployment"]["resources"]
    assert printed.document["version"] == 3
    assert printed.document["deployment"]["resources"]
    assert secret not in printed.out


def test_config_option_wins_over_the_stack_file(wheelhouse: Wheelhouse) -> None:
    wheelhouse("up", "hub")
    found = wheelhouse("up", "dev", "--config", "length=30", "--show-secrets", "--json")
    assert len(found.document["stacks"][0]["outputs"]["password"]) == 30


def test_many_creates_of_a_type_are_one_line_unless_full(wheelhouse: Wheelhouse) -> None:
    wheelhouse("up", "hub")
    short = wheelhouse("preview", "dev", "-c", "ids=9")
    assert "+ random:index/randomId:RandomId  x9" in short.out
    full = wheelhouse("preview", "dev", "-c", "ids=9", "--full")
    assert all(f"random:index/randomId:RandomId  id-{index}" in full.out for index in range(9))


def test_stacks_are_found_from_a_folder_below(wheelhouse: Wheelhouse, project: Path) -> None:
    below = project / "docs"
    below.mkdir()
    assert wheelhouse("up", "hub", "--cwd", str(below)).code == Exit.OK
    assert (project / ".wheelhouse" / "stacks" / "shop" / "hub.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("up", "dve"), "stack 'dve' has no Pulumi.dve.yaml in {root}; did you mean 'dev'? There is: dev, hub"),
        (("up", "--config", "length"), "--config length: write it as key=value"),
        (("outputs", "dev"), "stack 'dev' is not up in {root}/.wheelhouse/stacks; there is: none"),
        (("destroy", "hub"), "stack 'hub' is not up in"),
        (("export", "hub"), "stack 'hub' is not up in"),
        (("up", "--cwd", "/"), "no Pulumi.yaml in / nor above"),
        (("upp",), "No such command 'upp'"),
        (("up", "--nope"), "No such option: --nope"),
    ],
)
def test_a_mistake_gets_one_message_and_no_traceback(
    wheelhouse: Wheelhouse, project: Path, arguments: tuple[str, ...], message: str
) -> None:
    found = wheelhouse(*arguments)
    assert found.code == Exit.USAGE
    wanted = message.format(root=project)
    assert wanted.replace(" ", "") in found.flat.replace(" ", "")
    assert "Traceback" not in found.out + found.err
    assert not (project / ".wheelhouse" / "stacks").exists()


def test_a_project_without_the_default_stacks_says_what_there_is(wheelhouse: Wheelhouse, project: Path) -> None:
    for stack in ("hub", "dev"):
        (project / f"Pulumi.{stack}.yaml").unlink()
    (project / "Pulumi.orion-dev.yaml").write_text("config: {}\n")
    found = wheelhouse("up")
    assert found.code == Exit.USAGE
    assert "name one of: orion-dev" in found.flat


def test_python_m_is_the_same_command(project: Path, root: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "wheelhouse", "up", "nope", "--cwd", str(project)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == Exit.USAGE
    assert "Pulumi.nope.yaml" in ran.stderr
    assert ran.stdout == ""
