"""Stores and brokers, and where they live."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from model.base import (
    DeclarationError,
    Declared,
    MemoryQuantity,
    Name,
    PinnedImage,
    Port,
    Region,
    days,
    rotation_period,
    span,
)
from model.schedules import Cron, gaps
from model.workloads import Resources


class Gp3(Declared):
    """An encrypted gp3 volume. IOPS and throughput: the baseline that is included in the price."""

    size: int = Field(ge=1, le=16384)
    """GiB."""
    iops: int = Field(3000, ge=3000, le=16000)
    throughput: int = Field(125, ge=125, le=1000)
    """MiB/s."""


class OnEc2(Declared):
    """A machine of its own in the data subnets."""

    kind: Literal["ec2"] = "ec2"


class Recovery(Declared):
    """What a loss may cost at most; the schedules of the backups are checked against it, and alerts watch it."""

    rto: timedelta
    """Time to be back."""
    rpo: timedelta
    """Age of the newest backup to come back to."""


class PostgresBackup(Declared):
    """Backups by pgBackRest in a bucket: full, incremental, and every WAL segment as it is written."""

    bucket: Name = "backups"
    """Which of the stack's buckets; ``backups`` is the one that every stack has."""
    full: Cron = "0 2 * * *"
    incremental: Cron | None = "0 */6 * * *"
    """Absent: there are full backups only."""
    keep: timedelta = Field(days(30), ge=days(1))
    """How far back there is a way; the newest full backup is always kept."""
    recovery: Recovery | None = None
    """Absent: nothing is promised."""

    @property
    def schedules(self) -> tuple[str, ...]:
        return (self.full, self.incremental) if self.incremental else (self.full,)

    @property
    def longest_gap(self) -> timedelta:
        """Between two backups of whichever type."""
        return gaps(*self.schedules)[1]

    @model_validator(mode="after")
    def _keeps_the_promise(self) -> PostgresBackup:
        if self.recovery and self.longest_gap > self.recovery.rpo:
            raise DeclarationError(
                f"backups are up to {span(self.longest_gap)} apart, but recovery.rpo is {span(self.recovery.rpo)}; "
                "run full or incremental backups more often, or promise less"
            )
        return self


VOLUME_MIB_PER_SECOND = 125
"""What a gp3 volume writes in a second unless more is paid for (EBS user guide, "General Purpose SSD volumes")."""


class Backup(Declared):
    """Copies of a store's whole state in a bucket."""

    bucket: Name = "backups"
    """Which of the stack's buckets; ``backups`` is the one that every stack has."""
    schedule: Cron
    keep: timedelta | None = Field(None, ge=days(1))
    """How long each copy is kept, in whole days. Absent: each replaces the last, which the bucket keeps as a
    version."""


class InCluster(Declared):
    """StatefulSets in the store's namespace: a primary and, with several members, its replicas by streaming."""

    kind: Literal["cluster"] = "cluster"
    size: MemoryQuantity = "20Gi"
    """Of each member's volume."""
    storage_class: str | None = None
    """Absent: the cluster's default class."""
    members: int = Field(1, ge=1, le=9)
    synchronous: int = Field(0, ge=0)
    """Replicas that have every commit on disk before it is acknowledged. 0: what the primary acknowledged last may be
    lost with it."""
    backup: PostgresBackup | None = None
    """Absent: dumps are the backup."""
    dump: Backup | None = None
    """Copies of a dump. Absent: whoever wants one makes it by hand."""

    @model_validator(mode="after")
    def _can_hold(self) -> InCluster:
        if self.backup and self.dump:
            raise DeclarationError(
                "placement has a backup and a dump; an archive holds every moment that a dump would: keep the backup"
            )
        if self.synchronous >= self.members:
            raise DeclarationError(
                f"{self.synchronous} synchronous replicas of {self.members} members, one of which is the primary: "
                f"raise placement.members to {self.synchronous + 1}, or no commit would ever be acknowledged"
            )
        recovery = self.backup.recovery if self.backup else None
        copying = timedelta(seconds=_mebibytes(self.size) / VOLUME_MIB_PER_SECOND)
        if recovery and copying > recovery.rto:
            raise DeclarationError(
                f"a volume of {self.size} takes {span(copying)} to write at {VOLUME_MIB_PER_SECOND} MiB/s, but "
                f"recovery.rto is {span(recovery.rto)}; use a smaller volume, or promise less"
            )
        return self


