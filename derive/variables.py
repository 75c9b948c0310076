"""What a service is told by its environment: its mode and ports, its stores, its callees, its channels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from derive import naming, secrets
from derive.connections import pooler_of
from manifests import pods
from manifests.base import Manifest
from model import MySQL, PostgreSQL, Redis, SecretKey, Service, System
from model.stores import Store

MODE = {"node": "NODE_ENV", "static": "NODE_ENV", "python": "ENVIRONMENT", "jvm": "ENVIRONMENT", "other": "ENVIRONMENT"}
"""Which variable tells a runtime that it runs deployed; every environment runs the production build."""
CA_DIRECTORY = "/etc/database"


def variables(
    system: System,
    service: Service,
    callees: Sequence[Service],
    outside: Mapping[str, str],
    public: Mapping[str, str],
) -> list[Manifest]:
    """The container's environment; what the declaration sets itself wins.

    ``callees``: the services it calls. ``outside``: host by database that is not in the cluster. ``public``: URL by
    routed service, for browsers.
    """
    derived: list[Manifest] = [pods.value(MODE[service.runtime], "production")]
    if service.port:
        derived.append(pods.value("PORT", str(service.port)))
    if service.metrics:
        derived.append(pods.value("METRICS_PORT", str(service.metrics)))
    used = [system.store(name) for name in service.uses]
    families = Counter(_family(store) for store in used)
    for store in used:
        family = _family(store)
        if family:
            prefix = family if families[family] == 1 else f"{naming.variable(store.name)}_{family}"
            derived.extend(_store_variables(prefix, store, system, outside))
    derived.extend(pods.value(cache.variable, f"{cache.ttl.total_seconds():g}") for cache in service.caches)
    for callee in callees:
        host = naming.fqdn(callee.name, naming.service_namespace(system, callee))
        derived.extend(_callee_variables(callee, host))
        if service.tier == "frontend" and callee.name in public:
            derived.append(pods.value(f"{naming.variable(callee.name)}_PUBLIC_URL", public[callee.name]))
    derived.extend(_channels(system, service.name))
    own = [_declared(name, value) for name, value in service.env.items()]
    return list({entry["name"]: entry for entry in (*derived, *own)}.values())


def _family(store: Store) -> str | None:
    if isinstance(store, PostgreSQL | MySQL):
        return "DB"
    return "REDIS" if isinstance(store, Redis) else None


def _store_variables(prefix: str, store: Store, system: System, outside: Mapping[str, str]) -> Iterable[Manifest]:
    credentials = secrets.credentials_name(store.name)
    pooler = pooler_of(store)
    inside = naming.fqdn(pooler.name if pooler else store.name, naming.store_namespace(system, store))
    yield pods.value(f"{prefix}_HOST", inside if pooler else outside.get(store.name, inside))
    if isinstance(store, Redis | PostgreSQL | MySQL):
        yield pods.value(f"{prefix}_PORT", str(pooler.port if pooler else store.port))
    if isinstance(store, PostgreSQL | MySQL):
        yield pods.value(f"{prefix}_NAME", store.name)
        yield pods.secret_value(f"{prefix}_USER", credentials, "username")
    yield pods.secret_value(f"{prefix}_PASSWORD", credentials, "password")
    if isinstance(store, PostgreSQL):
        # In the cluster the sidecars encrypt; outside, the server proves its name with the stack's own CA.
        verified = store.name in outside and pooler is None
        yield pods.value(f"{prefix}_SSLMODE", "verify-full" if verified else "disable")
        if verified:
            yield pods.value(f"{prefix}_SSLROOTCERT", f"{CA_DIRECTORY}/{store.name}/{secrets.CA_FILE}")


def ca_mounts(system: System, service: Service, outside: Mapping[str, str]) -> tuple[list[Manifest], list[Manifest]]:
    """Volumes and mounts of the certificates by which a service knows its databases outside the cluster."""
    names = [name for name in service.uses if name in outside and not pooler_of(system.store(name))]
    volumes = [pods.secret_volume(f"{name}-ca", secrets.credentials_name(name), [secrets.CA_FILE]) for name in names]
    mounts = [pods.mount(f"{name}-ca", f"{CA_DIRECTORY}/{name}", read_only=True) for name in names]
    return volumes, mounts


def _callee_variables(callee: Service, host: str) -> Iterable[Manifest]:
    """``<CALLEE>_URL`` for HTTP, ``<CALLEE>_ADDRESS`` otherwise, and an address for every further port."""
    name = naming.variable(callee.name)
    address = f"{host}:{naming.own_port(callee)}"
    if callee.protocol in ("http", "grpc-web"):
        yield pods.value(f"{name}_URL", f"http://{address}")
    else:
        yield pods.value(f"{name}_ADDRESS", address)
    for extra in callee.extra_ports:
        yield pods.value(f"{name}_{naming.variable(extra.name)}_ADDRESS", f"{host}:{extra.port}")


def _channels(system: System, service: str) -> Iterable[Manifest]:
    published = [topic.name for topic in system.topics if service in topic.publishers]
    subscribed = [topic.name for topic in system.topics if service in topic.subscribers]
    if published:
        yield pods.value("EVENTS_PUBLISH", ",".join(published))
    if subscribed:
        yield pods.value("EVENTS_SUBSCRIBE", ",".join(subscribed))


def _declared(name: str, value: str | SecretKey) -> Manifest:
    if isinstance(value, SecretKey):
        return pods.secret_value(name, value.secret, value.key)
    return pods.value(name, value)
