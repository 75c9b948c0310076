"""VPCs, security groups, the Transit Gateway and the edge: who can reach whom is decided here."""

from __future__ import annotations

from functools import cache

import pytest

from components.network.security_groups import SecurityGroups, SecurityGroupsArgs
from derive.network.firewall import Group, Rule
from tests.components import built
from tests.components.strict_monitor import StrictMonitor, register

ROUTE = "aws:ec2/route:Route"
WORLD = "0.0.0.0/0"


@cache
def network(environment: str) -> StrictMonitor:
    def program() -> None:
        built.vpc(environment)

    return register(program)


def default_routes(monitor: StrictMonitor) -> dict[str, str]:
    """Where the default route of each subnet's table leads."""
    return {
        route.inputs["routeTableId"].removesuffix("-routes.id"): route.inputs.get("gatewayId")
        or route.inputs["natGatewayId"]
        for route in monitor.of(ROUTE).values()
        if route.inputs["destinationCidrBlock"] == WORLD
    }


def test_database_subnets_have_no_default_route() -> None:
    """A database machine with a way out can carry the data out."""
    assert default_routes(network("dev")) == {
        "net-public-a": "net-internet.id",
        "net-k8s-a": "net-nat-a.id",
    }
    assert "net-db-a-routes" in network("dev").of("aws:ec2/routeTable:RouteTable")


def test_each_zone_has_its_nat_where_asked_for() -> None:
    """With one NAT gateway for all zones, its zone's failure takes the other zones' way out."""
    assert {name: where for name, where in default_routes(network("prod")).items() if "k8s" in name} == {
        "net-k8s-a": "net-nat-a.id",
        "net-k8s-b": "net-nat-b.id",
        "net-k8s-c": "net-nat-c.id",
    }
    nats = network("prod").of("aws:ec2/natGateway:NatGateway").values()
    assert {nat.inputs["subnetId"] for nat in nats} == {f"net-public-{zone}.id" for zone in "abc"}


def test_zones_without_a_nat_of_their_own_use_the_first() -> None:
    """Otherwise their nodes could not pull an image."""

    def program() -> None:
        built.hub()

    assert default_routes(register(program)) == {
        "hub-public-a": "hub-internet.id",
        "hub-public-b": "hub-internet.id",
        "hub-private-a": "hub-nat-a.id",
        "hub-private-b": "hub-nat-a.id",
    }


def test_subnets_lie_where_the_plan_says_and_give_no_public_addresses() -> None:
    subnets = network("prod").of("aws:ec2/subnet:Subnet")
    assert {name: (item.inputs["cidrBlock"], item.inputs["availabilityZone"]) for name, item in subnets.items()} == {
        f"net-{tier}-{zone}": (f"10.3.{10 * index + offset}.0/24", f"eu-west-1{zone}")
        for offset, tier in enumerate(("public", "k8s", "db"), 1)
        for index, zone in enumerate("abc")
    }
    assert all(item.inputs["mapPublicIpOnLaunch"] is False for item in subnets.values())


def test_every_subnet_has_a_table_of_its_own() -> None:
    """Two subnets on one table share every route that is added to one of them."""
    joined = network("prod").of("aws:ec2/routeTableAssociation:RouteTableAssociation").values()
    assert {(item.inputs["subnetId"], item.inputs["routeTableId"]) for item in joined} == {
        (f"net-{tier}-{zone}.id", f"net-{tier}-{zone}-routes.id") for tier in ("public", "k8s", "db") for zone in "abc"
    }


def test_the_default_group_is_closed_and_traffic_is_logged() -> None:
    """A machine without a group lands in the default one, which AWS makes open among its members."""
    closed = network("dev").one("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup").inputs
    assert (closed["ingress"], closed["egress"]) == ([], [])
    assert network("dev").one("aws:ec2/flowLog:FlowLog").inputs["trafficType"] == "ALL"
    assert network("dev").one("aws:cloudwatch/logGroup:LogGroup").inputs["retentionInDays"] == 14


def test_s3_is_reached_from_every_subnet() -> None:
    """The database machines' only way to packages and archives."""
    tables = network("prod").one("aws:ec2/vpcEndpoint:VpcEndpoint").inputs["routeTableIds"]
    assert set(tables) == {f"{name}.id" for name in network("prod").of("aws:ec2/routeTable:RouteTable")}


