"""Calls that leave by the mesh's egress gateway: registered once, sent there by mutual TLS, let out by identity.

A sidecar wraps each connection in the mesh's TLS and names the host outside in that handshake, so that the gateway
knows who calls whom, whatever the connection itself speaks. Where the mesh passes TLS through instead, the connection's
own handshake names the host, and network policies alone say who calls: ADR 0023.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations

from derive import naming
from manifests import envoy, istio
from manifests.base import Manifest
from model import DeclarationError, External, Istio, System
from model.traffic import covers

GATEWAY = naming.fqdn(naming.EGRESS_GATEWAY, naming.MESH_NAMESPACE)


def through_gateway(system: System) -> tuple[External, ...]:
    return tuple(external for external in system.externals if external.through_gateway)


def gateway_callers(system: System) -> dict[int, tuple[str, ...]]:
    """Services by the port of the egress gateway that they call."""
    found: dict[int, dict[str, None]] = defaultdict(dict)
    for external in through_gateway(system):
        for port in external.called_ports:
            found[port].update(dict.fromkeys(external.used_by))
    return {port: tuple(names) for port, names in sorted(found.items())}


def gateway_objects(system: System, mesh: Istio) -> tuple[Manifest, ...]:
    """Per external: ServiceEntry, Gateway, and a VirtualService for each host. For all: how sidecars call the gateway,
    whom it lets out, and how fast.

    Raises DeclarationError for a host of two externals, as routes go by the one name, and for what a gateway that
    passes TLS through could not tell apart.
    """
    leaving, passed = through_gateway(system), passes_through(mesh)
    if passed:
        _check_passable(system, leaving)
    _refuse_two_owners(leaving)
    found = [item for external in leaving for item in _external(system, external, passed)]
    subsets = [
        istio.named_hop(_subset(host), _server_name(host), external.called_ports)
        for external in leaving
        for host in external.hosts
    ]
    # The mesh offers a gateway no TLS of its own by itself.
    hop = () if passed else (istio.hop(naming.EGRESS_GATEWAY, naming.MESH_NAMESPACE, GATEWAY, subsets),)
    rules = [
        istio.leave_rule([] if passed else _principals(system, item), item.called_ports, item.hosts) for item in leaving
    ]
    labels = naming.EGRESS_GATEWAY_LABELS
    return (
        *found,
        *hop,
        istio.authorization_policy("egress-gateway", naming.MESH_NAMESPACE, labels, rules),
        *_patterns(system, leaving),
        *_limit(leaving, mesh),
    )


def passes_through(mesh: Istio) -> bool:
    return mesh.egress_tls == "PASSTHROUGH"


def _check_passable(system: System, leaving: Iterable[External]) -> None:
    """Without the mesh's TLS a host is known by the caller's handshake only, and a caller by nothing."""
    callers = gateway_callers(system)
    for external in leaving:
        if external.protocol == "TCP" or external.originate:
            raise DeclarationError(
                f"external '{external.name}' does not begin with TLS, and the egress gateway passes nothing else "
                "through; set platform.mesh.egress_tls to ISTIO_MUTUAL"
            )
        for port in external.called_ports:
            if more := set(callers[port]) - set(external.used_by):
                raise DeclarationError(
                    f"external '{external.name}' is not used by '{min(more)}', which calls others on port {port} of "
                    "the egress gateway; passing TLS through, it cannot tell callers apart: set "
                    "platform.mesh.egress_tls to ISTIO_MUTUAL"
                )


def _refuse_two_owners(leaving: Iterable[External]) -> None:
    known = [(host, external.name) for external in leaving for host in external.hosts]
    for (host, owner), (other, another) in combinations(known, 2):
        if owner != another and (host == other or covers(host, other) or covers(other, host)):
            both = host if len(host) >= len(other) else other
            raise DeclarationError(
                f"externals '{owner}' and '{another}' both lead to {both} by the egress gateway; make them one, with "
                "further_ports"
            )


def _subset(host: str) -> str:
    return _server_name(host).replace(".", "-")


def _server_name(host: str) -> str:
    """What a sidecar calls a host in the mesh's own handshake; a pattern is no name there."""
    return host.replace("*", "any")


