"""Databases outside the cluster: managed instances; machines, and which of them carries which database, where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from derive.bootstrap.postgres_host import Archive, Database, PostgresHost, Recovery
from derive.cluster.instances import instance_type
from derive.data.database_state import DatabaseState
from derive.network.addresses import DATABASE_FIRST_ADDRESS, AddressPlan, SubnetPlan
from derive.stores.postgres import role
from derive.stores.postgres_server import MONITORING, REPLICATION
from derive.versions import RDS_POSTGRESQL
from model import DeclarationError, Environment, ManagedDatabases, OnEc2, OnRds, PostgreSQL
from model.base import did_you_mean
from model.environment import DatabaseHosts
from model.stores import Gp3, Store

ARCHIVE: Final = "archive"
"""Folder of the bucket that holds the databases' WAL and base backups."""


@dataclass(frozen=True)
class HostPlan:
    """One machine."""

    name: str
    role: Literal["primary", "standby"]
    fqdn: str
    subnet: str
    """Name of its subnet in the address plan."""
    zone: str
    address: str
    volume: str
    """Name of its data volume; another name is another volume."""
    snapshot: str | None = None
    """What its data volume is made of. Absent: nothing."""

    @property
    def label(self) -> str:
        """The first part of its DNS name, which follows the role; ``name`` stays with the machine."""
        return self.fqdn.split(".")[0]


@dataclass(frozen=True)
class DatabasePlan:
    """One database: its role, its machines and their size."""

    name: str
    database: str
    """Its name in the server."""
    owner: str
    """Name of the database role that owns it: the owning service's, with underscores."""
    service: str
    version: int
    instance: str
    memory: int
    """MiB, of each machine."""
    volume: Gp3
    hosts: tuple[HostPlan, ...]
    """The primary, then the standby if there is one."""
    history: int = 1
    restore: str | None = None
    restored_history: int | None = None
    """Whose archive this history began with. Absent: with none."""

    @property
    def fqdn(self) -> str:
        return self.hosts[0].fqdn

    @property
    def archive_prefix(self) -> str:
        """Where this history's WAL and base backups go."""
        return _archive_prefix(self.name, self.history)

    @property
    def restored_from(self) -> str | None:
        """The archive that this history began with, which its machines may read. Absent: there is none."""
        return _archive_prefix(self.name, self.restored_history) if self.restored_history else None


@dataclass(frozen=True)
class DatabaseSite:
    """What the machines of all databases have in common."""

    region: str
    bucket: str
    client_cidrs: tuple[str, ...]
    peer_cidrs: tuple[str, ...]
    retention_days: int


def _archive_prefix(database: str, history: int) -> str:
    return f"{ARCHIVE}/{database}" + (f"-h{history}" if history > 1 else "")


def bundle_key(host: HostPlan) -> str:
    """The object that holds a machine's configuration."""
    return f"bootstrap/{host.name}.json"


def postgres_host(plan: DatabasePlan, host: HostPlan, site: DatabaseSite, volume_id: str) -> PostgresHost:
    """One machine as its bootstrap sees it. Raises BootstrapError for what would not boot."""
    standby = host.role == "standby"
    archive = Archive(bucket=site.bucket, prefix=plan.archive_prefix, retention_days=site.retention_days)
    recovery = None
    if plan.restore and plan.restored_from and not standby:
        recovery = Recovery(Archive(bucket=site.bucket, prefix=plan.restored_from), plan.restore)
    return PostgresHost(
        name=host.name,
        region=site.region,
        role=host.role,
        databases=(Database(name=plan.database, owner=plan.owner),),
        client_cidrs=site.client_cidrs,
        volume_id=volume_id,
        volume_gib=plan.volume.size,
        memory_mib=plan.memory,
        bundle_bucket=site.bucket,
        bundle_key=bundle_key(host),
        archive=archive,
        major=plan.version,
        peer_cidrs=site.peer_cidrs if len(plan.hosts) > 1 else (),
        standbys=tuple(peer.name for peer in plan.hosts if peer.role == "standby"),
        primary_host=plan.fqdn if standby else "",
        monitoring_role=MONITORING,
        replication_role=REPLICATION,
        recovery=recovery,
    )


def place_of(store: PostgreSQL, placements: Mapping[str, str]) -> str:
    """The kind of place that a database has: the stack's placement wins over the declaration's."""
    return placements.get(store.name, store.placement.kind)


def placed_on_ec2(store: PostgreSQL, placements: Mapping[str, str]) -> bool:
    """Whether a database stands on machines."""
    return place_of(store, placements) == OnEc2().kind


@dataclass(frozen=True)
class ManagedDatabasePlan:
    """One managed instance with one database."""

    name: str
    port: int
    engine_version: str
    family: str
    """Of its parameter group: the major version."""
    size: ManagedDatabases
    parameters: Mapping[str, str]
    protect: bool


