"""What several members add to Redis: replication, Sentinels that choose the primary, and a door that leads to it.

Clients that know nothing of Sentinel must still write to the primary, wherever it is. So every pod has a small proxy on
the store's own port: it asks all members for their role and passes connections to the one that is primary. The server
itself listens on the port above, which only members reach. When the primary changes, open connections end and the
clients' next ones lead to the new one. A primary that has lost touch with every replica takes no writes, so what two
sides of a broken network accept can never differ for longer than ``LAG``.
"""

from __future__ import annotations

from importlib import resources
from typing import Final

from derive import images, naming
from derive.services.workloads import requirements
from derive.stores.kind import EXPORTER_PASSWORD, Place, credentials_name
from manifests import pods
from manifests.base import Manifest
from model import DeclarationError, Redis, Resources

SENTINEL_PORT: Final = 26379
"""Redis' own default."""
DOWN_AFTER: Final = 5000
"""Milliseconds without an answer until a Sentinel takes the primary for lost."""
LAG: Final = 10
"""Seconds without word from any replica after which a primary refuses writes."""
PROGRAM: Final = "redis-member"
DOOR: Final = "door.cfg"
REPLICATION: Final = "replication.conf"
"""What a replica logs in with."""
SENTINEL: Final = "sentinel.conf"
SENTINEL_PASSWORD: Final = "sentinel-password"
RESOURCES: Final = Resources(cpu="50m", memory="64Mi", cpu_limit="250m", memory_limit="128Mi")
"""Of a Sentinel, and of a door."""
CLIENTS: Final = 4000
"""Connections through one door; its buffers for them fit its memory."""


def check(store: Redis) -> None:
    """Raises DeclarationError for members that could not agree on a primary."""
    if store.members == 2:
        raise DeclarationError(
            f"store '{store.name}' has 2 members, of which neither can tell that the other is lost; "
            f"set stores['{store.name}'].members to 1 or 3"
        )


def replicated(store: Redis) -> bool:
    return store.members > 1


def server_port(store: Redis) -> int:
    """Where the server itself listens: behind a door, one above the store's port."""
    return store.port + 1 if replicated(store) else store.port


def copies_port(store: Redis) -> int:
    """Where a backup is fetched: with replicas, from one of them."""
    return store.port + 2 if replicated(store) else store.port


def peers(store: Redis) -> tuple[int, ...]:
    """Servers and Sentinels of one another; and the doors, for whoever asks for the primary from inside a member."""
    return (store.port, server_port(store), SENTINEL_PORT) if replicated(store) else ()


def sentinel_password(store: str) -> str:
    """Name of the generated password by which Sentinels log in to servers and to one another."""
    return f"{store}-sentinel"


def replication_password(store: str) -> str:
    return f"{store}-replication"


def hosts(store: Redis, place: Place) -> tuple[str, ...]:
    """Each member's own name."""
    domain = naming.fqdn(naming.headless(store.name), place.namespace)
    return tuple(f"{store.name}-{index}.{domain}" for index in range(store.members))


def directives() -> list[str]:
    """Of ``redis.conf``."""
    return ["min-replicas-to-write 1", f"min-replicas-max-lag {LAG}"]


def users(store: str) -> str:
    """Of the servers' ACL file: what Redis' documentation lists for a replica and for a Sentinel, and the pause of
    writers before a primary stops."""
    replica = f"user replication reset on >{{{replication_password(store)}}} +psync +replconf +ping"
    watching = "+subscribe +publish +ping +info +role +client|setname +client|kill +client|pause"
    deciding = "+multi +exec +slaveof +config|rewrite +script|kill"
    return f"{replica}\nuser sentinel reset on >{{{sentinel_password(store)}}} &* {watching} {deciding}\n"


def replication(store: str) -> str:
    return f"masteruser replication\nmasterauth {{{replication_password(store)}}}\n"


def sentinel(store: str) -> str:
    """``sentinel.conf`` but for the primary's name, which a Sentinel keeps itself. By names: pods' addresses change."""
    password = f"{{{sentinel_password(store)}}}"
    asked = "+sentinel|get-master-addr-by-name +sentinel|is-master-down-by-addr +sentinel|failover"
    lines = [
        f"port {SENTINEL_PORT}",
        "bind * -::*",
        "dir /tmp",
        "user default reset off",
        f"user sentinel reset on >{password} &* +ping +info +role +hello +publish +client|setname {asked}",
        "sentinel resolve-hostnames yes",
        "sentinel announce-hostnames yes",
        "sentinel sentinel-user sentinel",
        f"sentinel sentinel-pass {password}",
        "sentinel auth-user primary sentinel",
        f"sentinel auth-pass primary {password}",
        f"sentinel down-after-milliseconds primary {DOWN_AFTER}",
        "sentinel failover-timeout primary 60000",
        "sentinel parallel-syncs primary 1",
    ]
    return "\n".join(lines) + "\n"


