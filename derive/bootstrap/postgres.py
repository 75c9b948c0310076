"""PostgreSQL machines without internet access: user data, and the bundle they fetch from S3.

A database machine reaches the S3 gateway endpoint and its replication peers, nothing else. Everything follows from that:

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
  restored when `recovery` says so.

Expiry belongs to the bucket's lifecycle (`Archive.expiry_days`): the role needs PutObject, GetObject and ListBucket,
and cannot delete, so whoever takes over a machine cannot destroy its backups.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from derive.bootstrap import postgres_config
from derive.bootstrap.machine import (
    PROGRAMS,
    SETTINGS,
    MachineFile,
    bundle_json,
    cloud_config,
    first_boot_unit,
    program,
    require,
    settings_file,
)

MAJORS = (15, 16, 17)
"""Major versions that Amazon Linux 2023 packages side by side and that are tested here."""

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_SAFE = re.compile(r"[A-Za-z0-9._/-]+")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_VOLUME = re.compile(r"vol-[0-9a-f]{8,17}")
_VERIFIER = re.compile(r"SCRAM-SHA-256\$\d{4,}:[A-Za-z0-9+/=]{24,}\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}")
_PASSWORD = re.compile(r"[A-Za-z0-9._~-]{16,}")
_UNIT_DIR = "/etc/systemd/system"


def repository_bucket(region: str) -> str:
    """The bucket of Amazon Linux 2023's packages in a region (AL2023 user guide, "S3 endpoint policy")."""
    return f"al2023-repos-{region}-de612dc2"


@dataclass(frozen=True)
class Database:
    """A database and the login role that owns it; no other application role may connect to it."""

    name: str
    owner: str
    connection_limit: int = 50
    extensions: tuple[str, ...] = ()
    """Extensions of the contrib package, beside pg_stat_statements."""

    def __post_init__(self) -> None:
        for field_name, value in (("name", self.name), ("owner", self.owner)):
            require(
                NAME.fullmatch(value) is not None,
                f"database {field_name} {value!r}: lower case letters, digits, '_' and '-', at most 63",
            )
        bad = [name for name in self.extensions if re.fullmatch(r"[a-z][a-z0-9_-]*", name) is None]
        require(not bad, f"database {self.name}: extensions {bad} are not names of extensions")
        require(self.connection_limit > 0, f"database {self.name}: connection_limit must be positive")


@dataclass(frozen=True)
class Archive:
    """Where WAL and base backups go. Primary and standbys of one cluster share the prefix; no two clusters may."""

    bucket: str
    prefix: str
    kms_key_id: str = ""
    """Key for SSE-KMS; empty: the bucket's default encryption."""
    schedule: str = "*-*-* 02:15:00"
    """systemd calendar expression (UTC) of the base backup; at least daily, or `expiry_days` promises too much."""
    retention_days: int = 14

    def __post_init__(self) -> None:
        require(
            _SAFE.fullmatch(self.prefix) is not None and not self.prefix.startswith("/") and self.prefix[-1] != "/",
            f"archive prefix {self.prefix!r}: letters, digits, '.', '_', '-' and inner '/'",
        )
        require(_SAFE.fullmatch(self.bucket) is not None, f"archive bucket {self.bucket!r} is not a bucket's name")
        require(self.retention_days >= 1, "archive retention_days: at least 1")

    @property
    def expiry_days(self) -> int:
        """Lifecycle age for all objects below the prefix: the window, plus a day for its oldest base backup and one

        for the backup's own duration and S3's rounding up to midnight.
        """
        return self.retention_days + 2


@dataclass(frozen=True)
class Layout:
    """Directories on the machine; tests use their own."""

    mount: str = "/var/lib/pgsql"
    config: str = "/etc/postgresql"
    programs: str = PROGRAMS
    socket: str = "/run/postgresql"

    @property
    def data(self) -> str:
        """PostgreSQL's data directory, below the data volume's mount point."""
        return f"{self.mount}/data"


