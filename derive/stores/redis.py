"""Redis in the cluster: bounded memory, append-only file, users from a Secret, an exporter beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from derive import images, labels, secrets
from derive.connections import Links
from derive.quantities import memory_bytes
from derive.stores import common
from derive.workloads import requirements
from manifests import apps, core, pods
from manifests.base import Manifest
from model import DeclarationError, Redis

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
        f"aclfile {USERS}/{secrets.ACL_FILE}",
        "tcp-keepalive 60",
    ]
    return "\n".join(lines) + "\n"


def redis(store: Redis, links: Links, annotations: Mapping[str, str], storage_class: str | None) -> common.StorePlan:
    """ServiceAccount, ConfigMap, Service and StatefulSet. ``storage_class`` absent: the cluster's default.

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
    name, namespace = store.name, links.workload.namespace
    config = {"redis.conf": configuration(store)}
    template = pods.pod_template(
        labels.pod(name, links.workload.tier, links.metrics),
        {**annotations, **common.configuration_hash(config)},
        account=name,
        user=USER,
        containers=[_server(store), _exporter(store, links)],
        volumes=[
            pods.config_volume("config", f"{name}-config"),
            pods.secret_volume("users", secrets.credentials_name(name), [secrets.ACL_FILE]),
            pods.scratch("16Mi"),
        ],
    )
    objects = (
        core.service_account(name, namespace),
        core.config_map(f"{name}-config", namespace, config),
        common.service(links, "tcp-redis", store.port, None),
        apps.stateful_set(
            name,
            namespace,
            name,
            links.workload.selector,
            template,
            store.members,
            [apps.volume_claim("data", store.size, storage_class)],
            labels.workload(name, links.workload.tier),
        ),
    )
    return common.StorePlan(objects, store.members, (store.resources, common.EXPORTER_RESOURCES), store.members)


def _server(store: Redis) -> Manifest:
    """Ready once the append-only file is loaded (PING is refused until then); alive as long as it listens."""
    return pods.container(
        "redis",
        images.redis_image(store),
        requirements(store.resources),
        ports=[("redis", store.port)],
        env=[pods.secret_value("REDISCLI_AUTH", secrets.credentials_name(store.name), "password")],
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


def _exporter(store: Redis, links: Links) -> Manifest:
    port = links.metrics or 0
    return common.exporter(
        images.REDIS_EXPORTER,
        port,
        [
            pods.value("REDIS_ADDR", f"redis://localhost:{store.port}"),
            pods.value("REDIS_USER", "exporter"),
            pods.secret_value("REDIS_PASSWORD", secrets.credentials_name(store.name), secrets.EXPORTER_PASSWORD),
            pods.value("REDIS_EXPORTER_WEB_LISTEN_ADDRESS", f":{port}"),
        ],
    )
