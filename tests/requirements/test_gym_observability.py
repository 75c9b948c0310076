"""Gym's add-ons and what is seen of the system: metrics, dashboards, traces, logs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.requirements.queries import labels
from tests.requirements.registered import Registered

VERSIONS = {
    "cilium": "1.20.0",
    "istio-base": "1.30.3",
    "istiod": "1.30.3",
    "istio-ingressgateway": "1.30.3",
    "kube-prometheus-stack": "88.5.3",
    "jaeger": "4.11.1",
    "kiali": "2.29.0",
    "vertical-pod-autoscaler": "0.11.0",
    "argo-rollouts": "2.41.0",
}
STATISTICS = ("upstream_cx_active", "upstream_rq_pending", "circuit_breakers", "outlier_detection")
MONITORING = "monitoring.svc.cluster.local"


def panels(stack: Registered, title: str) -> dict[str, str]:
    """Panel -> its query, of one of the system's own dashboards."""
    for item in stack.manifests("ConfigMap", "monitoring").values():
        if item["metadata"].get("labels", {}).get("grafana_dashboard") == "1":
            for text in item["data"].values():
                page: dict[str, Any] = json.loads(text)
                if page["title"] == title:
                    return {panel["title"]: panel["targets"][0]["expr"] for panel in page["panels"]}
    raise AssertionError(f"no dashboard {title}")


@pytest.mark.rows("GY-ADD-01", "GY-ADD-02", "GY-ADD-05", "GY-ADD-06", "GY-ADD-07")
def test_add_ons_are_installed_in_exact_versions(gym: Registered) -> None:
    assert VERSIONS.items() <= {name: chart.version for name, chart in gym.charts.items()}.items()
    assert all(chart.version[-1].isdigit() and chart.version.count(".") >= 2 for chart in gym.charts.values())
    grafana = gym.charts["kube-prometheus-stack"].values["grafana"]
    assert grafana.get("enabled", True) is True
    scaler = gym.charts["vertical-pod-autoscaler"].values
    for part in ("recommender", "updater", "admissionController"):
        assert scaler[part].get("enabled", True) is True


@pytest.mark.rows("GY-ADD-03", "GY-OBS-09", "GY-OBS-10")
def test_every_request_is_traced_and_spans_reach_jaeger(gym: Registered) -> None:
    collector = gym.charts["jaeger"].values["userconfig"]
    assert collector["receivers"]["zipkin"] == {"endpoint": "0.0.0.0:9411"}
    assert {"otlp", "zipkin"} <= set(collector["service"]["pipelines"]["traces"]["receivers"])
    (provider,) = gym.charts["istiod"].values["meshConfig"]["extensionProviders"]
    assert provider["opentelemetry"] == {"service": "jaeger.tracing.svc.cluster.local", "port": 4317}
    (tracing,) = gym.spec("Telemetry", "istio-system", "mesh-default")["tracing"]
    assert tracing == {"providers": [{"name": provider["name"]}], "randomSamplingPercentage": 100}
    admitted = gym.spec("CiliumNetworkPolicy", "tracing", "jaeger")["ingress"]
    assert {"9411", "4317"} <= {port["port"] for rule in admitted for item in rule["toPorts"] for port in item["ports"]}


@pytest.mark.rows("GY-ADD-04")
def test_kiali_is_told_where_everything_is(gym: Registered) -> None:
    services = gym.charts["kiali"].values["external_services"]
    assert services["prometheus"]["url"] == f"http://kube-prometheus-stack-prometheus.{MONITORING}:9090"
    assert services["grafana"] == {
        "enabled": True,
        "internal_url": f"http://kube-prometheus-stack-grafana.{MONITORING}:80",
    }
    assert services["tracing"] == {
        "enabled": True,
        "provider": "jaeger",
        "internal_url": "http://jaeger.tracing.svc.cluster.local:16685/jaeger",
        "use_grpc": True,
    }


@pytest.mark.rows("GY-OBS-01", "GY-OBS-02")
def test_prometheus_scrapes_the_sidecars_and_selects_every_monitor(gym: Registered) -> None:
    spec = gym.spec("PodMonitor", "monitoring", "envoy-stats")
    assert {"gym", "istio-system"} <= set(spec["namespaceSelector"]["matchNames"])
    assert [endpoint["path"] for endpoint in spec["podMetricsEndpoints"]] == ["/stats/prometheus"]
    chosen = gym.charts["kube-prometheus-stack"].values["prometheus"]["prometheusSpec"]
    for kind in ("serviceMonitor", "podMonitor", "rule"):
        assert chosen[f"{kind}SelectorNilUsesHelmValues"] is False


