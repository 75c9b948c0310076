"""A database in the cluster with replicas and an archive, on real servers: every step of its runbook.

The containers are those of the plan, run one after the other as a kubelet would; backups go to a local S3 through the
derived configuration and pgBackRest's own protocol.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from derive.application import ApplicationPlan, application
from tests.ports import free_port
from tests.real.bootstrap_site import BIN, NEEDS_POSTGRESQL
from tests.real.cluster_members import SECRETS, World, temporary_world, until
from tests.real.system_user import as_postgres
from tests.unit.declared import deployed, objects
from tests.unit.replicated import BACKUP, RECOVERY, STORE, replicated, states

pytestmark = [*NEEDS_POSTGRESQL, pytest.mark.tool("pgbackrest")]
PORT, POOLER_PORT = free_port(), free_port()
SUM = "SELECT count(*) || ' ' || coalesce(md5(string_agg(orders::text, ',' ORDER BY id)), '') FROM orders"


def planned(archive: bool, **state: Any) -> ApplicationPlan:
    """``state``: as operators declare it."""
    system = replicated(PORT, POOLER_PORT, BACKUP if archive else None)
    return application(deployed(system, database_states=states(**state)), {})


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """All three members, without an archive."""
    with temporary_world(planned(archive=False), archive=False) as made:
        made.start(f"{STORE}", f"{STORE}-2", f"{STORE}-3")
        streaming(made, 2)
        yield made


def streaming(world: World, replicas: int) -> None:
    confirming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'quorum'"
    logs = [world.log(name) for name in world.members]
    until(lambda: world.sql(world.primary, confirming) == str(replicas), f"{replicas} do not follow", logs=logs)


def write(world: World, first: int, last: int) -> None:
    """Rows with these numbers."""
    statement = "INSERT INTO orders SELECT id, now() FROM generate_series({}, {}) AS id"
    done = world.login(world.address(world.primary), statement.format(first, last))
    assert done.returncode == 0, done.stderr


def table(world: World) -> None:
    made = "CREATE TABLE IF NOT EXISTS orders (id bigint PRIMARY KEY, at timestamptz); TRUNCATE orders"
    done = world.login(world.address(world.primary), made)
    assert done.returncode == 0, done.stderr


def test_replicas_follow_and_take_no_writes(world: World) -> None:
    """OR-DAT-08: rows that the primary acknowledged are there, and a write to a replica is refused, not lost."""
    table(world)
    write(world, 1, 100)
    for name in world.replicas():
        until(lambda name=name: world.sql(name, SUM) == world.sql(STORE, SUM), f"{name} differs")
        refused = world.login(world.address(name), "INSERT INTO orders VALUES (0)")
        assert "25006" in refused.stderr, "read-only"
    assert world.sql(STORE, "SHOW synchronous_commit") == "on"


def test_a_commit_waits_for_a_replica(world: World) -> None:
    """OR-DAT-08: acknowledged without one, it would be lost with the primary."""
    table(world)
    world.stop(*world.replicas())
    writer = threading.Thread(target=write, args=(world, 1, 1))
    writer.start()
    try:
        writer.join(1.5)
        assert writer.is_alive(), "acknowledged by nobody but the primary"
    finally:
        world.start(*world.replicas())
        writer.join(90)
    assert world.sql(STORE, "SELECT count(*) FROM orders") == "1"
    streaming(world, 2)


def test_each_role_belongs_somewhere_and_passwords_reach_no_log(world: World) -> None:
    primary = world.address(STORE)
    assert world.login(primary, "SELECT 1").stdout == "1\n"
    for user, database in (
        ("postgres", "postgres"),
        ("orders", "postgres"),
        ("replicator", STORE),
        ("stranger", STORE),
    ):
        assert world.login(primary, "SELECT 1", user, database).returncode != 0, user
    statistics = "SELECT count(*) > 0 FROM pg_stat_replication"
    assert world.login(primary, statistics, "monitoring").stdout == "t\n"
    table(world)
    assert "42501" in world.login(primary, "SELECT * FROM orders", "monitoring").stderr, "statistics, no rows"
    log = world.log(STORE).read_text()
    assert "statement: CREATE TABLE IF NOT EXISTS orders" in log, "the audit trail"
    assert re.search(r"connection authorized: user=orders database=orderdb", log)
    assert not [name for name in SECRETS.values() if name in log.replace("user=orders", "") and name != "orders"]


@contextmanager
def pooler(world: World) -> Iterator[None]:
    """The derived PgBouncer; addresses take the place of the replicas' Service, and what old releases lack is out."""
    folder = world.folder("pgbouncer")
    text = objects(world.plan, "ConfigMap")["pgbouncer-config"]["data"]["pgbouncer.ini"]
    text = world.here(text, STORE, {"/etc/pgbouncer/users": str(folder)}).replace(
        "listen_addr = *", "listen_addr = 127.0.0.1"
    )
    text = re.sub(r"max_prepared_statements = .*\n", "", text)
    (folder / "pgbouncer.ini").write_text(text)
    (users,) = [plan.templates["userlist.txt"] for plan in world.plan.secrets if plan.name == "pgbouncer-users"]
    filled = users.format_map({f"{STORE}-owner": SECRETS["password"], "pgbouncer-exporter": "unused"})
    (folder / "userlist.txt").write_text(filled)
    process = subprocess.Popen(as_postgres("pgbouncer", "-q", str(folder / "pgbouncer.ini")), stderr=subprocess.DEVNULL)
    try:
        until(lambda: world.login("127.0.0.1", "SELECT 1", port=POOLER_PORT).returncode == 0, "no pooler")
        yield
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.tool("pgbouncer")
def test_the_pooler_sends_reads_to_replicas_only(world: World) -> None:
    """OR-DAT-10: reads on the primary take the room of writes; writes on a replica fail."""
    table(world)
    assert world.serving(STORE) == [world.address(STORE)]
    replicas = [world.address(name) for name in world.replicas()]
    assert world.serving(f"{STORE}-replicas") == replicas
    told = {item["name"]: item.get("value") for item in _environment(world.plan, "orders")}
    assert (told["DB_NAME"], told["DB_READ_NAME"], told["DB_READ_HOST"]) == (STORE, f"{STORE}_ro", told["DB_HOST"])
    with pooler(world):
        where = "SELECT host(inet_server_addr()), pg_is_in_recovery()"
        assert world.login("127.0.0.1", where, port=POOLER_PORT).stdout == f"{world.address(STORE)}|f\n"
        seen = set()
        for _ in range(4):
            address, recovering = world.login("127.0.0.1", where, "orders", f"{STORE}_ro", POOLER_PORT).stdout.split(
                "|"
            )
            assert recovering.strip() == "t"
            seen.add(address)
        assert seen <= set(replicas)
        refused = world.login("127.0.0.1", "TRUNCATE orders", "orders", f"{STORE}_ro", POOLER_PORT)
        assert "25006" in refused.stderr


