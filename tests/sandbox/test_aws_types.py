"""Every type of the AWS table: made, replayed in an empty account, deleted."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from sandbox import typecheck
from sandbox.aws import AwsProvider
from sandbox.aws.cloud import Cloud
from sandbox.aws.provider import SEED
from sandbox.aws.types import TABLE
from sandbox.provider import Desired, Diff, Saved
from tests.sandbox.aws_samples import SAMPLES
from tests.sandbox.aws_world import World

REGION = {"region": "us-east-1", "defaultTags": '{"tags": {"Project": "wheelhouse"}}'}
IDENTITY = frozenset({"arn", "secretArn", "dnsName", "zoneId", "endpoint", "url", "ownerId"})


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    Cloud.shared().reset()
    made = World(AwsProvider(REGION))
    made.make_all(SAMPLES)
    yield made
    Cloud.shared().reset()


def test_every_type_of_the_table_has_a_sample() -> None:
    """Guards against a row that nobody ever ran. A row that serves two tokens is run by one of them."""
    run = {id(TABLE[type_]) for type_, _, _ in SAMPLES}
    assert [type_ for type_, row in TABLE.items() if id(row) not in run] == []


def test_identities_that_the_sdk_promises_are_answered(world: World) -> None:
    """Guards against an ARN or a DNS name that a program gets as None, or empty."""
    missing = [
        f"{saved.type}.{name}"
        for saved in world.saved.values()
        for name in typecheck.declared(saved.type).always
        if name in IDENTITY and not saved.outputs.get(name)
    ]
    assert sorted(set(missing)) == []


def test_nothing_changes_when_the_same_program_runs_again(world: World) -> None:
    """Guards against a perpetual diff."""
    changes = {}
    for saved in list(world.saved.values()):
        wanted = Desired(saved.urn, saved.type, saved.name, saved.inputs)
        checked = world.provider.check(wanted, saved)
        diff = world.provider.diff(saved, Desired(saved.urn, saved.type, saved.name, checked))
        if diff.changed or diff.replace:
            changes[saved.name] = diff
    assert changes == {}


def test_default_tags_reach_the_resource_and_its_outputs(world: World) -> None:
    main = world.saved["main"]
    assert main.outputs["tagsAll"] == {"Project": "wheelhouse", "Name": "main"}
    described = world.provider.cloud.call("ec2", "DescribeVpcs", {"VpcIds": [main.id]}, "us-east-1", "123456789012")
    assert {"Key": "Project", "Value": "wheelhouse"} in described["Vpcs"][0]["Tags"]


def test_changed_default_tags_are_a_change(world: World) -> None:
    """Guards against tags that stay old when only the provider's configuration changed."""
    main = world.saved["main"]
    other = AwsProvider({"region": "us-east-1", "defaultTags": '{"tags": {"Project": "other"}}'})
    assert other.diff(main, Desired(main.urn, main.type, main.name, main.inputs)) == Diff(("tagsAll",))


def test_tags_change_in_place_wherever_a_type_has_them(world: World) -> None:
    """Guards against a tagging operation that names the resource by the wrong identity."""
    tagged = [saved for saved in world.saved.values() if "tagsAll" in saved.outputs]
    for saved in tagged:
        world.change(saved.name, tags={**saved.inputs.get("tags", {}), "Owner": "platform"})
    assert {world.saved[saved.name].outputs["tagsAll"].get("Owner") for saved in tagged} == {"platform"}


def test_a_replay_in_an_empty_account_gives_the_same_ids(world: World) -> None:
    """Guards against ids that drift between processes. Order does not matter: what is not there yet is waited for."""
    saved = list(world.saved.values())
    random.Random(7).shuffle(saved)
    Cloud.shared().reset()
    assert world.provider.leftovers() == {}
    again = AwsProvider(REGION)
    again.restore(saved)
    index = again.cloud.index
    assert all(index.find(item.type, item.id) is not None for item in saved)


def test_deleting_everything_leaves_nothing(world: World) -> None:
    """Guards against a destroy that forgets something. Runs last: it ends the world."""
    world.destroy()
    assert world.provider.leftovers() == {}


def test_an_id_that_drifts_is_refused_by_name() -> None:
    """Guards against references that silently point at nothing after a replay."""
    Cloud.shared().reset()
    lone = World(AwsProvider(REGION))
    made = lone.make("aws:ec2/vpc:Vpc", "lone", cidrBlock="10.0.0.0/16")
    Cloud.shared().reset()
    moved = Saved(made.urn, made.type, made.name, made.id, made.inputs, {**made.outputs, SEED: "another seed"})
    with pytest.raises(Exception, match=rf"aws:ec2/vpc:Vpc 'lone' came back as vpc-\w+, not as {made.id}"):
        lone.provider.restore([moved])
    Cloud.shared().reset()
