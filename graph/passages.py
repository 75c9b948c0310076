"""Through which objects of a plan a connection passes: those about the pods at its ends, and those that name its host.

Namespaces deny by default, so the policies of both ends are needed for every connection; the others say who may use it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from derive import naming
from derive.cloud import database_host
from derive.edge.doorman import doorman
from derive.labels import selector
from derive.network.firewall import DATABASES, MANAGED
from derive.plan import SystemPlan
from derive.shapes import Deployment
from derive.stores import members, place_of
from manifests.base import Manifest
from model import Bucket, Call, External, Route, Service
from model.stores import Store

NETWORK: Final = frozenset({"CiliumNetworkPolicy", "NetworkPolicy"})
CHECKING: Final = frozenset({"RequestAuthentication", "WasmPlugin"})
"""Kinds that look at every request to their pods, whoever sends it."""
SHAPING: Final = frozenset({"VirtualService", "DestinationRule"})
"""Kinds that say how traffic to a service behaves, whoever calls."""
_SELECTORS: Final = {
    "CiliumNetworkPolicy": ("endpointSelector", "matchLabels"),
    "NetworkPolicy": ("podSelector", "matchLabels"),
    "AuthorizationPolicy": ("selector", "matchLabels"),
    "RequestAuthentication": ("selector", "matchLabels"),
    "WasmPlugin": ("selector", "matchLabels"),
    "Sidecar": ("workloadSelector", "labels"),
}
"""Where a kind says which pods it is about."""

Pods = tuple[str, frozenset[tuple[str, str]]]
"""Namespace and labels."""


class Passages:
    """The objects of one plan, by the pods that they are about and by the hosts that they name."""

    def __init__(self, deployment: Deployment, plan: SystemPlan) -> None:
        self._deployment, self._plan = deployment, plan
        self._about: dict[Pods, list[Manifest]] = defaultdict(list)
        self._hosts: dict[str, list[Manifest]] = defaultdict(list)
        app = plan.application
        parts = (*app.namespaces, *app.services, *app.stores, *app.edge)
        platform = (item for addon in plan.addons for item in (*addon.objects, *addon.settings))
        for item in (*(item for part in parts for item in part.objects), *platform):
            chosen = _selected(item)
            if chosen:
                self._about[_pods(item["metadata"]["namespace"], chosen)].append(item)
            for host in dict.fromkeys(_hosts(item)):
                self._hosts[host].append(item)

    def route(self, route: Route) -> tuple[str, ...]:
        """From a public name to its service: what stands before the platform, the ingress, then the service's own."""
        system, ingress = self._deployment.system, doorman(self._deployment.system.platform)
        host, target = naming.public_host(route, self._deployment.environment), system.service(route.to)
        space = naming.service_namespace(system, target)
        named = [item for item in self._hosts[host] if _leads(item, target.name, space)]
        gateways = {name for item in named for name in item["spec"].get("gateways", ())}
        named += [item for item in self._hosts[host] if item["metadata"]["name"] in gateways]
        own = self._about[_pods(ingress.namespace, ingress.labels)]
        checks = [item for item in own if item["kind"] in NETWORK | CHECKING]
        api = self._plan.api
        front = [f"RestApi {api.name}"] if api and api.host == host else []
        entered = self._entered(space, target.name, ingress.principal)
        if gateways:  # A gateway of the mesh follows its own VirtualService alone.
            entered = [item for item in entered if item["kind"] != "VirtualService"]
        return _named(front, checks, named, entered)

    def call(self, call: Call) -> tuple[str, ...]:
        """From a service to another."""
        system = self._deployment.system
        space = naming.service_namespace(system, system.service(call.callee))
        return _named(self._left(call.caller), self._entered(space, call.callee, self._principal(call.caller)))

    def use(self, service: Service, store: Store) -> tuple[str, ...]:
        """From a service to a store: to its pods that take connections, or to the machine or bucket outside."""
        deployment, principal = self._deployment, self._principal(service.name)
        hosts = {database.name: database.fqdn for database in self._plan.databases}
        hosts |= {database.name: database_host(database.name) for database in self._plan.managed}
        region = deployment.facts.region
        place = place_of(deployment.system, store, hosts, region)
        fronts = [member.name for member in members(deployment.system, store, hosts, region) if member.front]
        entered = [item for name in fronts for item in self._entered(place.namespace, name, principal)]
        outside = [f"s3.{region}.amazonaws.com"] if isinstance(store, Bucket) else [place.host or ""]
        groups = [f"SecurityGroup {DATABASES}"] if any(plan.name == store.name for plan in self._plan.databases) else []
        groups += [f"SecurityGroup {MANAGED}"] if any(plan.name == store.name for plan in self._plan.managed) else []
        return _named(self._left(service.name), self._known(service.name, outside), entered, groups)

    def exit(self, service: str, external: External) -> tuple[str, ...]:
        """From a service to the world; where it must, by the egress gateway."""
        passed: list[Manifest] = []
        if external.through_gateway:
            principal = self._principal(service)
            labels = naming.EGRESS_GATEWAY_LABELS
            kinds = {"Gateway", *SHAPING}
            passed = [item for host in external.hosts for item in self._hosts[host] if item["kind"] in kinds]
            passed += self._hosts[naming.fqdn(naming.EGRESS_GATEWAY, naming.MESH_NAMESPACE)]
            passed += self._admitting(_pods(naming.MESH_NAMESPACE, labels), principal)
        return _named(self._left(service), self._known(service, external.hosts), passed)

    # -- one end -----------------------------------------------------------------------------------

    def _left(self, service: str) -> list[Manifest]:
        own = self._about[_pods(self._space(service), selector(service))]
        return [item for item in own if item["kind"] in NETWORK | {"Sidecar"}]

    def _entered(self, space: str, name: str, principal: str) -> list[Manifest]:
        shaping = [item for item in self._hosts[naming.fqdn(name, space)] if item["kind"] in SHAPING]
        return [*self._admitting(_pods(space, selector(name)), principal), *shaping]

    def _admitting(self, pods: Pods, principal: str) -> Iterator[Manifest]:
        """What looks at who comes: authorization that names the principal, or that refuses what others let pass."""
        for item in self._about[pods]:
            allows = item["kind"] == "AuthorizationPolicy" and (
                item["spec"].get("action") == "DENY" or json.dumps(principal) in json.dumps(item["spec"])
            )
            if allows or item["kind"] in NETWORK | CHECKING:
                yield item

    def _known(self, service: str, hosts: Iterable[str]) -> list[Manifest]:
        """What makes a host outside known to a service."""
        space = self._space(service)
        found = [item for host in hosts for item in self._hosts[host] if item["kind"] == "ServiceEntry"]
        seen = [item for item in found if _exported(item, space)]
        return [item for item in seen if item["metadata"]["namespace"] == space] or seen

    def _space(self, service: str) -> str:
        return naming.service_namespace(self._deployment.system, self._deployment.system.service(service))

    def _principal(self, service: str) -> str:
        return naming.principal(self._space(service), service)


