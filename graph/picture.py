"""What a drawing of a system shows: doors, services, stores and exits, what joins them, and through which objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from derive import naming
from derive.edge.site import SitePlan
from derive.fitting import fitted
from derive.plan import SystemPlan, system_plan
from derive.services.scaling import replicas
from derive.shapes import Deployment
from graph.failure import members_of
from graph.passages import Passages
from model import Bucket, HubAndSpoke, Nginx, PostgreSQL, Route, Service, SingleVpc, System
from model.stores import Store

NodeKind = Literal["door", "service", "store", "external"]
EdgeKind = Literal["route", "call", "use", "events", "exit"]
MACHINES: Final = "machines in the data subnets"
MANAGED: Final = "managed by AWS"
BUCKETS: Final = "object storage"
R2: Final = "object storage at Cloudflare"
GATEWAYED: Final = "outside, through the egress gateway"
OUTSIDE: Final = "outside the platform"
CLOUDFLARE: Final = "Cloudflare"
API: Final = "API Gateway"
CDN: Final = "CloudFront"
NODE: Final = "the node itself"
UNPRICED: Final = "known once the stack is up, or from a file of its export"
INGRESSES: Final = {"istio": "Istio gateway", "nginx": "NGINX", "traefik": "Traefik"}


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
    """Everything that is declared, once, as the environment has it. Raises DeclarationError for what cannot hold."""
    deployment = fitted(deployment)
    plan = system_plan(deployment)
    system = deployment.system
    nodes = (*_doors(deployment, plan), *_services(deployment), *_stores(deployment, plan), *_externals(system))
    used = {node.lane for node in nodes if node.lane}
    spaces = [f"namespace {naming.service_namespace(system, service)}" for service in system.services]
    last = (MACHINES, MANAGED, BUCKETS, R2, GATEWAYED, OUTSIDE)
    lanes = dict.fromkeys([*spaces, *sorted(used - {*spaces, *last}), *last])
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


def _doors(deployment: Deployment, plan: SystemPlan) -> Iterator[Node]:
    for route in deployment.system.routes:
        ways = _ways(deployment, plan, route)
        facts = {"address": f"https://{_address(route, deployment)}", "answered by": " → ".join(ways)}
        if route.timeout:
            facts["timeout"] = f"{route.timeout.total_seconds():g} s"
        if route.retry:
            each = f" of {route.retry.per_try.total_seconds():g} s" if route.retry.per_try else ""
            facts["retries"] = f"{route.retry.attempts}{each}"
        name = _address(route, deployment).removesuffix("/")
        yield Node(_door(route, deployment), "door", name, "", _short(ways), facts)
    if plan.site:
        facts = {"address": f"https://{plan.site.host}/", "answered by": CDN}
        yield Node(f"door:{plan.site.host}", "door", plan.site.host, "", CDN, facts)


def _address(route: Route, deployment: Deployment) -> str:
    return f"{naming.public_host(route, deployment.environment)}{route.prefix}"


def _door(route: Route, deployment: Deployment) -> str:
    return f"door:{_address(route, deployment)}"


def _ways(deployment: Deployment, plan: SystemPlan, route: Route) -> tuple[str, ...]:
    """What a request to a public name passes before it is in the cluster, in its order."""
    system, ways = deployment.system, []
    ingress, network = system.platform.ingress, system.network
    if plan.api and plan.api.host == naming.public_host(route, deployment.environment):
        ways += ["AWS WAF"] if plan.api.firewall else []
        ways += [API, "internal load balancer"]
    elif isinstance(network, SingleVpc) and network.edge == "nodes":
        ways.append(NODE)
    elif plan.own_network:
        ways.append("load balancer in the hub" if isinstance(network, HubAndSpoke) else "load balancer")
    if isinstance(ingress, Nginx) and ingress.trusted == "cloudflare":
        ways.insert(0, CLOUDFLARE)
    ways.append(INGRESSES[ingress.kind])
    if any(firewall.at == route.to for firewall in system.firewalls):
        ways.append("web application firewall")
    return tuple(ways)


def _short(ways: Sequence[str]) -> str:
    """The best known part of a way in: who runs a platform knows the rest from it."""
    known = [way for way in ways if way in (CLOUDFLARE, API, CDN, *INGRESSES.values())]
    found = next((way for way in known if way in (API, CDN)), " · ".join(known))
    return f"{found} on the node" if NODE in ways else found


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
            "costs": UNPRICED,
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
        lane, note, facts = _standing(deployment, plan, store)
        if isinstance(store, PostgreSQL) and store.pooler:
            facts["pooler"] = f"{store.pooler.name} :{store.pooler.port}"
        topics = [topic.name for topic in system.topics if topic.broker == store.name]
        if topics:
            facts["topics"] = ", ".join(topics)
        yield Node(f"store:{store.name}", "store", store.name, lane, note, {"kind": store.kind, **facts})
    if plan.site:
        facts = {"kind": "bucket", "holds": f"the files of {plan.site.host}"}
        yield Node(f"store:{plan.site.name}", "store", plan.site.name, BUCKETS, "S3 bucket", facts)


def _standing(deployment: Deployment, plan: SystemPlan, store: Store) -> tuple[str, str, dict[str, str]]:
    """The frame of a store, the line below its name, and what is said of it, by where it stands."""
    if isinstance(store, Bucket):
        if store.at:
            return R2, "R2 bucket", {"kept by": "Cloudflare R2"}
        return BUCKETS, "S3 bucket", {"copied to": store.replica} if store.replica else {}
    if machine := next((found for found in plan.databases if found.name == store.name), None):
        facts: dict[str, str] = {host.role: f"{host.fqdn} in {host.zone}, {machine.instance}" for host in machine.hosts}
        facts |= {"volume": f"{machine.volume.size} GiB, encrypted", "owner": machine.service}
        return MACHINES, f"{store.kind} {machine.version} · {' + '.join(host.role for host in machine.hosts)}", facts
    if managed := next((found for found in plan.managed if found.name == store.name), None):
        zones = "two zones" if managed.size.standby else "one zone"
        facts = {"instance": f"{managed.size.instance}, {zones}", "volume": f"{managed.size.storage} GiB, encrypted"}
        return MANAGED, f"Amazon RDS {store.kind} {managed.engine_version} · {zones}", facts
    count, namespace = members_of(store), naming.store_namespace(deployment.system, store)
    note = f"{store.kind} :{store.port} · {count} member{'s' * (count > 1)}"
    return f"namespace {namespace}", note, {"members": str(count), "namespace": namespace}


def _externals(system: System) -> Iterator[Node]:
    for external in system.externals:
        ports = ", ".join(str(port) for port in (external.port, *external.further_ports))
        facts = {"hosts": ", ".join(external.hosts), "port": f"{external.protocol} {ports}"}
        lane = GATEWAYED if external.through_gateway else OUTSIDE
        yield Node(f"external:{external.name}", "external", external.name, lane, external.hosts[0], facts)


# -- edges -----------------------------------------------------------------------------------------


def _edges(deployment: Deployment, plan: SystemPlan) -> Iterator[Edge]:
    system, found = deployment.system, Passages(deployment, plan)
    for route in system.routes:
        yield Edge("route", _door(route, deployment), f"service:{route.to}", objects=found.route(route))
    if plan.site:
        yield from _site_edges(deployment, plan.site, f"RestApi {plan.api.name}" if plan.api else "")
    for call in system.calls:
        label = " ".join([*call.methods, *call.paths])
        yield Edge("call", f"service:{call.caller}", f"service:{call.callee}", label, found.call(call))
    for service in system.services:
        for name in service.uses:
            objects = found.use(service, system.store(name))
            yield Edge("use", f"service:{service.name}", f"store:{name}", "", objects)
    for external in system.externals:
        for name in external.used_by:
            ends = f"service:{name}", f"external:{external.name}"
            yield Edge("exit", *ends, "", found.exit(name, external))
    yield from _events(system)


def _site_edges(deployment: Deployment, site: SitePlan, api: str) -> Iterator[Edge]:
    """Files come from the bucket; some paths lead to the API instead, and with it to its services."""
    door, cdn = f"door:{site.host}", f"Site {site.name}"
    yield Edge("route", door, f"store:{site.name}", "", (cdn,))
    below = [path.removesuffix("*") for path in site.api]
    reached = [
        route.to
        for route in deployment.system.routes
        if naming.public_host(route, deployment.environment) == site.api_host and route.prefix.startswith(tuple(below))
    ]
    for name in dict.fromkeys(reached):
        yield Edge("route", door, f"service:{name}", ", ".join(site.api), (cdn, api))


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
