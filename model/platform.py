"""The platform under a system: cluster, network plug-in, mesh, edge and delivery."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from model.addons import AddonChoice, consistent
from model.base import CpuQuantity, DeclarationError, Declared, MemoryQuantity, Name, days
from model.delivery import AccountWatch, Pipeline, Registry
from model.gitops import Flux
from model.ingress import Ingress, IstioGateway, Traefik
from model.stores import Recovery
from model.traffic import TrafficPolicy


class K3s(Declared):
    """K3s on EC2: servers with embedded etcd, autoscaled agents. The version is pinned in versions."""

    kind: Literal["k3s"] = "k3s"
    pods: str = "10.42.0.0/16"
    services: str = "10.43.0.0/16"
    machines: Literal["amazon-linux-2023", "ubuntu-24.04"] = "amazon-linux-2023"
    """Operating system of servers and workers. Ubuntu installs its security updates by itself."""


class Eks(Declared):
    """A control plane that AWS manages, with managed node groups; pods have addresses of the VPC. Its version and
    those of its add-ons are pinned in versions."""

    kind: Literal["eks"] = "eks"
    services: str = "172.20.0.0/16"
    logs: tuple[Literal["api", "audit", "authenticator", "controllerManager", "scheduler"], ...] = (
        "api",
        "audit",
        "authenticator",
    )
    """What of the control plane is logged."""


class ExistingCluster(Declared):
    """A cluster that is there already; its kubeconfig is a secret of the stack's settings."""

    kind: Literal["existing"] = "existing"


Cluster = Annotated[K3s | Eks | ExistingCluster, Field(discriminator="kind")]


class Cilium(Declared):
    """Cilium enforces Cilium network policies and replaces kube-proxy."""

    kind: Literal["cilium"] = "cilium"


class NetworkPolicies(Declared):
    """The cluster's own network plug-in enforces the standard NetworkPolicy; kube-proxy leads to Services."""

    kind: Literal["standard"] = "standard"
    proxy: Literal["iptables", "ipvs"] = "iptables"
    """How kube-proxy leads connections to pods."""
    scheduler: Literal["rr", "lc", "sh", "sed", "nq"] = "rr"
    """IPVS' choice of a pod for a connection, the same for every Service."""


Cni = Annotated[Cilium | NetworkPolicies, Field(discriminator="kind")]


class SidecarResources(Declared):
    """What every Envoy sidecar asks for; counted into quotas and nodes."""

    cpu: CpuQuantity = "100m"
    memory: MemoryQuantity = "128Mi"
    cpu_limit: CpuQuantity = "500m"
    memory_limit: MemoryQuantity = "256Mi"


class Istio(Declared):
    """The mesh."""

    kind: Literal["istio"] = "istio"
    mtls: Literal["STRICT", "PERMISSIVE"] = "STRICT"
    sidecar: SidecarResources = SidecarResources()
    egress_gateway: bool = False
    egress_tls: Literal["ISTIO_MUTUAL", "PASSTHROUGH"] = "ISTIO_MUTUAL"
    """How calls reach the egress gateway: within the mesh's own TLS, by which it knows its callers; or in nothing but
    their own, which it passes through by the host that it names. Then the network alone says who calls (ADR 0023)."""
    egress_limit: int | None = Field(None, ge=1)
    """What each pod of the egress gateway lets out in a second: connections, and requests where it sees them. Absent:
    no limit."""
    defaults: TrafficPolicy | None = None
    """The DestinationRule of every service in the namespace. Absent: none."""
    traces: float | None = None
    """Share of the requests that are traced, in percent. Absent: no tracing."""
    statistics: tuple[str, ...] = ()
    """What every proxy counts beside Istio's own metrics: parts of the names of Envoy's statistics."""
    certificates: timedelta | None = None
    """How long a workload's certificate holds; it is renewed before. Absent: Istio's default."""

    @model_validator(mode="after")
    def _says_what_there_is(self) -> Istio:
        if self.egress_tls != "ISTIO_MUTUAL" and not self.egress_gateway:
            raise DeclarationError(
                "platform.mesh.egress_tls is the egress gateway's, which is not there; set egress_gateway to True"
            )
        if self.egress_limit and not self.egress_gateway:
            raise DeclarationError(
                "platform.mesh.egress_limit limits the egress gateway, which is not there; set egress_gateway to True"
            )
        return self


class NoMesh(Declared):
    """No sidecars: policies stop at the network layer."""

    kind: Literal["none"] = "none"


Mesh = Annotated[Istio | NoMesh, Field(discriminator="kind")]


class _Receiver(Declared):
    """Somebody who is told of alerts. What he must keep secret is a setting of the stack, named after the receiver."""

    name: Name
    severities: tuple[Literal["critical", "warning", "info"], ...] = ("critical", "warning")


class Slack(_Receiver):
    """A Slack channel; the setting ``<name>`` holds the webhook's URL."""

    kind: Literal["slack"] = "slack"
    channel: str = Field(pattern=r"^[#@].+")


