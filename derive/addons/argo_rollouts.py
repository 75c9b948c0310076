"""Argo Rollouts: moves traffic to a new version step by step, or all at once, and back."""

from __future__ import annotations

from typing import Any, Final

from derive import naming, versions
from derive.addons.chart import OUTSIDE_MESH, Addition, Measured, Release, housed, resources
from derive.addons.flows import API_SERVER, Flow, Pods, Rule
from derive.addons.istio import replicas_over_zones
from derive.cluster.placement import placement
from derive.shapes import Deployment
from manifests import pods
from model import ArgoRollouts

NAME: Final = "argo-rollouts"
LABELS: Final = {naming.APP: NAME}


def addition(deployment: Deployment, choice: ArgoRollouts) -> Addition:
    source = housed(versions.ARGO_ROLLOUTS, choice.namespace)
    monitoring = deployment.system.platform.observability.namespace
    return Addition(
        release=Release(
            name=NAME,
            source=source,
            values=values(deployment, choice),
            requires=("cilium",),
            ready=(f"deployment/{NAME}",),
        ),
        rules=(Rule(NAME, LABELS, (), (API_SERVER, Flow((Pods(naming.PROMETHEUS_LABELS, monitoring),), (9090,)))),),
        measured=(Measured(LABELS, 8090),),
    )


def values(deployment: Deployment, choice: ArgoRollouts) -> dict[str, Any]:
    replicas = replicas_over_zones(deployment.environment)
    return {
        "installCRDs": True,
        # Kept when the chart goes: with the definitions, Kubernetes would delete every Rollout and its pods.
        "keepCRDs": True,
        "podSecurityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "controller": {
            "replicas": replicas,
            "pdb": {"enabled": replicas > 1, "maxUnavailable": 1},
            "podLabels": OUTSIDE_MESH,
            "resources": resources("25m", "64Mi", "256Mi"),
            "topologySpreadConstraints": pods.spread(LABELS),
            **placement(deployment.system.platform, choice.pool),
        },
        "dashboard": {"enabled": False},
    }
