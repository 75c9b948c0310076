"""What a drawing of a system shows: doors, services, stores and exits, what joins them, and through which objects."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from derive import naming
from derive.firewall import DATABASES
from derive.plan import SystemPlan, system_plan
from derive.scaling import replicas
from derive.shapes import Deployment, Part
from derive.stores import members, place_of
from graph.failure import members_of
from model import Bucket, PostgreSQL, Service, System
from model.stores import Store

NodeKind = Literal["door", "service", "store", "external"]
EdgeKind = Literal["route", "call", "use", "events", "exit"]
MACHINES: Final = "machines in the data subnets"
BUCKETS: Final = "object storage"
ADMITTING: Final = frozenset(
    {"CiliumNetworkPolicy", "NetworkPolicy", "AuthorizationPolicy", "RequestAuthentication", "Sidecar", "ServiceEntry"}
)
"""Kinds of objects without which a connection is refused."""
SHAPING: Final = frozenset({"VirtualService", "DestinationRule"})
"""Kinds of objects that say how traffic to a service behaves, whoever calls."""


@dataclass(frozen=True)
class Node:
    """One thing in the drawing."""

    id: str
    kind: NodeKind
    name: str
    lane: str
    """The frame that holds it. Empty: it stands outside of all."""
    note: str
    """One short line below its name."""
    facts: Mapping[str, str]
    """What is said of it on a click."""


@dataclass(frozen=True)
class Edge:
    """From who opens a connection, or publishes, to whom."""

    kind: EdgeKind
    source: str
    target: str
    label: str = ""
    objects: tuple[str, ...] = ()
    """``Kind namespace/name`` of what lets it pass and shapes it."""


@dataclass(frozen=True)
class Picture:
    """A system in one environment."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    lanes: tuple[str, ...]
    """Frames in their order."""


def picture(deployment: Deployment) -> Picture:
    """Everything that is declared, once. Raises DeclarationError for what cannot hold."""
    plan = system_plan(deployment)
    system = deployment.system
    nodes = (*_doors(deployment), *_services(deployment), *_stores(deployment, plan), *_externals(system))
    used = {node.lane for node in nodes if node.lane}
    spaces = [f"namespace {naming.service_namespace(system, service)}" for service in system.services]
    lanes = dict.fromkeys([*spaces, *sorted(used - {*spaces, MACHINES, BUCKETS}), MACHINES, BUCKETS])
    return Picture(
        f"{system.name}, {deployment.name}",
        nodes,
        tuple(_edges(deployment, plan)),
        tuple(lane for lane in lanes if lane in used),
    )


def priced(drawn: Picture, costs: Mapping[str, str]) -> Picture:
    """The picture that also says what each service costs. ``costs``: a line of text by service."""
    nodes = tuple(
        replace(node, facts={**node.facts, "costs": costs[node.name]})
        if node.kind == "service" and node.name in costs
        else node
        for node in drawn.nodes
    )
    return replace(drawn, nodes=nodes)


# -- nodes -----------------------------------------------------------------------------------------


def _doors(deployment: Deployment) -> Iterator[Node]:
    for route in deployment.system.routes:
        address = f"{naming.public_host(route, deployment.environment)}{route.prefix}"
        facts = {"address": f"https://{address}"}
        if route.timeout:
            facts["timeout"] = f"{route.timeout.total_seconds():g} s"
        if route.retry:
            each = f" of {route.retry.per_try.total_seconds():g} s" if route.retry.per_try else ""
            facts["retries"] = f"{route.retry.attempts}{each}"
        yield Node(f"door:{address}", "door", address.removesuffix("/"), "", "public", facts)


