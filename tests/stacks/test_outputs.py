"""What stacks tell one another: what one exports, another loads, under the same names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pulumi
import pytest
from pulumi.runtime.proto import resource_pb2

from stacks.outputs import EnvironmentOutputs, HubNotUp, HubOutputs, camel
from tests.components.strict_monitor import Secret, StrictMonitor, execute, register, written

HUB: dict[str, Any] = {
    "transit_gateway_id": "tgw-1",
    "transit_hub_table": "table-1",
    "transit_spoke_table": "table-2",
    "hub_vpc_id": "vpc-1",
    "hub_cidr": "10.0.0.0/16",
    "bastion_id": "i-1",
    "edge_target_groups": {"dev-80": "arn:80", "dev-443": "arn:443"},
    "edge_dns_names": {"dev": "dev.elb.example"},
    "vpn_ranges": ["192.168.100.0/24"],
    "name_servers": ["ns-1.example"],
}


def exporting(values: Mapping[str, Any]) -> HubOutputs:
    return HubOutputs(**{name: pulumi.Output.from_input(value) for name, value in values.items()})


class Referring(StrictMonitor):
    """A monitor that knows another stack's outputs."""

    def __init__(self, outputs: Mapping[str, Any]) -> None:
        super().__init__(preview=False)
        self.others = outputs
        self.asked: list[str] = []

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:
        self.asked.append(request.id)
        bag = {"name": request.id, "outputs": self.others, "secretOutputNames": []}
        return resource_pb2.ReadResourceResponse(urn=f"urn:{request.name}", properties=written(bag))


def load_and_export() -> None:
    HubOutputs.load("shared").export()


def test_a_spoke_loads_what_the_hub_exported() -> None:
    """A name spelt in two ways is found out only when the second stack comes up."""
    exported = register(lambda: exporting(HUB).export()).exports
    assert exported.keys() == {camel(field.name) for field in fields(HubOutputs)}
    monitor = Referring(exported)
    execute(load_and_export, monitor)
    assert monitor.exports == exported == {camel(name): value for name, value in HUB.items()}
    assert monitor.asked == ["organization/strict/shared"]


def test_a_hub_that_is_not_up_is_named_with_the_remedy() -> None:
    with pytest.raises(HubNotUp) as caught:
        execute(load_and_export, Referring({}))
    assert str(caught.value) in {
        f"stack 'shared' has no output '{camel(name)}': bring it up first with 'pulumi up --stack shared'"
        for name in HUB
    }


def test_a_hub_of_an_older_version_is_told_from_one_that_is_up() -> None:
    """One output too few: the message names it."""
    older = {camel(name): value for name, value in HUB.items() if name != "edge_dns_names"}
    with pytest.raises(HubNotUp, match="has no output 'edgeDnsNames'"):
        execute(load_and_export, Referring(older))


def test_only_the_kubeconfig_is_secret() -> None:
    """A secret inside another value would make all of a stack's outputs secret to its readers."""
    plain: dict[str, Any] = {
        "application_url": "https://app.shop.example",
        "urls": ["https://app.shop.example/"],
        "cluster_endpoint": "https://api.shop-dev.internal:6443",
        "vpc_id": "vpc-1",
        "edge_dns_name": "dev.elb.example",
        "load_balancer_dns": "dev.elb.example",
        "cluster_name": "shop-dev",
        "database_hosts": {"userdb": "userdb.database.internal"},
        "backup_bucket": "backups",
        "recovery_objectives": {"rto": {"services": "15 min"}},
        "repositories": {"shop/web": "registry.example/shop/web"},
        "pipeline_roles": {"build": "arn:build"},
        "notes": [],
    }

    def program() -> None:
        values = {name: pulumi.Output.from_input(value) for name, value in plain.items()}
        EnvironmentOutputs(**values, kubeconfig=pulumi.Output.secret("kubeconfig")).export()

    exports = register(program).exports
    assert exports == {**{camel(name): value for name, value in plain.items()}, "kubeconfig": Secret("kubeconfig")}


@pytest.mark.parametrize(
    ("name", "expected"), [("hub_vpc_id", "hubVpcId"), ("notes", "notes"), ("edge_dns_names", "edgeDnsNames")]
)
def test_names_are_written_as_pulumi_s(name: str, expected: str) -> None:
    assert camel(name) == expected
