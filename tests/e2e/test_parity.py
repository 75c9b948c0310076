"""One program, two engines: under the Pulumi CLI it registers what it registers in the sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.state import Resource
from sandbox.values import plain
from tests.e2e.bench import Bench
from tests.e2e.leaks import PASSWORD, generated, places
from tests.e2e.parity import Registered, differences
from tests.e2e.pulumi_cli import PulumiCli, needs_cli


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> PulumiCli:
    """hub and dev, up, by the CLI."""
    found = PulumiCli.prepare(tmp_path_factory.mktemp("cli"))
    for stack in ("hub", "dev"):
        found.create(stack)
        found.up(stack)
    return found


@pytest.fixture(scope="module")
def exported(cli: PulumiCli) -> Bench:
    """The CLI's stacks, read by the sandbox."""
    return cli.exported("hub", "dev")


@pytest.fixture(scope="module")
def twin(cli: PulumiCli, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """hub and dev, up in the sandbox, of the very files that the CLI ran."""
    bench = Bench(tmp_path_factory.mktemp("twin"))
    for stack in ("hub", "dev"):
        process = bench.command("up", stack, project=cli.project)
        printed = process.communicate()
        assert process.returncode == 0, printed
    return bench


@needs_cli
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_preview_of_dev_before_the_hub_says_to_bring_it_up(tmp_path: Path) -> None:
    """A stack that is made but not up answers no outputs: without a word of ours, the error would be about None."""
    cli = PulumiCli.prepare(tmp_path / "cli")
    cli.create("dev")
    ran = cli.run("preview", "--stack", "dev")
    assert ran.returncode != 0
    assert 'unknown stack "organization/wheelhouse/hub"' in ran.stdout
    cli.create("hub")
    ran = cli.run("preview", "--stack", "dev")
    assert ran.returncode != 0
    assert "stack 'hub' has no output '" in ran.stdout
    assert "bring it up first with 'pulumi up --stack hub'" in ran.stdout
    assert "Traceback" not in ran.stdout


@needs_cli
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("stack", ["hub", "dev"])
def test_both_engines_register_the_same(exported: Bench, twin: Bench, stack: str) -> None:
    """What is reviewed and tested in the sandbox would not be what is deployed."""
    ours, theirs = (Registered(bench.resources(stack)) for bench in (twin, exported))
    assert differences(ours, theirs) == []
    assert ours.outputs() == theirs.outputs()


@needs_cli
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("stack", ["hub", "dev"])
def test_a_second_up_by_the_cli_changes_nothing(cli: PulumiCli, stack: str) -> None:
    """Every run would replace, or restart, something."""
    assert "unchanged" in cli.up(stack, "--expect-no-changes")


@needs_cli
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_clis_export_holds_no_generated_secret_in_the_clear(exported: Bench) -> None:
    """An export is what people mail to each other."""
    secrets = generated(exported.resources("dev"))
    assert secrets
    document = exported.export("dev")
    for raw in document["deployment"]["resources"]:
        if raw["type"] == PASSWORD:
            # A provider that repeats the password is at fault itself: the published one answers "none" as the id, and
            # no output but the inputs and these two.
            del raw["id"]
            raw["outputs"] = {name: raw["outputs"][name] for name in ("result", "bcryptHash") if name in raw["outputs"]}
    assert places(json.dumps(document), secrets) == []


@pytest.fixture(scope="module")
def itself(platform: Bench) -> Registered:
    """dev, up in the sandbox."""
    return Registered(platform.resources("dev"))


def _inputs(key: str, change: Callable[[Any], Any]) -> Callable[[Resource], Resource]:
    return lambda found: replace(found, inputs={**found.inputs, key: change(found.inputs[key])})


@pytest.mark.parametrize(
    ("type_", "change", "fact"),
    [
        ("aws:ec2/subnet:Subnet", _inputs("cidrBlock", lambda _: "10.9.0.0/24"), "inputs.cidrBlock"),
        ("aws:ec2/subnet:Subnet", _inputs("vpcId", lambda _: "vpc-00000000000000000"), "inputs.vpcId"),
        ("aws:ec2/instance:Instance", _inputs("userData", lambda text: f"{text}\n# more"), "inputs.userData"),
        ("kubernetes:core/v1:Secret", _inputs("stringData", plain), "inputs.stringData"),
        ("kubernetes:apps/v1:Deployment", lambda found: replace(found, parent=""), "parent"),
        ("aws:ebs/volume:Volume", lambda found: replace(found, protect=True), "protect"),
        (PASSWORD, lambda found: replace(found, urn=f"{found.urn}-2"), "only in the one"),
    ],
)
def test_the_comparison_sees_a_difference(
    platform: Bench, itself: Registered, type_: str, change: Callable[[Resource], Resource], fact: str
) -> None:
    """A comparison that masks too much proves nothing."""
    resources = platform.resources("dev")
    index = next(index for index, found in enumerate(resources) if found.type == type_)
    altered = [*resources[:index], change(resources[index]), *resources[index + 1 :]]
    found = differences(itself, Registered(altered))
    assert fact in found[0]


def test_the_comparison_sees_none_where_there_is_none(platform: Bench, itself: Registered) -> None:
    """One that always differs proves nothing either."""
    assert differences(itself, Registered(platform.resources("dev"))) == []