def _pods(namespace: str, labels: Mapping[str, str]) -> Pods:
    return namespace, frozenset(labels.items())


def _selected(item: Manifest) -> Mapping[str, str]:
    """The labels that an object chooses pods by. Empty: it is about none, or about all of its namespace."""
    outer, inner = _SELECTORS.get(item["kind"], ("", ""))
    chosen: Mapping[str, str] = item.get("spec", {}).get(outer, {}).get(inner, {})
    return chosen


def _hosts(item: Manifest) -> Iterator[str]:
    """The hosts that an object of the mesh or an Ingress is about."""
    spec: Mapping[str, Any] = item.get("spec", {})
    match item["kind"]:
        case "VirtualService" | "ServiceEntry":
            yield from spec["hosts"]
        case "DestinationRule":
            yield spec["host"]
        case "Gateway":
            yield from (host.rpartition("/")[2] for server in spec["servers"] for host in server["hosts"])
        case "Ingress":
            yield from (rule["host"] for rule in spec["rules"])


def _leads(item: Manifest, service: str, space: str) -> bool:
    """Whether an object of the edge sends requests to a service."""
    if item["kind"] == "Ingress":
        paths = [path for rule in item["spec"]["rules"] for path in rule["http"]["paths"]]
        own = item["metadata"]["namespace"] == space
        return own and any(path["backend"]["service"]["name"] == service for path in paths)
    return item["kind"] == "VirtualService" and json.dumps(naming.fqdn(service, space)) in json.dumps(item["spec"])


def _exported(item: Manifest, space: str) -> bool:
    """Whether a namespace sees an object of the mesh; without a list, all do."""
    seen: Sequence[str] = item["spec"].get("exportTo", ("*",))
    return "*" in seen or space in seen or ("." in seen and item["metadata"]["namespace"] == space)


def _named(*found: Iterable[Manifest | str]) -> tuple[str, ...]:
    """``Kind namespace/name``, each once."""
    return tuple(dict.fromkeys(item if isinstance(item, str) else _name(item) for items in found for item in items))


def _name(item: Manifest) -> str:
    namespace = item["metadata"].get("namespace")
    return f"{item['kind']} {f'{namespace}/' if namespace else ''}{item['metadata']['name']}"
