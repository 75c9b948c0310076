"""What is seen of Orion: metrics, logs, alerts, dashboards."""

from __future__ import annotations

import json

import pytest

from tests.requirements.orion import SERVICES, container, template
from tests.requirements.registered import Registered

HOME = "orion-monitoring"


def alerts(stack: Registered) -> dict[str, str]:
    """Name -> query."""
    return {
        rule["alert"]: rule["expr"]
        for group in stack.spec("PrometheusRule", "orion-system", "orion-alerts")["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


@pytest.mark.rows("OR-OBS-01")
def test_prometheus_grafana_alertmanager_and_loki_run(orion: Registered) -> None:
    for name in ("kube-prometheus-stack", "loki"):
        assert orion.charts[name].namespace == HOME
    values = orion.charts["kube-prometheus-stack"].values
    prometheus = values["prometheus"]["prometheusSpec"]
    claim = prometheus["storageSpec"]["volumeClaimTemplate"]["spec"]
    assert (prometheus["retention"], claim["resources"]["requests"]["storage"]) == ("15d", "50Gi")
    assert values["alertmanager"]["alertmanagerSpec"]["replicas"] >= 1
    assert values["grafana"].get("enabled", True)


@pytest.mark.rows("OR-OBS-02")
def test_logs_reach_loki_and_are_deleted_in_time(orion: Registered) -> None:
    alloy = orion.charts["alloy"].values
    assert alloy["controller"]["type"] == "daemonset"
    assert {"operator": "Exists"} in alloy["controller"]["tolerations"]
    assert f"http://loki.{HOME}.svc.cluster.local:3100/loki/api/v1/push" in alloy["alloy"]["configMap"]["content"]
    loki = orion.charts["loki"].values
    assert loki["loki"]["compactor"]["retention_enabled"] is True
    assert loki["loki"]["limits_config"]["retention_period"] == "720h"
    assert loki["singleBinary"]["persistence"]["enabled"]


@pytest.mark.rows("OR-OBS-03", "OR-MSH-14")
@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_measured_in_spite_of_mutual_tls(orion: Registered, service: str) -> None:
    space = f"orion-{service}"
    assert 9090 in [port["containerPort"] for port in container(template(orion, service))["ports"]]
    offered = {port["name"]: port["port"] for port in orion.spec("Service", space, service)["ports"]}
    assert offered["metrics"] == 9090
    monitor = orion.spec("ServiceMonitor", space, "orion-services")
    assert [endpoint["port"] for endpoint in monitor["endpoints"]] == ["metrics"]
    labels = orion.manifest("Service", space, service)["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    exempt = orion.spec("PeerAuthentication", space, f"{space}-metrics-9090")
    assert exempt["portLevelMtls"] == {"9090": {"mode": "PERMISSIVE"}}
    selected = exempt["selector"]["matchLabels"]
    assert selected.items() <= template(orion, service)["metadata"]["labels"].items()


@pytest.mark.rows("OR-OBS-04")
def test_the_stores_are_measured(orion: Registered) -> None:
    monitor = orion.spec("ServiceMonitor", "orion-data", "orion-services")
    ports = {"orion": 9187, "redis": 9121, "rabbitmq": 15692, "pgbouncer": 9127}
    for name, port in ports.items():
        service = orion.manifest("Service", "orion-data", name)
        assert {"name": "metrics", "port": port}.items() <= next(
            item for item in service["spec"]["ports"] if item["name"] == "metrics"
        ).items()
        assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()


@pytest.mark.rows("OR-OBS-05")
def test_alerts_cover_the_stores_backups_and_security_and_tell_somebody(orion: Registered) -> None:
    found = alerts(orion)
    assert len(found) >= 8
    text = " ".join([*found, *found.values()]).lower()
    for subject in ("pg_", "redis_", "rabbitmq_", "backup", "login", 'response_code="403"', "waf_"):
        assert subject in text, subject
    config = orion.charts["kube-prometheus-stack"].values["alertmanager"]["config"]
    assert [item["name"] for item in config["receivers"] if "slack_configs" in item] == ["operations"]


@pytest.mark.rows("OR-OBS-06")
def test_grafana_has_dashboards_and_sources(orion: Registered) -> None:
    sources = orion.charts["kube-prometheus-stack"].values["grafana"]["additionalDataSources"]
    assert "loki" in {source["type"] for source in sources}
    pages = [
        json.loads(text)
        for item in orion.manifests("ConfigMap", HOME).values()
        if item["metadata"].get("labels", {}).get("grafana_dashboard")
        for text in item["data"].values()
    ]
    queries = " ".join(json.dumps(page) for page in pages)
    for metric in ("http_requests_total", "pg_", "istio_requests_total"):
        assert metric in queries, metric
