"""Mesh routing: which hosts a proxy knows (Sidecar, exportTo) and where calls to them are led (VirtualService)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from audit.errors import AuditError
from audit.forwarding import Forwarding
from audit.hosts import host_covers, qualified
from audit.mtls import ClientModes
from audit.population import Mask, Population, Port, bits, union
from audit.requests import Request
from audit.resources import Object, Registry
from audit.services import NETWORKING, Host, Hosts, target

MESH: Final = "mesh"
Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Branch:
    """One route of a VirtualService: the requests it takes, and where it leads them (nowhere: nobody is reached)."""

    matches: tuple[Spec, ...]
    destinations: tuple[tuple[Mask, int], ...]
    gateways: tuple[str, ...]
    opaque: bool
    """Of TCP or TLS connections; no request is read."""

    def takes(self, request: Request | None, port: int) -> bool:
        return not self.matches or any(_matches(match, request, port) for match in self.matches)

    def leads(self, actor: int, port: int) -> bool:
        return any(backends >> actor & 1 and at == port for backends, at in self.destinations)

    @property
    def catches_all(self) -> bool:
        """Whether it takes every path."""
        return not self.matches or {"uri": {"prefix": "/"}} in self.matches

    @property
    def certain(self) -> bool:
        """Whether what it takes is taken always: a match on headers depends on what the caller sends."""
        conditional = ("headers", "queryParams", "withoutHeaders", "sourceLabels", "sourceNamespace")
        return not self.matches or any(not any(match.get(key) for key in conditional) for match in self.matches)


class Routing:
    """What every proxy may call, and what is behind it."""

    def __init__(
        self,
        registry: Registry,
        population: Population,
        hosts: Hosts,
        clients: ClientModes,
        root: str,
        mesh_mode: str,
    ) -> None:
        """``mesh_mode``: the mesh's outboundTrafficPolicy, for proxies whose Sidecar has none."""
        self._population = population
        self._hosts = hosts
        self._clients = clients
        self._forwarding = Forwarding(registry)
        self._exact: dict[tuple[str, str], Mask] = defaultdict(int)
        self._wild: dict[tuple[str, str], Mask] = defaultdict(int)
        self.passthrough: Mask = 0
        """Proxies that let calls to unknown destinations pass, in plain text."""
        self._sidecars(registry, root, mesh_mode)
        self.branches: dict[str, list[Branch]] = defaultdict(list)
        self._timeouts: dict[str, set[str | None]] = defaultdict(set)
        self._published: set[str] = set()
        """Hosts that routes of gateways lead to."""
        for service in registry.objects("VirtualService", group=NETWORKING):
            self._virtual_service(service)
        self._led: dict[int, set[tuple[str, int]]] = defaultdict(set)
        for host, branches in self.branches.items():
            for branch in branches:
                for backends, _ in branch.destinations:
                    for index in bits(backends):
                        for item in hosts.by_name[host].ports if host in hosts.by_name else ():
                            self._led[index].add((host, item.number))

    def visible(self, host: Host) -> Mask:
        """Proxies that know a host."""
        found = self._exact.get((host.namespace, host.name), 0) | self._exact.get(("*", host.name), 0)
        for (namespace, pattern), proxies in self._wild.items():
            if namespace in ("*", host.namespace) and host_covers(pattern, host.name):
                found |= proxies
        if "*" in host.exported:
            return found
        return found & union(mask for name, mask in self._population.namespaces.items() if host.seen_from(name))

    def known(self, host: Host) -> Mask:
        """Proxies that may call a host by its name: those that know it, and gateways whose routes lead there."""
        return self.visible(host) | (_gateways(self._population) if host.name in self._published else 0)

    def admitted(self, actor: int, port: Port, request: Request | None) -> Mask:
        """Sidecars whose calls can be led to this port; they are judged by the hosts they know."""
        found = self.passthrough
        # Two namespaces may register the same host, each for itself.
        led = {(self._hosts.by_name[name], number) for name, number in self._led.get(actor, set())}
        for host, number in {*self._hosts.leading_to(actor, port), *led}:
            if self._leads(host, number, actor, port, request):
                found |= self.visible(host)
        return found

    def relays(self, actor: int, port: int) -> list[tuple[str, int, int]]:
        """How the mesh leads calls to a host outside by way of a gateway: the host, a gateway's pod and its port."""
        found = []
        own = self._population.actors[actor].hosts
        # What is only below a pattern is no part of it: others reach it by a name of its own.
        for host in {name for name, _ in self._led.get(actor, set()) if name.replace("*", "any") in own}:
            for branch in self.branches.get(host, ()):
                for backends, at in branch.destinations if MESH in branch.gateways else ():
                    relays = backends & _gateways(self._population)
                    if relays and self._handed_on(host, at, actor, port):
                        found += [(host, index, at) for index in bits(relays)]
        return found

    def _handed_on(self, host: str, at: int, actor: int, port: int) -> bool:
        """Whether a gateway hands on what arrives there on port ``at``."""
        return any(
            other.leads(actor, port) and other.takes(None, at)
            for other in self.branches.get(host, ())
            if MESH not in other.gateways
        )

    def prefixes(self, actor: int) -> set[str]:
        """Path prefixes that routes to an actor tell apart."""
        found = set()
        names = {name for name, _ in self._led.get(actor, set())}
        for name in names | {host.name for host, _ in self._hosts.leading_to(actor, ("TCP", 0))}:
            for branch in self.branches.get(name, ()):
                found |= set(_prefixes(branch.matches))
        return found

    def _leads(self, host: Host, number: int, actor: int, port: Port, request: Request | None) -> bool:
        branches = [branch for branch in self.branches.get(host.name, ()) if MESH in branch.gateways]
        if not branches:
            return any(item.name == host.name and at == number for item, at in self._hosts.leading_to(actor, port))
        for branch in branches:
            if branch.takes(request, number):
                if branch.leads(actor, port[1]) or self._onwards(host, branch, actor, port[1]):
                    return True
                if branch.certain:
                    return False
        return False

    def _onwards(self, host: Host, branch: Branch, actor: int, port: int) -> bool:
        """Whether a gateway that the mesh sends calls to hands them on."""
        gateways = _gateways(self._population)
        return any(
            backends & gateways and self._handed_on(host.name, at, actor, port) for backends, at in branch.destinations
        )

    def _sidecars(self, registry: Registry, root: str, mesh_mode: str) -> None:
        """Each proxy obeys one Sidecar: one that selects it, its namespace's, or the root namespace's."""
        population = self._population
        rest = population.kinds["pod"] & population.meshed & ~_gateways(population)
        found: list[tuple[int, Object, Mask]] = []
        for sidecar in registry.objects("Sidecar", group=NETWORKING):
            labels = (sidecar.spec.get("workloadSelector") or {}).get("labels") or {}
            own = population.namespaces.get(sidecar.namespace, 0)
            if labels:
                found.append((0, sidecar, population.has(labels, own)))
            elif sidecar.namespace == root:
                found.append((2, sidecar, population.pods))
            else:
                found.append((1, sidecar, own))
        for _, sidecar, selected in sorted(found, key=lambda item: (item[0], item[1].name)):
            self._obey(sidecar, selected & rest, mesh_mode)
            rest &= ~selected
        self._wild["*", "*"] |= rest
        if mesh_mode == "ALLOW_ANY":
            self.passthrough |= rest

    def _obey(self, sidecar: Object, proxies: Mask, mesh_mode: str) -> None:
        mode = (sidecar.spec.get("outboundTrafficPolicy") or {}).get("mode") or mesh_mode
        if mode == "ALLOW_ANY":
            self.passthrough |= proxies
        listeners: Sequence[Spec] = sidecar.spec.get("egress") or ({"hosts": ["*/*"]},)
        for listener in listeners:
            for entry in listener.get("hosts") or ():
                namespace, _, pattern = str(entry).rpartition("/")
                namespace = {"": "*", ".": sidecar.namespace}.get(namespace, namespace)
                if namespace == "~":
                    continue
                if pattern.startswith("*"):
                    self._wild[namespace, pattern] |= proxies
                else:
                    self._exact[namespace, pattern] |= proxies

    def _virtual_service(self, service: Object) -> None:
        spec = service.spec
        gateways = tuple(
            name if name == MESH or "/" in name else f"{service.namespace}/{name}"
            for name in spec.get("gateways") or (MESH,)
        )
        branches = [*self._http(service, gateways), *self._opaque(service, gateways)]
        if gateways != (MESH,):
            routes = [route for kind in ("http", "tls", "tcp") for route in spec.get(kind) or ()]
            named = [str(to.get("destination", {}).get("host")) for route in routes for to in route.get("route") or ()]
            self._published |= {qualified(name, service.namespace) for name in named}
        for name in spec.get("hosts") or ():
            host = qualified(str(name), service.namespace)
            self.branches[host] += branches
            if MESH in gateways:
                for route in spec.get("http") or ():
                    self._timeouts[host].add(str(route["timeout"]) if route.get("timeout") else None)

    def timeout(self, host: str) -> str | None:
        """How long the mesh lets a call to a host take; None: on some way, or on all of them, without a limit."""
        found = self._timeouts.get(host) or {None}
        limits = {limit for limit in found if limit}
        return " or ".join(sorted(limits)) if limits == found else None

    def _http(self, service: Object, gateways: tuple[str, ...]) -> Iterator[Branch]:
        for route in service.spec.get("http") or ():
            if route.get("delegate"):
                raise AuditError(f"{service.key} delegates a route, which the audit does not follow")
            aborted = ((route.get("fault") or {}).get("abort") or {}).get("percentage", {}).get("value", 0)
            nowhere = route.get("redirect") or route.get("directResponse") or aborted == 100
            own = _own(service, route) or gateways
            destinations = () if nowhere else self._destinations(service, route, own)
            yield Branch(tuple(route.get("match") or ()), destinations, own, opaque=False)

    def _opaque(self, service: Object, gateways: tuple[str, ...]) -> Iterator[Branch]:
        for route in (*(service.spec.get("tls") or ()), *(service.spec.get("tcp") or ())):
            own = _own(service, route) or gateways
            yield Branch(tuple(route.get("match") or ()), self._destinations(service, route, own), own, opaque=True)

    def _destinations(self, service: Object, route: Spec, gateways: tuple[str, ...]) -> tuple[tuple[Mask, int], ...]:
        """Pods and their ports. A subset that no rule defines, or no pod is in, leads nowhere."""
        found: list[tuple[Mask, int]] = []
        for entry in route.get("route") or ():
            if entry.get("weight") == 0:
                continue
            destination = entry.get("destination") or {}
            name = qualified(str(destination.get("host")), service.namespace)
            host = self._hosts.by_name.get(name)
            if host is None:
                continue
            backends = host.backends
            if destination.get("subset"):
                labels = self._clients.subset(name, host.namespace, str(destination["subset"]))
                backends = 0 if labels is None else self._population.has(labels, backends)
            wanted = (destination.get("port") or {}).get("number")
            if name.startswith("*") and MESH not in gateways:
                backends = self._forwarded(name, wanted)
            if host.every_port and wanted:
                found.append((backends, wanted))
            for item in host.ports:
                if item.number == wanted or (wanted is None and len(host.ports) == 1):
                    for index in bits(backends):
                        number = target(self._population.actors[index], item)
                        if number is not None:
                            found.append((1 << index, number))
        return tuple(found)

    def _forwarded(self, pattern: str, port: int | None) -> Mask:
        """What is outside and can be reached by a pattern's way out."""
        names = tuple(self._forwarding.hosts(pattern, port or 0))
        actors = self._population.actors
        return union(
            1 << index
            for index in bits(self._population.world)
            if any(host_covers(name, host) for name in names for host in actors[index].hosts)
        )


