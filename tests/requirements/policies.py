"""Network policies and authorization policies as sets of permissions.

Each reader understands exactly the fields that it turns into permissions and refuses every other one, so that a
policy which says more than these sets show cannot pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.requirements.registered import Registered

DNS = frozenset({("kube-system/k8s-app=kube-dns", "UDP", 53), ("kube-system/k8s-app=kube-dns", "TCP", 53)})
ISTIOD = ("istio-system/app=istiod", "TCP", 15012)
PROMETHEUS = "monitoring/app.kubernetes.io/name=prometheus"
GATEWAY = "istio-system/istio=ingressgateway"
NAMESPACE = "k8s:io.kubernetes.pod.namespace"

Permission = tuple[str, str, int]
"""Peer, protocol, port; ``ANY`` and 0 are every port. A peer is ``namespace/label=value,...``, ``fqdn:<name>``,
``cidr:<range>`` or ``entity:<name>``."""


def fields(item: dict[str, Any], *known: str) -> None:
    assert set(item) <= set(known), f"the test does not understand {set(item) - set(known)}"


def peer(selector: dict[str, Any], namespace: str) -> list[str]:
    """The peers that an endpoint selector names: ``matchExpressions`` with ``In`` is one peer per value."""
    fields(selector, "matchLabels", "matchExpressions")
    labels = {key: value for key, value in selector.get("matchLabels", {}).items() if key != NAMESPACE}
    home = selector.get("matchLabels", {}).get(NAMESPACE, namespace)
    choices = [labels]
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "In"
        choices = [{**choice, expression["key"]: value} for choice in choices for value in expression["values"]]
    return [
        f"{home}/" + ",".join(f"{key.removeprefix('k8s:')}={value}" for key, value in sorted(choice.items()))
        for choice in choices
    ]


def permissions(rule: dict[str, Any], side: str, namespace: str) -> set[Permission]:
    """What one rule of a CiliumNetworkPolicy allows; ``side`` is ``from`` or ``to``. An empty rule allows nothing."""
    if not rule:
        return set()
    fields(rule, f"{side}Endpoints", f"{side}Entities", f"{side}FQDNs", f"{side}CIDR", "toPorts")
    peers = [name for item in rule.get(f"{side}Endpoints", ()) for name in peer(item, namespace)]
    peers += [f"entity:{name}" for name in rule.get(f"{side}Entities", ())]
    for item in rule.get(f"{side}FQDNs", ()):
        fields(item, "matchName", "matchPattern")
        peers += [f"fqdn:{name}" for name in item.values()]
    peers += [f"cidr:{name}" for name in rule.get(f"{side}CIDR", ())]
    assert peers, "a rule without peers is a rule for everybody"
    ports = [] if "toPorts" in rule else [("ANY", 0)]
    for item in rule.get("toPorts", ()):
        fields(item, "ports", "rules")
        assert item.get("rules", {}).keys() <= {"dns"}
        ports += [(port["protocol"], int(port["port"])) for port in item["ports"]]
    return {(name, *port) for name in peers for port in ports}


def network(stack: Registered, namespace: str, direction: str) -> dict[str, set[Permission]]:
    """Workload -> what it may receive (``ingress``) or send (``egress``). The workload is its policy's selector; the
    policy for ``{}``, every pod of the namespace, is under ``*``."""
    side = {"ingress": "from", "egress": "to"}[direction]
    found: dict[str, set[Permission]] = {}
    for item in stack.manifests("CiliumNetworkPolicy", namespace).values():
        spec = item["spec"]
        fields(item, "apiVersion", "kind", "metadata", "spec")
        fields(spec, "endpointSelector", "ingress", "egress")
        labels = spec["endpointSelector"].get("matchLabels", {})
        fields(spec["endpointSelector"], "matchLabels")
        name = labels["app"] if labels.keys() == {"app"} else ",".join(labels.values()) or "*"
        assert spec[direction], f"{direction} of {name} is not restricted"
        allowed = found.setdefault(name, set())
        for rule in spec[direction]:
            allowed |= permissions(rule, side, namespace)
    return found


Admission = tuple[str, int]
"""A principal, or ``GET /metrics`` for requests of anybody that ask for just that; and a port."""


def account(namespace: str, name: str) -> str:
    return f"cluster.local/ns/{namespace}/sa/{name}"


INGRESS = account("istio-system", "istio-ingressgateway-service-account")


def authorization(stack: Registered) -> dict[str, set[Admission]]:
    """Workload of ``fitsync`` -> who may call it on which port. The policy for all workloads is under ``*``."""
    found: dict[str, set[Admission]] = {}
    for item in stack.manifests("AuthorizationPolicy", "fitsync").values():
        spec = item["spec"]
        fields(spec, "action", "rules", "selector")
        labels = spec.get("selector", {}).get("matchLabels", {})
        assert labels.keys() <= {"app"}
        admitted = found.setdefault(labels.get("app", "*"), set())
        if spec:
            assert spec["action"] == "ALLOW"
        for rule in spec.get("rules", ()):
            admitted |= admissions(rule)
    return found


def admissions(rule: dict[str, Any]) -> set[Admission]:
    """What one rule of an AuthorizationPolicy lets in."""
    fields(rule, "from", "to")
    (operation,) = [item["operation"] for item in rule["to"]]
    ports = [int(port) for port in operation["ports"]]
    if "from" not in rule:
        fields(operation, "ports", "methods", "paths")
        (method,), (path,) = operation["methods"], operation["paths"]
        return {(f"{method} {path}", port) for port in ports}
    fields(operation, "ports")
    principals: list[str] = []
    for item in rule["from"]:
        fields(item["source"], "principals")
        principals += item["source"]["principals"]
    assert principals
    return {(name, port) for name in principals for port in ports}


def apps(names: Iterable[str], port: int) -> set[Permission]:
    """The permission of each of these pods of ``fitsync`` on one port."""
    return {(f"fitsync/app={name}", "TCP", port) for name in names}
