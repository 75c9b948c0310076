"""The rendered database machine on a real PostgreSQL, its archive in a folder, and once through the real AWS CLI."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import boto3
import pytest

from derive.bootstrap.postgres import Recovery
from derive.bootstrap.scram import scram_verifier
from tests.real.bootstrap_site import AWS, BIN, HAS_USER, Machine, Site

pytestmark = [
    pytest.mark.tool("postgres"),
    pytest.mark.skipif(BIN is None, reason="no PostgreSQL server of a supported version below /usr/lib/postgresql"),
    pytest.mark.skipif(not HAS_USER, reason="needs root and the system user postgres"),
]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    root = Path(tempfile.mkdtemp(prefix="pgtest-"))  # short: a socket's path is limited to 107 bytes
    root.chmod(0o755)
    site = Site(root)
    yield site
    for machine in site.machines:
        machine.stop()
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def primary(site: Site) -> Machine:
    machine = site.machine("primary")
    machine.program("pg-prepare-data")
    machine.start()
    machine.program("pg-apply-sql")
    machine.program("pg-base-backup")
    return machine


def test_an_application_logs_in_with_tls_and_the_computed_verifier(primary: Machine) -> None:
    seen = primary.login(
        "user-service", "userdb",
        "CREATE TABLE mine (id int); DROP TABLE mine;"
        "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    )  # fmt: skip
    assert seen.stdout.strip() == "t|TLSv1.3"
    stored = primary.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'user-service'")
    assert stored == primary.secrets.verifiers["user-service"]


@pytest.mark.parametrize(
    ("role", "database", "changes", "message"),
    [
        ("user-service", "userdb", {"sslmode": "disable"}, "no pg_hba.conf entry"),
        ("user-service", "userdb", {"password": "wrong-password-00"}, "password authentication failed"),
        ("user-service", "otherdb", {}, "no pg_hba.conf entry"),
        ("user-service", "postgres", {}, "no pg_hba.conf entry"),
        ("postgres", "postgres", {"password": "anything-at-all-00"}, "no pg_hba.conf entry"),
        ("replicator", "userdb", {}, "no pg_hba.conf entry"),
    ],
)
def test_everything_else_is_refused(
    primary: Machine, role: str, database: str, changes: dict[str, str], message: str
) -> None:
    refused = primary.login(role, database, check=False, **changes)
    assert refused.returncode != 0
    assert message in refused.stderr


def test_grants_alone_would_keep_an_owner_out_of_another_database(primary: Machine) -> None:
    query = """
        SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database
        WHERE has_database_privilege('user-service', oid, 'CONNECT') AND datname <> 'template0'
    """
    assert primary.sql(query) == "userdb"
    assert primary.sql("SELECT count(*) FROM pg_roles WHERE rolsuper AND rolcanlogin") == "1"


def test_the_exporters_role_sees_statistics_but_no_rows(primary: Machine) -> None:
    primary.login("user-service", "userdb", "CREATE TABLE secret_rows (id int)")
    statistics = primary.login("monitoring", "userdb", "SELECT count(*) > 0 FROM pg_stat_statements")
    assert statistics.stdout.strip() == "t"
    refused = primary.login("monitoring", "userdb", "SELECT * FROM secret_rows", check=False)
    assert "permission denied for table secret_rows" in refused.stderr
    primary.login("user-service", "userdb", "DROP TABLE secret_rows")


def test_verifiers_reach_neither_statistics_nor_log(primary: Machine) -> None:
    assert primary.sql("SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%SCRAM-SHA%'") == "0"
    assert "SCRAM-SHA-256$" not in (primary.root / "server.log").read_text()


def test_applying_the_sql_again_changes_nothing(primary: Machine) -> None:
    def roles() -> str:
        return primary.run("pg_dumpall", "--globals-only", "-h", primary.host.layout.socket).stdout

    before = roles()
    (Path(primary.host.layout.mount) / "bootstrap.applied").unlink()
    primary.program("pg-apply-sql")
    lsn = primary.sql("SELECT pg_current_wal_insert_lsn()")
    primary.program("pg-apply-sql")
    assert primary.sql("SELECT pg_current_wal_insert_lsn()") == lsn, "an unchanged script must write no WAL"
    assert [line for line in roles().splitlines() if "estrict" not in line] == [
        line for line in before.splitlines() if "estrict" not in line
    ]


def test_every_setting_is_accepted_and_in_force(primary: Machine) -> None:
    wrong = "SELECT string_agg(name || ': ' || error, ' ') FROM pg_file_settings WHERE error IS NOT NULL"
    assert primary.sql(f"{wrong} AND name <> 'port'") == "", "the port alone is overridden by this test"
    assert primary.sql("SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL") == "0"
    assert primary.sql("SHOW shared_buffers") == "256MB"
    assert primary.sql("SHOW data_checksums") == "on"


def test_a_rotated_password_arrives_without_a_restart(site: Site, primary: Machine) -> None:
    rotated = {**primary.secrets.verifiers, "other": scram_verifier("rotated-password-1", b"0123456789abcdef")}
    original, primary.secrets = primary.secrets, replace(primary.secrets, verifiers=rotated)
    try:
        assert primary.refresh(site.store) == ["bootstrap.sql"]
        primary.program("pg-apply-sql")
        primary.login("other", "otherdb", password="rotated-password-1")
        assert primary.login("other", "otherdb", check=False).returncode != 0
    finally:
        primary.secrets = original
        primary.refresh(site.store)
        primary.program("pg-apply-sql")
    assert primary.refresh(site.store) == [], "an unchanged bundle must change no file"


def test_the_archive_never_overwrites_a_segment_with_other_content(site: Site, primary: Machine) -> None:
    segment = primary.root / "000000010000000A00000001"
    segment.write_bytes(b"one history" * 1000)
    primary.program("pg-archive", str(segment), segment.name)
    primary.program("pg-archive", str(segment), segment.name)
    segment.write_bytes(b"another one" * 1000)
    refused = primary.program("pg-archive", str(segment), segment.name, check=False)
    assert refused.returncode != 0
    assert "refusing to overwrite" in refused.stderr
    target = primary.root / "fetched"
    primary.program("pg-fetch-wal", segment.name, str(target))
    assert target.read_bytes() == b"one history" * 1000
    (site.store / f"archive/userdb/wal/{segment.name}.gz").unlink()


def test_an_unreachable_archive_stops_recovery_instead_of_ending_it(primary: Machine) -> None:
    target = str(primary.root / "unfetched")
    assert primary.program("pg-fetch-wal", "0000000100000FFF00000001", target, check=False).returncode == 1
    primary.environment["STORE_DOWN"] = "1"
    try:
        assert primary.program("pg-fetch-wal", "000000010000000000000001", target, check=False).returncode == 200
        segment = primary.root / "segment"
        segment.write_text("x")
        assert primary.program("pg-archive", str(segment), "segment", check=False).returncode != 0
    finally:
        del primary.environment["STORE_DOWN"]


def test_a_blank_volume_never_starts_a_new_history_over_existing_backups(site: Site, primary: Machine) -> None:
    machine = site.machine("replaced")
    refused = machine.program("pg-prepare-data", check=False)
    assert refused.returncode != 0
    assert "declare the next history" in refused.stderr
    assert not Path(machine.host.layout.data).exists()


def test_recovery_loses_nothing_and_stops_at_the_named_moment(site: Site, primary: Machine) -> None:
    primary.login("user-service", "userdb", "CREATE TABLE bookings AS SELECT generate_series(1, 1000) AS id")
    moment = primary.sql("SELECT pg_sleep(0.05); SELECT now()").strip()
    primary.login("user-service", "userdb", "INSERT INTO bookings VALUES (1001)")
    segment = primary.sql("SELECT pg_walfile_name(pg_switch_wal())")
    primary.wait("SELECT last_archived_wal FROM pg_stat_archiver", segment)
    assert (site.store / f"archive/userdb/wal/{segment}.gz").exists()
    # An upload that broke off: no completion mark, so it must not be chosen.
    broken = site.store / "archive/userdb/base/20990101T000000Z"
    broken.mkdir()
    (broken / "base.tar.gz").write_bytes(b"broken")

    source = primary.host.archive
    whole = site.machine("restored", recovery=Recovery(source), archive=replace(source, prefix="userdb-2"), standbys=())
    whole.program("pg-prepare-data")
    whole.start()
    whole.wait("SELECT pg_is_in_recovery()", "f")
    assert whole.sql("SELECT count(*), max(id) FROM bookings", "userdb") == "1001|1001"
    assert (Path(whole.host.layout.mount) / "base-backup-wanted").exists()
    whole.stop()

    early = whole.root / "early"
    whole.program("pg-restore", "archive/userdb", moment, str(early), "--no-archive")
    whole.start(early)
    whole.wait("SELECT pg_is_in_recovery()", "f")
    assert whole.sql("SELECT count(*), max(id) FROM bookings", "userdb") == "1000|1000"
    assert whole.sql("SHOW archive_mode") == "off"
    whole.stop()

    before = whole.program("pg-restore", "archive/userdb", "2001-01-01 00:00Z", str(whole.root / "never"), check=False)
    assert "no complete base backup" in before.stderr


def test_a_standby_follows_and_takes_over_with_its_data(site: Site, primary: Machine) -> None:
    standby = site.machine("replica-1", role="standby", primary_host="localhost", standbys=())
    standby.environment["PGPORT"] = str(primary.port)
    primary.sql("ALTER SYSTEM SET recovery_target_time = '2001-01-01'")  # as after a recovery
    standby.program("pg-prepare-data")
    primary.sql("ALTER SYSTEM RESET recovery_target_time")
    primary.login("user-service", "userdb", "CREATE TABLE replicated AS SELECT 42 AS id")
    standby.start(port=standby.port)
    standby.environment["PGPORT"] = str(standby.port)
    standby.wait("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'", "1")
    lsn = primary.sql("SELECT pg_current_wal_lsn()")
    standby.wait(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'", "t")
    assert standby.sql("SELECT id FROM replicated", "userdb") == "42"
    assert primary.sql("SELECT active FROM pg_replication_slots WHERE slot_name = 'standby_replica_1'") == "t"
    tls = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_replication USING (pid)"
    assert primary.sql(tls) == "t", "replication must be encrypted"
    assert "takes no backup" in standby.program("pg-base-backup").stderr

    standby.sql("SELECT pg_promote()")
    standby.wait("SELECT pg_is_in_recovery()", "f")
    standby.login("user-service", "userdb", "INSERT INTO replicated VALUES (43)")
    standby.stop()
    demoted = standby.program("pg-prepare-data", check=False)
    assert "holds a primary's data" in demoted.stderr


def test_data_of_another_major_version_are_not_started(site: Site, primary: Machine) -> None:
    machine = site.machine("upgraded")
    data = Path(machine.host.layout.data)
    data.mkdir()
    (data / "PG_VERSION").write_text("14\n")
    refused = machine.program("pg-prepare-data", check=False)
    assert "the data are of PostgreSQL 14" in refused.stderr


@pytest.mark.slow
@pytest.mark.tool("aws")
@pytest.mark.skipif(AWS is None, reason="the AWS CLI is not installed")
@pytest.mark.skipif(find_spec("flask_cors") is None, reason="the local S3 needs moto[server]")
def test_the_real_cli_understands_every_call(primary: Machine) -> None:
    """The folder above accepts what we believe the AWS CLI accepts; this holds that belief against the CLI and S3."""
    from moto.server import ThreadedMotoServer  # needs moto[server], which the skip above looks for

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    s3 = boto3.client(
        "s3", endpoint_url=endpoint, region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    s3.create_bucket(Bucket="archive", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    tools = primary.root / "real-cli"
    tools.mkdir()
    (tools / "aws").write_text(f'#!/bin/sh\nexec {AWS} --endpoint-url {endpoint} "$@"\n')
    (tools / "aws").chmod(0o755)
    settings = Path(primary.environment["HOST_ENV"]).read_text()
    (tools / "host.env").write_text(f"{settings}ARCHIVE_PREFIX=real\nKMS_KEY_ID=alias/backups\n")
    path = f"{tools}:{primary.environment['PATH']}"
    real = replace(primary, environment={**primary.environment, "PATH": path, "HOST_ENV": f"{tools}/host.env"})
    try:
        segment, copy = primary.root / "000000010000000B00000001", primary.root / "copy"
        segment.write_bytes(b"history" * 1000)
        real.program("pg-archive", str(segment), segment.name)
        real.program("pg-archive", str(segment), segment.name)
        real.program("pg-fetch-wal", segment.name, str(copy))
        assert copy.read_bytes() == segment.read_bytes()
        assert real.program("pg-fetch-wal", "0000000100000FFF00000001", str(copy), check=False).returncode == 1
        stored = s3.head_object(Bucket="archive", Key=f"real/wal/{segment.name}.gz")
        assert (stored["ServerSideEncryption"], stored["SSEKMSKeyId"]) == ("aws:kms", "alias/backups")
        empty = real.program("pg-restore", "archive/nothing", "latest", str(primary.root / "none"), check=False)
        assert "no complete base backup" in empty.stderr
        real.program("pg-base-backup")
        real.program("pg-restore", "archive/real", "latest", str(primary.root / "real"), "--no-archive")
        assert (primary.root / "real/recovery.signal").exists()
    finally:
        server.stop()