def _own(service: Object, route: Spec) -> tuple[str, ...]:
    """Gateways that a route names itself."""
    matches = route.get("match") or ()
    return tuple(_gateway(name, service) for match in matches for name in match.get("gateways") or ())


def _gateway(name: str, service: Object) -> str:
    return name if name == MESH or "/" in name else f"{service.namespace}/{name}"


def _gateways(population: Population) -> Mask:
    return union(1 << index for index in bits(population.meshed) if population.actors[index].proxy == "gateway")


def _matches(match: Spec, request: Request | None, port: int) -> bool:
    if match.get("port") not in (None, port):
        return False
    if request is None:
        return True
    return string_matches(match.get("uri"), request.path) and string_matches(match.get("method"), request.method)


def string_matches(wanted: Spec | None, value: str) -> bool:
    """Istio's StringMatch; absent, it matches all."""
    if not wanted:
        return True
    if "exact" in wanted:
        return bool(wanted["exact"] == value)
    if "prefix" in wanted:
        return value.startswith(str(wanted["prefix"]))
    return re.fullmatch(str(wanted["regex"]), value) is not None


def _prefixes(matches: Sequence[Spec]) -> Iterator[str]:
    for match in matches:
        uri = match.get("uri") or {}
        found = uri.get("prefix") or uri.get("exact")
        if found:
            yield str(found)
