"""Networks: NAT, addresses, balancers, Transit Gateway, VPN, endpoints, traffic, names, the edge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from cost.errors import Unpriced
from cost.resources import Resource
from cost.world import MILLION, TEN_THOUSAND, Charge, Rule, World

TUNNELS: Final = 2
"""Public addresses of a Site-to-Site VPN connection: one for each of its tunnels."""


def nat_gateway(world: World, item: Resource) -> Iterator[Charge]:
    """Its public address is an Elastic IP of its own."""
    yield world.hourly("nat.hour")
    yield world.charge("nat.gb", world.usage["nat.gb"])
    if item.get("connectivityType") != "private":
        yield world.charge("transfer.internet.gb", world.usage["nat.internet_gb"])


def address(world: World, item: Resource) -> Iterator[Charge]:
    yield world.hourly("ipv4.hour")


def load_balancer(world: World, item: Resource) -> Iterator[Charge]:
    """A public one has an address in each of its subnets and sends to the internet."""
    kind = str(item.get("loadBalancerType") or "application")
    yield world.hourly(f"lb.{kind}.hour")
    yield world.hourly(f"lb.{kind}.lcu", world.usage["lb.lcu"])
    if item.get("internal") in (True, "true"):
        return
    subnets = item.get("subnetMappings") or item.get("subnets") or []
    own = [row for row in item.rows("subnetMappings") if row.get("allocationId")]
    if len(subnets) > len(own):
        yield world.hourly("ipv4.hour", len(subnets) - len(own))
    yield world.charge("transfer.internet.gb", world.usage["lb.internet_gb"])


def attachment(world: World, item: Resource) -> Iterator[Charge]:
    yield world.hourly("transit.attachment.hour")
    yield world.charge("transit.gb", world.usage["transit.gb"])


def vpn(world: World, item: Resource) -> Iterator[Charge]:
    """The connection, its addresses, and its attachment where it ends at a Transit Gateway."""
    yield world.hourly("vpn.connection.hour")
    if item.get("outsideIpAddressType") != "PrivateIpv4":
        yield world.hourly("ipv4.hour", TUNNELS)
    if item.get("transitGatewayId"):
        yield from attachment(world, item)


def client_vpn(world: World, item: Resource) -> Iterator[Charge]:
    yield world.charge("vpn.client.connection.hour", world.usage["client_vpn.connection_hours"])


def client_vpn_network(world: World, item: Resource) -> Iterator[Charge]:
    yield world.hourly("vpn.client.association.hour")


def endpoint(world: World, item: Resource) -> Iterator[Charge]:
    """A gateway endpoint is free; an interface endpoint is charged in each of its subnets."""
    kind = item.get("vpcEndpointType") or "Gateway"
    if kind == "Gateway":
        return
    if kind != "Interface":
        raise Unpriced(f"an endpoint of type {kind} is not understood")
    yield world.hourly("endpoint.hour", max(1, len(item.get("subnetIds") or [])))
    yield world.charge("endpoint.gb", world.usage["vpc.endpoint_gb"])


def vpc(world: World, item: Resource) -> Iterator[Charge]:
    """Free itself; where it has several zones, what passes between them is charged on both sides."""
    zones = {
        subnet.get("availabilityZone")
        for subnet in world.stack.of("aws:ec2/subnet:Subnet")
        if subnet.get("vpcId") == item.id
    }
    if len(zones) > 1:
        yield world.charge("transfer.zone.gb", 2 * world.usage["vpc.inter_zone_gb"])


def zone(world: World, item: Resource) -> Iterator[Charge]:
    yield world.charge("route53.zone", 1)
    if not item.get("vpcs"):
        yield world.requests("route53.queries", "route53.queries", MILLION)


def health_check(world: World, item: Resource) -> Iterator[Charge]:
    yield world.charge("route53.health_check", 1)


def distribution(world: World, item: Resource) -> Iterator[Charge]:
    yield world.charge("cloudfront.gb", world.usage["cloudfront.gb"])
    yield world.requests("cloudfront.requests", "cloudfront.requests", TEN_THOUSAND)


def edge_function(world: World, item: Resource) -> Iterator[Charge]:
    yield world.requests("cloudfront.calls", "cloudfront.function_calls", MILLION)


def rest_api(world: World, item: Resource) -> Iterator[Charge]:
    yield world.requests("api.rest", "api.requests", MILLION)


def rest_stage(world: World, item: Resource) -> Iterator[Charge]:
    """Free but for a cache."""
    if item.get("cacheClusterEnabled") in (True, "true"):
        raise Unpriced("a stage's cache is not understood")
    yield from ()


def http_api(world: World, item: Resource) -> Iterator[Charge]:
    if item.get("protocolType") != "HTTP":
        raise Unpriced(f"an API of protocol {item.get('protocolType')} is not understood")
    yield world.requests("api.http", "api.requests", MILLION)


def web_acl(world: World, item: Resource) -> Iterator[Charge]:
    yield world.charge("waf.acl", 1)
    if item.rows("rules"):
        yield world.charge("waf.rule", len(item.rows("rules")))
    yield world.requests("waf.requests", "waf.requests", MILLION)


RULES: Final[Mapping[str, Rule]] = {
    "aws:ec2/natGateway:NatGateway": nat_gateway,
    "aws:ec2/eip:Eip": address,
    "aws:lb/loadBalancer:LoadBalancer": load_balancer,
    "aws:alb/loadBalancer:LoadBalancer": load_balancer,
    "aws:ec2transitgateway/vpcAttachment:VpcAttachment": attachment,
    "aws:ec2/vpnConnection:VpnConnection": vpn,
    "aws:ec2clientvpn/endpoint:Endpoint": client_vpn,
    "aws:ec2clientvpn/networkAssociation:NetworkAssociation": client_vpn_network,
    "aws:ec2/vpcEndpoint:VpcEndpoint": endpoint,
    "aws:ec2/vpc:Vpc": vpc,
    "aws:route53/zone:Zone": zone,
    "aws:route53/healthCheck:HealthCheck": health_check,
    "aws:cloudfront/distribution:Distribution": distribution,
    "aws:cloudfront/function:Function": edge_function,
    "aws:apigateway/restApi:RestApi": rest_api,
    "aws:apigateway/stage:Stage": rest_stage,
    "aws:apigatewayv2/api:Api": http_api,
    "aws:wafv2/webAcl:WebAcl": web_acl,
}
