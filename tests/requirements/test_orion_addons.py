"""Orion's add-ons: which charts, where, at which versions."""

from __future__ import annotations

import re

import pytest

from tests.requirements.registered import Registered, machine

OFFICIAL = {
    "nginx-ingress": "oci://ghcr.io/nginx/charts/nginx-ingress",
    "cert-manager": "https://charts.jetstack.io",
    "istio-base": "https://istio-release.storage.googleapis.com/charts",
    "istiod": "https://istio-release.storage.googleapis.com/charts",
    "istio-egressgateway": "https://istio-release.storage.googleapis.com/charts",
    "vault": "https://helm.releases.hashicorp.com",
    "external-secrets": "https://charts.external-secrets.io",
    "kube-prometheus-stack": "https://prometheus-community.github.io/helm-charts",
    "velero": "https://vmware-tanzu.github.io/helm-charts",
    "argo-rollouts": "https://argoproj.github.io/argo-helm",
}


def k3s(stack: Registered) -> list[str]:
    """The settings of the servers, which join by the key that agents do not have."""
    boots = [machine(item.inputs["userData"]).files for item in stack.all("ec2.LaunchTemplate")]
    texts = [files["/etc/rancher/k3s/config.yaml"] for files in boots]
    servers = [text for text in texts if "etcd-s3: true" in text]
    assert 0 < len(servers) < len(texts)
    return servers


@pytest.mark.rows("OR-ADD-01")
def test_nginx_and_cert_manager_stand_where_traefik_does_not(orion: Registered) -> None:
    for name in ("nginx-ingress", "cert-manager"):
        assert orion.charts[name].namespace == "orion-ingress"
    for text in k3s(orion):
        assert "traefik" in text
        assert "servicelb" in text


@pytest.mark.rows("OR-ADD-02")
def test_istio_has_its_base_its_control_plane_and_an_egress_gateway(orion: Registered) -> None:
    for name, chart in (("istio-base", "base"), ("istiod", "istiod"), ("istio-egressgateway", "gateway")):
        found = orion.charts[name]
        assert (found.chart, found.namespace) == (chart, "istio-system")
        major, minor = found.version.split(".")[:2]
        assert (int(major), int(minor)) >= (1, 20)


@pytest.mark.rows("OR-ADD-03")
def test_autoscalers_have_their_metrics_and_their_controllers(orion: Registered) -> None:
    """K3s brings its own metrics-server, unless it is told not to."""
    assert {"prometheus-adapter", "cluster-autoscaler", "vertical-pod-autoscaler"} <= set(orion.charts)
    names = {rule["name"]["as"] for rule in orion.charts["prometheus-adapter"].values["rules"]["custom"]}
    assert names == {"http_requests_per_second", "logins_per_second", "queue_depth"}
    assert not any("metrics-server" in text for text in k3s(orion))


@pytest.mark.rows("OR-ADD-04")
def test_the_dashboard_is_reached_by_the_ingress_only(orion: Registered) -> None:
    assert orion.charts["headlamp"].chart == "headlamp"
    spec = orion.spec("Ingress", "headlamp", "headlamp")
    assert (spec["ingressClassName"], spec["rules"][0]["host"]) == ("nginx", "dashboard.orion.com")
    (rule,) = orion.spec("NetworkPolicy", "headlamp", "headlamp")["ingress"]
    (source,) = rule["from"]
    assert source["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "orion-ingress"}
    assert source["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "nginx-ingress"}


@pytest.mark.rows("OR-ADD-05", "OR-BEY-06")
def test_charts_come_from_their_projects_at_exact_versions(orion: Registered) -> None:
    for name, source in OFFICIAL.items():
        assert source in (orion.charts[name].spec.get("repo"), orion.charts[name].chart), name
    for chart in orion.charts.values():
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", chart.version), chart.name
