"""Database machines: which host carries which database, where it stands and what it is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from derive.addresses import DATABASE_FIRST_ADDRESS, AddressPlan
from derive.instances import instance_type
from model import OnEc2, PostgreSQL
from model.environment import DatabaseHosts
from model.stores import Gp3, Store


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


@dataclass(frozen=True)
class DatabasePlan:
    """One database: its role, its machines and their size."""

    name: str
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

    @property
    def fqdn(self) -> str:
        return self.hosts[0].fqdn


def placed_on_ec2(store: PostgreSQL, placements: dict[str, str]) -> bool:
    """Whether a database stands on machines: the stack's placement wins over the declaration's."""
    return placements.get(store.name, store.placement.kind) == OnEc2().kind


def owner_of(store: PostgreSQL, users: tuple[str, ...]) -> str:
    """The owning service: the declared one, else the first that uses the database."""
    return store.owner or users[0]


def databases(
    stores: tuple[Store, ...],
    owners: dict[str, str],
    placements: dict[str, str],
    sizes: DatabaseHosts,
    addresses: AddressPlan,
    tier: str,
    zone_name: str,
) -> tuple[DatabasePlan, ...]:
    """A machine per PostgreSQL placed on EC2, and a standby in the next zone where the environment asks for one.

    Machine ``i`` of the whole list has the address number ``10 + i`` of its subnet; primaries rotate over the zones.
    Raises DeclarationError for an instance type of unknown size.
    """
    subnets = addresses.tier(tier)
    plans = []
    chosen = [store for store in stores if isinstance(store, PostgreSQL) and placed_on_ec2(store, placements)]
    for index, store in enumerate(chosen):
        roles: tuple[Literal["primary", "standby"], ...] = ("primary", "standby") if sizes.standby else ("primary",)
        hosts = []
        for offset, role in enumerate(roles):
            subnet = subnets[(index + offset) % len(subnets)]
            name = store.name if role == "primary" else f"{store.name}-standby"
            hosts.append(
                HostPlan(
                    name=name,
                    role=role,
                    fqdn=f"{name}.{zone_name}",
                    subnet=subnet.name,
                    zone=subnet.zone,
                    address=subnet.address(DATABASE_FIRST_ADDRESS + 2 * index + offset),
                )
            )
        plans.append(
            DatabasePlan(
                name=store.name,
                owner=owners[store.name].replace("-", "_"),
                service=owners[store.name],
                version=store.version,
                instance=sizes.instance,
                memory=instance_type(sizes.instance).memory,
                volume=sizes.volume,
                hosts=tuple(hosts),
            )
        )
    return tuple(plans)