def door(store: Redis, place: Place) -> str:
    """HAProxy's configuration. Idle connections stay: subscribers may wait for days (24 are HAProxy's longest time).

    Copies are taken from a replica: Sentinels take whoever copies the primary for another replica of it, for ever.
    """
    copies = _way("copies", copies_port(store), "replicas", "master_link_status:up", store, place)
    return f"""\
global
    log stdout format raw daemon notice
    maxconn {CLIENTS}
    hard-stop-after 20s

defaults
    mode tcp
    log global
    option clitcpka
    option srvtcpka
    option redispatch 1
    timeout connect 3s
    timeout check 2s
    timeout client 24d
    timeout server 24d

resolvers cluster
    parse-resolv-conf
    hold valid 5s
{_way("clients", store.port, "primary", "role:master", store, place)}{copies if store.backup else ""}"""


def _way(name: str, port: int, target: str, state: str, store: Redis, place: Place) -> str:
    """From a port to the members in a state. A check ends with QUIT: the answer of the others does not match, and only
    the end of the connection says that no more comes."""
    servers = [f"    server {host.split('.')[0]} {host}:{server_port(store)} check" for host in hosts(store, place)]
    return f"""
frontend {name}
    bind :{port}
    default_backend {target}

backend {target}
    option tcp-check
    tcp-check connect
    tcp-check send "AUTH exporter ${{EXPORTER_PASSWORD}}\\r\\n"
    tcp-check expect string +OK
    tcp-check send "INFO replication\\r\\nQUIT\\r\\n"
    tcp-check expect string {state}
    default-server resolvers cluster init-addr none inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
{chr(10).join(servers)}
"""


def files(store: Redis, place: Place) -> dict[str, str]:
    """Of the ConfigMap, beside ``redis.conf``."""
    program = resources.files("derive.stores").joinpath("files", PROGRAM).read_text(encoding="utf-8")
    return {PROGRAM: program, DOOR: door(store, place)}


def templates(store: str) -> dict[str, str]:
    """Of the Secret."""
    return {REPLICATION: replication(store), SENTINEL: sentinel(store)}


def command(configuration: str, part: str) -> list[str]:
    return ["sh", f"{configuration}/{PROGRAM}", part]


def environment(store: Redis, place: Place, configuration: str, users: str) -> list[Manifest]:
    """What the program is told."""
    domain = naming.fqdn(naming.headless(store.name), place.namespace)
    return [
        pods.field_value("POD_NAME", "metadata.name"),
        pods.value("OWN", f"$(POD_NAME).{domain}"),
        pods.value("MEMBERS", " ".join(hosts(store, place))),
        pods.value("SERVER_PORT", str(server_port(store))),
        pods.value("SENTINEL_PORT", str(SENTINEL_PORT)),
        pods.value("QUORUM", str(store.members // 2 + 1)),
        pods.secret_value("SENTINEL_PASSWORD", credentials_name(store.name), SENTINEL_PASSWORD),
        pods.value("CONFIGURATION", configuration),
        pods.value("USERS", users),
        pods.value("DATA", "/data"),
    ]


def sentinel_container(store: Redis, env: list[Manifest], mounts: list[Manifest], configuration: str) -> Manifest:
    socket = {"tcpSocket": {"port": SENTINEL_PORT}}
    return pods.container(
        "sentinel",
        images.redis_image(store),
        requirements(RESOURCES),
        ports=[("sentinel", SENTINEL_PORT)],
        env=env,
        mounts=mounts,
        command=command(configuration, "sentinel"),
        readinessProbe={**socket, "periodSeconds": 5},
        livenessProbe={**socket, "periodSeconds": 10, "failureThreshold": 6},
    )


def door_container(store: Redis, configuration: str) -> Manifest:
    """HAProxy takes every server for good until it has checked it, so the door is not asked before that."""
    socket = {"tcpSocket": {"port": store.port}}
    return pods.container(
        "door",
        images.HAPROXY,
        requirements(RESOURCES),
        ports=[("redis", store.port), *([("copies", copies_port(store))] if store.backup else [])],
        env=[pods.secret_value("EXPORTER_PASSWORD", credentials_name(store.name), EXPORTER_PASSWORD)],
        mounts=[pods.mount("config", configuration, read_only=True)],
        command=["haproxy", "-W", "-db", "-f", f"{configuration}/{DOOR}"],
        readinessProbe={**socket, "initialDelaySeconds": 3, "periodSeconds": 5},
        livenessProbe={**socket, "periodSeconds": 10, "failureThreshold": 6},
    )
