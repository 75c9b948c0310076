"""kube-prometheus-stack: Prometheus and its operator, Alertmanager, Grafana, node and object metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from derive import versions
from derive.addons.chart import Release
from derive.addons.istio import replicas_over_zones
from derive.quantities import memory_bytes
from derive.shapes import Deployment, SecretPlan
from model.platform import K3s, Observability

NAME: Final = "kube-prometheus-stack"
GRAFANA_SECRET: Final = "grafana-admin"
OUTSIDE_MESH: Final = {"sidecar.istio.io/inject": "false"}


def release(deployment: Deployment) -> Release:
    platform = deployment.system.platform
    return Release(
        name=NAME,
        source=versions.KUBE_PROMETHEUS_STACK,
        values=values(
            platform.observability,
            volume=deployment.environment.observability_volume,
            members=replicas_over_zones(deployment.environment),
            one_process=isinstance(platform.cluster, K3s),
            cluster=deployment.prefix,
        ),
        requires=("cilium", versions.KUBE_PROMETHEUS_STACK.namespace),
        # Its webhook must answer before the first rule or monitor is sent.
        ready=(f"deployment/{NAME}-operator",),
    )


def secrets() -> tuple[SecretPlan, ...]:
    return (
        SecretPlan(
            name=GRAFANA_SECRET,
            namespace=versions.KUBE_PROMETHEUS_STACK.namespace,
            literals={"admin-user": "admin"},
            passwords={"admin-password": GRAFANA_SECRET},
        ),
    )


def values(settings: Observability, volume: str, members: int, one_process: bool, cluster: str) -> dict[str, Any]:
    """``members``: of Alertmanager. ``one_process``: the control plane is K3s' single process, whose metrics all come
    from the kubelet's endpoint; the chart's monitors for its parts would find nothing and alert for ever."""
    parts = ("kubeControllerManager", "kubeScheduler", "kubeProxy", "kubeEtcd")
    return {
        # The default names have the release's name in them twice.
        "fullnameOverride": NAME,
        **({part: {"enabled": False} for part in parts} if one_process else {}),
        "prometheusOperator": {
            "resources": _resources("10m", "64Mi", "256Mi"),
            "prometheusConfigReloader": {"resources": _resources("5m", "24Mi", "64Mi")},
        },
        "prometheus": {"service": {"type": "ClusterIP"}, "prometheusSpec": _prometheus(settings, volume, cluster)},
        "alertmanager": _alertmanager(members),
        "grafana": _grafana(),
        "kube-state-metrics": {"resources": _resources("10m", "64Mi", "256Mi")},
        "prometheus-node-exporter": {
            # It reads the host, which the namespace's pod security forbids: it stands with the other host agents.
            "namespaceOverride": "kube-system",
            "resources": _resources("10m", "32Mi", "64Mi"),
        },
    }


def _prometheus(settings: Observability, volume: str, cluster: str) -> dict[str, Any]:
    selectors = ("serviceMonitor", "podMonitor", "rule", "probe", "scrapeConfig")
    return {
        # Monitors and rules of every namespace count, whatever release made them.
        **{f"{selector}SelectorNilUsesHelmValues": False for selector in selectors},
        "retention": f"{settings.metrics_days}d",
        # Leaves room for the write-ahead log; Prometheus drops the oldest block rather than fill the volume.
        "retentionSize": f"{_gibibytes(volume) * 8 // 10}GiB",
        "externalLabels": {"cluster": cluster},
        "podMetadata": {"labels": OUTSIDE_MESH},
        "resources": _resources("100m", "768Mi", "2Gi"),
        # No class: the cluster's default.
        "storageSpec": {
            "volumeClaimTemplate": {
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": volume}}}
            }
        },
    }


def _alertmanager(members: int) -> dict[str, Any]:
    """Alerts are grouped per place and kept; a critical alert silences the lesser ones of the same place. Who is told
    is up to the operators: the receiver has no integration until they give it one."""
    return {
        "service": {"type": "ClusterIP"},
        "alertmanagerSpec": {
            "replicas": members,
            "podMetadata": {"labels": OUTSIDE_MESH},
            "resources": _resources("10m", "48Mi", "128Mi"),
            "storage": {
                "volumeClaimTemplate": {
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
                }
            },
        },
        "config": alertmanager_configuration(),
    }


def alertmanager_configuration() -> dict[str, Any]:
    same_place = ["namespace", "alertname"]
    return {
        "global": {"resolve_timeout": "5m"},
        "route": {
            "receiver": "operators",
            "group_by": ["namespace", "alertname"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            # Watchdog always fires, to show that the way of an alert works; it is news only when it stops.
            "routes": [{"receiver": "null", "matchers": ['alertname =~ "Watchdog|InfoInhibitor"']}],
        },
        "inhibit_rules": [
            {
                "source_matchers": ['severity = "critical"'],
                "target_matchers": ['severity =~ "warning|info"'],
                "equal": same_place,
            },
            {
                "source_matchers": ['severity = "warning"'],
                "target_matchers": ['severity = "info"'],
                "equal": same_place,
            },
            {
                "source_matchers": ['alertname = "InfoInhibitor"'],
                "target_matchers": ['severity = "info"'],
                "equal": ["namespace"],
            },
        ],
        "receivers": [{"name": "null"}, {"name": "operators"}],
        "templates": ["/etc/alertmanager/config/*.tmpl"],
    }


def _grafana() -> dict[str, Any]:
    return {
        "admin": {"existingSecret": GRAFANA_SECRET, "userKey": "admin-user", "passwordKey": "admin-password"},
        "service": {"type": "ClusterIP"},
        "podLabels": OUTSIDE_MESH,
        "resources": _resources("50m", "128Mi", "512Mi"),
        # Dashboards are objects of the stack: nothing that is clicked together here is the truth.
        "persistence": {"enabled": False},
        # It reads dashboards and data sources in its own namespace, and nobody else's Secrets.
        "rbac": {"namespaced": True},
        "testFramework": {"enabled": False},
        "sidecar": {
            "resources": _resources("10m", "64Mi", "128Mi"),
            "dashboards": {"enabled": True, "label": "grafana_dashboard", "labelValue": "1", "searchNamespace": None},
            "datasources": {"enabled": True, "searchNamespace": None},
        },
        "grafana.ini": {
            "analytics": {"reporting_enabled": False, "check_for_updates": False},
            "users": {"allow_sign_up": False},
            "auth.anonymous": {"enabled": False},
        },
    }


def _resources(cpu: str, memory: str, memory_limit: str) -> Mapping[str, Any]:
    """No limit on CPU: a scrape that is throttled is a gap in the data."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory_limit}}


def _gibibytes(size: str) -> int:
    """Whole GiB of a Kubernetes quantity: ``20Gi`` -> 20."""
    return memory_bytes(size) // 2**30
