"""What operators do to a database, as docs/runbooks/postgresql.md says it: declared in the stack, run on real servers.

One database lives through all of it in order: it gets a standby, is restored to a moment and to its end, is put back
on a snapshot, and hands over to its standby.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from derive.data.database_state import DatabaseState
from tests.real.bootstrap_site import NEEDS_POSTGRESQL, Machine, Site, temporary_site
from tests.real.fitsync_tier import declare, install, planned, started

pytestmark = NEEDS_POSTGRESQL
DATABASE = "userdb"
OWNER = "user_service"
CONTENT = "SELECT count(*) || ' ' || md5(string_agg(id || body, ',' ORDER BY id)) FROM bookings"
TABLE = "CREATE TABLE IF NOT EXISTS bookings (id serial, body text)"
ROW = "INSERT INTO bookings (body) VALUES (md5(random()::text))"
SNAPSHOT = "snap-0123456789abcdef0"


@dataclass
class Tier:
    """The first history of a database: its primary, and what was in it when."""

    site: Site
    primary: Machine

    def content(self, machine: Machine | None = None) -> str:
        """Number and checksum of all rows."""
        return (machine or self.primary).sql(CONTENT, DATABASE)

    def book(self, rows: int) -> None:
        """One transaction."""
        self.primary.login(OWNER, DATABASE, "; ".join([TABLE, *[ROW] * rows]))

    def restored(self, place: str, state: DatabaseState) -> Machine:
        """A new machine with a blank volume, in the history that the state opens."""
        plan = planned(DATABASE, state)
        return install(self.site, plan, plan.hosts[0], place)


@pytest.fixture(scope="module")
def tier() -> Iterator[Tier]:
    with temporary_site() as site:
        plan = planned(DATABASE)
        primary = started(install(site, plan, plan.hosts[0]))
        made = Tier(site, primary)
        made.book(1000)
        primary.program("pg-base-backup")
        yield made


def follow(standby: Machine, primary: Machine) -> None:
    """Clone the primary and start: DNS and the standard port lead there on a machine, these variables here."""
    port, address = str(primary.port), "127.0.0.1"
    standby.program("pg-prepare-data", PGPORT=port, PGHOSTADDR=address)
    standby.start(PGPORT=port, PGHOSTADDR=address)
    standby.wait("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'", "1")


def caught_up(standby: Machine, primary: Machine) -> None:
    standby.wait(f"SELECT pg_last_wal_replay_lsn() >= '{primary.sql('SELECT pg_current_wal_lsn()')}'", "t")


def test_a_standby_streams_over_tls_through_its_slot(tier: Tier) -> None:
    """FS-DAT-03. What the primary has of an earlier recovery must not end the standby's."""
    plan = planned(DATABASE)
    standby = install(tier.site, plan, plan.hosts[1])
    tier.primary.sql("ALTER SYSTEM SET recovery_target_time = '2001-01-01'")
    follow(standby, tier.primary)
    tier.primary.sql("ALTER SYSTEM RESET recovery_target_time")
    tier.book(500)
    caught_up(standby, tier.primary)
    assert tier.content(standby) == tier.content()
    slots = "SELECT slot_name || ' ' || active || ' ' || (safe_wal_size > 0) FROM pg_replication_slots"
    assert tier.primary.sql(slots) == "standby_userdb_standby true true"
    sender = (
        "SELECT usename, application_name, state, ssl, version FROM pg_stat_replication JOIN pg_stat_ssl USING (pid)"
    )
    assert tier.primary.sql(sender) == "replicator|standby_userdb_standby|streaming|t|TLSv1.3"
    refused = standby.login(OWNER, DATABASE, "INSERT INTO bookings VALUES (0)", check=False)
    assert refused.stderr == "ERROR:  25006\n", "a standby takes no writes"
    assert "takes no backup" in standby.program("pg-base-backup").stderr


def test_a_restore_brings_back_the_named_moment_and_nothing_after_it(tier: Tier) -> None:
    """Rows of before are all there, later ones are not, and the moment lies between two segments' ends."""
    before = tier.content()
    moment = tier.primary.sql("SELECT pg_sleep(0.01); SELECT now()").strip()
    tier.book(1)
    tier.primary.wait_archived()
    at = datetime.fromisoformat(moment + ":00").astimezone(UTC).isoformat()
    state = DatabaseState(history=2, restore=at)
    machine = started(tier.restored("moment", state))
    assert tier.content(machine) == before
    assert machine.sql("SHOW data_checksums") == "on"
    machine.login(OWNER, DATABASE, "INSERT INTO bookings (body) VALUES ('the new history')")
    assert (machine.mount / "base-backup-wanted").exists()
    machine.program("pg-base-backup")
    machine.wait_archived()
    assert sorted(path.name for path in (tier.site.store / "archive/archive").iterdir()) == ["userdb", "userdb-h2"]
    machine.stop()


def test_a_target_that_was_never_reached_can_be_declared_anew(tier: Tier) -> None:
    """PostgreSQL refuses to end a recovery before its target; the volume must not be lost to a wrong time."""
    future = DatabaseState(history=3, source=1, restore="2099-01-01T00:00:00+00:00")
    machine = tier.restored("unreached", future)
    machine.program("pg-prepare-data")
    with pytest.raises(AssertionError, match="recovery ended before configured recovery target was reached"):
        started(machine)
    machine.stop()
    plan = planned(DATABASE, DatabaseState(history=3, source=1, restore="latest"))
    declare(tier.site, machine, plan, plan.hosts[0])
    started(machine)
    assert int(tier.content(machine).split()[0]) > 1000
    machine.stop()


