"""What the hub and its spokes agree on."""

from __future__ import annotations

import pytest

from derive.network import hub_plan, public_hosts, spoke_plan
from model import DeclarationError, Route, SingleVpc, Tier
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
    plan = spoke_plan(SYSTEM, SYSTEM.environments[name], REGION, ())
    second = {"dev": 1, "stage": 2, "prod": 3}[name]
    assert plan.nat_zones == nat
    assert plan.hub_cidr == "10.0.0.0/16"
    assert plan.entry == {f"k8s-{zone}": f"10.{second}.{10 * i + 2}.10" for i, zone in enumerate(zones)}


def test_a_host_with_two_routes_is_one_name() -> None:
    """A record declared twice is refused by the engine."""
    routes = (Route(host="@", to="web"), Route(host="api", to="orders"), Route(host="@", to="orders", prefix="/api"))
    assert public_hosts(shop(routes=routes), "shop.example") == ("shop.example", "api.shop.example")


def test_a_system_without_a_hub_has_no_hub_plan() -> None:
    system = shop(network=SingleVpc(tiers=(Tier(name="public", offset=1, egress="internet"),)))
    with pytest.raises(DeclarationError) as caught:
        hub_plan(system, REGION)
    assert str(caught.value) == "system 'shop' has no hub: its network is 'single-vpc'"


def test_a_name_too_long_for_a_load_balancer_is_refused() -> None:
    """Before anything is made, not by AWS in the middle."""
    system = shop(name="a-shop-with-quite-a-long-name", environments={"development": environment()})
    with pytest.raises(DeclarationError) as caught:
        hub_plan(system, REGION)
    assert str(caught.value) == (
        "load balancer 'a-shop-with-quite-a-long-name-development-edge' has 46 characters, AWS allows 32; "
        "shorten the system's or environment's name"
    )
