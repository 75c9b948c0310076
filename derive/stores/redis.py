"""Redis in the cluster: bounded memory, append-only file, users from a Secret, an exporter beside it; with several
members, replicas and Sentinels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from derive import images, labels, naming
from derive.cloud import Grant
from derive.mesh.graph import Links
from derive.quantities import memory_bytes
from derive.services.workloads import requirements
from derive.shapes import SecretPlan
from derive.stores import common, copies, redis_members
from derive.stores.kind import (
    EXPORTER_PASSWORD,
    Member,
    Place,
    Site,
    StoreKind,
    StorePlan,
    credentials_name,
    credentials_spaces,
)
from manifests import apps, core, pods, scaling
from manifests.base import Manifest
from model import DeclarationError, Redis

ACL_FILE: Final = "users.acl"
METRICS: Final = 9121
"""Default port of redis_exporter (Prometheus' list of port allocations)."""
SNAPSHOT: Final = "dump.rdb"
BACKUP_PASSWORD: Final = "backup-password"
"""Key of the store's Secret."""
USER: Final = 999
"""The uid of ``redis`` in the official image."""
CONFIGURATION: Final = "/etc/redis/configuration"
USERS: Final = "/etc/redis/users"
"""Side by side: no mount point can be made inside a read-only volume."""


def configuration(store: Redis) -> str:
    """``redis.conf``. Users and passwords are in the ACL file of the Secret, never here."""
    lines = [
        "bind * -::*",
        f"port {redis_members.server_port(store)}",
        "dir /data",
        f"appendonly {'yes' if store.append_only else 'no'}",
        "appendfsync everysec",
        f"save {int(store.snapshot.total_seconds())} 1" if store.snapshot else 'save ""',
        f"maxmemory {memory_bytes(store.max_memory)}",
        f"maxmemory-policy {store.eviction}",
        f"aclfile {USERS}/{ACL_FILE}",
        "tcp-keepalive 60",
        *(redis_members.directives() if redis_members.replicated(store) else []),
    ]
    return "\n".join(lines) + "\n"


def members(store: Redis, place: Place) -> tuple[Member, ...]:
    several = redis_members.replicated(store)
    server = Member(
        store.name,
        (store.port,),
        front=True,
        peers=redis_members.peers(store),
        among=(naming.headless(store.name), store.name) if several else (),
        metrics=METRICS,
        in_mesh=store.in_mesh,
        mtls=store.mtls,
    )
    return (
        server,
        *((copies.member(store.name, redis_members.copies_port(store), place, store.backup),) if store.backup else ()),
    )


def grants(store: Redis, place: Place) -> tuple[Grant, ...]:
    return copies.grants(store.name, store.backup, SNAPSHOT, place) if store.backup else ()


def password(store: str) -> str:
    """Name of the generated password of Redis' default user."""
    return f"{store}-default"


def exporter_password(store: str) -> str:
    return f"{store}-exporter"


def backup_password(store: str) -> str:
    return f"{store}-backup"


def secrets(store: Redis, place: Place) -> Iterable[SecretPlan]:
    """The password for its users; at home also the users' file and what its own pods log in with."""
    own = {EXPORTER_PASSWORD: exporter_password(store.name)}
    templates = {ACL_FILE: acl(store)}
    if redis_members.replicated(store):
        own[redis_members.SENTINEL_PASSWORD] = redis_members.sentinel_password(store.name)
        templates |= redis_members.templates(store.name)
    if store.backup:
        own[BACKUP_PASSWORD] = backup_password(store.name)
    for space, at_home in credentials_spaces(place):
        yield SecretPlan(
            name=credentials_name(store.name),
            namespace=space,
            passwords={"password": password(store.name)} | (own if at_home else {}),
            templates=templates if at_home else {},
        )


def acl(store: Redis) -> str:
    """Redis' users: the application's may do all but administer the server; the exporter may look, not touch.

    ``info`` is what client libraries ask when they connect; ``@dangerous`` holds KEYS and FLUSHALL beside it.
    """
    application = f"user default reset on >{{{password(store.name)}}} ~* &* +@all -@admin -@dangerous +info"
    watching = "+ping +info +config|get +slowlog|get +slowlog|len +latency|latest +latency|histogram +client|list"
    exporter = f"user exporter reset on >{{{exporter_password(store.name)}}} {watching}"
    members = redis_members.users(store.name) if redis_members.replicated(store) else ""
    backup = f"user backup reset on >{{{backup_password(store.name)}}} +sync +replconf\n" if store.backup else ""
    return f"{application}\n{exporter} +client|setname +select +cluster|info\n{members}{backup}"


def variables(store: Redis, place: Place, service: str, prefix: str) -> Iterable[Manifest]:
    yield pods.value(f"{prefix}_HOST", naming.fqdn(store.name, place.namespace))
    yield pods.value(f"{prefix}_PORT", str(store.port))
    yield pods.secret_value(f"{prefix}_PASSWORD", credentials_name(store.name), "password")


def plans(store: Redis, place: Place, links: Mapping[str, Links], site: Site) -> dict[str, StorePlan]:
    """ServiceAccount, ConfigMap, Service and StatefulSet; for several members also a headless Service and a disruption
    budget.

    Raises DeclarationError for members that could not agree on a primary, and for a ``max_memory`` that leaves no room
    below the container's limit.
    """
    redis_members.check(store)
    if memory_bytes(store.max_memory) >= memory_bytes(store.resources.memory_limit):
        raise DeclarationError(
            f"store '{store.name}' may hold {store.max_memory} in a container of {store.resources.memory_limit}; "
            f"lower stores['{store.name}'].max_memory or raise its memory_limit"
        )
    name, own, several = store.name, links[store.name], redis_members.replicated(store)
    files = redis_members.files(store, place) if several else {}
    config = {"redis.conf": configuration(store), **files}
    containers = [_server(store, place), _exporter(store)]
    more = {"tcp-copies": redis_members.copies_port(store)} if several and store.backup else {}
    if several:
        mounts = [*_mounts(), pods.scratch_mount()]
        containers += [
            redis_members.sentinel_container(store, _environment(store, place), mounts, CONFIGURATION),
            redis_members.door_container(store, CONFIGURATION),
        ]
    objects = [
        core.service_account(name, place.namespace),
        core.config_map(f"{name}-config", place.namespace, config),
        common.service(own, "tcp-redis", store.port, None, more),
        _stateful_set(store, own, containers, {**site.annotations(own), **common.configuration_hash(config)}, site),
    ]
    if several:
        ports = [("tcp-redis", redis_members.server_port(store)), ("tcp-sentinel", redis_members.SENTINEL_PORT)]
        objects.append(common.headless(own, ports))
        objects.append(scaling.pod_disruption_budget(name, place.namespace, own.workload.selector))
    helpers = (redis_members.RESOURCES,) * 2 if several else ()
    sizes = (store.resources, common.EXPORTER_RESOURCES, *helpers)
    found = {name: StorePlan(tuple(objects), store.members, sizes, store.members)}
    if store.backup:
        jobs = links[copies.name_of(name)]
        # Values are packed in a snapshot, but need not shrink.
        found[jobs.workload.name] = copies.plan(
            name, store.backup, SNAPSHOT, store.max_memory, fetch(store, place), jobs, site
        )
    return found


def fetch(store: Redis, place: Place) -> Manifest:
    """A snapshot as a replica gets it: complete, and as of now."""
    host = naming.fqdn(store.name, place.namespace)
    target = f"{copies.ROOM}/{SNAPSHOT}"
    return pods.container(
        "fetch",
        images.redis_image(store),
        requirements(copies.FETCHING),
        env=[pods.secret_value("REDISCLI_AUTH", credentials_name(store.name), BACKUP_PASSWORD)],
        mounts=[pods.mount("copy", copies.ROOM)],
        command=[
            "redis-cli",
            "-h",
            host,
            "-p",
            str(redis_members.copies_port(store)),
            "--user",
            "backup",
            "--rdb",
            target,
        ],
    )


def _stateful_set(
    store: Redis, links: Links, containers: list[Manifest], annotations: dict[str, str], site: Site
) -> Manifest:
    name, workload, several = store.name, links.workload, redis_members.replicated(store)
    keys = [ACL_FILE, *(redis_members.templates(name) if several else ())]
    template = pods.pod_template(
        labels.pod(name, workload.tier, links.metrics),
        annotations,
        account=name,
        user=USER,
        containers=containers,
        volumes=[
            pods.config_volume("config", f"{name}-config"),
            pods.secret_volume("users", credentials_name(name), keys),
            pods.scratch("16Mi"),
        ],
        spread_by=workload.selector if several else None,
        grace=45 if several else 30,
    )
    return apps.stateful_set(
        name,
        workload.namespace,
        naming.headless(name) if several else name,
        workload.selector,
        template,
        store.members,
        [apps.volume_claim("data", store.size, site.storage_class)],
        labels.workload(name, workload.tier),
        parallel=several,
    )


def _mounts() -> list[Manifest]:
    return [
        pods.mount("data", "/data"),
        pods.mount("config", CONFIGURATION, read_only=True),
        pods.mount("users", USERS, read_only=True),
    ]


def _environment(store: Redis, place: Place) -> list[Manifest]:
    return redis_members.environment(store, place, CONFIGURATION, USERS)


def _server(store: Redis, place: Place) -> Manifest:
    """Ready once the append-only file is loaded (PING is refused until then); alive as long as it listens."""
    port, several = redis_members.server_port(store), redis_members.replicated(store)
    login = pods.secret_value("REDISCLI_AUTH", credentials_name(store.name), "password")
    return pods.container(
        "redis",
        images.redis_image(store),
        requirements(store.resources),
        ports=[("server" if several else "redis", port)],
        env=[login, *(_environment(store, place) if several else [])],
        mounts=[*_mounts(), pods.scratch_mount()],
        command=(
            redis_members.command(CONFIGURATION, "server")
            if several
            else ["redis-server", f"{CONFIGURATION}/redis.conf"]
        ),
        lifecycle=pods.before_stop(redis_members.command(CONFIGURATION, "hand-over")) if several else None,
        readinessProbe=pods.exec_probe(["sh", "-c", f"redis-cli -p {port} ping | grep -q PONG"], period=5, timeout=3),
        livenessProbe=pods.tcp_probe(port, failures=6),
    )


def _exporter(store: Redis) -> Manifest:
    return common.exporter(
        images.REDIS_EXPORTER,
        METRICS,
        [
            pods.value("REDIS_ADDR", f"redis://localhost:{redis_members.server_port(store)}"),
            pods.value("REDIS_USER", "exporter"),
            pods.secret_value("REDIS_PASSWORD", credentials_name(store.name), EXPORTER_PASSWORD),
            pods.value("REDIS_EXPORTER_WEB_LISTEN_ADDRESS", f":{METRICS}"),
        ],
    )


KIND: Final = StoreKind("REDIS", members, secrets, variables, plans, grants=grants)
