"""Who reaches whom in the platform's namespaces, computed from the finished policies at both ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from derive.addons import addons
from manifests.base import Manifest
from manifests.cilium import NAMESPACE
from model import External, Istio, Platform
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed, shop

SPACES = ("istio-system", "monitoring", "logging")


@dataclass(frozen=True)
class Pod:
    """Labels as the charts at the pinned versions render them."""

    name: str
    namespace: str
    labels: tuple[tuple[str, str], ...]


def pod(name: str, namespace: str, **labels: str) -> Pod:
    return Pod(name, namespace, tuple((key.replace("__", "/").replace("_", "."), v) for key, v in labels.items()))


NAME = "app_kubernetes_io__name"
DATABASES = ("userdb", "trainingdb", "scheduledb", "progressdb")
PODS = (
    pod("istiod", "istio-system", app="istiod"),
    pod("gateway", "istio-system", istio="ingressgateway"),
    pod("prometheus", "monitoring", **{NAME: "prometheus"}),
    pod("alertmanager", "monitoring", **{NAME: "alertmanager"}),
    pod("grafana", "monitoring", **{NAME: "grafana"}),
    pod("operator", "monitoring", app="kube-prometheus-stack-operator"),
    pod("state", "monitoring", **{NAME: "kube-state-metrics"}),
    *(
        pod(f"{name}-exporter", "monitoring", **{NAME: "prometheus-postgres-exporter", "database": name})
        for name in DATABASES
    ),
    pod("opensearch", "logging", **{NAME: "opensearch"}),
    pod("fluent-bit", "logging", **{NAME: "fluent-bit"}),
    pod("retention", "logging", **{NAME: "log-retention"}),
)
STRANGER = pod("stranger", "fitsync", app="stranger")
EXPECTED = {
    ("gateway", "istiod", 15012),
    ("prometheus", "istiod", 15014),
    ("prometheus", "gateway", 15020),
    *(("prometheus", "prometheus", port) for port in (9090, 8080)),
    *(("prometheus", "alertmanager", port) for port in (9093, 8080)),
    ("prometheus", "grafana", 3000),
    ("prometheus", "operator", 10250),
    ("prometheus", "state", 8080),
    *(("prometheus", f"{name}-exporter", 9187) for name in DATABASES),
    ("prometheus", "fluent-bit", 2020),
    ("grafana", "prometheus", 9090),
    ("grafana", "alertmanager", 9093),
    ("alertmanager", "alertmanager", 9094),
    ("fluent-bit", "opensearch", 9200),
    ("retention", "opensearch", 9200),
    ("opensearch", "opensearch", 9300),
}
"""Every connection between the platform's pods. The gateway's public ports are left out: all may use them."""


def policies() -> list[Manifest]:
    return [
        item for plan in addons(deployed(SYSTEM)) for item in plan.settings if item["kind"] == "CiliumNetworkPolicy"
    ]


def selects(selector: Mapping[str, Any], target: Pod, namespace: str) -> bool:
    wanted = dict(selector.get("matchLabels", {}))
    space = wanted.pop(NAMESPACE, namespace)
    labels = dict(target.labels)
    return space == target.namespace and all(labels.get(key.removeprefix("k8s:")) == v for key, v in wanted.items())


def ports(rule: Mapping[str, Any], side: str, other: Pod, namespace: str) -> Iterator[int]:
    """TCP ports that a rule opens to another pod."""
    entities = rule.get(side.replace("Endpoints", "Entities"), ())
    named = any(selects(selector, other, namespace) for selector in rule.get(side, ()))
    if named or {"all", "cluster"} & set(entities):
        for group in rule.get("toPorts", ()):
            yield from (int(entry["port"]) for entry in group["ports"] if entry["protocol"] == "TCP")


def opened(found: list[Manifest], one: Pod, other: Pod, direction: str, side: str) -> set[int]:
    return {
        port
        for policy in found
        if policy["metadata"]["namespace"] == one.namespace
        and selects(policy["spec"]["endpointSelector"], one, one.namespace)
        for rule in policy["spec"][direction]
        for port in ports(rule, side, other, one.namespace)
    }


def reachable(found: list[Manifest], source: Pod, target: Pod) -> set[int]:
    """A connection needs both ends; a pod outside these namespaces may send anything."""
    arriving = opened(found, target, source, "ingress", "fromEndpoints")
    if source.namespace not in SPACES:
        return arriving
    return arriving & opened(found, source, target, "egress", "toEndpoints")


def test_exactly_these_connections_are_possible() -> None:
    found = policies()
    actual = {
        (source.name, target.name, port)
        for source in PODS
        for target in PODS
        for port in reachable(found, source, target)
        if not (target.name == "gateway" and port in (80, 443, 15021))
    }
    assert actual == EXPECTED


def test_a_stranger_reaches_certificates_and_the_front_door_only() -> None:
    """An application's pod that could ask OpenSearch or Prometheus would read everybody's logs and numbers."""
    found = policies()
    actual = {(target.name, port) for target in PODS for port in reachable(found, STRANGER, target)}
    assert actual == {("istiod", 15012), ("gateway", 80), ("gateway", 443), ("gateway", 15021)}


@pytest.mark.parametrize("space", SPACES)
def test_each_namespace_denies_by_default_in_both_directions(space: str) -> None:
    (closed,) = [
        item["spec"] for item in policies() if item["metadata"] == {"name": "default-deny", "namespace": space}
    ]
    assert closed == {"endpointSelector": {}, "ingress": [{}], "egress": [{}]}


def test_each_exporter_reaches_its_own_database_only() -> None:
    found = {item["metadata"]["name"]: item["spec"] for item in policies()}
    for name in DATABASES:
        (rule,) = [rule for rule in found[f"{name}-exporter"]["egress"] if "toFQDNs" in rule]
        assert rule["toFQDNs"] == [{"matchName": f"{name}.database.internal"}]
        assert rule["toPorts"] == [{"ports": [{"port": "5432", "protocol": "TCP"}]}]


def test_webhooks_hear_the_api_server() -> None:
    """On K3s it is a process of a node: without these entities every object of the webhook's kinds is refused."""
    found = {item["metadata"]["name"]: item["spec"] for item in policies()}
    for name, port in (("istiod", "15017"), ("prometheus-operator", "10250")):
        rules = [rule for rule in found[name]["ingress"] if "kube-apiserver" in rule.get("fromEntities", ())]
        assert [rule["toPorts"][0]["ports"][0]["port"] for rule in rules] == [port]


