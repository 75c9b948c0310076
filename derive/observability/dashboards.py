"""Dashboards: derived from the graph (mesh, security, platform), or declared; as ConfigMaps that Grafana loads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from derive.observability import queries
from derive.observability.queries import one_of
from derive.observability.scope import Scope
from manifests.base import Manifest, manifest
from model import Dashboard, Panel, System

MESH: Final = "Service Mesh Overview"
SECURITY: Final = "Security Dashboard"
PLATFORM: Final = "Platform"
JVM: Final = "JVM Metrics"
SOURCE: Final = {"type": "prometheus", "uid": "prometheus"}
"""The data source that kube-prometheus-stack provisions."""
SQL: Final = "grafana-postgresql-datasource"
"""Grafana's id of data sources of that kind."""
LABEL: Final = {"grafana_dashboard": "1"}
"""What Grafana's sidecar collects."""
COLUMNS: Final = 24
HEIGHT: Final = 8
WIDTH: Final = {"graph": 12, "number": 6}


def dashboards(scope: Scope, system: System, only: Sequence[Dashboard] | None = None) -> tuple[Manifest, ...]:
    """One ConfigMap per dashboard, in the namespace of Grafana. ``only``: these pages and no others."""
    if only is not None:
        return tuple(_config_map(scope, page.title, page.panels, ()) for page in only)
    pages = {page.title: page.panels for page in _derived(scope)}
    for declared in system.dashboards:
        pages[declared.title] = (*pages.get(declared.title, ()), *declared.panels)
    extra = {MESH: [_graph(scope), _declared_calls(system)]} if scope.mesh else {}
    return tuple(_config_map(scope, title, panels, extra.get(title, ())) for title, panels in pages.items())


def _derived(scope: Scope) -> Iterator[Dashboard]:
    if scope.mesh:
        yield Dashboard(title=MESH, panels=tuple(_mesh(scope)))
        yield Dashboard(title=SECURITY, panels=tuple(_security(scope)))
    yield Dashboard(title=PLATFORM, panels=tuple(_platform(scope)))
    if scope.jvm:
        yield Dashboard(title=JVM, panels=tuple(_jvm(scope)))


def _mesh(scope: Scope) -> Iterator[Panel]:
    spaces, named = scope.spaces, "{{destination_service_name}}"
    volume = f"sum({queries.requests(spaces)})"
    yield Panel(title="Request volume", query=volume, unit="reqps", shape="number")
    yield Panel(title="Success rate", query=queries.success_rate(spaces, ""), unit="percentunit", shape="number")
    for quantile in (0.95, 0.99):
        yield Panel(
            title=f"Latency, P{quantile * 100:g}",
            query=queries.total_latency(quantile, spaces),
            unit="ms",
            shape="number",
        )
    yield Panel(
        title="Request volume by service",
        query=f"sum({queries.requests(spaces)}) by (destination_service_name)",
        legend=named,
        unit="reqps",
    )
    yield Panel(title="Success rate by service", query=queries.success_rate(spaces), legend=named, unit="percentunit")
    for quantile in (0.5, 0.95, 0.99):
        yield Panel(
            title=f"Latency by service, P{quantile * 100:g}",
            query=queries.latency(quantile, spaces),
            legend=named,
            unit="ms",
        )


def _security(scope: Scope) -> Iterator[Panel]:
    spaces, named = scope.spaces, "{{destination_service_name}}"
    yield Panel(title="mTLS connection status", query=queries.mutual_tls(), legend=named)
    secured = queries.requests(spaces, 'connection_security_policy="mutual_tls"', reporter="destination")
    yield Panel(
        title="Share of requests over mTLS",
        query=f"sum({secured}) / sum({queries.requests(spaces, reporter='destination')})",
        unit="percentunit",
        shape="number",
    )
    yield Panel(
        title="Authorization policy denials",
        query=queries.refused(spaces),
        legend="{{source_workload}} > {{destination_service_name}}",
        unit="reqps",
    )
    if scope.network:
        yield Panel(title="Packets dropped by network policies", query=queries.dropped(), legend="{{direction}}")


