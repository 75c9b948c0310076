"""Routes and security groups of a small account, by AWS's own rules."""

from __future__ import annotations

from typing import Any

import pytest

import systems
from audit.addresses import common, merged, ranges, size, without
from audit.firewall import Firewall
from audit.resources import Registry, Resource
from audit.routes import Routes
from audit.scope import Scope
from audit.sites import Site, Sites

SCOPE = Scope(systems.load("fitsync"), "dev", "eu-west-1", operators=("192.168.100.0/24",))


def resource(type_: str, identity: str, **values: Any) -> Resource:
    return Resource(type_, f"urn:pulumi:test::test::{type_}::{identity}", identity, values, values)


def vpc(name: str, cidr: str) -> list[Resource]:
    return [
        resource("aws:ec2/vpc:Vpc", f"vpc-{name}", cidrBlock=cidr, mainRouteTableId=f"main-{name}"),
        resource(
            "aws:ec2/subnet:Subnet",
            f"subnet-{name}",
            vpcId=f"vpc-{name}",
            cidrBlock=cidr.replace(".0.0/16", ".2.0/24"),
            tags={"Name": name, "Tier": "k8s"},
        ),
        resource(
            "aws:ec2/routeTableAssociation:RouteTableAssociation",
            f"a-{name}",
            subnetId=f"subnet-{name}",
            routeTableId=name,
        ),
        resource("aws:ec2transitgateway/vpcAttachment:VpcAttachment", f"att-{name}", vpcId=f"vpc-{name}"),
    ]


def route(table: str, cidr: str, **target: str) -> Resource:
    return resource("aws:ec2/route:Route", f"{table}-{cidr}", routeTableId=table, destinationCidrBlock=cidr, **target)


def associated(name: str, table: str) -> Resource:
    type_ = "aws:ec2transitgateway/routeTableAssociation:RouteTableAssociation"
    return resource(
        type_, f"{name}-{table}", transitGatewayAttachmentId=f"att-{name}", transitGatewayRouteTableId=table
    )


def propagated(name: str, table: str) -> Resource:
    type_ = "aws:ec2transitgateway/routeTablePropagation:RouteTablePropagation"
    return resource(
        type_, f"{name}-{table}", transitGatewayAttachmentId=f"att-{name}", transitGatewayRouteTableId=table
    )


BASE = [*vpc("hub", "10.0.0.0/16"), *vpc("dev", "10.1.0.0/16")]
JOINED = [associated("dev", "t-dev"), propagated("hub", "t-dev")]


def path(place: str, *resources: Resource) -> frozenset[str]:
    """How packets of dev's subnet get to a place."""
    registry = Registry([*BASE, *resources])
    sites = Sites(registry, SCOPE)
    target = next(site for site in sites.places if site.name == place)
    return Routes(registry, sites).path(sites.subnets["dev"], target)


def test_a_vpc_is_local_and_everything_else_nowhere() -> None:
    assert path("dev") == {"local"}
    assert path("hub") == path("the internet") == {"nowhere"}


def test_a_route_to_the_transit_gateway_needs_its_tables() -> None:
    """A VPC's route alone delivers nothing: the gateway's own table must know the destination."""
    there = route("dev", "10.0.0.0/16", transitGatewayId="tgw")
    assert path("hub", there) == {"nowhere"}
    assert path("hub", there, associated("dev", "t-dev")) == {"nowhere"}
    assert path("hub", there, propagated("hub", "t-dev")) == {"nowhere"}
    assert path("hub", there, *JOINED) == {"Transit Gateway"}


def test_a_static_route_of_the_transit_gateway_and_a_black_hole() -> None:
    there = route("dev", "10.0.0.0/16", transitGatewayId="tgw")
    static = "aws:ec2transitgateway/route:Route"
    known = resource(
        static,
        "s",
        destinationCidrBlock="10.0.0.0/8",
        transitGatewayRouteTableId="t-dev",
        transitGatewayAttachmentId="att-hub",
    )
    hole = resource(static, "b", destinationCidrBlock="10.0.0.0/16", transitGatewayRouteTableId="t-dev", blackhole=True)
    assert path("hub", there, associated("dev", "t-dev"), known) == {"Transit Gateway"}
    assert path("hub", there, associated("dev", "t-dev"), known, hole) == {"nowhere"}


def test_the_longest_prefix_wins() -> None:
    wide = route("dev", "10.0.0.0/8", vpcPeeringConnectionId="pcx")
    assert path("hub", wide) == {"peering connection"}
    assert path("hub", wide, route("dev", "10.0.0.0/16", transitGatewayId="tgw"), *JOINED) == {"Transit Gateway"}
    half = route("dev", "10.0.2.0/25", transitGatewayId="tgw")
    assert path("hub", wide, half, *JOINED) == {"Transit Gateway", "peering connection"}


def test_the_internet_needs_a_gateway_that_is_there() -> None:
    out = route("dev", "0.0.0.0/0", gatewayId="igw-1")
    gateway = resource("aws:ec2/internetGateway:InternetGateway", "igw-1")
    assert path("the internet", out) == {"nowhere"}
    assert path("the internet", out, gateway) == {"internet gateway"}
    assert path("hub", out, gateway) == {"nowhere"}, "the internet leads to no private address"