@dataclass(frozen=True)
class PostgresHost:
    """One PostgreSQL machine, primary or standby."""

    name: str
    region: str
    role: Literal["primary", "standby"]
    databases: tuple[Database, ...]
    client_cidrs: tuple[str, ...]
    """Where applications and the exporter connect from (the cluster's subnets)."""
    volume_id: str
    volume_gib: int
    memory_mib: int
    bundle_bucket: str
    bundle_key: str
    archive: Archive
    major: int = 17
    peer_cidrs: tuple[str, ...] = ()
    """Where replication may come from; empty: no replication."""
    standbys: tuple[str, ...] = ()
    """Names of this cluster's standby hosts: the primary keeps a replication slot for each."""
    primary_host: str = ""
    """Standbys only: the primary's name, as in its certificate."""
    monitoring_role: str = "monitoring"
    replication_role: str = "replicator"
    max_connections: int = 100
    recovery: str = ""
    """For a blank volume: 'latest' or an ISO 8601 time with offset to restore to; empty: a new cluster, which is
    refused while the archive holds backups. Without effect once the volume holds data."""
    layout: Layout = Layout()

    def __post_init__(self) -> None:
        where = f"PostgreSQL host {self.name!r}"
        require(NAME.fullmatch(self.name) is not None, f"{where}: name must be lower case letters, digits, '-', '_'")
        require(self.major in MAJORS, f"{where}: version {self.major} is not one of {MAJORS}")
        require(
            _VOLUME.fullmatch(self.volume_id) is not None, f"{where}: volume_id {self.volume_id!r} is not like 'vol-0…'"
        )
        require(self.memory_mib >= 1024, f"{where}: {self.memory_mib} MiB of memory; at least 1024 are needed")
        require(self.volume_gib >= 10, f"{where}: a volume of {self.volume_gib} GiB; at least 10 are needed")
        require(bool(self.databases), f"{where}: declare at least one database")
        names = [database.name for database in self.databases]
        require(len(set(names)) == len(names), f"{where}: a database is declared twice in {names}")
        reserved = {self.monitoring_role, self.replication_role, "postgres"}
        require(len(reserved) == 3, f"{where}: monitoring, replication and superuser roles must be three roles")
        clash = sorted(reserved & {database.owner for database in self.databases})
        require(not clash, f"{where}: {clash} own databases, but are roles of the platform; rename the owners")
        require(bool(self.client_cidrs), f"{where}: client_cidrs is empty, nobody could connect")
        for cidr in (*self.client_cidrs, *self.peer_cidrs):
            require(_is_narrow(cidr), f"{where}: {cidr!r} is not a network narrower than everything")
        if self.role == "standby":
            require(
                _HOST.fullmatch(self.primary_host) is not None, f"{where}: a standby needs primary_host (a DNS name)"
            )
            require(not self.recovery, f"{where}: a standby copies its primary; recovery is for primaries")
        require(
            self.role == "standby" or not self.standbys or bool(self.peer_cidrs),
            f"{where}: standbys are declared, but peer_cidrs is empty, so none could connect",
        )
        if self.recovery not in ("", "latest"):
            require(
                _has_offset(self.recovery), f"{where}: recovery {self.recovery!r}: 'latest' or an ISO time with offset"
            )

    @property
    def slot(self) -> str:
        """The replication slot that this host uses as a standby."""
        return postgres_config.slot_name(self.name)

    @property
    def login_roles(self) -> tuple[str, ...]:
        """Every role that logs in over the network, so every role that needs a verifier."""
        return (*dict.fromkeys(d.owner for d in self.databases), self.monitoring_role, self.replication_role)


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


def _is_narrow(cidr: str) -> bool:
    try:
        return ipaddress.ip_network(cidr).prefixlen > 0
    except ValueError:
        return False


def _has_offset(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() is not None
    except ValueError:
        return False


def settings(host: PostgresHost) -> dict[str, str]:
    """The machine's settings file; changing one replaces the machine, its data volume stays."""
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
        "UNIT_DIR": _UNIT_DIR,
        "ARCHIVE_BUCKET": host.archive.bucket,
        "ARCHIVE_PREFIX": host.archive.prefix,
        "KMS_KEY_ID": host.archive.kms_key_id,
        "PRIMARY_HOST": host.primary_host,
        "REPLICATION_ROLE": host.replication_role,
        "SLOT": host.slot,
        "RECOVERY": host.recovery,
    }


def machine_files(host: PostgresHost) -> tuple[MachineFile, ...]:
    """What user data writes: enough to install PostgreSQL and fetch the rest."""
    return (
        settings_file(settings(host), SETTINGS),
        program("pg-first-boot"),
        program("fetch-bundle"),
        program("lay-out-bundle"),
        first_boot_unit(f"{PROGRAMS}/pg-first-boot"),
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
            program(name)
            for name in (
                *("pg-start", "pg-prepare-data", "pg-apply-sql", "pg-refresh", "format-if-blank"),
                *("pg-archive", "pg-fetch-wal", "pg-base-backup", "pg-restore", "pg-store"),
            )
        ),
        *(MachineFile(f"{_UNIT_DIR}/{name}", text) for name, text in postgres_config.units(host).items()),
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
            f"PostgreSQL host {host.name}: a standby needs the replication password (16 or more of A-Z a-z 0-9 . _ ~ -)",
        )
        line = f"{host.primary_host}:5432:*:{host.replication_role}:{secrets.replication_password}\n"
        files.append(_private(f"{config}/replication.pgpass", line))
    return tuple(files)


def bundle(host: PostgresHost, secrets: PostgresSecrets) -> str:
    """The JSON for `s3://<bundle_bucket>/<bundle_key>`; secret as a whole."""
    return bundle_json(bundle_files(host, secrets))


def _private(path: str, content: str) -> MachineFile:
    return MachineFile(path, content, mode="0600", owner="postgres", group="postgres")
