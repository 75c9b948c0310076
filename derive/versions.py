"""Every version the platform stands on: the cluster, each chart and each image of the platform itself.

Each is the newest release of its project that was published for production when it was pinned; a change here is the
whole of an upgrade. Images of the application come from the stack's settings, those of the stores from ``images``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

K3S: Final = "v1.36.2+k3s1"
ISTIO: Final = "1.30.3"
"""Base, CNI plug-in, istiod and gateways are one version: the data plane is never ahead of the control plane."""


@dataclass(frozen=True)
class ChartVersion:
    """A chart at one exact version, and the namespace its release lives in."""

    repo: str
    """Repository over HTTPS; nodes reach the internet on 443 only."""
    chart: str
    version: str
    namespace: str


_ISTIO: Final = "https://istio-release.storage.googleapis.com/charts"
_PROMETHEUS: Final = "https://prometheus-community.github.io/helm-charts"

CILIUM: Final = ChartVersion("https://helm.cilium.io", "cilium", "1.20.0", "kube-system")
ISTIO_BASE: Final = ChartVersion(_ISTIO, "base", ISTIO, "istio-system")
ISTIO_CNI: Final = ChartVersion(_ISTIO, "cni", ISTIO, "kube-system")
"""Beside the other host agents: so istio-system itself needs no privileged pods."""
ISTIOD: Final = ChartVersion(_ISTIO, "istiod", ISTIO, "istio-system")
ISTIO_GATEWAY: Final = ChartVersion(_ISTIO, "gateway", ISTIO, "istio-system")
KUBE_PROMETHEUS_STACK: Final = ChartVersion(_PROMETHEUS, "kube-prometheus-stack", "88.5.3", "monitoring")
POSTGRES_EXPORTER: Final = ChartVersion(_PROMETHEUS, "prometheus-postgres-exporter", "8.2.0", "monitoring")
OPENSEARCH: Final = ChartVersion("https://opensearch-project.github.io/helm-charts", "opensearch", "3.6.0", "logging")
FLUENT_BIT: Final = ChartVersion("https://fluent.github.io/helm-charts", "fluent-bit", "0.58.1", "logging")
CERT_MANAGER: Final = ChartVersion("https://charts.jetstack.io", "cert-manager", "v1.21.1", "cert-manager")
EXTERNAL_SECRETS: Final = ChartVersion(
    "https://charts.external-secrets.io", "external-secrets", "2.9.0", "external-secrets"
)

KUBECTL_IMAGE: Final = "registry.k8s.io/kubectl:v1.36.2"
"""Of the cluster's own minor version."""
CURL_IMAGE: Final = "docker.io/curlimages/curl:8.19.0"
