"""PostgreSQL in the cluster with replicas or an archive: a StatefulSet for each member, Services by their part.

A Service's selector knows equality only, and the pods of one StatefulSet have the same labels but for their own name.
So each member is a StatefulSet of one pod whose template says its part; which member is the primary is declared, and a
promotion is a change of the declaration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from derive import images, labels, naming
from derive.data.database_state import DatabaseState
from derive.mesh.graph import Links
from derive.services.discovery import metrics_port
from derive.services.workloads import requirements
from derive.stores import common, postgres_backup, postgres_server
from derive.stores.kind import EXPORTER_PASSWORD, Place, Site, StorePlan, credentials_name
from derive.stores.postgres_backup import USER
from derive.stores.postgres_server import CONFIGURATION, PGBACKREST, SOCKETS, Member
from manifests import apps, core, pods, scaling
from manifests.base import Manifest
from model import InCluster, PostgreSQL, Resources

METRICS: Final = 9187
"""Default port of postgres_exporter (Prometheus' list of port allocations)."""
CLAIM: Final = "postgres-storage"
PART: Final = "role"
"""Pod label: ``primary`` or ``replica``."""
REPLICATION_PASSWORD: Final = "replication-password"
"""Key of the store's Secret."""
SHARED_MEMORY: Final = "shm"
"""For queries on several cores; the runtime gives 64 MB, too little for large joins."""
INITDB: Final = "--auth-local=peer --auth-host=scram-sha-256 --data-checksums --encoding=UTF8"


def data_mount(version: int) -> str:
    """Where the image expects its volume: from 18 on one level higher, with a directory per version below."""
    return "/var/lib/postgresql" if version >= 18 else "/var/lib/postgresql/data"


@dataclass(frozen=True)
class _Cluster:
    """One database's members, and what all of them share."""

    store: PostgreSQL
    placement: InCluster
    place: Place
    links: Links
    site: Site
    owner: str
    state: DatabaseState
    servers: tuple[Member, ...]

    @property
    def data(self) -> str:
        return postgres_server.data_directory(data_mount(self.store.version), self.state)

    @property
    def host(self) -> str:
        return naming.fqdn(self.store.name, self.place.namespace)


def services(store: PostgreSQL) -> tuple[str, ...]:
    """Names of the Services that its exporters are scraped by."""
    placement = postgres_server.grown(store)
    several = placement is not None and placement.members > 1
    return (store.name, postgres_server.readers(store)) if several else (store.name,)


def plans(
    store: PostgreSQL,
    placement: InCluster,
    place: Place,
    owner: str,
    links: Mapping[str, Links],
    site: Site,
) -> dict[str, StorePlan]:
    """The members, and their backups. Raises DeclarationError for a state that cannot be."""
    state = site.states.get(store.name, DatabaseState())
    servers = postgres_server.servers(store, placement, state)
    cluster = _Cluster(store, placement, place, links[store.name], site, owner, state, servers)
    found = {store.name: _servers(cluster)}
    if placement.backup:
        found |= postgres_backup.plans(store, placement.backup, cluster.data, links, site)
    return found


def _servers(cluster: _Cluster) -> StorePlan:
    store, namespace, own = cluster.store, cluster.place.namespace, cluster.links.workload
    configurations = _configurations(cluster)
    checksum = common.configuration_hash({key: text for data in configurations.values() for key, text in data.items()})
    objects = [
        core.service_account(store.name, namespace),
        *(core.config_map(name, namespace, data) for name, data in configurations.items()),
        *_services(cluster),
        *(_stateful_set(cluster, member, checksum) for member in cluster.servers),
    ]
    several = len(cluster.servers) > 1
    if several:
        objects.append(scaling.pod_disruption_budget(store.name, namespace, own.selector))
    beside = (postgres_backup.RESOURCES,) if cluster.placement.backup else ()
    asked = (store.resources, EXPORTER_RESOURCES, *beside)
    return StorePlan(tuple(objects), len(cluster.servers), asked, len(cluster.servers))


def _configurations(cluster: _Cluster) -> dict[str, dict[str, str]]:
    """ConfigMaps by name."""
    store, backup, several = cluster.store, cluster.placement.backup, len(cluster.servers) > 1
    found = {
        f"{store.name}-config": {
            "postgresql.conf": postgres_server.settings(store, cluster.placement, cluster.host),
            "pg_hba.conf": postgres_server.authentication(store, cluster.owner, several),
        },
        f"{store.name}-init": {
            "prepare-postgres": postgres_server.program("prepare-postgres"),
            "roles.sql": postgres_server.roles(store, cluster.owner, cluster.servers[1:]),
        },
    }
    if backup:
        region = cluster.site.region
        server = postgres_backup.server_configuration(store, backup, region)
        agent = postgres_backup.agent_configuration(store, cluster.data)
        found[f"{store.name}-pgbackrest"] = {postgres_backup.FILE: server}
        found[f"{store.name}-pgbackrest-agent"] = {postgres_backup.FILE: agent}
    return found


def _services(cluster: _Cluster) -> list[Manifest]:
    """On the primary, on the replicas, and one that names each pod."""
    store, namespace, own = cluster.store, cluster.place.namespace, cluster.links.workload
    postgres = core.service_port("postgres", store.port, "tcp")
    metrics = metrics_port(METRICS)
    archive = [core.service_port("pgbackrest", postgres_backup.PORT, "tcp")] if cluster.placement.backup else []
    watched = labels.service(store.name, own.tier, METRICS)

    def service(name: str, part: str, ports: list[Manifest]) -> Manifest:
        return core.service(name, namespace, {**own.selector, PART: part}, ports, watched)

    found = [
        service(store.name, "primary", [postgres, metrics, *archive]),
        core.service(
            postgres_server.headless(store),
            namespace,
            own.selector,
            [postgres, *archive],
            labels.workload(store.name, own.tier),
            headless=True,
        ),
    ]
    if len(cluster.servers) > 1:
        found.append(service(postgres_server.readers(store), "replica", [postgres, metrics]))
    return found


def _stateful_set(cluster: _Cluster, member: Member, checksum: Mapping[str, str]) -> Manifest:
    store, namespace, own = cluster.store, cluster.place.namespace, cluster.links.workload
    several, backup = len(cluster.servers) > 1, cluster.placement.backup
    selector = {**own.selector, "member": member.name}
    part = {PART: "primary" if member.primary else "replica"}
    data = pods.mount(CLAIM, data_mount(store.version))
    template = pods.pod_template(
        {**labels.pod(store.name, own.tier, METRICS), **selector, **part},
        {**cluster.site.annotations(cluster.links), **checksum},
        account=store.name,
        user=USER,
        containers=[
            _server(cluster, member, data),
            exporter(store),
            *([postgres_backup.agent(data)] if backup else []),
        ],
        volumes=[
            pods.config_volume("config", f"{store.name}-config"),
            pods.config_volume("init", f"{store.name}-init"),
            pods.empty_dir("run", "16Mi"),
            pods.empty_dir(SHARED_MEMORY, "256Mi", in_memory=True),
            pods.scratch("256Mi"),
            *(postgres_backup.server_volumes(store) if backup else []),
        ],
        spread_by=own.selector if several else None,
        grace=120,
        init=[*([postgres_backup.tool()] if backup else []), _prepare(cluster, member, data)],
    )
    storage_class = cluster.placement.storage_class or cluster.site.storage_class
    claim = apps.volume_claim(CLAIM, cluster.placement.size, storage_class)
    return apps.stateful_set(
        member.name,
        namespace,
        postgres_server.headless(store),
        selector,
        template,
        1,
        [claim],
        {**labels.workload(store.name, own.tier), **part},
    )


def _environment(cluster: _Cluster) -> list[Manifest]:
    """Of the server and of its preparation."""
    credentials = credentials_name(cluster.store.name)
    found = [
        pods.value("PGDATA", cluster.data),
        pods.value("PGPORT", str(cluster.store.port)),
        pods.value("PGHOST", SOCKETS),
        pods.secret_value("PGPASSWORD", credentials, REPLICATION_PASSWORD),
    ]
    if cluster.placement.backup:
        found += [*postgres_backup.environment(), pods.value("PGBACKREST_PG1_PATH", cluster.data)]
    return found


def _mounts(cluster: _Cluster, data: Manifest) -> list[Manifest]:
    return [
        data,
        pods.mount("config", CONFIGURATION, read_only=True),
        pods.mount("run", SOCKETS),
        pods.mount(SHARED_MEMORY, f"/dev/{SHARED_MEMORY}"),
        pods.scratch_mount(),
        *(postgres_backup.server_mounts() if cluster.placement.backup else []),
    ]


def _prepare(cluster: _Cluster, member: Member, data: Manifest) -> Manifest:
    """Makes, copies, restores, promotes or rewinds the data, and applies the roles."""
    store, place, backup = cluster.store, cluster.place, cluster.placement.backup
    credentials = credentials_name(store.name)
    peers = [
        postgres_server.pod_host(store, other, place.namespace)
        for other in sorted(cluster.servers, key=lambda server: server.name)
        if other != member
    ]
    return pods.container(
        "prepare",
        images.postgres_image(store),
        requirements(store.resources),
        env=[
            *_environment(cluster),
            pods.value("ROLE", "primary" if member.primary else "replica"),
            pods.value("PRIMARY", cluster.host),
            pods.value("PEERS", " ".join(peers)),
            pods.value("REPLICATION", postgres_server.REPLICATION),
            pods.value("SLOT", member.slot),
            pods.value("CONFIG", f"{CONFIGURATION}/postgresql.conf"),
            pods.value("ROLES", f"{INIT}/roles.sql"),
            pods.value("STANZA", store.name if backup else ""),
            pods.value("RESTORE", postgres_server.target(cluster.state)),
            pods.value("PGBACKREST", f"{PGBACKREST}/pgbackrest"),
            pods.value("POSTGRES_INITDB_ARGS", INITDB),
            pods.secret_value("OWNER_PASSWORD", credentials, "password"),
            pods.secret_value("MONITORING_PASSWORD", credentials, EXPORTER_PASSWORD),
        ],
        mounts=[*_mounts(cluster, data), pods.mount("init", INIT, read_only=True)],
        command=["sh", f"{INIT}/prepare-postgres"],
    )


INIT: Final = "/docker-entrypoint-initdb.d"
"""The image's own place for what is run once; its entrypoint, which would run it, is not used."""


def _server(cluster: _Cluster, member: Member, data: Manifest) -> Manifest:
    """Until it is up it may replay WAL for half an hour; afterwards a failing probe restarts it within two minutes."""
    store = cluster.store
    ready = ["pg_isready", "-U", "postgres", "-d", store.database_name]
    options = {"config_file": f"{CONFIGURATION}/postgresql.conf", "cluster_name": member.name}
    if not member.primary:
        options["primary_slot_name"] = member.slot
    return pods.container(
        "postgres",
        images.postgres_image(store),
        requirements(store.resources),
        ports=[("postgres", store.port)],
        env=_environment(cluster),
        mounts=_mounts(cluster, data),
        command=["postgres", *(word for name, value in options.items() for word in ("-c", f"{name}={value}"))],
        startupProbe=pods.exec_probe(ready, period=5, timeout=5, failures=360),
        readinessProbe=pods.exec_probe(ready, period=10, timeout=5),
        livenessProbe=pods.exec_probe(ready, period=20, timeout=5, failures=6),
    )


EXPORTER_RESOURCES: Final = Resources(cpu="100m", memory="128Mi", cpu_limit="100m", memory_limit="128Mi")
"""It reads every statement's figures."""


def exporter(store: PostgreSQL) -> Manifest:
    """Beside each server."""
    credentials = credentials_name(store.name)
    return common.exporter(
        images.POSTGRES_EXPORTER,
        METRICS,
        [
            pods.value("DATA_SOURCE_URI", f"localhost:{store.port}/{store.database_name}?sslmode=disable"),
            pods.value("DATA_SOURCE_USER", postgres_server.MONITORING),
            pods.secret_value("DATA_SOURCE_PASS", credentials, EXPORTER_PASSWORD),
        ],
        args=[f"--web.listen-address=:{METRICS}", "--collector.stat_statements"],
        size=EXPORTER_RESOURCES,
    )
