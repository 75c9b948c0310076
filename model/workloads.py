"""Services: what runs, on which ports, with what it needs, and how it is scaled and released."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from model.base import (
    CpuQuantity,
    DeclarationError,
    Declared,
    MemoryQuantity,
    Name,
    Percent,
    Port,
    minutes,
    seconds,
)

Protocol = Literal["http", "grpc", "grpc-web", "tcp", "tls", "mysql", "redis"]
REQUESTS: Final = frozenset({"http", "grpc", "grpc-web"})
"""Protocols that consist of HTTP requests."""


class Resources(Declared):
    """Requests and limits of one container."""

    cpu: CpuQuantity = "250m"
    memory: MemoryQuantity = "256Mi"
    cpu_limit: CpuQuantity = "500m"
    memory_limit: MemoryQuantity = "512Mi"


class Probe(Declared):
    """An HTTP probe on the service's own port."""

    path: str = "/health"
    delay: timedelta = seconds(10)
    period: timedelta = seconds(5)
    timeout: timedelta = seconds(1)
    failures: int = Field(3, ge=1)
    successes: int = Field(1, ge=1)


class Metric(Declared):
    """A custom autoscaling metric from Prometheus, averaged per pod."""

    name: str
    target: str
    """The average value per pod, a Kubernetes quantity."""
    query: str
    """PromQL that yields the metric per namespace and pod."""


class Scale(Declared):
    """Horizontal autoscaling. ``minimum`` absent: the environment's replica count."""

    maximum: int = Field(ge=2)
    minimum: int | None = None
    cpu: Percent | None = 70
    memory: Percent | None = None
    metrics: tuple[Metric, ...] = ()


class SecretKey(Declared):
    """A value that a container reads from a Kubernetes Secret; never a literal."""

    secret: Name
    key: str
    issued: bool = False
    """Whether somebody else issued it, so that operators give it: in the platform's Vault, where the system's Secrets
    come from there, or as the stack's setting ``secrets.<secret>-<key>``. Otherwise it is a random value."""


class ExtraPort(Declared):
    """A further port beside the service's own."""

    name: str = Field(max_length=15)
    port: Port
    protocol: Protocol = "http"


class Rolling(Declared):
    """Replace pods step by step without losing capacity."""

    kind: Literal["rolling"] = "rolling"
    max_surge: int = 1
    max_unavailable: int = 0
    deadline: timedelta = seconds(300)


class _Staged(Declared):
    """A release that a controller carries out in stages: shares of the traffic, in percent, for the new version."""

    stages: tuple[Percent, ...] = (100,)
    deadline: timedelta = seconds(300)
    """How long the new version may make no progress before the release is undone."""

    @model_validator(mode="after")
    def _grows_to_all(self) -> Self:
        if not self.stages or self.stages[-1] != 100 or list(self.stages) != sorted(set(self.stages)):
            raise DeclarationError(
                f"release stages {list(self.stages)} must grow and end with 100, the new version alone"
            )
        return self


class BlueGreen(_Staged):
    """Both versions run; once the new one has answered a smoke test, traffic is switched at once."""

    kind: Literal["blue-green"] = "blue-green"
    stages: tuple[Literal[100]] = (100,)
    smoke_test: tuple[str, ...] = ()
    """Paths that the new version must answer with success before anybody else reaches it. Empty: its readiness
    probe's."""
    keep: timedelta = minutes(10)
    """How long the old version goes on running, so that traffic can be switched back at once."""


class Canary(_Staged):
    """A growing share of the traffic, in percent, goes to the new version."""

    kind: Literal["canary"] = "canary"
    stages: tuple[Percent, ...] = (5, 25, 50, 100)
    watch: timedelta = minutes(5)
    """How long each share is watched before the next."""


class Schedule(Declared):
    """Runs as a CronJob instead of a Deployment."""

    cron: str
    deadline: timedelta


class Cache(Declared):
    """How long a service keeps a kind of value in its cache; told by an environment variable."""

    variable: str
    ttl: timedelta


class Quota(Declared):
    """What the pods of a namespace may ask for together."""

    cpu: CpuQuantity
    memory: MemoryQuantity
    pods: int = Field(ge=1)
    claims: int = Field(ge=0)
    """PersistentVolumeClaims."""
    cpu_limit: CpuQuantity | None = None
    memory_limit: MemoryQuantity | None = None
    """Of the limits. Absent: they are not limited."""
    storage: MemoryQuantity | None = None
    """Of all volumes. Absent: it is not limited."""


