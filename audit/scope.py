"""What is audited: one environment of a system, as declared and configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from model import (
    Bucket,
    DeclarationError,
    Eks,
    External,
    InCluster,
    Istio,
    Kafka,
    OnRds,
    PostgreSQL,
    RabbitMQ,
    Redis,
    SingleVpc,
    System,
)
from model.environment import Environment
from model.stores import Pooler, Store, backup_of, copies_of
from model.workloads import Service


@dataclass(frozen=True)
class Scope:
    """The expectation comes from here and from nowhere else."""

    system: System
    environment: str
    region: str
    placements: Mapping[str, str] = field(default_factory=dict)
    """Placement by database where the stack's settings choose one."""
    operators: tuple[str, ...] = ()
    """Ranges behind the VPN that may reach the Kubernetes API."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """By managed database: the name that AWS gave it, which no declaration knows."""

    @property
    def settings(self) -> Environment:
        try:
            return self.system.environments[self.environment]
        except KeyError as error:
            raise DeclarationError(
                f"system '{self.system.name}' has no environment '{self.environment}'; "
                f"declared are: {', '.join(self.system.environments)}"
            ) from error

    @property
    def mesh(self) -> Istio | None:
        mesh = self.system.platform.mesh
        return mesh if isinstance(mesh, Istio) else None

    @property
    def node_tiers(self) -> tuple[str, ...]:
        """Tiers of the network that hold nodes of the cluster."""
        network = self.system.network
        held = {network.control, *(pool.tier or network.control for pool in self.system.platform.pools)}
        return tuple(tier.name for tier in network.tiers if tier.name in held)

    @property
    def entered_tiers(self) -> tuple[str, ...]:
        """Those whose nodes the public edge sends to."""
        control = self.system.network.control
        entered = {pool.tier or control for pool in self.system.platform.pools if pool.ingress}
        return tuple(name for name in self.node_tiers if name in entered)

    @property
    def exposed(self) -> bool:
        """Whether the servers are their own edge."""
        network = self.system.network
        return isinstance(network, SingleVpc) and network.edge == "nodes"

    @property
    def withdrawn(self) -> bool:
        """Whether the edge has no public address, and something else inside the network leads there."""
        network = self.system.network
        return isinstance(network, SingleVpc) and network.edge == "internal"

    @property
    def managed(self) -> bool:
        """Whether AWS runs the control plane."""
        return isinstance(self.system.platform.cluster, Eks)

    @property
    def externals(self) -> tuple[External, ...]:
        """Those that are declared, and where services ask AWS for the secrets that they read themselves."""
        users = tuple(service.name for service in self.system.services if service.secrets)
        if not users:
            return self.system.externals
        hosts = (f"secretsmanager.{self.region}.amazonaws.com", f"sts.{self.region}.amazonaws.com")
        gateway = self.mesh is not None and self.mesh.egress_gateway
        own = External(name=SECRETS, hosts=hosts, used_by=users, through_gateway=gateway)
        return (*self.system.externals, own)

    @property
    def managed_stores(self) -> tuple[str, ...]:
        """Names of the databases that AWS runs."""
        relational = (store for store in self.system.stores if isinstance(store, PostgreSQL))
        kind = OnRds().kind
        return tuple(item.name for item in relational if self.placements.get(item.name, item.placement.kind) == kind)

    @property
    def private_zone(self) -> str:
        return self.system.network.private_zone

    def namespace(self, item: Service | Store) -> str:
        own = None if isinstance(item, Bucket) else item.namespace
        return own or self.system.home

    def in_cluster(self, store: Store) -> bool:
        """Whether a store's pods run in the cluster. The settings' placement wins over the declaration's."""
        if isinstance(store, Bucket):
            return False
        if isinstance(store, PostgreSQL):
            return self.placements.get(store.name, store.placement.kind) == InCluster().kind
        return True

    def host(self, store: Store) -> str:
        """The name of a store outside the cluster."""
        if isinstance(store, Bucket):
            return f"{ACCOUNT}.r2.cloudflarestorage.com" if store.at else f"s3.{self.region}.amazonaws.com"
        return self.hosts.get(store.name, f"{store.name}.{self.private_zone}")

    def elsewhere(self, store: Store) -> Bucket | None:
        """The bucket of another provider that a store is copied to."""
        copies = copies_of(store)
        buckets = (item for item in self.system.stores if isinstance(item, Bucket) and item.at)
        return next((item for item in buckets if copies and item.name == copies.bucket), None)

    def public_host(self, host: str) -> str:
        return self.settings.domain if host == "@" else f"{host}.{self.settings.domain}"

    def ports(self, service: Service) -> tuple[int, ...]:
        """What callers of a service may use; the metrics port is not among them."""
        own = (service.port,) if service.port else ()
        return (*own, *(extra.port for extra in service.extra_ports))


