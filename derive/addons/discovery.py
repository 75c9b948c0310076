"""Pods that Prometheus finds by itself: every one with a port ``metrics``, in the system's namespaces."""

from __future__ import annotations

from typing import Any

from derive import naming
from derive.shapes import Deployment
from model import Traefik

PORT_NAME = "metrics"
TRAEFIK = {naming.APP: "traefik"}
TRAEFIK_PORT = 9100
"""Of Traefik's own metrics, in its chart."""
CLUSTER = "kube-system"
MONITORED = "kube-dns;.*|.*;kube-state-metrics"
"""Labels ``k8s-app`` and ``app.kubernetes.io/name``. What is found twice is counted twice; and of the second, a port by
this name is its own health, which no policy opens: a target that is down for ever."""


def scrapes(deployment: Deployment) -> list[dict[str, Any]]:
    """One job, in Prometheus' own words. Pods are known by the labels that a Service would give them, so rules and
    dashboards ask the same however they were found. Those of a chart have no label ``app``; without one of the two,
    what Traefik itself measures by ``service`` would keep that name."""
    system = deployment.system
    settings = system.platform.observability
    if settings.discovery != "pods":
        return []
    spaces = [naming.service_namespace(system, service) for service in system.services]
    spaces += [naming.store_namespace(system, store) for store in system.stores]
    spaces += [CLUSTER] if isinstance(system.platform.ingress, Traefik) else []
    meta = "__meta_kubernetes"
    chart = f"{meta}_pod_label_app_kubernetes_io_name"
    named = (
        (f"{meta}_namespace", "namespace"),
        (f"{meta}_pod_name", "pod"),
        (chart, "service"),
        (f"{meta}_pod_label_app", "service"),
    )
    return [
        {
            "job_name": "pods",
            "scrape_interval": f"{int(settings.scrape.total_seconds())}s",
            "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": list(dict.fromkeys(spaces))}}],
            "relabel_configs": [
                {"source_labels": [f"{meta}_pod_container_port_name"], "regex": PORT_NAME, "action": "keep"},
                {"source_labels": [f"{meta}_pod_phase"], "regex": "Pending|Succeeded|Failed", "action": "drop"},
                # The cluster's DNS and the metrics of objects have monitors of their own.
                {"source_labels": [f"{meta}_pod_label_k8s_app", chart], "regex": MONITORED, "action": "drop"},
                # An empty value would take away what the label before has given.
                *({"source_labels": [source], "regex": "(.+)", "target_label": target} for source, target in named),
            ],
        }
    ]
