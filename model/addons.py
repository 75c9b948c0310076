"""Add-ons that a platform asks for by name, beside those that follow from its network plug-in, mesh and metrics.

Each says only what a declaration must choose. Sizes that differ between environments are the environment's; what is to
hold in one environment alone is left out of the others by their ``without``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from model.base import DeclarationError, Declared, MemoryQuantity, Name, days, hours, minutes
from model.schedules import Cron


class Placed(Declared):
    """An add-on whose pods can be given to a pool of workers."""

    pool: Name | None = None
    """The pool that runs it. Absent: whichever workers are open to all."""


class Housed(Placed):
    """An add-on that can live in a namespace of the system's choice."""

    namespace: Name | None = None
    """Absent: one of its own, named after it."""


class EbsCsi(Placed):
    """Volumes on EBS: the CSI driver and the cluster's default storage class, encrypted and bound at first use."""

    kind: Literal["ebs-csi"] = "ebs-csi"
    storage_class: Name = "gp3"
    reclaim: Literal["Retain", "Delete"] = "Retain"
    """What becomes of a volume when its claim is deleted."""
    own_key: bool = False
    """Whether volumes are encrypted with a KMS key of the stack; otherwise with the account's key for EBS."""


class MetricsServer(Placed):
    """CPU and memory of pods, for autoscalers. K3s brings one: there it asks for nothing more."""

    kind: Literal["metrics-server"] = "metrics-server"


class PrometheusAdapter(Placed):
    """The services' declared ``Scale.metrics`` as custom metrics, from Prometheus to the autoscalers."""

    kind: Literal["prometheus-adapter"] = "prometheus-adapter"


class ClusterAutoscaler(Placed):
    """Grows and shrinks the pools between the environment's count and maximum of each."""

    kind: Literal["cluster-autoscaler"] = "cluster-autoscaler"
    scale_down_utilization: float = Field(0.5, gt=0, lt=1)
    """A node whose pods request less than this share of it is emptied and removed."""
    max_nodes_total: int | None = Field(None, ge=1)
    """Nodes in all, servers included. Absent: the pools' maxima are the only bounds."""


class VerticalPodAutoscaler(Placed):
    """The controllers behind the services' ``vertical``."""

    kind: Literal["vertical-pod-autoscaler"] = "vertical-pod-autoscaler"


class CloudflareDns(Declared):
    """Proof of ownership by DNS-01 at Cloudflare; its API token is the stack's setting ``cloudflare-api-token``."""

    kind: Literal["cloudflare"] = "cloudflare"


class HttpProof(Declared):
    """Proof of ownership by HTTP-01: the authority asks at the public names themselves, which must lead here already.
    Without wildcards; behind an ingress controller."""

    kind: Literal["http"] = "http"


class Acme(Declared):
    """Certificates of Let's Encrypt."""

    kind: Literal["acme"] = "acme"
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
    """Where the authority writes to before a certificate expires."""
    proof: Annotated[CloudflareDns | HttpProof, Field(discriminator="kind")] = CloudflareDns()
    """How the authority is shown whose the names are. By DNS, wildcards are possible, too."""
    staging: tuple[Name, ...] = ()
    """Environments that ask the staging server: no rate limits, and no browser trusts what it issues."""


class OwnAuthority(Declared):
    """An authority of the cluster's own, which cert-manager makes and keeps: for clients that are told to trust it."""

    kind: Literal["own"] = "own"


class CertManager(Housed):
    """Certificates as objects. Its ClusterIssuer is called ``platform``."""

    kind: Literal["cert-manager"] = "cert-manager"
    issuer: Annotated[Acme | OwnAuthority, Field(discriminator="kind")] = OwnAuthority()


class ExternalDns(Housed):
    """The public names of Ingresses, Services and mesh gateways as DNS records; the API token as for ``Acme``."""

    kind: Literal["external-dns"] = "external-dns"
    provider: Literal["cloudflare"] = "cloudflare"
    proxied: bool = True
    """Whether Cloudflare stands between the visitors and the edge."""