def test_nat_gateways_wait_for_the_internet_gateway() -> None:
    """AWS refuses an Elastic IP's association in a VPC without one."""
    nats = network("prod").of("aws:ec2/natGateway:NatGateway").values()
    assert all("net-internet" in nat.dependencies for nat in nats)


def test_security_group_rules_are_exactly_the_derived_ones() -> None:
    """A rule lost is an outage, a rule too many a hole: group, protocol, port and peer of each."""
    groups = (
        Group("web", "Web", (Rule("ingress", WORLD, 443, "Clients"), Rule("egress", "data", 5432, "Data"))),
        Group("data", "Data", (Rule("ingress", "web", 5432, "Web"), Rule("egress", "s3", None, "Storage"))),
    )

    def program() -> None:
        SecurityGroups("groups", SecurityGroupsArgs("vpc", groups, {"s3": "pl-1"}))

    monitor = register(program)
    ingress = monitor.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule").values()
    egress = monitor.of("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule").values()
    assert sorted((item.inputs for item in (*ingress, *egress)), key=lambda each: str(each["description"])) == [
        {
            "securityGroupId": "groups-web.id",
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "cidrIpv4": WORLD,
            "description": "Clients",
        },
        {
            "securityGroupId": "groups-web.id",
            "ipProtocol": "tcp",
            "fromPort": 5432,
            "toPort": 5432,
            "referencedSecurityGroupId": "groups-data.id",
            "description": "Data",
        },
        {"securityGroupId": "groups-data.id", "ipProtocol": "-1", "prefixListId": "pl-1", "description": "Storage"},
        {
            "securityGroupId": "groups-data.id",
            "ipProtocol": "tcp",
            "fromPort": 5432,
            "toPort": 5432,
            "referencedSecurityGroupId": "groups-web.id",
            "description": "Web",
        },
    ]
    assert {item.inputs["description"] for item in ingress} == {"Clients", "Web"}
    assert all(
        "ingress" not in item.inputs and "egress" not in item.inputs
        for item in monitor.of("aws:ec2/securityGroup:SecurityGroup").values()
    )


@cache
def transit() -> StrictMonitor:
    return register(built.transit)


def joined(monitor: StrictMonitor, what: str) -> set[tuple[str, str]]:
    found = monitor.of(f"aws:ec2transitgateway/routeTable{what}:RouteTable{what}").values()
    return {(item.inputs["transitGatewayAttachmentId"], item.inputs["transitGatewayRouteTableId"]) for item in found}


def test_the_hub_and_the_vpn_use_the_table_that_knows_everybody() -> None:
    """They are announced to the spokes and to each other; on the spokes' own table the hub could not answer, and a
    route of the hub's subnets to the VPN would end in the Transit Gateway."""
    members = ("transit-hub-attachment.id", "transit-office-vpn.transitGatewayAttachmentId")
    assert joined(transit(), "Association") == {(member, "transit-hub.id") for member in members}
    tables = ("transit-spokes.id", "transit-hub.id")
    assert joined(transit(), "Propagation") == {(member, table) for member in members for table in tables}


def test_the_hub_answers_spokes_and_the_networks_behind_the_vpn() -> None:
    """A subnet without the way back gets the question and loses the answer."""
    routes = {
        (item.inputs["routeTableId"], item.inputs["destinationCidrBlock"])
        for item in transit().of("aws:ec2/route:Route").values()
        if "transitGatewayId" in item.inputs
    }
    tables = {
        item.inputs["routeTableId"]
        for item in transit().of("aws:ec2/routeTableAssociation:RouteTableAssociation").values()
    }
    assert tables
    assert routes == {
        (table, there) for table in tables for there in ("10.1.0.0/16", "10.3.0.0/16", "192.168.100.0/24")
    }


def test_spokes_are_never_announced_to_spokes() -> None:
    """A development machine must not reach production's network: a spoke uses one table and announces in the other."""
    monitor = register(built.spoke)
    assert joined(monitor, "Association") == {("spoke-attachment.id", "spoke-table")}
    assert joined(monitor, "Propagation") == {("spoke-attachment.id", "hub-table")}


