"""kube-prometheus-stack: Prometheus and its operator, Alertmanager, Grafana, node and object metrics."""

from __future__ import annotations

from typing import Any, Final

from derive import choices, naming, vaulted, versions
from derive.addons import alertmanager, ebs_csi
from derive.addons.chart import OUTSIDE_MESH, Release, housed, resources
from derive.addons.istio import replicas_over_zones
from derive.placement import placement
from derive.quantities import memory_bytes
from derive.shapes import Deployment, SecretPlan
from manifests.base import Manifest
from model import Jaeger, Loki, Tempo
from model.platform import K3s, Observability

NAME: Final = "kube-prometheus-stack"
GRAFANA_SECRET: Final = "grafana-admin"
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
            one_process=isinstance(platform.cluster, K3s),
            cluster=deployment.prefix,
            claim=choices.claims(deployment),
            sources=data_sources(deployment),
            place=placement(platform, settings.pool),
        ),
        requires=("cilium", ebs_csi.NAME, settings.namespace),
        # Its webhook must answer before the first rule or monitor is sent.
        ready=(f"deployment/{NAME}-operator",),
    )


def secrets(deployment: Deployment) -> tuple[SecretPlan, ...]:
    settings = deployment.system.platform.observability
    return (
        SecretPlan(
            name=GRAFANA_SECRET,
            namespace=settings.namespace,
            literals={"admin-user": "admin"},
            passwords={"admin-password": GRAFANA_SECRET},
        ),
        # Those of a platform with Vault come from there, as the system's own.
        *(
            alertmanager.secrets(settings)
            if choices.alertmanager(deployment) and not vaulted.vault_of(deployment)
            else ()
        ),
    )


def data_sources(deployment: Deployment) -> list[dict[str, Any]]:
    """What Grafana reads beside Prometheus. The ids are fixed, so that dashboards can name them."""
    home = deployment.system.platform.observability.namespace
    found = []
    if choices.choice(deployment, Loki):
        found.append(_source("Loki", "loki", f"http://{naming.fqdn('loki', home)}:{naming.LOKI_PORT}"))
    if choices.choice(deployment, Tempo):
        found.append(_source("Tempo", "tempo", f"http://{naming.fqdn('tempo', home)}:{naming.TEMPO_PORT}"))
    jaeger = choices.choice(deployment, Jaeger)
    if jaeger:
        host = naming.fqdn("jaeger", jaeger.namespace or naming.TRACING_NAMESPACE)
        found.append(_source("Jaeger", "jaeger", f"http://{host}:{naming.JAEGER_PORT}"))
    return found


def _source(name: str, kind: str, url: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "uid": kind, "access": "proxy", "url": url, "editable": False}


def values(
    settings: Observability,
    volume: str,
    members: int,
    one_process: bool,
    cluster: str,
    claim: Manifest,
    sources: list[dict[str, Any]],
    place: Manifest,
) -> dict[str, Any]:
    """``members``: of Alertmanager; 0: there is none. ``one_process``: the control plane is K3s' single process, whose
    metrics all come from the kubelet's endpoint; the chart's monitors for its parts would find nothing and alert for
    ever."""
    parts = ("kubeControllerManager", "kubeScheduler", "kubeProxy", "kubeEtcd")
    return {
        # The default names have the release's name in them twice.
        "fullnameOverride": NAME,
        **({part: {"enabled": False} for part in parts} if one_process else {}),
        "prometheusOperator": {
            "resources": resources("10m", "64Mi", "256Mi"),
            "prometheusConfigReloader": {"resources": resources("5m", "24Mi", "64Mi")},
            **place,
        },
        "prometheus": {
            "service": {"type": "ClusterIP"},
            "prometheusSpec": {**_prometheus(settings, volume, cluster, claim), **place},
        },
        "alertmanager": alertmanager.values(settings, members, claim, place) if members else {"enabled": False},
        "grafana": {**_grafana(sources), **(_mesh_dashboards() if settings.mesh_dashboards else {}), **place},
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


def _grafana(sources: list[dict[str, Any]]) -> dict[str, Any]:
    """``sources``: beside Prometheus, which the chart makes known itself."""
    return {
        **({"additionalDataSources": sources} if sources else {}),
        "admin": {"existingSecret": GRAFANA_SECRET, "userKey": "admin-user", "passwordKey": "admin-password"},
        "service": {"type": "ClusterIP"},
        "podLabels": OUTSIDE_MESH,
        "resources": resources("50m", "128Mi", "512Mi"),
        # Dashboards are objects of the stack: nothing that is clicked together here is the truth.
        "persistence": {"enabled": False},
        # It reads dashboards and data sources in its own namespace, and nobody else's Secrets.
        "rbac": {"namespaced": True},
        "testFramework": {"enabled": False},
        "sidecar": {
            "resources": resources("10m", "64Mi", "128Mi"),
            "dashboards": {"enabled": True, "label": "grafana_dashboard", "labelValue": "1", "searchNamespace": None},
            "datasources": {"enabled": True, "searchNamespace": None},
        },
        "grafana.ini": {
            "analytics": {"reporting_enabled": False, "check_for_updates": False},
            "users": {"allow_sign_up": False},
            "auth.anonymous": {"enabled": False},
        },
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
