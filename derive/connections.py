"""Who connects to whom, read once from the declaration: the common input of every policy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from derive import naming
from derive.labels import selector
from model import Bucket, DeclarationError, Pooler, PostgreSQL, Redis, Service, System
from model.stores import Store
from model.workloads import Protocol

STORE_METRICS = {"redis": 9121, "postgresql": 9187, "mysql": 9104, "pgbouncer": 9127}
"""Default ports of the exporters beside stores (Prometheus' list of port allocations)."""


@dataclass(frozen=True)
class Workload:
    """Pods under one name and one account."""

    name: str
    namespace: str
    tier: str

    @property
    def selector(self) -> dict[str, str]:
        return selector(self.name)

    @property
    def principal(self) -> str:
        return naming.principal(self.namespace, self.name)

    @property
    def fqdn(self) -> str:
        return naming.fqdn(self.name, self.namespace)


@dataclass(frozen=True)
class Connection:
    """``source`` may open connections to ``target`` on ``ports``; empty methods and paths mean all."""

    source: Workload
    target: Workload
    ports: tuple[int, ...]
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exit:
    """A destination that is no pod."""

    name: str
    kind: Literal["database", "external"]
    hosts: tuple[str, ...]
    port: int
    protocol: Literal["TLS", "HTTPS", "TCP"]
    through_gateway: bool = False
    """Whether it leaves by the egress gateway."""
    registry: str = "."
    """Namespace of its ServiceEntry; ``.``: the workload's own."""


@dataclass(frozen=True)
class Links:
    """One workload and everything it may speak to or hear from."""

    workload: Workload
    ports: tuple[int, ...] = ()
    """What callers reach."""
    metrics: int | None = None
    routed: bool = False
    """Whether the ingress gateway reaches it."""
    methods: tuple[str, ...] = ()
    """HTTP methods it admits at all. Empty: all."""
    inbound: tuple[Connection, ...] = ()
    outbound: tuple[Connection, ...] = ()
    exits: tuple[Exit, ...] = ()
    protocol: Protocol = "tcp"
    """What it speaks on its first port."""
    in_mesh: bool = True
    release: Literal["rolling", "blue-green", "canary"] = "rolling"

    @property
    def port(self) -> int:
        """The port that routes lead to."""
        if not self.ports:
            raise DeclarationError(f"'{self.workload.name}' serves no port; give services['{self.workload.name}'] one")
        return self.ports[0]


def in_cluster(store: Store, hosts: Mapping[str, str]) -> bool:
    """Whether a store's pods run in the cluster: it has no host of its own elsewhere, and is no bucket."""
    return store.name not in hosts and not isinstance(store, Bucket)


def pooler_of(store: Store) -> Pooler | None:
    """What the store's users connect to instead of it."""
    return store.pooler if isinstance(store, PostgreSQL) else None


def links(system: System, hosts: Mapping[str, str], region: str) -> dict[str, Links]:
    """Every service, store in the cluster and pooler, by name. ``hosts``: of the databases outside the cluster."""
    services = {service.name: service for service in system.services}
    stores = {store.name: store for store in system.stores if in_cluster(store, hosts)}
    poolers = {pooler.name: store for store in system.stores if (pooler := pooler_of(store))}
    workloads = {
        name: Workload(name, naming.service_namespace(system, service), service.tier)
        for name, service in services.items()
    } | {
        name: Workload(name, naming.store_namespace(system, store), "data")
        for name, store in (stores | poolers).items()
    }
    found = _connections(system, services, stores, workloads)
    inbound: dict[str, list[Connection]] = defaultdict(list)
    outbound: dict[str, list[Connection]] = defaultdict(list)
    for connection in found:
        outbound[connection.source.name].append(connection)
        inbound[connection.target.name].append(connection)
    exits = _exits(system, hosts, region)
    routed = {route.to for route in system.routes}
    result = {
        name: Links(
            workload=workloads[name],
            ports=naming.served_ports(service),
            metrics=service.metrics,
            routed=name in routed,
            methods=service.methods,
            protocol=service.protocol,
            release=service.release.kind,
            inbound=tuple(inbound[name]),
            outbound=tuple(outbound[name]),
            exits=tuple(exits[name]),
        )
        for name, service in services.items()
    }
    for name, store in stores.items():
        result[name] = Links(
            workload=workloads[name],
            ports=(_store_port(store),),
            metrics=STORE_METRICS.get(store.kind),
            inbound=tuple(inbound[name]),
            outbound=tuple(outbound[name]),
            in_mesh=store.in_mesh if isinstance(store, Redis) else True,
        )
    for name, store in poolers.items():
        result[name] = Links(
            workload=workloads[name],
            ports=(_door(store)[1],),
            metrics=STORE_METRICS["pgbouncer"],
            inbound=tuple(inbound[name]),
            outbound=tuple(outbound[name]),
            exits=tuple(exits[name]),
        )
    return result


def _door(store: Store) -> tuple[str, int]:
    """Name and port of what a store's users connect to in the cluster."""
    pooler = pooler_of(store)
    return (pooler.name, pooler.port) if pooler else (store.name, _store_port(store))


def _store_port(store: Store) -> int:
    if isinstance(store, Bucket):
        raise DeclarationError(f"store '{store.name}' is a bucket and serves no port in the cluster")
    return store.port


def _connections(
    system: System, services: Mapping[str, Service], stores: Mapping[str, Store], workloads: Mapping[str, Workload]
) -> list[Connection]:
    found = [
        Connection(
            source=workloads[call.caller],
            target=workloads[call.callee],
            ports=naming.served_ports(services[call.callee]),
            methods=call.methods or services[call.callee].methods,
            paths=call.paths,
        )
        for call in system.calls
    ]
    for service in system.services:
        for store in map(system.store, service.uses):
            if store.name in stores or pooler_of(store):
                door, port = _door(store)
                found.append(Connection(workloads[service.name], workloads[door], (port,)))
    for store in stores.values():
        if pooler := pooler_of(store):
            found.append(Connection(workloads[pooler.name], workloads[store.name], (_store_port(store),)))
    return found


def _exits(system: System, hosts: Mapping[str, str], region: str) -> dict[str, list[Exit]]:
    exits: dict[str, list[Exit]] = defaultdict(list)
    outside = {store.name: store for store in system.stores if not in_cluster(store, hosts)}
    for service in system.services:
        for name in service.uses:
            if name in outside and not pooler_of(outside[name]):
                exits[service.name].append(_store_exit(outside[name], hosts, region))
    for store in outside.values():
        if pooler := pooler_of(store):
            exits[pooler.name].append(_store_exit(store, hosts, region))
    for external in system.externals:
        for name in external.used_by:
            exits[name].append(
                Exit(
                    external.name,
                    "external",
                    external.hosts,
                    external.port,
                    external.protocol,
                    external.through_gateway,
                    system.home if external.through_gateway else ".",
                )
            )
    return exits


def _store_exit(store: Store, hosts: Mapping[str, str], region: str) -> Exit:
    if isinstance(store, Bucket):
        endpoint = f"s3.{region}.amazonaws.com"
        return Exit(store.name, "external", (endpoint, f"*.{endpoint}"), 443, "TLS")
    return Exit(store.name, "database", (hosts[store.name],), store.port, "TCP")
