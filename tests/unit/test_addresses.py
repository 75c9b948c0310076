"""The address plan: exact for FitSync, and for any network disjoint, inside, and stable."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derive.network.addresses import AddressPlan, address_plan
from derive.network.networks import environment_addresses, hub_addresses, hub_and_spoke
from model import DeclarationError, Tier
from systems.fitsync import SYSTEM

REGION = "eu-west-1"
ZONES = tuple(f"{REGION}{letter}" for letter in "abcdef")


def cidrs(plan: AddressPlan) -> dict[str, str]:
    return {subnet.name: subnet.cidr for subnet in plan.subnets}


def test_fitsync_s_hub() -> None:
    """FS-NET-01: the hub's ranges are written in firewalls elsewhere."""
    assert cidrs(hub_addresses(hub_and_spoke(SYSTEM), REGION)) == {
        "public-a": "10.0.1.0/24",
        "public-b": "10.0.11.0/24",
        "private-a": "10.0.2.0/24",
        "private-b": "10.0.12.0/24",
    }


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ("dev", {"public-a": "10.1.1.0/24", "k8s-a": "10.1.2.0/24", "db-a": "10.1.3.0/24"}),
        ("stage", {"public-a": "10.2.1.0/24", "k8s-a": "10.2.2.0/24", "db-a": "10.2.3.0/24"}),
        (
            "prod",
            {
                "public-a": "10.3.1.0/24",
                "public-b": "10.3.11.0/24",
                "public-c": "10.3.21.0/24",
                "k8s-a": "10.3.2.0/24",
                "k8s-b": "10.3.12.0/24",
                "k8s-c": "10.3.22.0/24",
                "db-a": "10.3.3.0/24",
                "db-b": "10.3.13.0/24",
                "db-c": "10.3.23.0/24",
            },
        ),
    ],
)
def test_fitsync_s_spokes(environment: str, expected: dict[str, str]) -> None:
    plan = environment_addresses(hub_and_spoke(SYSTEM), SYSTEM.environments[environment], REGION)
    assert cidrs(plan) == expected
    assert {subnet.egress for subnet in plan.tier("db")} == {"none"}


STRIDE = 10
"""Room for nine tiers."""


@st.composite
def networks(draw: st.DrawFn) -> tuple[str, tuple[Tier, ...], tuple[str, ...]]:
    """A /16 to /19 with up to nine tiers in up to three zones: what fits into 32 networks."""
    prefix = draw(st.integers(16, 19))
    third = draw(st.integers(0, 2 ** (prefix - 16) - 1)) << (24 - prefix)
    offsets = draw(st.lists(st.integers(1, 9), unique=True, min_size=1, max_size=9))
    tiers = tuple(
        Tier(name=f"tier-{offset}", offset=offset, egress=draw(st.sampled_from(["internet", "nat", "none"])))
        for offset in offsets
    )
    return f"10.{draw(st.integers(0, 255))}.{third}.0/{prefix}", tiers, ZONES[: draw(st.integers(1, 3))]


@given(networks())
def test_subnets_are_disjoint_and_inside(network: tuple[str, tuple[Tier, ...], tuple[str, ...]]) -> None:
    """AWS refuses an overlap halfway through an update."""
    cidr, tiers, zones = network
    plan = address_plan(cidr, tiers, zones, STRIDE)
    ranges = [IPv4Network(subnet.cidr) for subnet in plan.subnets]
    assert len(ranges) == len(tiers) * len(zones) == len({subnet.name for subnet in plan.subnets})
    assert all(each.subnet_of(IPv4Network(cidr)) for each in ranges)
    assert not any(a.overlaps(b) for i, a in enumerate(ranges) for b in ranges[i + 1 :])
    assert {(subnet.tier, subnet.zone) for subnet in plan.subnets} == {(t.name, zone) for t in tiers for zone in zones}


@given(networks())
def test_a_subnet_stays_where_it_is(network: tuple[str, tuple[Tier, ...], tuple[str, ...]]) -> None:
    """A subnet that moves is replaced, with every machine in it."""
    cidr, tiers, zones = network
    grown = cidrs(address_plan(cidr, tiers, zones, STRIDE))
    assert cidrs(address_plan(cidr, tiers, zones[:1], STRIDE)).items() <= grown.items()
    assert cidrs(address_plan(cidr, tiers[:1], zones, STRIDE)).items() <= grown.items()


def test_a_range_that_is_too_small_is_refused() -> None:
    tiers = (Tier(name="public", offset=1, egress="internet"),)
    with pytest.raises(DeclarationError) as caught:
        address_plan("10.1.0.0/20", tiers, ZONES[:3], STRIDE)
    assert str(caught.value) == (
        "tier 'public' in zone eu-west-1c needs /24 number 21 of 10.1.0.0/20, which has 16; "
        "use a larger range or fewer zones"
    )


def test_two_tiers_in_one_place_are_refused() -> None:
    tiers = (Tier(name="web", offset=1, egress="nat"), Tier(name="data", offset=1, egress="none"))
    with pytest.raises(DeclarationError) as caught:
        address_plan("10.1.0.0/16", tiers, ZONES[:1], STRIDE)
    assert str(caught.value) == (
        "tiers 'web' in zone eu-west-1a and 'data' in zone eu-west-1a meet: 10.1.1.0/24 and 10.1.1.0/24; a tier takes "
        "the network of its offset plus 10 per zone: set their offsets further apart, or raise network.stride"
    )


def test_tiers_of_different_sizes_are_counted_in_their_own_and_do_not_meet() -> None:
    tiers = (
        Tier(name="public", offset=1, egress="internet"),
        Tier(name="private", offset=1, prefix=18, egress="nat"),
    )
    plan = address_plan("10.1.0.0/16", tiers, ZONES[:3], 1)
    assert plan.cidrs("public") == ("10.1.1.0/24", "10.1.2.0/24", "10.1.3.0/24")
    assert plan.cidrs("private") == ("10.1.64.0/18", "10.1.128.0/18", "10.1.192.0/18")
    meeting = (Tier(name="public", offset=64, egress="internet"), tiers[1])
    with pytest.raises(DeclarationError, match="'public' in zone eu-west-1a and 'private' in zone eu-west-1a meet"):
        address_plan("10.1.0.0/16", meeting, ZONES[:1], 1)
