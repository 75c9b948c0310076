"""Orion's network and cluster: one VPC with five tiers in three zones, a pool of workers in each."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from tests.requirements.registered import Registered, machine

TIERS = {"public": 1, "application": 10, "data": 20, "monitoring": 30, "management": 40}
"""Tier -> third number of its subnet in the first zone; each further zone adds one."""


@pytest.mark.rows("OR-NET-01", "OR-NET-08")
def test_every_named_subnet_lies_in_one_vpc_and_has_sisters_in_two_more_zones(orion: Registered) -> None:
    """A tier in one zone goes down with it."""
    vpc = orion.one("ec2.Vpc").inputs
    assert (vpc["cidrBlock"], vpc["enableDnsSupport"], vpc["enableDnsHostnames"]) == ("10.0.0.0/16", True, True)
    found = {item.inputs["cidrBlock"]: item.inputs["availabilityZone"] for item in orion.all("ec2.Subnet")}
    assert found == {
        f"10.0.{number + zone}.0/24": f"us-east-1{letter}"
        for number in TIERS.values()
        for zone, letter in enumerate("abc")
    }


@pytest.mark.rows("OR-NET-02", "OR-NET-03")
def test_only_the_public_subnets_lead_to_the_internet_gateway(orion: Registered) -> None:
    subnets = {item.id: item.inputs for item in orion.all("ec2.Subnet")}
    tables = {item.inputs["subnetId"]: item.inputs["routeTableId"] for item in orion.all("ec2.RouteTableAssociation")}
    assert set(tables) == set(subnets)
    assert len(set(tables.values())) == len(subnets)
    gates = {item.inputs["routeTableId"]: item.inputs for item in orion.all("ec2.Route")}
    for name, subnet in subnets.items():
        public = subnet["tags"]["Tier"] == "public"
        route = gates[tables[name]]
        assert route["destinationCidrBlock"] == "0.0.0.0/0"
        assert ("gatewayId" in route, "natGatewayId" in route) == (public, not public)
        assert not subnet.get("mapPublicIpOnLaunch") or public
    stands = {subnets[item.inputs["subnetId"]]["tags"]["Tier"] for item in orion.all("ec2.NatGateway")}
    assert stands == {"public"}


@pytest.mark.rows("OR-NET-05", "OR-SEC-14")
def test_only_cloudflare_gets_in_and_on_two_ports(orion: Registered) -> None:
    """Who finds the load balancer's address must not get round the firewall in front of it."""
    rules = [item.inputs for item in orion.all("vpc.SecurityGroupIngressRule")]
    assert not any(rule.get("cidrIpv6") or rule.get("cidrIpv4") == "0.0.0.0/0" for rule in rules)
    public = [rule for rule in rules if not IPv4Network(rule.get("cidrIpv4", "10.0.0.0/8")).is_private]
    assert {rule["fromPort"] for rule in public} == {80, 443}
    named = {rule["cidrIpv4"] for rule in public}
    assert {"173.245.48.0/20", "104.16.0.0/13", "162.158.0.0/15"} <= named
    assert len(named) == 15


@pytest.mark.rows("OR-NET-06")
def test_the_data_tier_admits_neither_the_internet_nor_the_public_subnets(orion: Registered) -> None:
    (data,) = [item.id for item in orion.all("ec2.SecurityGroup") if "data" in item.inputs["description"]]
    ranges = {item.inputs["cidrIpv4"] for item in orion.all("vpc.SecurityGroupIngressRule", securityGroupId=data)}
    assert ranges == {
        f"10.0.{number + zone}.0/24" for tier, number in TIERS.items() if tier != "public" for zone in range(3)
    }


@pytest.mark.rows("OR-NET-04", "OR-CLU-03")
def test_each_tier_holds_a_group_of_workers_with_its_label(orion: Registered) -> None:
    subnets = {item.id: item.inputs["tags"]["Tier"] for item in orion.all("ec2.Subnet")}
    templates = {item.id: item.inputs for item in orion.all("ec2.LaunchTemplate")}
    labels: dict[str, set[bool]] = {}
    for group in orion.all("autoscaling.Group"):
        boots = machine(templates[group.inputs["launchTemplate"]["id"]]["userData"])
        (tier,) = {subnets[name] for name in group.inputs["vpcZoneIdentifiers"]}
        labels.setdefault(tier, set()).add(f"orion.io/tier={tier}" in boots.files["/etc/rancher/k3s/config.yaml"])
    assert {tier: True in found for tier, found in labels.items()} == dict.fromkeys(TIERS, True)


@pytest.mark.rows("OR-CLU-05", "OR-CLU-07")
def test_kube_proxy_runs_in_ipvs_mode_and_policies_are_enforced(orion: Registered) -> None:
    """K3s' own controller enforces policies unless it is told not to."""
    for template in orion.all("ec2.LaunchTemplate"):
        text = machine(template.inputs["userData"]).files["/etc/rancher/k3s/config.yaml"]
        assert "proxy-mode=ipvs" in text
        assert "ipvs-scheduler=lc" in text
        assert "disable-network-policy" not in text
        assert "disable-kube-proxy" not in text


@pytest.mark.rows("OR-CLU-08", "OR-NET-09")
def test_pods_are_pinned_to_the_pool_of_their_tier(orion: Registered) -> None:
    placed = {
        name: template["spec"].get("nodeSelector", {}).get("orion.io/tier")
        for kind, name, template in orion.pods()
        if kind in ("Deployment", "Rollout", "StatefulSet")
    }
    data = {"orion", "orion-2", "orion-3", "redis", "rabbitmq", "pgbouncer", "orion-backup-exporter"}
    assert placed == {
        "orion-gateway/gateway": "application",
        "orion-auth/auth": "application",
        "orion-user/user": "application",
        "orion-notification/notification": "application",
        "orion-analytics/analytics": "application",
        "orion-system/admin-ui": "management",
        **{f"orion-data/{name}": "data" for name in data},
    }
