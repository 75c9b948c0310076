"""What a PostgreSQL machine is: its databases, its place, its archive; checked before anything is rendered."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from derive.bootstrap.machine import PROGRAMS, require

MAJORS = (15, 16, 17)
"""Major versions that Amazon Linux 2023 packages side by side and that are tested here."""

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_SAFE = re.compile(r"[A-Za-z0-9._/-]+")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_VOLUME = re.compile(r"vol-[0-9a-f]{8,17}")


def slot_name(host_name: str) -> str:
    """The physical replication slot of a standby; slots allow lower case letters, digits and '_' only."""
    return "standby_" + host_name.replace("-", "_")


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


def expiry_days(retention_days: int) -> int:
    """Age at which the bucket's lifecycle may delete what an archive with this window holds.

    The window, a day for the base backup that its oldest moment needs, and a day for that backup's duration and S3's
    rounding to midnight.
    """
    return retention_days + 2


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


def check_target(target: str) -> str:
    """The target of a recovery, unchanged. Raises BootstrapError unless it names one moment everywhere."""
    require(
        target == "latest" or _has_offset(target),
        f"recovery target {target!r}: 'latest', or an ISO 8601 time with offset",
    )
    return target


@dataclass(frozen=True)
class Recovery:
    """Point-in-time recovery from an archive, which is only read."""

    archive: Archive
    target: str = "latest"
    """'latest', or an ISO 8601 time with offset."""

    def __post_init__(self) -> None:
        check_target(self.target)


@dataclass(frozen=True)
class Layout:
    """Directories on the machine; tests use their own."""

    mount: str = "/var/lib/pgsql"
    config: str = "/etc/postgresql"
    programs: str = PROGRAMS
    socket: str = "/run/postgresql"
    units: str = "/etc/systemd/system"

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
    recovery: Recovery | None = None
    """For a blank volume: fill it from this archive; None: a new cluster. Without effect once the volume holds data.
    Either way the own archive prefix must be unused, so that every history has a prefix of its own."""
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
        for role in (self.monitoring_role, self.replication_role):
            require(NAME.fullmatch(role) is not None, f"{where}: role {role!r} is not a plain lower case name")
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
        require(
            self.recovery is None
            or (self.recovery.archive.bucket, self.recovery.archive.prefix) != self._archive_place,
            f"{where}: it would recover from its own archive; give the recovered cluster a new archive prefix",
        )

    @property
    def _archive_place(self) -> tuple[str, str]:
        return self.archive.bucket, self.archive.prefix

    @property
    def slot(self) -> str:
        """The replication slot that this host uses as a standby."""
        return slot_name(self.name)

    @property
    def login_roles(self) -> tuple[str, ...]:
        """Every role that logs in over the network, so every role that needs a verifier."""
        return (*dict.fromkeys(d.owner for d in self.databases), self.monitoring_role, self.replication_role)


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