def test_the_gateway_reaches_the_published_services_only() -> None:
    found = {item["metadata"]["name"]: item["spec"] for item in policies()}
    targets = {
        (selector["matchLabels"]["app"], entry["port"])
        for rule in found["ingress-gateway"]["egress"]
        for selector in rule.get("toEndpoints", ())
        if selector["matchLabels"].get(NAMESPACE) == "fitsync"
        for entry in rule["toPorts"][0]["ports"]
    }
    assert targets == {("frontend", "3000"), ("api-gateway", "4000")}


def test_prometheus_reaches_the_ports_that_are_measured() -> None:
    found = {item["metadata"]["name"]: item["spec"] for item in policies()}
    (rule,) = [
        rule
        for rule in found["prometheus"]["egress"]
        if rule.get("toEndpoints") == [{"matchLabels": {NAMESPACE: "fitsync"}}]
    ]
    assert [entry["port"] for entry in rule["toPorts"][0]["ports"]] == ["9090", "9121", "15020"]


def test_the_egress_gateway_reaches_the_declared_hosts_for_the_declared_callers() -> None:
    system = shop(
        platform=Platform(mesh=Istio(egress_gateway=True)),
        externals=(External(name="pay", hosts=("api.pay.example",), used_by=("orders",), through_gateway=True),),
    )
    (policy,) = [
        item["spec"]
        for plan in addons(deployed(system))
        for item in plan.settings
        if item["metadata"]["name"] == "egress-gateway"
    ]
    assert policy["ingress"][0]["fromEndpoints"] == [{"matchLabels": {NAMESPACE: "shop", "app": "orders"}}]
    assert [rule["toFQDNs"] for rule in policy["egress"] if "toFQDNs" in rule] == [[{"matchName": "api.pay.example"}]]


def test_namespaces_that_nobody_declared_are_closed() -> None:
    """The databases' security group admits every pod of the cluster: a new namespace must not be a way to them."""
    plan = {addon.name: addon for addon in addons(deployed(SYSTEM))}["undeclared-namespaces"]
    (policy,) = plan.settings
    assert (policy["kind"], plan.requires) == ("CiliumClusterwideNetworkPolicy", ("cilium",))
    namespace = "k8s:io.kubernetes.pod.namespace"
    assert policy["spec"] == {
        "endpointSelector": {
            "matchExpressions": [
                {"key": namespace, "operator": "Exists"},
                {
                    "key": namespace,
                    "operator": "NotIn",
                    "values": ["fitsync", "istio-system", "kube-system", "logging", "monitoring"],
                },
            ]
        },
        "ingress": [{}],
        "egress": [{}],
    }
