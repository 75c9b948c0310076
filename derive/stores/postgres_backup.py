"""Backups of a database in the cluster by pgBackRest: every WAL segment by the server, full and incremental by Jobs.

The Jobs reach the primary's files by pgBackRest's own protocol: mutual TLS, one port, no right to run commands in pods.
They alone may delete in the bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from derive import cloud, images, labels, naming
from derive.cloud import Allow, Grant
from derive.data import object_stores
from derive.mesh.graph import Links
from derive.services.discovery import metrics_port
from derive.services.workloads import requirements
from derive.shapes import CA_FILE, STACK_CA, SecretPlan
from derive.stores import common
from derive.stores.kind import Member, Place, Site, StorePlan
from derive.stores.postgres_server import PGBACKREST, SOCKETS, program
from manifests import apps, core, pods
from manifests.base import Manifest
from model import PostgresBackup, PostgreSQL, Resources
from model.schedules import gaps
from model.stores import backup_of

PORT: Final = 8432
"""Of pgBackRest's server (pgBackRest documentation, "tls-server-port")."""
METRICS: Final = 9854
"""Default port of pgbackrest_exporter."""
USER: Final = 70
"""The uid of ``postgres`` in the database's image: pgBackRest reads its files and is its peer on the socket."""
CONFIGURATION: Final = "/etc/pgbackrest-config"
"""Not /etc/pgbackrest, where the exporter's image has the exporter itself."""
FILE: Final = "pgbackrest.conf"
CERTIFICATE: Final = "/etc/pgbackrest-tls"
RESOURCES: Final = Resources(cpu="100m", memory="128Mi", cpu_limit="1", memory_limit="512Mi")
SMALL: Final = Resources(cpu="20m", memory="64Mi", cpu_limit="200m", memory_limit="256Mi")
KEY_MODE: Final = 0o440
"""pgBackRest refuses a key that others than its user and group may read; the volume's files are root's."""
_TLS_FILES: Final = ("tls.crt", "tls.key", CA_FILE)


def jobs_name(store: PostgreSQL) -> str:
    return f"{store.name}-backup"


def exporter_name(store: PostgreSQL) -> str:
    return f"{store.name}-backup-exporter"


def tls_name(name: str) -> str:
    """Name of the Secret with a certificate of pgBackRest's protocol, for the server or the Jobs."""
    return f"{name}-pgbackrest-tls"


def members(store: PostgreSQL, place: Place) -> tuple[Member, ...]:
    """The Jobs, and the exporter that reads the bucket."""
    ways = (object_stores.leaving(None, place.region),)
    return (
        Member(jobs_name(store), reaches={store.name: (PORT,)}, exits=ways, granted=True),
        Member(exporter_name(store), metrics=METRICS, exits=ways, granted=True),
    )


def grants(store: PostgreSQL, place: Place, backup: PostgresBackup) -> tuple[Grant, ...]:
    """The server adds and reads, the Jobs also delete, the exporter reads."""
    arn = cloud.bucket_arn(backup.bucket)
    below = f"{arn}/{store.name}/*"
    listing = Allow(("s3:ListBucket",), (arn,), {"StringLike": {"s3:prefix": f"{store.name}/*"}})
    reading = Allow(("s3:GetObject",), (below,))
    writing = Allow(("s3:GetObject", "s3:PutObject"), (below,))
    expiring = Allow(("s3:DeleteObject",), (below,))
    return (
        Grant(place.namespace, store.name, (listing, writing)),
        Grant(place.namespace, jobs_name(store), (listing, writing, expiring)),
        Grant(place.namespace, exporter_name(store), (listing, reading)),
    )


def secrets(store: PostgreSQL, place: Place) -> tuple[SecretPlan, ...]:
    """The two ends of pgBackRest's protocol know each other by certificates of the stack's own authority."""
    server = naming.fqdn(store.name, place.namespace)
    names = {store.name: (store.name, server), jobs_name(store): (jobs_name(store),)}
    return tuple(
        SecretPlan(tls_name(name), place.namespace, passwords={CA_FILE: STACK_CA}, certificate=found)
        for name, found in names.items()
    )


def oldest_backup(store: PostgreSQL) -> timedelta | None:
    """How old the last backup may be: as is promised, else twice the time between two. Absent: there is none."""
    backup = backup_of(store)
    if backup is None:
        return None
    return backup.recovery.rpo if backup.recovery else 2 * backup.longest_gap


