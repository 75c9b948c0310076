"""What myHealth's people look at, and what they are told of. Row ids refer to its requirements."""

from __future__ import annotations

from typing import Final

from model import Alert, Dashboard, Panel, minutes

DATABASE: Final = "myhealth"
HTTP: Final = 'reporter="destination",destination_workload_namespace="myhealth"'


def _trend(title: str, table: str, column: str, period: str = "") -> Panel:
    """A column by day. ``period``: the mean of as many days before, in SQL's words."""
    value = f"avg({column}) OVER (ORDER BY date RANGE INTERVAL '{period}' PRECEDING)" if period else column
    words = ("SELECT date AS time,", value, f'AS "{title}"', "FROM", table, "WHERE $__timeFilter(date) ORDER BY date")
    return Panel(title=title, query=" ".join(words), source=DATABASE)


SCORES: Final = tuple(
    _trend(f"Sleep score, {days} days", "sleep_metrics", "score", f"{days} days") for days in (7, 30, 90)
)
OVERVIEW: Final = (
    *SCORES,
    _trend("Steps", "activity_metrics", "steps"),
    _trend("Calories", "activity_metrics", "calories"),
    _trend("Readiness", "readiness_metrics", "score"),
    _trend("HRV", "readiness_metrics", "hrv"),
)
SLEEP: Final = (
    _trend("Total sleep", "sleep_metrics", "duration_seconds"),
    _trend("Efficiency", "sleep_metrics", "efficiency"),
    _trend("Deep sleep", "sleep_metrics", "deep_sleep_seconds"),
    _trend("REM sleep", "sleep_metrics", "rem_sleep_seconds"),
    _trend("Light sleep", "sleep_metrics", "light_sleep_seconds"),
    _trend("Latency", "sleep_metrics", "latency_minutes"),
    _trend("Movement", "sleep_metrics", "movement"),
)
ACTIVITY: Final = (
    _trend("Daily steps", "activity_metrics", "steps"),
    _trend("Active calories", "activity_metrics", "calories"),
    _trend("Training frequency", "activity_metrics", "trainings", "7 days"),
    _trend("Training volume", "activity_metrics", "active_minutes", "7 days"),
    _trend("Recovery time", "activity_metrics", "recovery_minutes"),
)


def _latency(quantile: float) -> Panel:
    buckets = f"sum by (le, destination_workload) (rate(istio_request_duration_milliseconds_bucket{{{HTTP}}}[5m]))"
    return Panel(
        title=f"Latency, p{quantile * 100:g}",
        query=f"histogram_quantile({quantile}, {buckets})",
        legend="{{destination_workload}}",
        unit="ms",
    )


REQUESTS: Final = f"sum by (destination_workload) (rate(istio_requests_total{{{HTTP}}}[5m]))"
ERRORS: Final = f'sum by (destination_workload) (rate(istio_requests_total{{{HTTP},response_code=~"5.."}}[5m]))'
HEALTH: Final = (
    Panel(title="Request rate", query=REQUESTS, legend="{{destination_workload}}", unit="reqps"),
    *(_latency(quantile) for quantile in (0.5, 0.95, 0.99)),
    Panel(title="Error rate", query=f"{ERRORS} / {REQUESTS}", legend="{{destination_workload}}", unit="percentunit"),
    Panel(
        title="Pod status",
        query='sum by (phase) (kube_pod_status_phase{namespace="myhealth"})',
        legend="{{phase}}",
    ),
    Panel(
        title="Restarts",
        query='sum by (pod) (increase(kube_pod_container_status_restarts_total{namespace="myhealth"}[1h]))',
        legend="{{pod}}",
    ),
    Panel(
        title="Database query time",
        query="sum(rate(pg_stat_statements_seconds_total[5m])) / sum(rate(pg_stat_statements_calls_total[5m]))",
        unit="s",
    ),
    Panel(title="Database connections of a pool", query="sum by (pod) (db_pool_connections_in_use)", legend="{{pod}}"),
    Panel(
        title="Calls of the Oura API",
        query="sum by (result) (oura_api_calls)",
        legend="{{result}}",
    ),
    Panel(title="Oura API, calls left", query="min(oura_api_rate_limit_remaining)", shape="number"),
)
"""MH-OBS-10, MH-OBS-15."""
NODES: Final = (
    Panel(
        title="Node CPU",
        query='1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))',
        legend="{{instance}}",
        unit="percentunit",
    ),
    Panel(
        title="Node memory",
        query="1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
        legend="{{instance}}",
        unit="percentunit",
    ),
    Panel(
        title="Pod CPU",
        query='sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{container!=""}[5m]))',
        legend="{{namespace}}/{{pod}}",
    ),
    Panel(
        title="Pod memory",
        query='sum by (namespace, pod) (container_memory_working_set_bytes{container!=""})',
        legend="{{namespace}}/{{pod}}",
        unit="bytes",
    ),
    Panel(
        title="Network, received",
        query="sum by (namespace) (rate(container_network_receive_bytes_total[5m]))",
        legend="{{namespace}}",
        unit="bytes",
    ),
    Panel(
        title="Persistent volumes in use",
        query="kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes",
        legend="{{persistentvolumeclaim}}",
        unit="percentunit",
    ),
)
PAGES: Final = (
    Dashboard(title="Oura Overview", panels=OVERVIEW),
    Dashboard(title="Sleep Metrics", panels=SLEEP),
    Dashboard(title="Activity Metrics", panels=ACTIVITY),
    Dashboard(title="Service Health", panels=HEALTH),
    Dashboard(title="Kubernetes Cluster", panels=NODES),
)
"""MH-OBS-08, MH-OBS-09."""
TWO_PAGES: Final = (
    Dashboard(title="Oura Metrics", panels=OVERVIEW),
    Dashboard(title="Service Health", panels=HEALTH),
)
"""MH-OBS-11."""

