"""FitSync, observability: what is scraped, shown and alerted on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.requirements.fitsync import BACKENDS, DATABASES
from tests.requirements.queries import UnknownSeries, labels
from tests.requirements.registered import Registered
from tests.requirements.watching import (
    accepted,
    check_alert,
    check_layout,
    check_queries,
    pages,
    rules,
    through_grafana,
)

SUCCESS_RATE = """\
sum(rate(istio_requests_total{reporter="source",destination_service_namespace="fitsync",response_code!~"5.*"}[1m])) \
by (destination_service_name)
/
sum(rate(istio_requests_total{reporter="source",destination_service_namespace="fitsync"}[1m])) \
by (destination_service_name)"""
P95 = """\
histogram_quantile(0.95,
  sum(rate(istio_request_duration_milliseconds_bucket{reporter="source",destination_service_namespace="fitsync"}[1m]))
  by (destination_service_name, le)
)"""
MTLS = (
    'sum(istio_requests_total{reporter="destination",connection_security_policy="mutual_tls"}) '
    "by (destination_service_name)"
)


def dashboards(stack: Registered) -> dict[str, dict[str, Any]]:
    """Dashboards by title, of the ConfigMaps that Grafana's sidecar looks for in its own namespace."""
    assert stack.charts["kube-prometheus-stack"].values["grafana"]["sidecar"]["dashboards"] == {
        "enabled": True,
        "label": "grafana_dashboard",
        "labelValue": "1",
        "searchNamespace": None,
    }
    return pages(stack, "monitoring")


def panels(stack: Registered, title: str) -> dict[str, list[str]]:
    """Panel -> its queries, of one dashboard."""
    found = {}
    for panel in dashboards(stack)[title]["panels"]:
        assert panel["title"] not in found
        found[panel["title"]] = [target["expr"] for target in panel.get("targets", ())]
    return found


def named(queries: list[str], *parts: str) -> bool:
    return any(all(part in query for part in parts) for query in queries)


@pytest.mark.rows("FS-OBS-01")
def test_the_services_are_scraped_every_fifteen_seconds(spoke: Registered) -> None:
    item = spoke.manifest("ServiceMonitor", "fitsync", "fitsync-services")
    assert item["spec"] == {
        "selector": {"matchLabels": {"monitoring": "enabled"}},
        "endpoints": [{"port": "metrics", "interval": "15s", "path": "/metrics"}],
    }
    assert item["metadata"]["labels"]["monitoring"] == "enabled"
    found = {
        name
        for name, service in spoke.manifests("Service", "fitsync").items()
        if service["metadata"]["labels"].get("monitoring") == "enabled"
        and "metrics" in {port["name"] for port in service["spec"]["ports"]}
    }
    assert found == {*BACKENDS, "redis"}


@pytest.mark.rows("FS-OBS-02")
def test_prometheus_selects_every_monitor_and_rule(spoke: Registered) -> None:
    """Unset selectors mean the chart's own release, unless these say otherwise; empty ones mean everything."""
    spec = spoke.charts["kube-prometheus-stack"].values["prometheus"]["prometheusSpec"]
    for kind in ("serviceMonitor", "podMonitor", "rule"):
        assert spec[f"{kind}SelectorNilUsesHelmValues"] is False
        assert not spec.get(f"{kind}Selector")
        assert not spec.get(f"{kind}NamespaceSelector")


@pytest.mark.rows("FS-OBS-03")
def test_sidecars_are_scraped_on_the_port_that_answers_without_mutual_tls(spoke: Registered) -> None:
    (spec,) = [
        item["spec"]
        for item in spoke.manifests("PodMonitor").values()
        if any(endpoint["path"] == "/stats/prometheus" for endpoint in item["spec"]["podMetricsEndpoints"])
    ]
    assert spec["selector"] == {}
    assert set(spec["namespaceSelector"]["matchNames"]) == {"fitsync", "istio-system"}
    (endpoint,) = spec["podMetricsEndpoints"]
    (address,) = [item for item in endpoint["relabelings"] if item.get("targetLabel") == "__address__"]
    assert address["replacement"] == "$1:15020"
    assert spoke.charts["istiod"].values["meshConfig"]["enablePrometheusMerge"] is True