def repository(store: PostgreSQL, backup: PostgresBackup, region: str) -> list[str]:
    """Where the backups are; whoever uses them asks the machine's metadata service for its role."""
    return [
        "[global]",
        "repo1-type=s3",
        f"repo1-path=/{store.name}",
        f"repo1-s3-bucket={cloud.bucket(backup.bucket)}",
        f"repo1-s3-region={region}",
        f"repo1-s3-endpoint=s3.{region}.amazonaws.com",
        "repo1-s3-key-type=auto",
        "repo1-bundle=y",
        "repo1-retention-full-type=time",
        f"repo1-retention-full={backup.keep.days}",
        "compress-type=zst",
        "log-level-console=info",
        "log-level-file=off",
        "lock-path=/tmp",
    ]


def server_configuration(store: PostgreSQL, backup: PostgresBackup, region: str) -> str:
    """For the archive command and the restore, in the database's own container."""
    trusted = f"repo1-storage-ca-file={PGBACKREST}/ca.crt"
    return _file([*repository(store, backup, region), trusted, f"[{store.name}]"])


def agent_configuration(store: PostgreSQL, data: str) -> str:
    """For the server of pgBackRest's protocol beside the database."""
    return _file(
        [
            "[global]",
            "log-level-console=info",
            "log-level-file=off",
            "lock-path=/tmp",
            "tls-server-address=*",
            f"tls-server-port={PORT}",
            f"tls-server-auth={jobs_name(store)}={store.name}",
            f"tls-server-ca-file={CERTIFICATE}/{CA_FILE}",
            f"tls-server-cert-file={CERTIFICATE}/tls.crt",
            f"tls-server-key-file={CERTIFICATE}/tls.key",
            f"[{store.name}]",
            *_cluster(store, data),
        ]
    )


def jobs_configuration(store: PostgreSQL, backup: PostgresBackup, region: str, host: str, data: str) -> str:
    """For the Jobs. ``host``: the primary's Service."""
    return _file(
        [
            *repository(store, backup, region),
            "start-fast=y",
            "process-max=2",
            f"[{store.name}]",
            f"pg1-host={host}",
            "pg1-host-type=tls",
            f"pg1-host-port={PORT}",
            f"pg1-host-ca-file={CERTIFICATE}/{CA_FILE}",
            f"pg1-host-cert-file={CERTIFICATE}/tls.crt",
            f"pg1-host-key-file={CERTIFICATE}/tls.key",
            *_cluster(store, data),
        ]
    )


def exporter_configuration(store: PostgreSQL, backup: PostgresBackup, region: str) -> str:
    return _file([*repository(store, backup, region), f"[{store.name}]"])


def _cluster(store: PostgreSQL, data: str) -> list[str]:
    return [f"pg1-path={data}", f"pg1-port={store.port}", f"pg1-socket-path={SOCKETS}", "pg1-user=postgres"]


