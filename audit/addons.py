"""The connections of the add-ons that a platform asks for: with one another, with the platform's own parts, and with
hosts outside. And the platform's pages that have a public name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from audit.platform import API_SERVER, GATEWAYS, NODES, OWN, SENDERS, Link
from audit.scope import Scope
from model import (
    Acme,
    ArgoCd,
    Bucket,
    CertManager,
    Eks,
    Email,
    ExternalSecrets,
    Flux,
    Headlamp,
    HttpProof,
    IstioGateway,
    Jaeger,
    Loki,
    PagerDuty,
    Pushgateway,
    Slack,
    Tempo,
    Vault,
    Velero,
)

METADATA: Final = "instance metadata"
"""The machine's own role, by its metadata service."""
RESOLVERS: Final = ("1.1.1.1", "1.0.0.1")
"""Whom cert-manager asks whether a record is out."""
SPANS: Final = 4317
"""OpenTelemetry's protocol."""
ZIPKIN: Final = 9411
WEBHOOK: Final = "/api/webhook"
"""Where Argo CD is told of changes."""
ARCHIVER: Final = "log-archive"
PROOF: Final = "certificate-proof"
PROOF_PORT: Final = 8089
SERVICE: Final = "service:"
"""Before the name of one of the system's services, where a role is meant."""
_SLACK: Final = "hooks.slack.com"
Outside = Iterator[tuple[str, str, int]]
"""Role of the caller, host or address, port."""


def links(scope: Scope) -> Iterator[Link]:
    """What the environment's add-ons need inside the cluster."""
    for choice in _chosen(scope):
        yield from LINKS.get(choice.kind, ())
        if isinstance(choice, Tempo | Jaeger) and traced(scope):
            yield Link(SENDERS, choice.kind, SPANS, at_callee=OWN)
            if isinstance(choice, Jaeger):
                yield Link(GATEWAYS, choice.kind, ZIPKIN, at_callee=OWN)
        if isinstance(choice, ExternalSecrets) and choice.store == "vault":
            yield Link("external-secrets", "vault", 8200)
        if isinstance(choice, Loki) and choice.archive:
            yield Link(ARCHIVER, "loki", 3100)
        if isinstance(choice, Pushgateway):
            jobs = (service.name for service in scope.system.services if service.schedule)
            yield from (Link(f"{SERVICE}{name}", choice.kind, 9091) for name in jobs)
    if proved(scope):
        yield Link("ingress-gateway", PROOF, PROOF_PORT)
    if isinstance(scope.system.platform.delivery, Flux):
        yield from FLUX


def proved(scope: Scope) -> bool:
    """Whether the certificates' authority looks at the public names."""
    return any(
        isinstance(choice, CertManager)
        and isinstance(choice.issuer, Acme)
        and isinstance(choice.issuer.proof, HttpProof)
        for choice in _chosen(scope)
    )


def traced(scope: Scope) -> bool:
    """Whether proxies send spans."""
    return scope.mesh is not None and scope.mesh.traces is not None


def collectors(scope: Scope) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Roles whose host every proxy knows, with their Services' ports: where it sends spans."""
    if traced(scope):
        for choice in _chosen(scope):
            if isinstance(choice, Tempo):
                yield choice.kind, (SPANS, 3200)
            elif isinstance(choice, Jaeger):
                yield choice.kind, (SPANS, ZIPKIN, 16685, 16686)


def outside(scope: Scope) -> Outside:
    """What the environment's add-ons, and parts of the platform, call outside the cluster."""
    for choice in _chosen(scope):
        if choice.kind == "external-dns":
            yield choice.kind, "api.cloudflare.com", 443
        elif isinstance(choice, CertManager) and isinstance(choice.issuer, Acme):
            staging = "-staging" if scope.environment in choice.issuer.staging else ""
            zone = () if isinstance(choice.issuer.proof, HttpProof) else ("api.cloudflare.com", *RESOLVERS)
            for host in (f"acme{staging}-v02.api.letsencrypt.org", *zone):
                yield choice.kind, host, 443
        elif isinstance(choice, ExternalSecrets) and choice.store == "aws":
            yield from _aws(scope, choice.kind, "secretsmanager")
        elif isinstance(choice, Vault) and choice.auto_unseal:
            yield from _aws(scope, choice.kind, "kms")
        elif isinstance(choice, Velero):
            yield from _aws(scope, choice.kind, "s3", "*.s3", "ec2")
        elif isinstance(choice, Loki):
            yield from _logs(scope, choice)
        elif isinstance(choice, ArgoCd):
            git = urlsplit(choice.repository)
            yield "argocd-repo-server", git.hostname or "", git.port or 443
            yield from (
                ("argocd-notifications-controller", host, port) for _, host, port in _told(scope) if host == _SLACK
            )
    if "alertmanager" not in scope.settings.without:
        yield from _told(scope)
    platform = scope.system.platform
    if isinstance(platform.delivery, Flux):
        yield "source-controller", platform.delivery.host, platform.delivery.port
    if platform.observability.mesh_dashboards:
        yield "grafana", "grafana.com", 443
    if isinstance(platform.ingress, IstioGateway) and platform.ingress.identity:
        yield "istiod", platform.ingress.identity.host, 443


