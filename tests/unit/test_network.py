"""What the hub and its spokes agree on."""

from __future__ import annotations

import pytest

from derive.network.networks import NetworkPlan, hub_plan, network_plan, public_hosts
from model import (
    DeclarationError,
    Eks,
    Istio,
    IstioGateway,
    K3s,
    Nginx,
    Nodes,
    NoMesh,
    Platform,
    Pool,
    Route,
    SingleVpc,
    Tier,
    Traefik,
)
from model.ingress import Ingress
from model.network import Network
from model.platform import Cluster
from systems.fitsync import SYSTEM
from tests.unit.declared import environment, shop

REGION = "eu-west-1"


def test_the_hub_knows_every_environment() -> None:
    """Also those that are not up yet: bringing one up must not need a change of the hub first."""
    plan = hub_plan(SYSTEM, REGION)
    assert plan.spokes == {"dev": "10.1.0.0/16", "stage": "10.2.0.0/16", "prod": "10.3.0.0/16"}
    assert plan.addresses.cidr == "10.0.0.0/16"
    assert {edge.environment: (edge.name, edge.hosts) for edge in plan.edges} == {
        "dev": ("fitsync-dev-edge", ("app.dev.fitsync.com", "api.dev.fitsync.com")),
        "stage": ("fitsync-stage-edge", ("app.stage.fitsync.com", "api.stage.fitsync.com")),
        "prod": ("fitsync-prod-edge", ("app.fitsync.com", "api.fitsync.com")),
    }


@pytest.mark.parametrize(("name", "nat", "zones"), [("dev", 1, "a"), ("stage", 1, "a"), ("prod", 3, "abc")])
def test_a_spoke_s_entry_and_nat_gateways(name: str, nat: int, zones: str) -> None:
    """The hub's edge sends requests to these very addresses."""
    plan = network_plan(SYSTEM, name, SYSTEM.environments[name], REGION, ())
    second = {"dev": 1, "stage": 2, "prod": 3}[name]
    assert plan.nat_zones == nat
    assert plan.hub_cidr == "10.0.0.0/16"
    assert plan.entry == {f"k8s-{zone}": f"10.{second}.{10 * i + 2}.10" for i, zone in enumerate(zones)}


def test_a_host_with_two_routes_is_one_name() -> None:
    """A record declared twice is refused by the engine."""
    routes = (Route(host="@", to="web"), Route(host="api", to="orders"), Route(host="@", to="orders", prefix="/api"))
    assert public_hosts(shop(routes=routes), "shop.example") == ("shop.example", "api.shop.example")


def test_a_system_without_a_hub_has_no_hub_plan() -> None:
    system = shop(network=SingleVpc(tiers=(Tier(name="public", offset=1, egress="internet"),), control="public"))
    with pytest.raises(DeclarationError) as caught:
        hub_plan(system, REGION)
    assert str(caught.value) == "system 'shop' has no hub: its network is 'single-vpc'"


VPC = SingleVpc(
    tiers=(Tier(name="public", offset=0, egress="internet"), Tier(name="k8s", offset=10, egress="nat")), control="k8s"
)


@pytest.mark.parametrize("network", [SYSTEM.network, VPC], ids=["hub", "own network"])
@pytest.mark.parametrize("cluster", [K3s(), Eks()], ids=lambda cluster: cluster.kind)
@pytest.mark.parametrize("ingress", [IstioGateway(), Nginx(), Traefik()], ids=lambda ingress: ingress.kind)
def test_every_rule_of_a_group_has_a_name_of_its_own(network: Network, cluster: Cluster, ingress: Ingress) -> None:
    """A health check on a door's own port was a second rule of the same name, which ends an update halfway."""
    mesh = NoMesh() if isinstance(ingress, Traefik) else Istio()
    system = shop(network=network, platform=Platform(cluster=cluster, ingress=ingress, mesh=mesh))
    plan = network_plan(system, "dev", environment(zones=2), REGION, ("192.0.2.0/24",), (5432,))
    for group in plan.groups:
        keys = [rule.key for rule in group.rules]
        assert len(keys) == len(set(keys)), group.name


def test_a_name_too_long_for_a_load_balancer_is_refused() -> None:
    """Before anything is made, not by AWS in the middle."""
    system = shop(name="a-shop-with-quite-a-long-name", environments={"development": environment()})
    with pytest.raises(DeclarationError) as caught:
        hub_plan(system, REGION)
    assert str(caught.value) == (
        "target group 'a-shop-with-quite-a-long-name-development-edge-6443' has 51 characters, AWS allows 32; "
        "shorten the system's or environment's name"
    )


def single() -> NetworkPlan:
    """Ingress nodes in the public tier, services behind them, stores in a tier that the public one may not reach."""
    network = SingleVpc(
        tiers=(
            Tier(name="public", offset=1, egress="internet"),
            Tier(name="app", offset=10, egress="nat"),
            Tier(name="data", offset=20, egress="nat", admits=("app",)),
        ),
        control="app",
    )
    pools = (
        Pool(name="doors", tier="public"),
        Pool(name="app", ingress=False),
        Pool(name="data", tier="data", ingress=False),
    )
    size = Nodes(instance="t3.large", count=1)
    system = shop(
        network=network,
        platform=Platform(pools=pools),
        routes=(Route(host="@", to="web"),),
        environments={"dev": environment(zones=2, pools={"doors": size, "app": size, "data": size})},
    )
    return network_plan(system, "dev", system.environments["dev"], REGION, ())


def test_a_vpc_of_its_own_has_its_own_edge_and_no_hub() -> None:
    """Subnets of a zone lie side by side, so that the second zone's do not fall into another tier."""
    plan = single()
    assert {subnet.name: subnet.cidr for subnet in plan.addresses.subnets} == {
        "public-a": "10.1.1.0/24",
        "public-b": "10.1.2.0/24",
        "app-a": "10.1.10.0/24",
        "app-b": "10.1.11.0/24",
        "data-a": "10.1.20.0/24",
        "data-b": "10.1.21.0/24",
    }
    assert plan.hub_cidr is None
    assert plan.edge is not None
    assert (plan.edge.name, plan.edge.hosts) == ("shop-dev-edge", ("dev.shop.example",))
    assert plan.entry == {"app-a": "10.1.10.10", "app-b": "10.1.11.10"}


def test_a_tier_answers_only_the_tiers_that_it_admits() -> None:
    """A machine that faces the internet must not reach the data nodes."""
    groups = {group.name: group for group in single().groups}
    assert groups.keys() == {"edge", "entry", "public-nodes", "app-nodes", "data-nodes"}
    inbound = {
        name: {rule.peer for rule in group.rules if rule.direction == "ingress" and rule.port is None}
        for name, group in groups.items()
    }
    public, app, data = ({f"10.1.{n}.0/24", f"10.1.{n + 1}.0/24"} for n in (1, 10, 20))
    assert inbound["data-nodes"] == data | app
    assert inbound["app-nodes"] == inbound["public-nodes"] == public | app | data
    doors = {rule.port for rule in groups["public-nodes"].rules if rule.description == "Edge"}
    assert doors == {80, 443, 15021}
    assert {rule.peer for rule in groups["public-nodes"].rules if rule.description == "Edge"} == {"edge"}
    assert not [
        rule for name in ("app-nodes", "data-nodes") for rule in groups[name].rules if rule.description == "Edge"
    ]