def test_up_to_the_last_archived_segment_nothing_is_lost(tier: Tier) -> None:
    """The machine and its volume are gone: a base backup of long ago and the archive bring everything back."""
    tier.book(300)
    tier.primary.wait_archived()
    whole = tier.content()
    broken = tier.site.store / "archive/archive/userdb/base/20990101T000000Z"
    broken.mkdir()
    (broken / "base.tar.gz").write_bytes(b"an upload that broke off")
    machine = started(tier.restored("latest", DatabaseState(history=4, source=1, restore="latest")))
    assert tier.content(machine) == whole
    machine.stop()


def test_a_rehearsal_on_any_machine_leaves_no_trace_in_the_archive(tier: Tier) -> None:
    """The runbook's check of a backup, without the machine's configuration: nothing may reach the living history."""
    machine = tier.restored("rehearsal", DatabaseState(history=9, restore="latest"))
    programs = machine.host.layout.programs
    settings = machine.root / "rehearsal.env"
    settings.write_text(f"REGION=eu-west-1\nPROGRAM_DIR={programs}\nKMS_KEY_ID=\nARCHIVE_BUCKET=\nARCHIVE_PREFIX=\n")
    data, env = str(machine.root / "data"), str(settings)
    machine.program("pg-restore", "archive/archive/userdb", "latest", data, "--no-archive", HOST_ENV=env)
    kept = sorted(str(path) for path in (tier.site.store / "archive").rglob("*"))
    options = f"-c unix_socket_directories={machine.host.layout.socket} -c port={machine.port}"
    control = ["pg_ctl", "-D", data, "-w", "-l", str(machine.mount / "log")]
    machine.run(*control, "-o", options, "start", HOST_ENV=env)
    try:
        machine.wait("SELECT pg_is_in_recovery()", "f")
        assert machine.sql("SHOW archive_mode") == "off"
        assert machine.sql("SELECT count(*) >= 1000 FROM bookings", DATABASE) == "t"
        machine.sql("SELECT pg_switch_wal()")
    finally:
        machine.run(*control, "-m", "fast", "stop", HOST_ENV=env)
    assert sorted(str(path) for path in (tier.site.store / "archive").rglob("*")) == kept
    too_early = machine.program("pg-restore", "archive/archive/userdb", "2001-01-01 00:00Z", "none", check=False)
    assert "no complete base backup" in too_early.stderr


def test_a_snapshot_in_place_of_the_volume_begins_a_history_of_its_own(tier: Tier) -> None:
    """FS-BKP-02. In the old archive its first segment would collide with what was written after the snapshot."""
    tier.book(10)
    whole = tier.content()
    tier.primary.stop(signal.SIGQUIT)  # what a snapshot of a volume in use holds: no orderly end
    machine = tier.restored("snapshot", DatabaseState(history=5, snapshot=SNAPSHOT))
    shutil.copytree(tier.primary.mount, machine.mount, dirs_exist_ok=True)
    machine.run("chown", "-R", "postgres:postgres", str(machine.mount), root=True)
    tier.primary.start()
    tier.book(1)
    tier.primary.wait_archived()
    started(machine)
    assert tier.content(machine) == whole
    machine.login(OWNER, DATABASE, "INSERT INTO bookings (body) VALUES ('after the snapshot')")
    machine.wait_archived()
    assert machine.sql("SELECT failed_count FROM pg_stat_archiver") == "0"
    assert (machine.mount / "base-backup-wanted").exists(), "the new archive has nothing to restore from yet"
    machine.stop()


def test_a_promoted_standby_has_every_row_and_the_former_primary_follows_it(tier: Tier) -> None:
    """The runbook's order: the old primary stops, the standby is declared primary, a blank volume joins as standby."""
    standby = next(machine for machine in tier.site.machines if machine.root.name == "userdb-standby")
    tier.book(200)
    whole = tier.content()
    caught_up(standby, tier.primary)
    tier.primary.stop()
    standby.stop()
    promoted = planned(DATABASE, DatabaseState(primary="userdb-standby", volumes={"userdb": 2}))
    primary, follower = promoted.hosts
    declare(tier.site, standby, promoted, primary)
    standby.program("pg-prepare-data")
    standby.start()
    standby.sql("SELECT pg_promote()")
    standby.wait("SELECT pg_is_in_recovery()", "f")
    standby.program("pg-apply-sql")
    assert tier.content(standby) == whole
    standby.login(OWNER, DATABASE, "INSERT INTO bookings (body) VALUES ('by the name that clients know')")
    standby.wait_archived()

    declare(tier.site, tier.primary, promoted, follower)
    refused = tier.primary.program("pg-prepare-data", check=False)
    assert "the volume holds a primary's data" in refused.stderr
    blank = install(tier.site, promoted, follower, "userdb-v2")
    follow(blank, standby)
    caught_up(blank, standby)
    assert tier.content(blank) == tier.content(standby)
    assert standby.sql("SELECT slot_name FROM pg_replication_slots WHERE active") == "standby_userdb"


def test_the_runbook_names_what_is_tried_here(root: Path) -> None:
    """A procedure that says other words than the configuration is found wanting at the worst moment."""
    text = (root / "docs/runbooks/postgresql.md").read_text()
    for name in DatabaseState.model_fields:
        assert f"{name}:" in text, name
