"""PostgreSQL in the cluster as one server: the image's own entrypoint makes it, and keeps it as it was made.

Without a pooler, the owner of the database is the server's superuser, as the image would have it. Behind one, which
logs in as the owner for everybody, the owner has no power beyond its database, and nobody logs in as the superuser but
from inside the pod.
"""

from __future__ import annotations

from typing import Final

from derive import images, labels
from derive.bootstrap.postgres_config import memory_settings
from derive.mesh.graph import Links
from derive.quantities import memory_bytes
from derive.services.workloads import requirements
from derive.stores import common
from derive.stores.kind import EXPORTER_PASSWORD, Site, StorePlan, credentials_name
from derive.stores.postgres_backup import USER
from derive.stores.postgres_members import CLAIM, EXPORTER_RESOURCES, SHARED_MEMORY, data_mount, exporter
from derive.stores.postgres_server import MONITORING, SOCKETS, headless
from manifests import apps, core, pods
from manifests.base import Manifest
from model import InCluster, PostgreSQL

FIRST_START: Final = "/docker-entrypoint-initdb.d"
"""What the image runs, as shell or SQL, on an empty volume only."""
SUPERUSER_PASSWORD: Final = "superuser-password"
"""Key of the store's Secret."""
_OWNER: Final = """\
psql -X -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -v owner="$OWNER_USER" <<'SQL'
\\set password `printf %s "$OWNER_PASSWORD"`
CREATE ROLE :"owner" LOGIN PASSWORD :'password';
ALTER DATABASE :"DBNAME" OWNER TO :"owner";
SQL
"""
ROLES: Final = f"""\
psql -X -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
\\set password `printf %s "$MONITORING_PASSWORD"`
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
CREATE ROLE {MONITORING} LOGIN CONNECTION LIMIT 10 PASSWORD :'password';
GRANT pg_monitor TO {MONITORING};
REVOKE ALL ON DATABASE :"DBNAME", postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO {MONITORING};
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO {MONITORING};
SQL
"""
"""The exporter sees statistics and no rows; the public has no rights."""
_MIB: Final = 2**20


def superuser_password(database: str) -> str:
    """Name of the generated password of a superuser that is nobody else."""
    return f"{database}-superuser"


def plan(store: PostgreSQL, links: Links, site: Site) -> StorePlan:
    """ServiceAccount, ConfigMap, Service and StatefulSet; behind a pooler also the Service that names the pod."""
    name, namespace = store.name, links.workload.namespace
    placement = store.placement if isinstance(store.placement, InCluster) else InCluster()
    template = pods.pod_template(
        labels.pod(name, links.workload.tier, links.metrics),
        site.annotations(links),
        account=name,
        user=USER,
        containers=[_server(store), exporter(store)],
        volumes=[
            pods.config_volume("first-start", f"{name}-first-start"),
            pods.empty_dir("run", "16Mi"),
            pods.empty_dir(SHARED_MEMORY, "256Mi", in_memory=True),
            pods.scratch("64Mi"),
        ],
        grace=120,
    )
    direct = [common.headless(links, [("postgres", store.port)])] if store.pooler else []
    objects = (
        core.service_account(name, namespace),
        core.config_map(f"{name}-first-start", namespace, {"roles.sh": (_OWNER if store.pooler else "") + ROLES}),
        common.service(links, "postgres", store.port, "tcp"),
        *direct,
        apps.stateful_set(
            name,
            namespace,
            headless(store) if direct else name,
            links.workload.selector,
            template,
            1,
            [apps.volume_claim(CLAIM, placement.size, placement.storage_class or site.storage_class)],
            labels.workload(name, links.workload.tier),
        ),
    )
    return StorePlan(objects, 1, (store.resources, EXPORTER_RESOURCES), 1)


def _roles(store: PostgreSQL) -> list[Manifest]:
    """Who the superuser is, and who owns the database."""
    credentials = credentials_name(store.name)
    password = pods.secret_value("POSTGRES_PASSWORD", credentials, SUPERUSER_PASSWORD if store.pooler else "password")
    if store.pooler is None:
        return [pods.secret_value("POSTGRES_USER", credentials, "username"), password]
    return [
        pods.value("POSTGRES_USER", "postgres"),
        password,
        pods.secret_value("OWNER_USER", credentials, "username"),
        pods.secret_value("OWNER_PASSWORD", credentials, "password"),
    ]


def _server(store: PostgreSQL) -> Manifest:
    mount = data_mount(store.version)
    ready = f'pg_isready -h 127.0.0.1 -p {store.port} -U "$POSTGRES_USER" -d "$POSTGRES_DB"'
    local = " --auth-local=peer" if store.pooler else ""
    settings = {
        **memory_settings(memory_bytes(store.resources.memory) // _MIB),
        "shared_preload_libraries": "pg_stat_statements",
    }
    return pods.container(
        "postgres",
        images.postgres_image(store),
        requirements(store.resources),
        ports=[("postgres", store.port)],
        env=[
            pods.value("POSTGRES_DB", store.database_name),
            *_roles(store),
            pods.secret_value("MONITORING_PASSWORD", credentials_name(store.name), EXPORTER_PASSWORD),
            pods.value("POSTGRES_HOST_AUTH_METHOD", "scram-sha-256"),
            pods.value("POSTGRES_INITDB_ARGS", f"--auth-host=scram-sha-256{local} --data-checksums"),
            pods.value("PGDATA", f"{mount}/pgdata"),
            pods.value("PGPORT", str(store.port)),
        ],
        mounts=[
            pods.mount(CLAIM, mount),
            pods.mount("first-start", FIRST_START, read_only=True),
            pods.mount("run", SOCKETS),
            pods.mount(SHARED_MEMORY, f"/dev/{SHARED_MEMORY}"),
            pods.scratch_mount(),
        ],
        args=["postgres", *(word for key, value in settings.items() for word in ("-c", f"{key}={value}"))],
        readinessProbe=pods.exec_probe(["sh", "-c", ready], period=10, timeout=5),
        livenessProbe=pods.exec_probe(["sh", "-c", ready], period=20, timeout=5, failures=6, delay=30),
    )
