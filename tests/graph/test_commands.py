"""The commands from the outside: what they print, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.graph.test_critical import NAT, document, resource
from wheelhouse.cli import main
from wheelhouse.errors import Exit
from wheelhouse.project import find
from wheelhouse.sources import settings_of

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _at_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "220")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")


def test_impact_says_who_loses_what(capsys: Capture) -> None:
    assert main(["impact", "dev", "--without", "userdb"]) == Exit.OK
    shown = capsys.readouterr().out
    assert "dev without store userdb" in shown
    assert "user-service; through others: route app.dev.fitsync.com/, route api.dev.fitsync.com/api" in " ".join(
        shown.split()
    )
    assert "hard:" in shown


def test_impact_for_machines(capsys: Capture) -> None:
    assert main(["impact", "prod", "--without", "a", "--json"]) == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert found["without"] == {"name": "eu-west-1a", "kind": "zone"}
    assert {loss["severity"] for loss in found["losses"]} == {"hard", "degraded"}


def test_impact_of_a_node_group_begins_with_what_stands_on_it(capsys: Capture) -> None:
    """A service that nobody calls loses nobody anything, and stands still all the same."""
    assert main(["impact", "orion-prod", "--without", "management"]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert "gone with it: admin-ui: no other node group takes its pods" in lines
    assert lines[-1] == "hard: route admin.orion.com/"


def test_what_if_shows_the_fields_by_layer(capsys: Capture) -> None:
    assert main(["what-if", "dev", "--add", "frontend->user-service"]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "network policies"
    assert "  ~ AuthorizationPolicy fitsync/user-service-authz" in lines
    assert lines[-1].endswith("in dashboards")
    assert any(line.startswith("      + spec.rules") and "sa/frontend" in line for line in lines)


def test_a_refused_change_ends_with_one_in_both_forms(capsys: Capture) -> None:
    """A pipeline that asks first must notice."""
    question = ["what-if", "dev", "--add", "user-service->api-gateway"]
    assert main(question) == Exit.FAILED
    assert "refused: calls form a cycle" in capsys.readouterr().out
    assert main([*question, "--json"]) == Exit.FAILED
    assert json.loads(capsys.readouterr().out)["refusal"].startswith("calls form a cycle")


def test_critical_path_of_an_exported_stack(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "dev.json"
    file.write_text(json.dumps(document(resource("gate", NAT))))
    assert main(["critical-path", "dev", "--from", str(file)]) == Exit.OK
    assert "the slowest chain takes about 1 min 56 s" in capsys.readouterr().out
    assert main(["critical-path", "dev", "--from", str(file), "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["seconds"] == 116


def test_diagram_writes_what_the_name_says(tmp_path: Path, capsys: Capture) -> None:
    for name, begin in (("a.svg", "<svg"), ("a.html", "<!DOCTYPE html>")):
        assert main(["diagram", "dev", "--out", str(tmp_path / name)]) == Exit.OK
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begin)
    assert capsys.readouterr().out == ""
    assert main(["diagram", "dev"]) == Exit.OK
    assert capsys.readouterr().out.startswith("<svg")
    assert main(["diagram", "dev", "--json"]) == Exit.OK
    assert {node["kind"] for node in json.loads(capsys.readouterr().out)["nodes"]} == {"door", "service", "store"}


def test_a_file_of_another_stack_is_not_taken_for_this_one(tmp_path: Path, capsys: Capture) -> None:
    """The page would leave the costs out without a word."""
    file = tmp_path / "prod.json"
    file.write_text(json.dumps(document(resource("gate", NAT))))
    assert main(["diagram", "stage", "--from", str(file)]) == Exit.USAGE
    shown = " ".join(word for word in capsys.readouterr().err.split() if word not in "╭─╮│╰╯")
    assert "stack 'stage' is not in the files of --from; there is: dev" in shown


def test_the_picture_in_the_documentation_is_the_current_one(capsys: Capture) -> None:
    """Drawn again with: wheelhouse diagram prod --out docs/fitsync.svg"""
    assert main(["diagram", "prod"]) == Exit.OK
    assert capsys.readouterr().out == (ROOT / "docs" / "fitsync.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["impact", "dev", "--without", "user-servce"], "did you mean 'user-service'?"),
        (["impact", "hub", "--without", "a"], "name the stack of an environment"),
        (["impact", "nowhere", "--without", "a"], "has no Pulumi.nowhere.yaml"),
        (["what-if", "dev"], "Give --add 'caller->callee'"),
        (["what-if", "dev", "--add", "frontend"], "write it as 'caller->callee'"),
        (["what-if", "dev", "--remove", "frontend->redis"], "is not declared"),
        (["diagram", "dev", "--out", "picture.png"], "must end in .html or .svg"),
        (["diagram", "dev", "--out", "nowhere/picture.svg"], "cannot be written"),
        (["diagram", "dev", "--from", "Makefile"], "is no exported stack"),
        (["critical-path", "dev", "--backend", "nowhere"], "is not up; there is: none"),
        (["critical-path", "dev", "--from", "Makefile"], "is no exported stack"),
    ],
)
def test_a_mistake_is_one_message_and_ends_with_two(arguments: list[str], message: str, capsys: Capture) -> None:
    assert main(arguments) == Exit.USAGE
    shown = capsys.readouterr()
    assert message in " ".join(word for word in shown.err.split() if word not in "╭─╮│╰╯")
    assert shown.out == ""


def test_render_writes_what_flux_follows_and_says_whose_each_layer_is(tmp_path: Path, capsys: Capture) -> None:
    assert main(["render", "neotool-prod", "--to", str(tmp_path), "--json"]) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    home = tmp_path / "clusters/neotool-prod"
    assert told["owners"] == dict.fromkeys(("infrastructure", "observability", "data", "apps"), "stack")
    assert sorted(path.name for path in home.iterdir()) == ["apps", "data", "infrastructure", "observability"]
    assert (home / "apps/objects/production/deployment-web.yaml").is_file()
    assert main(["render", "neotool-prod", "--to", str(tmp_path)]) == Exit.OK
    shown = capsys.readouterr().out
    assert "apps: applied by the stack" in shown
    assert shown.rstrip().endswith("0 of them changed")


def test_render_writes_the_workflows_of_a_pipeline(tmp_path: Path, capsys: Capture) -> None:
    assert main(["render", "myhealth-prod", "--to", str(tmp_path), "--json"]) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == [".github/workflows/images.yaml", ".github/workflows/myhealth-prod.yaml"]
    assert told["changed"] == told["files"]
    assert (tmp_path / told["files"][0]).read_text().startswith("# Rendered by wheelhouse")


def test_render_of_a_system_that_follows_no_repository_is_refused(tmp_path: Path, capsys: Capture) -> None:
    assert main(["render", "dev", "--to", str(tmp_path)]) == Exit.USAGE
    assert "system 'fitsync' follows no repository; set platform.delivery to Flux(...)" in " ".join(
        capsys.readouterr().err.replace("│", "").split()
    )
    assert list(tmp_path.iterdir()) == []


def test_a_question_about_a_stack_without_secrets_needs_no_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever keeps saved stacks, and has lost their passphrase, may still ask the declaration."""
    saved = tmp_path / "stacks" / "wheelhouse"
    saved.mkdir(parents=True)
    (saved / "dev.json").write_text("{}")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    assert settings_of(find(ROOT, tmp_path / "stacks"), "dev").environment == "dev"
