"""Pods that charts make: not registered one by one, so what the audit knows of each chart stands here.

Labels, accounts and ports are the charts' own (their templates, for the pinned versions); the installation's values win
where the chart lets them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from audit.charts import Release
from audit.population import Proxy

NAME: Final = "app.kubernetes.io/name"
INSTANCE: Final = "app.kubernetes.io/instance"


@dataclass(frozen=True)
class ChartPod:
    """One pod template of a chart. ``role``: what it is to the platform's expected connections."""

    role: str
    labels: Mapping[str, str]
    account: str
    ports: tuple[int, ...] = ()
    proxy: Proxy = "none"
    suffix: str = ""
    """Tells it from the release's other pods in the audit's output."""
    calls: tuple[str, ...] = ()
    """Hosts that its configuration names."""
    services: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    """The chart's Services that others name: the pods' port by the Service's."""


Maker = Callable[[Release], Iterable[ChartPod]]


def _gateway(release: Release) -> Iterable[ChartPod]:
    account = str(release.value("serviceAccount.name") or release.name)
    labels = {"app": release.name, "istio": release.name.removeprefix("istio-"), **release.value("labels", {})}
    ports = tuple(int(port["targetPort"]) for port in release.value("service.ports", ()))
    role = "egress-gateway" if "egress" in labels["istio"] else "ingress-gateway"
    yield ChartPod(role, labels, account, (*(ports or (15021, 80, 443)), 15020), proxy="gateway")


def _nginx(release: Release) -> Iterable[ChartPod]:
    """Its sidecar, if there is one, has to leave alone what comes from outside the mesh."""
    public = (80, 443, int(release.value("controller.readyStatus.port", 8081)))
    annotations = release.value("controller.pod.annotations", {})
    excluded = str(annotations.get("traffic.sidecar.istio.io/excludeInboundPorts", "")).split(",")
    labels = {NAME: "nginx-ingress", INSTANCE: release.name, **release.value("controller.pod.extraLabels", {})}
    meshed = labels.get("sidecar.istio.io/inject") == "true"
    bypassed = {str(port) for port in public} <= set(excluded)
    ports = (*public, int(release.value("prometheus.port", 9113)), *((15020,) if meshed else ()))
    account = str(release.value("controller.serviceAccount.name") or release.name)
    proxy: Proxy = "none" if not meshed else "outbound" if bypassed else "sidecar"
    yield ChartPod("ingress-gateway", labels, account, ports, proxy=proxy)


def _istiod(release: Release) -> Iterable[ChartPod]:
    yield ChartPod("istiod", {"app": "istiod", "istio": "pilot"}, "istiod", (15010, 15012, 15014, 15017))


def _kube_prometheus_stack(release: Release) -> Iterable[ChartPod]:
    full = str(release.value("fullnameOverride") or release.name)

    def metadata(part: str) -> Mapping[str, str]:
        labels: Mapping[str, str] = release.value(f"{part}.podMetadata.labels", {})
        return labels

    yield ChartPod(
        "prometheus",
        {NAME: "prometheus", "prometheus": full, **metadata("prometheus.prometheusSpec")},
        f"{full}-prometheus",
        (9090, 8080),
        suffix="prometheus",
    )
    if release.value("alertmanager.enabled", True):
        labels = {NAME: "alertmanager", "alertmanager": full, **metadata("alertmanager.alertmanagerSpec")}
        yield ChartPod("alertmanager", labels, f"{full}-alertmanager", (9093, 9094, 8080), suffix="alertmanager")
    if release.value("grafana.enabled", True):
        labels = {NAME: "grafana", INSTANCE: release.name, **release.value("grafana.podLabels", {})}
        name = f"{release.name}-grafana"
        yield ChartPod("grafana", labels, name, (3000,), suffix="grafana", services={name: {80: 3000}})
    operator = {NAME: "kube-prometheus-stack-prometheus-operator", "app": "kube-prometheus-stack-operator"}
    yield ChartPod("prometheus-operator", operator, f"{full}-operator", (10250,), suffix="operator")
    for job in ("create", "patch"):
        labels = {"app": f"kube-prometheus-stack-admission-{job}"}
        yield ChartPod("prometheus-hooks", labels, f"{full}-admission", suffix=f"admission-{job}")
    state = {NAME: "kube-state-metrics", INSTANCE: release.name}
    yield ChartPod("kube-state-metrics", state, f"{release.name}-kube-state-metrics", (8080,), suffix="state-metrics")