def _file(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def environment() -> list[Manifest]:
    return [pods.value("PGBACKREST_CONFIG", f"{CONFIGURATION}/{FILE}")]


def tool() -> Manifest:
    """Brings the program to the database's container."""
    return pods.container(
        "bring-pgbackrest",
        images.PGBACKREST,
        requirements(SMALL),
        env=[pods.value("TARGET", PGBACKREST)],
        mounts=[pods.mount("pgbackrest", PGBACKREST)],
        command=["sh", "-c", program("bring-pgbackrest")],
    )


def agent(data: Manifest) -> Manifest:
    """pgBackRest's server beside the database. ``data``: the mount of its volume."""
    return pods.container(
        "pgbackrest",
        images.PGBACKREST,
        requirements(RESOURCES),
        ports=[("pgbackrest", PORT)],
        env=environment(),
        mounts=[
            {**data, "readOnly": True},
            pods.mount("run", SOCKETS),
            pods.mount("pgbackrest-agent", CONFIGURATION, read_only=True),
            pods.mount("pgbackrest-tls", CERTIFICATE, read_only=True),
            pods.scratch_mount(),
        ],
        command=["pgbackrest", "server"],
        livenessProbe={"tcpSocket": {"port": PORT}, "periodSeconds": 20, "failureThreshold": 6},
    )


def server_volumes(store: PostgreSQL) -> list[Manifest]:
    """What the database's pods need for the archive command and for pgBackRest's server."""
    return [
        pods.empty_dir("pgbackrest", "128Mi"),
        pods.config_volume("pgbackrest-server", f"{store.name}-pgbackrest"),
        pods.config_volume("pgbackrest-agent", f"{store.name}-pgbackrest-agent"),
        pods.secret_volume("pgbackrest-tls", tls_name(store.name), _TLS_FILES, KEY_MODE),
    ]


def server_mounts() -> list[Manifest]:
    return [
        pods.mount("pgbackrest", PGBACKREST, read_only=True),
        pods.mount("pgbackrest-server", CONFIGURATION, read_only=True),
    ]


def plans(
    store: PostgreSQL, backup: PostgresBackup, data: str, links: Mapping[str, Links], site: Site
) -> dict[str, StorePlan]:
    """The Jobs and the exporter. ``data``: the primary's data directory."""
    jobs, exporter = links[jobs_name(store)], links[exporter_name(store)]
    return {
        jobs.workload.name: _jobs(store, backup, data, jobs, site),
        exporter.workload.name: _exporter(store, backup, exporter, site),
    }


def _jobs(store: PostgreSQL, backup: PostgresBackup, data: str, links: Links, site: Site) -> StorePlan:
    name, namespace = links.workload.name, links.workload.namespace
    host = naming.fqdn(store.name, namespace)
    config = {FILE: jobs_configuration(store, backup, site.region, host, data)}
    shortest, _ = gaps(*backup.schedules)
    objects: list[Manifest] = [
        core.service_account(name, namespace),
        core.config_map(f"{name}-config", namespace, config),
    ]
    runs = [("full", "full", backup.full)]
    if backup.incremental:
        runs.append(("incremental", "incr", backup.incremental))
    for role, kind, schedule in runs:
        template = pods.pod_template(
            labels.pod(name, links.workload.tier, links.metrics),
            {**site.annotations(links), **common.configuration_hash(config)},
            account=name,
            user=USER,
            containers=[_job(store, kind)],
            volumes=[
                pods.config_volume("config", f"{name}-config"),
                pods.secret_volume("tls", tls_name(name), _TLS_FILES, KEY_MODE),
                pods.scratch("64Mi"),
            ],
            restart="Never",
        )
        objects.append(
            apps.cron_job(
                f"{name}-{role}",
                namespace,
                schedule,
                int(shortest / timedelta(seconds=1)),
                template,
                labels.workload(name, links.workload.tier),
            )
        )
    return StorePlan(tuple(objects), len(runs), (RESOURCES,), 0)


def _job(store: PostgreSQL, kind: str) -> Manifest:
    """``stanza-create`` does nothing where there is one. The first incremental backup of all is a full one."""
    run = f"pgbackrest --stanza={store.name}"
    return pods.container(
        "backup",
        images.PGBACKREST,
        requirements(RESOURCES),
        env=environment(),
        mounts=[
            pods.mount("config", CONFIGURATION, read_only=True),
            pods.mount("tls", CERTIFICATE, read_only=True),
            pods.scratch_mount(),
        ],
        command=["sh", "-c", f"{run} stanza-create && {run} --type={kind} backup"],
    )


def _exporter(store: PostgreSQL, backup: PostgresBackup, links: Links, site: Site) -> StorePlan:
    """It reads what the bucket holds, so it notices also what no Job reported."""
    name, namespace = links.workload.name, links.workload.namespace
    config = {FILE: exporter_configuration(store, backup, site.region)}
    container = pods.container(
        "exporter",
        images.PGBACKREST_EXPORTER,
        requirements(SMALL),
        ports=[("metrics", METRICS)],
        env=environment(),
        mounts=[pods.mount("config", CONFIGURATION, read_only=True), pods.scratch_mount()],
        command=["/etc/pgbackrest/pgbackrest_exporter"],
        args=[
            f"--web.listen-address=:{METRICS}",
            "--collect.interval=60",
            f"--backrest.config={CONFIGURATION}/{FILE}",
            f"--backrest.stanza-include={store.name}",
        ],
        readinessProbe=pods.tcp_probe(METRICS),
        livenessProbe=pods.tcp_probe(METRICS, failures=6),
    )
    template = pods.pod_template(
        labels.pod(name, links.workload.tier, links.metrics),
        {**site.annotations(links), **common.configuration_hash(config)},
        account=name,
        user=USER,
        containers=[container],
        volumes=[pods.config_volume("config", f"{name}-config"), pods.scratch("64Mi")],
    )
    objects = (
        core.service_account(name, namespace),
        core.config_map(f"{name}-config", namespace, config),
        core.service(
            name,
            namespace,
            links.workload.selector,
            [metrics_port(METRICS)],
            labels.service(name, links.workload.tier, METRICS),
        ),
        apps.deployment(
            name,
            namespace,
            links.workload.selector,
            template,
            1,
            max_surge=1,
            max_unavailable=0,
            deadline=300,
            labels=labels.workload(name, links.workload.tier),
        ),
    )
    return StorePlan(objects, 1, (SMALL,), 0)
