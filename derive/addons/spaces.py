"""The namespaces of the platform: Pod Security as strict as their pods allow, and closed but for what they declare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from derive import choices, naming
from derive.addons import (
    alertmanager,
    discovery,
    grafana_database,
    istio,
    kube_prometheus_stack,
    opensearch,
    postgres_exporter,
)
from derive.addons.chart import Addition, Level
from derive.addons.flows import (
    API_SERVER,
    DNS_LABELS,
    Entities,
    Flow,
    Hosts,
    Pods,
    Rule,
    cilium_policy,
    completed,
    standard_policy,
    to_routed,
    to_tools,
    webhook,
)
from derive.addons.fluent_bit import NAME as FLUENT_BIT
from derive.addons.istio import GATEWAY_PORTS
from derive.edge.doorman import doorman
from derive.edge.tools import tools
from derive.mesh import network_policies
from derive.mesh.egress import gateway_callers, through_gateway
from derive.network.networks import api_service, node_range
from derive.observability.fluent_bit import HTTP_PORT
from derive.observability.monitors import measured
from derive.services.namespaces import POD_SECURITY
from derive.shapes import AddonPlan, Deployment
from manifests import cilium, core
from model import Cilium, Istio, IstioGateway, Traefik

CLUSTER: Final = "kube-system"
"""The cluster's own namespace: it exists, and its pods are part of the machinery that enforces policies."""
ELSEWHERE: Final = "undeclared-namespaces"
LEVELS: Final[tuple[Level, ...]] = ("restricted", "baseline", "privileged")
ENVOY_METRICS: Final = naming.SIDECAR_METRICS_PORT
PROMETHEUS: Final = Pods(naming.PROMETHEUS_LABELS)
GRAFANA: Final = naming.GRAFANA_LABELS
ALERTMANAGER: Final = {naming.APP: "alertmanager"}
STATE_METRICS: Final = {naming.APP: "kube-state-metrics"}
OPERATOR: Final = {"app": f"{kube_prometheus_stack.NAME}-operator"}
OPERATOR_HOOKS: Final = {"app": f"{kube_prometheus_stack.NAME}-admission-create"}
OPERATOR_PATCH: Final = {"app": f"{kube_prometheus_stack.NAME}-admission-patch"}
EXPORTERS: Final = {naming.APP: "prometheus-postgres-exporter"}
OPENSEARCH: Final = {naming.APP: opensearch.NAME}
SHIPPER: Final = {naming.APP: FLUENT_BIT}
ISTIOD: Final = {"app": "istiod"}


@dataclass
class _Space:
    """A namespace while it is being filled."""

    level: Level = "restricted"
    rules: list[Rule] = field(default_factory=list)

    def add(self, level: Level, rules: Sequence[Rule]) -> None:
        self.level = max(self.level, level, key=LEVELS.index)
        self.rules.extend(rules)


def namespaces(deployment: Deployment, additions: Sequence[Addition]) -> tuple[AddonPlan, ...]:
    """Each namespace as an add-on of its own, after the add-on that defines the kind of its policies."""
    spaces = filled(deployment, additions)
    added = [
        (addition.namespace, rule) for addition in additions if addition.namespace in spaces for rule in addition.rules
    ]
    measured = Rule("prometheus", naming.PROMETHEUS_LABELS, (), tuple(_measured(additions)))
    home = deployment.system.platform.observability.namespace
    _merge(spaces[home], measured)
    rules = completed({name: space.rules for name, space in spaces.items()}, [*added, (home, measured)])
    found = tuple(_space(deployment, name, space.level, rules[name]) for name, space in spaces.items())
    return (*found, *_elsewhere(deployment, tuple(spaces)))


def _elsewhere(deployment: Deployment, platform: Sequence[str]) -> tuple[AddonPlan, ...]:
    """Closes every namespace that is not declared: security groups cannot tell its pods from those of a service.

    Only Cilium has policies for all namespaces at once.
    """
    system = deployment.system
    if not isinstance(system.platform.cni, Cilium):
        return ()
    homes = {naming.service_namespace(system, service) for service in system.services}
    homes |= {naming.store_namespace(system, store) for store in system.stores}
    known = sorted({CLUSTER, system.home, *platform, *homes})
    policy = cilium.closed_elsewhere(ELSEWHERE, known)
    return (AddonPlan(ELSEWHERE, objects=(), requires=("cilium",), settings=(policy,)),)


