"""Database machines: where each stands, for FitSync exactly and for any number of databases."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derive.bootstrap.postgres_host import Archive, Recovery
from derive.data.database_state import DatabaseState
from derive.data.databases import DatabasePlan, DatabaseSite, databases, postgres_host
from derive.network.addresses import address_plan
from derive.plan import system_plan
from model import DatabaseHosts, DeclarationError, Gp3, InCluster, PostgreSQL, Redis, Tier
from model.stores import Store
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed

TIERS = (Tier(name="db", offset=3, egress="none"),)


def planned(stores: tuple[Store, ...], zones: int, standby: bool, instance: str = "t3.micro") -> list[DatabasePlan]:
    addresses = address_plan("10.1.0.0/16", TIERS, ("r-1a", "r-1b", "r-1c")[:zones], 10)
    sizes = DatabaseHosts(instance=instance, volume=Gp3(size=20), standby=standby)
    owners = {store.name: f"{store.name}-service" for store in stores}
    return list(databases(stores, owners, {}, sizes, addresses, "db", "database.internal"))


def fitsync(environment: str) -> dict[str, tuple[str, str, str]]:
    plan = system_plan(deployed(SYSTEM, environment))
    return {host.name: (host.zone[-1], host.address, host.fqdn) for each in plan.databases for host in each.hosts}


def test_fitsync_s_development_machines() -> None:
    """FS-DAT-02: one machine per database; applications know them by these names."""
    assert fitsync("dev") == {
        "userdb": ("a", "10.1.3.10", "userdb.database.internal"),
        "trainingdb": ("a", "10.1.3.12", "trainingdb.database.internal"),
        "scheduledb": ("a", "10.1.3.14", "scheduledb.database.internal"),
        "progressdb": ("a", "10.1.3.16", "progressdb.database.internal"),
    }


def test_fitsync_s_production_machines() -> None:
    """Primaries rotate over the zones, and each standby stands in the next one."""
    assert {name: where[:2] for name, where in fitsync("prod").items()} == {
        "userdb": ("a", "10.3.3.10"),
        "userdb-standby": ("b", "10.3.13.11"),
        "trainingdb": ("b", "10.3.13.12"),
        "trainingdb-standby": ("c", "10.3.23.13"),
        "scheduledb": ("c", "10.3.23.14"),
        "scheduledb-standby": ("a", "10.3.3.15"),
        "progressdb": ("a", "10.3.3.16"),
        "progressdb-standby": ("b", "10.3.13.17"),
    }


@given(st.integers(0, 40), st.integers(2, 3))
def test_addresses_are_unique_and_a_standby_is_in_another_zone(count: int, zones: int) -> None:
    """Two machines at one address: the second never starts. Both of a pair in one zone: its failure takes both."""
    plans = planned(tuple(PostgreSQL(name=f"db{index}x") for index in range(count)), zones, standby=True)
    hosts = [host for plan in plans for host in plan.hosts]
    assert len({host.address for host in hosts}) == len({host.fqdn for host in hosts}) == 2 * count
    for plan in plans:
        primary, standby = plan.hosts
        assert (primary.role, standby.role) == ("primary", "standby")
        assert primary.zone != standby.zone
        assert plan.fqdn == primary.fqdn


@given(st.integers(1, 20), st.booleans())
def test_a_database_stays_where_it_is_when_one_is_appended(count: int, standby: bool) -> None:
    """A machine that moves to another zone cannot take its volume along."""
    stores = tuple(PostgreSQL(name=f"db{index}x") for index in range(count + 1))
    assert planned(stores, 2, standby)[:-1] == planned(stores[:-1], 2, standby)


def test_only_postgresql_on_machines_gets_machines() -> None:
    stores: tuple[Store, ...] = (
        PostgreSQL(name="outside"),
        PostgreSQL(name="inside", placement=InCluster()),
        Redis(name="cache"),
    )
    (plan,) = planned(stores, 1, standby=False)
    assert (plan.name, plan.owner, plan.service) == ("outside", "outside_service", "outside-service")
    assert (plan.instance, plan.memory, plan.version) == ("t3.micro", 1024, 17)


def test_the_stack_s_placement_wins() -> None:
    """The same declaration must run where there are no machines to spare."""
    everywhere = dict.fromkeys(("userdb", "trainingdb", "scheduledb"), "cluster")
    plan = system_plan(deployed(SYSTEM, "dev", placements=everywhere))
    assert [each.name for each in plan.databases] == ["progressdb"]


def test_an_unknown_size_is_refused_before_anything_is_made() -> None:
    """PostgreSQL's memory settings follow from the machine's; without it the update would fail halfway."""
    with pytest.raises(DeclarationError) as caught:
        planned((PostgreSQL(name="userdb"),), 1, standby=False, instance="t3.medum")
    assert str(caught.value) == "instance type 't3.medum' is not known; did you mean 't3.medium'?"


def production(**state: Any) -> DatabasePlan:
    """FitSync's first database in production, in the state given."""
    states = {"userdb": DatabaseState.model_validate(state)}
    return system_plan(deployed(SYSTEM, "prod", database_states=states)).databases[0]