class Service(Declared):
    """One workload of the system. What is absent takes the defaults of the platform."""

    name: Name
    port: Port | None = None
    """The port it serves. Absent: nothing may call it (a scheduled job)."""
    protocol: Protocol = "http"
    namespace: Name | None = None
    """Absent: the system's own namespace."""
    pool: Name | None = None
    """The pool of workers that runs it. Absent: whichever workers are open to all."""
    image: str | None = None
    """The repository. Absent: ``<system>/<name>``. The tag always comes from the stack's settings."""
    runtime: Literal["node", "python", "static", "jvm", "other"] = "node"
    """Decides which variable tells the process that it runs in production."""
    tier: Literal["frontend", "application", "data"] = "application"
    metrics: Port | None = None
    """The port of ``/metrics``. Absent: it is not scraped."""
    extra_ports: tuple[ExtraPort, ...] = ()
    uses: tuple[Name, ...] = ()
    """Stores and brokers it connects to."""
    env: Mapping[str, str | SecretKey] = {}
    caches: tuple[Cache, ...] = ()
    resources: Resources = Resources()
    liveness: Probe | None = Probe(delay=seconds(30), period=seconds(10))
    readiness: Probe | None = Probe()
    replicas: dict[str, int] = Field(default_factory=dict)
    """Replicas by environment where they differ from the environment's own number."""
    scale: Scale | None = None
    """Absent: a fixed number of replicas."""
    vertical: Literal["Off", "Initial", "Recreate", "InPlaceOrRecreate"] | None = None
    """Mode of a VerticalPodAutoscaler. Absent: none."""
    release: Rolling | BlueGreen | Canary = Field(Rolling(), discriminator="kind")
    long_poll: bool = False
    """Whether its answers wait for an event: how long they take says nothing of its health, and nobody who asks it is
    kept from answering in time."""
    schedule: Schedule | None = None
    methods: tuple[str, ...] = ()
    """HTTP methods that callers may use. Empty: all."""
    config: Mapping[str, str] = {}
    """Settings in the ConfigMap ``<name>-config``: variables of the container, and files below ``/etc/<name>/config``.
    Empty: no ConfigMap."""
    secrets: Mapping[Name, Literal["read", "write"]] = {}
    """Secrets of the account's store that the service itself reads, or also writes, by its own right in the cloud;
    beside those that are copied into the cluster. Empty: none."""
    migrations: Mapping[str, str] = {}
    """SQL by file name, in the ConfigMap ``<name>-migrations``: run in the order of the names, as the owner of the
    managed database that the service uses, before the service starts; each may run again. Empty: the schema is not its
    affair."""
    keys: tuple[str, ...] = ()
    """Keys of the Secret ``<name>-secrets``, each a generated value: variables of the container, and files below
    ``/etc/<name>/secrets``. Empty: no Secret."""
    log_directory: str | None = Field(None, pattern=r"^(/[a-z0-9-]+)+$")
    """Where the container writes log files of its own. Absent: it writes to its output."""
    startup: Probe | None = None
    """Holds the other probes back until it succeeds. Absent: they start after their own delay."""
    drain: timedelta | None = None
    """Pause before the request to stop, while load balancers forget the pod. Absent: none."""
    grace: timedelta = seconds(30)
    """From the beginning of the end, the pause included, to the kill."""
    network_policy: Name | None = None
    """Name of its network policy. Absent: ``<name>-policy``."""

    @property
    def request_ports(self) -> tuple[int, ...]:
        """Ports on which it answers HTTP requests, its own first."""
        own = (self.port,) if self.port and self.protocol in REQUESTS else ()
        return (*own, *(extra.port for extra in self.extra_ports if extra.protocol in REQUESTS))

    @property
    def helpers(self) -> tuple[str, ...]:
        """Names of what stands beside it under a name of its own."""
        if not isinstance(self.release, BlueGreen) or self.port is None:
            return ()
        return (f"{self.name}-preview", f"{self.name}-smoke-test")

    @model_validator(mode="after")
    def _drains_in_time(self) -> Service:
        if self.drain and self.drain >= self.grace:
            raise DeclarationError(
                f"service '{self.name}' drains for {self.drain.total_seconds():g} s, but is killed after "
                f"{self.grace.total_seconds():g} s; raise its grace"
            )
        return self