class ExternalSecrets(Housed):
    """Copies values of a secret store into Secrets: from AWS by the ClusterSecretStore ``platform``, from Vault by the
    SecretStore ``vault`` of each namespace."""

    kind: Literal["external-secrets"] = "external-secrets"
    store: Literal["aws", "vault"] = "aws"
    """AWS Secrets Manager (the names that begin with ``<system>/<environment>/``), or the platform's Vault, from which
    then every Secret of the system's services and stores comes."""
    refresh: timedelta = minutes(5)
    """How long a changed value takes to reach its Secret."""


class Vault(Housed):
    """HashiCorp Vault with integrated storage; initialised once by an operator, never in dev mode."""

    kind: Literal["vault"] = "vault"
    members: Literal[1, 3, 5] = 3
    volume: MemoryQuantity = "10Gi"
    """Of each member's data; its audit log gets as much again."""
    auto_unseal: bool = True
    """Whether a KMS key of the stack unseals members that start; otherwise an operator does, key by key."""
    tls: bool = True
    """Whether it serves HTTPS, by the stack's authority."""
    token_ttl: timedelta = hours(24)
    """How long who signs in with a ServiceAccount may read before signing in again."""


class ArgoCd(Housed):
    """Argo CD, which deploys a chart of the system's own repository into the namespace of its services, and nothing
    else anywhere.

    This program declares the same objects: Argo CD takes over the images, whose tags a pipeline commits, and leaves the
    number of replicas to the autoscalers. It asks Git every three minutes, and at once when a webhook tells it; the
    webhook's calls are signed with the generated value ``argocd-webhook``.
    """

    kind: Literal["argo-cd"] = "argo-cd"
    repository: str = Field(pattern=r"^https://[a-z0-9.-]+/[^\s]+$")
    """The repository's URL; the only source that its project admits."""
    path: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")
    """The chart's folder in it."""
    values: str = Field("values-{environment}.yaml", pattern=r"^[A-Za-z0-9][A-Za-z0-9._{}/-]*$")
    """The file beside the chart; ``{environment}`` stands for the environment's name. Its ``image.tag`` is the images'
    tag, which the pipeline commits."""
    branch: str = "main"
    webhook: Name | None = None
    """The host, relative to the environment's domain, that takes the webhook's calls and nothing else; an environment
    with an API publishes their path. Absent: Git's server reaches it from inside only."""


class ArgoRollouts(Housed):
    """The controller behind the services' canary and blue-green releases."""

    kind: Literal["argo-rollouts"] = "argo-rollouts"


class LogArchive(Declared):
    """Every day's logs in a bucket, after it is over."""

    bucket: Name = "backups"
    """Which of the stack's buckets; ``backups`` is the one that every stack has."""
    schedule: Cron = "30 0 * * *"
    keep: timedelta = Field(days(90), ge=days(1))
    """In whole days."""


class Loki(Placed):
    """Logs in Loki, beside Prometheus and in Grafana. It takes the place of OpenSearch."""

    kind: Literal["loki"] = "loki"
    store: Literal["volume", "bucket"] = "volume"
    """Where chunks are kept: on Loki's own volume (one member), or in the stack's bucket ``logs`` (one per zone)."""
    volume: MemoryQuantity | None = None
    """Of each member. Absent: the environment's ``observability_volume``."""
    retention: timedelta | None = None
    """Absent: the environment's ``log_days``."""
    archive: LogArchive | None = None
    """Absent: what Loki deletes is gone."""


class CloudWatchLogs(Declared):
    """The logs of the system's pods in CloudWatch Logs, kept for the environment's ``log_days``."""

    kind: Literal["cloudwatch-logs"] = "cloudwatch-logs"


