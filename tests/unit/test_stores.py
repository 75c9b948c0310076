"""Stores in the cluster keep their data, bound their memory, ask for a password and are measured."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import pytest

from derive.application import application
from derive.stores.redis import acl, configuration
from model import DeclarationError, Kafka, MySQL, PostgreSQL, RabbitMQ, Redis, Service, System
from systems.fitsync import SYSTEM
from tests.ports import free_port
from tests.unit.declared import deployed, derived, objects, shop

HOSTS = {name: f"{name}.database.internal" for name in ("userdb", "trainingdb", "scheduledb", "progressdb")}


def test_redis_is_persistent_bounded_and_reached_by_name() -> None:
    """FS-DAT-06, FS-DAT-09, FS-DAT-11, FS-BYD-13, FS-OBS-08."""
    plan = application(deployed(SYSTEM), HOSTS)
    service = objects(plan, "Service")["redis"]
    assert service["metadata"]["labels"]["monitoring"] == "enabled"
    assert service["spec"] == {
        "type": "ClusterIP",
        "selector": {"app": "redis"},
        "ports": [
            {"name": "tcp-redis", "port": 6379, "targetPort": 6379, "protocol": "TCP"},
            {"name": "metrics", "port": 9121, "targetPort": 9121, "protocol": "TCP", "appProtocol": "http"},
        ],
    }
    assert objects(plan, "ConfigMap")["redis-config"]["data"] == {
        "redis.conf": 'bind * -::*\nport 6379\ndir /data\nappendonly yes\nappendfsync everysec\nsave ""\n'
        "maxmemory 201326592\nmaxmemory-policy volatile-lru\naclfile /etc/redis/users/users.acl\ntcp-keepalive 60\n"
    }
    spec = objects(plan, "StatefulSet")["redis"]["spec"]
    assert spec["volumeClaimTemplates"] == [
        {
            "metadata": {"name": "data"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "local-path",
                "resources": {"requests": {"storage": "5Gi"}},
            },
        }
    ]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    server, exporter = spec["template"]["spec"]["containers"]
    assert (server["image"], server["command"]) == (
        "redis:7.4.6-alpine",
        ["redis-server", "/etc/redis/configuration/redis.conf"],
    )
    assert exporter["ports"] == [{"name": "metrics", "containerPort": 9121, "protocol": "TCP"}]
    assert spec["template"]["spec"]["securityContext"]["runAsUser"] == 999


def test_no_mount_lies_inside_a_read_only_volume() -> None:
    """The runtime could not make the inner mount's directory, and the container would never start."""
    plan = application(deployed(SYSTEM, placements=dict.fromkeys(HOSTS, "cluster")), {})
    for kind in ("Deployment", "StatefulSet"):
        for item in objects(plan, kind).values():
            for found in item["spec"]["template"]["spec"]["containers"]:
                mounts = found.get("volumeMounts", [])
                closed = [Path(mount["mountPath"]) for mount in mounts if mount.get("readOnly")]
                assert not [m for m in mounts if any(path in Path(m["mountPath"]).parents for path in closed)]


def test_a_changed_configuration_restarts_redis() -> None:
    """A ConfigMap alone changes under a running server that never reads it again."""

    def checksum(eviction: str) -> str:
        stores = (Redis.model_validate({"name": "cache", "eviction": eviction}),)
        template = objects(derived(shop(stores=stores)), "StatefulSet")["cache"]["spec"]["template"]
        found: str = template["metadata"]["annotations"]["checksum/config"]
        return found

    assert checksum("volatile-lru") != checksum("noeviction")


def test_postgresql_in_the_cluster() -> None:
    """FS-DAT-12."""
    plan = application(deployed(SYSTEM, placements=dict.fromkeys(HOSTS, "cluster")), {})
    assert set(objects(plan, "StatefulSet")) == {*HOSTS, "redis"}
    found = objects(plan, "StatefulSet")["userdb"]
    spec = found["spec"]
    assert (spec["serviceName"], spec["replicas"], spec["selector"]) == (
        "userdb",
        1,
        {"matchLabels": {"app": "userdb"}},
    )
    assert spec["volumeClaimTemplates"] == [
        {
            "metadata": {"name": "postgres-storage"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "local-path",
                "resources": {"requests": {"storage": "20Gi"}},
            },
        }
    ]
    server = spec["template"]["spec"]["containers"][0]
    assert server["image"] == "postgres:15-alpine"
    assert server["ports"] == [{"name": "postgres", "containerPort": 5432, "protocol": "TCP"}]
    assert {entry["name"]: entry.get("value") or entry["valueFrom"]["secretKeyRef"] for entry in server["env"]} == {
        "POSTGRES_DB": "userdb",
        "POSTGRES_USER": {"name": "userdb-credentials", "key": "username"},
        "POSTGRES_PASSWORD": {"name": "userdb-credentials", "key": "password"},
        "MONITORING_PASSWORD": {"name": "userdb-credentials", "key": "exporter-password"},
        "POSTGRES_HOST_AUTH_METHOD": "scram-sha-256",
        "POSTGRES_INITDB_ARGS": "--auth-host=scram-sha-256 --data-checksums",
        "PGDATA": "/var/lib/postgresql/data/pgdata",
        "PGPORT": "5432",
    }
    assert server["volumeMounts"][0] == {"name": "postgres-storage", "mountPath": "/var/lib/postgresql/data"}
    port = objects(plan, "Service")["userdb"]["spec"]["ports"][0]
    assert port == {"name": "postgres", "port": 5432, "targetPort": 5432, "protocol": "TCP", "appProtocol": "tcp"}
    assert objects(plan, "ServiceEntry") == {}