def _services(deployment: Deployment) -> Iterator[Node]:
    system = deployment.system
    for service in system.services:
        namespace = naming.service_namespace(system, service)
        ports = ", ".join(f":{port}" for port in naming.served_ports(service))
        pods = _pods(service, deployment)
        facts = {
            "namespace": namespace,
            "pods": pods,
            "serves": f"{service.protocol} on {ports}" if ports else "nothing",
            "requests": f"{service.resources.cpu} CPU, {service.resources.memory}",
            "limits": f"{service.resources.cpu_limit} CPU, {service.resources.memory_limit}",
            "metrics": f":{service.metrics}" if service.metrics else "none",
            "release": service.release.kind,
        }
        note = f"{ports} · {pods}" if ports else pods
        yield Node(f"service:{service.name}", "service", service.name, f"namespace {namespace}", note, facts)


def _pods(service: Service, deployment: Deployment) -> str:
    bounds = replicas(service, deployment.name, deployment.environment)
    if service.schedule:
        return f"runs at {service.schedule.cron}"
    if bounds.autoscaled:
        return f"{bounds.minimum} to {bounds.maximum} pods"
    return f"{bounds.minimum} pod{'s' * (bounds.minimum > 1)}"


def _stores(deployment: Deployment, plan: SystemPlan) -> Iterator[Node]:
    system = deployment.system
    for store in system.stores:
        database = next((found for found in plan.databases if found.name == store.name), None)
        facts: dict[str, str] = {"kind": store.kind}
        if isinstance(store, Bucket):
            lane, note = BUCKETS, "S3 bucket"
        elif database:
            lane = MACHINES
            note = f"{store.kind} {database.version} · {' + '.join(host.role for host in database.hosts)}"
            facts |= {host.role: f"{host.fqdn} in {host.zone}, {database.instance}" for host in database.hosts}
            facts |= {"volume": f"{database.volume.size} GiB, encrypted", "owner": database.service}
        else:
            lane, count = f"namespace {naming.store_namespace(system, store)}", members_of(store)
            note = f"{store.kind} :{store.port} · {count} member{'s' * (count > 1)}"
            facts |= {"members": str(count), "namespace": naming.store_namespace(system, store)}
        if isinstance(store, PostgreSQL) and store.pooler:
            facts["pooler"] = f"{store.pooler.name} :{store.pooler.port}"
        topics = [topic.name for topic in system.topics if topic.broker == store.name]
        if topics:
            facts["topics"] = ", ".join(topics)
        yield Node(f"store:{store.name}", "store", store.name, lane, note, facts)


def _externals(system: System) -> Iterator[Node]:
    for external in system.externals:
        way = "by the egress gateway" if external.through_gateway else "directly"
        facts = {"hosts": ", ".join(external.hosts), "port": f"{external.protocol} {external.port}", "leaves": way}
        yield Node(f"external:{external.name}", "external", external.name, "", external.hosts[0], facts)


# -- edges -----------------------------------------------------------------------------------------


def _edges(deployment: Deployment, plan: SystemPlan) -> Iterator[Edge]:
    system = deployment.system
    found = _Objects(plan)
    for route in system.routes:
        host = naming.public_host(route, deployment.environment)
        door = f"door:{host}{route.prefix}"
        yield Edge("route", door, f"service:{route.to}", objects=found.door(host, route.to))
    for call in system.calls:
        label = " ".join([*call.methods, *call.paths])
        ends = f"service:{call.caller}", f"service:{call.callee}"
        yield Edge("call", *ends, label, found.between(call.caller, (call.callee,)))
    for service in system.services:
        for name in service.uses:
            objects = found.between(service.name, _fronts(deployment, plan, system.store(name)))
            if any(database.name == name for database in plan.databases):
                objects = (*objects, f"SecurityGroup {DATABASES}")
            yield Edge("use", f"service:{service.name}", f"store:{name}", "", objects)
    for external in system.externals:
        for name in external.used_by:
            yield Edge("exit", f"service:{name}", f"external:{external.name}", "", found.between(name, external.hosts))
    yield from _events(system)


