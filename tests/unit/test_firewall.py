"""Security groups, compared whole: a rule too many is a hole that no other test would see."""

from __future__ import annotations

import pytest

from derive.network.firewall import Group, Rule
from derive.network.networks import hub_plan, network_plan
from systems.fitsync import SYSTEM

REGION = "eu-west-1"
EDGE = ("10.0.1.0/24", "10.0.11.0/24")
BASTION = ("10.0.2.0/24", "10.0.12.0/24")
OFFICE = "192.168.100.0/24"
CLUSTERS = {
    "dev": ("10.1.2.0/24",),
    "stage": ("10.2.2.0/24",),
    "prod": ("10.3.2.0/24", "10.3.12.0/24", "10.3.22.0/24"),
}
DATA = {
    "dev": ("10.1.3.0/24",),
    "stage": ("10.2.3.0/24",),
    "prod": ("10.3.3.0/24", "10.3.13.0/24", "10.3.23.0/24"),
}
Found = set[tuple[str, int | None, str]]


def rules(group: Group) -> Found:
    return {(rule.direction, rule.port, rule.peer) for rule in group.rules}


def spoke(environment: str) -> dict[str, Found]:
    plan = network_plan(SYSTEM, environment, SYSTEM.environments[environment], REGION, (OFFICE,))
    return {group.name: rules(group) for group in plan.groups}


def test_the_edge_lets_the_world_in_and_passes_it_to_clusters_only() -> None:
    """FS-NET-13, FS-NET-14."""
    group = next(group for group in hub_plan(SYSTEM, REGION).groups if group.name == "edge")
    clusters = {cidr for cidrs in CLUSTERS.values() for cidr in cidrs}
    assert rules(group) == {
        ("ingress", 80, "0.0.0.0/0"),
        ("ingress", 443, "0.0.0.0/0"),
        *(("egress", None, cidr) for cidr in clusters),
    }


def test_nobody_connects_to_the_bastion() -> None:
    """FS-NET-09: Session Manager is entered from AWS, so there is no inbound rule at all."""
    group = next(group for group in hub_plan(SYSTEM, REGION).groups if group.name == "bastion")
    clusters = {cidr for cidrs in CLUSTERS.values() for cidr in cidrs}
    assert rules(group) == {
        ("egress", 443, "0.0.0.0/0"),
        *(("egress", port, cidr) for cidr in clusters for port in (22, 6443)),
    }


@pytest.mark.parametrize("environment", CLUSTERS)
def test_the_cluster_s_entry(environment: str) -> None:
    """The edge on its ports; the Kubernetes API from the bastion, the office and the nodes, never from the edge."""
    own = CLUSTERS[environment]
    assert spoke(environment)["entry"] == {
        *(("ingress", port, cidr) for cidr in EDGE for port in (80, 443)),
        *(("ingress", 6443, cidr) for cidr in (*BASTION, OFFICE, *own)),
        *(("egress", None, cidr) for cidr in own),
    }


@pytest.mark.parametrize("environment", CLUSTERS)
def test_nodes(environment: str) -> None:
    """FS-NET-15, FS-NET-16: nothing from another environment, nothing out but databases, itself and HTTPS."""
    own = CLUSTERS[environment]
    assert spoke(environment)["k8s-nodes"] == {
        *(("ingress", None, cidr) for cidr in own),
        *(("ingress", port, cidr) for cidr in EDGE for port in (80, 443, 15021)),
        *(("ingress", port, cidr) for cidr in BASTION for port in (22, 6443)),
        *(("egress", None, cidr) for cidr in (*own, *DATA[environment])),
        ("egress", 443, "0.0.0.0/0"),
    }


@pytest.mark.parametrize("environment", CLUSTERS)
def test_databases(environment: str) -> None:
    """FS-NET-17, FS-NET-18: their cluster and one another; no way out but S3."""
    assert spoke(environment)["db-postgresql-sg"] == {
        *(("ingress", port, cidr) for cidr in CLUSTERS[environment] for port in (5432, 6379)),
        ("ingress", 5432, "db-postgresql-sg"),
        ("egress", 5432, "db-postgresql-sg"),
        ("egress", 443, "s3"),
    }


@pytest.mark.parametrize("environment", CLUSTERS)
def test_rules_have_keys_of_their_own(environment: str) -> None:
    """Keys name resources: two rules with one key are one resource registered twice."""
    groups = (*network_plan(SYSTEM, environment, SYSTEM.environments[environment], REGION, (OFFICE,)).groups,)
    for group in (*groups, *hub_plan(SYSTEM, REGION).groups):
        assert len({rule.key for rule in group.rules}) == len(group.rules) > 0


def test_a_key_says_direction_port_and_peer() -> None:
    assert Rule("ingress", "10.0.1.0/24", 443, "Edge").key == "ingress-443-10.0.1.0-24"
    assert Rule("egress", "s3", None, "Storage").key == "egress-all-s3"
