"""What the declaration says about the pods' connections, layer by layer.

Every layer is expected to be exact on its own: a declared connection passes all of them, and what is not declared is
stopped by each layer that can tell callers apart. So a policy that is lost or too wide shows even while another layer
still stops the connection.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from audit import addons
from audit.actors import ELSEWHERE, STRANGER
from audit.blur import blur
from audit.callees import METRICS_PATH, Admission, Callee
from audit.cluster import BYPASSED
from audit.hosts import host_covers
from audit.layers import AUTHORIZATION, EGRESS, INGRESS, MTLS, ROUTING, Question, Verdicts
from audit.platform import (
    API_SERVER,
    CLUSTER,
    DNS,
    ENTRANCES,
    EVERYBODY,
    GATEWAYS,
    INTERNET,
    KNOWN,
    KUBE_SYSTEM,
    KUBERNETES,
    LINKS,
    NODES,
    OWN,
    PROXIES,
    REFUSED,
    SENDERS,
    SIDECAR_METRICS,
    Link,
    unpublished,
)
from audit.population import Actor, Mask, Population, Port, bits, union
from audit.requests import Request, matches
from audit.scope import (
    POOLER_METRICS,
    Scope,
    archived,
    helpers_of,
    peer_ports,
    pooler_of,
    replicated,
    store_metrics,
    store_port,
    tester_of,
)
from model import BlueGreen, Cilium, Kafka, MySQL, RabbitMQ, Redis, Service


class Expectation:
    """The declared connections of one environment, over the same population as the evaluators."""

    def __init__(self, scope: Scope, population: Population) -> None:
        self._scope = scope
        self._population = population
        self._admissions: dict[int, dict[Port | None, Admission]] = defaultdict(lambda: defaultdict(Admission))
        self._callees: dict[int, Callee] = defaultdict(Callee)
        self._relays: dict[int, dict[int, Mask]] = defaultdict(dict)
        """Of the egress gateway, and of hosts behind it: the callers that it knows and lets out, by port."""
        self._modes: dict[int, str] = {}
        """Of mutual TLS, where a store has its own."""
        system = scope.system
        self._by_name = isinstance(system.platform.cni, Cilium)
        """Whether the network plug-in knows names outside the cluster, and the nodes and the API server by identity."""
        self.home = {scope.namespace(item) for item in system.services} | {
            scope.namespace(item) for item in system.stores if scope.in_cluster(item) or pooler_of(item)
        }
        self.home |= {system.home} & population.namespaces.keys()
        free = {DNS} if self._by_name else {DNS, ELSEWHERE}
        self.governed = self._where(
            lambda actor: actor.kind == "pod" and actor.role not in free and actor.namespace != KUBE_SYSTEM
        )
        """Pods that a policy holds. Only Cilium's hold namespaces that nobody declared."""
        own = union(population.namespaces.get(name, 0) for name in self.home)
        charts = self._where(lambda actor: actor.chart)
        self.blurred: Mask = 0 if self._by_name else self.governed & (~own | charts)
        """Pods of the platform whose policies know the API server, nodes and hosts by address only: where they may go,
        they are held to what they need, not to nothing more."""
        self.webhooks: Mask = 0
        """Those that hear everybody, because the API server's address is not known."""
        outside = union(
            population.role(f"store:{store.name}")
            for store in system.stores
            if isinstance(store, Kafka | Redis | RabbitMQ) and not store.in_mesh
        )
        inside = self._where(lambda actor: actor.namespace in self.home and not actor.chart)
        self._sidecars = inside & ~outside if scope.mesh else 0
        self._entrances = population.role("ingress-gateway")
        self._gateways = self._entrances | population.role("egress-gateway") if scope.mesh else 0
        self._blind = bool(scope.mesh and scope.mesh.egress_tls == "PASSTHROUGH")
        """Whether the egress gateway does not know its callers."""
        self._add_services()
        self._add_stores()
        self._add_helpers()
        self._add_externals()
        self._add_platform()
        if not self._by_name:
            blur(self._scope, self._population, self._admissions)

    def _where(self, holds: object) -> Mask:
        assert callable(holds)
        return union(1 << index for index, actor in enumerate(self._population.actors) if holds(actor))

    # -- the declared graph --------------------------------------------------------------------

    def _add_services(self) -> None:
        scope, role = self._scope, self._population.role
        for service in scope.system.services:
            for index in bits(role(f"service:{service.name}")):
                callee = self._callees[index]
                callee.served, callee.methods = set(scope.ports(service)), service.methods
                if service.metrics:
                    callee.metrics.add(service.metrics)
            self._add_tester(service)
        for call in scope.system.calls:
            service = scope.system.service(call.callee)
            self._connect(
                role(f"service:{call.caller}"),
                role(f"service:{call.callee}"),
                scope.ports(service),
                call.methods or service.methods,
                call.paths,
            )
        for route in scope.system.routes:
            service = scope.system.service(route.to)
            callees = role(f"service:{route.to}")
            for index in bits(callees):
                callee = self._callees[index]
                callee.calls.append((self._entrances, service.methods, ()))
                for port in filter(None, (route.port or service.port,)):
                    self._admit(self._entrances, 1 << index, (port,))
                    callee.doors[route.host, route.prefix] = port

    def _add_tester(self, service: Service) -> None:
        """Who tests a new version of a service asks for the declared paths, or for that of its readiness probe."""
        name, release = tester_of(service), service.release
        if name is None or service.port is None or not isinstance(release, BlueGreen):
            return
        ready = service.readiness.path if service.readiness else "/"
        role = self._population.role
        self._connect(
            role(f"helper:{name}"),
            role(f"service:{service.name}"),
            (service.port,),
            ("GET",),
            release.smoke_test or (ready,),
        )

    def _add_stores(self) -> None:
        scope, role = self._scope, self._population.role
        for store in scope.system.stores:
            callees = role(f"store:{store.name}")
            if isinstance(store, MySQL | Redis) and store.mtls:
                self._modes |= dict.fromkeys(bits(callees), store.mtls)
            port, metrics = store_port(store), store_metrics(store)
            for index in bits(callees):
                self._callees[index].served = {port}
                if metrics and scope.in_cluster(store):
                    self._callees[index].metrics = {metrics}
            users = union(role(f"service:{user}") for user in scope.system.users(store.name))
            if pooler := pooler_of(store):
                doors = role(f"pooler:{pooler.name}")
                for index in bits(doors):
                    self._callees[index].served, self._callees[index].metrics = {pooler.port}, {POOLER_METRICS}
                self._connect(users, doors, (pooler.port,))
                users = doors
            self._connect(users, callees, (port,))
            peers = peer_ports(store)
            if peers and isinstance(store, Kafka):
                # Clients know every broker by its name, as brokers know one another.
                self._narrow(callees, callees, peers)
            elif peers:
                self._admit(callees, callees, peers)
                for index in bits(callees):
                    self._callees[index].private = dict.fromkeys(peers, 1 << index)
            if replicated(store):
                self._connect(callees, callees, (port,))
            host = scope.host(store)
            watchers = self._where(lambda actor, host=host: host in actor.calls)
            self._admit(watchers, callees, (port,))

    def _add_helpers(self) -> None:
        """Who reads a store for others reaches it; who copies it, also the buckets and the role of its machine."""
        scope, role = self._scope, self._population.role
        buckets = [store for store in scope.system.stores if not scope.in_cluster(store) and store.kind == "bucket"]
        endpoints = union([role("buckets"), *(role(f"store:{store.name}") for store in buckets)])
        for store in scope.system.stores:
            callees = role(f"store:{store.name}")
            copying = callees if archived(store) else 0
            for helper in helpers_of(store):
                pods = role(f"helper:{helper.name}")
                if helper.port == store_port(store):
                    self._connect(pods, callees, (helper.port,))
                elif helper.port:
                    self._narrow(pods, callees, (helper.port,))
                if helper.metrics:
                    for index in bits(pods):
                        self._callees[index].metrics = {helper.metrics}
                if bucket := scope.elsewhere(store):
                    self._connect(pods, role(f"store:{bucket.name}"), (443,))
                copying |= pods if helper.copies and not bucket else 0
            self._connect(copying, endpoints, (443,))
            for index in bits(role("metadata")):
                self._admissions[index]["TCP", 80].leave |= copying
        for index in bits(role("buckets")):
            self._callees[index].served = {443}

    def _narrow(self, callers: Mask, callees: Mask, ports: Iterable[int]) -> None:
        self._admit(callers, callees, ports)
        for index in bits(callees):
            self._callees[index].narrow |= dict.fromkeys(ports, callers)
            self._callees[index].known_to |= callers

    def _add_externals(self) -> None:
        scope, role = self._scope, self._population.role
        for external in scope.externals:
            callees = role(f"external:{external.name}")
            users = union(role(f"service:{user}") for user in external.used_by)
            for index in bits(callees):
                self._callees[index].served |= set(external.ports)
                self._callees[index].known_to |= users
            below = self._where(
                lambda actor, names=external.patterns: any(host_covers(p, own) for p in names for own in actor.hosts)
            )
            for index in bits(below & self._population.world & ~callees):
                self._callees[index].known_to |= users
                self._callees[index].narrow |= dict.fromkeys(external.ports, users)
            if external.through_gateway:
                gateway = role("egress-gateway")
                # Whom it does not know, it lets out: the network alone holds who reaches it, with all that is behind.
                known = self._population.everyone if self._blind else users
                self._admit(users, gateway, external.called_ports)
                self._admit(gateway, callees, external.ports)
                for index in bits(gateway):
                    for port in external.called_ports:
                        self._relays[index][port] = self._relays[index].get(port, 0) | known
                for index in bits(callees):
                    self._relays[index] |= dict.fromkeys(external.ports, known | gateway)
            else:
                self._admit(users, callees, external.ports)

    def _connect(
        self,
        callers: Mask,
        callees: Mask,
        ports: Iterable[int],
        methods: tuple[str, ...] = (),
        paths: tuple[str, ...] = (),
    ) -> None:
        self._admit(callers, callees, ports)
        for index in bits(callees):
            self._callees[index].calls.append((callers, methods, paths))
            self._callees[index].known_to |= callers

    # -- the platform --------------------------------------------------------------------------

    def _add_platform(self) -> None:
        entrance = ENTRANCES[self._scope.system.platform.ingress.kind]
        self._add_pages()
        for link in (*LINKS, *entrance, *addons.links(self._scope)):
            callers, callees = self._group(link.caller), self._group(link.callee)
            if link.caller.startswith(addons.SERVICE) and link.port:
                self._narrow(callers, callees, (link.port,))
            if link.at_callee == NODES:
                self.webhooks |= callees & self.blurred
            for index in bits(callees):
                admission = self._admissions[index][self._port(link)]
                admission.leave |= callers
                admission.enter |= self._group(link.at_callee) | callers if link.at_callee else callers
        if self._scope.mesh:
            self._admit(self._population.role("prometheus"), self._entrances, (SIDECAR_METRICS,))
        self._add_scrapes()

    def _add_pages(self) -> None:
        """The platform's pages with a public name, and the hosts that add-ons call."""
        role = self._population.role
        for host, (callee, port, prefix) in addons.doors(self._scope).items():
            self._admit(self._entrances, role(callee), (port,))
            for index in bits(role(callee)):
                self._callees[index].doors[host, prefix] = port
        for name, ports in addons.collectors(self._scope):
            for index in bits(role(name)):
                self._callees[index].known_to = self._sidecars & ~role(STRANGER)
                self._callees[index].narrow = dict.fromkeys(ports, self._population.everyone)
        for caller, host, port in addons.outside(self._scope):
            name = host.replace("*", "any")
            for index, actor in enumerate(self._population.actors):
                if actor.kind == "world" and (actor.name == host or name in actor.hosts):
                    self._admissions[index]["TCP", port].leave |= role(caller)

    def _port(self, link: Link) -> Port | None:
        """None: every port. By address, the API server is a port like any other."""
        number = link.port or (None if self._by_name else KUBERNETES)
        return (link.protocol, number) if number else None

    def _add_scrapes(self) -> None:
        """A scraper finds its targets by itself: its own end is open to every pod of a measured namespace on the
        ports of metrics; the callees' ends name each its own."""
        scraper = self._population.role("prometheus")
        own = {SIDECAR_METRICS} if self._scope.mesh else set()
        strangers = self._population.role(STRANGER)
        for namespace in self.home:
            members = self._population.namespaces.get(namespace, 0)
            if not members & ~strangers:
                continue
            ports = own.union(*(self._callees[index].metrics for index in bits(members)))
            for index in bits(members):
                for port in ports:
                    self._admissions[index]["TCP", port].leave |= scraper
                for port in self._callees[index].metrics:
                    self._admissions[index]["TCP", port].enter |= scraper
                if self._sidecars >> index & 1 and self._population.actors[index].role != STRANGER:
                    self._admissions[index]["TCP", SIDECAR_METRICS].enter |= scraper
        mesh = {self._population.actors[index].namespace for index in bits(self._population.role("istiod"))}
        for namespace in mesh:
            for index in bits(self._population.namespaces.get(namespace, 0)):
                self._admissions[index]["TCP", SIDECAR_METRICS].leave |= scraper

    def _group(self, name: str) -> Mask:
        population = self._population
        everyone = population.everyone
        strangers = (
            population.role(STRANGER)
            | population.role(ELSEWHERE)
            | population.role(DNS)
            | population.role(addons.PROOF)
        )
        kind = self._scope.system.platform.ingress.kind
        senders = self._gateways if kind == "istio" else population.role("egress-gateway")
        groups = {
            EVERYBODY: everyone,
            CLUSTER: everyone & ~population.world if self._by_name else population.pods,
            KNOWN: population.pods & ~strangers,
            PROXIES: (self._sidecars | self._gateways) & ~strangers,
            SENDERS: (self._sidecars | senders) & ~strangers,
            OWN: union(population.namespaces.get(name, 0) for name in self.home) | senders,
            GATEWAYS: senders,
            NODES: population.kinds["host"] | population.kinds["remote-node"] | population.kinds["api-server"],
            API_SERVER: population.kinds["api-server"],
            INTERNET: population.role(INTERNET),
        }
        return groups[name] if name in groups else population.role(name)

    def _admit(self, callers: Mask, callees: Mask, ports: Iterable[int]) -> None:
        for index in bits(callees):
            for port in ports:
                admission = self._admissions[index]["TCP", port]
                admission.leave |= callers
                admission.enter |= callers

    # -- the answers ---------------------------------------------------------------------------

    def callee(self, index: int) -> Callee:
        return self._callees.get(index) or Callee()

    def ports(self, index: int) -> Iterator[Port]:
        """Ports of an actor that the declaration or the platform names."""
        for port in self._admissions.get(index, ()):
            if port is not None:
                yield port

    def declared(self, index: int, port: Port) -> Mask:
        """Callers that are declared by name, without those that nothing governs."""
        admission = self._admissions.get(index, {}).get(port) or Admission()
        return admission.leave & admission.enter

    def verdicts(self, question: Question) -> Verdicts:
        """Who is expected to pass each layer. What is not declared of a layer is left out: scrapes go to addresses, so
        nothing says where the mesh leads a call to a host's metrics port."""
        index, port, request = question.callee, question.port, question.request
        everyone = self._population.everyone
        admission = self._admissions.get(index, {}).get(port) or Admission()
        always = self._admissions.get(index, {}).get(None) or Admission()
        closed = self.governed >> index & 1
        answers = {
            EGRESS: (everyone & ~self.governed) | admission.leave | always.leave,
            INGRESS: admission.enter | always.enter if closed else everyone,
            MTLS: self._transport(index, port),
            AUTHORIZATION: self._authorized(index, port, request),
        }
        if port[1] not in self.callee(index).metrics:
            answers[ROUTING] = self._routed(index, port, request)
        return answers

    def _transport(self, index: int, port: Port) -> Mask:
        mesh = self._scope.mesh
        inside = self._sidecars >> index & 1
        if self._gateways >> index & 1 and port[1] in self._relays.get(index, ()):
            return self._population.everyone if self._blind else self._sidecars | self._gateways
        mode = self._modes.get(index, mesh.mtls if mesh else "")
        if mesh is None or not inside or port[1] in BYPASSED or mode == "PERMISSIVE":
            return self._population.everyone
        if port[1] in self.callee(index).metrics:
            return self._population.everyone
        return self._sidecars | self._gateways

    def _authorized(self, index: int, port: Port, request: Request | None) -> Mask:
        if index in self._relays and port[1] not in BYPASSED:
            others = 0 if self._gateways >> index & 1 else self._population.everyone
            return self._relays[index].get(port[1], others)
        if not self._sidecars >> index & 1 or port[1] in BYPASSED:
            return self._population.everyone
        callee = self.callee(index)
        if port[1] in callee.metrics:
            scraped = request is not None and request.method == "GET" and request.path == METRICS_PATH
            return self._population.everyone if scraped else 0
        if callers := callee.private.get(port[1], 0) | callee.narrow.get(port[1], 0):
            return callers
        if port[1] not in callee.served:
            return 0
        found = union(callers for callers, methods, paths in callee.calls if _asked(request, methods, paths))
        return found if port[1] in callee.doors.values() else found & ~self._entrances

    def _routed(self, index: int, port: Port, request: Request | None) -> Mask:
        found = self._population.everyone & ~self._sidecars & ~self._entrances
        callee, actor = self.callee(index), self._population.actors[index]
        if port[1] in callee.private and port[0] == "TCP":
            found |= callee.private[port[1]] & self._sidecars
        elif port[1] in callee.served | callee.narrow.keys() and port[0] == "TCP":
            found |= callee.known_to & self._sidecars
        elif self._always_known(actor):
            found |= self._sidecars
        path = request.path if request else "/"
        refused = unpublished(path, REFUSED[self._scope.system.platform.ingress.kind])
        if not refused and callee.published(port[1], path):
            found |= self._entrances
        return found

    def _always_known(self, actor: Actor) -> bool:
        """The mesh's own hosts and the cluster's DNS are known to every proxy."""
        mesh = {self._population.actors[index].namespace for index in bits(self._population.role("istiod"))}
        return bool(actor.hosts) and actor.kind == "pod" and (actor.role == DNS or actor.namespace in mesh)


def _asked(request: Request | None, methods: tuple[str, ...], paths: tuple[str, ...]) -> bool:
    if request is None:
        return True
    return (not methods or request.method in methods) and (
        not paths or any(matches(path, request.path) for path in paths)
    )