@pytest.mark.rows("FS-OBS-04")
def test_the_service_mesh_overview(spoke: Registered) -> None:
    found = panels(spoke, "Service Mesh Overview")
    assert named(found["Request volume"], "sum(rate(istio_requests_total")
    assert named(found["Success rate"], 'response_code!~"5.*"', "/")
    for quantile in ("0.5", "0.95", "0.99"):
        title = f"Latency by service, P{float(quantile) * 100:.0f}"
        assert named(found[title], f"histogram_quantile({quantile},", "istio_request_duration_milliseconds_bucket")
    graph = [panel for panel in dashboards(spoke)["Service Mesh Overview"]["panels"] if panel["type"] == "nodeGraph"]
    assert [panel["title"] for panel in graph] == ["Service dependency graph"]
    nodes, edges = found["Service dependency graph"]
    assert labels(nodes) == {"id", "title"}, "what Grafana's node graph reads of a node"
    assert labels(edges) == {"id", "source", "target"}, "and of an edge"


@pytest.mark.rows("FS-OBS-05")
def test_the_business_metrics(spoke: Registered) -> None:
    found = panels(spoke, "Business Metrics")
    assert found == {
        "Active users by role": ["sum by (role) (active_users)"],
        "Bookings per day": ["sum(increase(bookings_created_total[1d]))"],
        "Programs assigned per week": ["sum(increase(program_assignments_total[7d]))"],
        "Achievements earned per day": ["sum(increase(achievements_earned_total[1d]))"],
    }


@pytest.mark.rows("FS-OBS-06")
def test_the_security_dashboard(spoke: Registered) -> None:
    found = panels(spoke, "Security Dashboard")
    assert found["mTLS connection status"] == [MTLS]
    denials = found["Authorization policy denials"]
    assert named(denials, "istio_requests_total", 'response_code="403"', 'reporter="destination"')
    assert named(found["JWT validation failures"], "jwt_validations_total", 'result="failure"')
    assert named(found["Rate limit violations"], "rate_limit_hits_total")


@pytest.mark.rows("FS-OBS-07")
@pytest.mark.parametrize("query", [SUCCESS_RATE, P95, MTLS], ids=["success rate", "P95", "mTLS"])
def test_the_three_queries_are_there_word_for_word(spoke: Registered, query: str) -> None:
    assert query in [text for title in dashboards(spoke) for texts in panels(spoke, title).values() for text in texts]


@pytest.mark.rows("FS-OBS-08")
def test_redis_is_measured(spoke: Registered) -> None:
    found = panels(spoke, "Platform")
    assert named(found["Redis: memory usage"], "redis_memory_used_bytes")
    assert named(found["Redis: pub/sub message rate"], "redis_commands_total", 'cmd="publish"')
    assert named(found["Redis: connected clients"], "redis_connected_clients")
    exporter = spoke.spec("StatefulSet", "fitsync", "redis")["template"]["spec"]["containers"][1]
    assert exporter["image"].startswith("oliver006/redis_exporter:")
    assert {"name": "metrics", "containerPort": 9121, "protocol": "TCP"} in exporter["ports"]


@pytest.mark.rows("FS-OBS-09")
def test_each_database_is_measured_by_an_exporter_that_reaches_it(spoke: Registered) -> None:
    for database in DATABASES:
        exporter = spoke.charts[f"{database}-exporter"]
        assert exporter.values["fullnameOverride"] == f"{database}-exporter", "the label `service` of its series"
        source = exporter.values["config"]["datasource"]
        assert (source["host"], source["port"], source["database"]) == (
            f"{database}.database.internal",
            "5432",
            database,
        )
        assert "--collector.stat_statements" in exporter.values["config"]["extraArgs"]
        assert exporter.values["serviceMonitor"]["enabled"] is True
    found = panels(spoke, "Platform")
    everyone = 'service=~"' + "|".join(f"{database}-exporter" for database in DATABASES) + '"'
    assert named(
        found["PostgreSQL: connection usage"], "pg_stat_activity_count", "pg_settings_max_connections", everyone
    )
    assert named(found["PostgreSQL: query duration"], "pg_stat_statements_seconds_total", everyone)
    assert named(found["PostgreSQL: database size"], "pg_database_size_bytes", everyone)


@pytest.mark.rows("FS-OBS-10")
def test_the_cluster_is_measured(spoke: Registered) -> None:
    found = panels(spoke, "Platform")
    assert named(found["K3s: node CPU"], "node_cpu_seconds_total")
    assert named(found["K3s: node memory"], "node_memory_MemAvailable_bytes")
    assert named(found["K3s: pod restarts per hour"], "kube_pod_container_status_restarts_total")
    assert named(found["K3s: persistent volume usage"], "kubelet_volume_stats_used_bytes")
    values = spoke.charts["kube-prometheus-stack"].values
    for exporter in ("kubelet", "nodeExporter", "kubeStateMetrics"):
        assert values.get(exporter, {}).get("enabled", True) is True


