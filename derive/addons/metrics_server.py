"""metrics-server: CPU and memory of pods and nodes, for autoscalers and ``kubectl top``."""

from __future__ import annotations

from typing import Any, Final

from derive import naming, versions
from derive.addons.chart import Addition, Release, resources
from derive.addons.istio import replicas_over_zones
from derive.cluster.placement import placement
from derive.shapes import Deployment
from manifests import pods
from model import ExistingCluster, MetricsServer

NAME: Final = "metrics-server"


def addition(deployment: Deployment, choice: MetricsServer) -> Addition | None:
    """None on K3s, which installs the same version by itself (docs.k3s.io, packaged components), and on EKS, where it
    is an add-on of the cluster."""
    if not isinstance(deployment.system.platform.cluster, ExistingCluster):
        return None
    return Addition(
        Release(
            name=NAME,
            source=versions.METRICS_SERVER,
            values=values(deployment, choice),
            requires=("cilium",),
            ready=(f"deployment/{NAME}",),
        )
    )


def values(deployment: Deployment, choice: MetricsServer) -> dict[str, Any]:
    replicas = replicas_over_zones(deployment.environment)
    return {
        "replicas": replicas,
        "podDisruptionBudget": {"enabled": replicas > 1, "maxUnavailable": 1},
        "resources": resources("100m", "128Mi", "256Mi"),
        "topologySpreadConstraints": pods.spread({naming.APP: NAME}),
        **placement(deployment.system.platform, choice.pool),
    }