def _mebibytes(quantity: str) -> float:
    return int(quantity[:-2]) * {"Ki": 2**-10, "Mi": 1, "Gi": 2**10, "Ti": 2**20}[quantity[-2:]]


class OnRds(Declared):
    """A managed instance, in the newest minor version that is pinned of the database's major one. Its size is the
    environment's ``managed_databases``."""

    kind: Literal["rds"] = "rds"
    secret: Name | None = None
    """The account's secret with the passwords of its users, where Secrets come from there. Absent:
    ``<store>-credentials``."""
    rotate: timedelta | None = None
    """How often the master's password there is made anew, by a function of the stack. Absent: by people."""

    @field_validator("rotate")
    @classmethod
    def _whole_days(cls, value: timedelta | None) -> timedelta | None:
        return rotation_period(value)


Placement = Annotated[OnEc2 | InCluster | OnRds, Field(discriminator="kind")]


class Pooler(Declared):
    """PgBouncer in the cluster, which the users of a database connect to instead of the database."""

    name: Name
    port: Port = 6432
    members: int = Field(2, ge=1)
    mode: Literal["session", "transaction"] = "transaction"
    """When a connection to the server is free for another client: after the client's session, or its transaction."""
    max_clients: int = Field(1000, ge=1)
    """Connections of clients, for each member."""
    pool_size: int = Field(25, ge=1)
    """Connections to the server, for each member."""
    authentication: Literal["scram-sha-256", "plain"] = "scram-sha-256"
    """How clients prove their password; ``plain`` sends it, for drivers that know nothing else. Towards the server it
    is always SCRAM."""
    resources: Resources = Resources(cpu="100m", memory="64Mi", cpu_limit="500m", memory_limit="128Mi")
    label: str | None = Field(None, pattern=r"^[a-z][a-z0-9-]*$")
    """Pods that bear this label, set to ``true``, may connect, and no others; the database's users bear it. Absent: its
    users, by their names."""
    network_policy: Name | None = None
    """Name of its network policy. Absent: ``<name>-policy``."""


class _Pods(Declared):
    """A store that can run in the cluster, and where its pods are then."""

    namespace: Name | None = None
    """Absent: the system's own namespace."""
    pool: Name | None = None
    """The pool of workers that runs them, and what stands beside them. Absent: whichever workers are open to all."""
    network_policy: Name | None = None
    """Name of its network policy. Absent: ``<name>-policy``."""


class PostgreSQL(_Pods):
    """A PostgreSQL database with one owning service."""

    kind: Literal["postgresql"] = "postgresql"
    name: Name
    owner: Name | None = None
    """The service whose role owns the database. Absent: the first service that uses it."""
    database: str | None = Field(None, pattern=r"^[a-z][a-z0-9_]{0,62}$")
    """Name of the database in the server. Absent: the store's name."""
    version: int = Field(17, ge=14, le=18)
    image: PinnedImage | None = None
    """Image of the in-cluster placement. Absent: ``postgres:<version>-alpine``."""
    placement: Placement = OnEc2()
    port: Port = 5432
    pooler: Pooler | None = None
    """What clients connect to instead. Absent: they connect to the database itself."""
    rights: dict[Name, Literal["writer", "reader"]] = Field(default_factory=dict)
    """By service: what its own user may do beside the owner, who alone changes the schema. Empty: all share the owner's
    user. For managed databases."""
    resources: Resources = Resources(cpu="250m", memory="512Mi", cpu_limit="1", memory_limit="1Gi")

    @property
    def database_name(self) -> str:
        return self.database or self.name

    @model_validator(mode="after")
    def _database_of_its_own(self) -> PostgreSQL:
        if self.database_name in ("postgres", "template0", "template1"):
            raise DeclarationError(
                f"store '{self.name}' would have a database '{self.database_name}', which is the server's own; "
                f"set stores['{self.name}'].database"
            )
        return self


