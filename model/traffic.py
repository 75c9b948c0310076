"""The edges of the service graph and how traffic along them behaves."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any, Literal

from pydantic import Field, model_validator

from model.base import DeclarationError, Declared, Name, Percent, Port, RegionalHost, seconds


class Retry(Declared):
    """Attempts after a failure. ``per_try`` absent: only the route's own timeout bounds a try."""

    attempts: int = Field(ge=1, le=10)
    per_try: timedelta | None = None
    on: tuple[str, ...] = ("5xx", "reset", "connect-failure", "refused-stream")


def _require_a_try(what: str, timeout: timedelta | None, retry: Retry | None) -> None:
    if timeout and retry and retry.per_try and retry.per_try > timeout:
        raise DeclarationError(
            f"{what}: a try of {retry.per_try.total_seconds():g} s cannot fit in the timeout of "
            f"{timeout.total_seconds():g} s; shorten Retry.per_try"
        )


class OutlierDetection(Declared):
    """When a failing pod is taken out of load balancing."""

    consecutive_5xx: int = 5
    interval: timedelta = seconds(30)
    ejection: timedelta = seconds(30)
    max_ejected: Percent | None = None
    """Absent: Envoy's default of 10 %."""


class ConnectionPool(Declared):
    """Limits of the connections to one host; what is absent is Envoy's default."""

    connections: int | None = None
    pending_requests: int | None = None
    requests: int | None = None
    requests_per_connection: int | None = None
    connect_timeout: timedelta | None = None