@pytest.mark.rows("GY-OBS-03")
def test_istio_s_own_dashboards_are_in_grafana(gym: Registered) -> None:
    values = gym.charts["kube-prometheus-stack"].values["grafana"]
    found = values["dashboards"]["istio"]
    assert {name: item["gnetId"] for name, item in found.items()} == {
        "istio-mesh": 7639,
        "istio-service": 7636,
        "istio-workload": 7630,
        "istio-performance": 11829,
        "istio-control-plane": 7645,
    }
    assert all(item["revision"] and item["datasource"] == "Prometheus" for item in found.values())
    (provider,) = values["dashboardProviders"]["dashboardproviders.yaml"]["providers"]
    assert (provider["name"], provider["options"]["path"]) == ("istio", "/var/lib/grafana/dashboards/istio")
    allowed = gym.spec("CiliumNetworkPolicy", "monitoring", "grafana")["egress"]
    assert [{"matchName": "grafana.com"}] in [rule.get("toFQDNs") for rule in allowed]


@pytest.mark.rows("GY-OBS-04")
def test_requests_are_shown(gym: Registered) -> None:
    found = panels(gym, "Requests")
    assert "istio_requests_total" in found["Request rate"]
    for quantile in ("50", "95", "99"):
        assert "istio_request_duration_milliseconds_bucket" in found[f"Request duration, P{quantile}"]
    assert "istio_request_bytes_sum" in found["Request size"]


@pytest.mark.rows("GY-OBS-05")
def test_responses_are_shown(gym: Registered) -> None:
    found = panels(gym, "Responses")
    for digit in "245":
        assert f'response_code=~"{digit}.."' in found[f"Responses {digit}xx"]
    assert "istio_response_bytes_sum" in found["Response size"]
    assert 'response_code=~"5.."' in found["Error rate"]


@pytest.mark.rows("GY-OBS-06", "GY-OBS-08")
def test_connections_queues_and_breakers_are_counted_and_shown(gym: Registered) -> None:
    found = panels(gym, "Connections")
    asked = {
        "Active connections": "envoy_cluster_upstream_cx_active",
        "Queue depth": "envoy_cluster_upstream_rq_pending_active",
        "Circuit breakers: connections": "envoy_cluster_circuit_breakers_default_cx_open",
        "Circuit breakers: waiting requests": "envoy_cluster_circuit_breakers_default_rq_pending_open",
        "Ejected pods": "envoy_cluster_outlier_detection_ejections_active",
    }
    assert found.keys() == asked.keys()
    for title, metric in asked.items():
        assert metric in found[title]
        assert any(part in metric for part in STATISTICS), "the proxies do not count it"
    matcher = gym.charts["istiod"].values["meshConfig"]["defaultConfig"]["proxyStatsMatcher"]
    assert matcher == {"inclusionRegexps": [f".*{part}.*" for part in STATISTICS]}


@pytest.mark.rows("GY-OBS-07")
def test_the_infrastructure_is_shown(gym: Registered) -> None:
    found = panels(gym, "Infrastructure")
    for title, metric in {
        "CPU": "container_cpu_usage_seconds_total",
        "Memory": "container_memory_working_set_bytes",
        "Network, received": "container_network_receive_bytes_total",
        "Network, sent": "container_network_transmit_bytes_total",
    }.items():
        assert metric in found[title]


@pytest.mark.rows("GY-OBS-04", "GY-OBS-05", "GY-OBS-06", "GY-OBS-07")
def test_every_query_finds_series_that_there_are(gym: Registered) -> None:
    for title in ("Requests", "Responses", "Connections", "Infrastructure"):
        for query in panels(gym, title).values():
            assert labels(query)


@pytest.mark.rows("GY-OBS-11")
def test_access_is_logged_by_every_proxy(gym: Registered) -> None:
    mesh = gym.charts["istiod"].values["meshConfig"]
    assert mesh["accessLogFile"] == "/dev/stdout"
    (logging,) = gym.spec("Telemetry", "istio-system", "mesh-default")["accessLogging"]
    assert logging == {"providers": [{"name": "envoy"}]}


@pytest.mark.rows("GY-OBS-12")
def test_grafana_s_password_is_random(gym: Registered) -> None:
    admin = gym.charts["kube-prometheus-stack"].values["grafana"]["admin"]
    secret = gym.manifest("Secret", "monitoring", admin["existingSecret"])["stringData"]
    generated = {item.outputs["result"] for item in gym.all("index.RandomPassword")}
    assert secret[admin["passwordKey"]] in generated
