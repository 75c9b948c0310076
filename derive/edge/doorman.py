"""The pods that answer at the system's public addresses: what policies, authorization and the network know of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from derive import naming
from model.ingress import Nginx, Traefik
from model.platform import K3s, Platform

NGINX: Final = "nginx-ingress"
"""Release, account and application's name of the NGINX Ingress Controller."""


INGRESS_CLASS: Final = "nginx"
TRAEFIK: Final = "traefik"
"""Release, account, application's name and class of the Traefik in K3s."""
BY_SERVICE: Final = {"nginx.org/use-cluster-ip": "true"}
"""NGINX calls the Service, not its pods: that is the address by which a sidecar knows where a connection goes."""


@dataclass(frozen=True)
class HealthCheck:
    """How a load balancer tells whether a node serves: times in seconds, and how many answers settle it."""

    interval: int
    timeout: int
    healthy: int
    unhealthy: int


@dataclass(frozen=True)
class IngressPorts:
    """Where the ingress answers on the cluster's nodes."""

    ports: Mapping[int, int]
    """Port of the nodes by public port."""
    health: int
    health_path: str
    check: HealthCheck | None = None
    """Absent: every ten seconds, and AWS's own defaults."""


@dataclass(frozen=True)
class Doorman:
    """The ingress, whichever it is."""

    labels: Mapping[str, str]
    namespace: str
    account: str
    ports: IngressPorts

    @property
    def principal(self) -> str:
        """Its identity in the mesh."""
        return naming.principal(self.namespace, self.account)


NODE_PORTS: Final = {80: 30080, 443: 30443}
"""Ports of the nodes that Kubernetes gives to a Service."""
NODE_HEALTH: Final = 30081


def doorman(platform: Platform) -> Doorman:
    """NGINX answers on ports that Kubernetes gives to Services; so does Istio's gateway, unless K3s' service load
    balancer opens the gateway's own ports on every node, as it does for Traefik."""
    chosen = platform.ingress
    if isinstance(chosen, Traefik):
        return Doorman({naming.APP: TRAEFIK}, "kube-system", TRAEFIK, IngressPorts({80: 80, 443: 443}, 80, "/"))
    if isinstance(chosen, Nginx):
        ports = IngressPorts(NODE_PORTS, NODE_HEALTH, "/nginx-ready", HealthCheck(10, 5, healthy=2, unhealthy=3))
        return Doorman({naming.APP: NGINX}, chosen.namespace, NGINX, ports)
    own = isinstance(platform.cluster, K3s)
    ports = IngressPorts({80: 80, 443: 443} if own else NODE_PORTS, 15021 if own else NODE_HEALTH, "/healthz/ready")
    return Doorman(naming.GATEWAY_LABELS, naming.MESH_NAMESPACE, chosen.account, ports)
