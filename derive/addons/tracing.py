"""Where spans are kept: Tempo, beside Prometheus and with a volume; or Jaeger, in memory."""

from __future__ import annotations

from typing import Any, Final

from derive import choices, naming, versions
from derive.addons import ebs_csi
from derive.addons.chart import OUTSIDE_MESH, Addition, Measured, Release, housed, resources
from derive.addons.flows import Flow, Pods, Rule
from derive.cluster.placement import placement
from derive.shapes import Deployment
from manifests import pods
from model import Istio, IstioGateway, Jaeger, Tempo

TEMPO: Final = "tempo"
JAEGER: Final = "jaeger"
JAEGER_GRPC: Final = 16685
"""Queries over gRPC."""
ZIPKIN: Final = 9411
USER: Final = 10001


def tempo(deployment: Deployment, choice: Tempo) -> Addition:
    labels = {naming.APP: TEMPO}
    source = housed(versions.TEMPO, deployment.system.platform.observability.namespace)
    return Addition(
        release=Release(
            name=TEMPO,
            source=source,
            values=tempo_values(deployment, choice),
            requires=("cilium", ebs_csi.NAME),
            ready=(f"statefulset/{TEMPO}",),
        ),
        rules=(
            Rule(
                TEMPO,
                labels,
                (_spans(deployment, choices.OTLP), Flow((_grafana(deployment),), (naming.TEMPO_PORT,))),
            ),
        ),
        measured=(Measured(labels, naming.TEMPO_PORT),),
    )


def _grafana(deployment: Deployment) -> Pods:
    return Pods({naming.APP: "grafana"}, deployment.system.platform.observability.namespace)


def _spans(deployment: Deployment, *ports: int) -> Flow:
    """From every sidecar: those of the system's namespaces, and the gateways."""
    system = deployment.system
    spaces = dict.fromkeys(naming.service_namespace(system, service) for service in system.services)
    spaces |= dict.fromkeys(naming.store_namespace(system, store) for store in system.stores)
    sources = [Pods({}, space) for space in spaces]
    if isinstance(system.platform.mesh, Istio):
        if isinstance(system.platform.ingress, IstioGateway):
            sources.append(Pods(naming.GATEWAY_LABELS, naming.MESH_NAMESPACE))
        if system.platform.mesh.egress_gateway:
            sources.append(Pods(naming.EGRESS_GATEWAY_LABELS, naming.MESH_NAMESPACE))
    return Flow(tuple(sources), ports)


def tempo_values(deployment: Deployment, choice: Tempo) -> dict[str, Any]:
    return {
        "fullnameOverride": TEMPO,
        "tempo": {
            "retention": f"{int(choice.retention.total_seconds()) // 3600}h",
            "reportingEnabled": False,
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"0.0.0.0:{choices.OTLP}"}}}},
            "resources": resources("50m", "256Mi", "1Gi"),
            "securityContext": dict(pods.CONTAINER_SECURITY),
        },
        "securityContext": _user(),
        "persistence": {"enabled": True, "size": choice.volume, **choices.claims(deployment)},
        "podLabels": OUTSIDE_MESH,
        **placement(deployment.system.platform, choice.pool),
    }


def _user() -> dict[str, Any]:
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def jaeger(deployment: Deployment, choice: Jaeger) -> Addition:
    labels = {naming.APP: JAEGER}
    source = housed(versions.JAEGER, choice.namespace)
    return Addition(
        release=Release(
            name=JAEGER,
            source=source,
            values=jaeger_values(deployment, choice),
            requires=("cilium",),
            ready=(f"deployment/{JAEGER}",),
        ),
        rules=(
            Rule(
                JAEGER,
                labels,
                (
                    _spans(deployment, choices.OTLP, ZIPKIN),
                    Flow((_grafana(deployment),), (naming.JAEGER_PORT,)),
                ),
            ),
        ),
    )


def jaeger_values(deployment: Deployment, choice: Jaeger) -> dict[str, Any]:
    return {
        "fullnameOverride": JAEGER,
        "storage": {"type": "memory"},
        "userconfig": _jaeger_configuration(choice.traces),
        "jaeger": {
            "replicas": 1,
            "podLabels": OUTSIDE_MESH,
            "resources": resources("50m", "256Mi", "1Gi"),
            "podSecurityContext": _user(),
            "securityContext": dict(pods.CONTAINER_SECURITY),
            **placement(deployment.system.platform, choice.pool),
        },
    }


def _jaeger_configuration(traces: int) -> dict[str, Any]:
    """Jaeger 2 is a pipeline of OpenTelemetry's collector (jaeger: cmd/jaeger/internal/all-in-one.yaml)."""

    def listen(port: int) -> dict[str, str]:
        return {"endpoint": f"0.0.0.0:{port}"}

    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp", "zipkin"],
                    "processors": ["batch"],
                    "exporters": ["jaeger_storage_exporter"],
                }
            },
        },
        "extensions": {
            "healthcheckv2": {"use_v2": True, "http": listen(13133)},
            "jaeger_query": {
                "storage": {"traces": "memory"},
                "http": listen(naming.JAEGER_PORT),
                "grpc": listen(JAEGER_GRPC),
            },
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": traces}}}},
        },
        "receivers": {"otlp": {"protocols": {"grpc": listen(choices.OTLP)}}, "zipkin": listen(ZIPKIN)},
        "processors": {"batch": {}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
    }