def filled(deployment: Deployment, additions: Sequence[Addition]) -> dict[str, _Space]:
    """What is in every namespace, by itself: without the other ends of what the additions connect."""
    platform = deployment.system.platform
    spaces: dict[str, _Space] = {}

    def add(name: str, level: Level, rules: Sequence[Rule]) -> None:
        spaces.setdefault(name, _Space()).add(level, rules)

    if isinstance(platform.mesh, Istio):
        # Not 'restricted': istiod's chart sets no seccomp profile.
        add(naming.MESH_NAMESPACE, "baseline", _mesh(deployment, platform.mesh))
    add(platform.observability.namespace, "baseline", _monitoring(deployment))
    if choices.opensearch(deployment):
        # The log shipper mounts directories of the host.
        add(opensearch.NAMESPACE, "privileged", _logging(deployment))
    for addition in additions:
        if addition.namespace != CLUSTER:
            add(addition.namespace, addition.level, addition.rules)
    return spaces


def _measured(additions: Sequence[Addition]) -> list[Flow]:
    return [
        Flow((Pods(item.selector, addition.namespace),), (item.port,))
        for addition in additions
        for item in addition.measured
    ]


def _merge(space: _Space, more: Rule) -> None:
    """Add flows to the rule of the same name."""
    for index, rule in enumerate(space.rules):
        if rule.name == more.name:
            space.rules[index] = Rule(
                rule.name, rule.selector, (*rule.inbound, *more.inbound), (*rule.outbound, *more.outbound)
            )


def plan_name(deployment: Deployment, namespace: str) -> str:
    """Name of the add-on that makes a namespace: the namespace's own, unless the add-on in it bears that."""
    named = {naming.MESH_NAMESPACE, opensearch.NAMESPACE, deployment.system.platform.observability.namespace}
    return namespace if namespace in named else f"{namespace}-namespace"


def _space(deployment: Deployment, name: str, level: Level, rules: Sequence[Rule]) -> AddonPlan:
    platform = deployment.system.platform
    both = name in choices.shared(deployment)
    if both:
        level = max(level, POD_SECURITY, key=LEVELS.index)
    labels = {
        "pod-security.kubernetes.io/enforce": level,
        "pod-security.kubernetes.io/audit": level if level == "privileged" else "restricted",
        "pod-security.kubernetes.io/warn": level if level == "privileged" else "restricted",
    }
    if both and isinstance(platform.mesh, Istio):
        labels["istio-injection"] = "enabled"
    if isinstance(platform.cni, Cilium):
        closed = network_policies.cilium_default_deny(name)
        policies = [cilium_policy(rule, name) for rule in rules]
    else:
        closed = network_policies.standard_default_deny(name)
        where = (node_range(deployment), api_service(deployment))
        policies = [standard_policy(rule, name, *where) for rule in rules]
    # Where services live too, the default denial comes with them.
    settings = (*(() if both else (closed,)), *policies)
    return AddonPlan(
        plan_name(deployment, name), objects=(core.namespace(name, labels),), requires=("cilium",), settings=settings
    )


def _from(sources: Sequence[Pods], *ports: int) -> Flow:
    return Flow(tuple(sources), ports)


_to = _from


def _mesh(deployment: Deployment, mesh: Istio) -> tuple[Rule, ...]:
    system = deployment.system
    prometheus = Pods(naming.PROMETHEUS_LABELS, system.platform.observability.namespace)
    istiod = _to([Pods(ISTIOD)], naming.ISTIOD_PORT)
    scraped = _from([prometheus], ENVOY_METRICS)
    found = [
        Rule(
            "istiod",
            ISTIOD,
            (
                Flow(Entities(("cluster",)), (naming.ISTIOD_PORT,)),
                webhook(15017),
                _from([prometheus], 15014),
            ),
            (API_SERVER, *([Flow(Hosts((asked.host,)), (443,))] if (asked := istio.identity(system.platform)) else ())),
        ),
    ]
    if isinstance(system.platform.ingress, IstioGateway):
        door = Rule(
            "ingress-gateway",
            naming.GATEWAY_LABELS,
            # The door of the cluster: by the nodes' ports, hence from the world, a node, or its load balancer's pod.
            (Flow(Entities(("all",)), tuple(GATEWAY_PORTS.values())), scraped),
            (istiod, *to_routed(system), *to_tools(tools(deployment))),
        )
        found.append(door)
    if mesh.egress_gateway:
        leaving = through_gateway(system)
        called = [
            _from([Pods({"app": name}, naming.service_namespace(system, system.service(name))) for name in names], port)
            for port, names in gateway_callers(system).items()
        ]
        found.append(
            Rule(
                "egress-gateway",
                naming.EGRESS_GATEWAY_LABELS,
                (*called, scraped),
                (istiod, *(Flow(_outside(item.hosts), item.ports) for item in leaving)),
            )
        )
    return tuple(found)


def _outside(hosts: tuple[str, ...]) -> Hosts:
    """AWS' services may have endpoints inside the network, under the same names."""
    return Hosts(hosts, inside=any(host.endswith(".amazonaws.com") for host in hosts))


