"""Kiali: who calls whom in the mesh, as Prometheus counts it. It looks and changes nothing."""

from __future__ import annotations

from typing import Any, Final

from derive import choices, naming, versions
from derive.addons import istio, tracing
from derive.addons.chart import OUTSIDE_MESH, Addition, Release, resources
from derive.addons.flows import API_SERVER, Flow, Pods, Rule
from derive.addons.kube_prometheus_stack import NAME as PROMETHEUS
from derive.cluster.placement import placement
from derive.shapes import Deployment
from manifests import pods
from model import Kiali

NAME: Final = "kiali"
LABELS: Final = {naming.APP: NAME}
GRAFANA: Final = f"{PROMETHEUS}-grafana"
"""Grafana's Service: the sub-chart's name within the release's."""


def addition(deployment: Deployment, choice: Kiali) -> Addition:
    home = deployment.system.platform.observability.namespace
    asks = [
        API_SERVER,
        Flow((Pods(naming.PROMETHEUS_LABELS, home),), (9090,)),
        Flow((Pods({naming.APP: "grafana"}, home),), (3000,)),
        Flow((Pods({"app": "istiod"}),), (8080, 15014)),
    ]
    spans = choices.collector(deployment)
    if spans:
        port = naming.TEMPO_PORT if spans.service == tracing.TEMPO else tracing.JAEGER_GRPC
        asks.append(Flow((Pods(spans.labels, spans.namespace),), (port,)))
    return Addition(
        release=Release(
            name=NAME,
            source=versions.KIALI,
            values=values(deployment, choice),
            requires=(istio.ISTIOD, PROMETHEUS),
            ready=(f"deployment/{NAME}",),
        ),
        rules=(Rule(NAME, LABELS, (), tuple(asks)),),
    )


def values(deployment: Deployment, choice: Kiali) -> dict[str, Any]:
    home = deployment.system.platform.observability.namespace
    place = placement(deployment.system.platform, choice.pool)
    return {
        "auth": {"strategy": "token"},
        "deployment": {
            "instance_name": NAME,
            "cluster_wide_access": True,
            "view_only_mode": True,
            "image_pull_policy": "IfNotPresent",
            "ingress": {"enabled": False},
            # Its policy is with those of the other pods beside it.
            "network_policy": {"enabled": False},
            "pod_labels": OUTSIDE_MESH,
            "resources": resources("25m", "128Mi", "1Gi"),
            "security_context": {
                **pods.CONTAINER_SECURITY,
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **({"node_selector": place["nodeSelector"], "tolerations": place.get("tolerations", [])} if place else {}),
        },
        "external_services": {
            "istio": {"root_namespace": naming.MESH_NAMESPACE},
            "prometheus": {"url": f"http://{naming.fqdn(naming.PROMETHEUS_SERVICE, home)}:9090"},
            "grafana": {"enabled": True, "internal_url": f"http://{naming.fqdn(GRAFANA, home)}:80"},
            "tracing": _tracing(deployment),
        },
    }


def _tracing(deployment: Deployment) -> dict[str, Any]:
    found = choices.collector(deployment)
    if found is None:
        return {"enabled": False}
    host = naming.fqdn(found.service, found.namespace)
    if found.service == tracing.TEMPO:
        url = f"http://{host}:{naming.TEMPO_PORT}"
        return {"enabled": True, "provider": "tempo", "internal_url": url, "use_grpc": False}
    url = f"http://{host}:{tracing.JAEGER_GRPC}/jaeger"
    return {"enabled": True, "provider": "jaeger", "internal_url": url, "use_grpc": True}
