"""What a service is told by its environment: its mode and ports, its stores, its callees, its channels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from derive import naming
from derive.data.object_stores import KEY_ID, SECRET_KEY, ObjectStore
from derive.shapes import CA_FILE
from derive.stores import kind_of, place_of, postgres
from derive.stores.kind import credentials_name
from manifests import pods
from manifests.base import Manifest
from model import Bucket, Pushgateway, SecretKey, Service, System
from model.stores import Store

MODE = {"node": "NODE_ENV", "static": "NODE_ENV", "python": "ENVIRONMENT", "jvm": "ENVIRONMENT", "other": "ENVIRONMENT"}
"""Which variable tells a runtime that it runs deployed; every environment runs the production build."""


def variables(
    system: System,
    service: Service,
    callees: Sequence[Service],
    outside: Mapping[str, str],
    public: Mapping[str, str],
    object_store: Callable[[str], ObjectStore],
) -> list[Manifest]:
    """The container's environment; what the declaration sets itself wins.

    ``callees``: the services it calls. ``outside``: host by database that is not in the cluster. ``public``: URL by
    routed service, for browsers. ``object_store``: a bucket, by name.
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
            derived.extend(kind_of(store).variables(store, place_of(system, store, outside), service.name, prefix))
    for store in used:
        if isinstance(store, Bucket) and store.at:
            derived.extend(_bucket_variables(store, object_store(store.name)))
    derived.extend(pods.value(cache.variable, f"{cache.ttl.total_seconds():g}") for cache in service.caches)
    for callee in callees:
        host = naming.fqdn(callee.name, naming.service_namespace(system, callee))
        derived.extend(_callee_variables(callee, host))
        if service.tier == "frontend" and callee.name in public:
            derived.append(pods.value(f"{naming.variable(callee.name)}_PUBLIC_URL", public[callee.name]))
    derived.extend(_origins(system, service, public))
    derived.extend(_channels(system, service.name))
    if service.schedule and any(isinstance(addon, Pushgateway) for addon in system.platform.addons):
        gateway = naming.fqdn(naming.PUSHGATEWAY, system.platform.observability.namespace)
        derived.append(pods.value("PUSHGATEWAY_URL", f"http://{gateway}:{naming.PUSHGATEWAY_PORT}"))
    own = [_declared(name, value) for name, value in service.env.items()]
    return list({entry["name"]: entry for entry in (*derived, *own)}.values())


def _bucket_variables(bucket: Bucket, found: ObjectStore) -> Iterable[Manifest]:
    """Of a bucket elsewhere. Those of the stack's own account are found by rights."""
    name = naming.variable(bucket.name)
    yield pods.value(f"{name}_BUCKET", found.bucket)
    yield pods.value(f"{name}_REGION", found.region)
    if found.endpoint:
        yield pods.value(f"{name}_ENDPOINT", found.endpoint)
    if bucket.prefix:
        yield pods.value(f"{name}_PREFIX", bucket.prefix)
    if found.credentials:
        yield pods.secret_value(f"{name}_ACCESS_KEY_ID", found.credentials, KEY_ID)
        yield pods.secret_value(f"{name}_SECRET_ACCESS_KEY", found.credentials, SECRET_KEY)


def _family(store: Store) -> str | None:
    return None if isinstance(store, Bucket) else kind_of(store).family


def ca_mounts(system: System, service: Service, outside: Mapping[str, str]) -> tuple[list[Manifest], list[Manifest]]:
    """Volumes and mounts of the certificates by which a service knows its databases outside the cluster."""
    names = [
        store.name
        for store in map(system.store, service.uses)
        if not isinstance(store, Bucket) and kind_of(store).trusted(store, place_of(system, store, outside))
    ]
    volumes = [pods.secret_volume(f"{name}-ca", credentials_name(name), [CA_FILE]) for name in names]
    mounts = [pods.mount(f"{name}-ca", f"{postgres.CA_DIRECTORY}/{name}", read_only=True) for name in names]
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


def _origins(system: System, service: Service, public: Mapping[str, str]) -> Iterable[Manifest]:
    """``<CALLER>_ORIGIN``: whose pages browsers show while they ask this service, which has to allow it."""
    if service.name not in public:
        return
    for caller in map(system.service, system.callers(service.name)):
        if caller.tier == "frontend" and caller.name in public:
            page = urlsplit(public[caller.name])
            yield pods.value(f"{naming.variable(caller.name)}_ORIGIN", f"{page.scheme}://{page.netloc}")


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
