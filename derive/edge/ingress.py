"""The doors: the Gateway, the routes behind it, and the certificates it serves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from derive import naming
from derive.edge.tools import Tool
from derive.mesh.graph import Links
from derive.services import releases
from manifests import istio
from manifests.base import Manifest
from model import DeclarationError, Environment, IstioGateway, Route, System


def gateway_name(system: System) -> str:
    return f"{system.name}-gateway"


def _doors(system: System, environment: Environment, tools: Sequence[Tool]) -> dict[str, str]:
    """Certificate by public host, in declared order. A host has one certificate, whatever its prefixes."""
    doors: dict[str, str] = {}
    for route in system.routes:
        host = naming.public_host(route, environment)
        secret = naming.certificate(route, system)
        if doors.setdefault(host, secret) != secret:
            raise DeclarationError(
                f"routes of host '{route.host}' name two certificates, '{doors[host]}' and '{secret}'; name one"
            )
    return doors | {tool.host: tool.certificate for tool in tools}


def gateway(system: System, environment: Environment, tools: Sequence[Tool]) -> Manifest:
    """Two servers per host: 80 redirects, 443 terminates TLS. They are named after the certificate's own name."""
    servers = []
    for host, secret in _doors(system, environment, tools).items():
        label = secret.removesuffix("-tls-cert")
        servers.append(istio.redirect_server(f"http-{label}", host))
        servers.append(istio.https_server(f"https-{label}", host, secret))
    return istio.gateway(gateway_name(system), system.home, naming.GATEWAY_LABELS, servers)


def routes(system: System, environment: Environment, links: Mapping[str, Links]) -> tuple[Manifest, ...]:
    """A VirtualService per routed service and host; longer prefixes first, for the first match wins.

    It carries the service's name, followed by the host's where the service has several hosts.
    """
    return tuple(
        _route(name, system, environment, links[declared[0].to], declared) for name, declared in grouped(system).items()
    )


def tool_route(system: System, tool: Tool) -> Manifest:
    """The host is the tool's alone."""
    where = istio.destination(naming.fqdn(tool.service, tool.namespace), tool.port)
    entry = istio.http_route([(where, None)], path=tool.path)
    reference = f"{system.home}/{gateway_name(system)}"
    return istio.virtual_service(tool.name, tool.namespace, [tool.host], [entry], [reference])


def grouped(system: System) -> dict[str, list[Route]]:
    """Routes by the name of the object that leads from a host to a service."""
    groups: dict[tuple[str, str], list[Route]] = {}
    for route in system.routes:
        groups.setdefault((route.to, route.host), []).append(route)
    hosts = Counter(to for to, _ in groups)
    named = {}
    for (to, host), declared in groups.items():
        label = host.replace("*", "wildcard").replace("@", "apex").replace(".", "-")
        named[f"{to}-{label}" if hosts[to] > 1 else to] = declared
    return named


def canary_routes(system: System, links: Links) -> dict[str, list[str]]:
    """The VirtualServices that lead to a service and the names of their routes: what a canary release moves."""
    found = {
        name: [route for number in range(len(declared)) if (route := releases.route_name(links, number))]
        for name, declared in grouped(system).items()
        if declared[0].to == links.workload.name
    }
    inside = [route for number in range(len(links.requests)) if (route := releases.route_name(links, number))]
    return found | {releases.internal_route(links): inside}


def _route(name: str, system: System, environment: Environment, links: Links, declared: Sequence[Route]) -> Manifest:
    workload, host = links.workload, naming.public_host(declared[0], environment)
    entries = [
        istio.http_route(
            releases.destinations(links, route.port),
            prefix=route.prefix,
            timeout=route.timeout,
            retry=route.retry,
            name=releases.route_name(links, number),
            origins=_origins(environment),
        )
        for number, route in enumerate(sorted(declared, key=lambda route: -len(route.prefix)))
    ]
    own = gateway_name(system)
    reference = own if workload.namespace == system.home else f"{system.home}/{own}"
    return istio.virtual_service(name, workload.namespace, [host], entries, [reference])


def _origins(environment: Environment) -> list[str]:
    return [
        name if "://" in name else f"https://{naming.host(name, environment.domain)}" for name in environment.origins
    ]


def urls(system: System, environment: Environment) -> dict[str, str]:
    """The public address of each routed service: its first route's."""
    found: dict[str, str] = {}
    for route in system.routes:
        path = "" if route.prefix == "/" else route.prefix
        found.setdefault(route.to, f"https://{naming.public_host(route, environment)}{path}")
    return found


def certificates(system: System, environment: Environment, tools: Sequence[Tool]) -> dict[tuple[str, str], list[str]]:
    """Hosts of each TLS Secret, by its name and namespace: where the gateway's pods are, for Istio reads them in no
    other; behind an ingress controller beside the Ingress that names it."""
    doors = _doors(system, environment, tools)
    named: dict[str, str] = {}
    if not isinstance(system.platform.ingress, IstioGateway):
        for route in system.routes:
            home = naming.service_namespace(system, system.service(route.to))
            named.setdefault(naming.public_host(route, environment), home)
        named |= {tool.host: tool.namespace for tool in tools}
    found: dict[tuple[str, str], list[str]] = {}
    for host, secret in doors.items():
        found.setdefault((secret, named.get(host, naming.MESH_NAMESPACE)), []).append(host)
    return found
