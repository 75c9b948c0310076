"""PostgreSQL machines without internet access: user data, and the bundle they fetch from S3.

A database machine reaches the S3 gateway endpoint and its replication peers, nothing else. Hence:

* Packages: Amazon Linux 2023 serves its dnf repositories from a regional S3 bucket (`repository_bucket`), so the
  gateway endpoint is enough; the endpoint's policy must admit that bucket.
* Secrets: Secrets Manager cannot be reached, so the bundle is an object encrypted with SSE-KMS that only this machine's
  role may read (S3 decrypts; the machine never calls KMS). It holds SCRAM verifiers, not passwords; only a standby has
  one password, its replication login's.
* Backups: pgBackRest is not in those repositories, and a private package bucket would be one more supply chain. WAL
  goes to S3 segment by segment and a base backup follows every night, each by a short program around `aws s3 cp` that
  the tests run against a real server. Point-in-time recovery needs no more.
* Nobody can log in, so operation is declaration: the machine fetches its bundle again every 15 minutes (passwords,
  certificates, databases, settings), a standby becomes primary when its declared role does, and a blank volume is
  filled from an archive when `recovery` says so; the recovered cluster archives under a prefix of its own.

Expiry belongs to the bucket's lifecycle (`postgres_host.expiry_days`): the role needs PutObject, GetObject and
ListBucket, and cannot delete, so whoever takes over a machine cannot destroy its backups.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from derive.bootstrap import postgres_config
from derive.bootstrap.machine import (
    PROGRAMS,
    SETTINGS,
    TIME,
    MachineFile,
    bundle_json,
    cloud_config,
    first_boot_unit,
    program,
    require,
    settings_file,
)
from derive.bootstrap.postgres_host import MAJORS, Archive, Database, Layout, PostgresHost, Recovery

__all__ = [
    "MAJORS",
    "Archive",
    "Database",
    "Layout",
    "PostgresHost",
    "PostgresSecrets",
    "Recovery",
    "bundle",
    "bundle_files",
    "machine_files",
    "repository_bucket",
    "settings",
    "user_data",
]

_VERIFIER = re.compile(r"SCRAM-SHA-256\$\d{4,}:[A-Za-z0-9+/=]{24,}\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}")
_PASSWORD = re.compile(r"[A-Za-z0-9._~-]{16,}")


def repository_bucket(region: str) -> str:
    """The bucket of Amazon Linux 2023's packages in a region (AL2023 user guide, "S3 endpoint policy")."""
    return f"al2023-repos-{region}-de612dc2"


@dataclass(frozen=True, repr=False)
class PostgresSecrets:
    """What the bundle adds to the declaration; PEM texts, verifiers from `scram_verifier`."""

    verifiers: Mapping[str, str]
    server_certificate: str
    """For the host's DNS name, followed by its intermediates."""
    server_key: str
    ca_certificate: str
    replication_password: str = ""
    """Standbys only."""


def settings(host: PostgresHost) -> dict[str, str]:
    """The machine's settings file; changing one replaces the machine, its data volume stays."""
    recovery = host.recovery
    return {
        "REGION": host.region,
        "BUNDLE_URL": f"s3://{host.bundle_bucket}/{host.bundle_key}",
        "PACKAGES": f"postgresql{host.major}-server postgresql{host.major}-contrib",
        "MAJOR": str(host.major),
        "ROLE": host.role,
        "VOLUME_ID": host.volume_id,
        "MOUNT": host.layout.mount,
        "DATA_DIR": host.layout.data,
        "CONFIG_DIR": host.layout.config,
        "PROGRAM_DIR": host.layout.programs,
        "SOCKET_DIR": host.layout.socket,
        "UNIT_DIR": host.layout.units,
        "ARCHIVE_BUCKET": host.archive.bucket,
        "ARCHIVE_PREFIX": host.archive.prefix,
        "KMS_KEY_ID": host.archive.kms_key_id,
        "PRIMARY_HOST": host.primary_host,
        "REPLICATION_ROLE": host.replication_role,
        "SLOT": host.slot,
        "RECOVERY_SOURCE": f"{recovery.archive.bucket}/{recovery.archive.prefix}" if recovery else "",
        "RECOVERY_TARGET": recovery.target if recovery else "",
    }


def machine_files(host: PostgresHost) -> tuple[MachineFile, ...]:
    """What user data writes: enough to install PostgreSQL and fetch the rest."""
    return (
        settings_file(settings(host), SETTINGS),
        program("pg-first-boot"),
        program("fetch-bundle"),
        program("lay-out-bundle"),
        first_boot_unit(f"{PROGRAMS}/pg-first-boot"),
        TIME,
    )


def user_data(host: PostgresHost) -> str:
    """The machine's cloud-config: below 16 KB, no secret in it."""
    return cloud_config(f"PostgreSQL host {host.name}", machine_files(host))


def bundle_files(host: PostgresHost, secrets: PostgresSecrets) -> tuple[MachineFile, ...]:
    """What the machine fetches: programs, units, configuration, TLS, SQL. Changes arrive within 15 minutes."""
    missing = sorted(set(host.login_roles) - secrets.verifiers.keys())
    require(not missing, f"PostgreSQL host {host.name}: no verifier for {missing}")
    bad = sorted(role for role, text in secrets.verifiers.items() if _VERIFIER.fullmatch(text) is None)
    require(not bad, f"PostgreSQL host {host.name}: {bad} have something else than a SCRAM-SHA-256 verifier")
    config = host.layout.config
    files = [
        *(
            _program(host, name)
            for name in (
                *("pg-start", "pg-prepare-data", "pg-apply-sql", "pg-refresh", "format-if-blank"),
                *("pg-archive", "pg-fetch-wal", "pg-base-backup", "pg-restore", "pg-store"),
            )
        ),
        *(MachineFile(f"{host.layout.units}/{name}", text) for name, text in postgres_config.units(host).items()),
        _private(f"{config}/postgresql.conf", postgres_config.postgresql_conf(host)),
        _private(f"{config}/pg_hba.conf", postgres_config.pg_hba_conf(host)),
        _private(f"{config}/pg_ident.conf", ""),
        _private(f"{config}/bootstrap.sql", postgres_config.bootstrap_sql(host, secrets.verifiers)),
        _private(f"{config}/tls/server.crt", secrets.server_certificate),
        _private(f"{config}/tls/server.key", secrets.server_key),
        _private(f"{config}/tls/ca.crt", secrets.ca_certificate),
    ]
    if host.role == "standby":
        require(
            _PASSWORD.fullmatch(secrets.replication_password) is not None,
            f"PostgreSQL host {host.name}: a standby needs the replication password "
            "(16 or more of A-Z a-z 0-9 . _ ~ -)",
        )
        line = f"{host.primary_host}:*:*:{host.replication_role}:{secrets.replication_password}\n"
        files.append(_private(f"{config}/replication.pgpass", line))
    return tuple(files)


def bundle(host: PostgresHost, secrets: PostgresSecrets) -> str:
    """The JSON for `s3://<bundle_bucket>/<bundle_key>`; secret as a whole."""
    return bundle_json(bundle_files(host, secrets))


def _program(host: PostgresHost, name: str) -> MachineFile:
    return replace(program(name), path=f"{host.layout.programs}/{name}")


def _private(path: str, content: str) -> MachineFile:
    return MachineFile(path, content, mode="0600", owner="postgres", group="postgres")
