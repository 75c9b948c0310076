"""The chains that an update cannot be faster than, and what an order costs that no value asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.critical import StateError, critical_path
from graph.estimates import ESTIMATES, estimate
from tests.platforms import Platforms, platforms

__all__ = ["platforms"]

NAT = "aws:ec2/natGateway:NatGateway"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
ROUTE = "aws:ec2/route:Route"
ROOT = "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"


def urn(name: str, kind: str) -> str:
    return f"urn:pulumi:dev::shop::{kind}::{name}"


def resource(name: str, kind: str = ROUTE, parent: str = ROOT, custom: bool = True, **fields: Any) -> dict[str, Any]:
    return {"urn": urn(name, kind), "type": kind, "custom": custom, "parent": parent, **fields}


def document(*resources: Mapping[str, Any]) -> dict[str, Any]:
    root = {"urn": ROOT, "type": "pulumi:pulumi:Stack", "custom": False}
    return {"deployment": {"resources": [root, *resources]}}


def seconds(kind: str) -> float:
    return ESTIMATES[kind].seconds


def test_count_and_time_name_different_chains() -> None:
    """Three quick resources are the longer chain, one gateway is the slower one."""
    quick = [resource(name, dependencies=[urn(before, ROUTE)] if before else []) for before, name in ("-a", "ab", "bc")]
    quick[0]["dependencies"] = []
    found = critical_path("dev", document(*quick, resource("slow", NAT)))
    assert [step.name for step in found.longest] == ["a", "b", "c"]
    assert [(step.name, step.why) for step in found.slowest] == [("slow", None)]
    assert found.seconds == seconds(NAT)
    assert found.resources == 4


def test_a_child_waits_for_what_its_component_waits_for() -> None:
    """``depends_on`` of a component holds for everything in it, though only the component's entry says so."""
    tier = resource("tier", "shop:data:Tier", custom=False, dependencies=[urn("gate", NAT)])
    child = resource("child", BALANCER, parent=tier["urn"])
    found = critical_path("dev", document(resource("gate", NAT), tier, child))
    assert [(step.name, step.why) for step in found.slowest] == [("gate", None), ("child", "order")]
    assert [(saving.waits, saving.on, saving.saves) for saving in found.savings] == [("tier", "gate", seconds(NAT))]


def test_a_wait_for_a_value_cannot_be_saved() -> None:
    gate = urn("gate", NAT)
    user = resource("user", BALANCER, dependencies=[gate], propertyDependencies={"subnets": [gate]})
    found = critical_path("dev", document(resource("gate", NAT), user))
    assert found.slowest[1].why == "value"
    assert found.savings == ()


def test_a_component_is_left_out_of_an_order_as_a_whole() -> None:
    """An order that is taken out towards one of two equal resources of a component alone would save nothing."""
    tier = resource("tier", "shop:data:Tier", custom=False)
    both = [resource(name, NAT, parent=tier["urn"]) for name in ("one", "two")]
    last = resource("last", ROUTE, dependencies=[item["urn"] for item in both])
    found = critical_path("dev", document(tier, *both, last))
    assert [(saving.on, saving.saves) for saving in found.savings] == [("tier", estimate(ROUTE).seconds)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_chain_is_longer(data: st.DataObject) -> None:
    """Against every chain there is, walked one by one."""
    kinds = [data.draw(st.sampled_from([NAT, BALANCER, ROUTE])) for _ in range(data.draw(st.integers(1, 7)))]
    names = [f"item{index}" for index in range(len(kinds))]
    waits = [
        data.draw(st.sets(st.integers(0, max(index - 1, 0)))) if index else set[int]() for index in range(len(kinds))
    ]
    items = [
        resource(name, kind, dependencies=[urn(names[other], kinds[other]) for other in sorted(waits[index])])
        for index, (name, kind) in enumerate(zip(names, kinds, strict=True))
    ]

    def chains(index: int) -> list[list[int]]:
        return [[index], *([*chain, index] for other in waits[index] for chain in chains(other))]

    every = [chain for index in range(len(kinds)) for chain in chains(index)]
    found = critical_path("dev", document(*items))
    assert len(found.longest) == max(map(len, every))
    assert found.seconds == max(sum(estimate(kinds[index]).seconds for index in chain) for chain in every)


@pytest.mark.parametrize("wrong", [{}, {"deployment": []}, {"deployment": {"resources": [{"urn": "x"}]}}])
def test_another_document_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(StateError, match="no exported stack"):
        critical_path("dev", wrong)


def test_resources_that_wait_for_each_other_are_refused() -> None:
    one, two = (resource(name, dependencies=[urn(other, ROUTE)]) for name, other in (("a", "b"), ("b", "a")))
    with pytest.raises(StateError, match="wait for one another"):
        critical_path("dev", document(one, two))


def test_every_estimate_says_where_it_is_from() -> None:
    assert all(found.seconds > 0 and found.source for found in ESTIMATES.values())
    assert estimate("kubernetes:core/v1:Secret").seconds == 1
    assert estimate("wheelhouse:network:Vpc", custom=False).seconds == 0


def test_the_cluster_s_entry_does_not_wait_for_the_way_to_the_hub(platforms: Platforms) -> None:
    """Two of the slowest things there are, one after the other, though neither needs the other."""
    report = critical_path("dev", platforms.bench("dev").export("dev"))
    assert any("entry-balancer" in step.name for step in report.slowest)
    assert not any("spoke" in step.name for step in report.slowest)
    assert report.seconds < 14 * 60