LoadBalancing = Literal["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "SOURCE_IP"]


class TrafficPolicy(Declared):
    """What a DestinationRule says of one host."""

    balance: LoadBalancing | None = None
    pool: ConnectionPool | None = None
    outliers: OutlierDetection | None = None


class Call(Declared):
    """A synchronous call: ``caller`` may open connections to ``callee`` and waits for its answer."""

    caller: Name
    callee: Name
    paths: tuple[str, ...] = ()
    """Paths that this caller may ask for. Empty: all."""
    methods: tuple[str, ...] = ()
    """HTTP methods that this caller may use. Empty: all that the callee admits."""


class ServicePolicy(Declared):
    """How everybody's traffic to one service (or store) behaves."""

    to: Name
    timeout: timedelta | None = None
    retry: Retry | None = None
    traffic: TrafficPolicy | None = None

    @model_validator(mode="after")
    def _a_try_fits(self) -> ServicePolicy:
        _require_a_try(f"policy to '{self.to}'", self.timeout, self.retry)
        return self


class Topic(Declared):
    """A channel of events on a broker."""

    name: str = Field(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$")
    broker: Name
    publishers: tuple[Name, ...]
    subscribers: tuple[Name, ...]


class Route(Declared):
    """A door of the system: a host and a path prefix that lead to a service."""

    host: str
    """A name relative to the environment's domain: ``api`` becomes ``api.<domain>``; ``@`` is the domain itself."""
    to: Name
    prefix: str = "/"
    port: Port | None = None
    """The port of the service that it leads to, one that answers requests. Absent: the service's own."""
    timeout: timedelta | None = None
    retry: Retry | None = None
    certificate: Name | None = None
    """Name of the TLS secret. Absent: ``<host>-tls-cert``."""

    @model_validator(mode="after")
    def _a_try_fits(self) -> Route:
        _require_a_try(f"route to '{self.to}'", self.timeout, self.retry)
        return self


class Tokens(Declared):
    """JSON Web Tokens that a service asks of every request, checked by its sidecar."""

    at: Name
    """The service that asks for them."""
    issuer: str = Field(pattern=r"^https://")
    keys_from: Name
    """The service that publishes the issuer's keys; ``at`` calls it."""
    keys_path: str = "/.well-known/jwks.json"
    open_paths: tuple[str, ...] = ()
    """Paths that need no token; ``*`` at either end matches anything."""


class ApplicationFirewall(Declared):
    """The OWASP Core Rule Set before a service: what it recognises as an attack is refused, not only recorded."""

    at: Name
    """The service; its sidecar inspects every request but those of its health checks and its metrics."""


PLAIN_HTTP = 80
REGISTRIES = frozenset(("ac", "co", "com", "edu", "go", "gov", "gob", "ne", "net", "nom", "or", "org"))
"""Labels under which registries of countries sell names, as in ``co.uk`` (Public Suffix List)."""
SHARED = frozenset(("amazonaws.com", "cloudfront.net"))
"""Domains of a cloud, under which every customer has names of machines, sites or buckets."""


def is_open(pattern: str) -> bool:
    """Whether names under a pattern are sold or given to anybody."""
    labels = pattern.removeprefix("*").removeprefix(".").split(".")
    sold = len(labels) == 2 and len(labels[1]) == 2 and labels[0] in REGISTRIES
    return len(labels) < 2 or sold or ".".join(labels) in SHARED


def covers(pattern: str, host: str) -> bool:
    """Whether a host, or all that another pattern stands for, is of a pattern."""
    return pattern.startswith("*") and host.removeprefix("*").endswith(pattern[1:])


class External(Declared):
    """Hosts outside the platform and the services that may call them."""

    name: Name
    hosts: tuple[RegionalHost, ...]
    """Names; ``*.`` at the start of one stands for every name below it, for vendors that give each customer one."""
    port: Port = 443
    protocol: Literal["TLS", "HTTPS", "TCP"] = "TLS"
    used_by: tuple[Name, ...]
    further_ports: tuple[Port, ...] = ()
    """Ports beside ``port`` that speak the same protocol."""
    through_gateway: bool = False
    """Whether calls leave by the mesh's egress gateway."""
    originate: bool = False
    """Whether services call plain HTTP on port 80 and the egress gateway makes it HTTPS, so that it sees requests."""

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.port, *self.further_ports)

    @property
    def called_ports(self) -> tuple[int, ...]:
        """Ports that the services call."""
        return (PLAIN_HTTP,) if self.originate else self.ports

    def in_region(self, region: str) -> External:
        return self.model_copy(update={"hosts": tuple(host.replace("{region}", region) for host in self.hosts)})

    @property
    def named(self) -> tuple[str, ...]:
        """Hosts that are known by their full names."""
        return tuple(host for host in self.hosts if not host.startswith("*"))

    @property
    def patterns(self) -> tuple[str, ...]:
        """Hosts that stand for every name below them."""
        return tuple(host for host in self.hosts if host.startswith("*"))

    @model_validator(mode="before")
    @classmethod
    def _are_somebody_s(cls, fields: Any) -> Any:
        """A pattern stands for one owner's names, never for everybody's."""
        hosts = fields.get("hosts") if isinstance(fields, dict) else None
        for host in hosts if isinstance(hosts, tuple | list) else ():
            if isinstance(host, str) and host.startswith("*") and is_open(host):
                raise DeclarationError(
                    f"external '{fields.get('name')}': anybody can have a name under '{host}', so whoever may call it "
                    "may call anybody; name one owner's domain, or the region (*.{region}.amazonaws.com)"
                )
        return fields

    @model_validator(mode="after")
    def _say_whom_they_call(self) -> External:
        for pattern, host in product(self.patterns, self.hosts):
            if pattern != host and covers(pattern, host):
                raise DeclarationError(
                    f"external '{self.name}': '{pattern}' stands for '{host}' already; leave one of them out"
                )
        if self.patterns and (self.protocol == "TCP" or self.originate):
            raise DeclarationError(
                f"external '{self.name}': which host of '{self.patterns[0]}' is called is read from the caller's TLS "
                "handshake, and plain connections have none; name the hosts, or set protocol to TLS and originate to "
                "False"
            )
        return self

    @model_validator(mode="after")
    def _can_leave(self) -> External:
        if self.originate and not (self.through_gateway and self.protocol == "HTTPS" and not self.further_ports):
            raise DeclarationError(
                f"external '{self.name}': the egress gateway makes HTTPS of the calls that leave by it, on one port; "
                "set through_gateway to True, protocol to HTTPS and no further_ports, or set originate to False"
            )
        return self