_OWN: Final = 'reporter="destination",destination_workload_namespace="myhealth",destination_workload="api-service"'
_ALL: Final = f"sum(rate(istio_requests_total{{{_OWN}}}[5m]))"
_BUCKETS: Final = f"sum by (le) (rate(istio_request_duration_milliseconds_bucket{{{_OWN}}}[5m]))"
ALERTS: Final = (
    Alert(
        name="ApiErrorRateHigh",
        query=f'sum(rate(istio_requests_total{{{_OWN},response_code=~"5.."}}[5m])) / {_ALL} > 0.05',
        severity="critical",
        summary="More than 5 % of the API's answers are errors",
        meaning="{{ $value | humanizePercentage }} of its answers within 5 minutes had a status of 5xx.",
        first="Look at Service Health, then at the logs of api-service; undo the newest release if it began with it.",
    ),
    Alert(
        name="ApiSlow",
        query=f"histogram_quantile(0.95, {_BUCKETS}) > 1000",
        summary="The API takes more than a second for every twentieth request",
        meaning="The 95th percentile of its latency is {{ $value | humanize }} ms.",
        first="Compare its pods with their maximum, then the database's query time.",
    ),
    Alert(
        name="PodCrashLooping",
        query='max by (pod, container) (kube_pod_container_status_waiting_reason{namespace="myhealth",'
        'reason="CrashLoopBackOff"}) > 0',
        severity="critical",
        summary="{{ $labels.pod }} ends as soon as it has begun, again and again",
        meaning="Container {{ $labels.container }} waits longer and longer before its next start.",
        first="kubectl -n myhealth logs {{ $labels.pod }} -c {{ $labels.container }} --previous",
    ),
    Alert(
        name="DatabaseConnectionsFail",
        query='sum by (pod) (rate(db_connection_errors_total{namespace="myhealth"}[5m])) > 0 or pg_up == 0',
        severity="critical",
        summary="Connections to the database fail",
        meaning="{{ $labels.pod }} cannot connect, or the exporter cannot.",
        first="Look at the instance's events and connections in RDS; then at the newest rotation of its passwords.",
    ),
    Alert(
        name="OuraQuotaLow",
        query="oura_api_rate_limit_remaining / oura_api_rate_limit < 0.2",
        summary="Less than a fifth of the calls to the Oura API is left",
        meaning="{{ $value | humanizePercentage }} of the quota is left; beyond it, data is late.",
        first="Look for repeated calls in the collector's log; widen its schedule if it needs more than it may.",
    ),
    Alert(
        name="VolumeNearlyFull",
        query="kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes < 0.1",
        lasting=minutes(10),
        severity="critical",
        summary="Volume {{ $labels.persistentvolumeclaim }} is nearly full",
        meaning="{{ $value | humanizePercentage }} of it is free.",
        first="Raise its claim's request: the storage class lets volumes grow.",
    ),
    Alert(
        name="NodeNotReady",
        query='kube_node_status_condition{condition="Ready",status="true"} == 0',
        lasting=minutes(10),
        severity="critical",
        summary="Node {{ $labels.node }} is not ready",
        meaning="Its pods are being started elsewhere, if there is room.",
        first="Look at the instance in EC2; end it if it does not come back: its group replaces it.",
    ),
    Alert(
        name="CertificateExpires",
        query="min(citadel_server_root_cert_expiry_timestamp) - time() < 21 * 86400",
        summary="The mesh's certificate expires within three weeks",
        meaning="{{ $value | humanizeDuration }} are left; after it no sidecar trusts another.",
        first='Rotate the root of the mesh as Istio\'s documentation says ("Plug in CA Certificates").',
    ),
)
"""MH-OBS-04, MH-OBS-05, MH-OBS-06, MH-BEY-10; a collector that is late is derived from its schedule."""
