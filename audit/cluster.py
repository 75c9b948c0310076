"""What the registered policies of a cluster let pass, layer by layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from audit import policies
from audit.authorization import Authorization
from audit.charts import Release
from audit.cilium import CiliumPolicies
from audit.doors import Door, Doors
from audit.ingresses import NGINX_CHART, TRAEFIK_CHART, Ingresses, TraefikIngresses
from audit.layers import ANY_OTHER, AUTHORIZATION, EGRESS, INGRESS, MTLS, ROUTING, Question, Verdicts
from audit.mtls import ACCEPTED, ClientModes, PeerModes, accepts
from audit.platform import DNS, SIDECAR_METRICS
from audit.population import Mask, Population, Port, bits, union
from audit.requests import Request, representatives
from audit.resources import Registry
from audit.routing import Routing
from audit.rules import PolicyRules
from audit.services import NETWORKING, Hosts

BYPASSED: Final = (SIDECAR_METRICS, 15021, 15090)
"""Ports of the proxy itself: what arrives there is neither intercepted nor judged."""
ISTIOD_CHART: Final = "istiod"
CILIUM_CHART: Final = "cilium"


class Cluster:
    """The evaluators over one population."""

    def __init__(self, registry: Registry, population: Population, releases: Iterable[Release]) -> None:
        charts = {release.chart: release for release in releases}
        istiod, cilium = charts.get(ISTIOD_CHART), charts.get(CILIUM_CHART)
        self.population = population
        root = istiod.namespace if istiod else "istio-system"
        mode = str(istiod.value("meshConfig.outboundTrafficPolicy.mode", "ALLOW_ANY")) if istiod else "ALLOW_ANY"
        self.rules = PolicyRules(population)
        by_address = population.world
        nodes = population.kinds["remote-node"] | population.kinds["host"] | population.kinds["api-server"]
        if cilium:
            if "nodes" in cilium.value("policyCIDRMatchMode", ()):
                by_address |= nodes
            CiliumPolicies(population, self.rules, population.role(DNS), by_address).add_all(registry)
        else:
            by_address |= population.pods | nodes
        policies.add_all(registry, population, self.rules, by_address=by_address)
        self.peers = PeerModes(registry, population, root)
        self.authorization = Authorization(registry, population, root)
        self.hosts = Hosts(registry, population)
        self.sets = registry.objects("StatefulSet")
        self._clients = ClientModes(registry, root)
        self.routing = Routing(registry, population, self.hosts, self._clients, root, mode)
        self.entrances = population.role("ingress-gateway")
        self.doors = self._doors(registry, charts)
        self._mutual = self._mutual_ports(registry)
        """Ports of gateways that take the mesh's own TLS, by pod."""
        self._sidecars: Mask = 0
        for index in bits(population.meshed):
            if population.actors[index].proxy == "sidecar":
                self._sidecars |= 1 << index
        self.callers: Mask = population.everyone & ~population.kinds["host"]
        """Everybody but a pod's own node, whose probes no policy can refuse."""
        self._published = self.doors.published()
        self._known: dict[tuple[int, Port], tuple[Verdicts, Mask]] = {}

    def _doors(self, registry: Registry, charts: Mapping[str, Release]) -> Doors | Ingresses:
        for chart, kind in ((NGINX_CHART, Ingresses), (TRAEFIK_CHART, TraefikIngresses)):
            if chart in charts:
                return kind(registry, self.population, self.hosts, self.routing, charts[chart], self.entrances)
        return Doors(registry, self.population, self.routing, self.entrances)

    def _mutual_ports(self, registry: Registry) -> dict[int, set[int]]:
        found: dict[int, set[int]] = defaultdict(set)
        for gateway in registry.objects("Gateway", group=NETWORKING):
            for index in bits(self.population.has(gateway.spec.get("selector") or {}, self.population.meshed)):
                for server in gateway.spec.get("servers") or ():
                    if (server.get("tls") or {}).get("mode") == "ISTIO_MUTUAL":
                        found[index].add(int(server["port"]["number"]))
        return found

    def ports(self, callee: int, declared: Iterable[Port]) -> list[Port]:
        """Every port of an actor that anything names, and one for all others."""
        actor = self.population.actors[callee]
        named = {*actor.listens, *self.hosts.ports(callee), *self.rules.edges(callee), *declared}
        named |= {("TCP", port) for port in self.authorization.mentioned(callee)[0] | self.peers.ports(callee)}
        return [*sorted(named), ANY_OTHER]

    def requests(
        self, callee: int, port: Port, methods: Iterable[str], paths: Iterable[str], prefixes: Iterable[str]
    ) -> tuple[Request | None, ...]:
        """One request of every kind that the declaration or any rule tells apart."""
        if port[1] in BYPASSED or not self.judged(callee) or not self.hosts.is_http(callee, port):
            return (None,)
        _, own_methods, own_paths = self.authorization.mentioned(callee)
        registered = self.routing.prefixes(callee)
        return representatives({*methods, *own_methods}, {*paths, *own_paths}, {*prefixes, *registered})

    def judged(self, callee: int) -> bool:
        """Whether a proxy that reads what comes in stands before the actor."""
        return self.population.actors[callee].proxy in ("sidecar", "gateway")

    def verdicts(self, question: Question) -> Verdicts:
        """Who passes each layer."""
        callee, port, request = question.callee, question.port, question.request
        base = self._known.get((callee, port))
        if base is None:
            base = self._known[callee, port] = self._connection(callee, port)
        layers, identified = base
        admitted = self.population.everyone
        if self.judged(callee) and port[1] not in BYPASSED:
            admitted = self.authorization.admitted(callee, port, request, identified)
        elif relays := self.routing.relays(callee, port[1]):
            admitted = self._let_out(relays)
        return {
            **layers,
            AUTHORIZATION: admitted & self.callers,
            ROUTING: self._routed(callee, port, request) & self.callers,
        }

    def _let_out(self, relays: Iterable[tuple[str, int, int]]) -> Mask:
        """Callers that gateways let through to hosts outside, and the gateways themselves."""
        found = 0
        for host, gateway, at in relays:
            port: Port = ("TCP", at)
            _, identified = self._connection(gateway, port)
            found |= self.authorization.admitted(gateway, port, None, identified, host) | 1 << gateway
        return found

    def _connection(self, callee: int, port: Port) -> tuple[Verdicts, Mask]:
        """The layers that see no request, and the callers that arrive with an identity."""
        passes, identified = self.population.everyone, 0
        proxy = self.population.actors[callee].proxy
        if self.population.pods >> callee & 1 and port[1] not in BYPASSED:
            offers = self._offers(callee, port)
            if proxy == "sidecar":
                mode = self.peers.mode(callee, port[1])
                passes = accepts(mode, offers)
                identified = offers["mutual"] if ACCEPTED[mode][0] else 0
            elif proxy == "none":
                passes = offers["plain"]
            elif port[1] in self._mutual.get(callee, ()):
                passes = identified = offers["mutual"]
        found = {
            EGRESS: self.rules.egress_admitted(callee, port),
            INGRESS: self.rules.ingress_admitted(callee, port),
            MTLS: passes,
        }
        return {layer: mask & self.callers for layer, mask in found.items()}, identified

    def _routed(self, callee: int, port: Port, request: Request | None) -> Mask:
        outside = self.population.everyone & ~self._sidecars & ~self.entrances
        found = outside | self.routing.admitted(callee, port, request) & self._sidecars
        if self._published >> callee & 1 and self._behind(callee, port, request):
            found |= self.entrances
        return found

    def _behind(self, callee: int, port: Port, request: Request | None) -> bool:
        path = request.path if request else "/"
        for host in self.doors.hosts():
            for number in self.doors.ports():
                answer = self.doors.answer(Door(host, number, path))
                if answer.backends >> callee & 1 and answer.port == port[1]:
                    return True
        return False

    def _offers(self, callee: int, port: Port) -> dict[str, Mask]:
        """What arrives at a port, by caller: the mesh's TLS, plain text, or other TLS."""
        population = self.population
        meshed = population.actors[callee].proxy == "sidecar"
        found = {"mutual": 0, "plain": population.everyone & ~population.meshed, "other": 0}
        addresses = self.hosts.leading_to(callee, port)
        known = {host: self.routing.known(host) for host, _ in addresses}
        strangers = ~union(known.values())
        for namespace, members in population.namespaces.items():
            clients = members & population.meshed
            if not clients:
                continue
            if not addresses:
                found["mutual" if meshed else "plain"] |= clients
            for host, number in addresses:
                offer = self._clients.offered(namespace, host.name, host.namespace, number, meshed=meshed)
                unknown = clients & self.routing.passthrough & ~self.routing.visible(host)
                found["plain"] |= unknown
                # Who knows some of the names offers what is said of those; who knows none, anything.
                found[offer] |= clients & ~unknown & (known[host] | strangers)
        return found
