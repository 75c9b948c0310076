"""Mutations of the networks: security group rules, routes, the Transit Gateway's tables, load balancers, names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.audit.mutations import Change, Mutation, drop, outputs, put

ROUTE, IN, OUT, BALANCER, NAME = (
    "route",
    "security group, inbound",
    "security group, outbound",
    "load balancer",
    "public name",
)
Found = Iterator[tuple[str, tuple[str, ...], Change | None]]
PEERS = ("cidrIpv4", "prefixListId", "referencedSecurityGroupId")


def of(stack: str, resource: dict[str, Any]) -> Iterator[Mutation]:
    """Every mutation of one resource of the account."""
    make = TYPES.get(resource["type"])
    if make is None:
        return
    name = f"{resource['type'].rpartition(':')[2]} {resource['urn'].rpartition('::')[2]}"
    for what, layers, change in make(resource):
        yield Mutation(f"{name}: {what}", stack, resource["urn"], layers, "", change)


def _rule(layer: str, resource: dict[str, Any]) -> Found:
    values = resource["outputs"]

    def open_(peer: str, value: str) -> Change:
        def change(found: dict[str, Any]) -> None:
            for key in PEERS:
                found.pop(key, None)
            found[peer] = value

        return outputs(change)

    def all_ports(found: dict[str, Any]) -> None:
        found.pop("fromPort", None)
        found.pop("toPort", None)
        found["ipProtocol"] = "-1"

    yield "is gone", (layer,), None
    if values.get("cidrIpv4") != "0.0.0.0/0":
        yield "is for the world", (layer,), open_("cidrIpv4", "0.0.0.0/0")
        yield "is for all private networks", (layer,), open_("cidrIpv4", "10.0.0.0/8")
    yield "is for the world over IPv6", (layer,), open_("cidrIpv6", "::/0")
    if values.get("ipProtocol") != "-1":
        yield "is for all ports", (layer,), outputs(all_ports)
        yield "is for more ports", (layer,), put(("toPort",), 65535)
    if str(values.get("cidrIpv4", "")).endswith("/24"):
        half = str(values["cidrIpv4"]).replace("/24", "/25")
        yield "is for half of the subnet", (layer,), put(("cidrIpv4",), half)


def _inbound(resource: dict[str, Any]) -> Found:
    yield from _rule(IN, resource)


def _outbound(resource: dict[str, Any]) -> Found:
    yield from _rule(OUT, resource)


def _route(resource: dict[str, Any]) -> Found:
    yield "is gone", (ROUTE,), None

    def peering(found: dict[str, Any]) -> None:
        for key in ("gatewayId", "natGatewayId", "transitGatewayId"):
            found.pop(key, None)
        found["vpcPeeringConnectionId"] = "pcx-1"

    def world(found: dict[str, Any]) -> None:
        found["destinationCidrBlock"] = "0.0.0.0/0"

    yield "is a peering", (ROUTE,), outputs(peering)
    if resource["outputs"]["destinationCidrBlock"] != "0.0.0.0/0":
        yield "is for the world", (ROUTE,), outputs(world)


def _gone(resource: dict[str, Any]) -> Found:
    yield "is gone", (ROUTE,), None


def _gone_balancer(resource: dict[str, Any]) -> Found:
    yield "is gone", (BALANCER,), None


def _gone_name(resource: dict[str, Any]) -> Found:
    if resource["outputs"].get("aliases") and not resource["outputs"]["name"].endswith(".internal"):
        yield "is gone", (NAME,), None


def _endpoint(resource: dict[str, Any]) -> Found:
    yield "is gone", (ROUTE, OUT), None
    for index, _ in enumerate(resource["outputs"]["routeTableIds"]):
        yield f"leaves out table {index}", (ROUTE,), drop(("routeTableIds", index))


TYPES = {
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _inbound,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _outbound,
    "aws:ec2/route:Route": _route,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _gone,
    "aws:ec2transitgateway/routeTableAssociation:RouteTableAssociation": _gone,
    "aws:ec2transitgateway/routeTablePropagation:RouteTablePropagation": _gone,
    "aws:ec2transitgateway/vpcAttachment:VpcAttachment": _gone,
    "aws:ec2/natGateway:NatGateway": _gone,
    "aws:ec2/internetGateway:InternetGateway": _gone,
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:lb/listener:Listener": _gone_balancer,
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": _gone_balancer,
    "aws:route53/record:Record": _gone_name,
}
