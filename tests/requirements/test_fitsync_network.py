"""FitSync, network: VPCs, subnets, routes, the Transit Gateway, the edge and every firewall rule."""

from __future__ import annotations

import re
from ipaddress import ip_network
from itertools import combinations

import pytest
import yaml

from tests.conftest import ROOT
from tests.requirements.fitsync import HUB_RANGE, SPOKES, ZONES, subnets
from tests.requirements.network import (
    ANYWHERE,
    Transit,
    attachment,
    database_group,
    everything,
    node_group,
    ranges,
    routes,
    rules,
    tcp,
    tiers,
)
from tests.requirements.registered import Registered, machine

Spokes = dict[str, Registered]
OFFICE = "192.168.100.0/24"
"""The network behind the VPN in the settings that come with the project."""


def transit_gateway(hub: Registered) -> str:
    return hub.one("ec2transitgateway.TransitGateway").id


def vpns(hub: Registered) -> set[str]:
    """The VPN's attachments to the Transit Gateway."""
    return {vpn.outputs["transitGatewayAttachmentId"] for vpn in hub.all("ec2.VpnConnection")}


@pytest.mark.rows("FS-NET-01", "FS-NET-19")
def test_four_networks_that_do_not_overlap_resolve_names(hub: Registered, spokes: Spokes) -> None:
    found = {stack.stack: stack.one("ec2.Vpc").inputs for stack in (hub, *spokes.values())}
    assert {name: vpc["cidrBlock"] for name, vpc in found.items()} == {
        "hub": "10.0.0.0/16",
        "dev": "10.1.0.0/16",
        "stage": "10.2.0.0/16",
        "prod": "10.3.0.0/16",
    }
    networks = [ip_network(vpc["cidrBlock"]) for vpc in found.values()]
    assert not [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]
    assert {(vpc["enableDnsSupport"], vpc["enableDnsHostnames"]) for vpc in found.values()} == {(True, True)}


@pytest.mark.rows("FS-NET-02", "FS-NET-04")
def test_each_zone_repeats_the_three_tiers(spoke: Registered) -> None:
    found = tiers(spoke)
    assert {name: ranges(tier) for name, tier in found.items()} == {
        name: subnets(spoke.stack, name) for name in ("public", "k8s", "db")
    }
    zones = [f"eu-west-1{letter}" for letter in ZONES[spoke.stack]]
    assert all([subnet.inputs["availabilityZone"] for subnet in tier] == zones for tier in found.values())


@pytest.mark.rows("FS-NET-04")
def test_prod_has_its_cluster_and_its_databases_in_three_zones(prod: Registered) -> None:
    found = tiers(prod)
    assert ranges(found["k8s"]) == ["10.3.2.0/24", "10.3.12.0/24", "10.3.22.0/24"]
    assert ranges(found["db"]) == ["10.3.3.0/24", "10.3.13.0/24", "10.3.23.0/24"]


@pytest.mark.rows("FS-NET-03")
def test_public_subnets_lead_to_the_internet_cluster_to_nat_databases_nowhere(spoke: Registered) -> None:
    found = tiers(spoke)
    gateway = spoke.one("ec2.InternetGateway", vpcId=spoke.one("ec2.Vpc").id)
    public = {subnet.id for subnet in found["public"]}
    nats = {nat.id: nat.inputs for nat in spoke.all("ec2.NatGateway")}
    assert nats
    for nat in nats.values():
        assert nat["subnetId"] in public
        assert spoke.by_id("ec2.Eip", nat["allocationId"]).inputs["domain"] == "vpc"
    assert {routes(spoke, subnet)[ANYWHERE] for subnet in found["public"]} == {gateway.id}
    assert {routes(spoke, subnet)[ANYWHERE] for subnet in found["k8s"]} == set(nats)
    assert [routes(spoke, subnet) for subnet in found["db"]] == [{}] * len(found["db"])


@pytest.mark.rows("FS-BYD-05")
def test_prod_has_a_nat_gateway_in_every_zone_and_uses_the_nearest(prod: Registered) -> None:
    for subnet in tiers(prod)["k8s"]:
        nat = prod.by_id("ec2.NatGateway", routes(prod, subnet)[ANYWHERE])
        stands_in = prod.by_id("ec2.Subnet", nat.inputs["subnetId"])
        assert stands_in.inputs["availabilityZone"] == subnet.inputs["availabilityZone"]
    assert len(prod.all("ec2.NatGateway")) == 3