class Pushgateway(Placed):
    """Takes the metrics of Jobs that are gone before Prometheus looks, beside Prometheus; Jobs find its address in
    ``PUSHGATEWAY_URL``."""

    kind: Literal["pushgateway"] = "pushgateway"


class Alloy(Declared):
    """Grafana Alloy on every node, which ships the logs of all pods to Loki."""

    kind: Literal["alloy"] = "alloy"


class Grafana(Placed):
    """Grafana as a release of its own, called ``grafana``, on port 80. Absent: kube-prometheus-stack brings it."""

    kind: Literal["grafana"] = "grafana"


class Tempo(Placed):
    """Traces in Tempo, beside Prometheus and in Grafana. The mesh sends its spans there."""

    kind: Literal["tempo"] = "tempo"
    volume: MemoryQuantity = "10Gi"
    retention: timedelta = days(7)


class Jaeger(Housed):
    """Traces in Jaeger, which takes Zipkin's format too. It keeps the newest ones in memory: a restart forgets them."""

    kind: Literal["jaeger"] = "jaeger"
    namespace: Name | None = None
    """Absent: ``tracing``."""
    traces: int = Field(20_000, ge=1)
    """How many it keeps: about 2 KB of memory for each span, a few spans for each trace."""


class Kiali(Placed):
    """The mesh as a picture, beside istiod; reached by port forwarding."""

    kind: Literal["kiali"] = "kiali"


class Headlamp(Housed):
    """A dashboard of the cluster; who signs in brings a token and sees what it may see."""

    kind: Literal["headlamp"] = "headlamp"
    host: str | None = None
    """Its public name, relative to the environment's domain, as in routes. Absent: it is reached by port forwarding
    only."""


class Velero(Housed):
    """Backups of the cluster's objects and volumes in a bucket."""

    kind: Literal["velero"] = "velero"
    schedule: str = Field("0 3 * * *", pattern=r"^\S+( \S+){4}$")
    """Cron, UTC."""
    keep: timedelta = days(30)
    bucket: Name = "backups"
    """Which of the stack's buckets; ``backups`` is the one that every stack has."""
    volumes: Literal["files", "snapshots", "none"] = "files"
    """Copied file by file by an agent on every node, as EBS snapshots, or not at all. ``none`` where volumes are
    directories of a node (K3s' local-path), which it cannot copy."""


AddonChoice = Annotated[
    ArgoCd
    | EbsCsi
    | MetricsServer
    | PrometheusAdapter
    | ClusterAutoscaler
    | VerticalPodAutoscaler
    | CertManager
    | ExternalDns
    | ExternalSecrets
    | Vault
    | ArgoRollouts
    | Loki
    | Alloy
    | CloudWatchLogs
    | Pushgateway
    | Grafana
    | Tempo
    | Jaeger
    | Kiali
    | Headlamp
    | Velero,
    Field(discriminator="kind"),
]


def consistent(addons: Sequence[AddonChoice], meshed: bool, place: str) -> None:
    """Refuse add-ons that are asked for twice, or that lack what they stand on."""
    kinds = [addon.kind for addon in addons]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise DeclarationError(f"{place} asks for '{kind}' twice; keep one")
    if "alloy" in kinds and "loki" not in kinds:
        raise DeclarationError(f"{place}: 'alloy' ships logs to Loki, which is not there; add Loki() or remove it")
    reads_vault = any(isinstance(addon, ExternalSecrets) and addon.store == "vault" for addon in addons)
    if reads_vault and "vault" not in kinds:
        raise DeclarationError(f"{place}: 'external-secrets' reads Vault, which is not there; add Vault() or read AWS")
    if "kiali" in kinds and not meshed:
        raise DeclarationError(f"{place}: 'kiali' shows the mesh; set platform.mesh to Istio() or remove it")
    if {"tempo", "jaeger"} <= set(kinds):
        raise DeclarationError(f"{place} asks for 'tempo' and 'jaeger', but spans go to one place; keep one")
