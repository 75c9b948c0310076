"""The VerticalPodAutoscaler's three controllers: who recommends, who evicts, and who sets the requests of new pods."""

from __future__ import annotations

from typing import Any, Final

from derive import versions
from derive.addons.chart import Addition, Release, resources
from derive.addons.istio import replicas_over_zones
from derive.cluster.placement import placement
from derive.shapes import Deployment
from manifests import pods
from model import VerticalPodAutoscaler

NAME: Final = "vertical-pod-autoscaler"
PARTS: Final = ("recommender", "updater", "admission-controller")


def addition(deployment: Deployment, choice: VerticalPodAutoscaler) -> Addition:
    return Addition(
        Release(
            name=NAME,
            source=versions.VERTICAL_POD_AUTOSCALER,
            values=values(deployment, choice),
            # Its recommendations come from the pods' measured use.
            requires=("cilium", "metrics-server"),
            ready=tuple(f"deployment/{NAME}-{part}" for part in PARTS),
        )
    )


def values(deployment: Deployment, choice: VerticalPodAutoscaler) -> dict[str, Any]:
    replicas = replicas_over_zones(deployment.environment)
    place = placement(deployment.system.platform, choice.pool)
    part: dict[str, Any] = {
        "replicas": replicas,
        # One pod alone could not be moved off a node that is to go.
        "podDisruptionBudget": {"enabled": replicas > 1},
        "resources": resources("25m", "128Mi", "512Mi"),
        **place,
    }
    return {
        "fullnameOverride": NAME,
        "podSecurityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
        "containerSecurityContext": dict(pods.CONTAINER_SECURITY),
        "recommender": part,
        "updater": part,
        # Its certificate is made by the chart's own Jobs.
        "admissionController": {
            **part,
            "registerWebhook": False,
            "certGen": {"enabled": True, "resources": resources("10m", "32Mi", "64Mi"), **place},
        },
    }
