"""Servers that are their own edge: what outlives a machine, and what an update waits for."""

from __future__ import annotations

from functools import cache

import pulumi
import yaml

from components.cluster.k3s import K3sCluster, K3sClusterArgs
from components.network.vpc import Vpc, VpcArgs
from derive.plan import system_plan
from derive.shapes import Deployment, Facts
from model import (
    Environment,
    Gp3,
    K3s,
    NetworkPolicies,
    Nodes,
    NoMesh,
    Platform,
    Service,
    SingleVpc,
    System,
    Tier,
    Traefik,
)
from tests.components.built import REGION
from tests.components.strict_monitor import Secret, StrictMonitor, plain, register

SERVERS = [f"cluster-server-{index}" for index in range(3)]


def exposed() -> K3sCluster:
    """Two zones, three servers that are their own edge."""
    system = System(
        name="small",
        domain="small.example",
        services=(Service(name="web", port=3000),),
        platform=Platform(
            cluster=K3s(machines="ubuntu-24.04"),
            cni=NetworkPolicies(),
            mesh=NoMesh(),
            ingress=Traefik(),
            pools=(),
        ),
        network=SingleVpc(tiers=(Tier(name="public", offset=1, egress="internet"),), control="public", edge="nodes"),
        environments={
            "prod": Environment(
                cidr="10.9.0.0/16",
                domain="small.example",
                zones=2,
                servers=Nodes(instance="m7i.xlarge", count=3, disk=Gp3(size=200)),
                pools={},
                protect=True,
            )
        },
    )
    whole = system_plan(Deployment(system, "prod", system.environments["prod"], Facts(region=REGION)))
    made = K3sCluster(
        "cluster",
        K3sClusterArgs(
            plan=whole.k3s,
            vpc=Vpc("network", VpcArgs(whole.network.addresses, REGION)),
            node_groups={"public": "node-group"},
            entry_group=None,
            entry_addresses={},
            image="ami-1",
            snapshot_bucket="backups",
            snapshot_bucket_arn="arn:aws:s3:::backups",
            resolving_vpcs=[],
            entry_ingress=[],
            ingress_target_groups=[],
            tags={"Environment": "prod"},
            snapshots={"1": "snap-1"},
            protect=True,
        ),
    )
    pulumi.export("kubeconfig", made.kubeconfig)
    return made


@cache
def cluster() -> StrictMonitor:
    def program() -> None:
        exposed()

    return register(program)


def test_each_server_has_addresses_that_stay_and_a_volume_that_outlives_it() -> None:
    """etcd knows its members by address, and local volumes are bound to the node's name."""
    instances = cluster().of("aws:ec2/instance:Instance")
    assert [instances[f"{name}-instance"].inputs["privateIp"] for name in SERVERS] == [
        "10.9.1.10",
        "10.9.2.10",
        "10.9.1.11",
    ]
    volumes = cluster().of("aws:ebs/volume:Volume")
    for index, name in enumerate(SERVERS):
        volume = volumes[f"{name}-volume"]
        assert volume.protect
        assert (volume.inputs["size"], volume.inputs["encrypted"]) == (200, True)
        assert volume.inputs.get("snapshotId") == ("snap-1" if index == 1 else None)
        address = cluster().of("aws:ec2/eipAssociation:EipAssociation")[f"{name}-association"]
        assert address.inputs["allocationId"] == f"cluster-addresses-{index}.id"
        assert instances[f"{name}-instance"].delete_before_replace


def test_the_update_waits_until_each_server_says_that_its_api_is_ready() -> None:
    """What comes next talks to the API: too early, the whole update fails."""
    gates = cluster().of("aws:ssm/association:Association")
    for name in SERVERS:
        gate = gates[f"{name}-ready"]
        assert gate.inputs["waitForSuccessTimeoutSeconds"] == 1200
        assert {f"{name}-attachment", f"{name}-association"} <= gate.dependencies
    components = cluster().of("wheelhouse:cluster:PublicServer")
    assert "cluster-server-0-ready" in components["cluster-server-1"].dependencies
    assert "cluster-server-1-ready" in components["cluster-server-2"].dependencies


def test_there_is_no_balancer_and_no_secret_for_workers_that_there_are_not() -> None:
    kinds = {item.type for item in cluster().resources.values()}
    assert not {kind for kind in kinds if kind.startswith(("aws:lb/", "aws:autoscaling/"))}
    assert list(cluster().of("aws:secretsmanager/secret:Secret")) == ["cluster-server-join"]


def test_the_kubeconfig_leads_to_the_first_address_and_is_secret() -> None:
    exported = cluster().exports["kubeconfig"]
    assert isinstance(exported, Secret)
    (entry,) = yaml.safe_load(plain(exported))["clusters"]
    server = entry["cluster"]["server"]
    assert server == "https://cluster-addresses-0.publicIp:6443"


def test_members_find_the_api_by_its_private_name() -> None:
    """Their own public addresses would lead them out of the network and back."""
    record = cluster().of("aws:route53/record:Record")["cluster-addresses-api"].inputs
    assert (record["name"], record["records"]) == (
        "api.small-prod.internal",
        ["10.9.1.10", "10.9.2.10", "10.9.1.11"],
    )


def test_machines_demand_imdsv2_and_encrypt_their_disks() -> None:
    for item in cluster().of("aws:ec2/instance:Instance").values():
        assert item.inputs["metadataOptions"]["httpTokens"] == "required"
        assert item.inputs["metadataOptions"]["httpPutResponseHopLimit"] == 1
        assert item.inputs["rootBlockDevice"]["encrypted"] is True
