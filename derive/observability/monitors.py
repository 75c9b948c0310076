"""What Prometheus scrapes of a system: services, sidecars, the exporters beside stores, and the network's agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from derive import naming
from derive.addons import postgres_exporter
from derive.addons.additions import additions
from derive.addons.chart import Addition
from derive.shapes import Deployment, Part
from derive.stores import members
from manifests.base import Manifest, manifest, match_labels
from manifests.istio import duration
from model import Cilium, Istio

API: Final = "monitoring.coreos.com/v1"
SELECTED: Final = {"monitoring": "enabled"}
"""Label of every Service with a port ``metrics``."""
ENVOY_PATH: Final = "/stats/prometheus"


def monitors(deployment: Deployment) -> tuple[Part, ...]:
    """One part per namespace that is measured, and one for what belongs to the platform."""
    system = deployment.system
    interval = system.platform.observability.scrape
    home = system.platform.observability.namespace
    spaces = namespaces(deployment)
    named = spaces if system.platform.observability.discovery == "services" else ()
    parts = [
        Part(f"{space}-monitors", space, (service_monitor(f"{system.name}-services", space, interval),))
        for space in named
    ]
    platform: list[Manifest] = []
    if isinstance(system.platform.mesh, Istio):
        platform.append(envoy_monitor(home, (*spaces, naming.MESH_NAMESPACE), interval))
        platform.append(istiod_monitor(home, interval))
    if isinstance(system.platform.cni, Cilium):
        platform.append(cilium_monitor(home, interval))
    for addition in additions(deployment).values():
        platform.extend(addition_monitors(home, addition, interval))
    if platform:
        parts.append(Part("platform-monitors", home, tuple(platform)))
    return tuple(parts)


def measured(deployment: Deployment) -> dict[str, set[int]]:
    """Ports of metrics by namespace of the system: those of services, and of the exporters beside stores."""
    system = deployment.system
    hosts = {target.name: target.host for target in postgres_exporter.targets(deployment)}
    found: dict[str, set[int]] = {naming.service_namespace(system, service): set() for service in system.services}
    for service in system.services:
        if service.metrics:
            found[naming.service_namespace(system, service)].add(service.metrics)
    for store in system.stores:
        pods = members(system, store, hosts)
        if pods:
            ports = {member.metrics for member in pods if member.metrics}
            found.setdefault(naming.store_namespace(system, store), set()).update(ports)
    return found


def namespaces(deployment: Deployment) -> tuple[str, ...]:
    """Namespaces of the system with a Service to scrape."""
    return tuple(space for space, ports in measured(deployment).items() if ports)


def service_monitor(name: str, namespace: str, interval: timedelta) -> Manifest:
    endpoint = {"port": "metrics", "interval": duration(interval), "path": "/metrics"}
    return manifest(
        API,
        "ServiceMonitor",
        name,
        namespace,
        SELECTED,
        spec={"selector": match_labels(SELECTED), "endpoints": [endpoint]},
    )


def envoy_monitor(home: str, spaces: Sequence[str], interval: timedelta) -> Manifest:
    """Sidecars and gateways. Their pods name the port of Envoy's own metrics; the one that is read is the sidecar
    agent's beside it, which answers in plain text even where mutual TLS is strict."""
    relabelings = [
        {
            "sourceLabels": ["__meta_kubernetes_pod_ip"],
            "targetLabel": "__address__",
            "replacement": f"$1:{naming.SIDECAR_METRICS_PORT}",
            "action": "replace",
        },
        {"sourceLabels": ["__meta_kubernetes_pod_label_app"], "targetLabel": "app", "action": "replace"},
    ]
    return _pod_monitor(home, "envoy-stats", {}, spaces, "http-envoy-prom", interval, ENVOY_PATH, relabelings)


def istiod_monitor(home: str, interval: timedelta) -> Manifest:
    return manifest(
        API,
        "ServiceMonitor",
        "istiod",
        home,
        spec={
            "selector": match_labels({"app": "istiod"}),
            "namespaceSelector": {"matchNames": [naming.MESH_NAMESPACE]},
            "endpoints": [{"port": "http-monitoring", "interval": duration(interval), "path": "/metrics"}],
        },
    )


def cilium_monitor(home: str, interval: timedelta) -> Manifest:
    """Cilium's agents, which count the packets that policies drop."""
    where = ["kube-system"]
    return _pod_monitor(home, "cilium-agent", {"k8s-app": "cilium"}, where, "prometheus", interval, "/metrics", [])


def addition_monitors(home: str, addition: Addition, interval: timedelta) -> Iterator[Manifest]:
    """The pods of an add-on that was asked for."""
    for number, item in enumerate(addition.measured):
        name = addition.release.name if number == 0 else f"{addition.release.name}-{number}"
        endpoint: dict[str, Any] = {"portNumber": item.port, "interval": duration(interval), "path": item.path}
        if item.tls:
            # Its certificate is of the stack's authority, which Prometheus does not know; only numbers are read.
            endpoint |= {"scheme": "https", "tlsConfig": {"insecureSkipVerify": True}}
        if item.parameters:
            endpoint["params"] = dict(item.parameters)
        if item.keeps_labels:
            endpoint["honorLabels"] = True
        yield _monitor(home, name, item.selector, [addition.namespace], endpoint)


def _pod_monitor(
    home: str,
    name: str,
    selector: Mapping[str, str],
    spaces: Sequence[str],
    port: str,
    interval: timedelta,
    path: str,
    relabelings: Sequence[Manifest],
) -> Manifest:
    endpoint: dict[str, Any] = {"port": port, "interval": duration(interval), "path": path}
    if relabelings:
        endpoint["relabelings"] = list(relabelings)
    return _monitor(home, name, selector, spaces, endpoint)


def _monitor(home: str, name: str, selector: Mapping[str, str], spaces: Sequence[str], endpoint: Manifest) -> Manifest:
    return manifest(
        API,
        "PodMonitor",
        name,
        home,
        spec={
            "selector": match_labels(selector) if selector else {},
            "namespaceSelector": {"matchNames": list(dict.fromkeys(spaces))},
            "podMetricsEndpoints": [endpoint],
        },
    )
