"""The doors behind an ingress controller: Ingress objects beside the Services they name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from derive import naming
from derive.edge import ingress
from derive.edge.doorman import BY_SERVICE, INGRESS_CLASS, TRAEFIK
from derive.edge.tools import Tool
from manifests import ingress as objects
from manifests.base import Manifest
from model import Canary, DeclarationError, Environment, Route, Service, System, Traefik

MERGED: Final = "nginx.org/mergeable-ingress-type"


ONLY_TLS: Final = {
    "traefik.ingress.kubernetes.io/router.entrypoints": "websecure",
    "traefik.ingress.kubernetes.io/router.tls": "true",
}


def rules(system: System, environment: Environment) -> tuple[Manifest, ...]:
    """An Ingress per host and service."""
    if isinstance(system.platform.ingress, Traefik):
        return _plain(system, environment)
    return _mergeable(system, environment)


def _plain(system: System, environment: Environment) -> tuple[Manifest, ...]:
    """Of Traefik, which finds a host's certificate wherever it is named: the host's first Ingress names it."""
    found, named = [], set()
    for name, declared in ingress.grouped(system).items():
        service = system.service(declared[0].to)
        if service.protocol != "http" or any(route.timeout or route.retry for route in declared):
            raise DeclarationError(
                f"a route to '{service.name}' has a timeout or retries, or speaks {service.protocol}, which Traefik's "
                "Ingress cannot say; leave them out, or set platform.ingress to Nginx()"
            )
        _refuse_canary(service)
        host = naming.public_host(declared[0], environment)
        secret = naming.certificate(declared[0], system)
        own = None if host in named else secret
        named.add(host)
        home = _namespace(system, declared[0])
        found.append(objects.ingress(name, home, TRAEFIK, host, _paths(system, service, declared), own, ONLY_TLS))
    return tuple(found)


def _paths(system: System, service: Service, declared: Sequence[Route]) -> list[Manifest]:
    return [
        objects.path(route.prefix, service.name, naming.route_port(system, route))
        for route in sorted(declared, key=lambda route: -len(route.prefix))
    ]


def _mergeable(system: System, environment: Environment) -> tuple[Manifest, ...]:
    """Of NGINX. Where several services share a host, one more bears its certificate: an Ingress
    names Services of its own namespace only."""
    named = ingress.grouped(system)
    hosts: dict[str, list[str]] = {}
    for name, declared in named.items():
        hosts.setdefault(declared[0].host, []).append(name)
    found = []
    for members in hosts.values():
        first = named[members[0]][0]
        host, secret = naming.public_host(first, environment), naming.certificate(first, system)
        merged = len(members) > 1
        if merged:
            master = f"{secret.removesuffix('-tls-cert')}-host"
            home = _namespace(system, first)
            found.append(objects.ingress(master, home, INGRESS_CLASS, host, (), secret, {MERGED: "master"}))
        found += [_rule(name, system, host, None if merged else secret, named[name]) for name in members]
    return tuple(found)


def tool_rule(system: System, tool: Tool) -> Manifest:
    """The host is the tool's alone."""
    traefik = isinstance(system.platform.ingress, Traefik)
    name, annotations = (TRAEFIK, ONLY_TLS) if traefik else (INGRESS_CLASS, dict(BY_SERVICE))
    paths = [objects.path(tool.path or "/", tool.service, tool.port, exact=bool(tool.path))]
    return objects.ingress(tool.name, tool.namespace, name, tool.host, paths, tool.certificate, annotations)


def _rule(name: str, system: System, host: str, secret: str | None, declared: Sequence[Route]) -> Manifest:
    service = system.service(declared[0].to)
    _possible(service, declared)
    annotations = dict(BY_SERVICE)
    if secret is None:
        annotations[MERGED] = "minion"
    timeout = declared[0].timeout
    if timeout:
        span = f"{timeout.total_seconds():g}s"
        annotations |= {f"nginx.org/proxy-{way}-timeout": span for way in ("read", "send")}
    if service.protocol == "grpc":
        annotations["nginx.org/grpc-services"] = service.name
    home = _namespace(system, declared[0])
    return objects.ingress(name, home, INGRESS_CLASS, host, _paths(system, service, declared), secret, annotations)


def _possible(service: Service, declared: Sequence[Route]) -> None:
    """Refuse what NGINX, which calls a Service as one address, cannot do."""
    if any(route.retry for route in declared):
        raise DeclarationError(
            f"a route to '{service.name}' has retries, but the ingress sees one address per service and cannot try "
            "another; drop them, or give them to the services that call it"
        )
    if len({route.timeout for route in declared}) > 1:
        raise DeclarationError(
            f"routes of host '{declared[0].host}' to '{service.name}' have different timeouts, but an Ingress has one; "
            "give them the same"
        )
    _refuse_canary(service)


def _refuse_canary(service: Service) -> None:
    if isinstance(service.release, Canary):
        raise DeclarationError(
            f"service '{service.name}' is released by canary and is routed: only the mesh's gateway sends it a share "
            "of the requests; set platform.ingress to IstioGateway(), or release it otherwise"
        )


def _namespace(system: System, route: Route) -> str:
    return naming.service_namespace(system, system.service(route.to))
