"""The cluster's plan: names, places, and what nodes boot with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from derive.cluster.k3s import K3sPlan
from derive.plan import system_plan
from model import DeclarationError, Eks, NetworkPolicies, Nodes, Platform, Pool, Route, SingleVpc, Tier
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed, environment, shop


def plan(environment: str) -> K3sPlan:
    return system_plan(deployed(SYSTEM, environment)).k3s


@pytest.mark.parametrize(("environment", "servers"), [("dev", ("k8s-a",)), ("prod", ("k8s-a", "k8s-b", "k8s-c"))])
def test_servers_are_spread_over_the_zones(environment: str, servers: tuple[str, ...]) -> None:
    """Two of three servers in one zone: etcd stops when it is lost."""
    assert plan(environment).server_subnets == servers
    assert plan(environment).name == f"fitsync-{environment}"


def test_the_api_s_name_is_the_one_in_the_certificates() -> None:
    assert plan("prod").api_host == "api.fitsync-prod.internal"
    assert plan("prod").marker == "/fitsync-prod/k3s/initialized"


def test_a_server_boots_with_the_declared_networks() -> None:
    node = plan("prod").server(2, "arn", "backups")
    assert (node.role, node.index, node.secret_arn, node.snapshot_bucket) == ("server", 2, "arn", "backups")
    assert (node.cluster_cidr, node.service_cidr) == ("10.42.0.0/16", "10.43.0.0/16")
    assert (node.api_host, node.marker_parameter) == (plan("prod").api_host, plan("prod").marker)
    assert not node.autoscaled


def test_an_agent_boots_without_the_servers_things() -> None:
    whole = plan("prod")
    (pool,) = whole.pools
    node = whole.agent(pool, "arn")
    assert (node.role, node.snapshot_bucket, node.autoscaled) == ("agent", "", True)
    assert not whole.agent(replace(pool, nodes=whole.servers), "arn").autoscaled


def test_pools_stand_in_their_tiers_and_carry_their_labels() -> None:
    """A pod that is pinned to the data nodes must find nodes that are called so, in the data subnets. The one data node
    is in one zone, and so is the next that takes its place: the volumes do not leave it."""
    tiers = (
        Tier(name="public", offset=1, egress="internet"),
        Tier(name="application", offset=10, egress="nat"),
        Tier(name="data", offset=20, egress="nat", admits=("application",)),
    )
    pools = (
        Pool(name="application"),
        Pool(
            name="data",
            tier="data",
            labels={"shop.example/tier": "data"},
            taints=("tier=data:NoSchedule",),
            ingress=False,
        ),
    )
    one, grows = Nodes(instance="t3.large", count=1), Nodes(instance="t3.large", count=1, maximum=2)
    system = shop(
        network=SingleVpc(tiers=tiers, control="application"),
        platform=Platform(pools=pools),
        environments={"dev": environment(zones=2, pools={"application": grows, "data": one})},
    )
    found = system_plan(deployed(system)).k3s
    assert {pool.name: (pool.tier, pool.subnets, pool.ingress) for pool in found.pools} == {
        "application": ("application", ("application-a", "application-b"), True),
        "data": ("data", ("data-a",), False),
    }
    assert found.server_subnets == ("application-a",)
    node = found.agent(found.pools[1], "arn")
    assert (node.labels, node.taints) == ({"shop.example/tier": "data"}, ("tier=data:NoSchedule",))


def test_kube_proxy_goes_only_where_cilium_replaces_it() -> None:
    """Without either, no Service has an address that works."""
    assert plan("dev").server(0, "arn", "").kube_proxy_replacement
    server = standard(NetworkPolicies()).server(0, "arn", "")
    assert (server.kube_proxy_replacement, server.own_network, server.kube_proxy_args) == (False, True, ())


def standard(cni: NetworkPolicies) -> K3sPlan:
    system = shop(routes=(Route(host="@", to="web"),), platform=Platform(cni=cni))
    return system_plan(deployed(system)).k3s


def test_ipvs_is_asked_of_every_node_and_its_modules_are_loaded_first() -> None:
    """Without the modules, kube-proxy falls back to iptables without a word."""
    found = standard(NetworkPolicies(proxy="ipvs", scheduler="lc"))
    for node in (found.server(0, "arn", ""), found.agent(found.pools[0], "arn")):
        assert node.kube_proxy_args == ("proxy-mode=ipvs", "ipvs-scheduler=lc")
        assert node.kernel_modules == ("ip_vs", "ip_vs_rr", "ip_vs_lc", "nf_conntrack")


def test_an_even_number_of_servers_is_refused() -> None:
    """Two servers stop when one is lost, and cost twice as much as one."""
    prod = SYSTEM.environments["prod"]
    assert prod.servers
    servers = prod.servers.model_copy(update={"count": 2})
    system = SYSTEM.model_copy(update={"environments": {"prod": prod.model_copy(update={"servers": servers})}})
    with pytest.raises(DeclarationError) as caught:
        system_plan(deployed(system, "prod"))
    assert str(caught.value) == "servers.count is 2; etcd needs an odd number to keep a majority: use 1 or 3"


def test_an_entry_s_name_that_aws_refuses_is_refused_before_anything_is_made() -> None:
    with pytest.raises(DeclarationError, match="target group 'a-system-with-a-very-long-name-dev-entry-6443' has 45"):
        system_plan(deployed(shop(name="a-system-with-a-very-long-name")))


def test_eks_in_one_zone_is_refused_before_aws_does_so() -> None:
    with pytest.raises(DeclarationError) as caught:
        system_plan(deployed(shop(platform=Platform(cluster=Eks()))))
    assert str(caught.value) == (
        "platform.cluster 'eks' of 'shop-dev' needs two zones at least (EKS user guide, \"Subnet requirements\"), "
        "environment 'dev' has one; set its zones to 2 or 3"
    )
