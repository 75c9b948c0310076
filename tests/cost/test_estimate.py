"""A whole bill: what is priced, free or unknown, where it belongs, and how two bills compare."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from cost import assumptions
from cost.compare import Comparison
from cost.document import comparison, document
from cost.errors import CostError
from cost.estimate import Estimate
from cost.resources import Stack
from tests.cost.exported import bill, component, export, flat, resource, urn

SECRET = "aws:secretsmanager/secret:Secret"
INSTANCE = "aws:ec2/instance:Instance"
PLAN = {"nat.gb": "0", "nat.internet_gb": "0", "secrets.requests": "0", "cloudfront.requests": "0"}
"""Usage that the plans below leave out."""


def nodes(size: int, instance: str, **more: str) -> Mapping[str, Any]:
    inputs = {"scalingConfig": {"desiredSize": size}, "instanceTypes": [instance], **more}
    return resource("aws:eks/nodeGroup:NodeGroup", "nodes", inputs)


def database(instance: str, *, standby: bool) -> Mapping[str, Any]:
    inputs = {"engine": "postgres", "instanceClass": instance, "allocatedStorage": 20, "multiAz": standby}
    return resource("aws:rds/instance:Instance", "database", inputs)


def platform(nats: int) -> list[Mapping[str, Any]]:
    gateways = [resource("aws:ec2/natGateway:NatGateway", f"nat-{number}", {}) for number in range(nats)]
    secrets = [resource(SECRET, f"secret-{number}", {}) for number in range(5)]
    return [
        *gateways,
        *secrets,
        resource("aws:eks/cluster:Cluster", "cluster", {}),
        resource("aws:apigateway/restApi:RestApi", "api", {}),
        resource("aws:ecr/repository:Repository", "images", {}),
        resource("aws:cloudwatch/logGroup:LogGroup", "logs", {"retentionInDays": 7}),
    ]


@pytest.mark.parametrize(
    ("resources", "usage", "planned"),
    [
        # 73 control plane, 20 two t3.medium on spot, 15 db.t3.micro, 32 NAT, 3.50 API, 1 images, 2 secrets, 2.50 logs
        (
            [*platform(1), nodes(2, "t3.medium", capacityType="SPOT"), database("db.t3.micro", standby=False)],
            {"ecr.gb": "10", "logs.gb": "5"},
            149,
        ),
        # 73, 240 four t3.large, 350 db.r6g.large with a standby, 96 three NATs, 35, 8.50 site, 22 balancer, 5, 2, 25
        (
            [
                *platform(3),
                nodes(4, "t3.large"),
                database("db.r6g.large", standby=True),
                resource("aws:cloudfront/distribution:Distribution", "site", {}),
                resource("aws:lb/loadBalancer:LoadBalancer", "balancer", {"internal": True}),
            ],
            {"ecr.gb": "50", "logs.gb": "50", "api.requests": "10000000"},
            857,
        ),
    ],
)
def test_a_platform_costs_what_its_architects_worked_out(
    resources: list[Mapping[str, Any]], usage: Mapping[str, str], planned: int
) -> None:
    """Two plans in round figures of us-east-1: a unit or a count that is wrong would be off by far more than 5 %."""
    found = bill(resources, usage=assumptions.load("dev", {**PLAN, **usage}))
    assert not found.gaps
    assert abs(found.total / planned - 1) < Decimal("0.05")


def test_the_total_is_the_sum_of_components_resources_and_charges() -> None:
    """Each amount is rounded once; rounded again at every level, the levels would not agree."""
    found = bill([*platform(2), component("shop:x:Part", "part")])
    stated = document(found)
    assert stated["total"] == str(found.total)
    assert sum(Decimal(part["total"]) for part in stated["components"]) == found.total
    charges = [charge for part in stated["components"] for item in part["resources"] for charge in item["charges"]]
    assert sum(Decimal(charge["amount"]) for charge in charges) == found.total
    assert sum(found.by_price.values()) == found.total
    for charge in charges:
        exact = Decimal(charge["quantity"]) * Decimal(charge["usd"])
        assert abs(exact - Decimal(charge["amount"])) <= Decimal("0.005")


def test_a_resource_belongs_to_the_component_that_made_it() -> None:
    """To the nearest one; what stands alone, to the stack."""
    inner = urn("dev", "shop:x:Inner", "inner")
    found = bill(
        [
            component("shop:x:Outer", "outer"),
            component("shop:x:Inner", "inner", urn("dev", "shop:x:Outer", "outer")),
            resource("aws:kms/key:Key", "key", {}, inner),
            resource(SECRET, "secret", {}, urn("dev", "shop:x:Outer", "outer")),
            resource("aws:ec2/eip:Eip", "address", {}),
        ]
    )
    assert found.components == {"dev": Decimal("3.65"), "inner": Decimal("1.06"), "outer": Decimal("0.45")}


def test_what_is_unknown_is_named_and_not_taken_for_free() -> None:
    found = bill(
        [
            resource("aws:mq/broker:Broker", "broker", {}),
            resource(INSTANCE, "machine", {"instanceType": "x9.huge"}),
            resource("aws:ec2/subnet:Subnet", "subnet", {}),
        ]
    )
    assert [(gap.resource.name, gap.reason) for gap in found.gaps] == [
        ("broker", "there is no price rule for its type, and it is not known to be free"),
        ("machine", "no price 'ec2.x9.huge' for us-east-1"),
    ]
    assert found.free["aws:ec2/subnet:Subnet"] == 1
    assert document(found)["complete"] is False


def test_a_resource_about_to_be_deleted_costs_nothing() -> None:
    """The old half of a replacement that was cut short is still in the state."""
    document = export([resource(SECRET, "secret", {}), {**resource(SECRET, "secret", {}), "delete": True}])
    assert len(Stack(document).of(SECRET)) == 1


def elsewhere(region: str) -> list[Mapping[str, Any]]:
    """A bucket made by a provider of another region."""
    provider = resource("pulumi:providers:aws", "elsewhere", {"region": region})
    copy = {
        **resource("aws:s3/bucket:Bucket", "copy", {"arn": "arn:aws:s3:::copy"}),
        "provider": f"{provider['urn']}::id",
    }
    return [provider, copy]


def test_each_resource_has_the_prices_of_its_own_region() -> None:
    """Three addresses at home say where the stack is. A log group: 5 GB * 0.50, or in eu-west-1 5 GB * 0.57."""
    logs = {"retentionInDays": 7}
    home = [resource("aws:ec2/eip:Eip", f"address-{number}", {"region": "us-east-1"}) for number in range(3)]
    found = bill(
        [
            *home,
            resource("aws:cloudwatch/logGroup:LogGroup", "here", logs),
            resource("aws:cloudwatch/logGroup:LogGroup", "there", {**logs, "region": "eu-west-1"}),
        ]
    )
    assert found.prices.region == "us-east-1"
    assert [item.total for item in found.items[3:]] == [Decimal("2.51"), Decimal("2.86")]


def test_a_copy_in_another_region_costs_its_way_there() -> None:
    """20 * 0.005 for the requests, 5 GB * 0.02 for the way; within the region the requests alone."""
    home = [resource("aws:ec2/eip:Eip", f"address-{number}", {"region": "us-east-1"}) for number in range(3)]
    rules = [{"destination": {"bucket": "arn:aws:s3:::copy"}}]
    replication = resource("aws:s3/bucketReplicationConfig:BucketReplicationConfig", "replication", {"rules": rules})
    costs = {}
    for region in ("us-east-1", "eu-west-1"):
        found = bill([*home, replication, *elsewhere(region)])
        costs[region] = [item.total for item in found.items if item.resource.name == "replication"]
    assert costs == {"us-east-1": [Decimal("0.10")], "eu-west-1": [Decimal("0.20")]}


def test_what_is_in_a_region_without_prices_is_not_priced() -> None:
    found = bill([resource("aws:ec2/eip:Eip", "address", {"region": "us-east-1"}), *elsewhere("sa-east-1")])
    assert [gap.resource.name for gap in found.gaps] == ["copy"]
    assert found.gaps[0].reason.startswith("there are no prices for region 'sa-east-1'")


def test_a_stack_of_no_region_is_refused() -> None:
    """It has nothing that could be priced, which is not the same as costing nothing."""
    document = export([])
    del document["deployment"]["resources"][1]
    with pytest.raises(CostError, match="none of its resources says in which AWS region it is"):
        assert Stack(document).region


def machines(stack: str, *sizes: str) -> Estimate:
    """A stack with machines, each in a component named after the stack."""
    resources = []
    for number, size in enumerate(sizes):
        name = f"shop-{stack}-machine-{number}"
        resources += [
            component("shop:x:Machine", name, stack=stack),
            resource(INSTANCE, name, {"instanceType": size}, urn(stack, "shop:x:Machine", name), stack),
        ]
    return bill(resources, table=flat("ec2.small", "ec2.large", "ebs.gp3.gb"), stack=stack)


def test_two_environments_are_compared_component_by_component() -> None:
    """Their names differ in the environment only; compared by name, everything would be gone and new."""
    found = comparison(Comparison(machines("dev", "small"), machines("prod", "small", "large")))
    # a machine is 730 hours and 8 GB, at a dollar each
    assert found["total"] == {"name": "total", "before": "738.00", "after": "1476.00", "change": "738.00"}
    assert found["components"] == [
        {"name": "shop-*-machine-1", "before": "0.00", "after": "738.00", "change": "738.00"}
    ]
    assert found["prices"] == [
        {"name": "ec2.large", "before": "0.00", "after": "730.00", "change": "730.00"},
        {"name": "ebs.gp3.gb", "before": "8.00", "after": "16.00", "change": "8.00"},
    ]


def test_a_stack_beside_itself_has_no_differences() -> None:
    found = comparison(Comparison(machines("dev", "small"), machines("dev", "small")))
    assert (found["total"]["change"], found["components"], found["prices"]) == ("0.00", [], [])
