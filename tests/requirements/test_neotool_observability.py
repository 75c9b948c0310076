"""Neotool's metrics, logs, dashboards and alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.requirements.neotool import HOME, apps, peers, release, values
from tests.requirements.registered import Manifest, Registered, environment
from tests.requirements.watching import accepted, check_alert, check_layout, check_queries, pages, rules


def prometheus(stack: Registered) -> dict[str, Any]:
    found: dict[str, Any] = values(stack, "kube-prometheus-stack")["prometheus"]["prometheusSpec"]
    return found


def container(stack: Registered, kind: str, name: str, role: str) -> Manifest:
    (found,) = [item for item in stack.spec(kind, HOME, name)["template"]["spec"]["containers"] if item["name"] == role]
    return dict(found)


@pytest.mark.rows("NT-OBS-01", "NT-OBS-02")
def test_prometheus_keeps_fifteen_days_on_fifty_gibibytes(neotool: Registered) -> None:
    assert prometheus(neotool)["retention"] == "15d"
    claim = prometheus(neotool)["storageSpec"]["volumeClaimTemplate"]["spec"]
    assert claim["resources"] == {"requests": {"storage": "50Gi"}}


@pytest.mark.rows("NT-OBS-03")
def test_prometheus_and_grafana_have_the_names_that_people_use(neotool: Registered) -> None:
    """The charts' own names are others; a Service that Helm makes is named by its values."""
    service = neotool.spec("Service", HOME, "prometheus")
    assert [(port["port"], port["targetPort"]) for port in service["ports"]] == [(9090, 9090)]
    assert service["selector"] == {"app.kubernetes.io/name": "prometheus"}
    grafana = values(neotool, "grafana")
    assert release(neotool, "grafana")["releaseName"] == grafana["fullnameOverride"] == "grafana"
    assert (grafana["service"]["port"], grafana["service"]["targetPort"]) == (80, 3000)
    assert values(neotool, "kube-prometheus-stack")["grafana"]["enabled"] is False


@pytest.mark.rows("NT-OBS-04")
def test_prometheus_finds_pods_by_itself(neotool: Registered) -> None:
    (job,) = prometheus(neotool)["additionalScrapeConfigs"]
    (discovery,) = job["kubernetes_sd_configs"]
    assert (discovery["role"], discovery["namespaces"]["names"]) == ("pod", [HOME, "kube-system"])
    assert neotool.manifests("ServiceMonitor") == {}, "found twice, counted twice"
    measured = {
        name
        for _, name, template in neotool.pods()
        for item in template["spec"]["containers"]
        if name.startswith(f"{HOME}/") and "metrics" in {port["name"] for port in item.get("ports", ())}
    }
    wanted = ("apollo-router", "app-service", "security-service", "postgres", "pgbouncer", "kafka-exporter")
    assert measured == {f"{HOME}/{name}" for name in wanted}


@pytest.mark.rows("NT-OBS-04", "NT-NPL-04")
def test_policies_let_prometheus_reach_what_it_finds(neotool: Registered) -> None:
    own = neotool.manifest("NetworkPolicy", HOME, "prometheus")
    ports = {"postgres-allow-pgbouncer": 9187, "pgbouncer-allow-apps": 9127, "kafka-exporter-policy": 9308}
    for policy, port in ports.items():
        inward = peers(neotool.manifest("NetworkPolicy", HOME, policy), port)
        assert {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}} in [
            {"podSelector": peer["podSelector"]} for peer in inward
        ]
        assert peers(own, port, "egress")


@pytest.mark.rows("NT-OBS-05")
def test_the_administrator_s_password_is_generated(neotool: Registered) -> None:
    admin = values(neotool, "grafana")["admin"]
    secret = neotool.manifest("Secret", HOME, admin["existingSecret"])["stringData"]
    assert secret[admin["userKey"]] == "admin"
    assert len(secret[admin["passwordKey"]]) == 32
    assert "adminPassword" not in values(neotool, "grafana")


@pytest.mark.rows("NT-OBS-06")
def test_the_five_dashboards_show_what_there_is(neotool: Registered) -> None:
    found = pages(neotool, HOME)
    assert set(found) >= {"Kubernetes Cluster", "PostgreSQL", "JVM Metrics", "GraphQL", "Applications"}
    assert len({page["uid"] for page in found.values()}) == len(found)
    for page in found.values():
        check_layout(page)
        check_queries(page)
    sidecar = values(neotool, "grafana")["sidecar"]["dashboards"]
    assert (sidecar["enabled"], sidecar["label"], sidecar["labelValue"]) == (True, "grafana_dashboard", "1")


@pytest.mark.rows("NT-OBS-07")
def test_grafana_reads_prometheus_and_loki(neotool: Registered) -> None:
    sources = values(neotool, "grafana")["datasources"]["datasources.yaml"]["datasources"]
    assert {item["type"]: item["url"] for item in sources} == {
        "prometheus": f"http://prometheus.{HOME}.svc.cluster.local:9090",
        "loki": f"http://loki.{HOME}.svc.cluster.local:3100",
    }
    assert {item["uid"] for item in sources} == {"prometheus", "loki"}, "what dashboards name them"
    own = neotool.manifest("NetworkPolicy", HOME, "grafana")
    assert peers(own, 9090, "egress")
    assert peers(own, 3100, "egress")


