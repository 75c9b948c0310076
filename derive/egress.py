"""Calls that leave by the mesh's egress gateway: registered once, sent there by mutual TLS, let out by identity.

A sidecar wraps each connection in the mesh's TLS and names the host outside in that handshake, so that the gateway
knows who calls whom, whatever the connection itself speaks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from derive import naming
from manifests import istio
from manifests.base import Manifest
from model import DeclarationError, External, Istio, System

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

    Raises DeclarationError for patterns of hosts, and for a host of two externals: routes go by the one name.
    """
    leaving = through_gateway(system)
    seen: dict[str, str] = {}
    for external in leaving:
        for host in external.hosts:
            if "*" in host:
                raise DeclarationError(
                    f"external '{external.name}' leaves by the egress gateway, which routes by full host names; name "
                    f"the hosts that '{host}' stands for, or set through_gateway to False"
                )
            if seen.setdefault(host, external.name) != external.name:
                raise DeclarationError(
                    f"externals '{seen[host]}' and '{external.name}' both lead to {host} by the egress gateway; make "
                    "them one, with further_ports"
                )
    found = [item for external in leaving for item in _external(system, external)]
    subsets = [
        istio.named_hop(_subset(host), host, external.called_ports) for external in leaving for host in external.hosts
    ]
    return (
        *found,
        istio.hop(naming.EGRESS_GATEWAY, naming.MESH_NAMESPACE, GATEWAY, subsets),
        istio.authorization_policy(
            "egress-gateway",
            naming.MESH_NAMESPACE,
            naming.EGRESS_GATEWAY_LABELS,
            [istio.leave_rule(_principals(system, item), item.called_ports, item.hosts) for item in leaving],
        ),
        *_limit(leaving, mesh),
    )


def _subset(host: str) -> str:
    return host.replace(".", "-")


def _principals(system: System, external: External) -> list[str]:
    users = (system.service(name) for name in external.used_by)
    return [naming.principal(naming.service_namespace(system, user), user.name) for user in users]


def _external(system: System, external: External) -> Iterator[Manifest]:
    home, name = system.home, f"{external.name}-egress"
    users = {naming.service_namespace(system, system.service(user)) for user in external.used_by}
    protocol = "HTTP" if external.originate else "TCP" if external.protocol == "TCP" else "TLS"
    yield istio.service_entry(
        external.name,
        home,
        external.hosts,
        external.called_ports,
        protocol.lower(),
        protocol,
        export_to=[naming.MESH_NAMESPACE, *sorted(users | {home})],
        target_port=external.port if external.originate else None,
    )
    servers = [
        istio.mutual_server(f"{_subset(host)}-{port}", host, port, "HTTPS" if external.originate else "TLS")
        for host in external.hosts
        for port in external.called_ports
    ]
    yield istio.gateway(name, home, naming.EGRESS_GATEWAY_LABELS, servers)
    for host in external.hosts:
        yield _routes(home, name, host, external)
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


def _limit(leaving: Iterable[External], mesh: Istio) -> Iterator[Manifest]:
    if mesh.egress_limit:
        yield istio.local_rate_limit(
            "egress-limit",
            naming.MESH_NAMESPACE,
            naming.EGRESS_GATEWAY_LABELS,
            mesh.egress_limit,
            requests=any(external.originate for external in leaving),
        )
