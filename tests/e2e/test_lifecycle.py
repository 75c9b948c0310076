"""A stack's life: up, up again, a change, destroy; each says and does exactly what it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.aws import AwsProvider
from sandbox.aws.cloud import Cloud
from sandbox.events import Result
from tests.e2e.bench import Bench, changed, copy_project, label

SERVICES = (
    "api-gateway",
    "frontend",
    "notification-service",
    "progress-service",
    "schedule-service",
    "training-service",
    "user-service",
)


def left_in_the_account() -> dict[str, int]:
    """What lives in the simulated account after the last run of this process."""
    return AwsProvider({"region": "eu-west-1"}).leftovers()


@pytest.mark.parametrize("stack", ["hub", "dev"])
def test_a_second_up_changes_nothing(own: Bench, stack: str) -> None:
    """A value that differs from run to run (a time, an unstable order) would update or replace at every run."""
    before = own.export(stack)
    result = own.good("up", stack)
    assert changed(result.steps) == {}
    assert set(result.counts) <= {"same", "read"}
    assert result.output_changes == ()
    assert own.export(stack) == before


@pytest.mark.parametrize("stack", ["hub", "dev"])
def test_preview_of_what_is_up_says_no_change(platform: Bench, stack: str) -> None:
    """Something unknown at preview only would announce a change that never comes."""
    result = platform.good("preview", stack)
    assert changed(result.steps) == {}
    assert not result.changed
    assert result.output_changes == ()


def test_a_new_image_of_one_service_updates_its_deployment_only(release: Result) -> None:
    """A release of one service must not touch, let alone restart, another."""
    updated = [step for step in release.steps if step.op == "update"]
    assert {label(urn): op for urn, op in changed(release.steps).items()} == {
        "kubernetes:apps/v1:Deployment::fitsync/user-service": "update"
    }
    assert [(change.path, change.new) for change in updated[0].changes] == [
        ("spec.template.spec.containers[0].image", "fitsync/user-service:1.0.1")
    ]


def followers(*services: str) -> dict[str, str]:
    """What follows from a second replica of these services."""
    return {
        "kubernetes:core/v1:ResourceQuota::fitsync/fitsync-quota": "update",
        **{f"kubernetes:apps/v1:Deployment::fitsync/{service}": "update" for service in services},
        **{f"kubernetes:policy/v1:PodDisruptionBudget::fitsync/{service}": "create" for service in services},
    }


def test_more_replicas_in_an_environment_change_what_follows_from_them_and_nothing_else(platform: Bench) -> None:
    """A number of replicas reaches each Deployment, its disruption budget and the namespace's quota; it must not touch
    the network, the databases or anybody's policies."""
    result = platform.good("preview", "dev", {"environments": json.dumps({"dev": {"replicas": 2}})})
    assert {label(urn): op for urn, op in changed(result.steps).items()} == followers(*SERVICES)


def test_more_replicas_of_one_service_leave_the_others_alone(own: Bench, tmp_path: Path) -> None:
    """One line of the declaration must be all it takes, and all that changes."""
    project = copy_project(tmp_path / "project")
    declaration = project / "systems" / "fitsync.py"
    text = declaration.read_text()
    name = 'name="training-service",'
    assert text.count(name) == 1
    declaration.write_text(text.replace(name, f'{name} replicas={{"dev": 2}},'))
    command = own.command("up", "dev", "--json", project=project)
    printed, errors = command.communicate()
    assert (command.returncode, errors) == (0, "")
    (document,) = json.loads(printed)["stacks"]
    found = {label(step["urn"]): step["op"] for step in document["steps"] if step["op"] not in ("same", "read")}
    assert found == followers("training-service")


def test_destroy_leaves_nothing_behind(own: Bench) -> None:
    """What is forgotten in the account costs money by the hour."""
    Cloud.shared().reset()  # of what others have left in this process
    own.good("destroy", "dev")
    assert left_in_the_account()["vpcs"] == 1, "the hub's VPC must still be there, or this test sees nothing"
    own.good("destroy", "hub")
    assert left_in_the_account() == {}
    assert own.resources("dev") == own.resources("hub") == []


def test_destroy_of_protected_resources_is_refused_and_deletes_nothing(prod: Bench) -> None:
    """One wrong `destroy` must not take a production system's databases and backups."""
    protected = {resource.urn for resource in prod.resources("prod") if resource.protect}
    before = prod.export("prod")
    result = prod.run("destroy", "prod")
    assert not result.succeeded
    (message,) = result.errors
    assert message.startswith("nothing was deleted, because these resources are protected: ")
    assert {urn for urn in protected if f"({urn})" in message} == protected
    assert result.steps == ()
    assert prod.export("prod") == before


def test_prod_protects_its_data_and_dev_nothing(prod: Bench, platform: Bench) -> None:
    """A volume of a database or the bucket of the backups without protection; a protected resource in an environment
    that is made and thrown away at will."""
    types = ("aws:ebs/volume:Volume", "aws:s3/bucket:Bucket")
    resources = prod.resources("prod")
    data = {resource.urn for resource in resources if resource.type in types}
    assert data
    assert data <= {resource.urn for resource in resources if resource.protect}
    assert not [resource.urn for resource in platform.resources("dev") if resource.protect]
