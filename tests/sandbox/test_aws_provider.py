"""The AWS provider on an empty account: replay, replacement, previews, regions, threads, value rules."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.aws import AwsProvider
from sandbox.aws.cloud import Cloud
from sandbox.aws.provider import SEED
from sandbox.aws.rules import check as check_rules
from sandbox.provider import UNKNOWN, Desired, ResourceError, Saved
from tests.sandbox.aws_samples import IMAGE, TRUST
from tests.sandbox.aws_world import World
from wheelhouse.providers import packages

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


@pytest.fixture
def world() -> Iterator[World]:
    """An empty account."""
    Cloud.shared().reset()
    yield World(AwsProvider({"region": "us-east-1"}))
    Cloud.shared().reset()


def test_runs_of_one_command_go_on_in_one_account_only_while_it_is_what_was_saved(world: World) -> None:
    """Guards against rebuilding the account for each stack, and against going on from what no state holds."""
    account, provider = packages()["aws"], world.provider
    saved = world.make(VPC, "main", cidrBlock="10.0.0.0/16")
    account.reset([saved])
    assert provider.leftovers() == {}, "another command's account"
    provider.restore([saved])
    for same in (saved, replace(saved)):
        account.reset([same])
        assert provider.cloud.index.find(VPC, saved.id) is not None
    for other in ([], [replace(saved, outputs={**saved.outputs, "cidrBlock": "10.1.0.0/16"})]):
        provider.restore([saved])
        account.reset(other)
        assert provider.leftovers() == {}


def test_launch_template_versions_survive_a_replay(world: World) -> None:
    """Guards against a group that names version 2 of a template that came back with one."""
    world.make("aws:ec2/launchTemplate:LaunchTemplate", "mould", imageId=IMAGE, instanceType="t4g.small")
    world.change("mould", instanceType="t4g.medium")
    world.make(VPC, "main", cidrBlock="10.0.0.0/16")
    world.make(SUBNET, "a", vpcId="${main}", cidrBlock="10.0.0.0/24")
    template = {"id": "${mould}", "version": "2"}
    group = "aws:autoscaling/group:Group"
    world.make(group, "nodes", minSize=0, maxSize=1, vpcZoneIdentifiers=["${a}"], launchTemplate=template)
    saved = list(world.saved.values())
    Cloud.shared().reset()
    AwsProvider({"region": "us-east-1"}).restore(saved)


def test_a_replacement_stands_beside_what_it_replaces(world: World) -> None:
    """Guards against a new resource that takes the old one's id or automatic name."""
    world.make(VPC, "main", cidrBlock="10.0.0.0/16")
    old = world.make(GROUP, "app", vpcId="${main}", description="one")
    diff, desired = world.plan("app", vpcId="${main}", description="two")
    assert (diff.replace, diff.delete_before_replace) == (("description", "name"), False)
    made = world.provider.create(desired)
    assert made.id != old.id
    assert desired.inputs["name"] != old.inputs["name"]
    new = Saved(old.urn, GROUP, "app", made.id, desired.inputs, made.outputs)
    world.provider.delete(old)
    vpc = world.saved["main"]
    Cloud.shared().reset()
    again = AwsProvider({"region": "us-east-1"})
    again.restore([vpc, new])
    assert made.outputs[SEED] == f"{old.urn}#1"


def test_ids_do_not_depend_on_what_was_asked_before() -> None:
    """Guards against a first call in a process or region that draws from a resource's own random numbers."""
    ids = []
    for asked in (False, True):
        Cloud.shared().reset()
        abroad = World(AwsProvider({"region": "eu-west-1"}))
        if asked:
            abroad.provider.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", {})
        ids.append(abroad.make(VPC, "main", cidrBlock="10.0.0.0/16").id)
    assert ids[0] == ids[1]
    Cloud.shared().reset()


def test_automatic_names_are_stable_and_kept(world: World) -> None:
    """Guards against names that change from run to run."""
    first = world.make("aws:iam/role:Role", "node", assumeRolePolicy=TRUST)
    assert first.inputs["name"] == world.plan("node", assumeRolePolicy=TRUST)[1].inputs["name"]


def test_a_region_s_first_volume_keeps_its_id() -> None:
    """moto makes AWS's own key with the first encrypted volume: which stack is first follows their names."""
    volume = {"availabilityZone": "eu-west-1a", "size": 8, "encrypted": True}
    ids = []
    for names in (("first", "second"), ("second",)):
        Cloud.shared().reset()
        world = World(AwsProvider({"region": "eu-west-1"}))
        ids.append([world.make("aws:ebs/volume:Volume", name, **volume).id for name in names][-1])
    assert ids[0] == ids[1]
    Cloud.shared().reset()


def test_an_automatic_name_that_aws_would_not_take_is_refused(world: World) -> None:
    """A name that the sandbox cut would come up here and fail at the first deployment for real."""
    for name, fits in (("twenty-four-characters-x", True), ("twenty-four-characters-xy", False)):
        wanted = world.desired("aws:lb/targetGroup:TargetGroup", name, {"port": 80})
        if fits:
            assert len(world.provider.check(wanted, None)["name"]) == 32
            continue
        with pytest.raises(ResourceError) as refusal:
            world.provider.check(wanted, None)
        assert str(refusal.value) == (
            "name: name 'twenty-four-characters-xy-' plus 7 random chars is longer than maximum length 32"
        )
        assert refusal.value.remedy == "give the resource a shorter name, or set its name"