@pytest.mark.rows("FS-NET-05")
def test_one_transit_gateway_joins_the_four_networks(hub: Registered, spokes: Spokes) -> None:
    gateway = transit_gateway(hub)
    assert not [stack for stack in spokes.values() if stack.all("ec2transitgateway.TransitGateway")]
    for stack in (hub, *spokes.values()):
        found = attachment(stack).inputs
        assert (found["transitGatewayId"], found["vpcId"]) == (gateway, stack.one("ec2.Vpc").id)


@pytest.mark.rows("FS-NET-06")
def test_hub_and_spokes_route_to_each_other(hub: Registered, spokes: Spokes) -> None:
    gateway = transit_gateway(hub)
    for subnet in hub.all("ec2.Subnet"):
        found = {target: via for target, via in routes(hub, subnet).items() if target != ANYWHERE}
        assert found == dict.fromkeys(("10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", OFFICE), gateway)
    for stack in spokes.values():
        attached = set(attachment(stack).inputs["subnetIds"])
        assert attached == {subnet.id for subnet in tiers(stack)["k8s"]}, "one interface in every zone of the cluster"
        for subnet in tiers(stack)["k8s"]:
            assert routes(stack, subnet)[HUB_RANGE] == gateway
    transit = Transit.of((hub, *spokes.values()))
    targets = {attachment(stack).id for stack in spokes.values()}
    assert transit.reaches(attachment(hub).id) - vpns(hub) == targets
    assert all(attachment(hub).id in transit.reaches(target) for target in targets)


@pytest.mark.rows("FS-NET-07")
def test_no_spoke_reaches_another(hub: Registered, spokes: Spokes) -> None:
    transit = Transit.of((hub, *spokes.values()))
    for stack in spokes.values():
        assert transit.reaches(attachment(stack).id) - vpns(hub) == {attachment(hub).id}
        others = {f"{prefix}.0.0/16" for name, prefix in SPOKES.items() if name != stack.stack}
        assert not [subnet for subnet in stack.all("ec2.Subnet") if others & set(routes(stack, subnet))]
    for stack in (hub, *spokes.values()):
        assert not [kind for kind in stack.kinds if "Peering" in kind]
        joined = attachment(stack).inputs
        assert joined["transitGatewayDefaultRouteTableAssociation"] is False
        assert joined["transitGatewayDefaultRouteTablePropagation"] is False
    gateway = hub.one("ec2transitgateway.TransitGateway").inputs
    assert (gateway["defaultRouteTableAssociation"], gateway["defaultRouteTablePropagation"]) == ("disable", "disable")


@pytest.mark.rows("FS-NET-08")
def test_spokes_take_the_hubs_identifiers_from_its_outputs(hub: Registered, spokes: Spokes) -> None:
    groups = {group.id for group in hub.all("lb.TargetGroup")}
    assert hub.outputs["transitGatewayId"] == transit_gateway(hub)
    assert hub.outputs["hubCidr"] == HUB_RANGE
    assert set(hub.outputs["edgeTargetGroups"].values()) == groups
    for stack in spokes.values():
        (reference,) = [item for item in stack.resources if item.type == "pulumi:pulumi:StackReference"]
        assert reference.id.split("/")[-1] == "hub"
        for kind in ("ec2transitgateway.VpcAttachment", "lb.TargetGroupAttachment"):
            for item in stack.all(kind):
                assert reference.urn in item.dependencies, f"{item.name} takes an id from elsewhere"
        settings = (ROOT / f"Pulumi.{stack.stack}.yaml").read_text()
        assert not re.findall(r"\b(?:tgw|vpc|subnet|sg|rtb|arn)[-:][\w:-]+", settings)
        assert yaml.safe_load(settings)["config"].keys() == {
            "aws:region",
            "wheelhouse:adminRanges",
            "wheelhouse:imageTags",
        }


@pytest.mark.rows("FS-NET-09")
def test_the_bastion_is_small_private_and_admits_nobody(hub: Registered) -> None:
    bastion = hub.one("ec2.Instance").inputs
    assert bastion["instanceType"] == "t3.micro"
    assert bastion["associatePublicIpAddress"] is False
    (group,) = bastion["vpcSecurityGroupIds"]
    assert rules(hub, group, "Ingress") == set()
    profile = hub.one("iam.InstanceProfile", name=bastion["iamInstanceProfile"]).inputs
    policy = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    assert hub.one("iam.RolePolicyAttachment", role=profile["role"]).inputs["policyArn"] == policy
    assert ("tcp", 443, 443, ANYWHERE) in rules(hub, group, "Egress"), "Session Manager is reached over HTTPS"


