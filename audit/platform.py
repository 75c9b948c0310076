"""The connections that the platform's own parts need, whatever system runs on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

NODES: Final = "nodes"
API_SERVER: Final = "api-server"
DNS: Final = "cluster-dns"
INTERNET: Final = "internet"
EVERYBODY: Final = "everybody"
CLUSTER: Final = "cluster"
PROXIES: Final = "proxies"
"""Pods with a sidecar, and gateways."""
SENDERS: Final = "senders"
"""Whose proxies send spans: sidecars of the system's own, and the mesh's gateways."""
GATEWAYS: Final = "gateways"
"""The mesh's own, not an ingress controller in it."""
OWN: Final = "own"
"""Every pod of the system's namespaces, and the mesh's gateways."""
KUBE_SYSTEM: Final = "kube-system"
"""The cluster's own namespace: its pods are part of what enforces policies, and none holds them."""
KNOWN: Final = "known"
"""Every pod that somebody knows by name: all but strangers."""
SIDECAR_METRICS: Final = 15020
"""The proxy's own port for scrapes: plain text, outside what the proxy intercepts and judges."""
ISTIOD_PORT: Final = 15012
KUBERNETES: Final = 6443
"""The API server's own port."""


@dataclass(frozen=True)
class Link:
    """``caller`` and ``callee`` are roles of pods or the words above. No port: all of them."""

    caller: str
    callee: str
    port: int | None
    protocol: str = "TCP"
    at_callee: str = ""
    """Whom the callee's own end admits, where that is more than the caller."""


ENTRANCES: Final[Mapping[str, tuple[Link, ...]]] = {
    "istio": (*(Link(INTERNET, "ingress-gateway", port, at_callee=EVERYBODY) for port in (80, 443, 15021)),),
    "nginx": (
        *(Link(INTERNET, "ingress-gateway", port, at_callee=EVERYBODY) for port in (80, 443, 8081)),
        Link("prometheus", "ingress-gateway", 9113),
        Link("ingress-gateway", API_SERVER, None),
    ),
    "traefik": (*(Link(INTERNET, "ingress-gateway", port, at_callee=EVERYBODY) for port in (8000, 8443)),),
}
"""By kind of ingress."""

REFUSED: Final[Mapping[str, tuple[str, ...]]] = {"istio": (), "nginx": ("/metrics",), "traefik": ()}
"""Paths that no host publishes, by kind of ingress."""


def unpublished(path: str, refused: Iterable[str]) -> bool:
    """Whether a path is one of those, or below it."""
    return any(path == own or path.startswith(f"{own}/") for own in refused)


_API_CLIENTS: Final = (
    "istiod",
    "prometheus",
    "grafana",
    "prometheus-operator",
    "prometheus-hooks",
    "kube-state-metrics",
    "fluent-bit",
)

LINKS: Final = (
    Link(KNOWN, DNS, 53, "UDP"),
    Link(KNOWN, DNS, 53, "TCP"),
    Link(PROXIES, "istiod", ISTIOD_PORT, at_callee=CLUSTER),
    Link(API_SERVER, "istiod", 15017, at_callee=NODES),
    Link(API_SERVER, "prometheus-operator", 10250, at_callee=NODES),
    Link("prometheus", "egress-gateway", SIDECAR_METRICS),
    Link("prometheus", "istiod", 15014),
    Link("prometheus", "prometheus", 9090),
    Link("prometheus", "prometheus", 8080),
    Link("prometheus", "alertmanager", 9093),
    Link("prometheus", "alertmanager", 8080),
    Link("prometheus", "grafana", 3000),
    Link("prometheus", "prometheus-operator", 10250),
    Link("prometheus", "kube-state-metrics", 8080),
    Link("prometheus", "postgres-exporter", 9187),
    Link("prometheus", "fluent-bit", 2020),
    Link("prometheus", DNS, 9153),
    *(Link("prometheus", NODES, port) for port in (10250, 9100, 9962, 9963)),
    Link("grafana", "prometheus", 9090),
    Link("grafana", "alertmanager", 9093),
    Link("alertmanager", "alertmanager", 9094, "TCP"),
    Link("alertmanager", "alertmanager", 9094, "UDP"),
    Link("fluent-bit", "opensearch", 9200),
    Link("log-retention", "opensearch", 9200),
    Link("opensearch", "opensearch", 9300),
    *(Link(role, API_SERVER, None) for role in _API_CLIENTS),
)
"""What the charts' own documentation lists."""
