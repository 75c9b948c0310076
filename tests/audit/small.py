"""Small clusters by hand: a few pods, a few policies, one question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from audit.addresses import PUBLIC, ranges
from audit.cilium import CiliumPolicies
from audit.platform import DNS
from audit.policies import add_all
from audit.population import Actor, Population, Port, Proxy
from audit.resources import Registry, read
from audit.rules import PolicyRules
from tests.audit.planned import document

HTTP: Port = ("TCP", 80)


def pod(name: str, namespace: str = "shop", proxy: Proxy = "sidecar", **labels: str) -> Actor:
    """A pod that runs under an account of its own name and carries its name as label ``app``."""
    return Actor(
        name,
        "pod",
        namespace,
        {"app": name, **labels},
        {"team": namespace},
        account=name,
        proxy=proxy,
        named_ports={"web": 80},
    )


WEB, API, DB = pod("web"), pod("api", tier="back"), pod("db", proxy="none")
OTHER = pod("other", "far")
RESOLVER = Actor("dns", "pod", "kube-system", {"k8s-app": "kube-dns"}, role=DNS)
NODE = Actor("node", "remote-node")
API_SERVER = Actor("api-server", "api-server")
HOST = Actor("db.example", "world", hosts=("db.example",), addresses=ranges("10.9.0.7/32"))
WORLD = Actor("world", "world", hosts=("undeclared.example",), addresses=PUBLIC)
EVERYBODY = (WEB, API, DB, OTHER, RESOLVER, NODE, API_SERVER, HOST, WORLD)


def population(*actors: Actor) -> Population:
    return Population(actors or EVERYBODY)


def registry(*objects: Mapping[str, Any]) -> Registry:
    return Registry(read(document(dict(item) for item in objects)))


def manifest(
    kind: str, api: str, spec: Mapping[str, Any], name: str = "policy", namespace: str = "shop"
) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": dict(spec)}


def cilium(
    spec: Mapping[str, Any], namespace: str = "shop", selector: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A CiliumNetworkPolicy; clusterwide without a namespace."""
    kind = "CiliumNetworkPolicy" if namespace else "CiliumClusterwideNetworkPolicy"
    return manifest(kind, "cilium.io/v2", {"endpointSelector": selector or {}, **spec}, "policy", namespace)


def standard(spec: Mapping[str, Any], namespace: str = "shop") -> dict[str, Any]:
    return manifest("NetworkPolicy", "networking.k8s.io/v1", {"podSelector": {}, **spec}, "policy", namespace)


def app(*names: str) -> dict[str, Any]:
    """Selects pods by their label ``app``."""
    if len(names) == 1:
        return {"matchLabels": {"app": names[0]}}
    return {"matchExpressions": [{"key": "app", "operator": "In", "values": list(names)}]}


class Policed:
    """The network policies of a small cluster."""

    def __init__(self, *objects: Mapping[str, Any]) -> None:
        self._population = population()
        self._rules = PolicyRules(self._population)
        found = registry(*objects)
        CiliumPolicies(self._population, self._rules, self._population.role(DNS), self._population.world).add_all(found)
        add_all(found, self._population, self._rules, by_address=self._population.world)

    def into(self, callee: Actor, port: Port = HTTP) -> set[str]:
        """Who gets in at a callee."""
        return self._names(self._rules.ingress_admitted(self._population.by_name[callee.name], port))

    def out_to(self, callee: Actor, port: Port = HTTP) -> set[str]:
        """Who is let out to a callee."""
        return self._names(self._rules.egress_admitted(self._population.by_name[callee.name], port))

    def _names(self, mask: int) -> set[str]:
        return set(self._population.names(mask))


def names(actors: Iterable[Actor]) -> set[str]:
    return {actor.name for actor in actors}


ALL = names(EVERYBODY)
PODS = names((WEB, API, DB, OTHER, RESOLVER))
SHOP = names((WEB, API, DB))
