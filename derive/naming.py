"""Names that several generators must agree on: DNS names, identities, ports, and where the platform's own parts are."""

from __future__ import annotations

from typing import Final

from model import DeclarationError, Environment, Route, Service, System
from model.stores import Bucket, PostgreSQL, Store

MESH_NAMESPACE: Final = "istio-system"
GATEWAY_LABELS: Final = {"istio": "ingressgateway"}
EGRESS_GATEWAY_LABELS: Final = {"istio": "egressgateway"}
"""Istio's gateway chart: the release's name without its prefix ``istio-``."""
EGRESS_GATEWAY: Final = "istio-egressgateway"
APP: Final = "app.kubernetes.io/name"
"""Kubernetes' recommended label for the name of an application; most charts select their pods by it."""
PROMETHEUS_LABELS: Final = {APP: "prometheus"}
"""Prometheus Operator's label on the pods of every Prometheus."""
TRACING_NAMESPACE: Final = "tracing"
LOKI_PORT: Final = 3100
TEMPO_PORT: Final = 3200
JAEGER_PORT: Final = 16686
"""Each of them answers queries over HTTP there."""
ISSUER: Final = "platform"
"""The ClusterIssuer that the platform's certificates ask."""
PROOF: Final = "certificate-proof"
"""Account and policy of the pods that answer the authority, when it asks at a public name whose it is."""
VAULT_LABELS: Final = {APP: "vault"}
VAULT_PORT: Final = 8200
VAULT_TLS: Final = "vault-tls"
PROMETHEUS_SERVICE: Final = "kube-prometheus-stack-prometheus"
"""The chart's Service of Prometheus; port 9090."""
GRAFANA_SERVICE: Final = "kube-prometheus-stack-grafana"
GRAFANA_LABELS: Final = {APP: "grafana"}
ISTIOD_PORT: Final = 15012
PUSHGATEWAY: Final = "prometheus-pushgateway"
PUSHGATEWAY_PORT: Final = 9091
SIDECAR_METRICS_PORT: Final = 15020
"""The sidecar's own port for scrapes: plain text even under STRICT, outside what the proxy intercepts."""


def fqdn(name: str, namespace: str) -> str:
    """A Service's name in cluster DNS."""
    return f"{name}.{namespace}.svc.cluster.local"


def headless(name: str) -> str:
    """Name of the Service by which the pods of a StatefulSet know one another: each has a name of its own below it."""
    return f"{name}-headless"


def principal(namespace: str, account: str) -> str:
    """A ServiceAccount's identity in the mesh."""
    return f"cluster.local/ns/{namespace}/sa/{account}"


def service_namespace(system: System, service: Service) -> str:
    return service.namespace or system.home


def store_namespace(system: System, store: Store) -> str:
    own = None if isinstance(store, Bucket) else store.namespace
    return own or system.home


def own_port(service: Service) -> int:
    """The port a service is called on; the model refuses calls and routes to a service without one."""
    if service.port is None:
        raise DeclarationError(f"service '{service.name}' serves no port; give services['{service.name}'] a port")
    return service.port


def served_ports(service: Service) -> tuple[int, ...]:
    """Every port that callers may use, the metrics port not among them."""
    return (*((service.port,) if service.port else ()), *(extra.port for extra in service.extra_ports))


def route_port(system: System, route: Route) -> int:
    """The port of its service that a route leads to."""
    return route.port or own_port(system.service(route.to))


def host(name: str, domain: str) -> str:
    """A declared name below a domain; ``@`` is the domain itself."""
    return domain if name == "@" else f"{name}.{domain}"


def public_host(route: Route, environment: Environment) -> str:
    """The route's name in this environment."""
    return host(route.host, environment.domain)


def certificate(route: Route, system: System) -> str:
    """Name of the route's TLS Secret."""
    label = system.name if route.host == "@" else route.host.replace("*", "wildcard").replace(".", "-")
    return route.certificate or f"{label}-tls-cert"


def policy_name(service: Service) -> str:
    return service.network_policy or f"{service.name}-policy"


def store_policy(store: Store, member: str) -> str:
    """Name of the network policy of a store's member."""
    pooler = store.pooler if isinstance(store, PostgreSQL) else None
    declared = None
    if pooler and member == pooler.name:
        declared = pooler.network_policy
    elif member == store.name and not isinstance(store, Bucket):
        declared = store.network_policy
    return declared or f"{member}-policy"


def variable(name: str) -> str:
    """A name as part of an environment variable: ``api-gateway`` -> ``API_GATEWAY``."""
    return name.replace("-", "_").replace(".", "_").upper()