class MySQL(_Pods):
    """A MySQL server in the cluster, with one database."""

    kind: Literal["mysql"] = "mysql"
    name: Name
    version: str = "8.4"
    image: PinnedImage | None = None
    """Repository and tag, of a mirror for instance. Absent: the official one."""
    size: MemoryQuantity = "10Gi"
    port: Port = 3306
    database: str | None = Field(None, pattern=r"^[a-z][a-z0-9_]{0,31}$")
    """Also the name of the user that owns it and that the services share. Absent: the store's name."""
    max_connections: int = Field(1000, ge=1)
    backup: Backup | None = None
    """Copies of a dump. Absent: there are none."""
    mtls: Literal["STRICT", "PERMISSIVE"] | None = None
    """Whether its proxy takes plain connections, too; clients in the mesh use its TLS anyway. Absent: as the mesh."""
    resources: Resources = Resources(cpu="250m", memory="512Mi", cpu_limit="1", memory_limit="1Gi")


class Redis(_Pods):
    """Redis in the cluster: cache, sessions, counters, publish and subscribe.

    With several members one is the primary, the others follow it, and Sentinels choose another one when it is lost.
    Clients know nothing of this: the store's name and port lead to whoever is primary.
    """

    kind: Literal["redis"] = "redis"
    name: Name
    version: str = "7.4"
    image: PinnedImage | None = None
    """Repository and tag, of a mirror for instance. Absent: the official one."""
    members: int = Field(1, ge=1)
    """One, or three and more: of two, neither can tell that the other is lost."""
    size: MemoryQuantity = "5Gi"
    port: Port = 6379
    max_memory: MemoryQuantity = "192Mi"
    eviction: Literal["volatile-lru", "volatile-lfu", "volatile-ttl", "noeviction"] = "volatile-lru"
    """Only keys with an expiry may be evicted, so that nothing else disappears silently."""
    append_only: bool = True
    snapshot: timedelta | None = None
    """Longest time between two snapshots of a data set that changes. Absent: none beside the append-only file."""
    backup: Backup | None = None
    """Copies of a snapshot. Absent: there are none but on the volumes."""
    mtls: Literal["STRICT", "PERMISSIVE"] | None = None
    """Whether its proxy takes plain connections, too; clients in the mesh use its TLS anyway. Absent: as the mesh."""
    in_mesh: bool = True
    resources: Resources = Resources(cpu="100m", memory="256Mi", cpu_limit="250m", memory_limit="256Mi")


class RabbitMQ(_Pods):
    """A RabbitMQ cluster with quorum queues.

    A topic is a durable exchange of its name. Each service has a user of its own, which may publish to the topics that
    it publishes, bind to those that it subscribes to, and do as it likes with what is named ``<service>:...``: its
    queues, retry and dead-letter exchanges.
    """

    kind: Literal["rabbitmq"] = "rabbitmq"
    name: Name
    version: str = "4.2"
    members: int = Field(3, ge=1)
    """An odd number: a queue stays as long as most of its members do."""
    size: MemoryQuantity = "20Gi"
    port: Port = 5672
    backup: Backup | None = None
    """Copies of the definitions: queues and bindings that services have declared, but no messages. Absent: none, and
    the server does not listen for management."""
    in_mesh: bool = True
    resources: Resources = Resources(cpu="250m", memory="1Gi", cpu_limit="1", memory_limit="1Gi")


