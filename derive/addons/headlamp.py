"""Headlamp: a dashboard of the cluster. Whoever signs in brings a token, and sees what that token may see."""

from __future__ import annotations

from typing import Any, Final

from derive import choices, naming, versions
from derive.addons import cert_manager
from derive.addons.chart import OUTSIDE_MESH, Addition, Release, housed, resources
from derive.addons.flows import API_SERVER, Flow, Pods, Rule
from derive.doorman import BY_SERVICE, doorman
from derive.placement import placement
from derive.shapes import Deployment, SecretPlan
from manifests import pods
from model import CertManager, Headlamp, Nginx

NAME: Final = "headlamp"
LABELS: Final = {naming.APP: NAME}
PORT: Final = 4466
CERTIFICATE: Final = "headlamp-tls"


def addition(deployment: Deployment, choice: Headlamp) -> Addition:
    source = housed(versions.HEADLAMP, choice.namespace)
    inbound = (Flow((_entrance(deployment, choice),), (PORT,)),) if choice.host else ()
    own = choice.host and choices.choice(deployment, CertManager) is None
    host = f"{choice.host}.{deployment.environment.domain}"
    return Addition(
        release=Release(
            name=NAME,
            source=source,
            values=values(deployment, choice),
            requires=("cilium", cert_manager.NAME),
            ready=(f"deployment/{NAME}",),
        ),
        rules=(Rule(NAME, LABELS, inbound, (API_SERVER,)),),
        secrets=(SecretPlan(name=CERTIFICATE, namespace=source.namespace, certificate=(host,)),) if own else (),
    )


def _entrance(deployment: Deployment, choice: Headlamp) -> Pods:
    """The platform's own ingress controller, or one that others run in the namespace that is named."""
    platform = deployment.system.platform
    if isinstance(platform.ingress, Nginx):
        door = doorman(platform)
        return Pods(door.labels, door.namespace)
    return Pods({}, choice.ingress_namespace)


def values(deployment: Deployment, choice: Headlamp) -> dict[str, Any]:
    found: dict[str, Any] = {
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
    if choice.host:
        host = f"{choice.host}.{deployment.environment.domain}"
        issued = choices.choice(deployment, CertManager)
        found["ingress"] = {
            "enabled": True,
            "ingressClassName": choice.ingress_class,
            "annotations": {
                **({"cert-manager.io/cluster-issuer": cert_manager.ISSUER} if issued else {}),
                **(BY_SERVICE if isinstance(deployment.system.platform.ingress, Nginx) else {}),
            },
            "hosts": [{"host": host, "paths": [{"path": "/", "type": "Prefix"}]}],
            "tls": [{"secretName": CERTIFICATE, "hosts": [host]}],
        }
    return found
