"""Objectives of recovery, as people read them."""

from __future__ import annotations

from derive.data.recovery import objectives
from model import InCluster, Platform, PostgresBackup, PostgreSQL, Recovery, hours, minutes, seconds
from tests.unit.declared import shop


def test_what_is_promised_is_told() -> None:
    backup = PostgresBackup(recovery=Recovery(rto=hours(1), rpo=hours(6)))
    system = shop(
        stores=(
            PostgreSQL(name="orderdb", owner="orders", placement=InCluster(backup=backup)),
            PostgreSQL(name="other", owner="web", placement=InCluster(backup=PostgresBackup())),
        ),
        platform=Platform(recovery=Recovery(rto=minutes(15), rpo=seconds(0))),
    )
    assert objectives(system) == {
        "rto": {"database orderdb": "1 h", "services": "15 min"},
        "rpo": {"database orderdb": "6 h", "configuration": "real-time"},
    }


def test_nothing_is_told_where_nothing_is_promised() -> None:
    assert objectives(shop()) == {"rto": {}, "rpo": {}}