class Kafka(_Pods):
    """Kafka in KRaft mode: every member is broker and controller."""

    kind: Literal["kafka"] = "kafka"
    name: Name
    version: str = "4.3"
    brokers: int = Field(1, ge=1)
    """An odd number. Topics have up to three copies."""
    size: MemoryQuantity = "100Gi"
    port: Port = 9092
    in_mesh: bool = True
    resources: Resources = Resources(cpu="500m", memory="2Gi", cpu_limit="2", memory_limit="2Gi")


class R2(Declared):
    """Cloudflare R2, by its S3 API. The bucket is there already: nothing here makes it, empties it or deletes it.

    The account is the stack's setting ``cloudflareAccount``.
    """

    kind: Literal["r2"] = "r2"
    credentials: Name = "r2-credentials"
    """Name of the Secret with the keys, in every namespace that uses the bucket."""


class Bucket(Declared):
    """An object store that services read or write, or that backups go to; encrypted with a key of its own.

    The one named ``backups`` is there whether it is declared or not: the cluster's and the databases' backups go there
    unless they are told otherwise.
    """

    kind: Literal["bucket"] = "bucket"
    name: Name
    at: R2 | None = None
    """Who keeps it, under the name ``<system>-<environment>``. Absent: S3, in the stack's own account."""
    prefix: str = Field("", pattern=r"^([a-z0-9-]+/)*$")
    """Where the services' objects are, beside those of backups and logs. Empty: anywhere."""
    keep: timedelta | None = Field(None, ge=days(1))
    """Age at which objects are deleted. Absent: whoever puts them there deletes them."""
    glacier: timedelta | None = Field(None, ge=days(1))
    """Age at which objects move to Glacier, where reading takes hours. Absent: they stay where they are."""
    replica: Region | None = None
    """The region that holds a copy of every object. Absent: there is none."""

    @model_validator(mode="after")
    def _ours_to_tidy(self) -> Bucket:
        if self.at and (self.keep or self.glacier or self.replica):
            raise DeclarationError(
                f"bucket '{self.name}' is kept elsewhere, where its own rules expire, move and copy objects; "
                "set keep to None, and neither glacier nor replica"
            )
        return self


Store = Annotated[PostgreSQL | MySQL | Redis | RabbitMQ | Kafka | Bucket, Field(discriminator="kind")]


def backup_of(store: Store) -> PostgresBackup | None:
    """The declared backups of a database in the cluster."""
    if isinstance(store, PostgreSQL) and isinstance(store.placement, InCluster):
        return store.placement.backup
    return None


def copies_of(store: Store) -> Backup | None:
    """The declared copies of a store's whole state."""
    if isinstance(store, MySQL | Redis | RabbitMQ):
        return store.backup
    if isinstance(store, PostgreSQL) and isinstance(store.placement, InCluster):
        return store.placement.dump
    return None


def backups_to(store: Store) -> set[str]:
    """The buckets that a store's backups go to, below the store's name."""
    return {kept.bucket for kept in (backup_of(store), copies_of(store)) if kept}


def helpers_of(store: Store) -> tuple[str, ...]:
    """Names of what stands beside a store under a name of its own: pods, accounts, Services."""
    if isinstance(store, Kafka):
        return (f"{store.name}-headless", f"{store.name}-exporter")
    jobs = (f"{store.name}-backup",) if copies_of(store) or backup_of(store) else ()
    if isinstance(store, MySQL | Redis | RabbitMQ):
        headless = () if isinstance(store, MySQL) else (f"{store.name}-headless",)
        return (*headless, *jobs)
    if not isinstance(store, PostgreSQL):
        return ()
    pooler = (store.pooler.name, f"{store.name}-headless") if store.pooler else ()
    watcher = (f"{store.name}-backup-exporter",) if backup_of(store) else ()
    several = isinstance(store.placement, InCluster) and store.placement.members > 1
    roles = (f"{store.name}-roles",) if isinstance(store.placement, OnRds) else ()
    return (*pooler, *jobs, *watcher, *((f"{store.name}-replicas",) if several else ()), *roles)
