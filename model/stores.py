"""Stores and brokers, and where they live."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from model.base import Declared, MemoryQuantity, Name, Port, days
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


class InCluster(Declared):
    """A StatefulSet in the system's namespace."""

    kind: Literal["cluster"] = "cluster"
    size: MemoryQuantity = "20Gi"
    storage_class: str | None = None
    """Absent: the cluster's default class."""


class OnRds(Declared):
    """A managed instance."""

    kind: Literal["rds"] = "rds"


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


class PostgreSQL(Declared):
    """A PostgreSQL database with one owning service."""

    kind: Literal["postgresql"] = "postgresql"
    name: Name
    namespace: Name | None = None
    """Of the pods, where it runs in the cluster. Absent: the system's own namespace."""
    owner: Name | None = None
    """The service whose role owns the database. Absent: the first service that uses it."""
    version: int = Field(17, ge=14, le=18)
    image: str | None = None
    """Image of the in-cluster placement. Absent: ``postgres:<version>-alpine``."""
    placement: Placement = OnEc2()
    port: Port = 5432
    pooler: Pooler | None = None
    """What clients connect to instead. Absent: they connect to the database itself."""
    resources: Resources = Resources(cpu="250m", memory="512Mi", cpu_limit="1", memory_limit="1Gi")


class MySQL(Declared):
    """A MySQL server in the cluster."""

    kind: Literal["mysql"] = "mysql"
    name: Name
    namespace: Name | None = None
    """Of the pods, where it runs in the cluster. Absent: the system's own namespace."""
    version: str = "8.4"
    size: MemoryQuantity = "10Gi"
    port: Port = 3306
    max_connections: int = 1000
    resources: Resources = Resources(cpu="250m", memory="512Mi", cpu_limit="1", memory_limit="1Gi")


class Redis(Declared):
    """Redis in the cluster: cache, sessions, counters, publish and subscribe."""

    kind: Literal["redis"] = "redis"
    name: Name
    namespace: Name | None = None
    """Of the pods, where it runs in the cluster. Absent: the system's own namespace."""
    version: str = "7.4"
    members: int = Field(1, ge=1)
    size: MemoryQuantity = "5Gi"
    port: Port = 6379
    max_memory: MemoryQuantity = "192Mi"
    eviction: Literal["volatile-lru", "volatile-lfu", "volatile-ttl", "noeviction"] = "volatile-lru"
    """Only keys with an expiry may be evicted, so that nothing else disappears silently."""
    append_only: bool = True
    in_mesh: bool = True
    resources: Resources = Resources(cpu="100m", memory="256Mi", cpu_limit="250m", memory_limit="256Mi")


class RabbitMQ(Declared):
    """A RabbitMQ cluster with quorum queues."""

    kind: Literal["rabbitmq"] = "rabbitmq"
    name: Name
    namespace: Name | None = None
    """Of the pods, where it runs in the cluster. Absent: the system's own namespace."""
    members: int = Field(3, ge=1)
    size: MemoryQuantity = "20Gi"
    port: Port = 5672


class Kafka(Declared):
    """Kafka in KRaft mode."""

    kind: Literal["kafka"] = "kafka"
    name: Name
    namespace: Name | None = None
    """Of the pods, where it runs in the cluster. Absent: the system's own namespace."""
    brokers: int = Field(1, ge=1)
    size: MemoryQuantity = "100Gi"
    port: Port = 9092


class Bucket(Declared):
    """An object store that services read or write."""

    kind: Literal["bucket"] = "bucket"
    name: Name
    keep: timedelta = days(365)


Store = Annotated[PostgreSQL | MySQL | Redis | RabbitMQ | Kafka | Bucket, Field(discriminator="kind")]
