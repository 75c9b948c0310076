"""The namespaces of the platform: Pod Security as strict as their pods allow, and closed but for what they declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from derive import naming
from derive.addons import kube_prometheus_stack, opensearch, postgres_exporter
from derive.addons.fluent_bit import NAME as FLUENT_BIT
from derive.addons.istio import GATEWAY_PORTS
from derive.observability.fluent_bit import HTTP_PORT
from derive.observability.monitors import measured
from derive.shapes import AddonPlan, Deployment
from manifests import cilium, core
from manifests.base import Manifest
from model import Cilium, Istio, Service

Level = Literal["privileged", "baseline", "restricted"]
API_SERVER: Final = {"toEntities": ["kube-apiserver"]}
FROM_API_SERVER: Final = ("kube-apiserver", "remote-node", "host")
"""Who calls a webhook: the API server, which on K3s is a process of a node, this one or another."""
ENVOY_METRICS: Final = naming.SIDECAR_METRICS_PORT
PROMETHEUS: Final = cilium.endpoints(naming.PROMETHEUS_LABELS)
PROMETHEUS_FROM_ELSEWHERE: Final = cilium.endpoints(naming.PROMETHEUS_LABELS, naming.MONITORING_NAMESPACE)
GRAFANA: Final = {"app.kubernetes.io/name": "grafana"}
ALERTMANAGER: Final = {"app.kubernetes.io/name": "alertmanager"}
STATE_METRICS: Final = {"app.kubernetes.io/name": "kube-state-metrics"}
OPERATOR: Final = {"app": f"{kube_prometheus_stack.NAME}-operator"}
OPERATOR_HOOKS: Final = {"app": f"{kube_prometheus_stack.NAME}-admission-create"}
OPERATOR_PATCH: Final = {"app": f"{kube_prometheus_stack.NAME}-admission-patch"}
EXPORTERS: Final = {"app.kubernetes.io/name": "prometheus-postgres-exporter"}
OPENSEARCH: Final = {"app.kubernetes.io/name": opensearch.NAME}
SHIPPER: Final = {"app.kubernetes.io/name": FLUENT_BIT}
ISTIOD: Final = {"app": "istiod"}


@dataclass(frozen=True)
class Rule:
    """Pods of a namespace, and who may call them and whom they may call. What is not here is refused."""

    name: str
    selector: Mapping[str, str]
    inbound: tuple[Manifest, ...] = ()
    outbound: tuple[Manifest, ...] = ()


def namespaces(deployment: Deployment) -> tuple[AddonPlan, ...]:
    """Each namespace as an add-on of its own, after the add-on that defines the kind of its policies."""
    system = deployment.system
    found: list[tuple[str, Level, tuple[Rule, ...]]] = []
    if isinstance(system.platform.mesh, Istio):
        # Not 'restricted': istiod's chart sets no seccomp profile.
        found.append((naming.MESH_NAMESPACE, "baseline", _mesh(deployment, system.platform.mesh)))
    found.append((naming.MONITORING_NAMESPACE, "baseline", _monitoring(deployment)))
    # The log shipper mounts directories of the host.
    found.append((opensearch.NAMESPACE, "privileged", _logging()))
    enforced = isinstance(system.platform.cni, Cilium)
    return tuple(_space(name, level, rules if enforced else ()) for name, level, rules in found)


def _space(name: str, level: Level, rules: Sequence[Rule]) -> AddonPlan:
    labels = {
        "pod-security.kubernetes.io/enforce": level,
        "pod-security.kubernetes.io/audit": level if level == "privileged" else "restricted",
        "pod-security.kubernetes.io/warn": level if level == "privileged" else "restricted",
    }
    policies = [
        cilium.network_policy(rule.name, name, rule.selector, rule.inbound, (cilium.dns(), *rule.outbound))
        for rule in rules
    ]
    closed = [cilium.network_policy("default-deny", name, {}, (), ())] if rules else []
    return AddonPlan(
        name=name, objects=(core.namespace(name, labels),), requires=("cilium",), settings=(*closed, *policies)
    )


def _from(sources: Iterable[Manifest], *ports: int) -> Manifest:
    return cilium.ingress(list(sources), ports)


def _entities(names: Sequence[str], *ports: int) -> Manifest:
    return {"fromEntities": list(names), "toPorts": cilium.ports(ports)}


def _mesh(deployment: Deployment, mesh: Istio) -> tuple[Rule, ...]:
    system = deployment.system
    istiod = cilium.egress([cilium.endpoints(ISTIOD)], [naming.ISTIOD_PORT])
    scraped = _from([PROMETHEUS_FROM_ELSEWHERE], ENVOY_METRICS)
    routed = {route.to: system.service(route.to) for route in system.routes}
    found = [
        Rule(
            "istiod",
            ISTIOD,
            (
                _entities(("cluster",), naming.ISTIOD_PORT),
                _entities(FROM_API_SERVER, 15017),
                _from([PROMETHEUS_FROM_ELSEWHERE], 15014),
            ),
            (API_SERVER,),
        ),
        Rule(
            "ingress-gateway",
            naming.GATEWAY_LABELS,
            # The door of the cluster: by the nodes' ports, hence from the world, a node, or its load balancer's pod.
            (_entities(("all",), *GATEWAY_PORTS.values()), scraped),
            (istiod, *(_to_service(service, deployment) for service in routed.values())),
        ),
    ]
    if mesh.egress_gateway:
        leaving = [external for external in system.externals if external.through_gateway]
        callers = sorted({name for external in leaving for name in external.used_by})
        sources = [
            cilium.endpoints({"app": name}, naming.service_namespace(system, system.service(name))) for name in callers
        ]
        found.append(
            Rule(
                "egress-gateway",
                naming.EGRESS_GATEWAY_LABELS,
                (*([_from(sources, *sorted({item.port for item in leaving}))] if sources else []), scraped),
                (istiod, *(cilium.egress_names(item.hosts, [item.port]) for item in leaving)),
            )
        )
    return tuple(found)


def _to_service(service: Service, deployment: Deployment) -> Manifest:
    target = cilium.endpoints({"app": service.name}, naming.service_namespace(deployment.system, service))
    return cilium.egress([target], naming.served_ports(service))


def _monitoring(deployment: Deployment) -> tuple[Rule, ...]:
    databases = postgres_exporter.targets(deployment)
    exporters = [
        Rule(
            target.release,
            {**EXPORTERS, "database": target.name},
            (_from([PROMETHEUS], postgres_exporter.PORT),),
            (cilium.egress_names([target.host], [target.port]),),
        )
        for target in databases
    ]
    peers = cilium.endpoints(ALERTMANAGER)
    return (
        Rule(
            "prometheus",
            naming.PROMETHEUS_LABELS,
            (_from([cilium.endpoints(GRAFANA), PROMETHEUS], 9090), _from([PROMETHEUS], 8080)),
            (API_SERVER, *_scrapes(deployment)),
        ),
        Rule(
            "alertmanager",
            ALERTMANAGER,
            (
                _from([PROMETHEUS], 9093, 8080),
                _from([cilium.endpoints(GRAFANA)], 9093),
                {"fromEndpoints": [peers], "toPorts": cilium.ports([9094], ("TCP", "UDP"))},
            ),
            ({"toEndpoints": [peers], "toPorts": cilium.ports([9094], ("TCP", "UDP"))},),
        ),
        Rule(
            "grafana",
            GRAFANA,
            (_from([PROMETHEUS], 3000),),
            (
                API_SERVER,
                cilium.egress([PROMETHEUS], [9090]),
                cilium.egress([cilium.endpoints(ALERTMANAGER)], [9093]),
            ),
        ),
        Rule(
            "prometheus-operator",
            OPERATOR,
            (_entities(FROM_API_SERVER, 10250), _from([PROMETHEUS], 10250)),
            (API_SERVER,),
        ),
        Rule("prometheus-operator-certificate", OPERATOR_HOOKS, (), (API_SERVER,)),
        Rule("prometheus-operator-webhook", OPERATOR_PATCH, (), (API_SERVER,)),
        Rule("kube-state-metrics", STATE_METRICS, (_from([PROMETHEUS], 8080),), (API_SERVER,)),
        *exporters,
    )


def _scrapes(deployment: Deployment) -> tuple[Manifest, ...]:
    """Everything that Prometheus reads: nodes, the platform's own pods, and the ports that the declaration measures."""
    system = deployment.system
    nodes = {
        "toEntities": ["host", "remote-node"],
        # kubelet, node exporter, Cilium's agent, operator.
        "toPorts": cilium.ports([10250, 9100, 9962, 9963]),
    }
    own = [
        cilium.egress([PROMETHEUS], [9090, 8080]),
        cilium.egress([cilium.endpoints(ALERTMANAGER)], [9093, 8080]),
        cilium.egress([cilium.endpoints(GRAFANA)], [3000]),
        cilium.egress([cilium.endpoints(OPERATOR)], [10250]),
        cilium.egress([cilium.endpoints(STATE_METRICS)], [8080]),
        cilium.egress([cilium.endpoints(EXPORTERS)], [postgres_exporter.PORT]),
        cilium.egress([cilium.endpoints({"k8s:k8s-app": "kube-dns"}, "kube-system")], [9153]),
        cilium.egress([cilium.endpoints(SHIPPER, opensearch.NAMESPACE)], [HTTP_PORT]),
    ]
    mesh = isinstance(system.platform.mesh, Istio)
    if mesh:
        own.append(cilium.egress([cilium.endpoints(ISTIOD, naming.MESH_NAMESPACE)], [15014]))
        own.append(cilium.egress([cilium.endpoints({}, naming.MESH_NAMESPACE)], [ENVOY_METRICS]))
    for namespace, ports in measured(deployment).items():
        own.append(
            cilium.egress([cilium.endpoints({}, namespace)], sorted({*ports, *((ENVOY_METRICS,) if mesh else ())}))
        )
    return (nodes, *own)


def _logging() -> tuple[Rule, ...]:
    store = cilium.endpoints(OPENSEARCH)
    keeper = cilium.endpoints(opensearch.KEEPER_LABELS)
    write = cilium.egress([store], [opensearch.PORT])
    return (
        Rule(
            "opensearch",
            OPENSEARCH,
            (
                _from([cilium.endpoints(SHIPPER), keeper], opensearch.PORT),
                _from([store], opensearch.TRANSPORT_PORT),
            ),
            (cilium.egress([store], [opensearch.TRANSPORT_PORT]),),
        ),
        Rule("fluent-bit", SHIPPER, (_from([PROMETHEUS_FROM_ELSEWHERE], HTTP_PORT),), (API_SERVER, write)),
        Rule("log-retention", opensearch.KEEPER_LABELS, (), (write,)),
    )