class Email(_Receiver):
    """A mailbox; the setting ``<name>`` holds the password of ``user`` at the mail server."""

    kind: Literal["email"] = "email"
    to: str
    sender: str
    server: str = Field(pattern=r"^[a-z0-9.-]+:[0-9]+$")
    """Host and port; the connection is upgraded to TLS."""
    user: str


class PagerDuty(_Receiver):
    """A PagerDuty service; the setting ``<name>`` holds its routing key."""

    kind: Literal["pagerduty"] = "pagerduty"


Receiver = Annotated[Slack | Email | PagerDuty, Field(discriminator="kind")]


class Observability(Declared):
    """Metrics, logs and dashboards, and how long they are kept."""

    namespace: Name = "monitoring"
    """Of Prometheus, Alertmanager, Grafana, Loki and Tempo."""
    pool: Name | None = None
    """The pool that runs Prometheus, Alertmanager and Grafana. Absent: whichever workers are open to all."""
    service: Name | None = None
    """A further name of Prometheus, on port 9090. Absent: it has the chart's own only."""
    discovery: Literal["services", "pods"] = "services"
    """How Prometheus finds what it measures of the system: by Services that name a port ``metrics``, or every pod that
    has such a port, those of Traefik among them."""
    host: str | None = None
    """Grafana's public name, relative to the environment's domain, as in routes. Absent: it is reached by port
    forwarding only."""
    metrics_days: int = 15
    logs: Literal["opensearch", "none"] = "opensearch"
    """Where the containers' logs go in a platform without Loki; ``none``: nowhere beyond the nodes."""
    database: Name | None = None
    """A managed database that Grafana reads, too, by a user who may only read. Absent: none."""
    runbooks: str | None = Field(None, pattern=r"^https://")
    """The page on what to do about declared alerts; each has a place of its name on it. Absent: they say it themselves.
    """
    mesh_dashboards: bool = False
    """Whether Grafana fetches the dashboards that the mesh's makers publish at grafana.com."""
    log_prefix: str | None = None
    """Absent: the system's name."""
    scrape: timedelta = timedelta(seconds=15)
    receivers: tuple[Receiver, ...] = ()
    """Who is told of alerts. Empty: Alertmanager keeps them, and whoever looks sees them."""

    @model_validator(mode="after")
    def _named_once(self) -> Observability:
        names = [receiver.name for receiver in self.receivers]
        for name in names:
            if names.count(name) > 1:
                raise DeclarationError(f"observability.receivers names '{name}' twice; names are unique")
        return self


class Pool(Declared):
    """A group of equal worker machines. How many, and how large, is the environment's affair."""

    name: Name
    tier: Name | None = None
    """The network tier that holds it. Absent: the control plane's."""
    labels: Mapping[str, str] = {}
    """Labels of its nodes; what names the pool is placed by them."""
    taints: tuple[str, ...] = ()
    """``key=value:Effect``: only what names the pool may run there."""
    ingress: bool = True
    """Whether the public edge sends to its machines."""


class Platform(Declared):
    """What every environment of the system stands on."""

    pools: tuple[Pool, ...] = (Pool(name="agents"),)
    """Groups of workers. Empty: the servers work, too."""

    cluster: Cluster = K3s()
    cni: Cni = Cilium()
    mesh: Mesh = Istio()
    ingress: Ingress = IstioGateway()
    """Who serves the routes. The mesh's gateway is there only where there is a mesh."""
    delivery: Literal["helm-chart", "helm-release", "argo-cd"] | Flux = "helm-chart"
    """``helm-chart``: HelmChart objects, which the controller inside K3s installs; a cluster without it gets the same
    charts as ``helm-release``, from whoever runs the update."""
    registry: Registry | None = None
    """Where the services' images are kept. Absent: in a registry that is there already, see ``wheelhouse:registry``."""
    pipeline: Pipeline | None = None
    """Who builds and deploys. Absent: whoever may do everything."""
    watch: AccountWatch | None = None
    """Absent: whoever keeps the account watches it."""
    recovery: Recovery | None = None
    """What the loss of the services and of their configuration may cost. Absent: nothing is promised."""
    observability: Observability = Observability()
    backups: timedelta = days(1)
    """Interval of the volume snapshots."""
    addons: tuple[AddonChoice, ...] = ()
    """Further add-ons. Their order does not matter: each waits for what it stands on."""

    @model_validator(mode="after")
    def _complete(self) -> Platform:
        consistent(self.addons, isinstance(self.mesh, Istio), "platform.addons")
        if self.observability.mesh_dashboards and not isinstance(self.mesh, Istio):
            raise DeclarationError("platform.observability.mesh_dashboards show a mesh; set platform.mesh to Istio()")
        if isinstance(self.ingress, Traefik) and isinstance(self.mesh, Istio):
            raise DeclarationError(
                "platform.ingress 'traefik' stands outside the mesh, whose services admit its members only; set "
                "platform.ingress to IstioGateway() or Nginx(), or platform.mesh to NoMesh()"
            )
        traced = isinstance(self.mesh, Istio) and self.mesh.traces is not None
        if traced and not {"tempo", "jaeger"} & {addon.kind for addon in self.addons}:
            raise DeclarationError("platform.mesh.traces: nobody takes the spans; add Tempo() or Jaeger() to addons")
        return self
