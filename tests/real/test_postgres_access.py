"""Who gets into FitSync's databases, and how far: every role against the real servers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.real.bootstrap_site import NEEDS_POSTGRESQL, Authority, Machine, temporary_site
from tests.real.fitsync_tier import NAMES, install, planned, started

pytestmark = NEEDS_POSTGRESQL
INSUFFICIENT_PRIVILEGE = "ERROR:  42501\n"
OWNERS = {name: planned(name).owner for name in NAMES}


@pytest.fixture(scope="module")
def tier() -> Iterator[dict[str, Machine]]:
    """The four primaries."""
    with temporary_site() as site:
        plans = [planned(name) for name in NAMES]
        machines = [install(site, plan, plan.hosts[0]) for plan in plans]
        with ThreadPoolExecutor(len(machines)) as pool:
            yield dict(zip(NAMES, pool.map(started, machines), strict=True))


def refusal(machine: Machine, role: str, database: str, statement: str = "SELECT 1", **changes: str) -> str:
    """Why a login fails; a statement's failure as its SQLSTATE, which no version words anew."""
    done = machine.login(role, database, statement, check=False, **changes)
    assert done.returncode != 0, f"{role} in {database}: {statement}"
    return done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_service_owns_its_database_and_reaches_it_over_tls_by_name(tier: dict[str, Machine], name: str) -> None:
    """FS-DAT-05, FS-DAT-08: what the service is told by its environment is enough to work."""
    statement = (
        "CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept VALUES (1); CREATE SCHEMA own; "
        "SELECT ssl, version, count FROM pg_stat_ssl, (SELECT count(*) FROM kept) AS rows WHERE pid = pg_backend_pid()"
    )
    assert tier[name].login(OWNERS[name], name, statement).stdout.strip() == "t|TLSv1.3|1"
    assert tier[name].sql("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1") == f"postgres\n{name}"


@pytest.mark.parametrize("name", NAMES)
def test_nobody_else_s_service_gets_in(tier: dict[str, Machine], name: str) -> None:
    """FS-SEC-15, behind the network: not even with that service's own, valid password."""
    others = {database: owner for database, owner in OWNERS.items() if database != name}
    for database, owner in others.items():
        for wanted in (name, database, "postgres"):
            assert "no pg_hba.conf entry" in refusal(tier[name], owner, wanted)


@pytest.mark.parametrize("name", NAMES)
def test_without_tls_or_to_another_server_nothing_is_said(tier: dict[str, Machine], name: str) -> None:
    """A password must reach neither a listener on the wire nor a machine that poses as the database."""
    machine, owner = tier[name], OWNERS[name]
    assert "no encryption" in refusal(machine, owner, name, sslmode="disable")
    foreign = machine.root / "foreign.crt"
    foreign.write_text(Authority("another ca").certificate)
    foreign.chmod(0o644)
    assert "certificate verify failed" in refusal(machine, owner, name, sslrootcert=str(foreign))
    assert "does not match host name" in refusal(machine, owner, name, host="elsewhere.database.internal")
    old = refusal(machine, owner, name, ssl_max_protocol_version="TLSv1.1", ssl_min_protocol_version="TLSv1")
    assert "protocol version" in old or "no protocols available" in old
    assert machine.sql("SELECT DISTINCT auth_method FROM pg_hba_file_rules WHERE type <> 'local'") == "scram-sha-256"
    stored = machine.sql("SELECT DISTINCT left(rolpassword, 14) FROM pg_authid WHERE rolpassword IS NOT NULL")
    assert stored == "SCRAM-SHA-256$"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE ROLE intruder",
        "CREATE DATABASE more",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "SET ROLE postgres",
        "SET ROLE monitoring",
        "ALTER SYSTEM SET archive_mode = 'off'",
        "SELECT * FROM foreign_rows.secret",
        "SELECT rolpassword FROM pg_authid",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "SELECT pg_create_physical_replication_slot('held')",
        "SELECT pg_stat_statements_reset()",
    ],
)
def test_an_owner_stays_in_its_database(tier: dict[str, Machine], statement: str) -> None:
    """A service that is taken over must not become the server's master."""
    machine = tier["userdb"]
    machine.sql("CREATE SCHEMA IF NOT EXISTS foreign_rows; CREATE TABLE IF NOT EXISTS foreign_rows.secret ()", "userdb")
    assert refusal(machine, OWNERS["userdb"], "userdb", statement) == INSUFFICIENT_PRIVILEGE