def _postgres_exporter(release: Release) -> Iterable[ChartPod]:
    labels = {NAME: "prometheus-postgres-exporter", INSTANCE: release.name, **release.value("podLabels", {})}
    target = str(release.value("config.datasource.host", ""))
    yield ChartPod("postgres-exporter", labels, release.name, (9187,), calls=(target,))


def _opensearch(release: Release) -> Iterable[ChartPod]:
    labels = {NAME: "opensearch", INSTANCE: release.name, **release.value("labels", {})}
    yield ChartPod("opensearch", labels, "default", (9200, 9300))


def _fluent_bit(release: Release) -> Iterable[ChartPod]:
    labels = {NAME: "fluent-bit", INSTANCE: release.name, **release.value("podLabels", {})}
    yield ChartPod("fluent-bit", labels, release.name, (2020,))


def _cert_manager(release: Release) -> Iterable[ChartPod]:
    ports = {"": (9402,), "webhook": (10250,), "cainjector": (), "startupapicheck": ()}
    for part, own in ports.items():
        account = "-".join(filter(None, (release.name, part)))
        labels = {NAME: part or "cert-manager", INSTANCE: release.name, **release.value(f"{part}.podLabels", {})}
        yield ChartPod("-".join(filter(None, ("cert-manager", part))), labels, account, own, suffix=account)


def _external_secrets(release: Release) -> Iterable[ChartPod]:
    ports = {"": (8080,), "-webhook": (10250,), "-cert-controller": ()}
    for part, own in ports.items():
        name = f"external-secrets{part}"
        labels = {NAME: name, INSTANCE: release.name}
        yield ChartPod(name, labels, f"{release.name}{part}", own, suffix=name)


def _vault(release: Release) -> Iterable[ChartPod]:
    labels = {NAME: "vault", INSTANCE: release.name, "component": "server", **release.value("server.extraLabels", {})}
    account = str(release.value("server.serviceAccount.name") or release.name)
    yield ChartPod("vault", labels, account, (8200, 8201))


def _loki(release: Release) -> Iterable[ChartPod]:
    labels = {NAME: "loki", INSTANCE: release.name, **release.value("singleBinary.podLabels", {})}
    yield ChartPod("loki", labels, "loki", (3100, 9095, 7946))


def _alloy(release: Release) -> Iterable[ChartPod]:
    yield ChartPod("alloy", {NAME: "alloy", INSTANCE: release.name}, "alloy", (12345,))


def _tempo(release: Release) -> Iterable[ChartPod]:
    labels = {NAME: "tempo", INSTANCE: release.name, **release.value("podLabels", {})}
    yield ChartPod("tempo", labels, "tempo", (3200, 4317), services={"tempo": {3200: 3200, 4317: 4317}})


def _jaeger(release: Release) -> Iterable[ChartPod]:
    labels = {NAME: "jaeger", INSTANCE: release.name, **release.value("jaeger.podLabels", {})}
    ports = (4317, 9411, 16685, 16686)
    yield ChartPod("jaeger", labels, "jaeger", ports, services={"jaeger": {port: port for port in ports}})


def _kiali(release: Release) -> Iterable[ChartPod]:
    labels = {NAME: "kiali", INSTANCE: release.name, **release.value("deployment.pod_labels", {})}
    yield ChartPod("kiali", labels, "kiali-service-account", (20001, 9090))


def _grafana(release: Release) -> Iterable[ChartPod]:
    labels = {NAME: "grafana", INSTANCE: release.name, **release.value("podLabels", {})}
    yield ChartPod("grafana", labels, release.name, (3000,), services={release.name: {80: 3000}})


def _headlamp(release: Release) -> Iterable[ChartPod]:
    labels = {NAME: "headlamp", INSTANCE: release.name, **release.value("podLabels", {})}
    yield ChartPod("headlamp", labels, release.name, (4466,), services={release.name: {80: 4466}})


def _pushgateway(release: Release) -> Iterable[ChartPod]:
    labels = {NAME: "prometheus-pushgateway", INSTANCE: release.name, **release.value("podLabels", {})}
    yield ChartPod("pushgateway", labels, release.name, (9091,), services={release.name: {9091: 9091}})


def _velero(release: Release) -> Iterable[ChartPod]:
    labels = {NAME: "velero", INSTANCE: release.name, **release.value("podLabels", {})}
    yield ChartPod("velero", labels, "velero", (8085,))


