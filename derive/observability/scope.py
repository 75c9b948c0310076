"""What of a deployment is observed: the input of rules and dashboards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from derive import choices, naming, versions
from derive.addons import discovery, log_archive, postgres_exporter
from derive.addons.chart import housed
from derive.shapes import Deployment
from derive.stores import copies, kafka
from derive.stores.postgres_backup import oldest_backup
from derive.stores.postgres_members import services
from model import Alert, Alloy, Cilium, Istio, Kafka, Loki, MySQL, PostgreSQL, RabbitMQ, Redis, Traefik, Vault, Velero
from model.schedules import gaps
from model.stores import copies_of


@dataclass(frozen=True)
class Scope:
    """Names as Prometheus knows them."""

    system: str
    environment: str
    home: str
    spaces: tuple[str, ...]
    """Namespaces of the services."""
    deployments: tuple[str, ...]
    """Services that always run."""
    rollouts: tuple[str, ...]
    """Those of them that are released in stages."""
    autoscaled: bool
    """Whether any service is autoscaled."""
    timeouts: dict[str, timedelta]
    """The time that callers of a service wait for it, where it is declared and says how fast it should be."""
    polled: tuple[str, ...]
    """Services whose answers wait for an event."""
    databases: tuple[str, ...]
    """Label ``service`` of each database's exporter."""
    standby: bool
    """Whether any database has a standby or replicas."""
    database_volume: int | None
    """GiB of the volume of each database on a machine. Absent: none is on a machine."""
    caches: tuple[str, ...]
    """Label ``service`` of each Redis."""
    append_only: tuple[str, ...]
    replicas: dict[str, int]
    """Of each Redis that has several members."""
    mysql: dict[str, int]
    """Connections that each MySQL accepts."""
    brokers: dict[str, int]
    """Members of each RabbitMQ."""
    streams: dict[str, int]
    """Brokers by the exporter of each Kafka."""
    copies: dict[str, timedelta]
    """Jobs that copy stores into buckets, and the longest time between two runs."""
    platform: tuple[str, ...]
    """Namespaces of metrics and logs."""
    logs: Literal["opensearch", "loki", "none"]
    """Where the containers' logs go."""
    archives: dict[str, timedelta]
    """Age that the last backup of a database in the cluster may reach, by its archive's name."""
    backups: bool
    """Whether Velero backs the cluster up."""
    ingress: bool
    """Whether Traefik counts what comes in."""
    fixed: bool
    """Whether nobody adds nodes: the servers work, too."""
    sealed: str | None
    """Namespace of a Vault that only people can unseal. Absent: there is none."""
    jvm: tuple[str, ...]
    """Services of the Java virtual machine that are measured."""
    jobs: dict[str, tuple[str, timedelta]]
    """Scheduled services: namespace, and the longest time between two runs."""
    mesh: bool
    egress: bool
    """Whether calls leave by the egress gateway."""
    network: bool
    """Whether Cilium counts what policies drop."""
    guarded: tuple[str, ...]
    """Services behind a firewall."""
    tokens: tuple[str, ...]
    """Services that ask for tokens."""
    runbooks: str | None
    """The page on what to do about declared alerts. Absent: there is none."""
    alerts: tuple[Alert, ...]
    """What the declaration adds."""


def scope(deployment: Deployment) -> Scope:
    system = deployment.system
    outside = {target.name: target.release for target in postgres_exporter.targets(deployment)}
    brokers = [store for store in system.stores if isinstance(store, RabbitMQ)]
    redis = [store for store in system.stores if isinstance(store, Redis)]
    running = [service for service in system.services if service.schedule is None]
    waits = {policy.to: policy.timeout for policy in system.policies if policy.timeout}
    waits |= {route.to: route.timeout for route in system.routes if route.timeout}
    polled = tuple(service.name for service in running if service.long_poll)
    inside = [store for store in system.stores if isinstance(store, PostgreSQL) and store.name not in outside]
    machines = deployment.environment.databases if outside else None
    home = system.platform.observability.namespace
    logs: Literal["opensearch", "loki", "none"] = "none"
    if choices.choice(deployment, Alloy):
        logs = "loki"
    elif choices.opensearch(deployment):
        logs = "opensearch"
    return Scope(
        system=system.name,
        environment=deployment.name,
        home=system.home,
        spaces=tuple(dict.fromkeys(naming.service_namespace(system, service) for service in system.services)),
        deployments=tuple(service.name for service in running if service.release.kind == "rolling"),
        rollouts=tuple(service.name for service in running if service.release.kind != "rolling"),
        autoscaled=deployment.environment.autoscale and any(service.scale for service in running),
        timeouts={name: time for name, time in waits.items() if name not in polled},
        polled=polled,
        databases=tuple(
            name
            for store in system.stores
            if isinstance(store, PostgreSQL)
            for name in ((outside[store.name],) if store.name in outside else services(store))
        ),
        standby=(machines is not None and machines.standby) or any(len(services(store)) > 1 for store in inside),
        database_volume=machines.volume.size if machines else None,
        caches=tuple(store.name for store in redis),
        append_only=tuple(store.name for store in redis if store.append_only),
        replicas={store.name: store.members - 1 for store in redis if store.members > 1},
        mysql={store.name: store.max_connections for store in system.stores if isinstance(store, MySQL)},
        brokers={store.name: store.members for store in brokers},
        streams={kafka.exporter_name(store): store.brokers for store in system.stores if isinstance(store, Kafka)},
        copies=_copies(deployment),
        platform=(home, *(("logging",) if logs == "opensearch" else ())),
        logs=logs,
        archives={store.name: limit for store in inside if (limit := oldest_backup(store))},
        backups=choices.choice(deployment, Velero) is not None,
        ingress=isinstance(system.platform.ingress, Traefik) and bool(discovery.scrapes(deployment)),
        fixed=not system.platform.pools,
        sealed=_sealed(deployment),
        jobs={
            service.name: (naming.service_namespace(system, service), gaps(service.schedule.cron)[1])
            for service in system.services
            if service.schedule
        },
        jvm=tuple(service.name for service in running if service.runtime == "jvm" and service.metrics),
        mesh=isinstance(system.platform.mesh, Istio),
        egress=any(external.through_gateway for external in system.externals),
        network=isinstance(system.platform.cni, Cilium),
        guarded=tuple(firewall.at for firewall in system.firewalls),
        tokens=tuple(tokens.at for tokens in system.tokens),
        runbooks=system.platform.observability.runbooks,
        alerts=system.alerts,
    )


def _copies(deployment: Deployment) -> dict[str, timedelta]:
    backups = {copies.name_of(store.name): copies_of(store) for store in deployment.system.stores}
    found = {name: backup.schedule for name, backup in backups.items() if backup}
    loki = choices.choice(deployment, Loki)
    if loki and loki.archive:
        found[log_archive.NAME] = loki.archive.schedule
    return {name: gaps(schedule)[1] for name, schedule in found.items()}


def _sealed(deployment: Deployment) -> str | None:
    vault = choices.choice(deployment, Vault)
    if vault is None or vault.auto_unseal:
        return None
    return housed(versions.VAULT, vault.namespace).namespace