@pytest.mark.rows("FS-NET-10")
def test_the_vpn_ends_on_the_transit_gateway_and_reaches_the_spokes(hub: Registered, spokes: Spokes) -> None:
    gateway = transit_gateway(hub)
    vpn = hub.one("ec2.VpnConnection")
    assert vpn.inputs["transitGatewayId"] == gateway
    assert not vpn.inputs.get("vpnGatewayId")
    customer = hub.by_id("ec2.CustomerGateway", vpn.inputs["customerGatewayId"]).inputs
    assert customer["ipAddress"] == "198.51.100.10"
    outside = vpn.outputs["transitGatewayAttachmentId"]
    transit = Transit.of((hub, *spokes.values()))
    assert transit.reaches(outside) == {attachment(stack).id for stack in (hub, *spokes.values())}
    assert outside in transit.reaches(attachment(hub).id)
    for stack in spokes.values():
        assert outside in transit.reaches(attachment(stack).id)
        assert all(routes(stack, subnet)[OFFICE] == gateway for subnet in tiers(stack)["k8s"])


@pytest.mark.rows("FS-NET-11")
def test_the_edge_is_public_and_its_subnets_lead_to_the_internet_and_to_every_spoke(hub: Registered) -> None:
    gateway, internet = transit_gateway(hub), hub.one("ec2.InternetGateway").id
    balancers = hub.all("lb.LoadBalancer")
    assert len(balancers) == len(SPOKES)
    for balancer in balancers:
        assert balancer.inputs["internal"] is False
        assert {item.inputs["port"] for item in hub.all("lb.Listener", loadBalancerArn=balancer.id)} == {80, 443}
        for identity in balancer.inputs["subnets"]:
            assert routes(hub, hub.by_id("ec2.Subnet", identity)) == {
                ANYWHERE: internet,
                "10.1.0.0/16": gateway,
                "10.2.0.0/16": gateway,
                "10.3.0.0/16": gateway,
                OFFICE: gateway,
            }


def edge_ranges(hub: Registered) -> set[str]:
    """Ranges of the subnets that the edge's load balancers stand in."""
    return {
        hub.by_id("ec2.Subnet", identity).inputs["cidrBlock"]
        for balancer in hub.all("lb.LoadBalancer")
        for identity in balancer.inputs["subnets"]
    }


@pytest.mark.rows("FS-NET-12")
@pytest.mark.parametrize("port", [80, 443])
def test_each_edge_port_leads_to_the_nodes_that_carry_the_gateway(
    hub: Registered, spoke: Registered, port: int
) -> None:
    """Edge listener -> target group -> fixed addresses in the spoke -> its listener -> the workers, on one port."""
    balancer = hub.one("lb.LoadBalancer", name=f"fitsync-{spoke.stack}-edge")
    listener = hub.one("lb.Listener", loadBalancerArn=balancer.id, port=port).inputs
    (action,) = listener["defaultActions"]
    assert (listener["protocol"], action["type"]) == ("TCP", "forward")
    group = hub.by_id("lb.TargetGroup", action["targetGroupArn"]).inputs
    assert (group["targetType"], group["protocol"], group["port"]) == ("ip", "TCP", port)

    inner = spoke.one("lb.LoadBalancer").inputs
    addresses = {mapping["privateIpv4Address"] for mapping in inner["subnetMappings"]}
    targets = [item.inputs for item in spoke.all("lb.TargetGroupAttachment", targetGroupArn=action["targetGroupArn"])]
    assert {(item["targetId"], item["port"], item["availabilityZone"]) for item in targets} == {
        (address, port, "all") for address in addresses
    }
    assert addresses == {cidr.replace(".0/24", ".10") for cidr in subnets(spoke.stack, "k8s")}

    (action,) = spoke.one("lb.Listener", port=port).inputs["defaultActions"]
    group = spoke.by_id("lb.TargetGroup", action["targetGroupArn"]).inputs
    assert (group["targetType"], group["protocol"], group["port"]) == ("instance", "TCP", port)
    (workers,) = [
        item for item in spoke.all("autoscaling.Group") if action["targetGroupArn"] in item.inputs["targetGroupArns"]
    ]
    assert workers.inputs["name"].startswith(f"fitsync-{spoke.stack}-cluster-agents")

    gateway = spoke.charts["istio-ingressgateway"].values["service"]
    assert gateway["type"] == "LoadBalancer", "K3s opens the ports of such a Service on its nodes"
    assert port in {item["port"] for item in gateway["ports"]}
    (entry,) = inner["securityGroups"]
    for admitting in (entry, node_group(spoke)):
        assert tcp([port], edge_ranges(hub)) <= rules(spoke, admitting, "Ingress")