@pytest.mark.rows("FS-OBS-11")
@pytest.mark.parametrize(
    ("service", "metrics"),
    [
        ("api-gateway", ["http_requests_total", "http_request_duration_seconds_bucket", "rate_limit_hits_total"]),
        ("user-service", ["login_attempts_total", "jwt_validations_total", "cache_hits_total"]),
        ("training-service", ["programs_created_total", "program_assignments_total"]),
        ("schedule-service", ["bookings_created_total", "bookings_cancelled_total"]),
        ("progress-service", ["metrics_recorded_total", "achievements_earned_total"]),
        ("notification-service", ["events_processed_total", "notifications_sent_total"]),
    ],
)
def test_application_metrics_are_on_a_dashboard(spoke: Registered, service: str, metrics: list[str]) -> None:
    found = {
        title: queries
        for title, queries in panels(spoke, "Application Metrics").items()
        if title.startswith(f"{service}: ")
    }
    assert len(found) == len(metrics)
    for metric, queries in zip(metrics, found.values(), strict=True):
        assert named(queries, metric)


@pytest.mark.rows("FS-OBS-04", "FS-OBS-05", "FS-OBS-06")
def test_grafana_knows_every_field_of_every_dashboard(spoke: Registered) -> None:
    found = dashboards(spoke)
    assert len({page["uid"] for page in found.values()}) == len(found) == 5
    for page in found.values():
        check_layout(page)


@pytest.mark.rows("FS-OBS-04")
def test_a_misspelt_field_would_be_noticed(dev: Registered) -> None:
    page = dashboards(dev)["Service Mesh Overview"]
    page["panels"][0]["gridPosition"] = page["panels"][0].pop("gridPos")
    page["panels"][1]["targets"][0]["expression"] = "up"
    assert set(through_grafana(page)) == {".panels[0].gridPosition", ".panels[1].targets[0].expression"}


@pytest.mark.rows("FS-OBS-04", "FS-OBS-05", "FS-OBS-06", "FS-OBS-08", "FS-OBS-09", "FS-OBS-10", "FS-OBS-11")
def test_every_query_of_a_dashboard_can_find_something(spoke: Registered) -> None:
    for page in dashboards(spoke).values():
        check_queries(page)


@pytest.mark.rows("FS-BYD-09")
def test_every_alert_can_find_something_and_says_what_it_found(spoke: Registered) -> None:
    for name, rule in rules(spoke).items():
        check_alert(name, rule)


@pytest.mark.rows("FS-BYD-09")
@pytest.mark.parametrize(
    ("subject", "metric"),
    [
        ("error rate", 'istio_requests_total{reporter="source"'),
        ("latency", "istio_request_duration_milliseconds_bucket"),
        ("restarts", "kube_pod_container_status_restarts_total"),
        ("databases", "pg_up"),
        ("Redis", "redis_up"),
    ],
)
def test_each_required_subject_has_an_alert(spoke: Registered, subject: str, metric: str) -> None:
    assert [name for name, rule in rules(spoke).items() if metric in rule["expr"]], subject


@pytest.mark.rows("FS-BYD-09")
@pytest.mark.tool("promtool")
def test_prometheus_accepts_the_registered_rules(spoke: Registered, tmp_path: Path) -> None:
    (item,) = spoke.manifests("PrometheusRule").values()
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump(item["spec"]))
    accepted("promtool", "check", "rules", "--lint=all", "--lint-fatal", str(path))


@pytest.mark.rows("FS-BYD-09")
@pytest.mark.tool("amtool")
def test_alertmanager_accepts_its_registered_configuration(spoke: Registered, tmp_path: Path) -> None:
    configuration = spoke.charts["kube-prometheus-stack"].values["alertmanager"]["config"]
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump({**configuration, "templates": []}))
    accepted("amtool", "check-config", str(path))


@pytest.mark.rows("FS-BYD-09")
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("istio_request_total", "no metric istio_request_total"),
        ('redis_up{app="redis"}', "no label app"),
        ("sum by (destination) (istio_requests_total)", "no label destination"),
        ("histogram_quantile(0.9, sum by (pod) (http_request_duration_seconds_bucket))", "no label le"),
        ("sum by (pod) (redis_up) / sum by (service) (redis_up)", "the sides differ in pod, service"),
    ],
)
def test_a_query_that_finds_nothing_is_noticed(query: str, message: str) -> None:
    with pytest.raises(UnknownSeries, match=message):
        labels(query)
