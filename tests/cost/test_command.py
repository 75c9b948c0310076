"""`wheelhouse cost` from the outside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.cost.exported import resource
from wheelhouse.cli import main
from wheelhouse.errors import Exit


@pytest.fixture(autouse=True)
def _at_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")


@pytest.fixture
def files(documents: Mapping[str, Any], tmp_path: Path) -> dict[str, str]:
    """Stack -> a file with its export."""
    for stack, document in documents.items():
        (tmp_path / f"{stack}.json").write_text(json.dumps(document))
    return {stack: str(tmp_path / f"{stack}.json") for stack in documents}


def test_a_stack_is_priced_by_component_and_service(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "dev", "--strict", "--from", files["dev"]]) == Exit.OK
    shown = capsys.readouterr().out
    assert "USD a month in eu-west-1" in shown
    assert "fitsync-dev-cluster-agents" in shown
    assert "user-service" in shown
    assert "not fetched from it" in shown, "how old and how sure the prices are belongs to the answer"


def test_all_given_stacks_are_priced_and_summed(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [part for stack in ("hub", "dev") for part in ("--from", files[stack])]
    assert main(["cost", "--json", *arguments]) == Exit.OK
    stated = json.loads(capsys.readouterr().out)["stacks"]
    assert [stack["stack"] for stack in stated] == ["hub", "dev"]
    assert main(["cost", *arguments]) == Exit.OK
    total = sum(Decimal(stack["total"]) for stack in stated)
    assert f"all of them: {total:,.2f} USD a month" in capsys.readouterr().out


def test_an_unknown_type_is_a_line_and_with_strict_a_failure(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(files["dev"])
    document = json.loads(path.read_text())
    document["deployment"]["resources"].append(resource("aws:mq/broker:Broker", "broker", {}))
    path.write_text(json.dumps(document))
    assert main(["cost", "dev", "--from", str(path)]) == Exit.OK
    assert "not priced: aws:mq/broker:Broker broker: there is no price rule" in capsys.readouterr().out
    assert main(["cost", "dev", "--from", str(path), "--strict"]) == Exit.FAILED


def test_two_stacks_are_compared(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--from", files["dev"], "--from", files["prod"]]
    assert main(["cost", "prod", "--compare", "dev", *arguments]) == Exit.OK
    shown = capsys.readouterr().out
    assert "prod beside dev" in shown
    assert "fitsync-*-cluster-server-1" in shown


def test_a_stack_is_compared_with_itself_before_a_change(
    files: dict[str, str], documents: Mapping[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = json.loads(json.dumps(documents["dev"]))
    resources = after["deployment"]["resources"]
    volume = next(item for item in resources if item["type"] == "aws:ebs/volume:Volume")
    for values in (volume["inputs"], volume["outputs"]):
        values["size"] += 100
    path = tmp_path / "after.json"
    path.write_text(json.dumps(after))
    assert main(["cost", "--json", "--from", str(path), "--compare", files["dev"]]) == Exit.OK
    found = json.loads(capsys.readouterr().out)["comparison"]
    # 100 GB * 0.088; its snapshots, half of it and 2 % for each of 6 more days: 100 * 0.62 * 0.05
    assert {line["name"]: line["change"] for line in found["prices"]} == {
        "ebs.gp3.gb": "8.80",
        "ebs.snapshot.gb": "3.10",
    }
    assert found["total"]["change"] == "11.90"


def test_an_assumption_can_be_set(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """A stack that is down at night costs a third of its hours."""
    totals = []
    for assumed in ([], ["--assume", "hours=240"]):
        assert main(["cost", "dev", "--json", "--from", files["dev"], *assumed]) == Exit.OK
        totals.append(Decimal(json.loads(capsys.readouterr().out)["stacks"][0]["total"]))
    assert totals[1] < totals[0] / 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dev", "--assume", "hours"], "--assume hours: write it as name=value"),
        (["dev", "--assume", "days=3"], "--assume: 'days' is no assumption; there is:"),
        (["dev", "--compare", "nowhere"], "--compare nowhere: neither a file nor among the stacks that are read: dev"),
        (["nowhere"], "stack 'nowhere' is not up; there is: dev"),
    ],
)
def test_a_mistake_is_named(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["cost", *arguments, "--from", files["dev"]]) == Exit.USAGE
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_comparison_is_of_one_stack(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--from", files["dev"], "--from", files["prod"]]
    assert main(["cost", "--compare", "dev", *arguments]) == Exit.USAGE
    assert "--compare takes one stack beside 'dev', not 2" in " ".join(capsys.readouterr().err.split())


def test_without_a_stack_there_is_nothing_to_price(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "--backend", str(tmp_path)]) == Exit.OK
    assert "No stack is up" in capsys.readouterr().out


def test_the_page_of_a_system_says_what_each_service_costs(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A drawing that shows other sums than the bill is believed until somebody adds them up."""
    assert main(["cost", "dev", "--json", "--from", files["dev"]]) == Exit.OK
    (bill,) = json.loads(capsys.readouterr().out)["stacks"]
    assert main(["diagram", "dev", "--json", "--from", files["dev"]]) == Exit.OK
    nodes = json.loads(capsys.readouterr().out)["nodes"]
    shown = {node["name"]: node["facts"]["costs"] for node in nodes if node["kind"] == "service"}
    assert shown == {
        share[
            "service"
        ]: f"{Decimal(share['total']):,.2f} USD a month, {Decimal(share['direct']):,.2f} of it for itself alone"
        for share in bill["services"]
    }
