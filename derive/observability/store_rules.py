"""Alert rules of stores: databases, caches, brokers, and their backups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from derive.observability import queries
from derive.observability.alert import alert
from derive.observability.queries import one_of
from derive.observability.scope import Scope

SERVICE: Final = "{{ $labels.service }}"
LONG_QUEUE: Final = 1000
"""Messages that wait for a quarter of an hour."""


def store_groups(scope: Scope) -> list[tuple[str, list[dict[str, Any]]]]:
    """Rules by group; those of stores that are not there are empty."""
    return [
        ("databases", list(_databases(scope)) if scope.databases else []),
        ("redis", list(_redis(scope)) if scope.caches else []),
        ("mysql", list(_mysql(scope)) if scope.mysql else []),
        ("brokers", list(_brokers(scope)) if scope.brokers else []),
        ("streams", list(_streams(scope)) if scope.streams else []),
        ("copies", list(_copies(scope)) if scope.copies else []),
    ]


def _databases(scope: Scope) -> Iterator[dict[str, Any]]:
    where = one_of("service", scope.databases)
    first, lost = "kubectl -n {{ $labels.namespace }} logs {{ $labels.pod }} --all-containers --tail 50", ""
    if scope.database_volume:
        first = "Read the machine's console (runbook PostgreSQL, Watching)"
        lost = "If the machine is lost, replace it. "
    yield alert(
        "DatabaseDown",
        f"pg_up{{{where}}} == 0",
        "2m",
        "critical",
        scope,
        f"The database of {SERVICE} does not answer",
        "The exporter has not been able to log in for two minutes.",
        f"{first}. {lost}If the volume is lost, restore it.",
    )
    yield alert(
        "DatabaseConnectionsHigh",
        f"{queries.connections_used(scope.databases)} > 0.8",
        "5m",
        "warning",
        scope,
        f"{SERVICE}: {{{{ $value | humanizePercentage }}}} of the connections are in use",
        "Clients will be refused when the rest is taken, too.",
        "Look for idle transactions in pg_stat_activity; lower the pool size of the services or add a pooler.",
    )
    yield alert(
        "DatabaseQueriesSlow",
        f"{queries.query_duration(scope.databases)} > 0.5",
        "15m",
        "warning",
        scope,
        f"{SERVICE}: a statement takes {{{{ $value | humanizeDuration }}}} on average",
        "Statements have been slow for a quarter of an hour.",
        "Order pg_stat_statements by total_exec_time; look for missing indices, locks and exhausted CPU credits.",
    )
    if scope.database_volume or scope.archives:
        yield alert(
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
        yield alert(
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
        yield alert(
            "DatabaseStandbyLost",
            f"pg_replication_slots_slot_is_active{{{where}}} == 0",
            "10m",
            "critical",
            scope,
            f"{SERVICE}: the standby does not follow",
            "The loss of the primary's zone would now be a loss of data since the standby left.",
            f"{first} of the standby; give it a new volume, which it fills from the primary, if its slot is gone.",
        )


def _redis(scope: Scope) -> Iterator[dict[str, Any]]:
    where = one_of("service", scope.caches)
    yield alert(
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
    yield alert(
        "RedisMemoryHigh",
        f"{used} > 0.9",
        "5m",
        "warning",
        scope,
        f"{SERVICE} has used {{{{ $value | humanizePercentage }}}} of its memory",
        "It drops keys that have an expiry; when none are left, writes fail.",
        "Raise max_memory and the memory limit in the declaration, or shorten what is cached.",
    )
    yield alert(
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
        yield alert(
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
        yield alert(
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
    yield alert(
        "MySQLDown",
        f"mysql_up{{{one_of('service', list(scope.mysql))}}} == 0",
        "2m",
        "critical",
        scope,
        f"{SERVICE} does not answer",
        "The exporter has not been able to log in for two minutes.",
        f"kubectl describe pod -l app={SERVICE} --all-namespaces; its data is on a volume.",
    )
    yield alert(
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
    yield alert(
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
    yield alert(
        "BrokerBlocksPublishers",
        f'max by (service) ({{__name__=~"{alarms}",{where}}}) > 0',
        "1m",
        "critical",
        scope,
        f"{SERVICE} takes no messages",
        "Memory or volume have reached their limit: publishers wait.",
        "Look for the longest queue (BrokerQueueGrows) and its consumer; then raise memory_limit or size.",
    )
    yield alert(
        "BrokerQueueGrows",
        f"max by (service, queue) (rabbitmq_queue_messages_ready{{{where}}}) > {LONG_QUEUE}",
        "15m",
        "warning",
        scope,
        f"{{{{ $labels.queue }}}} of {SERVICE} holds {{{{ $value }}}} messages",
        "Its consumer is slower than its publishers, or gone. The part before the colon is the consumer's name.",
        "Look at the consumer's errors and scale it out.",
    )


def _streams(scope: Scope) -> Iterator[dict[str, Any]]:
    yield alert(
        "KafkaBrokerLost",
        "\nor\n".join(
            f'max by (service) (kafka_brokers{{service="{name}"}} or 0 * up{{service="{name}"}}) < {count}'
            for name, count in scope.streams.items()
        ),
        "5m",
        "critical",
        scope,
        f"{SERVICE} sees {{{{ $value }}}} brokers",
        "Without most of the copies of a partition nothing is written to it.",
        "kubectl get pod --all-namespaces shows which; a broker comes back with its volume.",
    )
    where = one_of("service", list(scope.streams))
    yield alert(
        "KafkaConsumerLags",
        f"sum by (service, consumergroup, topic) (kafka_consumergroup_lag{{{where}}}) > {LONG_QUEUE}",
        "15m",
        "warning",
        scope,
        "{{ $labels.consumergroup }} is {{ $value }} messages behind on {{ $labels.topic }}",
        "It is slower than the publishers, or gone.",
        "Look at the consumer's errors; scale it out to at most the number of the topic's partitions.",
    )


def _copies(scope: Scope) -> Iterator[dict[str, Any]]:
    yield alert(
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


def archives(scope: Scope) -> Iterator[dict[str, Any]]:
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
    yield alert(
        "DatabaseBackupOverdue",
        "\nor\n".join(late),
        "15m",
        "critical",
        scope,
        "The last backup of {{ $labels.stanza }} is {{ $value | humanizeDuration }} old",
        "That is older than the recovery point that is promised.",
        f"{look}; read the last one's log (runbook PostgreSQL in the cluster).",
    )
    yield alert(
        "DatabaseBackupUnknown",
        "\nor\n".join(f'absent({age}{{stanza="{name}"}})' for name in sorted(scope.archives)),
        "30m",
        "critical",
        scope,
        "Nobody knows of a backup of {{ $labels.stanza }}",
        "There is none yet, or the exporter cannot read the bucket.",
        f"{look}; kubectl logs of {{{{ $labels.stanza }}}}-backup-exporter (runbook PostgreSQL in the cluster).",
    )
