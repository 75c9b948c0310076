"""Grafana: dashboards of the stack's own, and what they read; within kube-prometheus-stack, or a release of its own."""

from __future__ import annotations

from typing import Any, Final

from derive import choices, naming, versions
from derive.addons.chart import OUTSIDE_MESH, Addition, Measured, Release, housed, resources
from derive.cluster.placement import placement
from derive.edge.tools import tools
from derive.shapes import Deployment
from model import Grafana, Jaeger, Loki, Tempo

NAME: Final = "grafana"
LABELS: Final = {naming.APP: NAME}
SECRET: Final = "grafana-admin"
PORT: Final = 3000


def addition(deployment: Deployment, choice: Grafana) -> Addition:
    """Its pods' connections are those of whichever Grafana there is."""
    return Addition(
        release=Release(
            name=NAME,
            source=housed(versions.GRAFANA, deployment.system.platform.observability.namespace),
            values={
                "fullnameOverride": NAME,
                **values([_prometheus(deployment), *sources(deployment)], address(deployment), own=True),
                **placement(deployment.system.platform, choice.pool),
            },
            requires=("cilium",),
            ready=(f"deployment/{NAME}",),
        ),
        level="baseline",
        measured=(Measured(LABELS, PORT),),
    )


def address(deployment: Deployment) -> str | None:
    """Under which people know it; links in alerts lead there."""
    return next((f"https://{tool.host}" for tool in tools(deployment) if tool.name == NAME), None)


def sources(deployment: Deployment) -> list[dict[str, Any]]:
    """What Grafana reads beside Prometheus. The ids are fixed, so that dashboards can name them."""
    home = deployment.system.platform.observability.namespace
    found = []
    if choices.choice(deployment, Loki):
        found.append(_source("Loki", "loki", f"http://{naming.fqdn('loki', home)}:{naming.LOKI_PORT}"))
    if choices.choice(deployment, Tempo):
        found.append(_source("Tempo", "tempo", f"http://{naming.fqdn('tempo', home)}:{naming.TEMPO_PORT}"))
    jaeger = choices.choice(deployment, Jaeger)
    if jaeger:
        host = naming.fqdn("jaeger", jaeger.namespace or naming.TRACING_NAMESPACE)
        found.append(_source("Jaeger", "jaeger", f"http://{host}:{naming.JAEGER_PORT}"))
    return found


def _prometheus(deployment: Deployment) -> dict[str, Any]:
    """Which kube-prometheus-stack makes known itself to the Grafana that it brings."""
    settings = deployment.system.platform.observability
    host = naming.fqdn(settings.service or naming.PROMETHEUS_SERVICE, settings.namespace)
    return {**_source("Prometheus", "prometheus", f"http://{host}:9090"), "isDefault": True}


def _source(name: str, kind: str, url: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "uid": kind, "access": "proxy", "url": url, "editable": False}


def values(found: list[dict[str, Any]], url: str | None, own: bool) -> dict[str, Any]:
    """``url``: under which people know it. ``own``: whether it is a release of its own; kube-prometheus-stack takes
    sources under another name."""
    given = {"datasources": {"datasources.yaml": {"apiVersion": 1, "datasources": found}}}
    return {
        **(given if own else {"additionalDataSources": found} if found else {}),
        "admin": {"existingSecret": SECRET, "userKey": "admin-user", "passwordKey": "admin-password"},
        "service": {"type": "ClusterIP", **({"port": 80, "targetPort": PORT} if own else {})},
        "podLabels": OUTSIDE_MESH,
        "resources": resources("50m", "128Mi", "512Mi"),
        # Dashboards are objects of the stack: nothing that is clicked together here is the truth.
        "persistence": {"enabled": False},
        # It reads dashboards and data sources in its own namespace, and nobody else's Secrets.
        "rbac": {"namespaced": True},
        "testFramework": {"enabled": False},
        "sidecar": {
            "resources": resources("10m", "64Mi", "128Mi"),
            "dashboards": {"enabled": True, "label": "grafana_dashboard", "labelValue": "1", "searchNamespace": None},
            "datasources": {"enabled": not own, **({} if own else {"searchNamespace": None})},
        },
        "grafana.ini": {
            **({"server": {"root_url": url}} if url else {}),
            "analytics": {"reporting_enabled": False, "check_for_updates": False},
            "users": {"allow_sign_up": False},
            "auth.anonymous": {"enabled": False},
        },
    }
