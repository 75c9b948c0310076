"""PgBouncer in front of a database: few connections to the server, many to its clients.

PgBouncer logs in to the server with the password that the client proved to know, so it holds the same user list as the
server, in a Secret, and no role that could read passwords is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from derive import images, labels
from derive.bootstrap.postgres_host import Database
from derive.mesh.graph import Links
from derive.services.workloads import requirements
from derive.shapes import CA_FILE, STACK_CA, SecretPlan
from derive.stores import common
from derive.stores.kind import EXPORTER_PASSWORD, Place, StorePlan
from manifests import apps, core, pods, scaling
from manifests.base import Manifest
from model import DeclarationError, Pooler, PostgreSQL

METRICS: Final = 9127
"""Default port of pgbouncer_exporter (Prometheus' list of port allocations)."""
USER_LIST: Final = "userlist.txt"
"""Users and their passwords."""
EXPORTER: Final = "exporter"
"""The user that reads PgBouncer's statistics."""
USER: Final = 998
"""The uid of ``pgbouncer`` in the image."""
CONFIGURATION: Final = "/etc/pgbouncer/configuration"
USERS: Final = "/etc/pgbouncer/users"
PREPARED_STATEMENTS: Final = 200
"""Kept per server connection, so that drivers may prepare statements in transaction mode (PgBouncer, from 1.21)."""


@dataclass(frozen=True)
class Server:
    """Where the database answers, and whether it proves its name with the stack's own authority."""

    host: str
    port: int
    verified: bool


def read_only(database: str) -> str:
    """The name under which the pooler leads to the replicas."""
    return f"{database}_ro"


def configuration(database: str, pooler: Pooler, server: Server, readers: str | None = None) -> str:
    """``pgbouncer.ini``; users and passwords are in the Secret's list. ``readers``: host of the replicas, if any."""
    tls = ["server_tls_sslmode = disable"]
    if server.verified:
        tls = ["server_tls_sslmode = verify-full", f"server_tls_ca_file = {USERS}/{CA_FILE}"]
    lines = [
        "[databases]",
        f"{database} = host={server.host} port={server.port} dbname={database}",
        *([f"{read_only(database)} = host={readers} port={server.port} dbname={database}"] if readers else []),
        "[pgbouncer]",
        "listen_addr = *",
        f"listen_port = {pooler.port}",
        "unix_socket_dir =",
        f"auth_type = {pooler.authentication}",
        f"auth_file = {USERS}/{USER_LIST}",
        f"stats_users = {EXPORTER}",
        f"pool_mode = {pooler.mode}",
        f"max_client_conn = {pooler.max_clients}",
        f"default_pool_size = {pooler.pool_size}",
        f"max_prepared_statements = {PREPARED_STATEMENTS}",
        "ignore_startup_parameters = extra_float_digits",
        *tls,
    ]
    return "\n".join(lines) + "\n"


def users_name(pooler: str) -> str:
    """Name of the Secret with a pooler's user list."""
    return f"{pooler}-users"


def users(pooler: Pooler, place: Place, owner: str, password: str) -> SecretPlan:
    """The owner with the password that the server knows too, and the exporter."""
    exporter = f"{pooler.name}-exporter"
    return SecretPlan(
        name=users_name(pooler.name),
        namespace=place.namespace,
        passwords={EXPORTER_PASSWORD: exporter} | ({CA_FILE: STACK_CA} if place.host else {}),
        templates={USER_LIST: f'"{owner}" "{{{password}}}"\n"{EXPORTER}" "{{{exporter}}}"\n'},
    )


def plan(
    store: PostgreSQL,
    pooler: Pooler,
    links: Links,
    server: Server,
    annotations: Mapping[str, str],
    readers: str | None = None,
) -> StorePlan:
    """ServiceAccount, ConfigMap, Service, Deployment, and a disruption budget where there are several pods.

    Raises DeclarationError for pools that together ask for more connections than the role may open.
    """
    asked, allowed = pooler.members * pooler.pool_size, Database.connection_limit
    if asked > allowed:
        raise DeclarationError(
            f"pooler '{pooler.name}' may open {pooler.members} x {pooler.pool_size} connections to '{store.name}', "
            f"whose role may have {allowed}; lower pool_size or members of stores['{store.name}'].pooler"
        )
    name, namespace = pooler.name, links.workload.namespace
    config = {"pgbouncer.ini": configuration(store.database_name, pooler, server, readers)}
    keys = [USER_LIST, *([CA_FILE] if server.verified else [])]
    template = pods.pod_template(
        labels.pod(name, links.workload.tier, links.metrics),
        {**annotations, **common.configuration_hash(config)},
        account=name,
        user=USER,
        containers=[_server(pooler), _exporter(pooler)],
        volumes=[
            pods.config_volume("config", f"{name}-config"),
            pods.secret_volume("users", users_name(name), keys),
        ],
        spread_by=links.workload.selector if pooler.members > 1 else None,
        grace=60,
    )
    objects = [
        core.service_account(name, namespace),
        core.config_map(f"{name}-config", namespace, config),
        common.service(links, "postgres", pooler.port, "tcp"),
        apps.deployment(
            name,
            namespace,
            links.workload.selector,
            template,
            pooler.members,
            max_surge=1,
            max_unavailable=0,
            deadline=300,
            labels=labels.workload(name, links.workload.tier),
        ),
    ]
    if pooler.members > 1:
        objects.append(scaling.pod_disruption_budget(name, namespace, links.workload.selector))
    return StorePlan(tuple(objects), pooler.members, (pooler.resources, common.EXPORTER_RESOURCES), 0)


def _server(pooler: Pooler) -> Manifest:
    socket = {"tcpSocket": {"port": pooler.port}}
    return pods.container(
        "pgbouncer",
        images.PGBOUNCER,
        requirements(pooler.resources),
        ports=[("postgres", pooler.port)],
        mounts=[
            pods.mount("config", CONFIGURATION, read_only=True),
            pods.mount("users", USERS, read_only=True),
        ],
        command=["pgbouncer", f"{CONFIGURATION}/pgbouncer.ini"],
        readinessProbe={**socket, "periodSeconds": 5},
        livenessProbe={**socket, "periodSeconds": 10, "failureThreshold": 6},
    )


def _exporter(pooler: Pooler) -> Manifest:
    target = f"postgres://{EXPORTER}:$(PASSWORD)@localhost:{pooler.port}/pgbouncer?sslmode=disable"
    return common.exporter(
        images.PGBOUNCER_EXPORTER,
        METRICS,
        [
            pods.secret_value("PASSWORD", users_name(pooler.name), EXPORTER_PASSWORD),
            pods.value("PGBOUNCER_EXPORTER_CONNECTION_STRING", target),
        ],
        args=[f"--web.listen-address=:{METRICS}"],
    )