def test_without_a_region_the_remedy_is_named() -> None:
    provider = AwsProvider({})
    with pytest.raises(ResourceError, match="the AWS provider has no region") as refusal:
        provider.invoke("aws:index/getRegion:getRegion", {})
    assert refusal.value.remedy == "pulumi config set aws:region us-east-1"


def test_a_preview_checks_what_is_known(world: World) -> None:
    """Guards against a preview that trips over unknown values, or stops checking because of one."""
    wanted = Desired("urn:x", SUBNET, "a", {"vpcId": UNKNOWN, "cidrBlock": "10.0.1.0/24", "tags": {"Name": UNKNOWN}})
    assert world.provider.check(wanted, None)["vpcId"] is UNKNOWN
    with pytest.raises(ResourceError, match=r"cidrBlock: 10.0.1.7/24 has host bits set"):
        world.provider.check(Desired("urn:x", SUBNET, "a", {"vpcId": UNKNOWN, "cidrBlock": "10.0.1.7/24"}), None)


def test_an_unknown_value_counts_as_a_change(world: World) -> None:
    world.make(VPC, "main", cidrBlock="10.0.0.0/16")
    world.make(GROUP, "app", vpcId="${main}", description="d")
    diff, _ = world.plan("app", vpcId=UNKNOWN, description="d")
    assert diff.replace == ("name", "vpcId")


def test_regions_and_accounts_are_apart(world: World) -> None:
    """Guards against resources that land in the default region or account."""
    world.make(VPC, "main", cidrBlock="10.0.0.0/16")
    elsewhere = World(AwsProvider({"region": "eu-west-1"}))
    made = elsewhere.make(VPC, "main", cidrBlock="10.0.0.0/16")
    assert ":ec2:eu-west-1:123456789012:" in made.outputs["arn"]
    roles = json.dumps([{"roleArn": "arn:aws:iam::222222222222:role/deploy"}])
    other = World(AwsProvider({"region": "us-east-1", "assumeRoles": roles}))
    foreign = other.make("aws:ec2/vpc:Vpc", "foreign", cidrBlock="10.0.0.0/16")
    assert ":us-east-1:222222222222:" in foreign.outputs["arn"]
    assert world.provider.leftovers()["vpcs"] == 2
    assert other.provider.leftovers()["vpcs"] == 1
    saved = [*elsewhere.saved.values()]
    Cloud.shared().reset()
    AwsProvider({"region": "us-east-1"}).restore(saved)
    assert describe_vpcs("eu-west-1") == [made.id]


def describe_vpcs(region: str) -> list[str]:
    answer = Cloud.shared().call("ec2", "DescribeVpcs", {}, region, "123456789012")
    return [vpc["VpcId"] for vpc in answer["Vpcs"] if not vpc["IsDefault"]]


def test_many_threads_make_the_same_ids_as_one(world: World) -> None:
    """Guards against a seed that another thread's call draws from."""
    names = [f"role-{number}" for number in range(12)]
    alone = [world.make("aws:kms/key:Key", name, description=name).id for name in names]
    Cloud.shared().reset()
    crowd = World(AwsProvider({"region": "us-east-1"}))
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda name: crowd.make("aws:kms/key:Key", name, description=name).id, names))
    assert together == alone


def test_an_unknown_data_source_is_refused_with_the_list() -> None:
    provider = AwsProvider({"region": "us-east-1"})
    with pytest.raises(
        ResourceError, match=r"does not answer aws:ec2/getHost:getHost; it answers aws:ec2/getAmi:getAmi"
    ):
        provider.invoke("aws:ec2/getHost:getHost", {})


@given(st.ip_addresses(v=4), st.integers(8, 32))
def test_a_block_is_accepted_exactly_when_no_host_bit_is_set(address: ipaddress.IPv4Address, length: int) -> None:
    text = f"{address}/{length}"
    proper = ipaddress.ip_network(text, strict=False)
    check_rules(SUBNET, {"cidrBlock": str(proper)})
    if str(proper) != text:
        with pytest.raises(ResourceError, match="host bits set"):
            check_rules(SUBNET, {"cidrBlock": text})


@given(st.integers(-5, 70_000), st.integers(-5, 70_000))
def test_a_port_range_is_accepted_exactly_when_it_is_one(low: int, high: int) -> None:
    rule = {"ipProtocol": "tcp", "fromPort": low, "toPort": high, "cidrIpv4": "10.0.0.0/8"}
    if 0 <= low <= high <= 65535:
        check_rules(INGRESS, rule)
    else:
        with pytest.raises(ResourceError):
            check_rules(INGRESS, rule)


def test_a_public_zone_that_is_looked_up_was_there_before_and_is_there_again(world: World) -> None:
    """The sandbox's account is empty, a real one has its owner's zones: records in them must come back, and they must
    not count as left behind."""
    found = world.provider.invoke("aws:route53/getZone:getZone", {"name": "example.org", "privateZone": False})
    again = world.provider.invoke("aws:route53/getZone:getZone", {"name": "example.org", "privateZone": False})
    assert found["id"] == again["id"]
    made = world.make(
        "aws:route53/record:Record",
        "api",
        zoneId=found["id"],
        name="api.dev.example.org",
        type="A",
        ttl=60,
        records=["192.0.2.1"],
    )
    Cloud.shared().reset()
    fresh = AwsProvider({"region": "us-east-1"})
    fresh.restore([made])
    assert fresh.invoke("aws:route53/getZone:getZone", {"name": "example.org"})["id"] == found["id"]
    fresh.delete(made)
    assert fresh.leftovers() == {}
    with pytest.raises(ResourceError, match="there is no hosted zone"):
        fresh.invoke("aws:route53/getZone:getZone", {"name": "example.org", "privateZone": True})