def _events(system: System) -> Iterator[Edge]:
    """One edge per publisher and subscriber, with all topics between the two."""
    topics: dict[tuple[str, str], list[str]] = defaultdict(list)
    for topic in system.topics:
        for publisher in topic.publishers:
            for subscriber in topic.subscribers:
                if publisher != subscriber:
                    topics[publisher, subscriber].append(f"{topic.name} on {topic.broker}")
    for (publisher, subscriber), names in topics.items():
        yield Edge("events", f"service:{publisher}", f"service:{subscriber}", ", ".join(names))


def _fronts(deployment: Deployment, plan: SystemPlan, store: Store) -> tuple[str, ...]:
    """Names by which objects speak of a store: its machine's, its bucket's, or its pods' that users connect to."""
    hosts = {database.name: database.fqdn for database in plan.databases}
    if store.name in hosts:
        return (hosts[store.name],)
    region = deployment.facts.region
    if isinstance(store, Bucket):
        return (f"s3.{region}.amazonaws.com",)
    place = place_of(deployment.system, store, hosts, region)
    fronts = [member.name for member in members(deployment.system, store, hosts, region) if member.front]
    return tuple(fronts) or (place.host or store.name,)


class _Objects:
    """The objects of a plan, by who they belong to and whom they mention."""

    def __init__(self, plan: SystemPlan) -> None:
        app = plan.application
        self._own = {part.name: _texts(part) for part in (*app.services, *app.stores)}
        self._spaces = {part.name: part.namespace for part in app.services}
        self._shared = {part.namespace: _texts(part) for part in app.namespaces}
        self._edge = [text for part in app.edge for text in _texts(part)]

    def between(self, source: str, targets: Sequence[str]) -> tuple[str, ...]:
        """What of the source's and the namespaces' objects admits the targets, and of the targets' the source."""
        found: list[str] = []
        for target in targets:
            asked = [name for kind, name, text in self._own[source] if kind in ADMITTING and _mentions(text, target)]
            found += [*asked, *self._registered(source, target)]
            answering = self._own.get(target, [])
            found += [name for kind, name, text in answering if kind in ADMITTING and _mentions(text, source)]
            found += [name for kind, name, _ in answering if kind in SHAPING]
        return tuple(dict.fromkeys(found))

    def _registered(self, source: str, target: str) -> list[str]:
        """What makes a host outside known to the source: in its own namespace, or, for all, in another."""
        home = self._spaces[source]
        for space in (home, *(other for other in self._shared if other != home)):
            found = [name for kind, name, text in self._shared[space] if kind in ADMITTING and _mentions(text, target)]
            if found:
                return found
        return []

    def door(self, host: str, target: str) -> tuple[str, ...]:
        """The gateway and the route of a public host, and what of the target's objects admits the gateway."""
        edge = [name for kind, name, text in self._edge if kind in ("Gateway", "VirtualService") and host in text]
        admitting = [
            name
            for kind, name, text in self._own.get(target, ())
            if kind in ADMITTING and _mentions(text, naming.MESH_NAMESPACE) and _mentions(text, "ingressgateway", "-")
        ]
        return (*edge, *admitting)


def _texts(part: Part) -> list[tuple[str, str, str]]:
    """Kind, ``Kind namespace/name``, and what the object says, as text."""
    return [(item["kind"], _name(item), json.dumps(item.get("spec", item))) for item in part.objects]


def _name(item: Mapping[str, Any]) -> str:
    namespace = item["metadata"].get("namespace")
    return f"{item['kind']} {f'{namespace}/' if namespace else ''}{item['metadata']['name']}"


def _mentions(text: str, name: str, *around: str) -> bool:
    """Whether a name occurs whole: not as a part of a longer one, unless ``around`` may stand beside it."""
    beside = "a-z0-9" if around else "a-z0-9-"
    return re.search(rf"(?<![{beside}]){re.escape(name)}(?![{beside}])", text) is not None