@pytest.mark.rows("NT-OBS-08", "NT-OBS-09")
def test_loki_deletes_after_seven_days(neotool: Registered) -> None:
    found = values(neotool, "loki")
    assert found["loki"]["limits_config"]["retention_period"] == "168h"
    compactor = found["loki"]["compactor"]
    assert compactor["retention_enabled"] is True
    assert compactor["delete_request_store"] == found["loki"]["schemaConfig"]["configs"][0]["object_store"]
    persistence = found["singleBinary"]["persistence"]
    assert (persistence["enabled"], persistence["size"]) == (True, "50Gi")


@pytest.mark.rows("NT-OBS-10")
def test_alloy_ships_every_pod_s_logs_with_its_labels(neotool: Registered) -> None:
    found = values(neotool, "alloy", "kube-system")
    assert found["controller"]["type"] == "daemonset"
    text = found["alloy"]["configMap"]["content"]
    assert f'url = "http://loki.{HOME}.svc.cluster.local:3100/loki/api/v1/push"' in text
    for label in ("namespace", "pod", "container", "app"):
        assert f'target_label  = "{label}"' in text
    sources = [line for line in text.splitlines() if "pod_label_app" in line]
    assert ["kubernetes_io_name" in line for line in sources] == [True, False], "pods of charts have no label 'app'"
    policy = peers(neotool.manifest("NetworkPolicy", HOME, "loki"), 3100)
    assert any("namespaceSelector" in peer for peer in policy), "the agents live elsewhere"


def alertmanager(stack: Registered) -> dict[str, Any]:
    found: dict[str, Any] = values(stack, "kube-prometheus-stack")["alertmanager"]
    return found


@pytest.mark.rows("NT-OBS-11")
def test_critical_alerts_go_to_pagerduty_and_the_others_to_mail_and_slack(neotool: Registered) -> None:
    config = alertmanager(neotool)["config"]
    told = {key for receiver in config["receivers"] for key in receiver if key.endswith("_configs")}
    assert told == {"email_configs", "slack_configs", "pagerduty_configs"}
    routes = {route["receiver"]: route for route in config["route"]["routes"]}
    assert routes["pagerduty"]["matchers"] == ['severity = "critical"']
    for name in ("mail", "slack"):
        assert routes[name]["matchers"] == ['severity =~ "critical|warning"']
        assert routes[name]["continue"] is True
    assert alertmanager(neotool)["alertmanagerSpec"]["secrets"] == ["alertmanager-receivers"]
    synced = neotool.spec("ExternalSecret", HOME, "alertmanager-receivers")["data"]
    assert {item["secretKey"] for item in synced} == {"mail", "slack", "pagerduty"}


@pytest.mark.rows("NT-OBS-11")
@pytest.mark.tool("amtool")
def test_alertmanager_accepts_its_configuration(neotool: Registered, tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump({**alertmanager(neotool)["config"], "templates": []}))
    accepted("amtool", "check-config", str(path))


@pytest.mark.rows("NT-OBS-12")
@pytest.mark.parametrize(
    ("subject", "metric"),
    [
        ("error rate", "traefik_service_requests_total"),
        ("latency", "traefik_service_request_duration_seconds_bucket"),
        ("CPU", "node_cpu_seconds_total"),
        ("memory", "node_memory_MemAvailable_bytes"),
        ("disk", "node_filesystem_avail_bytes"),
        ("database", "pg_up"),
        ("Kafka lag", "kafka_consumergroup_lag"),
    ],
)
def test_each_required_subject_has_an_alert(neotool: Registered, subject: str, metric: str) -> None:
    assert [name for name, rule in rules(neotool).items() if metric in rule["expr"]], subject


@pytest.mark.rows("NT-OBS-12")
def test_what_is_to_be_done_about_the_database_can_be_done(neotool: Registered) -> None:
    """It is a pod, whose log is not archived: whoever is woken has no machine to look at."""
    found = {name: rule for name, rule in rules(neotool).items() if name.startswith("Database")}
    assert found.keys() >= {"DatabaseDown", "DatabaseConnectionsHigh", "DatabaseQueriesSlow"}
    assert "DatabaseArchivingFails" not in found
    assert found["DatabaseDown"]["annotations"]["runbook"].startswith("kubectl -n {{ $labels.namespace }} logs ")


@pytest.mark.rows("NT-OBS-12")
def test_every_alert_can_find_something_and_says_what_it_found(neotool: Registered) -> None:
    found = rules(neotool)
    assert len(found) >= 6
    for name, rule in found.items():
        check_alert(name, rule)


@pytest.mark.rows("NT-OBS-12")
@pytest.mark.tool("promtool")
def test_prometheus_accepts_the_rules(neotool: Registered, tmp_path: Path) -> None:
    (item,) = neotool.manifests("PrometheusRule").values()
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump(item["spec"]))
    accepted("promtool", "check", "rules", "--lint=all", "--lint-fatal", str(path))


@pytest.mark.rows("NT-OBS-13")
def test_stores_are_measured_by_exporters(neotool: Registered) -> None:
    database = container(neotool, "StatefulSet", "postgres", "exporter")
    assert "postgres-exporter" in database["image"]
    assert environment(database)["DATA_SOURCE_URI"] == "localhost:5432/neotool?sslmode=disable"
    streams = container(neotool, "Deployment", "kafka-exporter", "exporter")
    assert "kafka-exporter" in streams["image"]
    assert f"--kafka.server=kafka.{HOME}.svc.cluster.local:9092" in streams["args"]
    assert "kafka-exporter" in apps(peers(neotool.manifest("NetworkPolicy", HOME, "kafka-policy"), 9092))
