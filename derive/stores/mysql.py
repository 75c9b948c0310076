"""MySQL in the cluster: one server with a volume, one database, and an exporter beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from derive import images, labels, naming
from derive.cloud import Grant
from derive.mesh.graph import Links
from derive.quantities import memory_bytes
from derive.services.workloads import requirements
from derive.shapes import SecretPlan
from derive.stores import common, copies
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
from manifests import apps, core, pods
from manifests.base import Manifest
from model import DeclarationError, MySQL

METRICS: Final = 9104
"""Default port of mysqld_exporter (Prometheus' list of port allocations)."""
USER: Final = 999
"""The uid of ``mysql`` in the official image."""
DATA: Final = "/var/lib/mysql"
CONFIGURATION: Final = "/etc/mysql/conf.d"
FIRST_START: Final = "/docker-entrypoint-initdb.d"
"""What the image runs on an empty volume only."""
ROOT_PASSWORD: Final = "root-password"
DUMP: Final = "dump.sql"
CONNECTION: Final = 256 * 2**10
"""Bytes of a connection that does nothing: its buffers and what is used of its stack (MySQL manual, "How MySQL Uses
Memory")."""
CHUNK: Final = 128 * 2**20
"""Bytes: the default of ``innodb_buffer_pool_chunk_size``, and of the pool itself."""
RESERVED: Final = frozenset({"mysql", "sys", "information_schema", "performance_schema"})
"""The server's own schemas."""
USERS: Final = """\
docker_process_sql <<SQL
CREATE USER 'exporter'@'127.0.0.1' IDENTIFIED BY '$EXPORTER_PASSWORD' WITH MAX_USER_CONNECTIONS 3;
GRANT PROCESS, REPLICATION CLIENT ON *.* TO 'exporter'@'127.0.0.1';
GRANT SELECT ON performance_schema.* TO 'exporter'@'127.0.0.1';
SQL
"""
"""The exporter sees statistics and no rows, and logs in from its own pod only."""


def database(store: MySQL) -> str:
    """The database, and the user that owns it."""
    return store.database or store.name.replace("-", "_")


def configuration(store: MySQL) -> str:
    """Half of the memory is the server's own; what idle connections leave of the other half is for pages, in whole
    chunks, for the server rounds up."""
    room = memory_bytes(store.resources.memory_limit) // 2 - store.max_connections * CONNECTION
    lines = [
        "[mysqld]",
        f"port = {store.port}",
        "mysqlx = OFF",
        "skip_name_resolve = ON",
        # Nobody follows it, and a month of it would fill the volume.
        "skip_log_bin",
        f"max_connections = {store.max_connections}",
        f"innodb_buffer_pool_size = {max(room // CHUNK, 1) * CHUNK}",
        "character_set_server = utf8mb4",
    ]
    return "\n".join(lines) + "\n"


def members(store: MySQL, place: Place) -> tuple[Member, ...]:
    server = Member(store.name, (store.port,), front=True, metrics=METRICS, mtls=store.mtls)
    return (server, *((copies.member(store.name, store.port, place, store.backup),) if store.backup else ()))


def grants(store: MySQL, place: Place) -> tuple[Grant, ...]:
    return copies.grants(store.name, store.backup, DUMP, place) if store.backup else ()


def password(store: str) -> str:
    """Name of the generated password of the user that owns the database."""
    return f"{store}-owner"


def secrets(store: MySQL, place: Place) -> Iterable[SecretPlan]:
    """The owner's credentials for its users; at home also root's and the exporter's."""
    own = {ROOT_PASSWORD: f"{store.name}-root", EXPORTER_PASSWORD: f"{store.name}-exporter"}
    for space, at_home in credentials_spaces(place):
        yield SecretPlan(
            name=credentials_name(store.name),
            namespace=space,
            literals={"username": database(store)},
            passwords={"password": password(store.name)} | (own if at_home else {}),
        )


def variables(store: MySQL, place: Place, service: str, prefix: str) -> Iterable[Manifest]:
    yield pods.value(f"{prefix}_HOST", naming.fqdn(store.name, place.namespace))
    yield pods.value(f"{prefix}_PORT", str(store.port))
    yield pods.value(f"{prefix}_DATABASE", database(store))
    yield pods.secret_value(f"{prefix}_USER", credentials_name(store.name), "username")
    yield pods.secret_value(f"{prefix}_PASSWORD", credentials_name(store.name), "password")


def plans(store: MySQL, place: Place, links: Mapping[str, Links], site: Site) -> dict[str, StorePlan]:
    """ServiceAccount, ConfigMaps, Service and StatefulSet. Raises DeclarationError for a name that is the server's."""
    if database(store) in RESERVED:
        raise DeclarationError(
            f"store '{store.name}' would have a database '{database(store)}', which is the server's own; "
            f"set stores['{store.name}'].database"
        )
    name, own = store.name, links[store.name]
    config = {"server.cnf": configuration(store)}
    template = pods.pod_template(
        labels.pod(name, own.workload.tier, own.metrics),
        {**site.annotations(own), **common.configuration_hash(config)},
        account=name,
        user=USER,
        containers=[_server(store), _exporter(store)],
        volumes=[
            pods.config_volume("config", f"{name}-config"),
            pods.config_volume("first-start", f"{name}-first-start"),
            pods.empty_dir("run", "16Mi"),
            pods.scratch("1Gi"),
        ],
        grace=120,
    )
    objects = (
        core.service_account(name, place.namespace),
        core.config_map(f"{name}-config", place.namespace, config),
        core.config_map(f"{name}-first-start", place.namespace, {"users.sh": USERS}),
        common.service(own, "mysql", store.port, "tcp"),
        apps.stateful_set(
            name,
            place.namespace,
            name,
            own.workload.selector,
            template,
            1,
            [apps.volume_claim("data", store.size, site.storage_class)],
            labels.workload(name, own.workload.tier),
        ),
    )
    found = {name: StorePlan(objects, 1, (store.resources, common.EXPORTER_RESOURCES), 1)}
    if store.backup:
        jobs = links[copies.name_of(name)]
        found[jobs.workload.name] = copies.plan(name, store.backup, DUMP, store.size, _dump(store, place), jobs, site)
    return found


def _server(store: MySQL) -> Manifest:
    """Root logs in over the socket only. The data is below the volume's root, which a file system may use itself."""
    credentials = credentials_name(store.name)
    ping = ["mysqladmin", "ping", "--silent", "--host=127.0.0.1", f"--port={store.port}"]
    return pods.container(
        "mysql",
        images.mysql_image(store),
        requirements(store.resources),
        ports=[("mysql", store.port)],
        env=[
            pods.value("MYSQL_DATABASE", database(store)),
            pods.value("MYSQL_ROOT_HOST", "localhost"),
            pods.secret_value("MYSQL_USER", credentials, "username"),
            pods.secret_value("MYSQL_PASSWORD", credentials, "password"),
            pods.secret_value("MYSQL_ROOT_PASSWORD", credentials, ROOT_PASSWORD),
            pods.secret_value("EXPORTER_PASSWORD", credentials, EXPORTER_PASSWORD),
        ],
        mounts=[
            pods.mount("data", DATA, sub_path="mysql"),
            pods.mount("config", CONFIGURATION, read_only=True),
            pods.mount("first-start", FIRST_START, read_only=True),
            pods.mount("run", "/var/run/mysqld"),
            pods.scratch_mount(),
        ],
        startupProbe=pods.exec_probe(ping, period=5, timeout=5, failures=120),
        readinessProbe=pods.exec_probe(ping, period=10, timeout=5),
        livenessProbe=pods.exec_probe(ping, period=20, timeout=5, failures=6),
    )


def _exporter(store: MySQL) -> Manifest:
    return common.exporter(
        images.MYSQL_EXPORTER,
        METRICS,
        [pods.secret_value("MYSQLD_EXPORTER_PASSWORD", credentials_name(store.name), EXPORTER_PASSWORD)],
        args=[
            "--mysqld.username=exporter",
            f"--mysqld.address=127.0.0.1:{store.port}",
            f"--web.listen-address=:{METRICS}",
        ],
    )


def _dump(store: MySQL, place: Place) -> Manifest:
    """All of one moment, as the owner of the database, without stopping anybody."""
    credentials = credentials_name(store.name)
    host = naming.fqdn(store.name, place.namespace)
    return pods.container(
        "fetch",
        images.mysql_image(store),
        requirements(copies.FETCHING),
        env=[
            pods.secret_value("MYSQL_PWD", credentials, "password"),
        ],
        mounts=[pods.mount("copy", copies.ROOM)],
        command=[
            "mysqldump",
            f"--host={host}",
            f"--port={store.port}",
            f"--user={database(store)}",
            "--single-transaction",
            "--no-tablespaces",
            "--set-gtid-purged=OFF",
            "--routines",
            "--triggers",
            f"--result-file={copies.ROOM}/{DUMP}",
            database(store),
        ],
    )


KIND: Final = StoreKind("MYSQL", members, secrets, variables, plans, grants=grants)
