"""PostgreSQL: its users' side wherever it stands, and a server in the cluster, the alternative to machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from derive import images, labels, naming
from derive.cloud import Grant
from derive.graph import Exit, Links
from derive.shapes import CA_FILE, STACK_CA, SecretPlan
from derive.stores import common, pgbouncer, postgres_backup, postgres_members, postgres_server
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
from derive.stores.postgres_backup import USER
from derive.stores.postgres_members import CLAIM, METRICS, REPLICATION_PASSWORD, data_mount
from derive.stores.postgres_server import MONITORING
from derive.workloads import requirements
from manifests import apps, core, pods
from manifests.base import Manifest
from model import InCluster, PostgreSQL

CA_DIRECTORY: Final = "/etc/database"
FIRST_START: Final = "/docker-entrypoint-initdb.d"
"""What the image runs, as shell or SQL, on an empty volume only."""
ROLES: Final = f"""\
psql -X -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -v password="$MONITORING_PASSWORD" <<'SQL'
CREATE ROLE {MONITORING} LOGIN CONNECTION LIMIT 10 PASSWORD :'password';
GRANT pg_monitor TO {MONITORING};
REVOKE ALL ON DATABASE :"DBNAME", postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO {MONITORING};
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SQL
"""
"""The exporter sees statistics and no rows; the public has no rights."""


def members(store: PostgreSQL, place: Place) -> tuple[Member, ...]:
    """The server or servers, unless they stand elsewhere, what backs them up, and their pooler."""
    pooler = store.pooler
    found = () if place.host else _inside(store, place)
    if pooler is None:
        return found
    reaches = {} if place.host else {store.name: (store.port,)}
    exits = (Exit(store.name, "database", (place.host,), store.port, "TCP"),) if place.host else ()
    door = Member(
        pooler.name,
        (pooler.port,),
        front=True,
        metrics=pgbouncer.METRICS,
        reaches=reaches,
        exits=exits,
        admits={pooler.label: "true"} if pooler.label else {},
    )
    return (*found, door)


def _inside(store: PostgreSQL, place: Place) -> tuple[Member, ...]:
    server = Member(store.name, (store.port,), front=store.pooler is None, metrics=METRICS)
    placement = postgres_server.grown(store)
    if placement is None:
        return (server,)
    several = placement.members > 1
    server = replace(
        server,
        peers=(store.port,) if several else (),
        services=(postgres_server.headless(store), *((postgres_server.readers(store),) if several else ())),
        exits=(common.bucket_exit(place.region),) if placement.backup else (),
        granted=placement.backup is not None,
    )
    return (server, *(postgres_backup.members(store, place) if placement.backup else ()))


def trusted(store: PostgreSQL, place: Place) -> bool:
    """A server outside proves its name with the stack's own authority; a pooler checks that for its clients."""
    return place.host is not None and store.pooler is None


def owner_of(store: PostgreSQL, users: tuple[str, ...]) -> str:
    """The service that owns a database: the declared one, else the first that uses it, else the database itself."""
    return store.owner or (users[0] if users else store.name)


def role(owner: str) -> str:
    """The database role of an owner: a name without quotes in SQL."""
    return owner.replace("-", "_")


def owner_password(database: str) -> str:
    """Name of the generated password of the role that owns a database."""
    return f"{database}-owner"


def monitoring_password(database: str) -> str:
    """Name of the generated password of the role that an exporter logs in with."""
    return f"{database}-{MONITORING}"


def replication_password(database: str) -> str:
    """Name of the generated password of the role that replicas log in with."""
    return f"{database}-{postgres_server.REPLICATION}"


def secrets(store: PostgreSQL, place: Place) -> Iterable[SecretPlan]:
    """The owner's credentials; at home the exporter's and the replicas' too; for a pooler its list of users."""
    owner = role(owner_of(store, place.users))
    placement = None if place.host else postgres_server.grown(store)
    for space, at_home in credentials_spaces(place):
        yield SecretPlan(
            name=credentials_name(store.name),
            namespace=space,
            literals={"username": owner},
            passwords={"password": owner_password(store.name)}
            | ({CA_FILE: STACK_CA} if place.host else {})
            | ({EXPORTER_PASSWORD: monitoring_password(store.name)} if at_home else {})
            | ({REPLICATION_PASSWORD: replication_password(store.name)} if at_home and placement else {}),
        )
    if store.pooler:
        yield pgbouncer.users(store.pooler, place, owner, owner_password(store.name))
    if placement and placement.backup:
        yield from postgres_backup.secrets(store, place)


def ca_path(store: str) -> str:
    """Where a pod finds the authority of a database outside the cluster."""
    return f"{CA_DIRECTORY}/{store}/{CA_FILE}"


