"""The rendered database machine on a real PostgreSQL, its archive in a folder, and once through the real AWS CLI."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from derive.bootstrap.scram import scram_verifier
from tests.real.bootstrap_site import AWS, NEEDS_POSTGRESQL, Machine, Site, temporary_site

pytestmark = NEEDS_POSTGRESQL


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with temporary_site() as made:
        yield made


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
def test_the_real_cli_understands_every_call(primary: Machine) -> None:
    """The folder above accepts what we believe the AWS CLI accepts; this holds that belief against the CLI and S3."""
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
