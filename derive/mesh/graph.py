"""The graph of a deployment as every policy sees it: workloads, and what each may reach or hear from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from derive import naming
from derive.labels import selector
from model import DeclarationError
from model.workloads import Protocol


@dataclass(frozen=True)
class Workload:
    """Pods under one name and one account."""

    name: str
    namespace: str
    tier: str
    services: tuple[str, ...] = ()
    """Names of Services that lead to its pods, beside the one that is named like them."""

    @property
    def selector(self) -> dict[str, str]:
        return selector(self.name)

    @property
    def principal(self) -> str:
        return naming.principal(self.namespace, self.name)

    @property
    def fqdn(self) -> str:
        return naming.fqdn(self.name, self.namespace)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every name that leads to its pods, its own first."""
        return tuple(naming.fqdn(name, self.namespace) for name in (self.name, *self.services))


@dataclass(frozen=True)
class Connection:
    """``source`` may open connections to ``target`` on ``ports``; empty methods and paths mean all."""

    source: Workload
    target: Workload
    ports: tuple[int, ...]
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    """Names that the source calls. Empty: all that lead to the target."""
    admitted: Mapping[str, str] = field(default_factory=dict)
    """Labels by which the target's network policy lets its source in. Empty: those that select the source."""

    @property
    def called(self) -> tuple[str, ...]:
        return self.hosts or self.target.hosts


@dataclass(frozen=True)
class Exit:
    """A destination that is no pod."""

    name: str
    kind: Literal["database", "external"]
    hosts: tuple[str, ...]
    port: int
    protocol: Literal["TLS", "HTTPS", "TCP"]
    further_ports: tuple[int, ...] = ()
    through_gateway: bool = False
    """Whether it leaves by the egress gateway."""
    registry: str = "."
    """Namespace of its ServiceEntry; ``.``: the workload's own."""

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.port, *self.further_ports)


@dataclass(frozen=True)
class Links:
    """One workload and everything it may speak to or hear from."""

    workload: Workload
    ports: tuple[int, ...] = ()
    """What callers reach."""
    metrics: int | None = None
    doors: tuple[int, ...] = ()
    """Ports that the ingress gateway reaches. Empty: none."""
    methods: tuple[str, ...] = ()
    """HTTP methods it admits at all. Empty: all."""
    inbound: tuple[Connection, ...] = ()
    outbound: tuple[Connection, ...] = ()
    exits: tuple[Exit, ...] = ()
    protocol: Protocol = "tcp"
    """What it speaks on its first port."""
    requests: tuple[int, ...] = ()
    """Ports on which it answers HTTP requests."""
    in_mesh: bool = True
    mtls: Literal["STRICT", "PERMISSIVE"] | None = None
    """Its own mode. Absent: the namespace's."""
    pushes: bool = False
    """Whether it hands its metrics to the Pushgateway, because nobody could fetch them."""
    granted: bool = False
    """Whether it has rights in the cloud, for which it asks the machine's metadata service."""
    release: Literal["rolling", "blue-green", "canary"] = "rolling"

    @property
    def port(self) -> int:
        """The port that it is called on."""
        if not self.ports:
            raise DeclarationError(f"'{self.workload.name}' serves no port; give services['{self.workload.name}'] one")
        return self.ports[0]