def test_the_gateway_joins_nothing_by_itself() -> None:
    """The default table would associate and announce every attachment: all spokes on one net."""
    gateway = transit().one("aws:ec2transitgateway/transitGateway:TransitGateway").inputs
    assert gateway["defaultRouteTableAssociation"] == gateway["defaultRouteTablePropagation"] == "disable"
    attachments = [
        *transit().of("aws:ec2transitgateway/vpcAttachment:VpcAttachment").values(),
        *register(built.spoke).of("aws:ec2transitgateway/vpcAttachment:VpcAttachment").values(),
    ]
    for item in attachments:
        assert item.inputs["transitGatewayDefaultRouteTableAssociation"] is False
        assert item.inputs["transitGatewayDefaultRouteTablePropagation"] is False
    assert len(attachments) == 2


def test_routes_through_the_gateway_wait_for_the_attachment() -> None:
    """AWS refuses a route to a gateway that the VPC is not attached to."""
    routes = [
        item
        for monitor, attachment in ((transit(), "transit-hub-attachment"), (register(built.spoke), "spoke-attachment"))
        for item in monitor.of(ROUTE).values()
        if "transitGatewayId" in item.inputs and attachment in item.dependencies
    ]
    assert len(routes) == 12 + 6


def test_only_the_cluster_s_subnets_know_the_way_to_the_hub() -> None:
    """Database subnets have no business beyond the spoke."""
    routes = [item for item in register(built.spoke).of(ROUTE).values() if "transitGatewayId" in item.inputs]
    assert {(item.inputs["routeTableId"], item.inputs["destinationCidrBlock"]) for item in routes} == {
        (f"net-k8s-{zone}-routes.id", cidr) for zone in "abc" for cidr in ("10.0.0.0/16", "192.168.100.0/24")
    }


@pytest.mark.parametrize("port", [80, 443])
def test_the_edge_passes_tls_through(port: int) -> None:
    """A listener that ended TLS would need the certificate's key in the hub."""
    monitor = register(built.edge)
    listener = monitor.of("aws:lb/listener:Listener")[f"edge-listener-{port}"].inputs
    assert (listener["port"], listener["protocol"], "certificateArn" in listener) == (port, "TCP", False)
    assert listener["defaultActions"] == [{"type": "forward", "targetGroupArn": f"edge-{port}.arn"}]
    group = monitor.of("aws:lb/targetGroup:TargetGroup")[f"edge-{port}"].inputs
    assert (group["targetType"], group["vpcId"]) == ("ip", "vpc")


def test_an_edge_that_reaches_nodes_asks_their_ingress_how_it_is() -> None:
    """OR-NET: NGINX answers on ports of the nodes, and is in rotation after two good answers, out after three bad."""
    group = register(built.nodes_edge).of("aws:lb/targetGroup:TargetGroup")["edge-443"].inputs
    assert (group["port"], group["targetType"], group["preserveClientIp"]) == (30443, "instance", "true")
    assert group["healthCheck"] == {
        "protocol": "HTTP",
        "path": "/nginx-ready",
        "port": "30081",
        "interval": 10,
        "timeout": 5,
        "healthyThreshold": 2,
        "unhealthyThreshold": 3,
    }


def test_the_edge_is_public_and_its_names_lead_to_it() -> None:
    monitor = register(built.edge)
    balancer = monitor.one("aws:lb/loadBalancer:LoadBalancer").inputs
    assert (balancer["internal"], balancer["subnets"]) == (False, ["subnet-a", "subnet-b"])
    assert (balancer["securityGroups"], balancer["name"]) == (["group"], "shop-dev-edge")
    record = monitor.one("aws:route53/record:Record").inputs
    assert (record["name"], record["zoneId"], record["aliases"][0]["name"]) == (
        "api.x.org",
        "zone",
        "edge-balancer.dnsName",
    )
    assert monitor.exports["edge"] == "edge-balancer.dnsName"


def test_targets_in_another_vpc_have_zone_all() -> None:
    """AWS refuses an address outside the target group's VPC without it."""
    targets = register(built.edge_targets).of("aws:lb/targetGroupAttachment:TargetGroupAttachment")
    assert {name: item.inputs for name, item in targets.items()} == {
        f"targets-{port}-{subnet}": {
            "targetGroupArn": group,
            "targetId": address,
            "port": port,
            "availabilityZone": "all",
        }
        for port, group in ((80, "http"), (443, "https"))
        for subnet, address in (("k8s-a", "10.1.2.10"), ("k8s-b", "10.1.12.10"))
    }
