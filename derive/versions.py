"""Every version the platform stands on: the cluster, each chart and each image of the platform itself.

Each is the newest release of its project that was published for production when it was pinned; a change here is the
whole of an upgrade. Images of the application come from the stack's settings, those of the stores from ``images``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

K3S: Final = "v1.36.2+k3s1"
EKS: Final = "1.35"
"""EKS gives patches by itself. Istio supports it, and so do the charts below."""
RDS_POSTGRESQL: Final = {14: "14.20", 15: "15.15", 16: "16.11", 17: "17.7", 18: "18.1"}
"""Minor version by major one (Amazon RDS for PostgreSQL release notes, November 2025)."""
ISTIO: Final = "1.30.3"
"""Base, CNI plug-in, istiod and gateways are one version: the data plane is never ahead of the control plane."""
ISTIO_DASHBOARDS: Final = 202
"""Revision of Istio's dashboards at grafana.com: one number for all of them, as they are published together."""


@dataclass(frozen=True)
class ChartVersion:
    """A chart at one exact version, and the namespace its release lives in."""

    repo: str
    """Repository over HTTPS, or a registry (``oci://``); nodes reach the internet on 443 only."""
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
_AUTOSCALER: Final = "https://kubernetes.github.io/autoscaler"
_GRAFANA: Final = "https://grafana-community.github.io/helm-charts"

EBS_CSI: Final = ChartVersion(
    "https://kubernetes-sigs.github.io/aws-ebs-csi-driver", "aws-ebs-csi-driver", "2.64.0", "kube-system"
)
EBS_CSI_POLICY: Final = "arn:aws:iam::aws:policy/AmazonEBSCSIDriverPolicyV2"
"""What the driver may do, kept by AWS in step with it: to volumes that bear its own tag only."""
METRICS_SERVER: Final = ChartVersion(
    "https://kubernetes-sigs.github.io/metrics-server", "metrics-server", "3.13.1", "kube-system"
)
PUSHGATEWAY: Final = ChartVersion(_PROMETHEUS, "prometheus-pushgateway", "3.6.1", "monitoring")
PROMETHEUS_ADAPTER: Final = ChartVersion(_PROMETHEUS, "prometheus-adapter", "5.3.0", "monitoring")
CLUSTER_AUTOSCALER: Final = ChartVersion(_AUTOSCALER, "cluster-autoscaler", "9.59.0", "kube-system")
VERTICAL_POD_AUTOSCALER: Final = ChartVersion(_AUTOSCALER, "vertical-pod-autoscaler", "0.11.0", "kube-system")
GRAFANA: Final = ChartVersion(_GRAFANA, "grafana", "12.11.1", "monitoring")
LOKI: Final = ChartVersion(_GRAFANA, "loki", "18.11.0", "monitoring")
TEMPO: Final = ChartVersion(_GRAFANA, "tempo", "2.2.4", "monitoring")
ALLOY: Final = ChartVersion("https://grafana.github.io/helm-charts", "alloy", "1.11.1", "kube-system")
JAEGER: Final = ChartVersion("https://jaegertracing.github.io/helm-charts", "jaeger", "4.11.1", "tracing")
KIALI: Final = ChartVersion("https://kiali.org/helm-charts", "kiali-server", "2.29.0", "istio-system")
HEADLAMP: Final = ChartVersion("https://kubernetes-sigs.github.io/headlamp/", "headlamp", "0.45.0", "headlamp")
EXTERNAL_DNS: Final = ChartVersion(
    "https://kubernetes-sigs.github.io/external-dns", "external-dns", "1.21.1", "external-dns"
)
VAULT: Final = ChartVersion("https://helm.releases.hashicorp.com", "vault", "0.34.1", "vault")
ARGO_CD: Final = ChartVersion("https://argoproj.github.io/argo-helm", "argo-cd", "10.1.1", "argocd")
ARGO_ROLLOUTS: Final = ChartVersion("https://argoproj.github.io/argo-helm", "argo-rollouts", "2.41.0", "argo-rollouts")
VELERO: Final = ChartVersion("https://vmware-tanzu.github.io/helm-charts", "velero", "12.1.0", "velero")
VELERO_AWS_PLUGIN: Final = "docker.io/velero/velero-plugin-for-aws:v1.13.2"
CERT_MANAGER: Final = ChartVersion("https://charts.jetstack.io", "cert-manager", "v1.21.1", "cert-manager")
EXTERNAL_SECRETS: Final = ChartVersion(
    "https://charts.external-secrets.io", "external-secrets", "2.9.0", "external-secrets"
)

FLUX: Final = ChartVersion("https://fluxcd-community.github.io/helm-charts", "flux2", "2.18.3", "flux-system")
NGINX: Final = ChartVersion("oci://ghcr.io/nginx/charts", "nginx-ingress", "2.4.4", "ingress-nginx")
CORAZA_IMAGE: Final = "ghcr.io/corazawaf/coraza-proxy-wasm:0.6.0"
"""The module that the proxies load, with the OWASP Core Rule Set inside; it consists of ``/plugin.wasm``."""

KUBECTL_IMAGE: Final = "registry.k8s.io/kubectl:v1.36.2"
"""Of the cluster's own minor version."""
CURL_IMAGE: Final = "docker.io/curlimages/curl:8.19.0"
CHECKOUT_ACTION: Final = "actions/checkout@v4"
AWS_ACTION: Final = "aws-actions/configure-aws-credentials@v4"
ECR_LOGIN_ACTION: Final = "aws-actions/amazon-ecr-login@v2"
PULUMI_ACTION: Final = "pulumi/actions@v6"
"""Of workflows on GitHub: each by the organisation whose service it is."""
TRIVY_IMAGE: Final = "docker.io/aquasec/trivy:0.66.0"
KUBECONFORM_IMAGE: Final = "ghcr.io/yannh/kubeconform:v0.7.0"