SECRETS: Final = "aws-secrets"
ACCOUNT: Final = "account"
"""Stands for the account at another provider, which only the stack's settings name."""
METRICS: Final = {"redis": 9121, "postgresql": 9187, "mysql": 9104, "rabbitmq": 15692}
"""Ports of metrics of stores in the cluster (Prometheus' list of port allocations; RabbitMQ's own default)."""
MANAGEMENT: Final = 15672
SENTINEL: Final = 26379
ERLANG: Final = (4369, 25672)
"""Erlang's port mapper, and the port on which members of a RabbitMQ cluster talk."""
KRAFT: Final = (9093, 9094)
"""Of Kafka's controllers and brokers for one another."""
KAFKA_METRICS: Final = 9308
POOLER_METRICS: Final = 9127
PGBACKREST: Final = 8432
"""pgBackRest's own protocol."""
WATCHER_METRICS: Final = 9854
"""Of pgbackrest_exporter."""


def pooler_of(store: Store) -> Pooler | None:
    """What the users of a database connect to instead of it."""
    return store.pooler if isinstance(store, PostgreSQL) else None


def store_port(store: Store) -> int:
    return 443 if isinstance(store, Bucket) else store.port


def peer_ports(store: Store) -> tuple[int, ...]:
    """Ports that the members of a store, and nobody else, reach of one another. A replicated Redis listens behind a
    door, one port above the store's."""
    if isinstance(store, Redis) and store.members > 1:
        return (store.port + 1, SENTINEL)
    if isinstance(store, Kafka) and store.brokers > 1:
        return KRAFT
    return ERLANG if isinstance(store, RabbitMQ) and store.members > 1 else ()


def tester_of(service: Service) -> str | None:
    """The account that tests a new version of a service before it is released."""
    return f"{service.name}-smoke-test" if service.release.kind == "blue-green" and service.port else None


@dataclass(frozen=True)
class Helper:
    """Pods beside a store, and the store's port that they call."""

    name: str
    port: int | None
    """Absent: they read its bucket only."""
    copies: bool = False
    """Whether they reach the buckets, and their machine's role."""
    metrics: int | None = None


def helpers_of(store: Store) -> tuple[Helper, ...]:
    """The Job that copies a store, or makes its users, and the exporters that read it, or its copies, from outside."""
    if isinstance(store, Kafka):
        return (Helper(f"{store.name}-exporter", store.port, metrics=KAFKA_METRICS),)
    job = f"{store.name}-backup"
    if archived(store):
        watcher = Helper(f"{job}-exporter", None, copies=True, metrics=WATCHER_METRICS)
        return (Helper(job, PGBACKREST, copies=True), watcher)
    if isinstance(store, PostgreSQL) and isinstance(store.placement, OnRds):
        return (Helper(f"{store.name}-roles", store.port),)
    if isinstance(store, Bucket) or copies_of(store) is None:
        return ()
    port = store.port
    if isinstance(store, RabbitMQ):
        port = MANAGEMENT
    elif isinstance(store, Redis) and replicated(store):
        port += 2  # Its doors lead there to a replica.
    return (Helper(job, port, copies=True),)


def archived(store: Store) -> bool:
    """Whether a database in the cluster writes its log into a bucket itself."""
    return backup_of(store) is not None


def replicated(store: Store) -> bool:
    """Whether the members of a store are its clients, too: replicas follow a primary."""
    if isinstance(store, PostgreSQL):
        return isinstance(store.placement, InCluster) and store.placement.members > 1
    return isinstance(store, Redis) and store.members > 1


def store_metrics(store: Store) -> int | None:
    return METRICS.get(store.kind)