def managed_databases(
    stores: tuple[Store, ...], placements: Mapping[str, str], environment: Environment
) -> tuple[ManagedDatabasePlan, ...]:
    """An instance for each database that AWS runs. Raises DeclarationError for one without a size, for a
    single zone (a subnet group spans two at least), for a name that RDS does not take, and for a pooler."""
    found = [store for store in stores if isinstance(store, PostgreSQL) and place_of(store, placements) == OnRds().kind]
    if not found:
        return ()
    size = environment.managed_databases
    if size is None or environment.zones < 2:
        lack = "managed_databases, the size of its instance" if size is None else "a second zone"
        raise DeclarationError(
            f"database '{found[0].name}' is a managed one, but the environment has no {lack}; give it one, or place "
            "the database elsewhere"
        )
    for store in found:
        if "-" in store.name or store.pooler:
            remedy = "name it with letters and digits only" if "-" in store.name else "remove its pooler"
            raise DeclarationError(f"database '{store.name}' is a managed one: {remedy}, or place it elsewhere")
    return tuple(
        ManagedDatabasePlan(
            name=store.name,
            port=store.port,
            engine_version=RDS_POSTGRESQL[store.version],
            family=f"postgres{store.version}",
            size=size,
            # Who does not encrypt is refused.
            parameters={"rds.force_ssl": "1", "log_min_duration_statement": "500"},
            protect=environment.protect,
        )
        for store in found
    )


def databases(
    stores: tuple[Store, ...],
    owners: dict[str, str],
    placements: dict[str, str],
    sizes: DatabaseHosts | None,
    addresses: AddressPlan | None,
    tier: str | None,
    zone_name: str,
    states: Mapping[str, DatabaseState] | None = None,
) -> tuple[DatabasePlan, ...]:
    """A machine per PostgreSQL placed on EC2, and a standby in the next zone where the environment asks for one.

    Machine ``i`` of the whole list has the address number ``10 + i`` of its subnet; primaries rotate over the zones.
    Raises DeclarationError for machines without a size or a tier to stand in, for an instance type of unknown size,
    and for a primary that is no machine of its database.
    """
    plans: list[DatabasePlan] = []
    chosen = [store for store in stores if isinstance(store, PostgreSQL) and placed_on_ec2(store, placements)]
    if not chosen:
        return ()
    if sizes is None or tier is None or addresses is None:
        missing = "network.data names no tier" if tier is None else "the environment's databases have no size"
        raise DeclarationError(f"database '{chosen[0].name}' stands on machines, but {missing}; place it elsewhere")
    for index, store in enumerate(chosen):
        state = (states or {}).get(store.name, DatabaseState())
        plans.append(
            DatabasePlan(
                name=store.name,
                database=store.database_name,
                owner=role(owners[store.name]),
                service=owners[store.name],
                version=store.version,
                instance=sizes.instance,
                memory=instance_type(sizes.instance).memory,
                volume=sizes.volume,
                hosts=_hosts(store.name, state, addresses.tier(tier), index, sizes.standby, zone_name),
                history=state.history,
                restore=state.restore,
                restored_history=(state.source or state.history - 1) if state.restore else None,
            )
        )
    return tuple(plans)


def _hosts(
    database: str,
    state: DatabaseState,
    subnets: tuple[SubnetPlan, ...],
    index: int,
    standby: bool,
    zone_name: str,
) -> tuple[HostPlan, ...]:
    """Primary first. Machines keep name, place and volume whatever their role; DNS names follow the role."""
    names = (database, f"{database}-standby") if standby else (database,)
    primary = state.primary or database
    for name in (primary, *state.volumes):
        if name not in names:
            raise DeclarationError(
                f"databaseStates.{database} names '{name}', which is no machine of it{did_you_mean(name, names)}"
            )
    if primary != database and state.volumes.get(database, 1) == 1:
        raise DeclarationError(
            f"'{database}' is a standby now, but its volume holds a primary's data; "
            f"set databaseStates.{database}.volumes.{database} to 2 for a blank one"
        )
    hosts = []
    for offset, name in enumerate(names):
        role: Literal["primary", "standby"] = "primary" if name == primary else "standby"
        subnet = subnets[(index + offset) % len(subnets)]
        history = f"-h{state.history}" if state.history > 1 else ""
        volume = state.volumes.get(name, 1)
        hosts.append(
            HostPlan(
                name=name,
                role=role,
                fqdn=f"{names[0] if role == 'primary' else names[-1]}.{zone_name}",
                subnet=subnet.name,
                zone=subnet.zone,
                address=subnet.address(DATABASE_FIRST_ADDRESS + 2 * index + offset),
                volume=f"{name}-data{history}" + (f"-v{volume}" if volume > 1 else ""),
                snapshot=state.snapshot if name == database and volume == 1 else None,
            )
        )
    return tuple(sorted(hosts, key=lambda host: host.role))
