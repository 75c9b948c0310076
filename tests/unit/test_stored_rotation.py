"""What is rotated by a function and what by people meet in one secret."""

from __future__ import annotations

import pytest

from derive.identity.stored import RotationPlan, StoredSecret, regenerated
from model import ApiTokens, OnRds, days, hours

FIELDS = {"orders-master": "orders-master", "orders-writer": "orders-writer"}


def secret(rotation: RotationPlan | None) -> StoredSecret:
    return StoredSecret("db", "shop/dev/db", "Passwords", passwords=FIELDS, rotation=rotation)


def test_the_master_is_made_anew_with_any_other_value_of_its_secret() -> None:
    """Else the stack would write a password of the master that the database has forgotten."""
    stored = [secret(RotationPlan(90, "orders", "orders-master"))]
    assert regenerated(stored, {"orders-writer": 2, "other": 7}) == {
        "orders-writer": 2,
        "other": 7,
        "orders-master": 2,
    }
    assert regenerated(stored, {"orders-writer": 3, "orders-master": 2})["orders-master"] == 5


def test_nothing_else_is_made_anew() -> None:
    assert regenerated([secret(RotationPlan(90, "orders", "orders-master"))], {"other": 2}) == {"other": 2}
    assert regenerated([secret(None)], {"orders-writer": 2}) == {"orders-writer": 2}


def test_a_period_that_cannot_be_and_keys_of_somebody_else_are_refused() -> None:
    for wrong in (hours(36), days(1001), days(0)):
        with pytest.raises(ValueError, match="1 to 1,000 whole days"):
            OnRds(rotate=wrong)
    with pytest.raises(ValueError, match="declare one of the two"):
        ApiTokens(issuer="https://i.example", audience="a", url="https://i.example/keys", rotate=days(180))
