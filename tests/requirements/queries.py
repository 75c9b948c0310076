"""PromQL queries held to the series that there are: metrics, their labels, and the labels that a query leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import promql_parser as promql

Labels = frozenset[str]

SERVICE = frozenset({"job", "instance", "namespace", "service", "pod", "container", "endpoint"})
"""Labels that Prometheus adds to what a ServiceMonitor finds."""
POD = SERVICE - {"service"}
"""Likewise for a PodMonitor."""
FOUND = frozenset({"job", "instance", "namespace", "pod", "service"})
"""Likewise for pods that it finds by itself."""
STANDARD = """
    reporter source_workload source_workload_namespace source_principal source_app source_version source_cluster
    source_canonical_service source_canonical_revision destination_workload destination_workload_namespace
    destination_principal destination_app destination_version destination_cluster destination_service
    destination_service_name destination_service_namespace destination_canonical_service
    destination_canonical_revision request_protocol response_code response_flags grpc_response_status
    connection_security_policy"""
ISTIO = frozenset(STANDARD.split())
"""https://istio.io/latest/docs/reference/config/metrics/"""


def series(target: Labels, metrics: Mapping[str, str]) -> dict[str, Labels]:
    """Metric -> its labels, those of its target included."""
    return {name: target | frozenset(labels.split()) for name, labels in metrics.items()}


CATALOGUE: Mapping[str, Labels] = {
    "istio_requests_total": POD | ISTIO | {"app"},
    "istio_request_duration_milliseconds_bucket": POD | ISTIO | {"app", "le"},
    **series(
        POD | ISTIO | {"app"},
        {f"{name}_{part}": "" for name in ("istio_request_bytes", "istio_response_bytes") for part in ("sum", "count")},
    ),
    # Envoy (its documentation, "Cluster manager statistics"), where the mesh is told to export them
    **series(
        POD | {"cluster_name"},
        dict.fromkeys(
            (
                "envoy_cluster_upstream_cx_active",
                "envoy_cluster_upstream_rq_pending_active",
                "envoy_cluster_circuit_breakers_default_cx_open",
                "envoy_cluster_circuit_breakers_default_rq_pending_open",
                "envoy_cluster_outlier_detection_ejections_active",
            ),
            "",
        ),
    ),
    # the kubelet's cAdvisor
    **series(
        SERVICE,
        {
            "container_cpu_usage_seconds_total": "cpu id image name node",
            "container_memory_working_set_bytes": "id image name node",
            "container_network_receive_bytes_total": "interface id image name node",
            "container_network_transmit_bytes_total": "interface id image name node",
        },
    ),
    # redis_exporter
    **series(
        SERVICE,
        {
            "redis_up": "",
            "redis_memory_used_bytes": "",
            "redis_memory_max_bytes": "",
            "redis_connected_clients": "",
            "redis_rejected_connections_total": "",
            "redis_aof_last_write_status": "",
            "redis_commands_total": "cmd",
        },
    ),
    # postgres_exporter since 0.20; ``database`` is copied from its Service
    **series(
        SERVICE | {"database"},
        {
            "pg_up": "",
            "pg_settings_max_connections": "",
            "pg_stat_activity_count": "datname state usename application_name backend_type wait_event wait_event_type",
            "pg_database_size_bytes": "datname",
            "pg_stat_statements_seconds_total": "user datname queryid",
            "pg_stat_statements_calls_total": "user datname queryid",
            "pg_stat_archiver_failed_count": "",
            "pg_replication_slots_slot_is_active": "slot_name slot_type",
        },
    ),
    # kube-state-metrics, node_exporter, kubelet, Cilium, Fluent Bit
    **series(
        SERVICE,
        {
            "kube_deployment_status_replicas_available": "deployment",
            "kube_pod_container_status_restarts_total": "uid",
            "node_cpu_seconds_total": "cpu mode",
            "node_memory_MemAvailable_bytes": "",
            "node_memory_MemTotal_bytes": "",
            "kubelet_volume_stats_used_bytes": "persistentvolumeclaim node metrics_path",
            "kubelet_volume_stats_capacity_bytes": "persistentvolumeclaim node metrics_path",
            "fluentbit_output_retries_failed_total": "name",
        },
    ),
    **series(POD, {"cilium_drop_count_total": "reason direction"}),
    # further ones of kube-state-metrics, cAdvisor and node_exporter
    **series(
        SERVICE,
        {
            "node_filesystem_avail_bytes": "device fstype mountpoint",
            "node_filesystem_size_bytes": "device fstype mountpoint",
            "container_cpu_usage_seconds_total": "cpu id image name node",
            "container_memory_working_set_bytes": "id image name node",
            "kube_resourcequota": "resourcequota resource type",
            "kube_cronjob_status_last_successful_time": "cronjob",
            "kube_cronjob_created": "cronjob",
            "kube_horizontalpodautoscaler_status_current_replicas": "horizontalpodautoscaler",
            "kube_horizontalpodautoscaler_spec_max_replicas": "horizontalpodautoscaler",
        },
    ),
    **series(POD, {"loki_write_dropped_entries_total": "component_id component_path host reason tenant"}),
    # exporters beside stores, found by pod
    **series(
        FOUND,
        {
            "pg_stat_database_xact_commit": "datid datname",
            "pg_stat_database_xact_rollback": "datid datname",
            "pg_locks_count": "datname mode server",
            "pgbouncer_pools_client_waiting_connections": "database user",
            "kafka_brokers": "",
            "kafka_consumergroup_lag": "consumergroup topic partition",
            "kafka_topic_partition_current_offset": "topic partition",
            "up": "",
        },
    ),
    # Micrometer, on the Java virtual machine
    **series(
        FOUND,
        {
            "jvm_memory_used_bytes": "area id",
            "jvm_memory_max_bytes": "area id",
            "jvm_gc_pause_seconds_sum": "action cause gc",
            "jvm_threads_live_threads": "",
            "process_cpu_usage": "",
            "http_server_requests_seconds_count": "method status uri exception outcome",
        },
    ),
    # Traefik, whose own label of a service stands beside that of its pod
    **series(
        FOUND,
        {
            "traefik_service_requests_total": "code method protocol exported_service",
            "traefik_service_request_duration_seconds_bucket": "code method protocol exported_service le",
        },
    ),
    # Apollo Router
    **series(
        FOUND,
        {
            "http_server_request_duration_seconds_count": "http_request_method http_response_status_code",
            "http_server_request_duration_seconds_bucket": "http_request_method http_response_status_code le",
            "http_client_request_duration_seconds_bucket": "http_response_status_code subgraph_name le",
            "apollo_router_graphql_error_total": "code",
        },
    ),
    # the services themselves
    **series(
        SERVICE,
        {
            "http_requests_total": "method route status",
            "http_request_duration_seconds_bucket": "method route le",
            "rate_limit_hits_total": "route",
            "login_attempts_total": "result",
            "jwt_validations_total": "result",
            "cache_hits_total": "",
            "cache_misses_total": "",
            "programs_created_total": "",
            "program_assignments_total": "",
            "bookings_created_total": "",
            "bookings_cancelled_total": "",
            "metrics_recorded_total": "",
            "achievements_earned_total": "",
            "events_processed_total": "topic",
            "notifications_sent_total": "channel",
            "active_users": "role",
        },
    ),
}
"""Every metric that may be asked for, with its labels, as its exporter publishes it."""


