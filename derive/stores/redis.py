"""Redis in the cluster: bounded memory, append-only file, users from a Secret, an exporter beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from derive import images, labels, naming
from derive.graph import Links
from derive.quantities import memory_bytes
from derive.shapes import SecretPlan
from derive.stores import common
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
from derive.workloads import requirements
from manifests import apps, core, pods
from manifests.base import Manifest
from model import DeclarationError, Redis

ACL_FILE: Final = "users.acl"
METRICS: Final = 9121
"""Default port of redis_exporter (Prometheus' list of port allocations)."""
USER: Final = 999
"""The uid of ``redis`` in the official image."""
CONFIGURATION: Final = "/etc/redis/configuration"
USERS: Final = "/etc/redis/users"
"""Side by side: no mount point can be made inside a read-only volume."""


def configuration(store: Redis) -> str:
    """``redis.conf``. Users and passwords are in the ACL file of the Secret, never here."""
    lines = [
        "bind * -::*",
        f"port {store.port}",
        "dir /data",
        f"appendonly {'yes' if store.append_only else 'no'}",
        "appendfsync everysec",
        'save ""',
        f"maxmemory {memory_bytes(store.max_memory)}",
        f"maxmemory-policy {store.eviction}",
        f"aclfile {USERS}/{ACL_FILE}",
        "tcp-keepalive 60",
    ]
    return "\n".join(lines) + "\n"


def members(store: Redis, place: Place) -> tuple[Member, ...]:
    return (Member(store.name, (store.port,), front=True, metrics=METRICS, in_mesh=store.in_mesh),)


def password(store: str) -> str:
    """Name of the generated password of Redis' default user."""
    return f"{store}-default"


def exporter_password(store: str) -> str:
    return f"{store}-exporter"


def secrets(store: Redis, place: Place) -> Iterable[SecretPlan]:
    """The password for its users; at home also the users' file and the exporter's password."""
    for space, at_home in credentials_spaces(place):
        yield SecretPlan(
            name=credentials_name(store.name),
            namespace=space,
            passwords={"password": password(store.name)}
            | ({EXPORTER_PASSWORD: exporter_password(store.name)} if at_home else {}),
            templates={ACL_FILE: acl(store.name)} if at_home else {},
        )


def acl(store: str) -> str:
    """Redis' users: the application's may do all but administer the server; the exporter may look, not touch.

    ``info`` is what client libraries ask when they connect; ``@dangerous`` holds KEYS and FLUSHALL beside it.
    """
    application = f"user default reset on >{{{password(store)}}} ~* &* +@all -@admin -@dangerous +info"
    watching = "+ping +info +config|get +slowlog|get +slowlog|len +latency|latest +latency|histogram +client|list"
    exporter = f"user exporter reset on >{{{exporter_password(store)}}} {watching}"
    return f"{application}\n{exporter} +client|setname +select +cluster|info\n"


def variables(store: Redis, place: Place, prefix: str) -> Iterable[Manifest]:
    yield pods.value(f"{prefix}_HOST", naming.fqdn(store.name, place.namespace))
    yield pods.value(f"{prefix}_PORT", str(store.port))
    yield pods.secret_value(f"{prefix}_PASSWORD", credentials_name(store.name), "password")


def plans(store: Redis, place: Place, links: Mapping[str, Links], site: Site) -> dict[str, StorePlan]:
    """ServiceAccount, ConfigMap, Service and StatefulSet.

    Raises DeclarationError for several members (they would need a failover manager) and for a ``max_memory`` that
    leaves no room below the container's limit.
    """
    if store.members > 1:
        raise DeclarationError(
            f"store '{store.name}' asks for {store.members} members, but only a single Redis is supported; "
            f"set stores['{store.name}'].members to 1"
        )
    if memory_bytes(store.max_memory) >= memory_bytes(store.resources.memory_limit):
        raise DeclarationError(
            f"store '{store.name}' may hold {store.max_memory} in a container of {store.resources.memory_limit}; "
            f"lower stores['{store.name}'].max_memory or raise its memory_limit"
        )
    name, namespace, own = store.name, place.namespace, links[store.name]
    config = {"redis.conf": configuration(store)}
    template = pods.pod_template(
        labels.pod(name, own.workload.tier, own.metrics),
        {**site.annotations(own), **common.configuration_hash(config)},
        account=name,
        user=USER,
        containers=[_server(store), _exporter(store)],
        volumes=[
            pods.config_volume("config", f"{name}-config"),
            pods.secret_volume("users", credentials_name(name), [ACL_FILE]),
            pods.scratch("16Mi"),
        ],
    )
    objects = (
        core.service_account(name, namespace),
        core.config_map(f"{name}-config", namespace, config),
        common.service(own, "tcp-redis", store.port, None),
        apps.stateful_set(
            name,
            namespace,
            name,
            own.workload.selector,
            template,
            store.members,
            [apps.volume_claim("data", store.size, site.storage_class)],
            labels.workload(name, own.workload.tier),
        ),
    )
    return {name: StorePlan(objects, store.members, (store.resources, common.EXPORTER_RESOURCES), store.members)}


def _server(store: Redis) -> Manifest:
    """Ready once the append-only file is loaded (PING is refused until then); alive as long as it listens."""
    return pods.container(
        "redis",
        images.redis_image(store),
        requirements(store.resources),
        ports=[("redis", store.port)],
        env=[pods.secret_value("REDISCLI_AUTH", credentials_name(store.name), "password")],
        mounts=[
            pods.mount("data", "/data"),
            pods.mount("config", CONFIGURATION, read_only=True),
            pods.mount("users", USERS, read_only=True),
            pods.scratch_mount(),
        ],
        command=["redis-server", f"{CONFIGURATION}/redis.conf"],
        readinessProbe=pods.exec_probe(
            ["sh", "-c", f"redis-cli -p {store.port} ping | grep -q PONG"], period=5, timeout=3
        ),
        livenessProbe={"tcpSocket": {"port": store.port}, "periodSeconds": 10, "failureThreshold": 6},
    )


def _exporter(store: Redis) -> Manifest:
    return common.exporter(
        images.REDIS_EXPORTER,
        METRICS,
        [
            pods.value("REDIS_ADDR", f"redis://localhost:{store.port}"),
            pods.value("REDIS_USER", "exporter"),
            pods.secret_value("REDIS_PASSWORD", credentials_name(store.name), EXPORTER_PASSWORD),
            pods.value("REDIS_EXPORTER_WEB_LISTEN_ADDRESS", f":{METRICS}"),
        ],
    )


KIND: Final = StoreKind("REDIS", members, secrets, variables, plans)
