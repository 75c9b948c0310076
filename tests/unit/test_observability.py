"""Monitors, rules and dashboards: what is watched, and that it follows from the declaration."""

from __future__ import annotations

import json
import re
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # the package ships no types
import pytest

from derive.observability import observability
from manifests.base import Manifest
from model import (
    Dashboard,
    External,
    Istio,
    NetworkPolicies,
    NoMesh,
    Panel,
    Platform,
    PostgreSQL,
    Redis,
    Service,
    ServicePolicy,
    System,
    seconds,
)
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed, shop
from tests.unit.test_exposed import exposed

SUCCESS = """\
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


def objects(system: System = SYSTEM, env: str = "dev") -> dict[tuple[str, str], Manifest]:
    return {
        (item["kind"], item["metadata"]["name"]): item
        for part in observability(deployed(system, env))
        for item in part.objects
    }


def rules(system: System = SYSTEM, env: str = "dev") -> dict[str, dict[str, Any]]:
    (found,) = [item for (kind, _), item in objects(system, env).items() if kind == "PrometheusRule"]
    return {rule["alert"]: rule for group in found["spec"]["groups"] for rule in group["rules"]}


def pages(system: System = SYSTEM, env: str = "dev") -> dict[str, list[dict[str, Any]]]:
    """Panels by the dashboard's title."""
    found = [item for (kind, _), item in objects(system, env).items() if kind == "ConfigMap"]
    loaded = [json.loads(text) for item in found for text in item["data"].values()]
    return {page["title"]: page["panels"] for page in loaded}


def queries(page: str, system: System = SYSTEM) -> dict[str, str]:
    return {panel["title"]: panel["targets"][0]["expr"] for panel in pages(system)[page] if panel.get("targets")}


def test_the_services_are_scraped_as_required() -> None:
    found = objects()["ServiceMonitor", "fitsync-services"]
    assert found["metadata"]["namespace"] == "fitsync"
    assert found["spec"] == {
        "selector": {"matchLabels": {"monitoring": "enabled"}},
        "endpoints": [{"port": "metrics", "interval": "15s", "path": "/metrics"}],
    }