def _ebs_csi(release: Release) -> Iterable[ChartPod]:
    """Its agents are in the network of their nodes."""
    labels = {NAME: "aws-ebs-csi-driver", INSTANCE: release.name, "app": "ebs-csi-controller"}
    account = str(release.value("controller.serviceAccount.name") or "ebs-csi-controller-sa")
    yield ChartPod("ebs-csi-controller", labels, account, (3301,), suffix="ebs-csi-controller")


def _cluster_autoscaler(release: Release) -> Iterable[ChartPod]:
    labels = {NAME: "aws-cluster-autoscaler", INSTANCE: release.name}
    account = str(release.value("rbac.serviceAccount.name") or release.name)
    yield ChartPod("cluster-autoscaler", labels, account, (8085,))


def _flux(release: Release) -> Iterable[ChartPod]:
    parts = {"source-controller": (9090, 8080), "kustomize-controller": (8080,), "helm-controller": (8080,)}
    for part, ports in parts.items():
        first, _, rest = part.partition("-")
        own = release.value(f"{first}{rest.capitalize()}.labels", {})
        yield ChartPod(part, {"app": part, **own}, part, ports, suffix=part)
    check = f"{release.name}-flux-check"
    yield ChartPod("flux-check", {"app.kubernetes.io/part-of": "flux"}, check, suffix=check)


def _traefik(release: Release) -> Iterable[ChartPod]:
    """K3s' own, behind its load balancer for Services."""
    labels = {NAME: "traefik", INSTANCE: f"{release.name}-{release.namespace}"}
    yield ChartPod("ingress-gateway", labels, "traefik", (8000, 8443))


def _argo_cd(release: Release) -> Iterable[ChartPod]:
    parts = {
        "server": (8080, 8083),
        "repo-server": (8081, 8084),
        "application-controller": (8082,),
        "redis": (6379,),
        "redis-secret-init": (),
        "notifications-controller": (),
    }
    for part, ports in parts.items():
        if part != "notifications-controller" or release.value("notifications.enabled", True):
            name = f"argocd-{part}"
            services = {name: {80: 8080}} if part == "server" else {}
            yield ChartPod(name, {NAME: name, INSTANCE: release.name}, name, ports, suffix=name, services=services)


def _prometheus_adapter(release: Release) -> Iterable[ChartPod]:
    labels = {NAME: "prometheus-adapter", INSTANCE: release.name, **release.value("podLabels", {})}
    yield ChartPod("prometheus-adapter", labels, release.name, (int(release.value("listenPort", 6443)),))


def _plain(role: str, ports: tuple[int, ...], path: str = "podLabels") -> Maker:
    """A chart with one Deployment that is named after it."""

    def make(release: Release) -> Iterable[ChartPod]:
        labels = {NAME: role, INSTANCE: release.name, **release.value(path, {})}
        yield ChartPod(role, labels, release.name, ports)

    return make


def _none(release: Release) -> Iterable[ChartPod]:
    """Definitions only; or pods in the network of their node, or in the cluster's own namespace, which no network
    policy holds."""
    return ()


CHARTS: Final[Mapping[str, Maker]] = {
    "alloy": _alloy,
    "argo-cd": _argo_cd,
    "argo-rollouts": _plain("argo-rollouts", (8090,), "controller.podLabels"),
    "aws-ebs-csi-driver": _ebs_csi,
    "base": _none,
    "cert-manager": _cert_manager,
    "cilium": _none,
    "cluster-autoscaler": _cluster_autoscaler,
    "cni": _none,
    "external-dns": _plain("external-dns", (7979,)),
    "external-secrets": _external_secrets,
    "fluent-bit": _fluent_bit,
    "flux2": _flux,
    "gateway": _gateway,
    "grafana": _grafana,
    "headlamp": _headlamp,
    "istiod": _istiod,
    "jaeger": _jaeger,
    "kiali-server": _kiali,
    "kube-prometheus-stack": _kube_prometheus_stack,
    "loki": _loki,
    "metrics-server": _none,
    "nginx-ingress": _nginx,
    "opensearch": _opensearch,
    "prometheus-adapter": _prometheus_adapter,
    "prometheus-postgres-exporter": _postgres_exporter,
    "prometheus-pushgateway": _pushgateway,
    "tempo": _tempo,
    "traefik": _traefik,
    "vault": _vault,
    "velero": _velero,
    "vertical-pod-autoscaler": _none,
}