def _logs(scope: Scope, loki: Loki) -> Outside:
    if loki.store == "bucket":
        yield from _aws(scope, loki.kind, "s3", "*.s3")
    if loki.archive:
        bucket = next((item for item in scope.system.stores if item.name == loki.archive.bucket), None)
        if isinstance(bucket, Bucket) and bucket.at:
            yield ARCHIVER, scope.host(bucket), 443
        else:
            yield from _aws(scope, ARCHIVER, "s3", "*.s3")


def _told(scope: Scope) -> Outside:
    for receiver in scope.system.platform.observability.receivers:
        match receiver:
            case Slack():
                yield "alertmanager", _SLACK, 443
            case PagerDuty():
                yield "alertmanager", "events.pagerduty.com", 443
            case Email():
                host, _, port = receiver.server.partition(":")
                yield "alertmanager", host, int(port)


def _aws(scope: Scope, role: str, *services: str) -> Outside:
    """Pods have a role of their own on EKS; elsewhere that of their machine."""
    own = isinstance(scope.system.platform.cluster, Eks)
    for service in (*services, *(("sts",) if own else ())):
        yield role, f"{service}.{scope.region}.amazonaws.com", 443
    if not own:
        yield role, METADATA, 80


def doors(scope: Scope) -> Mapping[str, tuple[str, int, str]]:
    """Role and port behind each public name of the platform's own, and the path that leads there."""
    found = {}
    if scope.system.platform.observability.host:
        found[scope.public_host(scope.system.platform.observability.host)] = ("grafana", 3000, "/")
    for choice in _chosen(scope):
        if isinstance(choice, Headlamp) and choice.host:
            found[scope.public_host(choice.host)] = (choice.kind, 4466, "/")
        if isinstance(choice, ArgoCd) and choice.webhook:
            found[scope.public_host(choice.webhook)] = ("argocd-server", 8080, WEBHOOK)
    return found


def _chosen(scope: Scope) -> Iterator[Any]:
    without = scope.settings.without
    return (choice for choice in scope.system.platform.addons if choice.kind not in without)


def _clients(*roles: str) -> tuple[Link, ...]:
    return tuple(Link(role, API_SERVER, None) for role in roles)


def _measured(role: str, port: int) -> Link:
    return Link("prometheus", role, port)


_ARGO: Final = ("server", "application-controller", "repo-server")
LINKS: Final[Mapping[str, tuple[Link, ...]]] = {
    "alloy": (Link("alloy", "loki", 3100), _measured("alloy", 12345)),
    "argo-cd": (
        *_clients(*(f"argocd-{part}" for part in (*_ARGO, "notifications-controller", "redis-secret-init"))),
        *(Link(f"argocd-{part}", "argocd-redis", 6379) for part in _ARGO),
        *(
            Link(f"argocd-{part}", "argocd-repo-server", 8081)
            for part in ("server", "application-controller", "notifications-controller")
        ),
        _measured("argocd-application-controller", 8082),
        _measured("argocd-server", 8083),
        _measured("argocd-repo-server", 8084),
    ),
    "argo-rollouts": (
        *_clients("argo-rollouts"),
        Link("argo-rollouts", "prometheus", 9090),
        _measured("argo-rollouts", 8090),
    ),
    "cert-manager": (
        *_clients("cert-manager", "cert-manager-webhook", "cert-manager-cainjector", "cert-manager-startupapicheck"),
        Link(API_SERVER, "cert-manager-webhook", 10250, at_callee=NODES),
        _measured("cert-manager", 9402),
    ),
    "cluster-autoscaler": (_measured("cluster-autoscaler", 8085),),
    "ebs-csi": (_measured("ebs-csi-controller", 3301),),
    "external-dns": (*_clients("external-dns"), _measured("external-dns", 7979)),
    "external-secrets": (
        *_clients("external-secrets", "external-secrets-webhook", "external-secrets-cert-controller"),
        Link(API_SERVER, "external-secrets-webhook", 10250, at_callee=NODES),
        _measured("external-secrets", 8080),
    ),
    "headlamp": _clients("headlamp"),
    "jaeger": (Link("grafana", "jaeger", 16686), Link("kiali", "jaeger", 16685)),
    "kiali": (
        *_clients("kiali"),
        Link("kiali", "prometheus", 9090),
        Link("kiali", "grafana", 3000),
        Link("kiali", "istiod", 8080),
        Link("kiali", "istiod", 15014),
    ),
    "loki": (
        Link("grafana", "loki", 3100),
        Link("loki", "loki", 9095),
        Link("loki", "loki", 7946),
        Link("loki", "loki", 7946, "UDP"),
        _measured("loki", 3100),
    ),
    "prometheus-adapter": (
        *_clients("prometheus-adapter"),
        Link("prometheus-adapter", "prometheus", 9090),
        Link(API_SERVER, "prometheus-adapter", 10250, at_callee=NODES),
    ),
    "pushgateway": (_measured("pushgateway", 9091),),
    "tempo": (Link("grafana", "tempo", 3200), Link("kiali", "tempo", 3200), _measured("tempo", 3200)),
    "vault": (
        *_clients("vault"),
        Link("vault", "vault", 8200),
        Link("vault", "vault", 8201),
        _measured("vault", 8200),
    ),
    "velero": (*_clients("velero"), _measured("velero", 8085)),
}
"""By kind of add-on."""
_READERS: Final = ("kustomize-controller", "helm-controller")
FLUX: Final = (
    *_clients("source-controller", *_READERS, "flux-check"),
    *(Link(role, "source-controller", 9090) for role in _READERS),
    *(_measured(role, 8080) for role in ("source-controller", *_READERS)),
)
"""Of Flux' own pods."""
