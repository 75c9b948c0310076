"""Which connections a declaration asks for, read from the declaration alone: nothing of the audit is used here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model import Bucket, External, InCluster, NetworkPolicies, NoMesh, PostgreSQL, System
from model.stores import Store

Connection = tuple[str, str, str]
"""Caller, callee and port."""


GATEWAY: Final = "istio-egressgateway"
"""The mesh's way out."""


def connections(system: System) -> set[Connection]:
    """Of services, poolers and the mesh's way out with everything that is declared, and nothing else."""
    outside = {*_outside(system)}
    return {*_calls(system), *_uses(system), *outside, *_blurred(system, outside)}


def doors(system: System, domain: str) -> dict[str, str]:
    """What each published address answers by HTTPS: its service and port."""
    ports = {service.name: service.port for service in system.services}
    return {
        f"{route.host}.{domain}:443{'/any-other-path' if route.prefix == '/' else route.prefix}": (
            f"{route.to}:{ports[route.to]}"
        )
        for route in system.routes
    }


def _calls(system: System) -> Iterator[Connection]:
    for call in system.calls:
        callee = next(service for service in system.services if service.name == call.callee)
        for port in (callee.port, *(extra.port for extra in callee.extra_ports)):
            yield call.caller, call.callee, str(port)


def _uses(system: System) -> Iterator[Connection]:
    """Who uses a database with a pooler reaches the pooler, and the pooler the database."""
    for store in system.stores:
        if not _inside(store) and not (isinstance(store, PostgreSQL) and store.pooler):
            continue
        users = [service.name for service in system.services if store.name in service.uses]
        if isinstance(store, PostgreSQL) and store.pooler:
            yield from ((user, store.pooler.name, str(store.pooler.port)) for user in users)
            users = [store.pooler.name]
        if _inside(store):
            yield from ((user, store.name, _port(store)) for user in users)


def _outside(system: System) -> Iterator[Connection]:
    for store in system.stores:
        if _inside(store):
            continue
        pooler = store.pooler if isinstance(store, PostgreSQL) else None
        users = [pooler.name] if pooler else [item.name for item in system.services if store.name in item.uses]
        yield from ((user, store.name, _port(store)) for user in users)
    for external in system.externals:
        port, callers = str(external.port), external.used_by
        if external.through_gateway:
            yield from ((user, GATEWAY, port) for user in callers)
            callers = (GATEWAY,)
        yield from ((caller, name, port) for name in names(external) for caller in callers)


def _blurred(system: System, outside: set[Connection]) -> Iterator[Connection]:
    """Standard policies know addresses only: leave to one host on a port is leave to every host of its kind, public or
    private, on that port. Proxies tell names apart, and know those that their service may call by way of the gateway;
    the gateway's own, whom it serves."""
    if not isinstance(system.platform.cni, NetworkPolicies):
        return
    private = {store.name for store in system.stores if isinstance(store, PostgreSQL) and not _inside(store)}
    public = {store.name for store in system.stores if isinstance(store, Bucket)}
    public |= {name for external in system.externals for name in names(external)}
    known = {
        (user, name, str(external.port))
        for external in system.externals
        for name in names(external)
        for user in external.used_by
    }
    for caller, callee, port in outside:
        free = isinstance(system.platform.mesh, NoMesh) or caller == GATEWAY
        alike = private if callee in private else public if callee in public else set()
        found = {(caller, name, port) for name in alike}
        yield from found if free else found & known


def _inside(store: Store) -> bool:
    if isinstance(store, PostgreSQL):
        return isinstance(store.placement, InCluster)
    return not isinstance(store, Bucket)


def _port(store: Store) -> str:
    return "443" if isinstance(store, Bucket) else str(store.port)


def names(external: External) -> list[str]:
    return [external.name] if len(external.hosts) == 1 else [f"{external.name}: {host}" for host in external.hosts]