def _platform(scope: Scope) -> Iterator[Panel]:
    yield from _redis(scope)
    yield from _mysql(scope)
    yield from _brokers(scope)
    yield from _streams(scope)
    yield from _databases(scope)
    yield from _cluster(scope)


def _redis(scope: Scope) -> Iterator[Panel]:
    if not scope.caches:
        return
    where, named = one_of("service", scope.caches), "{{service}}"
    publish = f'sum by (service) (rate(redis_commands_total{{{where},cmd="publish"}}[5m]))'
    yield Panel(title="Redis: memory usage", query=f"redis_memory_used_bytes{{{where}}}", legend=named, unit="bytes")
    yield Panel(title="Redis: pub/sub message rate", query=publish, legend=named, unit="ops")
    yield Panel(title="Redis: connected clients", query=f"redis_connected_clients{{{where}}}", legend=named)


def _mysql(scope: Scope) -> Iterator[Panel]:
    if not scope.mysql:
        return
    where, named = one_of("service", list(scope.mysql)), "{{service}}"
    connected, asked = f"mysql_global_status_threads_connected{{{where}}}", f"mysql_global_status_queries{{{where}}}"
    yield Panel(title="MySQL: connections", query=connected, legend=named)
    yield Panel(title="MySQL: queries", query=f"rate({asked}[5m])", legend=named, unit="ops")


def _brokers(scope: Scope) -> Iterator[Panel]:
    if not scope.brokers:
        return
    where, named = one_of("service", list(scope.brokers)), "{{queue}}"
    waiting, taken = (f"rabbitmq_queue_messages_ready{{{where}}}", f"rabbitmq_queue_consumers{{{where}}}")
    yield Panel(title="RabbitMQ: messages that wait", query=f"max by (queue) ({waiting})", legend=named)
    yield Panel(title="RabbitMQ: consumers", query=f"max by (queue) ({taken})", legend=named)


def _streams(scope: Scope) -> Iterator[Panel]:
    if not scope.streams:
        return
    lag = f"kafka_consumergroup_lag{{{one_of('service', list(scope.streams))}}}"
    yield Panel(
        title="Kafka: consumers' lag",
        query=f"sum by (consumergroup, topic) ({lag})",
        legend="{{consumergroup}} {{topic}}",
    )


def _databases(scope: Scope) -> Iterator[Panel]:
    if not scope.databases:
        return
    named = "{{service}}"
    yield Panel(
        title="PostgreSQL: connection usage",
        query=queries.connections_used(scope.databases),
        legend=named,
        unit="percentunit",
    )
    yield Panel(
        title="PostgreSQL: query duration", query=queries.query_duration(scope.databases), legend=named, unit="s"
    )
    yield Panel(
        title="PostgreSQL: database size", query=queries.database_size(scope.databases), legend=named, unit="bytes"
    )


def _cluster(scope: Scope) -> Iterator[Panel]:
    yield Panel(
        title="K3s: node CPU",
        query=queries.node_cpu(),
        legend="{{instance}}",
        unit="percentunit",
    )
    yield Panel(
        title="K3s: node memory",
        query=queries.node_memory(),
        legend="{{instance}}",
        unit="percentunit",
    )
    yield Panel(title="K3s: pod restarts per hour", query=queries.restarts(scope.spaces), legend="{{pod}}")
    if scope.fixed:
        # Volumes are directories there, of which the kubelet tells nothing.
        title, disk = "K3s: node disk", queries.node_disk()
        yield Panel(title=title, query=disk, legend="{{instance}} {{mountpoint}}", unit="percentunit")
        return
    where = one_of("namespace", (*scope.spaces, *scope.platform))
    yield Panel(
        title="K3s: persistent volume usage",
        query=f"kubelet_volume_stats_used_bytes{{{where}}} / kubelet_volume_stats_capacity_bytes{{{where}}}",
        legend="{{namespace}}/{{persistentvolumeclaim}}",
        unit="percentunit",
    )


