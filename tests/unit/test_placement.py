"""Pods are placed by the labels and taints of the pools that the platform declares."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from derive.cluster.placement import placement
from model import DeclarationError, Nodes, Platform, Pool, Redis, Schedule, Service, minutes
from tests.unit.declared import derived, environment, objects, shop
from tests.unit.equipped import equipped, values

NODES = Nodes(instance="t3.large", count=1)
PLATFORM = Platform(
    pools=(
        Pool(name="open"),
        Pool(name="kept", labels={"pool": "kept"}, taints=("pool=kept:NoSchedule", "fresh:NoExecute")),
        Pool(name="plain", labels={"pool": "plain"}),
        Pool(name="odd", labels={"pool": "odd"}, taints=("odd",)),
    )
)


def test_a_pool_is_chosen_by_its_labels_and_its_taints_are_borne() -> None:
    assert placement(PLATFORM, "kept") == {
        "nodeSelector": {"pool": "kept"},
        "tolerations": [
            {"key": "pool", "operator": "Equal", "value": "kept", "effect": "NoSchedule"},
            {"key": "fresh", "operator": "Exists", "effect": "NoExecute"},
        ],
    }


def test_a_pool_without_taints_needs_no_toleration() -> None:
    assert placement(PLATFORM, "plain") == {"nodeSelector": {"pool": "plain"}}


def test_no_pool_leaves_the_choice_to_the_scheduler() -> None:
    assert placement(PLATFORM, None) == {}


def test_the_pods_of_services_and_stores_run_on_their_pools() -> None:
    """A store's helpers go where it goes; what names no pool goes anywhere."""
    system = shop(
        services=(
            Service(name="web", port=3000, tier="frontend"),
            Service(name="orders", port=3001, pool="kept", schedule=Schedule(cron="0 1 * * *", deadline=minutes(5))),
            Service(name="carts", port=3002, pool="plain", uses=("cache",)),
        ),
        stores=(Redis(name="cache", pool="kept", members=3),),
        platform=PLATFORM,
        environments={"dev": environment(pools=dict.fromkeys((p.name for p in PLATFORM.pools), NODES))},
    )
    plan = derived(system)
    chosen = {
        "web": objects(plan, "Deployment")["web"]["spec"]["template"]["spec"],
        "orders": objects(plan, "CronJob")["orders"]["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        "carts": objects(plan, "Deployment")["carts"]["spec"]["template"]["spec"],
        "cache": objects(plan, "StatefulSet")["cache"]["spec"]["template"]["spec"],
    }
    assert {name: spec.get("nodeSelector") for name, spec in chosen.items()} == {
        "web": None,
        "orders": {"pool": "kept"},
        "carts": {"pool": "plain"},
        "cache": {"pool": "kept"},
    }
    assert len(chosen["orders"]["tolerations"]) == len(chosen["cache"]["tolerations"]) == 2


def test_a_pool_that_is_not_declared_is_refused_where_it_is_named() -> None:
    with pytest.raises(ValidationError, match=r"services\['web'\].pool 'agnts' is no pool.*did you mean 'agents'"):
        shop(services=(Service(name="web", port=3000, pool="agnts"),))


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        ("gone", "'gone' is no pool of the platform; add it to platform.pools"),
        (
            "open",
            "platform.pools['open'] has no labels to choose its nodes by; give it one, e.g. {'pool': 'open'}",
        ),
        ("odd", "platform.pools['odd'].taints: 'odd' must be like 'key=value:NoSchedule'"),
    ],
)
def test_a_pool_that_pods_cannot_be_bound_to_is_refused(pool: str, message: str) -> None:
    """Pods that were left out of their pool in silence would take the room of others."""
    with pytest.raises(DeclarationError) as refusal:
        placement(PLATFORM, pool)
    assert str(refusal.value) == message


def test_add_ons_are_placed_where_their_charts_look_for_it() -> None:
    system = equipped()
    place = placement(system.platform, "watching")
    for found in (
        values("loki", system)["singleBinary"],
        values("tempo", system),
        values("prometheus-adapter", system),
    ):
        assert {key: found[key] for key in ("nodeSelector", "tolerations")} == place
    assert "nodeSelector" not in values("velero", system)
