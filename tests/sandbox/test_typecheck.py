"""The type check refuses what a dict-shaped program gets past Python."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sandbox.provider import UNKNOWN, ResourceError
from sandbox.typecheck import check_inputs, declared, fits, output_problems

SG = "aws:ec2/securityGroup:SecurityGroup"


@pytest.mark.parametrize(
    ("token", "inputs", "message"),
    [
        ("aws:ec2/vpc:Vpc", {"cidrBlok": "10.0.0.0/16"}, "cidrBlok: no such property; did you mean 'cidrBlock'?"),
        ("aws:ec2/vpc:Vpc", {"tags": {"a": 1}}, "tags.a: must be a string, not a number (1)"),
        ("aws:ec2/vpc:Vpc", {"enableDnsSupport": "yes"}, "enableDnsSupport: must be a boolean, not a string ('yes')"),
        ("aws:ec2/subnet:Subnet", {"cidrBlock": "10.0.0.0/24"}, "vpcId: required property is missing"),
        (
            SG,
            {"ingress": [{"from_prt": 1, "toPort": 1, "fromPort": 1, "protocol": "tcp"}]},
            "ingress[0].from_prt: no such property; did you mean 'fromPort'?",
        ),
        (SG, {"ingress": [{"fromPort": 1, "protocol": "tcp"}]}, "ingress[0].toPort: required property is missing"),
        (
            SG,
            {"ingress": {"fromPort": 1}},
            "ingress: must be a list, not an object ({'fromPort': 1})",
        ),
        (
            "aws:s3/bucketVersioning:BucketVersioning",
            {"bucket": "b", "versioningConfiguration": {"status": 1}},
            "versioningConfiguration.status: must be a string, not a number (1)",
        ),
        (
            "kubernetes:apps/v1:Deployment",
            {"spec": {"selector": {}, "template": {"spec": {"containrs": []}}}},
            "spec.template.spec.containrs: no such property; did you mean 'containers'? (and 1 more)",
        ),
        ("kubernetes:core/v1:ConfigMap", {"kind": "Secret"}, "kind: must be 'ConfigMap', not 'Secret'"),
        ("random:index/randomPassword:RandomPassword", {"length": 1.5}, "length: must be an integer, not a number"),
        ("tls:index/privateKey:PrivateKey", {}, "algorithm: required property is missing"),
        ("aws:ec2/vpc:Vpq", {}, "pulumi_aws has no resource type 'aws:ec2/vpc:Vpq'"),
        ("nosuch:index:Thing", {}, "the SDK of package 'nosuch' (pulumi_nosuch) is not installed"),
    ],
)
def test_refuses_with_place_and_reason(token: str, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(ResourceError) as refusal:
        check_inputs(token, inputs)
    assert str(refusal.value).startswith(message)


def test_unknown_fits_every_type_at_every_depth() -> None:
    check_inputs("aws:ec2/subnet:Subnet", {"vpcId": UNKNOWN, "tags": {"Name": UNKNOWN}, "mapPublicIpOnLaunch": UNKNOWN})


def test_whole_floats_pass_as_integers_because_the_wire_has_only_floats() -> None:
    check_inputs("random:index/randomPassword:RandomPassword", {"length": 16.0})


def test_a_wrongly_shaped_output_is_reported() -> None:
    assert [p.path for p in output_problems("aws:rds/instance:Instance", {"endpoint": {"Address": "a"}})] == [
        "endpoint"
    ]
    assert output_problems("aws:rds/instance:Instance", {"endpoint": "db:5432"}) == []


def test_always_names_outputs_a_program_may_rely_on() -> None:
    vpc = declared("aws:ec2/vpc:Vpc")
    assert "arn" in vpc.always
    assert "tags" not in vpc.always
    assert fits(["a"], vpc.outputs["ipv6CidrBlock"]) is False


def test_first_use_from_many_threads_is_safe() -> None:
    tokens = [f"kubernetes:core/v1:{kind}" for kind in ("Pod", "Service", "Secret", "Namespace", "Node")] * 8
    with ThreadPoolExecutor(8) as pool:
        assert all(found.inputs for found in pool.map(declared, tokens))
