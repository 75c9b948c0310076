"""The add-ons that a platform asks for by name: who makes each, in the order of their installation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from derive import choices
from derive.addons import (
    alloy,
    argo_cd,
    argo_rollouts,
    cert_manager,
    cloudwatch_logs,
    cluster_autoscaler,
    ebs_csi,
    external_dns,
    external_secrets,
    flux,
    grafana,
    headlamp,
    kiali,
    loki,
    metrics_server,
    nginx,
    prometheus_adapter,
    pushgateway,
    tracing,
    vault,
    velero,
    vertical_pod_autoscaler,
)
from derive.addons.chart import Addition
from derive.shapes import Deployment
from model import Flux, Nginx

MAKERS: Final[dict[str, Callable[[Deployment, Any], Addition | None]]] = {
    "ebs-csi": ebs_csi.addition,
    "metrics-server": metrics_server.addition,
    "cert-manager": cert_manager.addition,
    "external-secrets": external_secrets.addition,
    "argo-rollouts": argo_rollouts.addition,
    "prometheus-adapter": prometheus_adapter.addition,
    "loki": loki.addition,
    "alloy": alloy.addition,
    "cloudwatch-logs": cloudwatch_logs.addition,
    "pushgateway": pushgateway.addition,
    "grafana": grafana.addition,
    "tempo": tracing.tempo,
    "jaeger": tracing.jaeger,
    "kiali": kiali.addition,
    "cluster-autoscaler": cluster_autoscaler.addition,
    "vertical-pod-autoscaler": vertical_pod_autoscaler.addition,
    "vault": vault.addition,
    "headlamp": headlamp.addition,
    "external-dns": external_dns.addition,
    "velero": velero.addition,
    "argo-cd": argo_cd.addition,
}
"""By kind. Volumes before what claims them, certificates before what is secured by them, metrics before their users."""
EARLY: Final = frozenset({flux.NAME, "ebs-csi", "metrics-server", "cert-manager", "external-secrets", "argo-rollouts"})
"""Those that stand on the network alone, so that the mesh and everything after it can stand on them."""


def additions(deployment: Deployment) -> dict[str, Addition]:
    """What one environment has of them, by kind."""
    asked = {choice.kind: choice for choice in choices.chosen(deployment)}
    platform = deployment.system.platform
    ingress = platform.ingress
    made: dict[str, Addition | None] = {}
    if isinstance(platform.delivery, Flux):
        made[flux.NAME] = flux.addition(deployment, platform.delivery)
    made |= {kind: maker(deployment, asked[kind]) for kind, maker in MAKERS.items() if kind in asked}
    if isinstance(ingress, Nginx):
        made[ingress.kind] = nginx.addition(deployment, ingress)
    return {kind: addition for kind, addition in made.items() if addition}
