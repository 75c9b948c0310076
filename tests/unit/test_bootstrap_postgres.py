"""Database machines: exact settings and client rules, no secret where none belongs, refused declarations."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from derive.bootstrap import postgres
from derive.bootstrap.machine import USER_DATA_LIMIT, BootstrapError, MachineFile, bundle_json, settings_file
from derive.bootstrap.postgres_config import bootstrap_sql, memory_settings, pg_hba_conf, postgresql_settings
from derive.bootstrap.postgres_host import expiry_days
from derive.bootstrap.scram import scram_verifier

VERIFIER = scram_verifier("never-written-anywhere", b"0123456789abcdef")
PRIMARY = postgres.PostgresHost(
    name="userdb",
    region="eu-central-1",
    role="primary",
    databases=(postgres.Database("userdb", "user-service"), postgres.Database("auditdb", "audit")),
    client_cidrs=("10.3.2.0/24", "10.3.12.0/24"),
    peer_cidrs=("10.3.3.0/24", "10.3.13.0/24"),
    standbys=("userdb-standby",),
    volume_id="vol-0123456789abcdef0",
    volume_gib=100,
    memory_mib=4096,
    bundle_bucket="fitsync-prod-bootstrap",
    bundle_key="userdb.json",
    archive=postgres.Archive("fitsync-prod-archive", "userdb", kms_key_id="arn:aws:kms:eu-central-1:1:key/a"),
)
STANDBY = replace(PRIMARY, name="userdb-standby", role="standby", primary_host="userdb.database.internal", standbys=())
SECRETS = postgres.PostgresSecrets(
    dict.fromkeys(PRIMARY.login_roles, VERIFIER), "CERT", "KEY", "CA", "replication-password-1"
)


def test_the_rfcs_own_exchange_is_accepted_by_our_verifier() -> None:
    """RFC 7677 section 3: the client's proof checks against StoredKey, the server's signature against ServerKey."""
    message = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    verifier = scram_verifier("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
    assert verifier.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    stored, server = (base64.b64decode(part) for part in verifier.split("$")[2].split(":"))
    assert hmac.digest(server, message, "sha256") == base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    client_key = bytes(a ^ b for a, b in zip(proof, hmac.digest(stored, message, "sha256"), strict=True))
    assert hashlib.sha256(client_key).digest() == stored


@pytest.mark.parametrize(
    ("password", "salt", "iterations"),
    [
        ("", b"0" * 16, 4096),
        ("pässword", b"0" * 16, 4096),
        ("p\n", b"0" * 16, 4096),
        ("p", b"0", 4096),
        ("p", b"0" * 16, 1),
    ],
)
def test_weak_or_ambiguous_verifiers_are_refused(password: str, salt: bytes, iterations: int) -> None:
    with pytest.raises(ValueError, match=r"password|salt|iterations"):
        scram_verifier(password, salt, iterations)


def test_client_rules_are_exactly_these() -> None:
    assert pg_hba_conf(PRIMARY).splitlines() == [
        "local all postgres peer",
        "local replication postgres peer",
        'hostssl "userdb" "user-service" 10.3.2.0/24 scram-sha-256',
        'hostssl "userdb" "user-service" 10.3.12.0/24 scram-sha-256',
        'hostssl "auditdb" "audit" 10.3.2.0/24 scram-sha-256',
        'hostssl "auditdb" "audit" 10.3.12.0/24 scram-sha-256',
        'hostssl "postgres","userdb","auditdb" "monitoring" 10.3.2.0/24 scram-sha-256',
        'hostssl "postgres","userdb","auditdb" "monitoring" 10.3.12.0/24 scram-sha-256',
        'hostssl replication "replicator" 10.3.3.0/24 scram-sha-256',
        'hostssl replication "replicator" 10.3.13.0/24 scram-sha-256',
    ]


def test_settings_of_a_4_gib_primary() -> None:
    expected = {
        "shared_buffers": "1024MB", "effective_cache_size": "3072MB", "maintenance_work_mem": "256MB",
        "work_mem": "8MB", "max_connections": "100", "wal_compression": "on", "max_wal_size": "4096MB",
        "checkpoint_completion_target": "0.9", "random_page_cost": "1.1", "wal_level": "replica",
        "log_min_duration_statement": "500", "shared_preload_libraries": "pg_stat_statements", "ssl": "on",
        "ssl_min_protocol_version": "TLSv1.2", "password_encryption": "scram-sha-256", "archive_mode": "on",
        "archive_timeout": "60", "archive_command": '/opt/wheelhouse/pg-archive "%p" "%f"', "port": "5432",
        "max_slot_wal_keep_size": "10240MB", "data_directory": "/var/lib/pgsql/data",
    }  # fmt: skip
    settings = postgresql_settings(PRIMARY)
    assert {name: settings.get(name) for name in expected} == expected
    assert "primary_conninfo" not in settings


def test_a_standby_verifies_whom_it_follows() -> None:
    settings = postgresql_settings(STANDBY)
    assert settings["primary_conninfo"] == (
        "host=userdb.database.internal user=replicator application_name=standby_userdb_standby sslmode=verify-full "
        "sslrootcert=/etc/postgresql/tls/ca.crt passfile=/etc/postgresql/replication.pgpass channel_binding=require"
    )
    assert settings["primary_slot_name"] == "standby_userdb_standby"
    assert "\\set slot 'standby_userdb_standby'" in bootstrap_sql(PRIMARY, SECRETS.verifiers)


@given(st.integers(min_value=1024, max_value=1 << 20))
def test_memory_settings_leave_room_for_every_connection(memory_mib: int) -> None:
    values = {name: int(text.removesuffix("MB")) for name, text in memory_settings(memory_mib).items()}
    assert values["shared_buffers"] <= memory_mib // 4
    assert values["shared_buffers"] + values["maintenance_work_mem"] + 20 * values["work_mem"] < memory_mib
    assert values["effective_cache_size"] < memory_mib


@pytest.mark.parametrize("host", [PRIMARY, STANDBY], ids=["primary", "standby"])
def test_user_data_fits_and_carries_no_secret(host: postgres.PostgresHost) -> None:
    text = postgres.user_data(host)
    assert len(text.encode()) < USER_DATA_LIMIT // 2
    assert yaml.safe_load(text)["runcmd"][-1][-1] == "wheelhouse-first-boot.service"
    for secret in ("SCRAM-SHA-256", "replication-password-1", "PRIVATE KEY", "KEY\n"):
        assert secret not in text


def contents(host: postgres.PostgresHost) -> dict[str, dict[str, str]]:
    return {file["path"]: file for file in json.loads(postgres.bundle(host, SECRETS))["files"]}


def test_only_a_standby_is_given_a_password_and_only_its_own() -> None:
    assert "replication-password-1" not in postgres.bundle(PRIMARY, SECRETS)
    line = contents(STANDBY)["/etc/postgresql/replication.pgpass"]
    assert line["content"] == "userdb.database.internal:*:*:replicator:replication-password-1\n"
    assert (line["mode"], line["owner"]) == ("0600", "postgres")


def test_every_private_file_is_postgress_alone() -> None:
    files = contents(STANDBY)
    private = {path: file for path, file in files.items() if path.startswith("/etc/postgresql/")}
    assert len(private) == 8
    assert {(file["mode"], file["owner"]) for file in private.values()} == {("0600", "postgres")}
    others = {file["owner"] for path, file in files.items() if path not in private}
    assert others == {"root"}, "what root runs must not be writable by the database's user"


def test_equal_declarations_give_equal_bytes() -> None:
    """A bundle that changed by chance would reload every server at every run."""
    shuffled = replace(SECRETS, verifiers=dict(sorted(SECRETS.verifiers.items(), reverse=True)))
    assert postgres.bundle(PRIMARY, shuffled) == postgres.bundle(PRIMARY, SECRETS)


def test_settings_cannot_run_commands() -> None:
    assert settings_file({"A": "$(reboot)'; x"}).content == "A='$(reboot)'\"'\"'; x'\n"
    with pytest.raises(BootstrapError, match="line breaks"):
        settings_file({"A": "x\nB=y"})


def test_a_bundle_never_holds_a_path_twice() -> None:
    with pytest.raises(BootstrapError, match="occurs twice"):
        bundle_json([MachineFile("/a", "1"), MachineFile("/a", "2")])


def test_expiry_keeps_the_base_backup_of_the_oldest_promised_moment() -> None:
    assert expiry_days(30) == 32


def test_packages_come_from_the_regions_own_bucket() -> None:
    assert postgres.repository_bucket("eu-central-1") == "al2023-repos-eu-central-1-de612dc2"
    assert postgres.settings(PRIMARY)["PACKAGES"] == "postgresql17-server postgresql17-contrib"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"major": 14}, "version 14 is not one of (15, 16, 17)"),
        ({"databases": ()}, "declare at least one database"),
        ({"databases": (postgres.Database("a", "x"), postgres.Database("a", "y"))}, "a database is declared twice"),
        ({"databases": (postgres.Database("a", "monitoring"),)}, "rename the owners"),
        ({"client_cidrs": ()}, "nobody could connect"),
        ({"client_cidrs": ("0.0.0.0/0",)}, "'0.0.0.0/0' is not a network narrower than everything"),
        ({"peer_cidrs": ()}, "standbys are declared, but peer_cidrs is empty"),
        ({"role": "standby"}, "a standby needs primary_host"),
        ({"volume_id": "/dev/sdf"}, "volume_id '/dev/sdf' is not like"),
        ({"memory_mib": 512}, "at least 1024 are needed"),
        ({"volume_gib": 1}, "at least 10 are needed"),
        ({"monitoring_role": "x'; DROP"}, "is not a plain lower case name"),
        ({"recovery": postgres.Recovery(PRIMARY.archive)}, "give the recovered cluster a new archive prefix"),
    ],
)
def test_a_host_that_could_not_work_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BootstrapError) as refused:
        replace(PRIMARY, **changes)
    assert message in str(refused.value)
    assert "'userdb'" in str(refused.value)


def test_a_recovery_needs_an_unambiguous_moment() -> None:
    postgres.Recovery(PRIMARY.archive, "2026-08-01T12:00:00+00:00")
    for target in ("yesterday", "2026-08-01T12:00:00"):
        with pytest.raises(BootstrapError, match="ISO 8601 time with offset"):
            postgres.Recovery(PRIMARY.archive, target)


@pytest.mark.parametrize("prefix", ["/a", "a/", "a b", "", "a'"])
def test_an_archive_prefix_that_would_break_keys_is_refused(prefix: str) -> None:
    with pytest.raises(BootstrapError, match="archive prefix"):
        postgres.Archive("b", prefix)


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        (replace(SECRETS, verifiers={}), "no verifier for ['audit', 'monitoring', 'replicator', 'user-service']"),
        (replace(SECRETS, verifiers={**SECRETS.verifiers, "audit": "plain"}), "['audit'] have something else than"),
        (replace(SECRETS, replication_password="with:colon-in-it-1"), "needs the replication password"),
    ],
)
def test_unfit_secrets_are_refused_without_being_shown(secrets: postgres.PostgresSecrets, message: str) -> None:
    with pytest.raises(BootstrapError) as refused:
        postgres.bundle(STANDBY, secrets)
    assert message in str(refused.value)
    assert "with:colon" not in str(refused.value)
    assert "replication-password-1" not in repr(SECRETS)
