"""PostgreSQL in the cluster: the alternative to machines of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from derive import images, labels, secrets
from derive.connections import Links
from derive.databases import MONITORING
from derive.stores import common
from derive.workloads import requirements
from manifests import apps, core, pods
from manifests.base import Manifest
from model import InCluster, PostgreSQL

USER: Final = 70
"""The uid of ``postgres`` in the official image's Alpine variant."""
CLAIM: Final = "postgres-storage"
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


def data_mount(version: int) -> str:
    """Where the image expects its volume: from 18 on one level higher, with a directory per version below."""
    return "/var/lib/postgresql" if version >= 18 else "/var/lib/postgresql/data"


def postgres(
    store: PostgreSQL, links: Links, annotations: Mapping[str, str], storage_class: str | None
) -> common.StorePlan:
    """ServiceAccount, ConfigMap, Service and StatefulSet. ``storage_class`` absent: the cluster's default."""
    name, namespace = store.name, links.workload.namespace
    placement = store.placement if isinstance(store.placement, InCluster) else InCluster()
    template = pods.pod_template(
        labels.pod(name, links.workload.tier, links.metrics),
        annotations,
        account=name,
        user=USER,
        containers=[_server(store), _exporter(store, links)],
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
            [apps.volume_claim(CLAIM, placement.size, placement.storage_class or storage_class)],
            labels.workload(name, links.workload.tier),
        ),
    )
    return common.StorePlan(objects, 1, (store.resources, common.EXPORTER_RESOURCES), 1)


def _server(store: PostgreSQL) -> Manifest:
    credentials = secrets.credentials_name(store.name)
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
            pods.secret_value("MONITORING_PASSWORD", credentials, secrets.EXPORTER_PASSWORD),
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


def _exporter(store: PostgreSQL, links: Links) -> Manifest:
    credentials = secrets.credentials_name(store.name)
    return common.exporter(
        images.POSTGRES_EXPORTER,
        links.metrics or 0,
        [
            pods.value("DATA_SOURCE_URI", f"localhost:{store.port}/{store.name}?sslmode=disable"),
            pods.value("DATA_SOURCE_USER", MONITORING),
            pods.secret_value("DATA_SOURCE_PASS", credentials, secrets.EXPORTER_PASSWORD),
        ],
        args=[f"--web.listen-address=:{links.metrics}"],
    )
