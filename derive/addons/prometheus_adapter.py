"""prometheus-adapter: the services' declared metrics as custom metrics of their pods.

A declared query is recorded by Prometheus under the metric's name, per namespace and pod; the adapter serves exactly
these series. So the query may be any PromQL, and what an autoscaler sees is what a dashboard shows under that name.
"""

from __future__ import annotations

import re
from typing import Any, Final

from derive import naming, versions
from derive.addons.chart import OUTSIDE_MESH, Addition, Release, housed, resources
from derive.addons.flows import API_SERVER, Flow, Pods, Rule, webhook
from derive.addons.istio import replicas_over_zones
from derive.addons.kube_prometheus_stack import NAME as PROMETHEUS
from derive.cluster.placement import placement
from derive.shapes import Deployment
from manifests import pods
from manifests.base import Manifest, manifest
from model import DeclarationError, Metric, PrometheusAdapter, System

NAME: Final = "prometheus-adapter"
LABELS: Final = {naming.APP: NAME}
PORT: Final = 10250
"""Where the API server asks: one that a managed control plane reaches on every node."""


def addition(deployment: Deployment, choice: PrometheusAdapter) -> Addition:
    home = deployment.system.platform.observability.namespace
    found = metrics(deployment.system)
    return Addition(
        release=Release(
            name=NAME,
            source=housed(versions.PROMETHEUS_ADAPTER, home),
            values=values(deployment, choice, found),
            requires=(PROMETHEUS,),
            ready=(f"deployment/{NAME}",),
        ),
        rules=(Rule(NAME, LABELS, (webhook(PORT),), (API_SERVER, Flow((Pods(naming.PROMETHEUS_LABELS),), (9090,)))),),
        settings=(recording(home, found),) if found else (),
    )


def metrics(system: System) -> tuple[Metric, ...]:
    """Every declared metric, once. Raises DeclarationError for two queries under one name, or a name that Prometheus
    does not take: series of one name must mean one thing."""
    found: dict[str, Metric] = {}
    for service in system.services:
        for metric in service.scale.metrics if service.scale else ():
            place = f"services['{service.name}'].scale.metrics"
            if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", metric.name):
                raise DeclarationError(f"{place}: '{metric.name}' is no name for a metric; use letters, digits and '_'")
            known = found.setdefault(metric.name, metric)
            if known.query != metric.query:
                raise DeclarationError(f"{place}: '{metric.name}' has another query elsewhere; give it another name")
    return tuple(found.values())


def recording(namespace: str, found: tuple[Metric, ...]) -> Manifest:
    rules = [{"record": metric.name, "expr": metric.query} for metric in found]
    return manifest(
        "monitoring.coreos.com/v1",
        "PrometheusRule",
        "custom-metrics",
        namespace,
        spec={"groups": [{"name": "custom-metrics", "interval": "15s", "rules": rules}]},
    )


def values(deployment: Deployment, choice: PrometheusAdapter, found: tuple[Metric, ...]) -> dict[str, Any]:
    home = deployment.system.platform.observability.namespace
    replicas = replicas_over_zones(deployment.environment)
    return {
        "prometheus": {"url": f"http://{naming.fqdn(naming.PROMETHEUS_SERVICE, home)}", "port": 9090},
        "listenPort": PORT,
        "replicas": replicas,
        "podDisruptionBudget": {"enabled": replicas > 1, "maxUnavailable": 1},
        "podLabels": OUTSIDE_MESH,
        "metricsRelistInterval": "30s",
        "rules": {"default": False, "custom": [_rule(metric) for metric in found]},
        "resources": resources("50m", "128Mi", "512Mi"),
        "topologySpreadConstraints": pods.spread(LABELS),
        **placement(deployment.system.platform, choice.pool),
    }


def _rule(metric: Metric) -> dict[str, Any]:
    return {
        "seriesQuery": f'{metric.name}{{namespace!="",pod!=""}}',
        "resources": {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}},
        "name": {"as": metric.name},
        "metricsQuery": "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
    }