def _jvm(scope: Scope) -> Iterator[Panel]:
    """By the names that Micrometer gives them."""
    where, named = one_of("service", scope.jvm), "{{pod}}"
    heap = f'sum by (pod) (jvm_memory_used_bytes{{area="heap",{where}}})'
    most = f'sum by (pod) (jvm_memory_max_bytes{{area="heap",{where}}})'
    pauses = f"sum by (pod) (rate(jvm_gc_pause_seconds_sum{{{where}}}[5m]))"
    requests = f"sum by (service) (rate(http_server_requests_seconds_count{{{where}}}[5m]))"
    yield Panel(title="Requests", query=requests, legend="{{service}}", unit="reqps")
    yield Panel(title="Heap in use", query=heap, legend=named, unit="bytes")
    yield Panel(title="Share of the heap in use", query=f"{heap} / {most}", legend=named, unit="percentunit")
    yield Panel(title="Time spent in garbage collection", query=pauses, legend=named, unit="percentunit")
    yield Panel(title="Threads", query=f"jvm_threads_live_threads{{{where}}}", legend=named)
    yield Panel(title="CPU", query=f"process_cpu_usage{{{where}}}", legend=named, unit="percentunit")


def _graph(scope: Scope) -> dict[str, Any]:
    """Who calls whom, as the mesh sees it. Grafana reads nodes and edges from the queries' reference ids."""
    return {
        "type": "nodeGraph",
        "title": "Service dependency graph",
        "description": "Requests per second between the services, as their sidecars count them.",
        "datasource": SOURCE,
        "targets": [_table("nodes", queries.nodes(scope.spaces)), _table("edges", queries.edges(scope.spaces))],
        "transformations": [
            {"id": "renameByRegex", "options": {"regex": "^Value.*$", "renamePattern": "mainstat"}},
            {"id": "filterFieldsByName", "options": {"exclude": {"names": ["Time"]}}},
        ],
        "options": {"nodes": {"mainStatUnit": "reqps"}, "edges": {"mainStatUnit": "reqps"}},
    }


def _declared_calls(system: System) -> dict[str, Any]:
    """The graph as it is declared, to compare with."""
    rows = [
        f"| {service.name} | {', '.join(callees)} |"
        for service in system.services
        if (callees := system.callees(service.name))
    ]
    return {
        "type": "text",
        "title": "Declared calls; every other call is refused",
        "options": {"mode": "markdown", "content": "\n".join(("| service | may call |", "|---|---|", *rows))},
    }


def _table(reference: str, expression: str) -> dict[str, Any]:
    return {"refId": reference, "datasource": SOURCE, "expr": expression, "instant": True, "format": "table"}


def _config_map(scope: Scope, title: str, panels: Sequence[Panel], extra: Iterable[dict[str, Any]]) -> Manifest:
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    name = f"{scope.system}-{slug}"
    page = {
        # Grafana takes up to 40 characters.
        "uid": name[:40],
        "title": title,
        "tags": [scope.system, scope.environment],
        "timezone": "browser",
        "schemaVersion": 41,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "editable": False,
        "panels": _placed([*(_panel(panel) for panel in panels), *extra]),
    }
    return manifest(
        "v1",
        "ConfigMap",
        name,
        scope.platform[0],
        LABEL,
        data={f"{name}.json": json.dumps(page, indent=1)},
    )


def _panel(panel: Panel) -> dict[str, Any]:
    source = {"type": SQL, "uid": panel.source} if panel.source else SOURCE
    asked = {"expr": panel.query, "legendFormat": panel.legend or "__auto"}
    if panel.source:
        asked = {"rawSql": panel.query, "format": "time_series"}
    target = {"refId": "A", "datasource": source, **asked}
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.unit == "percentunit":
        defaults |= {"min": 0, "max": 1}
    return {
        "type": "timeseries" if panel.shape == "graph" else "stat",
        "title": panel.title,
        "datasource": source,
        "targets": [target],
        "fieldConfig": {"defaults": defaults, "overrides": []},
    }


def _placed(panels: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The panels in rows from left to right, each with its id and place."""
    placed: list[dict[str, Any]] = []
    x = y = 0
    for number, panel in enumerate(panels, start=1):
        width = WIDTH["number"] if panel["type"] == "stat" else WIDTH["graph"]
        if x + width > COLUMNS:
            x, y = 0, y + HEIGHT
        placed.append({"id": number, **panel, "gridPos": {"x": x, "y": y, "w": width, "h": HEIGHT}})
        x += width
    return placed
