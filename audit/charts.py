"""Pods that charts make: not registered one by one, so what the audit knows of each chart stands here.

Labels, accounts and ports are the charts' own (their templates, for the pinned versions); the installation's values win
where the chart lets them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import yaml

from audit.population import Proxy
from audit.resources import Object, Registry

Values = Mapping[str, Any]
NAME: Final = "app.kubernetes.io/name"
INSTANCE: Final = "app.kubernetes.io/instance"


@dataclass(frozen=True)
class Release:
    """One installation of a chart."""

    chart: str
    name: str
    namespace: str
    values: Values

    def value(self, path: str, default: Any = None) -> Any:
        """A value by its dotted path."""
        found: Any = self.values
        for key in path.split("."):
            if not isinstance(found, Mapping) or key not in found:
                return default
            found = found[key]
        return found


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


def releases(registry: Registry) -> list[Release]:
    """Every chart that is installed, however it is delivered."""
    found = [
        Release(
            str(item.spec.get("chart", "")).rpartition("/")[2],
            item.name,
            str(item.spec.get("targetNamespace") or item.namespace),
            _yaml(item.spec.get("valuesContent")),
        )
        for item in registry.objects("HelmChart", group="helm.cattle.io")
    ]
    found += [
        # Of a chart that K3s brings along, its settings alone are registered.
        Release(item.name, item.name, item.namespace, _yaml(item.spec.get("valuesContent")))
        for item in registry.objects("HelmChartConfig", group="helm.cattle.io")
    ]
    found += [_helm_release(item) for item in registry.of("kubernetes:helm.sh/v3:Release")]
    found += [_flux(item) for item in registry.objects("HelmRelease", group="helm.toolkit.fluxcd.io")]
    found += [item for app in registry.objects("Application", group="argoproj.io") for item in _argo(app)]
    return found


@lru_cache(maxsize=256)
def _parsed(text: str) -> Values:
    """The same values are read once per process: parsing YAML is what takes longest in reading a stack."""
    loaded = yaml.safe_load(text)
    return loaded if isinstance(loaded, Mapping) else {}


def _yaml(text: Any) -> Values:
    return _parsed(text) if isinstance(text, str) else {}


def _helm_release(item: Any) -> Release:
    values = item.values
    return Release(
        str(values.get("chart", "")).rpartition("/")[2],
        str(values.get("name") or item.name),
        str(values.get("namespace") or "default"),
        values.get("values") or {},
    )


def _flux(item: Object) -> Release:
    spec = item.spec
    chart = ((spec.get("chart") or {}).get("spec") or {}).get("chart", "")
    return Release(
        str(chart),
        str(spec.get("releaseName") or item.name),
        str(spec.get("targetNamespace") or item.namespace),
        spec.get("values") or {},
    )


def _argo(item: Object) -> Iterator[Release]:
    namespace = str((item.spec.get("destination") or {}).get("namespace") or item.namespace)
    for source in item.spec.get("sources") or [item.spec.get("source") or {}]:
        if source.get("chart"):
            helm = source.get("helm") or {}
            values = helm.get("valuesObject") or _yaml(helm.get("values"))
            yield Release(str(source["chart"]), str(helm.get("releaseName") or item.name), namespace, values)


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
        yield ChartPod("grafana", labels, f"{release.name}-grafana", (3000,), suffix="grafana")
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


def _none(release: Release) -> Iterable[ChartPod]:
    """Definitions only, or pods in the network of their node, which no network policy holds."""
    return ()


CHARTS: Final[Mapping[str, Callable[[Release], Iterable[ChartPod]]]] = {
    "base": _none,
    "cilium": _none,
    "cni": _none,
    "fluent-bit": _fluent_bit,
    "gateway": _gateway,
    "istiod": _istiod,
    "kube-prometheus-stack": _kube_prometheus_stack,
    "nginx-ingress": _nginx,
    "opensearch": _opensearch,
    "prometheus-postgres-exporter": _postgres_exporter,
}
