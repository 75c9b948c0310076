"""Headlamp: a dashboard of the cluster. Whoever signs in brings a token, and sees what that token may see."""

from __future__ import annotations

from typing import Any, Final

from derive import naming, versions
from derive.addons.chart import OUTSIDE_MESH, Addition, Release, housed, resources
from derive.addons.flows import API_SERVER, Flow, Pods, Rule
from derive.cluster.placement import placement
from derive.edge.doorman import doorman
from derive.shapes import Deployment
from manifests import pods
from model import Headlamp

NAME: Final = "headlamp"
LABELS: Final = {naming.APP: NAME}
PORT: Final = 4466


def addition(deployment: Deployment, choice: Headlamp) -> Addition:
    door = doorman(deployment.system.platform)
    inbound = (Flow((Pods(door.labels, door.namespace),), (PORT,)),) if choice.host else ()
    return Addition(
        release=Release(
            name=NAME,
            source=housed(versions.HEADLAMP, choice.namespace),
            values=values(deployment, choice),
            requires=("cilium",),
            ready=(f"deployment/{NAME}",),
        ),
        rules=(Rule(NAME, LABELS, inbound, (API_SERVER,)),),
    )


def values(deployment: Deployment, choice: Headlamp) -> dict[str, Any]:
    return {
        "replicaCount": 1,
        # The pod's own account may do nothing: the chart's default would make it administrator of the cluster.
        "clusterRoleBinding": {"create": False},
        "podLabels": OUTSIDE_MESH,
        "podSecurityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "securityContext": {
            "runAsNonRoot": True,
            "privileged": False,
            "runAsUser": 100,
            "runAsGroup": 101,
            "allowPrivilegeEscalation": False,
            "capabilities": dict(pods.CONTAINER_SECURITY["capabilities"]),
        },
        "resources": resources("25m", "64Mi", "256Mi"),
        **placement(deployment.system.platform, choice.pool),
    }
