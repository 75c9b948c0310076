"""The audit of one stack: every question is asked of the registered resources and of the declaration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from audit import addons, managed
from audit.actors import ELSEWHERE, STRANGER, actors
from audit.chart_pods import CHARTS
from audit.charts import releases
from audit.cluster import Cluster
from audit.doors import CLOSED, NO_ROUTE, REDIRECT, Door, probes
from audit.expected import Expectation
from audit.findings import Column, Connection, Difference, Report
from audit.layers import EGRESS, INGRESS, LAYERS, MTLS, NETWORK, Question, port_name
from audit.machines import Machines
from audit.platform import INTERNET, NODES, REFUSED, unpublished
from audit.population import Actor, Mask, Population, Port, bits
from audit.published import Published
from audit.requests import Request
from audit.resources import Registry, Values, read_whole
from audit.scope import Scope, pooler_of
from audit.sites import managed_hosts
from model.stores import Store
from model.workloads import Service

CALLEES = ("service:", "store:", "pooler:", "external:")
CALLERS = (STRANGER, ELSEWHERE, INTERNET, NODES, "ingress-gateway", "egress-gateway", "prometheus")
"""Rows of the matrix beside the system's own; the platform's other pods are compared, too, but not shown."""
DOOR = "ingress gateway"
BEHAVIOUR = "mesh behaviour"
MEMBERS = "registered workloads"
SERVICE = "service"


def audit(stack: str, scope: Scope, documents: Mapping[str, Values], *, hub: bool = False) -> Report:
    """Audit one stack. ``documents``: the stack itself and the stacks that it refers to, in export shape.

    ``hub``: the stack is the shared network and has no cluster. :class:`AuditError` for what it cannot judge.
    """
    others = [read_whole(document) for name, document in documents.items() if name != stack]
    registry = Registry(read_whole(documents[stack]), others)
    report = Report(stack)
    scope = replace(scope, hosts=managed_hosts(registry, scope))
    machines = Machines(registry, scope, None if hub else scope.environment)
    machines.judge(report)
    report.differences += managed.differences(registry, scope)
    if not hub:
        report.differences += Published(registry, scope, machines.sites).differences()
        PodAudit(registry, scope, machines).judge(report)
    return report


class PodAudit:
    """Pods, and everything outside that they may reach."""

    def __init__(self, registry: Registry, scope: Scope, machines: Machines) -> None:
        self._scope = scope
        self._machines = machines
        installed = releases(registry)
        self._unknown = sorted({release.chart for release in installed} - set(CHARTS))
        self._population = Population(actors(registry, scope, installed))
        self._cluster = Cluster(registry, self._population, installed)
        self._expected = Expectation(scope, self._population)
        self._internal = machines.nodes_reach_each_other()

    def judge(self, report: Report) -> None:
        """Add differences, connections and the matrix."""
        report.notes += [f"chart '{name}' is unknown to the audit: its pods are not judged" for name in self._unknown]
        report.differences += self._members()
        report.differences += self._services()
        for index, actor in enumerate(self._population.actors):
            if actor.kind != "host" or any(self._expected.ports(index)):
                self._callee(index, report)
        report.differences += self._doors(report)
        report.differences += self._defaults()
        actors = self._population.actors
        report.names = [actor.name for actor in actors]
        own = [actor for actor in actors if actor.role.startswith(CALLEES)]
        report.callees = self._in_order(own)
        report.callers = self._in_order(
            actor
            for index, actor in enumerate(actors)
            if self._cluster.callers >> index & 1 and (actor.role in CALLERS or actor.role.startswith(CALLEES))
            if actor.kind == "pod" or actor not in own
        )

    def _in_order(self, actors: Iterable[Actor]) -> list[str]:
        """Names as the declaration has them, then the platform's; not as the resources happened to be made."""
        system = self._scope.system
        declared = [item.name for item in (*system.services, *system.stores, *self._scope.externals)]
        places = {name: place for place, name in enumerate(declared)}
        found = {actor.name: places.get(actor.role.partition(":")[2], len(places)) for actor in actors}
        return sorted(found, key=lambda name: (found[name], name))

    def _members(self) -> Iterator[Difference]:
        """Everything that is declared to run is there."""
        system = self._scope.system
        wanted = [f"service:{service.name}" for service in system.services]
        wanted += [f"store:{store.name}" for store in system.stores if self._scope.in_cluster(store)]
        wanted += [f"pooler:{pooler.name}" for store in system.stores if (pooler := pooler_of(store))]
        for role in wanted:
            if not self._population.role(role):
                kind, _, name = role.partition(":")
                detail = f"the {kind} is declared, but no workload runs under its ServiceAccount"
                yield Difference(MEMBERS, "closed", (name,), name, "", detail=detail)

    def _services(self) -> Iterator[Difference]:
        """Everything that is declared to be called is found under its name, and members under the name of their set."""
        system, hosts = self._scope.system, self._cluster.hosts
        called: list[tuple[str, str, Service | Store]] = [("service", item.name, item) for item in system.services]
        called += [("store", store.name, store) for store in system.stores if self._scope.in_cluster(store)]
        called += [("pooler", pooler.name, store) for store in system.stores if (pooler := pooler_of(store))]
        for kind, name, item in called:
            host = f"{name}.{self._scope.namespace(item)}.svc.cluster.local"
            pods = list(bits(self._population.role(f"{kind}:{name}")))
            for port in sorted({port for index in pods for port in self._expected.callee(index).served}):
                led = (found for index in pods for found, _ in hosts.leading_to(index, ("TCP", port)))
                if not any(found.name == host for found in led):
                    detail = f"no Service leads from {host} to its port {port}"
                    yield Difference(SERVICE, "closed", ("every caller",), name, str(port), detail=detail)
        for members in self._cluster.sets:
            governing = str(members.spec.get("serviceName"))
            known = hosts.by_name.get(f"{governing}.{members.namespace}.svc.cluster.local")
            own = self._population.namespaces.get(members.namespace, 0)
            if known is None or not known.backends & self._population.select(members.spec.get("selector"), own):
                detail = f"no Service '{governing}' gives its members their names"
                yield Difference(SERVICE, "closed", ("every caller",), members.name, "", detail=detail)

    def _callee(self, index: int, report: Report) -> None:
        actor, declared = self._population.actors[index], self._expected.callee(index)
        possible: Mask = 0
        stops = dict.fromkeys(LAYERS, self._cluster.callers)
        for port in self._cluster.ports(index, self._expected.ports(index)):
            own = port[0] == "TCP" and port[1] in declared.served
            requests = self._cluster.requests(
                index, port, declared.named_methods, declared.named_paths, declared.prefixes
            )
            answers = [self._ask(Question(index, port, request)) for request in requests]
            report.differences += self._compare(index, port_name(port), requests, answers)
            for request, (found, _) in zip(requests, answers, strict=True):
                passed = self._cluster.callers & ~(1 << index)
                for mask in found.values():
                    passed &= mask
                if own:
                    possible |= passed
                    stops = {layer: mask & ~found[layer] for layer, mask in stops.items()}
                what = str(request) if request is not None and len(requests) > 1 else ""
                if actor.role != STRANGER:
                    report.connections += self._connections(passed, index, port, what)
                if actor.role.startswith(CALLEES):
                    undeclared = passed & ~self._expected.declared(index, port)
                    for _, wanted in answers:
                        for mask in wanted.values():
                            undeclared &= mask
                    report.exposed += self._connections(undeclared, index, port, what)
        if declared.served:
            report.columns[actor.name] = self._column(index, possible, stops)

    def _ask(self, question: Question) -> tuple[dict[str, Mask], dict[str, Mask]]:
        found = dict(self._cluster.verdicts(question))
        found[NETWORK] = self._network(question)
        wanted = {layer: mask & self._cluster.callers for layer, mask in self._expected.verdicts(question).items()}
        return found, wanted

    def _network(self, question: Question) -> Mask:
        """Callers whose packets arrive at all. Pods are behind their node; what is outside reaches the doors only."""
        population, actor = self._population, self._population.actors[question.callee]
        inside = self._cluster.callers & ~population.world
        number = question.port[1]
        if actor.kind != "world":
            reached = inside if self._internal else 0
            if actor.role == "ingress-gateway":
                reached |= population.world
            return reached
        if actor.role.startswith("store:") and not self._scope.in_cluster(self._store(actor.role)):
            name = self._store(actor.role).name
            if self._machines.nodes_reach(name, number):
                return inside
            if any(site.name == name for site in self._machines.sites.machines):
                return 0
        return inside if self._machines.nodes_reach_internet(number) else 0

    def _store(self, role: str) -> Store:
        return self._scope.system.store(role.partition(":")[2])

    def _compare(
        self,
        index: int,
        port: str,
        requests: Sequence[Request | None],
        answers: Sequence[tuple[dict[str, Mask], dict[str, Mask]]],
    ) -> Iterator[Difference]:
        """Differences of one port; requests that fare alike are one difference."""
        groups: dict[tuple[str, str, Mask, tuple[str, ...]], list[Request | None]] = {}
        for request, (found, wanted) in zip(requests, answers, strict=True):
            for layer, expected in wanted.items():
                more = found[layer] & ~expected & ~self._excused(layer, index)
                for kind, mask in (("open", more), ("closed", expected & ~found[layer])):
                    for others, callers in self._stopped(mask, layer, found) if mask else ():
                        groups.setdefault((layer, kind, callers, others), []).append(request)
        callee = self._population.actors[index].name
        for (layer, kind, callers, others), seen in groups.items():
            what = "" if len(seen) == len(requests) else ", ".join(str(request) for request in seen if request)
            names = tuple(self._population.names(callers))
            yield Difference(layer, "open" if kind == "open" else "closed", names, callee, port, what, others)

    def _excused(self, layer: str, index: int) -> Mask:
        """Callers whose passing this layer is no difference."""
        blurred = self._expected.blurred
        if layer == EGRESS:
            return blurred
        return self._population.everyone if layer == INGRESS and self._expected.webhooks >> index & 1 else 0

    def _stopped(self, mask: Mask, layer: str, found: Mapping[str, Mask]) -> Iterator[tuple[tuple[str, ...], Mask]]:
        """Callers, divided by the other layers that stop them."""
        groups: dict[tuple[str, ...], Mask] = {(): mask}
        for other in LAYERS:
            if other != layer:
                divided: dict[tuple[str, ...], Mask] = {}
                for names, callers in groups.items():
                    for key, part in (((*names, other), callers & ~found[other]), (names, callers & found[other])):
                        if part:
                            divided[key] = divided.get(key, 0) | part
                groups = divided
        yield from groups.items()

    def _connections(self, callers: Mask, index: int, port: Port, request: str) -> list[Connection]:
        callee = self._population.actors[index].name
        return [Connection(caller, callee, port_name(port), request) for caller in self._population.names(callers)]

    def _column(self, index: int, possible: Mask, stops: Mapping[str, Mask]) -> Column:
        rest = self._cluster.callers & ~(1 << index) & ~possible
        passing = {layer: ~mask for layer, mask in stops.items()}
        return Column(possible, {layers: mask for layers, mask in self._stopped(rest, "", passing) if mask})

    def _doors(self, report: Report) -> Iterator[Difference]:
        """What the ingress gateway answers, against the declared routes."""
        doors, scope = self._cluster.doors, self._scope
        routes: dict[str, list[tuple[str, str]]] = {}
        for route in scope.system.routes:
            service = scope.system.service(route.to)
            public = scope.public_host(route.host).replace("*", "any")
            routes.setdefault(public, []).append((route.prefix, f"{route.to}:{route.port or service.port}"))
        for public, (role, number, prefix) in addons.doors(scope).items():
            names = ", ".join(self._population.names(self._population.role(role)))
            routes.setdefault(public, []).append((prefix, f"{names}:{number}"))
        refused = REFUSED[scope.system.platform.ingress.kind]
        hosts = {*routes, *(host.replace("*", "any") for host in doors.hosts()), "undeclared.example"}
        for host in sorted(hosts):
            own = sorted(routes.get(host, ()), key=lambda item: -len(item[0]))
            for path in probes(doors.paths(host) | {prefix for prefix, _ in own} | set(refused)):
                for port in sorted({80, 443} | doors.ports()):
                    door = Door(host, port, path)
                    answer, wanted = doors.answer(door).what, _answer(own, port, path, refused)
                    if answer != CLOSED:
                        report.doors[str(door)] = answer
                    if answer != wanted:
                        detail = f"answers '{answer}', declared is '{wanted}'"
                        yield Difference(DOOR, "changed", ("the internet",), str(door), str(port), detail=detail)

    def _defaults(self) -> Iterator[Difference]:
        """What holds for pods that come later, and how calls behave: no pair shows it, so it is compared itself."""
        mesh = self._scope.mesh
        for where, mode in self._modes().items() if mesh else ():
            if mesh and mode != mesh.mtls:
                detail = f"its own mode is {mode or 'not set'}, declared is {mesh.mtls}"
                yield Difference(MTLS, "changed", ("any pod",), f"any pod of {where}", "", detail=detail)
        for policy in self._scope.system.policies if mesh else ():
            found = self._cluster.routing.timeout(self._host(policy.to))
            wanted = f"{policy.timeout.total_seconds():g}s" if policy.timeout else None
            if wanted and found != wanted:
                detail = f"the timeout is {found or 'not set'}, declared is {wanted}"
                yield Difference(BEHAVIOUR, "changed", ("every caller",), policy.to, "", detail=detail)

    def _modes(self) -> dict[str, str]:
        """The mode of mutual TLS that the mesh and each of the system's namespaces sets for itself."""
        peers = self._cluster.peers
        return {"the mesh": peers.mesh} | {name: peers.namespaces.get(name, "") for name in self._expected.home}

    def _host(self, name: str) -> str:
        system = self._scope.system
        item = next(item for item in (*system.services, *system.stores) if item.name == name)
        return f"{name}.{self._scope.namespace(item)}.svc.cluster.local"


def _answer(routes: Sequence[tuple[str, str]], port: int, path: str, refused: Sequence[str]) -> str:
    """What the ingress should answer for a host with these routes (longest prefix first)."""
    if not routes or port not in (80, 443):
        return CLOSED
    if port == 80:
        return REDIRECT
    if unpublished(path, refused):
        return NO_ROUTE
    return next((to for prefix, to in routes if path.startswith(prefix)), NO_ROUTE)