def variables(store: PostgreSQL, place: Place, service: str, prefix: str) -> Iterable[Manifest]:
    """In the cluster the sidecars encrypt; outside, the server proves its name with the stack's own authority."""
    pooler = store.pooler
    inside = naming.fqdn(pooler.name if pooler else store.name, place.namespace)
    yield pods.value(f"{prefix}_HOST", inside if pooler else place.host or inside)
    yield pods.value(f"{prefix}_PORT", str(pooler.port if pooler else store.port))
    yield pods.value(f"{prefix}_NAME", store.name)
    placement = None if place.host else postgres_server.grown(store)
    if placement and placement.members > 1:
        readers = inside if pooler else naming.fqdn(postgres_server.readers(store), place.namespace)
        yield pods.value(f"{prefix}_READ_HOST", readers)
        yield pods.value(f"{prefix}_READ_NAME", pgbouncer.read_only(store.name) if pooler else store.name)
    yield pods.secret_value(f"{prefix}_USER", credentials_name(store.name), "username")
    yield pods.secret_value(f"{prefix}_PASSWORD", credentials_name(store.name), "password")
    yield pods.value(f"{prefix}_SSLMODE", "verify-full" if trusted(store, place) else "disable")
    if trusted(store, place):
        yield pods.value(f"{prefix}_SSLROOTCERT", ca_path(store.name))


def grants(store: PostgreSQL, place: Place) -> tuple[Grant, ...]:
    """What backups need of their bucket."""
    placement = None if place.host else postgres_server.grown(store)
    return postgres_backup.grants(store, place, placement.backup) if placement and placement.backup else ()


def plans(store: PostgreSQL, place: Place, links: Mapping[str, Links], site: Site) -> dict[str, StorePlan]:
    """The server or servers, unless they stand elsewhere, what backs them up, and their pooler."""
    placement = None if place.host else postgres_server.grown(store)
    found: dict[str, StorePlan] = {}
    if placement:
        found |= postgres_members.plans(store, placement, place, role(owner_of(store, place.users)), links, site)
    elif not place.host:
        found[store.name] = _server_plan(store, links[store.name], site)
    if store.pooler:
        inside = naming.fqdn(store.name, place.namespace)
        server = pgbouncer.Server(place.host or inside, store.port, verified=place.host is not None)
        several = placement is not None and placement.members > 1
        readers = naming.fqdn(postgres_server.readers(store), place.namespace) if several else None
        own = links[store.pooler.name]
        found[store.pooler.name] = pgbouncer.plan(store, store.pooler, own, server, site.annotations(own), readers)
    return found


def _server_plan(store: PostgreSQL, links: Links, site: Site) -> StorePlan:
    """ServiceAccount, ConfigMap, Service and StatefulSet."""
    name, namespace = store.name, links.workload.namespace
    placement = store.placement if isinstance(store.placement, InCluster) else InCluster()
    template = pods.pod_template(
        labels.pod(name, links.workload.tier, links.metrics),
        site.annotations(links),
        account=name,
        user=USER,
        containers=[_server(store), _exporter(store)],
        volumes=[
            pods.config_volume("first-start", f"{name}-first-start"),
            pods.empty_dir("run", "16Mi"),
            pods.scratch("64Mi"),
        ],
        grace=120,
    )
    objects = (
        core.service_account(name, namespace),
        core.config_map(f"{name}-first-start", namespace, {"roles.sh": ROLES}),
        common.service(links, "postgres", store.port, "tcp"),
        apps.stateful_set(
            name,
            namespace,
            name,
            links.workload.selector,
            template,
            1,
            [apps.volume_claim(CLAIM, placement.size, placement.storage_class or site.storage_class)],
            labels.workload(name, links.workload.tier),
        ),
    )
    return StorePlan(objects, 1, (store.resources, common.EXPORTER_RESOURCES), 1)


def _server(store: PostgreSQL) -> Manifest:
    credentials = credentials_name(store.name)
    mount = data_mount(store.version)
    ready = f'pg_isready -h 127.0.0.1 -p {store.port} -U "$POSTGRES_USER" -d "$POSTGRES_DB"'
    return pods.container(
        "postgres",
        images.postgres_image(store),
        requirements(store.resources),
        ports=[("postgres", store.port)],
        env=[
            pods.value("POSTGRES_DB", store.name),
            pods.secret_value("POSTGRES_USER", credentials, "username"),
            pods.secret_value("POSTGRES_PASSWORD", credentials, "password"),
            pods.secret_value("MONITORING_PASSWORD", credentials, EXPORTER_PASSWORD),
            pods.value("POSTGRES_INITDB_ARGS", "--auth-host=scram-sha-256 --data-checksums"),
            pods.value("PGDATA", f"{mount}/pgdata"),
            pods.value("PGPORT", str(store.port)),
        ],
        mounts=[
            pods.mount(CLAIM, mount),
            pods.mount("first-start", FIRST_START, read_only=True),
            pods.mount("run", "/var/run/postgresql"),
            pods.scratch_mount(),
        ],
        readinessProbe=pods.exec_probe(["sh", "-c", ready], period=10, timeout=5),
        livenessProbe=pods.exec_probe(["sh", "-c", ready], period=20, timeout=5, failures=6, delay=30),
    )


def _exporter(store: PostgreSQL) -> Manifest:
    credentials = credentials_name(store.name)
    return common.exporter(
        images.POSTGRES_EXPORTER,
        METRICS,
        [
            pods.value("DATA_SOURCE_URI", f"localhost:{store.port}/{store.name}?sslmode=disable"),
            pods.value("DATA_SOURCE_USER", MONITORING),
            pods.secret_value("DATA_SOURCE_PASS", credentials, EXPORTER_PASSWORD),
        ],
        args=[f"--web.listen-address=:{METRICS}"],
    )


KIND: Final = StoreKind("DB", members, secrets, variables, plans, trusted, grants)
