"""Calls that leave by the mesh's egress gateway: registered once, sent to the gateway by name, let out from there."""

from __future__ import annotations

from collections.abc import Iterable

from derive import naming
from manifests import istio
from manifests.base import Manifest
from model import DeclarationError, External, System


def through_gateway(system: System) -> tuple[External, ...]:
    return tuple(external for external in system.externals if external.through_gateway)


def gateway_objects(system: System) -> tuple[Manifest, ...]:
    """ServiceEntry, Gateway and VirtualService per external that leaves by the gateway, in the system's namespace."""
    return tuple(item for external in through_gateway(system) for item in _external(system, external))


def _external(system: System, external: External) -> Iterable[Manifest]:
    """The connection keeps its own TLS from end to end; the gateway reads only the name in the handshake."""
    if external.protocol == "TCP" or any("*" in host for host in external.hosts):
        raise DeclarationError(
            f"external '{external.name}' leaves by the egress gateway, which tells hosts apart by the name in the TLS "
            "handshake; declare protocol TLS and full host names, or set through_gateway to False"
        )
    home, name = system.home, f"{external.name}-egress"
    services = {service.name: service for service in system.services}
    users = {naming.service_namespace(system, services[user]) for user in external.used_by}
    exported = [naming.MESH_NAMESPACE, *sorted(users | {home})]
    yield istio.service_entry(external.name, home, external.hosts, external.port, "tls", "TLS", export_to=exported)
    yield istio.gateway(
        name, home, naming.EGRESS_GATEWAY_LABELS, [istio.passthrough_server("tls", external.hosts, external.port)]
    )
    gateway = istio.destination(naming.fqdn(naming.EGRESS_GATEWAY, naming.MESH_NAMESPACE), external.port)
    routes = []
    for host in external.hosts:
        routes.append(istio.tls_route("mesh", host, external.port, gateway))
        routes.append(istio.tls_route(name, host, external.port, istio.destination(host, external.port)))
    yield istio.virtual_service(name, home, external.hosts, gateways=["mesh", name], tls=routes)