def _patterns(system: System, leaving: Iterable[External]) -> Iterator[Manifest]:
    """The gateway cannot know the address of a pattern: it asks for that of the host which a connection names."""
    parts = [
        (f"{_subset(host)}-{port}", host, port)
        for external in leaving
        for host in external.patterns
        for port in external.called_ports
    ]
    if parts:
        yield envoy.forward_by_name(
            "egress-patterns", naming.MESH_NAMESPACE, naming.EGRESS_GATEWAY_LABELS, parts, system.home
        )


def _principals(system: System, external: External) -> list[str]:
    users = (system.service(name) for name in external.used_by)
    return [naming.principal(naming.service_namespace(system, user), user.name) for user in users]


def _external(system: System, external: External, passed: bool) -> Iterator[Manifest]:
    home, name = system.home, f"{external.name}-egress"
    users = {naming.service_namespace(system, system.service(user)) for user in external.used_by}
    protocol = "HTTP" if external.originate else "TCP" if external.protocol == "TCP" else "TLS"
    # Names are resolved, patterns are not: two entries.
    for entry, hosts in ((external.name, external.named), (f"{external.name}-any", external.patterns)):
        if hosts:
            yield istio.service_entry(
                entry,
                home,
                hosts,
                external.called_ports,
                protocol.lower(),
                protocol,
                export_to=[naming.MESH_NAMESPACE, *sorted(users | {home})],
                target_port=external.port if external.originate else None,
            )
    servers = [
        istio.inner_server(
            f"{_subset(host)}-{port}",
            host,
            port,
            "HTTPS" if external.originate else "TLS",
            "PASSTHROUGH" if passed else "ISTIO_MUTUAL",
        )
        for host in external.hosts
        for port in external.called_ports
    ]
    yield istio.gateway(name, home, naming.EGRESS_GATEWAY_LABELS, servers)
    for host in external.hosts:
        yield _passed(home, name, host, external) if passed else _routes(home, name, host, external)
        if external.originate:
            yield istio.originated(_subset(host), naming.MESH_NAMESPACE, host, external.called_ports[0])


def _routes(home: str, gateway: str, host: str, external: External) -> Manifest:
    """From the mesh to the gateway, and from there to the host."""
    http, tls, tcp = [], [], []
    for port in external.called_ports:
        inwards = istio.destination(GATEWAY, port, _subset(host))
        outwards = istio.destination(host, port)
        if external.originate:
            http += [istio.relay("mesh", port, inwards), istio.relay(gateway, port, outwards)]
            continue
        if external.protocol == "TCP":
            tcp.append(istio.relay("mesh", port, inwards))
        else:
            tls.append(istio.tls_route("mesh", host, port, inwards))
        tcp.append(istio.relay(gateway, port, outwards))
    name = f"{_subset(host)}-egress"
    return istio.virtual_service(name, home, [host], http=http, gateways=["mesh", gateway], tls=tls, tcp=tcp)


def _passed(home: str, gateway: str, host: str, external: External) -> Manifest:
    """The same two hops by the name in the caller's own handshake."""
    tls = []
    for port in external.called_ports:
        tls.append(istio.tls_route("mesh", host, port, istio.destination(GATEWAY, port)))
        tls.append(istio.tls_route(gateway, host, port, istio.destination(host, port)))
    return istio.virtual_service(f"{_subset(host)}-egress", home, [host], gateways=["mesh", gateway], tls=tls)


def _limit(leaving: Iterable[External], mesh: Istio) -> Iterator[Manifest]:
    if mesh.egress_limit:
        yield envoy.local_rate_limit(
            "egress-limit",
            naming.MESH_NAMESPACE,
            naming.EGRESS_GATEWAY_LABELS,
            mesh.egress_limit,
            requests=any(external.originate for external in leaving),
        )