SITE = DatabaseSite("eu-central-1", "backups", ("10.3.2.0/24",), ("10.3.3.0/24", "10.3.13.0/24"), 30)


def test_a_promotion_swaps_roles_and_dns_names_and_nothing_else() -> None:
    """The promoted machine keeps its data; clients keep the name they know and verify."""
    before, after = production(), production(primary="userdb-standby", volumes={"userdb": 2})
    former, promoted = before.hosts
    assert after.hosts == (
        replace(promoted, role="primary", fqdn="userdb.database.internal"),
        replace(former, role="standby", fqdn="userdb-standby.database.internal", volume="userdb-data-v2"),
    )
    assert (after.archive_prefix, after.restored_from) == (before.archive_prefix, None)
    follower = postgres_host(after, after.hosts[1], SITE, "vol-0123456789abcdef0")
    assert (follower.primary_host, follower.standbys) == ("userdb.database.internal", ("userdb",))


def test_a_restore_opens_a_history_of_its_own() -> None:
    """Restored into the old archive, the first write would collide with the history that is being left."""
    plan = production(history=3, restore="2026-08-01T09:59:00+00:00")
    assert (plan.archive_prefix, plan.restored_from) == ("archive/userdb-h3", "archive/userdb-h2")
    assert [host.volume for host in plan.hosts] == ["userdb-data-h3", "userdb-standby-data-h3"]
    primary, standby = (postgres_host(plan, host, SITE, "vol-0123456789abcdef0") for host in plan.hosts)
    assert primary.recovery == Recovery(Archive("backups", "archive/userdb-h2"), "2026-08-01T09:59:00+00:00")
    assert standby.recovery is None
    again = production(history=4, restore="latest", source=1)
    assert (again.archive_prefix, again.restored_from) == ("archive/userdb-h4", "archive/userdb"), (
        "a wrong one is undone"
    )
    assert {primary.archive, standby.archive} == {Archive("backups", "archive/userdb-h3", retention_days=30)}


def test_a_snapshot_fills_the_first_volume_of_its_history_only() -> None:
    """FS-BKP-02. A later promotion and its blank volume must not bring the snapshot's old rows back."""
    plan = production(history=2, snapshot="snap-0123456789abcdef0")
    assert [(host.volume, host.snapshot) for host in plan.hosts] == [
        ("userdb-data-h2", "snap-0123456789abcdef0"),
        ("userdb-standby-data-h2", None),
    ]
    assert plan.restored_from is None
    later = production(history=2, snapshot="snap-0123456789abcdef0", primary="userdb-standby", volumes={"userdb": 2})
    assert [(host.volume, host.snapshot) for host in later.hosts] == [
        ("userdb-standby-data-h2", None),
        ("userdb-data-h2-v2", None),
    ]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"history": 2}, "history 2 with 0 origins; the first history has none, every later one begins with either"),
        ({"restore": "latest"}, "history 1 with 1 origins; the first history has none"),
        ({"history": 2, "restore": "latest", "snapshot": "snap-01234567"}, "history 2 with 2 origins"),
        ({"history": 2, "restore": "yesterday"}, "recovery target 'yesterday': 'latest', or an ISO 8601 time with"),
        ({"history": 2, "restore": "2026-08-01 09:59"}, "'latest', or an ISO 8601 time with offset"),
        ({"history": 2, "restore": "latest", "source": 2}, "source 2 of history 2; name an earlier history"),
        ({"history": 3, "snapshot": "snap-01234567", "source": 1}, "together with 'restore'"),
        ({"primary": "userdb-2"}, "names 'userdb-2', which is no machine of it; did you mean 'userdb'?"),
        ({"volumes": {"userdb-standbi": 2}}, "no machine of it; did you mean 'userdb-standby'?"),
        (
            {"primary": "userdb-standby"},
            "'userdb' is a standby now, but its volume holds a primary's data; "
            "set databaseStates.userdb.volumes.userdb to 2 for a blank one",
        ),
    ],
)
def test_states_that_would_lose_data_or_never_boot_are_refused(state: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        production(**state)
