"""A monitoring stack under short names, which finds pods by itself, with a Grafana of its own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from derive.addons import addons
from derive.observability import observability
from derive.shapes import AddonPlan
from manifests.base import Manifest
from model import (
    Grafana,
    InCluster,
    Loki,
    NetworkPolicies,
    NoMesh,
    Observability,
    Platform,
    PostgreSQL,
    Quota,
    Service,
    System,
    Traefik,
)
from tests.unit.declared import deployed, environment, shop


def watched() -> System:
    """All in one namespace, without a mesh."""
    return shop(
        namespace="production",
        stores=(PostgreSQL(name="orderdb", placement=InCluster()),),
        services=(Service(name="orders", port=3001, metrics=9090, uses=("orderdb",)),),
        platform=Platform(
            mesh=NoMesh(),
            cni=NetworkPolicies(),
            ingress=Traefik(),
            observability=Observability(namespace="production", service="prometheus", discovery="pods", logs="none"),
            addons=(Grafana(), Loki()),
        ),
        environments={"dev": environment()},
    )


def plans() -> dict[str, AddonPlan]:
    return {plan.name: plan for plan in addons(deployed(watched()))}


def values(release: str) -> dict[str, Any]:
    (chart,) = [item for item in plans()[release].objects if item["kind"] == "HelmChart"]
    found: dict[str, Any] = yaml.safe_load(chart["spec"]["valuesContent"])
    return found


def service() -> Manifest:
    (found,) = [item for item in plans()["kube-prometheus-stack"].settings if item["kind"] == "Service"]
    return found


def test_prometheus_has_the_name_that_is_declared() -> None:
    """NT-OBS-03: port forwarding names svc/prometheus; the chart's own name is another."""
    assert (service()["metadata"]["name"], service()["metadata"]["namespace"]) == ("prometheus", "production")
    assert service()["spec"]["ports"][0]["port"] == 9090
    assert service()["spec"]["selector"] == {"app.kubernetes.io/name": "prometheus"}


def test_grafana_stands_alone_and_reads_prometheus_and_loki() -> None:
    """NT-OBS-03, NT-OBS-05, NT-OBS-07."""
    found = values("grafana")
    assert found["fullnameOverride"] == "grafana"
    assert found["service"] == {"type": "ClusterIP", "port": 80, "targetPort": 3000}
    assert found["admin"]["existingSecret"] == "grafana-admin"
    sources = {item["uid"]: item["url"] for item in found["datasources"]["datasources.yaml"]["datasources"]}
    assert sources == {
        "prometheus": "http://prometheus.production.svc.cluster.local:9090",
        "loki": "http://loki.production.svc.cluster.local:3100",
    }
    assert values("kube-prometheus-stack")["grafana"] == {"enabled": False, "forceDeployDashboards": True}


def test_pods_are_found_once() -> None:
    """NT-OBS-04: who is found by pod and by Service is counted twice."""
    (job,) = values("kube-prometheus-stack")["prometheus"]["prometheusSpec"]["additionalScrapeConfigs"]
    assert job["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": ["production", "kube-system"]}}]
    kinds = {item["kind"] for part in observability(deployed(watched())) for item in part.objects}
    assert "ServiceMonitor" not in kinds
    policy = {item["metadata"]["name"]: item for item in plans()["production"].settings}["prometheus"]
    peers = [rule for rule in policy["spec"]["egress"] if {"port": 9100, "protocol": "TCP"} in rule.get("ports", [])]
    assert any(
        peer.get("podSelector") == {"matchLabels": {"app.kubernetes.io/name": "traefik"}}
        for rule in peers
        for peer in rule["to"]
    )


@pytest.mark.parametrize(
    ("labels", "left"),
    [
        ({"k8s_app": "kube-dns"}, True),
        ({"app_kubernetes_io_name": "kube-state-metrics"}, True),
        ({"app_kubernetes_io_name": "traefik"}, False),
        ({"app": "orders"}, False),
    ],
)
def test_what_a_chart_monitors_is_left_to_it(labels: dict[str, str], left: bool) -> None:
    """kube-state-metrics, too, has a port ``metrics``, which its policy keeps closed: an alert about it never ends."""
    (job,) = values("kube-prometheus-stack")["prometheus"]["prometheusSpec"]["additionalScrapeConfigs"]
    (step,) = [
        step for step in job["relabel_configs"] if step.get("action") == "drop" and len(step["source_labels"]) == 2
    ]
    given = ";".join(
        labels.get(name.removeprefix("__meta_kubernetes_pod_label_"), "") for name in step["source_labels"]
    )
    assert (re.fullmatch(step["regex"], given) is not None) is left


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"app": "orders"}, "orders"),
        ({"app_kubernetes_io_name": "traefik"}, "traefik"),
        ({"app": "orders", "app_kubernetes_io_name": "other"}, "orders"),
    ],
)
def test_every_pod_found_has_a_service(labels: dict[str, str], service: str) -> None:
    """What Traefik measures by ``service`` is ``exported_service`` to rules and dashboards only beside a label of the
    pod's own; its chart's pods have no label ``app``."""
    (job,) = values("kube-prometheus-stack")["prometheus"]["prometheusSpec"]["additionalScrapeConfigs"]
    found = ""
    for step in job["relabel_configs"]:
        if step.get("target_label") == "service":
            (source,) = step["source_labels"]
            given = labels.get(source.removeprefix("__meta_kubernetes_pod_label_"), "")
            found = given if re.fullmatch(step.get("regex", "(.*)"), given) else found
    assert found == service


@pytest.mark.tool("promtool")
def test_prometheus_takes_the_job(tmp_path: Path) -> None:
    """The operator hands it on unread: a mistake in it keeps Prometheus from loading anything. Debian's knows no
    discovery of pods, whose three words the test above has."""
    (job,) = values("kube-prometheus-stack")["prometheus"]["prometheusSpec"]["additionalScrapeConfigs"]
    file = tmp_path / "prometheus.yml"
    known = {key: value for key, value in job.items() if key != "kubernetes_sd_configs"}
    file.write_text(yaml.safe_dump({"scrape_configs": [known]}))
    done = subprocess.run(["promtool", "check", "config", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_under_a_quota_of_limits_add_ons_say_their_own() -> None:
    """NT-INF-05: each container without a limit would count with the default of applications, and the last pods would
    not start."""
    plain = values("kube-prometheus-stack")
    assert "cpu" not in plain["prometheus"]["prometheusSpec"]["resources"]["limits"]
    quota = Quota(cpu="8", cpu_limit="12", memory="16Gi", memory_limit="24Gi", pods=50, claims=10)
    system = watched().model_copy(update={"quota": quota})
    (chart,) = [
        item
        for plan in addons(deployed(system))
        if plan.name == "kube-prometheus-stack"
        for item in plan.objects
        if item["kind"] == "HelmChart"
    ]
    found = yaml.safe_load(chart["spec"]["valuesContent"])
    assert found["prometheus"]["prometheusSpec"]["resources"]["limits"] == {"cpu": "500m", "memory": "2Gi"}
    assert found["kube-state-metrics"]["resources"]["limits"] == {"cpu": "50m", "memory": "256Mi"}