@pytest.mark.parametrize("name", NAMES)
def test_the_public_has_no_rights(tier: dict[str, Machine], name: str) -> None:
    """PostgreSQL lets every role connect to, and make temporary tables in, every database until told otherwise."""
    machine = tier[name]
    everybody = "SELECT count(*) FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS a"
    assert machine.sql(f"{everybody} WHERE a.grantee = 0 AND datallowconn") == "0"
    schema = "SELECT count(*) FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS a"
    assert machine.sql(f"{schema} WHERE a.grantee = 0 AND nspname = 'public'", name) == "0"
    powerful = "SELECT rolname FROM pg_roles WHERE rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls"
    assert machine.sql(powerful) == "postgres"
    members = machine.sql(
        "SELECT string_agg(m.rolname || ' in ' || r.rolname, ', ') FROM pg_auth_members "
        "JOIN pg_roles AS m ON m.oid = member JOIN pg_roles AS r ON r.oid = roleid WHERE m.rolcanlogin"
    )
    assert members == "monitoring in pg_monitor"


COLLECTED = (
    "SELECT sum(numbackends) FROM pg_stat_database",
    "SELECT checkpoints_timed IS NOT NULL FROM pg_stat_bgwriter",
    "SELECT pg_database_size(datname) FROM pg_database",
    "SELECT query, calls FROM pg_stat_statements",
    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'postgres' AND query <> '<insufficient privilege>'",
    "SELECT slot_name, active, pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots",
    "SELECT count(*), sum(size) FROM pg_ls_waldir()",
    "SELECT name, setting FROM pg_settings WHERE name = 'data_directory'",
    "SELECT archived_count, failed_count FROM pg_stat_archiver",
    "SELECT relname, n_dead_tup FROM pg_stat_user_tables",
    "SELECT count(*) FROM pg_locks",
)
"""What the exporter's collectors read."""


@pytest.mark.parametrize("name", NAMES)
def test_the_exporter_reads_every_statistic(tier: dict[str, Machine], name: str) -> None:
    """FS-OBS-09, with the role that its Secret names."""
    machine = tier[name]
    version = int(machine.sql("SHOW server_version_num"))
    wanted = [each for each in COLLECTED if version < 170000 or "checkpoints_timed" not in each]
    machine.login("monitoring", name, "; ".join(wanted))
    size = machine.login("monitoring", name, f"SELECT pg_database_size('{name}') > 0")
    assert size.stdout.strip() == "t"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM watched",
        "CREATE TABLE mine ()",
        "CREATE TEMPORARY TABLE mine ()",
        "CREATE SCHEMA mine",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT pg_switch_wal()",
        "SELECT pg_promote()",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
        "SELECT rolpassword FROM pg_authid",
        "SET ROLE training_service",
    ],
)
def test_the_exporter_does_nothing_else(tier: dict[str, Machine], statement: str) -> None:
    machine = tier["trainingdb"]
    machine.login(OWNERS["trainingdb"], "trainingdb", "CREATE TABLE IF NOT EXISTS watched (id int)")
    assert refusal(machine, "monitoring", "trainingdb", statement) == INSUFFICIENT_PRIVILEGE


@pytest.mark.parametrize("name", NAMES)
def test_the_replication_role_only_replicates(tier: dict[str, Machine], name: str) -> None:
    """Its password lies on the standby: it must open no session in which a statement could run."""
    machine = tier[name]
    identified = machine.login("replicator", "ignored", "IDENTIFY_SYSTEM", replication="true")
    assert len(identified.stdout.split("|")) == 4
    for database in (name, "postgres"):
        assert "no pg_hba.conf entry" in refusal(machine, "replicator", database)
        assert "no pg_hba.conf entry" in refusal(machine, "replicator", database, replication="database")
    statement = refusal(machine, "replicator", "ignored", "SELECT 1", replication="true")
    assert statement == "ERROR:  0A000\n", "a sender for physical replication runs no SQL"
    unencrypted = refusal(machine, "replicator", "ignored", "IDENTIFY_SYSTEM", replication="true", sslmode="disable")
    assert "no encryption" in unencrypted