def _monitoring(deployment: Deployment) -> tuple[Rule, ...]:
    databases = postgres_exporter.targets(deployment)
    exporters = [
        Rule(
            target.release,
            {**EXPORTERS, "database": target.name},
            (_from([PROMETHEUS], postgres_exporter.PORT),),
            (Flow(Hosts((target.host,), inside=True), (target.port,)),),
        )
        for target in databases
    ]
    gossip = Flow((Pods(ALERTMANAGER),), (9094,), ("TCP", "UDP"))
    alerting = choices.alertmanager(deployment)
    platform = deployment.system.platform
    door = doorman(platform)
    visitors = (_from([Pods(door.labels, door.namespace)], 3000),) if platform.observability.host else ()
    fetches = platform.observability.mesh_dashboards
    alertmanager_rule = Rule(
        "alertmanager",
        ALERTMANAGER,
        (_from([PROMETHEUS], 9093, 8080), _from([Pods(GRAFANA)], 9093), gossip),
        (gossip, *alertmanager.told(platform.observability)),
    )
    return (
        Rule(
            "prometheus",
            naming.PROMETHEUS_LABELS,
            (_from([Pods(GRAFANA), PROMETHEUS], 9090), _from([PROMETHEUS], 8080)),
            (API_SERVER, *_scrapes(deployment)),
        ),
        *((alertmanager_rule,) if alerting else ()),
        Rule(
            "grafana",
            GRAFANA,
            (_from([PROMETHEUS], 3000), *visitors),
            (
                API_SERVER,
                _to([PROMETHEUS], 9090),
                *grafana_database.flows(deployment),
                *([_to([Pods(ALERTMANAGER)], 9093)] if alerting else ()),
                *([Flow(Hosts(kube_prometheus_stack.CATALOGUE), (443,))] if fetches else ()),
            ),
        ),
        Rule("prometheus-operator", OPERATOR, (webhook(10250), _from([PROMETHEUS], 10250)), (API_SERVER,)),
        Rule("prometheus-operator-certificate", OPERATOR_HOOKS, (), (API_SERVER,)),
        Rule("prometheus-operator-webhook", OPERATOR_PATCH, (), (API_SERVER,)),
        Rule("kube-state-metrics", STATE_METRICS, (_from([PROMETHEUS], 8080),), (API_SERVER,)),
        *exporters,
    )


def _scrapes(deployment: Deployment) -> tuple[Flow, ...]:
    """Everything that Prometheus reads: nodes, the platform's own pods, and the ports that the declaration measures."""
    system = deployment.system
    # kubelet, node exporter, Cilium's agent, operator.
    nodes = Flow(Entities(("host", "remote-node")), (10250, 9100, 9962, 9963))
    own = [
        _to([PROMETHEUS], 9090, 8080),
        *([_to([Pods(ALERTMANAGER)], 9093, 8080)] if choices.alertmanager(deployment) else ()),
        _to([Pods(GRAFANA)], 3000),
        _to([Pods(OPERATOR)], 10250),
        _to([Pods(STATE_METRICS)], 8080),
        *([_to([Pods(EXPORTERS)], postgres_exporter.PORT)] if postgres_exporter.targets(deployment) else ()),
        _to([Pods(DNS_LABELS, CLUSTER)], 9153),
    ]
    if discovery.scrapes(deployment) and isinstance(system.platform.ingress, Traefik):
        own.append(_to([Pods(discovery.TRAEFIK, CLUSTER)], discovery.TRAEFIK_PORT))
    if choices.opensearch(deployment):
        own.append(_to([Pods(SHIPPER, opensearch.NAMESPACE)], HTTP_PORT))
    mesh = isinstance(system.platform.mesh, Istio)
    if mesh:
        own.append(_to([Pods(ISTIOD, naming.MESH_NAMESPACE)], 15014))
        own.append(_to([Pods({}, naming.MESH_NAMESPACE)], ENVOY_METRICS))
    for namespace, ports in measured(deployment).items():
        numbers = sorted({*ports, *((ENVOY_METRICS,) if mesh else ())})
        # No port at all would mean every port.
        own += [_to([Pods({}, namespace)], *numbers)] if numbers else []
    return (nodes, *own)


def _logging(deployment: Deployment) -> tuple[Rule, ...]:
    prometheus = Pods(naming.PROMETHEUS_LABELS, deployment.system.platform.observability.namespace)
    store, shipper, keeper = Pods(OPENSEARCH), Pods(SHIPPER), Pods(opensearch.KEEPER_LABELS)
    write = _to([store], opensearch.PORT)
    transport = _to([store], opensearch.TRANSPORT_PORT)
    return (
        Rule("opensearch", OPENSEARCH, (_from([shipper, keeper], opensearch.PORT), transport), (transport,)),
        Rule("fluent-bit", SHIPPER, (_from([prometheus], HTTP_PORT),), (API_SERVER, write)),
        Rule("log-retention", opensearch.KEEPER_LABELS, (), (write,)),
    )
