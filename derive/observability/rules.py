"""Alert rules, derived from what a system declares to have: services, time limits, databases, Redis, logs.

Each says how bad it is, what happened, what it means, and what to do first. Thresholds are those of a system that
people use all day; a system that needs others changes them here, for all its environments alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from derive.observability import queries
from derive.observability.monitors import API
from derive.observability.queries import one_of
from derive.observability.scope import Scope
from manifests.base import Manifest, manifest

Severity = Literal["critical", "warning", "info"]
NAMED: Final = "{{ $labels.destination_service_name }}"
SERVICE: Final = "{{ $labels.service }}"
LONG_QUEUE: Final = 1000
"""Messages that wait for a quarter of an hour."""
SLOW: Final = 1000
"""Milliseconds: what a person notices as waiting (J. Nielsen, Usability Engineering, 1993, ch. 5)."""


def prometheus_rule(scope: Scope) -> Manifest:
    groups = [
        ("services", list(_services(scope))),
        ("traffic", list(_traffic(scope)) if scope.mesh else []),
        ("databases", list(_databases(scope)) if scope.databases else []),
        ("redis", list(_redis(scope)) if scope.caches else []),
        ("mysql", list(_mysql(scope)) if scope.mysql else []),
        ("brokers", list(_brokers(scope)) if scope.brokers else []),
        ("copies", list(_copies(scope)) if scope.copies else []),
        ("logs", list(_logs(scope))),
        ("backups", [*_archives(scope), *(_backups() if scope.backups else ())]),
    ]
    return manifest(
        API,
        "PrometheusRule",
        f"{scope.system}-alerts",
        scope.home,
        spec={"groups": [{"name": f"{scope.system}-{name}", "rules": rules} for name, rules in groups if rules]},
    )


def _alert(
    name: str,
    expression: str,
    lasting: str,
    severity: Severity,
    scope: Scope | None,
    summary: str,
    description: str,
    runbook: str,
) -> dict[str, Any]:
    owner = {"system": scope.system, "environment": scope.environment} if scope else {}
    return {
        "alert": name,
        "expr": expression,
        "for": lasting,
        "labels": {"severity": severity, **owner},
        "annotations": {"summary": summary, "description": description, "runbook": runbook},
    }


def _services(scope: Scope) -> Iterator[dict[str, Any]]:
    where = f"{one_of('namespace', scope.spaces)},{one_of('deployment', scope.deployments)}"
    yield _alert(
        "ServiceDown",
        f"kube_deployment_status_replicas_available{{{where}}} == 0",
        "5m",
        "critical",
        scope,
        "{{ $labels.deployment }} has no pod that is ready",
        "Nothing has answered for {{ $labels.deployment }} in {{ $labels.namespace }} for five minutes.",
        "kubectl -n {{ $labels.namespace }} describe deployment {{ $labels.deployment }}; look for failed pulls, "
        "refused quotas, failing probes. Roll back with the previous image tag in the stack's settings.",
    )
    yield _alert(
        "PodRestarts",
        f"{queries.restarts(scope.spaces)} > 3",
        "0m",
        "warning",
        scope,
        "{{ $labels.pod }} restarts again and again",
        "Container {{ $labels.container }} restarted {{ $value | humanize }} times within an hour.",
        "kubectl -n {{ $labels.namespace }} logs {{ $labels.pod }} -c {{ $labels.container }} --previous; "
        "exit code 137 is a memory limit that is too low.",
    )


def _traffic(scope: Scope) -> Iterator[dict[str, Any]]:
    spaces = scope.spaces
    errors = f"1 - ({queries.success_rate(spaces, window='5m')})"
    steps: tuple[tuple[str, float, str, Severity], ...] = (
        ("ErrorRateHigh", 0.05, "5m", "critical"),
        ("ErrorRateRaised", 0.01, "15m", "warning"),
    )
    for name, threshold, lasting, severity in steps:
        yield _alert(
            name,
            f"({errors}) > {threshold:g}",
            lasting,
            severity,
            scope,
            f"{NAMED} answers {{{{ $value | humanizePercentage }}}} of its requests with an error",
            f"More than {threshold:.0%} of the requests to {NAMED} have failed for {lasting}.",
            "Service Mesh Overview shows which callee fails first along the path; then the logs of that service "
            "and its recent releases.",
        )
    yield _alert(
        "LatencyHigh",
        f"{queries.latency(0.95, spaces, '5m')} > {SLOW}",
        "10m",
        "warning",
        scope,
        f"{NAMED} is slow",
        f"One in twenty requests to {NAMED} takes longer than {{{{ $value | humanize }}}} ms.",
        "Compare with its callees and its database on the dashboards; look for CPU throttling and for full "
        "connection pools.",
    )
    if scope.timeouts:
        yield _alert(
            "TimeoutNear",
            "\nor\n".join(_near_timeouts(scope)),
            "5m",
            "critical",
            scope,
            f"Callers of {NAMED} are about to give up",
            "One request in a hundred takes {{ $value | humanize }} ms, more than four fifths of the time that its "
            "callers wait.",
            "Shed load before retries multiply it: scale out, or open the circuit by a lower connection limit.",
        )
    yield _alert(
        "CallsRefused",
        f"{queries.refused(spaces)} > 1",
        "10m",
        "warning",
        scope,
        f"{NAMED} refuses {{{{ $labels.source_workload }}}}",
        "A caller that the declaration does not name keeps trying, or lost its identity.",
        "Declare the call if it is meant; otherwise find out who runs in {{ $labels.source_workload }}.",
    )


def _near_timeouts(scope: Scope) -> Iterator[str]:
    """One comparison per time limit, for the services that have it."""
    for limit in sorted(set(scope.timeouts.values())):
        names = sorted(name for name, timeout in scope.timeouts.items() if timeout == limit)
        where = f'reporter="source",{one_of("destination_service_name", names)}'
        rate = f"rate(istio_request_duration_milliseconds_bucket{{{where}}}[5m])"
        tail = f"histogram_quantile(0.99, sum by (destination_service_name, le) ({rate}))"
        yield f"{tail} > {int(limit.total_seconds() * 800)}"


def _databases(scope: Scope) -> Iterator[dict[str, Any]]:
    where = one_of("service", scope.databases)
    first = "Read the machine's console (runbook PostgreSQL, Watching)"
    yield _alert(
        "DatabaseDown",
        f"pg_up{{{where}}} == 0",
        "2m",
        "critical",
        scope,
        f"The database of {SERVICE} does not answer",
        "The exporter has not been able to log in for two minutes.",
        f"{first}. If the machine is lost, replace it; if the volume is lost, restore it.",
    )
    yield _alert(
        "DatabaseConnectionsHigh",
        f"{queries.connections_used(scope.databases)} > 0.8",
        "5m",
        "warning",
        scope,
        f"{SERVICE}: {{{{ $value | humanizePercentage }}}} of the connections are in use",
        "Clients will be refused when the rest is taken, too.",
        "Look for idle transactions in pg_stat_activity; lower the pool size of the services or add a pooler.",
    )
    yield _alert(
        "DatabaseQueriesSlow",
        f"{queries.query_duration(scope.databases)} > 0.5",
        "15m",
        "warning",
        scope,
        f"{SERVICE}: a statement takes {{{{ $value | humanizeDuration }}}} on average",
        "Statements have been slow for a quarter of an hour.",
        "Order pg_stat_statements by total_exec_time; look for missing indices, locks and exhausted CPU credits.",
    )
    yield _alert(
        "DatabaseArchivingFails",
        f"increase(pg_stat_archiver_failed_count{{{where}}}[15m]) > 0",
        "15m",
        "critical",
        scope,
        f"{SERVICE}: the write-ahead log is not archived",
        "There is no way back to any moment since, and the log fills the volume.",
        f"{first} for the archive command; check the bucket's policy and the S3 endpoint.",
    )
    if scope.database_volume:
        yield _alert(
            "DatabaseVolumeFilling",
            f"{queries.database_size(scope.databases)} > {int(scope.database_volume * 0.7 * 2**30)}",
            "15m",
            "warning",
            scope,
            f"{SERVICE}: the data has {{{{ $value | humanize1024 }}}}B",
            f"That is more than 70 % of its volume of {scope.database_volume} GiB.",
            "Raise the volume's size in the environment's table; gp3 volumes grow while in use.",
        )
    if scope.standby:
        yield _alert(
            "DatabaseStandbyLost",
            f"pg_replication_slot_slot_is_active{{{where}}} == 0",
            "10m",
            "critical",
            scope,
            f"{SERVICE}: the standby does not follow",
            "The loss of the primary's zone would now be a loss of data since the standby left.",
            f"{first} of the standby; give it a new volume, which it fills from the primary, if its slot is gone.",
        )


def _redis(scope: Scope) -> Iterator[dict[str, Any]]:
    where = one_of("service", scope.caches)
    yield _alert(
        "RedisDown",
        f"redis_up{{{where}}} == 0",
        "2m",
        "critical",
        scope,
        f"{SERVICE} does not answer",
        "Sessions, counters and events stand still.",
        "kubectl -n {{ $labels.namespace }} describe pod -l app={{ $labels.service }}; its data is on a volume.",
    )
    used = f"redis_memory_used_bytes{{{where}}} / (redis_memory_max_bytes{{{where}}} > 0)"
    yield _alert(
        "RedisMemoryHigh",
        f"{used} > 0.9",
        "5m",
        "warning",
        scope,
        f"{SERVICE} has used {{{{ $value | humanizePercentage }}}} of its memory",
        "It drops keys that have an expiry; when none are left, writes fail.",
        "Raise max_memory and the memory limit in the declaration, or shorten what is cached.",
    )
    yield _alert(
        "RedisConnectionsRefused",
        f"increase(redis_rejected_connections_total{{{where}}}[5m]) > 0",
        "0m",
        "warning",
        scope,
        f"{SERVICE} refuses connections",
        "The limit of clients is reached.",
        "Compare redis_connected_clients by service; one of them opens a connection per request.",
    )
    if scope.replicas:
        yield _alert(
            "RedisReplicaLost",
            "\nor\n".join(
                f'max by (service) (redis_connected_slaves{{service="{name}"}}) < {count}'
                for name, count in scope.replicas.items()
            ),
            "10m",
            "warning",
            scope,
            f"{SERVICE} has {{{{ $value }}}} replicas that follow",
            "With one more lost it takes no writes.",
            f"kubectl get pod -l app={SERVICE} --all-namespaces; ask a Sentinel whom it knows.",
        )
    if scope.append_only:
        yield _alert(
            "RedisPersistenceFails",
            f"redis_aof_last_write_status{{{one_of('service', scope.append_only)}}} == 0",
            "5m",
            "critical",
            scope,
            f"{SERVICE} cannot write its append-only file",
            "What is written now is lost with the pod.",
            "Look for a full volume: kubectl -n {{ $labels.namespace }} exec into the pod, df /data.",
        )


def _mysql(scope: Scope) -> Iterator[dict[str, Any]]:
    yield _alert(
        "MySQLDown",
        f"mysql_up{{{one_of('service', list(scope.mysql))}}} == 0",
        "2m",
        "critical",
        scope,
        f"{SERVICE} does not answer",
        "The exporter has not been able to log in for two minutes.",
        f"kubectl describe pod -l app={SERVICE} --all-namespaces; its data is on a volume.",
    )
    yield _alert(
        "MySQLConnectionsHigh",
        "\nor\n".join(
            f'mysql_global_status_threads_connected{{service="{name}"}} / {limit} > 0.8'
            for name, limit in scope.mysql.items()
        ),
        "5m",
        "warning",
        scope,
        f"{SERVICE}: {{{{ $value | humanizePercentage }}}} of the connections are in use",
        "Clients will be refused when the rest is taken, too.",
        "Lower the pool size of the services, or raise max_connections and the memory with it.",
    )


def _brokers(scope: Scope) -> Iterator[dict[str, Any]]:
    where = one_of("service", list(scope.brokers))
    yield _alert(
        "BrokerMemberLost",
        "\nor\n".join(f'sum by (service) (up{{service="{name}"}}) < {count}' for name, count in scope.brokers.items()),
        "5m",
        "critical",
        scope,
        f"{SERVICE} has {{{{ $value }}}} members",
        "A quorum queue stands still when most of its members are lost.",
        f"kubectl describe pod -l app={SERVICE} --all-namespaces; a member comes back with its volume.",
    )
    alarms = "rabbitmq_alarms_(memory_used_watermark|free_disk_space_watermark|file_descriptor_limit)"
    yield _alert(
        "BrokerBlocksPublishers",
        f'max by (service) ({{__name__=~"{alarms}",{where}}}) > 0',
        "1m",
        "critical",
        scope,
        f"{SERVICE} takes no messages",
        "Memory or volume have reached their limit: publishers wait.",
        "Look for the longest queue (BrokerQueueGrows) and its consumer; then raise memory_limit or size.",
    )
    yield _alert(
        "BrokerQueueGrows",
        f"max by (service, queue) (rabbitmq_queue_messages_ready{{{where}}}) > {LONG_QUEUE}",
        "15m",
        "warning",
        scope,
        f"{{{{ $labels.queue }}}} of {SERVICE} holds {{{{ $value }}}} messages",
        "Its consumer is slower than its publishers, or gone. The part before the colon is the consumer's name.",
        "Look at the consumer's errors and scale it out.",
    )


def _copies(scope: Scope) -> Iterator[dict[str, Any]]:
    yield _alert(
        "StoreBackupOverdue",
        "\nor\n".join(
            f"time() - (kube_cronjob_status_last_successful_time{{{one_of('cronjob', [name])}}} "
            f"or kube_cronjob_created{{{one_of('cronjob', [name])}}}) > {int(gap.total_seconds()) * 2}"
            for name, gap in scope.copies.items()
        ),
        "5m",
        "critical",
        scope,
        "{{ $labels.cronjob }} has not succeeded for {{ $value | humanizeDuration }}",
        "The newest copy in the bucket is older than two runs.",
        "kubectl -n {{ $labels.namespace }} logs -l app={{ $labels.cronjob }} --all-containers --tail 50",
    )


def _logs(scope: Scope) -> Iterator[dict[str, Any]]:
    if scope.logs == "loki":
        yield _alert(
            "LogsLost",
            "sum by (pod) (increase(loki_write_dropped_entries_total[15m])) > 0",
            "0m",
            "warning",
            None,
            "{{ $labels.pod }} gave up sending logs",
            "Entries of its node are missing in Loki.",
            f"kubectl -n kube-system logs {{{{ $labels.pod }}}}; check Loki's health in {scope.platform[0]}.",
        )
    if scope.logs != "opensearch":
        return
    yield _alert(
        "LogsLost",
        "sum by (pod) (increase(fluentbit_output_retries_failed_total[15m])) > 0",
        "0m",
        "warning",
        None,
        "{{ $labels.pod }} gave up sending logs",
        "Entries of its node are missing in OpenSearch.",
        "kubectl -n logging logs {{ $labels.pod }}; check the health and the free space of OpenSearch.",
    )


def _archives(scope: Scope) -> Iterator[dict[str, Any]]:
    """The exporter reads the bucket, so it also tells of a job that never ran. The time that a rule waits is the time
    that a backup takes."""
    if not scope.archives:
        return
    age = "pgbackrest_backup_since_last_completion_seconds"
    look = "kubectl get pods -A -l app={{ $labels.stanza }}-backup"
    late = (
        f'min by (stanza) ({age}{{stanza="{name}"}}) > {int(limit.total_seconds())}'
        for name, limit in sorted(scope.archives.items())
    )
    yield _alert(
        "DatabaseBackupOverdue",
        "\nor\n".join(late),
        "15m",
        "critical",
        scope,
        "The last backup of {{ $labels.stanza }} is {{ $value | humanizeDuration }} old",
        "That is older than the recovery point that is promised.",
        f"{look}; read the last one's log (runbook PostgreSQL in the cluster).",
    )
    yield _alert(
        "DatabaseBackupUnknown",
        "\nor\n".join(f'absent({age}{{stanza="{name}"}})' for name in sorted(scope.archives)),
        "30m",
        "critical",
        scope,
        "Nobody knows of a backup of {{ $labels.stanza }}",
        "There is none yet, or the exporter cannot read the bucket.",
        f"{look}; kubectl logs of {{{{ $labels.stanza }}}}-backup-exporter (runbook PostgreSQL in the cluster).",
    )


def _backups() -> Iterator[dict[str, Any]]:
    yield _alert(
        "ClusterBackupFailed",
        'velero_backup_last_status{schedule!=""} != 1',
        "15m",
        "critical",
        None,
        "The last backup of the cluster by {{ $labels.schedule }} failed",
        "Objects and volumes can be restored as they were before it only.",
        "velero backup get; velero backup describe NAME --details; check the bucket and the workers' rights to it.",
    )
