"""Pods are placed by the labels and taints of the pools that the platform declares."""

from __future__ import annotations

import pytest

from derive.placement import placement
from model import DeclarationError, Platform, Pool
from tests.unit.equipped import equipped, values

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
