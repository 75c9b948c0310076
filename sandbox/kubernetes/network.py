"""Services, Ingresses and NetworkPolicies: what the API server checks beyond their schemas."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sandbox.kubernetes import names, selectors
from sandbox.kubernetes.access import Body, Problem, Problems, dig, enumerated, items, mapping, number, strings, text
from sandbox.provider import UNKNOWN, has_unknown


def service_problems(body: Body) -> Problems:
    """Ports, type and what goes with it."""
    spec = mapping(body, "spec")
    kind = spec.get("type", "ClusterIP")
    ports = list(enumerated(spec, "spec", "ports"))
    yield from names.labels_problems(strings(spec, "selector"), "spec.selector")
    if kind == "ExternalName":
        host = text(spec, "externalName")
        if host is None and not has_unknown(spec):
            yield Problem("spec.externalName", "is required for type ExternalName")
        elif host is not None and (problem := names.subdomain_problem(host.rstrip("."))):
            yield Problem("spec.externalName", problem)
    elif not ports and spec.get("clusterIP") != "None" and not has_unknown(spec):
        yield Problem("spec.ports", "at least one port is required")
    if kind in ("ClusterIP", "ExternalName"):
        for at, port in ports:
            if number(port, "nodePort"):
                yield Problem(f"{at}.nodePort", f"is not allowed with type {kind}", "use type NodePort or LoadBalancer")
        if "externalTrafficPolicy" in spec:
            yield Problem("spec.externalTrafficPolicy", f"is not allowed with type {kind}")
    for address in items(spec, "loadBalancerSourceRanges"):
        if problem := cidr_problem(address):
            yield Problem("spec.loadBalancerSourceRanges", problem)
    yield from _service_port_problems(ports)


def _service_port_problems(ports: list[tuple[str, Body]]) -> Problems:
    numbers = Counter((port.get("protocol", "TCP"), number(port, "port")) for _, port in ports if number(port, "port"))
    found = Counter(name for _, port in ports if (name := text(port, "name")))
    for (protocol, value), count in numbers.items():
        if count > 1:
            yield Problem("spec.ports", f"port {value}/{protocol} occurs {count} times")
    for name, count in found.items():
        if count > 1:
            yield Problem("spec.ports", f"port name {name!r} occurs {count} times")
        if problem := names.label_problem(name):
            yield Problem("spec.ports", f"port name {problem}")
    for at, port in ports:
        if len(ports) > 1 and "name" not in port:
            yield Problem(f"{at}.name", "is required when a Service has more than one port")
        yield from _port_problems(port.get("targetPort"), f"{at}.targetPort")


def _port_problems(value: Any, path: str) -> Problems:
    """A port given by number or by name."""
    if isinstance(value, int) and not 1 <= value <= 65535:
        yield Problem(path, f"{value} is not in 1-65535")
    if isinstance(value, str) and (problem := names.port_name_problem(value)):
        yield Problem(path, problem)


def cidr_problem(value: Any) -> str:
    """What keeps a value from being a CIDR block; empty when nothing does."""
    try:
        ipaddress.ip_network(str(value), strict=True)
    except ValueError:
        return f"{value!r} is not a CIDR block without host bits"
    return "" if "/" in str(value) else f"{value!r} has no prefix length"


def network_policy_problems(body: Body) -> Problems:
    """Selectors, address blocks and ports of a NetworkPolicy."""
    yield from selectors.problems(mapping(body, "spec", "podSelector"), "spec.podSelector")
    for direction, side in (("ingress", "from"), ("egress", "to")):
        for at, rule in enumerated(body, "", "spec", direction):
            for peer_at, peer in enumerated(rule, at, side):
                yield from _peer_problems(peer, peer_at)
            for port_at, port in enumerated(rule, at, "ports"):
                yield from _policy_port_problems(port, port_at)


def _peer_problems(peer: Body, path: str) -> Problems:
    if not peer:
        yield Problem(path, "needs podSelector, namespaceSelector or ipBlock")
    if "ipBlock" in peer and len(peer) > 1:
        yield Problem(path, "ipBlock cannot be combined with selectors", "use one entry for each")
    for name in ("podSelector", "namespaceSelector"):
        yield from selectors.problems(mapping(peer, name), f"{path}.{name}")
    block = text(peer, "ipBlock", "cidr")
    if block is None:
        return
    if problem := cidr_problem(block):
        yield Problem(f"{path}.ipBlock.cidr", problem)
        return
    network = ipaddress.ip_network(block)
    for excluded in items(peer, "ipBlock", "except"):
        inner = None if cidr_problem(excluded) else ipaddress.ip_network(str(excluded))
        inside = inner is not None and inner.version == network.version and inner != network
        if not inside or inner is None or not _contains(network, inner):
            yield Problem(f"{path}.ipBlock.except", f"{excluded!r} is not a block strictly inside {block}")


def _contains(outer: ipaddress.IPv4Network | ipaddress.IPv6Network, inner: Any) -> bool:
    return bool(inner.subnet_of(outer))


def _policy_port_problems(port: Body, path: str) -> Problems:
    yield from _port_problems(port.get("port"), f"{path}.port")
    end, start = number(port, "endPort"), port.get("port")
    if end is None or start is UNKNOWN:
        return
    if not isinstance(start, int):
        yield Problem(f"{path}.endPort", "needs port to be a number")
    elif end < start:
        yield Problem(f"{path}.endPort", f"{end} is less than port {start}")


def ingress_problems(body: Body) -> Problems:
    """Hosts, paths and backends of an Ingress."""
    if not mapping(body, "spec") or not ({"rules", "defaultBackend"} & mapping(body, "spec").keys()):
        yield Problem("spec", "needs rules or defaultBackend")
    for at, rule in enumerated(body, "", "spec", "rules"):
        host = text(rule, "host")
        if host and (problem := names.subdomain_problem(host.removeprefix("*."))):
            yield Problem(f"{at}.host", problem)
        for path_at, path in enumerated(rule, at, "http", "paths"):
            route, exact = text(path, "path"), path.get("pathType") != "ImplementationSpecific"
            if exact and route is not None and not route.startswith("/"):
                yield Problem(f"{path_at}.path", f"{route!r} does not start with '/'")
            yield from _backend_problems(mapping(path, "backend"), f"{path_at}.backend")


def _backend_problems(backend: Body, path: str) -> Problems:
    if has_unknown(backend):
        return
    if ("service" in backend) == ("resource" in backend):
        yield Problem(path, "needs exactly one of service and resource")
    if "service" in backend and len(mapping(backend, "service", "port")) != 1:
        yield Problem(f"{path}.service.port", "needs exactly one of name and number")


def ingress_services(body: Body) -> Iterator[str]:
    """Names of the Services that an Ingress sends to."""
    backends = [dig(body, "spec", "defaultBackend")]
    for _, rule in enumerated(body, "", "spec", "rules"):
        backends += [path.get("backend") for _, path in enumerated(rule, "", "http", "paths")]
    yield from (name for backend in backends if (name := text(backend, "service", "name")))