def test_sidecars_and_gateways_are_scraped_where_mutual_tls_lets_them() -> None:
    """Envoy's metrics are the source of every query about requests; only this port is plain text under STRICT."""
    spec = objects()["PodMonitor", "envoy-stats"]["spec"]
    assert spec["namespaceSelector"] == {"matchNames": ["fitsync", "istio-system"]}
    (endpoint,) = spec["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("http-envoy-prom", "/stats/prometheus")
    assert {"sourceLabels", "targetLabel", "replacement"} <= set(endpoint["relabelings"][0])
    assert endpoint["relabelings"][0]["replacement"] == "$1:15020"


def test_without_mesh_and_cilium_nothing_of_them_is_scraped_or_shown() -> None:
    """A monitor without targets and a rule without series hide that nobody looks."""
    bare = shop(platform=Platform(mesh=NoMesh(), cni=NetworkPolicies()))
    assert {kind for kind, _ in objects(bare)} == {"ServiceMonitor", "PrometheusRule", "ConfigMap"}
    assert set(pages(bare)) == {"Platform"}
    assert not any("istio" in rule["expr"] or "cilium" in rule["expr"] for rule in rules(bare).values())


def test_each_measured_namespace_has_its_monitor() -> None:
    """A ServiceMonitor selects in its own namespace only."""
    system = shop(
        services=(
            Service(name="web", port=3000, metrics=9090),
            Service(name="orders", port=3001, metrics=9090, namespace="back"),
        )
    )
    monitors = [
        item["metadata"]["namespace"]
        for part in observability(deployed(system))
        for item in part.objects
        if item["metadata"]["name"] == "shop-services"
    ]
    assert monitors == ["shop", "back"]


def test_the_three_istio_queries_are_used_as_they_are() -> None:
    mesh, security = queries("Service Mesh Overview"), queries("Security Dashboard")
    assert mesh["Success rate by service"] == SUCCESS
    assert mesh["Latency by service, P95"] == P95
    assert security["mTLS connection status"] == MTLS


@pytest.mark.parametrize(
    ("page", "titles"),
    [
        (
            "Service Mesh Overview",
            {"Request volume", "Success rate", "Latency by service, P50", "Latency by service, P95"}
            | {"Latency by service, P99", "Service dependency graph"},
        ),
        (
            "Business Metrics",
            {"Active users by role", "Bookings per day", "Programs assigned per week", "Achievements earned per day"},
        ),
        (
            "Security Dashboard",
            {"mTLS connection status", "Authorization policy denials", "JWT validation failures"}
            | {"Rate limit violations"},
        ),
        (
            "Platform",
            {"Redis: memory usage", "Redis: pub/sub message rate", "Redis: connected clients"}
            | {"PostgreSQL: connection usage", "PostgreSQL: query duration", "PostgreSQL: database size"}
            | {"K3s: node CPU", "K3s: node memory", "K3s: pod restarts per hour", "K3s: persistent volume usage"},
        ),
    ],
)
def test_the_dashboards_answer_what_is_asked(page: str, titles: set[str]) -> None:
    assert titles <= {panel["title"] for panel in pages()[page]}


def test_of_volumes_that_are_directories_the_disk_is_shown() -> None:
    """The kubelet measures no such volume: a panel of them would stay empty."""
    found = {title for title in queries("Platform", exposed()) if title.startswith("K3s: ")}
    assert found == {"K3s: node CPU", "K3s: node memory", "K3s: pod restarts per hour", "K3s: node disk"}


def test_every_measured_service_has_its_own_metrics_on_a_dashboard() -> None:
    titles = " ".join(panel["title"] for panel in pages()["Application Metrics"])
    assert all(f"{service.name}: " in titles for service in SYSTEM.services if service.metrics)


def test_the_dependency_graph_reads_nodes_and_edges() -> None:
    """Grafana tells the two tables apart by these reference ids and columns."""
    (panel,) = [panel for panel in pages()["Service Mesh Overview"] if panel["type"] == "nodeGraph"]
    targets = {target["refId"]: target for target in panel["targets"]}
    assert set(targets) == {"nodes", "edges"}
    assert all(target["format"] == "table" and target["instant"] for target in targets.values())
    for column in ("id", "source", "target"):
        assert f'"{column}"' in targets["edges"]["expr"]


def test_declared_calls_stand_beside_the_observed_ones() -> None:
    (panel,) = [panel for panel in pages()["Service Mesh Overview"] if panel["type"] == "text"]
    assert "| training-service | user-service |" in panel["options"]["content"]


def test_a_declared_page_adds_to_the_derived_one_of_its_title() -> None:
    system = shop(
        dashboards=(
            Dashboard(title="Platform", panels=(Panel(title="Queue length", query="queue_length"),)),
            Dashboard(title="Sales", panels=(Panel(title="Orders", query="orders_total", shape="number"),)),
        )
    )
    found = pages(system)
    assert {"Queue length", "K3s: node CPU"} <= {panel["title"] for panel in found["Platform"]}
    (panel,) = found["Sales"]
    assert (panel["type"], panel["targets"][0]["expr"]) == ("stat", "orders_total")


@pytest.mark.parametrize("env", sorted(SYSTEM.environments))
def test_dashboards_are_loaded_and_laid_out(env: str) -> None:
    """Grafana's sidecar collects by label; two panels in one place hide each other; equal ids replace each other."""
    found = [item for (kind, _), item in objects(SYSTEM, env).items() if kind == "ConfigMap"]
    ids = set()
    for item in found:
        kubernetes_validate.validate(item, "1.36", strict=True)
        assert item["metadata"]["namespace"] == "monitoring"
        assert item["metadata"]["labels"]["grafana_dashboard"] == "1"
        (page,) = (json.loads(text) for text in item["data"].values())
        ids.add(page["uid"])
        assert len(page["uid"]) <= 40
        taken: set[tuple[int, int]] = set()
        for panel in page["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken
            taken |= cells
    assert len(ids) == len(found)


def test_every_alert_says_how_bad_it_is_what_it_means_and_what_to_do() -> None:
    for name, rule in rules(SYSTEM, "prod").items():
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), name
        assert re.fullmatch(r"\d+m", rule["for"]), name
        assert {key for key, text in rule["annotations"].items() if text} == {"summary", "description", "runbook"}


def test_alerts_cover_errors_latency_restarts_databases_and_redis() -> None:
    assert set(rules(SYSTEM, "prod")) >= {
        "ErrorRateHigh",
        "LatencyHigh",
        "PodRestarts",
        "ServiceDown",
        "DatabaseDown",
        "DatabaseConnectionsHigh",
        "DatabaseArchivingFails",
        "RedisDown",
        "RedisMemoryHigh",
    }


def test_every_declared_thing_is_named_by_its_alerts() -> None:
    """A service or store that no expression names would fail unseen."""
    found = rules()
    for service in SYSTEM.services:
        assert service.name in found["ServiceDown"]["expr"]
    for store in SYSTEM.stores:
        alert = found["RedisDown" if isinstance(store, Redis) else "DatabaseDown"]
        assert store.name in alert["expr"]


def test_a_lost_standby_is_an_alert_only_where_there_is_one() -> None:
    assert "DatabaseStandbyLost" not in rules(SYSTEM, "dev")
    assert "DatabaseStandbyLost" in rules(SYSTEM, "prod")


def test_the_volume_of_the_environment_is_the_limit_of_its_databases() -> None:
    assert rules(SYSTEM, "dev")["DatabaseVolumeFilling"]["expr"].endswith(f"> {14 * 2**30}")
    assert rules(SYSTEM, "prod")["DatabaseVolumeFilling"]["expr"].endswith(f"> {70 * 2**30}")


def test_stores_that_are_not_there_have_no_alerts() -> None:
    assert not any(name.startswith(("Database", "Redis")) for name in rules(shop()))
    with_redis = shop(
        stores=(Redis(name="cache", append_only=False),), services=(Service(name="web", port=80, uses=("cache",)),)
    )
    names = {name for name in rules(with_redis) if name.startswith("Redis")}
    assert names == {"RedisDown", "RedisMemoryHigh", "RedisConnectionsRefused"}


def test_a_database_in_the_cluster_is_measured_under_its_own_name() -> None:
    """There the exporter is beside it and its Service is the database's."""
    system = shop(
        stores=(PostgreSQL(name="orderdb"),), services=(Service(name="orders", port=3001, uses=("orderdb",)),)
    )
    (found,) = [
        rule
        for part in observability(deployed(system, placements={"orderdb": "cluster"}))
        for item in part.objects
        if item["kind"] == "PrometheusRule"
        for group in item["spec"]["groups"]
        for rule in group["rules"]
        if rule["alert"] == "DatabaseDown"
    ]
    assert found["expr"] == 'pg_up{service="orderdb"} == 0'


def test_a_declared_timeout_is_what_latency_is_measured_against() -> None:
    policies = (ServicePolicy(to="web", timeout=seconds(2)), ServicePolicy(to="orders", timeout=seconds(5)))
    expression = rules(shop(policies=policies))["TimeoutNear"]["expr"]
    first, second = expression.split("\nor\n")
    assert 'destination_service_name="web"' in first
    assert first.endswith("> 1600")
    assert 'destination_service_name="orders"' in second
    assert second.endswith("> 4000")
    assert "TimeoutNear" not in rules(shop())


def test_a_long_poll_is_not_slow() -> None:
    """Answers that wait for an event take as long as they may: an alert on that never ends."""
    services = (Service(name="web", port=80), Service(name="events", port=81, long_poll=True))
    policies = tuple(ServicePolicy(to=service.name, timeout=seconds(60)) for service in services)
    found = rules(shop(services=services, policies=policies))
    assert 'destination_service_name!~"events"' in found["LatencyHigh"]["expr"]
    assert "events" not in found["TimeoutNear"]["expr"]


def test_what_leaves_is_counted_by_destination_and_compared_with_its_average() -> None:
    """The bill names destinations, and so must whoever looks for a service that was taken over."""
    leaving = External(name="pay", hosts=("api.pay.example",), used_by=("orders",), through_gateway=True)
    platform = Platform(mesh=Istio(egress_gateway=True))
    (found,) = [
        item
        for (kind, _), item in objects(shop(externals=(leaving,), platform=platform)).items()
        if kind == "PrometheusRule"
    ]
    (group,) = [group for group in found["spec"]["groups"] if group["name"] == "shop-egress"]
    recorded = {rule["record"]: rule["expr"] for rule in group["rules"] if "record" in rule}
    where = '{reporter="source",source_workload="istio-egressgateway"}[5m]'
    assert recorded == {
        "egress:sent_bytes:rate5m": "sum by (destination_service) "
        f"(rate(istio_tcp_sent_bytes_total{where}) or rate(istio_request_bytes_sum{where}))",
        "egress:sent:rate5m": "sum by (destination_service) "
        f"(rate(istio_tcp_connections_opened_total{where}) or rate(istio_requests_total{where}))",
    }
    (alert,) = [rule for rule in group["rules"] if "alert" in rule]
    assert alert["expr"] == (
        "egress:sent:rate5m > 3 * avg_over_time(egress:sent:rate5m[1h]) and egress:sent:rate5m > 1"
    )
