"""What exists without any resource of ours: AWS's own things, and what is left in the account."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import jmespath

from sandbox.aws import standing
from sandbox.aws.cloud import Cloud
from sandbox.provider import ResourceError

_LOOKUP: Final[Mapping[str, tuple[str, str]]] = {
    "vpc": ("DescribeVpcs", "VpcIds"),
    "subnet": ("DescribeSubnets", "SubnetIds"),
    "sg": ("DescribeSecurityGroups", "GroupIds"),
    "rtb": ("DescribeRouteTables", "RouteTableIds"),
    "acl": ("DescribeNetworkAcls", "NetworkAclIds"),
    "igw": ("DescribeInternetGateways", "InternetGatewayIds"),
    "i": ("DescribeInstances", "InstanceIds"),
    "eni": ("DescribeNetworkInterfaces", "NetworkInterfaceIds"),
}
"""Ids that AWS makes by itself: the default VPC's parts, an Auto Scaling group's instances, endpoints' interfaces."""

_GIVEN: Final[Mapping[str, frozenset[str]]] = {
    "aws:cloudwatch/eventBus:EventBus": frozenset({"default"}),
    "aws:rds/parameterGroup:ParameterGroup": frozenset(),
}

LIVE: Final[Mapping[str, tuple[str, str, str]]] = {
    "vpcs": ("ec2", "DescribeVpcs", "Vpcs[?!IsDefault]"),
    "subnets": ("ec2", "DescribeSubnets", "Subnets[?!DefaultForAz]"),
    "security groups": ("ec2", "DescribeSecurityGroups", "SecurityGroups[?GroupName!='default']"),
    "internet gateways": ("ec2", "DescribeInternetGateways", "InternetGateways"),
    "NAT gateways": ("ec2", "DescribeNatGateways", "NatGateways[?State!='deleted']"),
    "elastic IPs": ("ec2", "DescribeAddresses", "Addresses"),
    "VPC endpoints": ("ec2", "DescribeVpcEndpoints", "VpcEndpoints[?State!='deleted']"),
    "instances": ("ec2", "DescribeInstances", "Reservations[].Instances[?State.Name!='terminated'][]"),
    "launch templates": ("ec2", "DescribeLaunchTemplates", "LaunchTemplates"),
    "volumes": ("ec2", "DescribeVolumes", "Volumes"),
    "transit gateways": ("ec2", "DescribeTransitGateways", "TransitGateways[?State!='deleted']"),
    "transit gateway attachments": (
        "ec2",
        "DescribeTransitGatewayVpcAttachments",
        "TransitGatewayVpcAttachments[?State!='deleted']",
    ),
    "VPN connections": ("ec2", "DescribeVpnConnections", "VpnConnections[?State!='deleted']"),
    "load balancers": ("elbv2", "DescribeLoadBalancers", "LoadBalancers"),
    "target groups": ("elbv2", "DescribeTargetGroups", "TargetGroups"),
    "auto scaling groups": ("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroups"),
    "roles": ("iam", "ListRoles", "Roles"),
    "policies": ("iam", "ListPolicies", "Policies[?!starts_with(Arn,'arn:aws:iam::aws:')]"),
    "instance profiles": ("iam", "ListInstanceProfiles", "InstanceProfiles"),
    "buckets": ("s3", "ListBuckets", "Buckets"),
    "hosted zones": ("route53", "ListHostedZones", f"HostedZones[?Config.Comment!='{standing.COMMENT}']"),
    "secrets": ("secretsmanager", "ListSecrets", "SecretList"),
    "log groups": ("logs", "DescribeLogGroups", "logGroups"),
    "alarms": ("cloudwatch", "DescribeAlarms", "MetricAlarms"),
    "queues": ("sqs", "ListQueues", "QueueUrls"),
    "topics": ("sns", "ListTopics", "Topics"),
    "databases": ("rds", "DescribeDBInstances", "DBInstances"),
    "clusters": ("eks", "ListClusters", "clusters"),
    "repositories": ("ecr", "DescribeRepositories", "repositories"),
    "functions": ("lambda", "ListFunctions", "Functions"),
}
"""Kind to where moto lists it: service, operation, JMESPath of what counts."""


def given(type_: str, name: str) -> bool:
    """Whether AWS itself provides a named thing of a type (the default event bus, default parameter groups)."""
    return name in _GIVEN.get(type_, frozenset()) or name.startswith("default.")


def exists(cloud: Cloud, ref: str, region: str, account: str) -> bool:
    """Whether AWS made an id by itself."""
    match = re.match(r"^([a-z]+)-[0-9a-f]+$", ref)
    lookup = _LOOKUP.get(match.group(1)) if match and region else None
    if lookup is None:
        return False
    try:
        answer = cloud.call("ec2", lookup[0], {lookup[1]: [ref]}, region, account)
    except ResourceError:
        return False
    return any(value for key, value in answer.items() if isinstance(value, list) and key != "ResponseMetadata")


def leftovers(cloud: Cloud, account: str) -> dict[str, int]:
    """What is live in moto, in every region that was used, and in the index.

    A service that was never called has nothing, except machines: other services make them, too.
    """
    used = [(service, region) for service, region, owner in cloud.used() if owner == account]
    regions = sorted({region for _, region in used}) or ["us-east-1"]
    services = {"ec2"} | {service for service, _ in used}
    found: dict[str, int] = {}
    for kind, (service, operation, path) in LIVE.items():
        if service not in services:
            continue
        everywhere = regions if service not in ("iam", "route53", "s3") else regions[:1]
        count = 0
        for region in everywhere:
            count += len(jmespath.search(path, cloud.call(service, operation, {}, region, account)) or [])
        if count:
            found[kind] = count
    recorded = sum(live.account == account for live in cloud.index)
    if recorded:
        found["resources in the index"] = recorded
    return found
