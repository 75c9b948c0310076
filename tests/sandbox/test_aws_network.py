"""The AWS provider on a whole network: what changes in place, what is replaced, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.aws import AwsProvider
from sandbox.aws.cloud import Cloud
from sandbox.provider import ResourceError
from tests.sandbox.aws_samples import COMPUTE, IMAGE, NETWORK, READ, SECURITY, TRUST
from tests.sandbox.aws_world import World

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


@pytest.fixture(scope="module")
def network() -> Iterator[World]:
    """A VPC with a Transit Gateway, a load balancer and machines; tests leave it as they found it."""
    Cloud.shared().reset()
    made = World(AwsProvider({"region": "us-east-1"}))
    made.make_all(NETWORK + SECURITY + COMPUTE)
    yield made
    Cloud.shared().reset()


def describe(world: World, service: str, operation: str, **params: Any) -> dict[str, Any]:
    return world.provider.cloud.call(service, operation, params, "us-east-1", "123456789012")


def test_an_update_reaches_the_account(network: World) -> None:
    """Guards against updates that only the state knows of."""
    network.change("mould", instanceType="t4g.medium")
    assert network.saved["mould"].outputs["latestVersion"] == 2
    network.change("nodes", maxSize=5, desiredCapacity=4)
    name = network.saved["nodes"].id
    group = describe(network, "autoscaling", "DescribeAutoScalingGroups", AutoScalingGroupNames=[name])
    assert (group["AutoScalingGroups"][0]["MaxSize"], group["AutoScalingGroups"][0]["DesiredCapacity"]) == (5, 4)
    network.change("main", tags={"Name": "renamed"}, enableDnsHostnames=False)
    vpc = describe(network, "ec2", "DescribeVpcs", VpcIds=[network.saved["main"].id])["Vpcs"][0]
    assert vpc["Tags"] == [{"Key": "Name", "Value": "renamed"}]
    network.change("https", fromPort=8443, toPort=8443)
    rules = describe(network, "ec2", "DescribeSecurityGroupRules", SecurityGroupRuleIds=[network.saved["https"].id])
    assert rules["SecurityGroupRules"][0]["FromPort"] == 8443
    network.change("app", ingress=[])
    group = describe(network, "ec2", "DescribeSecurityGroups", GroupIds=[network.saved["app"].id])
    assert group["SecurityGroups"][0]["IpPermissions"] == []


@pytest.mark.parametrize(
    ("name", "change", "replace", "first"),
    [
        ("main", {"cidrBlock": "10.9.0.0/16"}, ("cidrBlock",), False),
        ("main", {"enableDnsSupport": False}, (), False),
        ("neta", {"availabilityZone": "us-east-1d"}, ("availabilityZone",), False),
        ("app", {"description": "other"}, ("description",), True),
        ("flows", {"name": "/vpc/other"}, ("name",), False),
        ("flows", {"kmsKeyId": None, "logGroupClass": "INFREQUENT_ACCESS"}, ("logGroupClass",), True),
        ("out", {"destinationCidrBlock": "10.8.0.0/16"}, ("destinationCidrBlock",), False),
        ("front", {"subnetId": "${netb}"}, ("subnetId",), True),
        ("box", {"userData": "#!/bin/bash\n"}, ("userData",), False),
        ("box", {"userData": "#!/bin/bash\n", "userDataReplaceOnChange": False}, (), False),
        ("box", {"rootBlockDevice": {"volumeSize": 30, "volumeType": "gp3", "encrypted": True}}, (), False),
        ("box", {"rootBlockDevice": {"volumeSize": 20, "volumeType": "gp3"}}, ("rootBlockDevice",), False),
        ("node", {"assumeRolePolicy": json.dumps(json.loads(TRUST), indent=1)}, (), False),
        ("nlb", {"internal": False}, ("internal",), True),
        ("api", {"port": 6444}, ("port",), True),
    ],
)
def test_what_forces_a_replacement(
    network: World, name: str, change: dict[str, Any], replace: tuple[str, ...], first: bool
) -> None:
    """Guards against an in-place update of what AWS cannot change, and a replacement of what it can.

    What keeps a name of its own is deleted first: two cannot have it at once.
    """
    diff, _ = network.plan(name, **{**network.saved[name].inputs, **change})
    assert diff.replace == replace
    if replace:
        assert diff.delete_before_replace == first


def test_an_address_is_free_again_once_its_instance_is_gone(network: World) -> None:
    """Guards against machines at fixed addresses that cannot be replaced."""
    fixed = {**network.saved["box"].inputs, "privateIp": "10.0.1.77"}
    network.provider.delete(network.make("aws:ec2/instance:Instance", "first", **fixed))
    assert network.make("aws:ec2/instance:Instance", "second", **fixed).outputs["privateIp"] == "10.0.1.77"


def test_an_equal_policy_in_another_spelling_is_no_change(network: World) -> None:
    spaced = json.dumps(json.loads(READ), indent=2)
    diff, _ = network.plan("reader", **{**network.saved["reader"].inputs, "policy": spaced})
    assert diff.changed == ()


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (VPC, {"cidrBlock": "10.0.0.1/16"}, "cidrBlock: 10.0.0.1/16 has host bits set; did you mean 10.0.0.0/16?"),
    (VPC, {"cidrBlok": "10.0.0.0/16"}, "cidrBlok: no such property; did you mean 'cidrBlock'?"),
    (SUBNET, {"vpcId": "vpc-0123456789abcdef0"}, "vpcId: vpc-0123456789abcdef0 does not exist"),
    (
        GROUP,
        {"vpcId": "${main}", "name": "sg-app"},
        "name: a security group's name has up to 255 characters and does not begin with sg-",
    ),
    (
        GROUP,
        {"vpcId": "${main}", "ingress": [{"protocol": "tcp", "fromPort": 1, "toPort": 90000}]},
        "ingress[0].toPort: port 90000 is not in 0-65535",
    ),
    (
        GROUP,
        {"vpcId": "${main}", "ingress": [{"protocol": "xyz", "fromPort": 1, "toPort": 2}]},
        "ingress[0].protocol: 'xyz' is not a protocol (tcp, udp, icmp, icmpv6, -1 or a number 0-255)",
    ),
    (
        INGRESS,
        {"securityGroupId": "${app}", "ipProtocol": "tcp", "fromPort": 1, "toPort": 2},
        "cidrIpv4: exactly one source or destination is allowed, not 0 []",
    ),
    (
        "aws:ec2/route:Route",
        {"routeTableId": "${private}", "destinationCidrBlock": "10.7.0.0/16"},
        "gatewayId: a route has exactly one target, not 0",
    ),
    (
        "aws:ec2/instance:Instance",
        {"ami": IMAGE, "instanceType": "t4g.enormous"},
        "instanceType: 't4g.enormous' is not an instance type; of t4g there are: t4g.2xlarge, t4g.large, t4g.medium, "
        "t4g.micro, t4g.nano, t4g.small, t4g.xlarge",
    ),
    (
        "aws:ec2/instance:Instance",
        {"ami": IMAGE, "instanceType": "t4g.small", "iamInstanceProfile": "nobody"},
        "iamInstanceProfile: there is no aws:iam/instanceProfile:InstanceProfile 'nobody'",
    ),
    (
        "aws:ebs/volume:Volume",
        {"availabilityZone": "us-east-1a", "size": 10, "type": "gp3", "iops": 6000},
        "iops: gp3 allows 500 iops per GiB: 6000 need 12 GiB, not 10",
    ),
    (
        "aws:ebs/volume:Volume",
        {"availabilityZone": "us-east-1a", "size": 10, "type": "gp3", "throughput": 1000},
        "throughput: gp3 allows 0.25 MiB/s per iops: 1000 need 4000 iops",
    ),
    (
        "aws:lb/loadBalancer:LoadBalancer",
        {"name": "n" * 33},
        f"name: '{'n' * 33}' has 33 characters; AWS allows 32",
    ),
    (
        "aws:alb/loadBalancer:LoadBalancer",
        {"subnets": ["${neta}"]},
        "subnets: an application load balancer needs subnets in two zones at least",
    ),
    (
        "aws:lb/listener:Listener",
        {"loadBalancerArn": "${nlb}", "port": 443, "protocol": "TLS", "defaultActions": [{"type": "forward"}]},
        "certificateArn: a TLS listener needs a certificate",
    ),
    (
        "aws:lb/listener:Listener",
        {
            "loadBalancerArn": "${nlb}",
            "port": 6443,
            "protocol": "TCP",
            "defaultActions": [{"type": "forward", "targetGroupArn": "${api}"}],
        },
        "port: the load balancer listens on 6443 already",
    ),
    ("aws:iam/role:Role", {"assumeRolePolicy": "allow"}, "assumeRolePolicy: is not JSON"),
    (
        "aws:iam/policy:Policy",
        {"policy": READ.replace("Allow", "Permit")},
        "policy.Statement[0]: Effect must be Allow or Deny, not 'Permit'",
    ),
    (
        "aws:iam/policy:Policy",
        {"policy": READ.replace("2012-10-17", "2024-01-01")},
        "policy: policy version '2024-01-01' is not 2012-10-17 or 2008-10-17",
    ),
    (
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        {"role": "${node}", "policyArn": "arn:aws:iam::aws:policy/NoSuchPolicy"},
        "AttachRolePolicy: Policy arn:aws:iam::aws:policy/NoSuchPolicy does not exist or is not attachable.",
    ),
    (
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        {"role": "nobody", "policyArn": "${reader}"},
        "role: there is no aws:iam/role:Role 'nobody'",
    ),
    (
        "aws:cloudwatch/logGroup:LogGroup",
        {"retentionInDays": 31},
        "retentionInDays: 31 is not one of 0, 1, 3, 5, 7, 14, 30",
    ),
    ("aws:kms/key:Key", {"deletionWindowInDays": 3}, "deletionWindowInDays: 3 is not in 7-30"),
    ("aws:s3/bucket:Bucket", {"bucket": "Bad_Name"}, "bucket: 'Bad_Name' is not allowed: 3-63 lower-case letters"),
    (
        "aws:s3/bucketVersioning:BucketVersioning",
        {"bucket": "nowhere", "versioningConfiguration": {"status": "Enabled"}},
        "bucket: there is no aws:s3/bucket:Bucket 'nowhere'",
    ),
    (
        "aws:autoscaling/group:Group",
        {"minSize": 4, "maxSize": 3, "launchTemplate": {"id": "${mould}"}},
        "minSize: 4 is more than maxSize 3",
    ),
    (
        "aws:ec2transitgateway/vpcAttachment:VpcAttachment",
        {"transitGatewayId": "${hub}", "vpcId": "${peer}", "subnetIds": ["${neta}"]},
        "subnetIds: subnet-",
    ),
    (
        "aws:ec2/volumeAttachment:VolumeAttachment",
        {"deviceName": "/dev/sdg", "instanceId": "${box}", "volumeId": "${disk}"},
        "volumeId: vol-",
    ),
    (
        "aws:ec2/internetGateway:InternetGateway",
        {"vpcId": "${main}"},
        "vpcId: vpc-",
    ),
    (
        "aws:s3/bucket:Bucket",
        {"website": {"indexDocument": "index.html"}},
        "website: the sandbox does not carry this property",
    ),
    (
        "aws:workmail/organization:Organization",
        {},
        "the sandbox does not have aws:workmail/organization:Organization",
    ),
]


@pytest.mark.parametrize(("type_", "inputs", "message"), REFUSED, ids=[f"{row[0]}-{row[2][:30]}" for row in REFUSED])
def test_refused_as_aws_would(network: World, type_: str, inputs: dict[str, Any], message: str) -> None:
    """Guards against inputs that moto takes and AWS refuses. A refused create leaves nothing behind."""
    before = network.provider.leftovers()
    with pytest.raises(ResourceError) as refusal:
        network.make(type_, "bad", **inputs)
    assert str(refusal.value).startswith(message)
    assert network.provider.leftovers() == before


def test_a_rule_that_exists_already_is_refused(network: World) -> None:
    old = network.saved["https"]
    with pytest.raises(ResourceError, match=rf"the same rule exists already as 'https' \({old.id}\)"):
        network.make(INGRESS, "twin", **{**old.inputs, "description": "again"})


@pytest.mark.parametrize(
    ("name", "user"),
    [
        ("main", "neta"),
        ("netb", "strict"),
        ("edge", "anywhere"),
        ("address", "nat"),
        ("hub", "spoke"),
        ("spoke", "spoke-table"),
        ("key", "data"),
        ("disk", "box-disk"),
        ("mould", "nodes"),
        ("api", "api-6443"),
        ("node", "inline"),
        ("profile", "box"),
        ("flows", "flow"),
    ],
)
def test_what_is_in_use_cannot_be_deleted(network: World, name: str, user: str) -> None:
    """Guards against deletions that moto allows and AWS refuses (DependencyViolation)."""
    with pytest.raises(ResourceError) as refusal:
        network.provider.delete(network.saved[name])
    assert f"{name!r} ({network.saved[name].id}) is still used by" in str(refusal.value)
    assert f"{user!r}" in str(refusal.value)


def test_a_resource_that_exists_can_be_looked_up(network: World) -> None:
    """Guards against ``Resource.get`` that answers something empty."""
    made = network.saved["main"]
    assert network.provider.read(VPC, made.id, {}).outputs["cidrBlock"] == "10.0.0.0/16"
    with pytest.raises(ResourceError, match="vpc-0123456789abcdef0"):
        network.provider.read(VPC, "vpc-0123456789abcdef0", {})


@pytest.mark.parametrize(
    ("token", "args", "key", "value"),
    [
        ("aws:index/getCallerIdentity:getCallerIdentity", {}, "accountId", "123456789012"),
        ("aws:index/getRegion:getRegion", {}, "name", "us-east-1"),
        ("aws:index/getPartition:getPartition", {}, "partition", "aws"),
        (
            "aws:index/getAvailabilityZones:getAvailabilityZones",
            {"state": "available", "excludeNames": ["us-east-1e"]},
            "names",
            ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1f"],
        ),
        ("aws:ec2/getPrefixList:getPrefixList", {"name": "com.amazonaws.us-east-1.s3"}, "id", "pl-63a5400a"),
        (
            "aws:ec2/getManagedPrefixList:getManagedPrefixList",
            {"name": "com.amazonaws.us-east-1.s3"},
            "addressFamily",
            "IPv4",
        ),
        ("aws:elb/getServiceAccount:getServiceAccount", {}, "id", "127311923021"),
        ("aws:ec2/getVpc:getVpc", {"default": True}, "cidrBlock", "172.31.0.0/16"),
    ],
)
def test_data_sources(network: World, token: str, args: dict[str, Any], key: str, value: object) -> None:
    assert network.provider.invoke(token, args)[key] == value


def test_images_are_found_by_filter_and_by_public_parameter(network: World) -> None:
    """Guards against image ids that change between runs; publishers that moto lacks get a made-up, stable one."""
    amazon = {
        "owners": ["amazon"],
        "mostRecent": True,
        "filters": [{"name": "name", "values": ["al2023-ami-2023*-arm64"]}],
    }
    ubuntu = {
        "owners": ["099720109477"],
        "mostRecent": True,
        "filters": [{"name": "name", "values": ["ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-*"]}],
    }
    ask = network.provider.invoke
    for args in (amazon, ubuntu):
        image = ask("aws:ec2/getAmi:getAmi", args)
        assert image["architecture"] == "arm64"
        assert image == ask("aws:ec2/getAmi:getAmi", args)
    for name in (
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
        "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id",
        "/aws/service/bottlerocket/aws-k8s-1.33/arm64/latest/image_id",
        "/aws/service/eks/optimized-ami/1.33/amazon-linux-2023/x86_64/standard/recommended/image_id",
    ):
        assert ask("aws:ssm/getParameter:getParameter", {"name": name})["value"].startswith("ami-")
    with pytest.raises(ResourceError, match="there is no parameter '/aws/service/nonsense'"):
        ask("aws:ssm/getParameter:getParameter", {"name": "/aws/service/nonsense"})


def test_policy_documents(network: World) -> None:
    statement = {
        "sid": "A",
        "actions": ["s3:GetObject"],
        "resources": ["*"],
        "principals": [{"type": "AWS", "identifiers": ["*"]}],
        "conditions": [{"test": "StringEquals", "variable": "aws:SourceVpc", "values": ["vpc-1"]}],
    }
    answer = network.provider.invoke("aws:iam/getPolicyDocument:getPolicyDocument", {"statements": [statement]})
    assert json.loads(answer["json"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "A",
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": "*",
                "Principal": {"AWS": "*"},
                "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}},
            }
        ],
    }
