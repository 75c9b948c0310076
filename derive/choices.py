"""Which of the platform's add-ons one environment has, and what follows from that for others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from derive import naming
from derive.shapes import Deployment
from model import EbsCsi, Istio, Jaeger, K3s, Loki, Nginx, Tempo
from model.addons import AddonChoice, Housed

Choice = TypeVar("Choice", bound=AddonChoice)
OTLP: Final = 4317
"""OpenTelemetry protocol over gRPC."""


def chosen(deployment: Deployment) -> tuple[AddonChoice, ...]:
    """The platform's add-ons without those that the environment leaves out."""
    without = deployment.environment.without
    return tuple(addon for addon in deployment.system.platform.addons if addon.kind not in without)


def choice(deployment: Deployment, kind: type[Choice]) -> Choice | None:
    """One of them, by its class. Absent: it is not asked for."""
    return next((addon for addon in chosen(deployment) if isinstance(addon, kind)), None)


def storage_class(deployment: Deployment) -> str | None:
    """The class of the cluster's volumes. Absent: the cluster's default, whatever it is called."""
    chosen = claims(deployment).get("storageClassName")
    if chosen:
        return chosen
    return "local-path" if isinstance(deployment.system.platform.cluster, K3s) else None


def claims(deployment: Deployment) -> dict[str, str]:
    """``storageClassName`` for claims that charts make, where the class is not the cluster's default one anyway."""
    driver = choice(deployment, EbsCsi)
    name = deployment.facts.storage_class or (driver.storage_class if driver else None)
    return {"storageClassName": name} if name else {}


def alertmanager(deployment: Deployment) -> bool:
    """Whether alerts are kept and told; otherwise Prometheus shows them, and that is all."""
    return "alertmanager" not in deployment.environment.without


def opensearch(deployment: Deployment) -> bool:
    """Whether logs go to OpenSearch."""
    logs = deployment.system.platform.observability.logs
    return logs == "opensearch" and choice(deployment, Loki) is None


@dataclass(frozen=True)
class Collector:
    """Where the mesh sends its spans."""

    service: str
    namespace: str
    labels: dict[str, str]
    port: int = OTLP


def collector(deployment: Deployment) -> Collector | None:
    """Absent: requests are not traced, because the mesh is not told to or nobody would take the spans."""
    platform = deployment.system.platform
    if not isinstance(platform.mesh, Istio) or platform.mesh.traces is None:
        return None
    if choice(deployment, Tempo):
        return Collector("tempo", platform.observability.namespace, {naming.APP: "tempo"})
    jaeger = choice(deployment, Jaeger)
    if jaeger:
        return Collector("jaeger", jaeger.namespace or naming.TRACING_NAMESPACE, {naming.APP: "jaeger"})
    return None


def shared(deployment: Deployment) -> frozenset[str]:
    """The system's own namespaces that the declaration puts add-ons into, too.

    They are made before the add-ons, not with the services, and have no quota: what charts run is not declared here.
    """
    system = deployment.system
    own = {system.home} | {naming.service_namespace(system, service) for service in system.services}
    own |= {naming.store_namespace(system, store) for store in system.stores}
    housed = {system.platform.observability.namespace}
    if isinstance(system.platform.ingress, Nginx):
        housed.add(system.platform.ingress.namespace)
    housed |= {addon.namespace for addon in chosen(deployment) if isinstance(addon, Housed) and addon.namespace}
    return frozenset(own & housed)
