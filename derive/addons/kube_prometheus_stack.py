"""kube-prometheus-stack: Prometheus and its operator, Alertmanager, Grafana, node and object metrics."""

from __future__ import annotations

from typing import Any, Final

from derive import choices, naming, quantities, versions
from derive.addons import alertmanager, discovery, ebs_csi, grafana, grafana_database
from derive.addons.chart import OUTSIDE_MESH, Release, housed, resources
from derive.addons.istio import replicas_over_zones
from derive.cluster.placement import placement
from derive.identity import vaulted
from derive.quantities import memory_bytes
from derive.shapes import Deployment, SecretPlan
from manifests import core
from manifests.base import Manifest
from model import Grafana
from model.platform import Observability

NAME: Final = "kube-prometheus-stack"
PORT: Final = 9090
CATALOGUE: Final = ("grafana.com",)
"""Where dashboards are published."""
MESH_DASHBOARDS: Final = {
    "istio-mesh": 7639,
    "istio-service": 7636,
    "istio-workload": 7630,
    "istio-performance": 11829,
    "istio-control-plane": 7645,
}
"""Istio's own, by their numbers there (Istio documentation, "Visualizing Metrics with Grafana")."""


def release(deployment: Deployment) -> Release:
    platform = deployment.system.platform
    settings = platform.observability
    return Release(
        name=NAME,
        source=housed(versions.KUBE_PROMETHEUS_STACK, settings.namespace),
        values=values(
            settings,
            volume=deployment.environment.observability_volume,
            members=replicas_over_zones(deployment.environment) if choices.alertmanager(deployment) else 0,
            cluster=deployment.prefix,
            claim=choices.claims(deployment),
            sources=[*grafana.sources(deployment), *grafana_database.sources(deployment)],
            only=deployment.environment.dashboards is not None,
            variables=grafana_database.variables(deployment),
            scrapes=discovery.scrapes(deployment),
            brings_grafana=choices.choice(deployment, Grafana) is None,
            address=grafana.address(deployment),
            place=placement(platform, settings.pool),
        ),
        requires=("cilium", ebs_csi.NAME, settings.namespace),
        # Its webhook must answer before the first rule or monitor is sent.
        ready=(f"deployment/{NAME}-operator",),
    )


def service(deployment: Deployment) -> tuple[Manifest, ...]:
    """The declared name of Prometheus."""
    settings = deployment.system.platform.observability
    if settings.service is None:
        return ()
    port = core.service_port("http-web", PORT, "http")
    return (core.service(settings.service, settings.namespace, naming.PROMETHEUS_LABELS, [port]),)


def secrets(deployment: Deployment) -> tuple[SecretPlan, ...]:
    settings = deployment.system.platform.observability
    return (
        SecretPlan(
            name=grafana.SECRET,
            namespace=settings.namespace,
            literals={"admin-user": "admin"},
            passwords={"admin-password": grafana.SECRET},
        ),
        *grafana_database.secrets(deployment),
        # Those of a platform with Vault come from there, as the system's own.
        *(
            alertmanager.secrets(settings)
            if choices.alertmanager(deployment) and not vaulted.vault_of(deployment)
            else ()
        ),
    )


def values(
    settings: Observability,
    volume: str,
    members: int,
    cluster: str,
    claim: Manifest,
    sources: list[dict[str, Any]],
    brings_grafana: bool,
    scrapes: list[Manifest],
    address: str | None,
    place: Manifest,
    only: bool,
    variables: dict[str, Any],
) -> dict[str, Any]:
    """``members``: of Alertmanager; 0: there is none. ``only``: whether the environment names its dashboards itself.

    The control plane is K3s' single process, whose metrics all come from the kubelet's endpoint, or somebody else's:
    the chart's monitors for its parts would find nothing and alert for ever."""
    parts = ("kubeControllerManager", "kubeScheduler", "kubeProxy", "kubeEtcd")
    return {
        # The default names have the release's name in them twice.
        "fullnameOverride": NAME,
        **{part: {"enabled": False} for part in parts},
        "prometheusOperator": {
            "resources": resources("10m", "64Mi", "256Mi"),
            "prometheusConfigReloader": {"resources": resources("5m", "24Mi", "64Mi")},
            **place,
        },
        "prometheus": {
            "service": {"type": "ClusterIP"},
            "prometheusSpec": {
                **_prometheus(settings, volume, cluster, claim),
                **({"additionalScrapeConfigs": scrapes} if scrapes else {}),
                **place,
            },
        },
        "alertmanager": alertmanager.values(settings, members, claim, place) if members else {"enabled": False},
        "grafana": _grafana(settings, sources, address, place, only, variables)
        if brings_grafana
        else GRAFANA_ELSEWHERE,
        "kube-state-metrics": {"resources": resources("10m", "64Mi", "256Mi"), **place},
        "prometheus-node-exporter": {
            # It reads the host, which the namespace's pod security forbids: it stands with the other host agents.
            "namespaceOverride": "kube-system",
            "resources": resources("10m", "32Mi", "64Mi"),
        },
    }


def _prometheus(settings: Observability, volume: str, cluster: str, claim: Manifest) -> dict[str, Any]:
    """``claim``: the class of the volume; empty: the cluster's default."""
    selectors = ("serviceMonitor", "podMonitor", "rule", "probe", "scrapeConfig")
    return {
        # Monitors and rules of every namespace count, whatever release made them.
        **{f"{selector}SelectorNilUsesHelmValues": False for selector in selectors},
        # What names no interval of its own.
        "scrapeInterval": quantities.duration(settings.scrape),
        "retention": f"{settings.metrics_days}d",
        # Leaves room for the write-ahead log; Prometheus drops the oldest block rather than fill the volume.
        "retentionSize": f"{_gibibytes(volume) * 8 // 10}GiB",
        "externalLabels": {"cluster": cluster},
        "podMetadata": {"labels": OUTSIDE_MESH},
        "resources": resources("100m", "768Mi", "2Gi"),
        "storageSpec": {
            "volumeClaimTemplate": {
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": volume}}, **claim}
            }
        },
    }


GRAFANA_ELSEWHERE: Final = {"enabled": False, "forceDeployDashboards": True}
"""The chart's dashboards are there, for another release of Grafana."""


def _grafana(
    settings: Observability,
    sources: list[dict[str, Any]],
    address: str | None,
    place: Manifest,
    only: bool,
    variables: dict[str, Any],
) -> dict[str, Any]:
    """``only``: whether the environment names its dashboards itself."""
    return {
        **grafana.values(sources, address, own=False),
        **(_mesh_dashboards() if settings.mesh_dashboards and not only else {}),
        **({"defaultDashboardsEnabled": False} if only else {}),
        **variables,
        **place,
    }


def _mesh_dashboards() -> dict[str, Any]:
    """Grafana's pod fetches them before it starts, and shows them in a folder of their own."""
    provider = {
        "name": "istio",
        "orgId": 1,
        "folder": "Istio",
        "type": "file",
        "disableDeletion": True,
        "editable": False,
        "options": {"path": "/var/lib/grafana/dashboards/istio"},
    }
    return {
        "dashboardProviders": {"dashboardproviders.yaml": {"apiVersion": 1, "providers": [provider]}},
        "dashboards": {
            "istio": {
                name: {"gnetId": number, "revision": versions.ISTIO_DASHBOARDS, "datasource": "Prometheus"}
                for name, number in MESH_DASHBOARDS.items()
            }
        },
    }


def _gibibytes(size: str) -> int:
    """Whole GiB of a Kubernetes quantity: ``20Gi`` -> 20."""
    return memory_bytes(size) // 2**30
