"""`wheelhouse audit` from the outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.audit.conftest import Documents
from tests.conftest import ROOT
from wheelhouse.cli import main
from wheelhouse.errors import Exit


@pytest.fixture(autouse=True)
def _at_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")


def files(documents: Documents, folder: Path, *stacks: str) -> list[str]:
    """``--from`` for each stack's export."""
    arguments = []
    for stack in stacks:
        path = folder / f"{stack}.json"
        path.write_text(json.dumps(documents[stack]))
        arguments += ["--from", str(path)]
    return arguments


def test_a_clean_stack_ends_with_zero(documents: Documents, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "dev", *files(documents, tmp_path, "hub", "dev")]) == Exit.OK
    shown = capsys.readouterr().out
    assert "dev is as declared" in shown
    assert "user-service" in shown
    assert "api.dev.fitsync.com:443/api  api-gateway:4000" in shown


def test_all_given_stacks_are_audited_without_a_name(
    documents: Documents, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--json", *files(documents, tmp_path, "hub", "prod")]) == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert found["clean"] is True
    assert [stack["stack"] for stack in found["stacks"]] == ["hub", "prod"]


def test_a_difference_ends_with_one_and_says_what(
    documents: Documents, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = files(documents, tmp_path, "hub", "dev")
    path = tmp_path / "dev.json"
    document = json.loads(path.read_text())
    resources = document["deployment"]["resources"]
    gone = [item for item in resources if item["urn"].endswith("AuthorizationPolicy::fitsync/redis-authz")]
    assert len(gone) == 1
    resources.remove(gone[0])
    path.write_text(json.dumps(document))
    assert main(["audit", "dev", *arguments]) == Exit.FAILED
    shown = " ".join(capsys.readouterr().out.split())
    assert "-> redis on 6379: declared, but the authorization stops it" in shown
    assert main(["audit", "dev", "--json", *arguments]) == Exit.FAILED
    found = json.loads(capsys.readouterr().out)["stacks"][0]
    assert found["clean"] is False
    assert {(item["layer"], item["callee"]) for item in found["differences"]} == {("authorization", "redis")}


def test_a_missing_hub_is_named(documents: Documents, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the hub's routes the audit would judge half a network."""
    assert main(["audit", "dev", *files(documents, tmp_path, "dev")]) == Exit.USAGE
    assert "reads stack 'hub', which is missing" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("content", ["", "[]", '{"deployment": {"resources": []}}', '{"resources": []}'])
def test_a_file_that_is_no_stack_is_named(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "some.json"
    path.write_text(content)
    assert main(["audit", "dev", "--from", str(path)]) == Exit.USAGE
    assert "some.json" in capsys.readouterr().err


def _balancer(resource: dict[str, Any]) -> None:
    resource["outputs"]["subnetMappings"][0]["privateIpv4Address"] = "privateIpv4Address-f904cf357c273dedc"


def _subnet(resource: dict[str, Any]) -> None:
    del resource["outputs"]["vpcId"]


def _listener(resource: dict[str, Any]) -> None:
    resource["outputs"]["port"] = "port-1"


def _record(resource: dict[str, Any]) -> None:
    resource["outputs"]["aliases"] = "aliases-1"


@pytest.mark.parametrize(
    ("type_", "change", "says"),
    [
        (
            "aws:lb/loadBalancer:LoadBalancer",
            _balancer,
            "privateIpv4Address 'privateIpv4Address-f904cf357c273dedc' is no",
        ),
        ("aws:ec2/subnet:Subnet", _subnet, "KeyError: 'vpcId'"),
        ("aws:lb/listener:Listener", _listener, "ValueError: invalid literal for int"),
        ("aws:route53/record:Record", _record, "AttributeError: 'str' object"),
    ],
)
def test_what_no_provider_would_save_gets_one_message(
    documents: Documents,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    type_: str,
    change: Callable[[dict[str, Any]], None],
    says: str,
) -> None:
    """What stands in for AWS invents texts where addresses, numbers and lists belong: no traceback is an answer."""
    arguments = files(documents, tmp_path, "hub", "dev")
    document = json.loads((tmp_path / "dev.json").read_text())
    found = [item for item in document["deployment"]["resources"] if item["type"] == type_]
    change(found[0])
    (tmp_path / "dev.json").write_text(json.dumps(document))
    assert main(["audit", "dev", *arguments]) == Exit.USAGE
    shown = " ".join(capsys.readouterr().err.replace("│", "").split())
    assert "stack 'dev'" in shown
    assert says in shown
    assert "give an export of what AWS or the sandbox made" in shown


def test_an_unknown_stack_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "nowhere", "--backend", str(tmp_path)]) == Exit.USAGE
    assert "'nowhere' is not up" in " ".join(capsys.readouterr().err.split())
