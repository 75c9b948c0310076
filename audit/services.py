"""Addresses of the mesh: Services with the pods behind them, and ServiceEntries for hosts outside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from audit.hosts import host_covers
from audit.population import Actor, Mask, Population, Port, bits
from audit.resources import Object, Registry

NETWORKING: Final = "networking.istio.io"
HTTP: Final = ("http", "http2", "https", "grpc", "grpc-web", "kubernetes.io/h2c")


@dataclass(frozen=True)
class ServicePort:
    """One port of a host. ``target``: the port of what is behind it; None: the same."""

    number: int
    target: int | str | None
    protocol: str
    http: bool


@dataclass(frozen=True)
class Host:
    """What a name leads to."""

    name: str
    namespace: str
    backends: Mask
    ports: tuple[ServicePort, ...]
    exported: tuple[str, ...]
    every_port: bool = False
    """A chart's Service: its ports are not registered, so it is taken to serve all of its pods' ports."""

    def seen_from(self, namespace: str) -> bool:
        return any(name in ("*", namespace) or (name == "." and namespace == self.namespace) for name in self.exported)


class Hosts:
    """Every host, and the hosts that lead to a pod."""

    def __init__(self, registry: Registry, population: Population) -> None:
        self._population = population
        self.by_name: dict[str, Host] = {}
        self._of_pod: dict[int, list[Host]] = defaultdict(list)
        for service in registry.objects("Service", group="core"):
            self._add(_service(service, population))
        for entry in registry.objects("ServiceEntry", group=NETWORKING):
            for name in entry.spec.get("hosts") or ():
                self._add(_entry(entry, str(name), population))
        for index in bits(population.pods):
            own = population.actors[index]
            for name, ports in own.services.items():
                found = tuple(ServicePort(number, aim, "TCP", True) for number, aim in ports.items())
                self._add(Host(f"{name}.{own.namespace}.svc.cluster.local", own.namespace, 1 << index, found, ("*",)))
            for name in own.hosts:
                if name not in self.by_name:
                    self._add(Host(name, own.namespace, 1 << index, (), ("*",), every_port=True))

    def _add(self, host: Host) -> None:
        self.by_name[host.name] = host
        for index in bits(host.backends):
            self._of_pod[index].append(host)

    def leading_to(self, actor: int, port: Port) -> list[tuple[Host, int]]:
        """Hosts and their ports that lead to an actor's port without any route in between."""
        found = []
        for host in self._of_pod.get(actor, ()):
            if host.every_port:
                found.append((host, port[1]))
            for item in host.ports:
                if target(self._population.actors[actor], item) == port[1] and item.protocol == port[0]:
                    found.append((host, item.number))
        return found

    def is_http(self, actor: int, port: Port) -> bool:
        """Whether the mesh reads requests on this port; where no Service names a protocol, it looks for itself."""
        known = [
            item.http
            for host in self._of_pod.get(actor, ())
            for item in host.ports
            if target(self._population.actors[actor], item) == port[1]
        ]
        return port[0] == "TCP" and (any(known) or not known)

    def ports(self, actor: int) -> set[Port]:
        """The actor's ports that some host leads to."""
        pod = self._population.actors[actor]
        return {
            (item.protocol, number)
            for host in self._of_pod.get(actor, ())
            for item in host.ports
            if (number := target(pod, item)) is not None
        }


def target(pod: Actor, port: ServicePort) -> int | None:
    """The pod's port behind a Service's port."""
    if port.target is None:
        return port.number
    return pod.named_ports.get(port.target) if isinstance(port.target, str) else port.target


def _service(service: Object, population: Population) -> Host:
    selector = service.spec.get("selector") or {}
    among = population.namespaces.get(service.namespace, 0)
    exported = (service.body.get("metadata") or {}).get("annotations") or {}
    return Host(
        name=f"{service.name}.{service.namespace}.svc.cluster.local",
        namespace=service.namespace,
        backends=population.has(selector, among) if selector else 0,
        ports=tuple(_service_port(port) for port in service.spec.get("ports") or ()),
        exported=tuple(str(exported.get("networking.istio.io/exportTo", "*")).replace(" ", "").split(",")),
    )


def _service_port(port: Mapping[str, Any]) -> ServicePort:
    aim = port.get("targetPort", port["port"])
    named = isinstance(aim, str) and not aim.isdigit()
    protocol = str(port.get("appProtocol") or str(port.get("name") or "http").split("-")[0])
    known = protocol in HTTP or (not port.get("appProtocol") and protocol not in _OPAQUE)
    return ServicePort(int(port["port"]), aim if named else int(aim), str(port.get("protocol") or "TCP"), known)


_OPAQUE: Final = ("tcp", "tls", "mongo", "mysql", "redis", "udp")
"""Istio's protocols by the prefix of a port's name; any other name leaves it to detection."""


def _entry(entry: Object, name: str, population: Population) -> Host:
    backends = 0
    for index in bits(population.world):
        if any(host_covers(name, host) for host in population.actors[index].hosts):
            backends |= 1 << index
    return Host(
        name=name,
        namespace=entry.namespace,
        backends=backends,
        ports=tuple(
            ServicePort(
                int(port["number"]), port.get("targetPort"), "TCP", str(port.get("protocol", "")).lower() in HTTP[:4]
            )
            for port in entry.spec.get("ports") or ()
        ),
        exported=tuple(entry.spec.get("exportTo") or ("*",)),
    )