def test_outside_the_cluster_a_database_leaves_no_pod() -> None:
    assert [part.name for part in application(deployed(SYSTEM), HOSTS).stores] == ["redis"]


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (
            shop(stores=(Redis(name="cache", members=2),)),
            "store 'cache' has 2 members, of which neither can tell that the other is lost; "
            "set stores['cache'].members to 1 or 3",
        ),
        (
            shop(stores=(MySQL(name="mysql"),)),
            "store 'mysql' would have a database 'mysql', which is the server's own; set stores['mysql'].database",
        ),
        (
            shop(stores=(RabbitMQ(name="events", members=4),)),
            "store 'events' has 4 members: when they part in halves, neither half goes on; "
            "set stores['events'].members to 3 or 5",
        ),
        (
            shop(stores=(RabbitMQ(name="events", size="1Gi"),)),
            "store 'events' stops publishers when less than 1Gi of its volume is free, which leaves too little of 1Gi; "
            "raise stores['events'].size or lower its memory_limit",
        ),
        (
            shop(stores=(Redis(name="cache", max_memory="256Mi"),)),
            "store 'cache' may hold 256Mi in a container of 256Mi; "
            "lower stores['cache'].max_memory or raise its memory_limit",
        ),
        (
            shop(stores=(Kafka(name="events", brokers=2),)),
            "store 'events' has 2 brokers, which are its controllers, too: of two halves neither goes on; "
            "set stores['events'].brokers to 1 or 3",
        ),
    ],
)
def test_stores_that_cannot_be_made_are_refused(system: System, message: str) -> None:
    with pytest.raises(DeclarationError) as refusal:
        derived(system)
    assert str(refusal.value) == message


def test_newer_postgresql_gets_its_volume_one_level_higher() -> None:
    """From 18 on the image refuses to start with a volume at the old place."""
    stores = (PostgreSQL(name="orderdb", version=18),)
    system = shop(stores=stores, services=(Service(name="orders", port=3001, uses=("orderdb",)),))
    plan = application(deployed(system, placements={"orderdb": "cluster"}), {})
    server = objects(plan, "StatefulSet")["orderdb"]["spec"]["template"]["spec"]["containers"][0]
    assert server["volumeMounts"][0]["mountPath"] == "/var/lib/postgresql"


@pytest.mark.tool("redis-server")
def test_a_real_redis_takes_the_configuration_and_the_users(tmp_path: Path) -> None:
    """A directive or an ACL rule that Redis does not know keeps it from starting."""
    port = free_port()
    text = configuration(Redis(name="cache", port=port))
    text = text.replace("/data", str(tmp_path)).replace("/etc/redis/users", str(tmp_path))
    (tmp_path / "redis.conf").write_text(text)
    users = acl(Redis(name="cache")).format_map({"cache-default": "application", "cache-exporter": "exporter"})
    (tmp_path / "users.acl").write_text(users)
    server = subprocess.Popen(["redis-server", str(tmp_path / "redis.conf")])
    try:
        assert ask(port, "PING") == ["-NOAUTH Authentication required."]
        assert ask(port, "AUTH application", "SET a 1", "PUBLISH booking.created x") == ["+OK", "+OK", ":0"]
        assert ask(port, "AUTH application", "FLUSHALL")[1].startswith("-NOPERM")
        assert ask(port, "AUTH exporter exporter", "PING") == ["+OK", "+PONG"]
        assert ask(port, "AUTH exporter exporter", "GET a")[1].startswith("-NOPERM")
    finally:
        server.terminate()
        server.wait(timeout=10)


def ask(port: int, *commands: str) -> list[str]:
    """The first line of each answer, from one connection; waits up to ten seconds for the server."""
    deadline = time.monotonic() + 10
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=5)
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    with connection, connection.makefile("rb") as answers:
        found = []
        for command in commands:
            connection.sendall(f"{command}\r\n".encode())
            found.append(answers.readline().decode().strip())
        return found