def test_a_nat_gateway_needs_a_way_out_itself() -> None:
    nat = resource("aws:ec2/natGateway:NatGateway", "nat-1", subnetId="subnet-hub")
    out = route("dev", "0.0.0.0/0", natGatewayId="nat-1")
    way = [route("hub", "0.0.0.0/0", gatewayId="igw-1"), resource("aws:ec2/internetGateway:InternetGateway", "igw-1")]
    assert path("the internet", out, nat) == {"nowhere"}
    assert path("the internet", out, nat, *way) == {"NAT gateway"}


def test_a_subnet_without_a_table_uses_the_main_one() -> None:
    registry = Registry(
        [item for item in BASE if item.id != "a-dev"] + [route("main-dev", "0.0.0.0/0", vpcPeeringConnectionId="pcx")]
    )
    sites = Sites(registry, SCOPE)
    internet = next(site for site in sites.places if site.name == "the internet")
    assert Routes(registry, sites).path(sites.subnets["dev"], internet) == {"peering connection"}


def machine(*groups: str) -> Site:
    return Site("machine", "node", addresses=ranges("10.1.2.0/24"), groups=groups)


def rule(way: str, **values: Any) -> Resource:
    kind = f"SecurityGroup{way.capitalize()}Rule"
    return resource(
        f"aws:vpc/securityGroup{way.capitalize()}Rule:{kind}", str(values), securityGroupId="sg-1", **values
    )


def ports(*rules: Resource, other: Site, way: str = "ingress") -> frozenset[str]:
    firewall = Firewall(Registry(list(rules)))
    return firewall.ports(machine("sg-1"), "ingress" if way == "ingress" else "egress", other)


SUBNET = Site("subnet", "k8s", addresses=ranges("10.1.3.0/24"))
HTTPS = {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443}


@pytest.mark.parametrize(
    ("cidr", "found"),
    [
        ("10.1.3.0/24", {"TCP 443"}),
        ("0.0.0.0/0", {"TCP 443"}),
        ("10.1.3.0/25", {"TCP 443 (a part of it)"}),
        ("10.1.4.0/24", set()),
    ],
)
def test_a_rule_by_address(cidr: str, found: set[str]) -> None:
    """A rule for a part of a subnet is neither all nor nothing."""
    assert ports(rule("ingress", cidrIpv4=cidr, **HTTPS), other=SUBNET) == found
    assert ports(rule("ingress", cidrIpv4=cidr, **HTTPS), other=SUBNET, way="egress") == set()


def test_two_halves_are_a_whole() -> None:
    halves = [rule("ingress", cidrIpv4=cidr, **HTTPS) for cidr in ("10.1.3.0/25", "10.1.3.128/25")]
    assert ports(*halves, other=SUBNET) == {"TCP 443"}


def test_a_rule_by_group_prefix_list_and_everything() -> None:
    grouped = rule("ingress", referencedSecurityGroupId="sg-2", **HTTPS)
    listed = rule("ingress", prefixListId="pl-1", **HTTPS)
    member = Site("member", "node", addresses=ranges("10.1.3.0/24"), groups=("sg-2",))
    assert ports(grouped, other=member) == {"TCP 443"}
    assert ports(grouped, other=SUBNET) == set()
    assert ports(listed, other=Site("S3", "S3", addresses=ranges("8.0.0.0/8"), prefix_list="pl-1")) == {"TCP 443"}
    assert ports(grouped, rule("ingress", cidrIpv4="0.0.0.0/0", ipProtocol="-1"), other=member) == {"everything"}


def test_ranges_of_ports_and_ipv6() -> None:
    ranged = {"ipProtocol": "udp", "fromPort": 8000, "toPort": 8010}
    assert ports(rule("ingress", cidrIpv4="10.0.0.0/8", **ranged), other=SUBNET) == {"UDP 8000-8010"}
    assert ports(rule("ingress", cidrIpv6="::/0", **HTTPS), other=SUBNET) == set()
    assert ports(rule("ingress", cidrIpv6="::/0", **HTTPS), other=Site("v6", "internet over IPv6")) == {"TCP 443"}


def test_rules_within_the_group_itself() -> None:
    """Both older spellings: inside the group, and the resource of mixed direction."""
    block = {"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": ["10.1.3.0/24"]}
    inline = resource("aws:ec2/securityGroup:SecurityGroup", "sg-1", ingress=[block])
    mixed = resource(
        "aws:ec2/securityGroupRule:SecurityGroupRule", "r", type="ingress", securityGroupId="sg-1", **block
    )
    assert ports(inline, other=SUBNET) == ports(mixed, other=SUBNET) == {"TCP 22"}


def test_arithmetic_of_addresses() -> None:
    world, private = ranges("0.0.0.0/0"), ranges("10.0.0.0/8", "192.168.0.0/16")
    assert size(world) == 2**32
    assert merged([(3, 4), (1, 2), (9, 9)]) == ((1, 4), (9, 9))
    assert common(without(world, private), private) == ()
    assert size(without(world, private)) == 2**32 - 2**24 - 2**16
    assert ranges("::/0") == ()