class UnknownSeries(AssertionError):
    """A query that can find nothing."""


def demand(wanted: Iterable[str], known: Labels, place: object) -> None:
    if unknown := set(wanted) - known:
        raise UnknownSeries(f"{place}: no label {', '.join(sorted(unknown))}")


def left(expr: object) -> Labels | None:
    """The labels of an expression's result; nothing for a number. Raises :class:`UnknownSeries`."""
    match expr:
        case promql.NumberLiteral() | promql.StringLiteral():
            return None
        case promql.VectorSelector():
            known = CATALOGUE.get(expr.name or "")
            if known is None:
                raise UnknownSeries(f"no metric {expr.name}")
            demand((matcher.name for matcher in expr.matchers.matchers), known, expr)
            return known
        case promql.MatrixSelector():
            return left(expr.vector_selector)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return left(expr.expr)
        case promql.AggregateExpr():
            return aggregated(expr)
        case promql.Call():
            return called(expr)
        case promql.BinaryExpr():
            return joined(expr)
    raise AssertionError(f"not understood: {type(expr)}")


def aggregated(expr: promql.AggregateExpr) -> Labels:
    inner = left(expr.expr) or frozenset()
    if expr.modifier is None:
        return frozenset()
    demand(expr.modifier.labels, inner, expr)
    named = frozenset(expr.modifier.labels)
    return named if expr.modifier.type == promql.AggModifierType.By else inner - named


def called(expr: promql.Call) -> Labels | None:
    if expr.func.name == "time":
        return None
    inner = next((found for found in map(left, expr.args) if found is not None), frozenset[str]())
    texts = [item.val for item in expr.args if isinstance(item, promql.StringLiteral)]
    match expr.func.name:
        case "label_replace":
            demand([texts[2]], inner, expr)
            return inner | {texts[0]}
        case "label_join":
            demand(texts[2:], inner, expr)
            return inner | {texts[0]}
        case "histogram_quantile":
            demand(["le"], inner, expr)
            return inner - {"le"}
    return inner


def joined(expr: promql.BinaryExpr) -> Labels | None:
    """Two vectors meet only where all their labels agree, so their labels must be the same."""
    one, other = left(expr.lhs), left(expr.rhs)
    if one is None or other is None:
        return other if one is None else one
    assert expr.modifier is None or expr.modifier.matching is None, "on() and ignoring() are not understood"
    if one != other:
        raise UnknownSeries(f"{expr}: the sides differ in {', '.join(sorted(one ^ other))}")
    return one


def labels(query: str) -> Labels:
    """The labels of a query's result. Raises :class:`UnknownSeries` where the query can find nothing."""
    return left(promql.parse(query)) or frozenset()