@pytest.mark.rows("FS-NET-13")
def test_only_the_edge_admits_the_world_and_on_two_ports(hub: Registered, spokes: Spokes) -> None:
    edge = {group for balancer in hub.all("lb.LoadBalancer") for group in balancer.inputs["securityGroups"]}
    open_to_all = {
        (group.id, *rule)
        for stack in (hub, *spokes.values())
        for group in stack.all("ec2.SecurityGroup")
        for rule in rules(stack, group.id, "Ingress")
        if rule[-1] in (ANYWHERE, "::/0")
    }
    (group,) = edge
    assert open_to_all == {(group, "tcp", 80, 80, ANYWHERE), (group, "tcp", 443, 443, ANYWHERE)}
    for stack in (hub, *spokes.values()):
        closed = stack.one("ec2.DefaultSecurityGroup").inputs
        assert (closed["ingress"], closed["egress"]) == ([], [])


@pytest.mark.rows("FS-NET-14")
def test_the_edge_sends_to_the_clusters_only(hub: Registered) -> None:
    (group,) = hub.all("lb.LoadBalancer")[0].inputs["securityGroups"]
    assert rules(hub, group, "Egress") == everything(
        ["10.1.2.0/24", "10.2.2.0/24", "10.3.2.0/24", "10.3.12.0/24", "10.3.22.0/24"]
    )
    assert rules(hub, group, "Ingress") == tcp([80, 443], [ANYWHERE])


@pytest.mark.rows("FS-NET-15")
def test_nodes_admit_each_other_the_edge_and_the_bastion(hub: Registered, spoke: Registered) -> None:
    bastion = hub.by_id("ec2.Subnet", hub.one("ec2.Instance").inputs["subnetId"]).inputs["cidrBlock"]
    private = {"10.0.2.0/24", "10.0.12.0/24"}
    assert bastion in private, "the bastion stands in the hub's private subnets, alone"
    assert edge_ranges(hub) == {"10.0.1.0/24", "10.0.11.0/24"}
    assert rules(spoke, node_group(spoke), "Ingress") == (
        everything(subnets(spoke.stack, "k8s")) | tcp([80, 443, 15021], edge_ranges(hub)) | tcp([22, 6443], private)
    )


@pytest.mark.rows("FS-NET-16")
def test_nodes_send_to_databases_each_other_and_https_only(spoke: Registered) -> None:
    inside = [*subnets(spoke.stack, "k8s"), *subnets(spoke.stack, "db")]
    assert rules(spoke, node_group(spoke), "Egress") == everything(inside) | tcp([443], [ANYWHERE])


@pytest.mark.rows("FS-NET-17", "FS-NET-18")
def test_databases_admit_their_cluster_and_open_nothing_but_replication_and_s3(spoke: Registered) -> None:
    group = database_group(spoke)
    assert "db-postgresql-sg" in spoke.by_id("ec2.SecurityGroup", group).inputs["name"]
    replication = ("tcp", 5432, 5432, group)
    cluster = subnets(spoke.stack, "k8s")
    assert rules(spoke, group, "Ingress") == tcp([5432, 6379], cluster) | {replication}
    endpoint = spoke.one("ec2.VpcEndpoint")
    assert endpoint.inputs["serviceName"] == "com.amazonaws.eu-west-1.s3"
    storage = endpoint.outputs["prefixListId"]
    assert rules(spoke, group, "Egress") == {replication, ("tcp", 443, 443, storage)}


@pytest.mark.rows("FS-NET-20")
def test_machines_boot_without_plain_http(spoke: Registered) -> None:
    """The metadata service and the node itself are not the internet."""
    near = re.compile(r"http://(?:169\.254\.169\.254|127\.0\.0\.1)\b")
    scripts = [item.inputs["userData"] for kind in ("ec2.LaunchTemplate", "ec2.Instance") for item in spoke.all(kind)]
    assert len(scripts) >= 6
    for script in scripts:
        for path, text in machine(script).files.items():
            assert "http://" not in near.sub("", text), path
    for chart in spoke.charts.values():
        assert chart.spec["repo"].startswith("https://")
