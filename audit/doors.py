"""The doors: what the ingress gateway answers for every host, port and path (Gateway and VirtualService)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from audit.hosts import host_covers
from audit.population import Mask, Population, bits
from audit.requests import ELSEWHERE, Request
from audit.resources import Object, Registry
from audit.routing import Routing
from audit.services import NETWORKING

SECRETS: Final = (
    ("Secret", ("metadata", "name")),
    ("ExternalSecret", ("spec", "target", "name")),
    ("Certificate", ("spec", "secretName")),
)
"""Objects that put a TLS Secret into their namespace, and where they name it."""
CLOSED: Final = "closed"
REDIRECT: Final = "redirect to HTTPS"
NO_ROUTE: Final = "no route"


@dataclass(frozen=True, order=True)
class Door:
    """One question to the gateway."""

    host: str
    port: int
    path: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}{self.path}"


@dataclass(frozen=True)
class Answer:
    """What the gateway does. ``backends``: pods and their port, where it passes the request on."""

    what: str
    backends: Mask = 0
    port: int = 0


class Doors:
    """Gateways bound to the ingress gateway's pods, and their routes."""

    def __init__(self, registry: Registry, population: Population, routing: Routing, pods: Mask) -> None:
        """``pods``: the ingress gateway's."""
        self._population = population
        self._routing = routing
        self._servers: list[tuple[Object, Mapping[str, Any]]] = []
        self._answers: dict[Door, Answer] = {}
        self._secrets = set(secrets(registry))
        self._namespaces = {population.actors[index].namespace for index in bits(pods)}
        for gateway in registry.objects("Gateway", group=NETWORKING):
            if population.has(gateway.spec.get("selector") or {}, pods):
                self._servers += [(gateway, server) for server in gateway.spec.get("servers") or ()]

    def hosts(self) -> set[str]:
        """Every host that a server or a route bound to a gateway names."""
        found = {_host(name) for _, server in self._servers for name in server.get("hosts") or ()}
        bound = {f"{gateway.namespace}/{gateway.name}" for gateway, _ in self._servers}
        for host, branches in self._routing.branches.items():
            if any(bound & set(branch.gateways) for branch in branches):
                found.add(host)
        return found

    def ports(self) -> set[int]:
        return {int((server.get("port") or {}).get("number", 0)) for _, server in self._servers}

    def paths(self, host: str) -> set[str]:
        """Paths that routes of a host name."""
        found = set()
        for name, branches in self._routing.branches.items():
            if host_covers(name, host):
                for branch in branches:
                    for match in branch.matches:
                        uri = match.get("uri") or {}
                        found |= {str(value) for value in (uri.get("prefix"), uri.get("exact")) if value}
        return found

    def answer(self, door: Door) -> Answer:
        """What a request gets."""
        if door not in self._answers:
            self._answers[door] = self._answer(door)
        return self._answers[door]

    def _answer(self, door: Door) -> Answer:
        servers = [
            (gateway, server)
            for gateway, server in self._servers
            if (server.get("port") or {}).get("number") == door.port
            and any(host_covers(_host(name), door.host) for name in server.get("hosts") or ())
        ]
        if not servers:
            return Answer(CLOSED)
        gateway, server = servers[0]
        tls = server.get("tls") or {}
        if tls.get("httpsRedirect"):
            return Answer(REDIRECT)
        credential = tls.get("credentialName")
        if credential and not any((namespace, credential) in self._secrets for namespace in self._namespaces):
            return Answer(f"no certificate: Secret {credential} is in none of {', '.join(sorted(self._namespaces))}")
        found = self._route(f"{gateway.namespace}/{gateway.name}", server, door)
        if found.backends and not tls and str((server.get("port") or {}).get("protocol")).upper() == "HTTP":
            return Answer(f"{found.what} in plain text", found.backends, found.port)
        return found

    def _route(self, gateway: str, server: Mapping[str, Any], door: Door) -> Answer:
        """Routes of several VirtualServices for one host are merged, what takes every path last."""
        names = [name for name in self._routing.branches if host_covers(name, door.host)]
        for name in sorted(names, key=lambda name: (name.startswith("*"), -len(name))):
            if not any(host_covers(_host(own), name) or host_covers(name, _host(own)) for own in server["hosts"]):
                continue
            for branch in sorted(self._routing.branches[name], key=lambda branch: branch.catches_all):
                if gateway in branch.gateways and branch.takes(Request("GET", door.path), door.port):
                    return led(self._population, branch.destinations)
        return Answer(NO_ROUTE)

    def published(self) -> Mask:
        """Pods behind any route of a gateway."""
        found = 0
        for branches in self._routing.branches.values():
            for branch in branches:
                if branch.gateways != ("mesh",):
                    for backends, _ in branch.destinations:
                        found |= backends
        return found


def led(population: Population, destinations: tuple[tuple[Mask, int], ...]) -> Answer:
    """Where a request ends: pods and their port."""
    if not destinations:
        return Answer(NO_ROUTE)
    backends, ports = 0, set()
    for mask, port in destinations:
        backends |= mask
        ports.add(port)
    names = ", ".join(population.names(backends))
    return Answer(f"{names}:{'/'.join(map(str, sorted(ports)))}", backends, min(ports))


def probes(prefixes: set[str]) -> list[str]:
    """Paths that tell prefixes apart: each of them, one below it, and one beside all."""
    return sorted({ELSEWHERE, *(path for path in prefixes if path != "/")})


def _host(name: str) -> str:
    """A server's host without the namespace it may be bound to."""
    return name.rpartition("/")[2]


def secrets(registry: Registry) -> Iterator[tuple[str, str]]:
    """Namespace and name of every TLS Secret that is there or will be."""
    for kind, path in SECRETS:
        for item in registry.objects(kind):
            value: Any = item.body
            for key in path:
                value = (value or {}).get(key)
            yield item.namespace, str(value or item.name)