def _environment(plan: ApplicationPlan, service: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = objects(plan, "Deployment")[service]["spec"]["template"]["spec"]["containers"][0][
        "env"
    ]
    return found


def test_a_promotion_waits_for_the_old_primary_and_takes_it_back() -> None:
    """Two primaries take writes that the other never sees; what only the dead one had must not come back with it."""
    second = f"{STORE}-2"
    with temporary_world(planned(archive=False), archive=False) as world:
        world.start(STORE, second, f"{STORE}-3")
        table(world)
        write(world, 1, 10)
        until(lambda: world.sql(second, SUM) == world.sql(STORE, SUM), "the replica lags behind")
        world.stop(f"{STORE}-3", second)  # the one that is promoted has most, as the runbook asks
        world.sql(STORE, "SET synchronous_commit = local; INSERT INTO orders VALUES (11, now())")
        world.plan = planned(archive=False, primary=second)
        pod = world.members[second]
        taking_over = world.start_process(second, pod, pod["spec"]["initContainers"][-1])
        until(lambda: "is a primary; stop it first" in world.log(second).read_text(), "promoted beside a primary")
        assert taking_over.poll() is None
        world.stop(STORE)
        assert taking_over.wait(90) == 0, world.log(second).read_text()[-2000:]
        world.serve(second)
        world.start(STORE, f"{STORE}-3")
        streaming(world, 2)
        assert "going back to where" in world.log(STORE).read_text()
        assert world.serving(STORE) == [world.address(second)]
        write(world, 12, 20)
        for name in world.replicas():
            until(
                lambda name=name: world.sql(name, SUM) == world.sql(second, SUM),
                f"{name} differs",
                logs=[world.log(name)],
            )
        assert world.sql(second, "SELECT count(*), count(*) FILTER (WHERE id = 11) FROM orders") == "19|0"


def measured(record: Callable[[str, object], None], name: str, seconds: float, promised: float) -> None:
    record(name, round(seconds, 1))
    assert seconds < promised, f"{name}: {seconds:.1f} s, promised are {promised:.0f} s"


def test_the_drill(record_property: Callable[[str, object], None]) -> None:
    """OR-BKP-01, OR-BKP-02, OR-OPS-02: to a moment before a mistake, then back from nothing, as is promised."""
    with temporary_world(planned(archive=True)) as world:
        world.start(STORE, f"{STORE}-2")
        table(world)
        write(world, 1, 1000)
        world.job("full")
        write(world, 1001, 2000)
        world.job("incremental")
        write(world, 2001, 3000)
        good = world.sql(STORE, SUM)
        moment = world.sql(STORE, "SELECT to_char(clock_timestamp(), 'YYYY-MM-DD\"T\"HH24:MI:SS.US+00:00')")
        world.login(world.address(STORE), "DELETE FROM orders WHERE id > 10")
        world.archived()
        _restore_a_moment(world, moment, good, record_property)
        _lose_everything(world, record_property)
        world.archived()
        _rehearse(world)
        world.lose(STORE, f"{STORE}-2")
        world.plan = planned(archive=True)
        with pytest.raises(AssertionError, match="the volume is blank, but the archive holds orderdb"):
            world.prepare(STORE)


def _rehearse(world: World) -> None:
    """The runbook's own lines, beside the living database and without a trace in its archive."""
    text = (Path(__file__).parents[2] / "docs/runbooks/postgresql-in-cluster.md").read_text()
    (lines,) = re.findall(r"```\n(kubectl [^`]*rehearsal[^`]*)```", text)
    folder = world.folder("machine")
    map_ = objects(world.plan, "ConfigMap")[f"{STORE}-pgbackrest"]["data"]["pgbackrest.conf"]
    (folder / "map").write_text(world.here(map_, "machine", {}))
    rows = f"{lines.rstrip()} -XAtqc {shlex.quote(SUM)}"
    script = f"set -e\nkubectl() {{ cat map; }}\n{rows}\npg_ctl -D rehearsal -s -m immediate stop\n"
    environment = world.environment("machine", {}, {}) | world.client(STORE)
    environment |= {"PATH": f"{BIN}:/usr/bin:/bin", "PGPORT": str(PORT)}
    done = subprocess.run(
        as_postgres("bash", "-c", script), cwd=folder, env=environment,
        text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert world.sql(STORE, SUM) in done.stdout.splitlines()


def _restore_a_moment(world: World, moment: str, good: str, record: Callable[[str, object], None]) -> None:
    world.stop(STORE, f"{STORE}-2")
    world.plan = planned(archive=True, history=2, restore=moment)
    begun = time.monotonic()
    world.start(STORE)
    measured(record, "seconds to a moment", time.monotonic() - begun, RECOVERY.rto.total_seconds())
    assert world.sql(STORE, SUM) == good, "every row of that moment, and none of later"
    assert {path.name for path in (world.folder(STORE) / "data").iterdir()} == {"pgdata", "pgdata-h2"}
    world.start(f"{STORE}-2")
    streaming(world, 1)
    write(world, 3001, 3010)
    until(lambda: world.sql(f"{STORE}-2", SUM) == world.sql(STORE, SUM), "the replica stopped at the moment")


def _lose_everything(world: World, record: Callable[[str, object], None]) -> None:
    """All members and volumes, with rows in a segment that is not archived yet."""
    world.archived()
    safe = world.sql(STORE, SUM)
    write(world, 4001, 4010)
    last = world.sql(STORE, "SELECT extract(epoch FROM max(at)) FROM orders")
    world.lose(STORE, f"{STORE}-2")
    world.plan = planned(archive=True, history=3, restore="latest")
    begun = time.monotonic()
    world.start(STORE)
    measured(record, "seconds from nothing", time.monotonic() - begun, RECOVERY.rto.total_seconds())
    assert world.sql(STORE, SUM) == safe
    loss = float(last) - float(world.sql(STORE, "SELECT extract(epoch FROM max(at)) FROM orders"))
    measured(record, "seconds lost", loss, RECOVERY.rpo.total_seconds())
    assert int(world.sql(STORE, "SELECT setting FROM pg_settings WHERE name = 'archive_timeout'")) <= 60
    world.start(f"{STORE}-2")
    streaming(world, 1)
