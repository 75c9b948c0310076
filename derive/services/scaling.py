"""How many pods of a service there are, and what may take one away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from derive import quantities
from derive.mesh.graph import Links
from manifests import scaling
from manifests.base import Manifest
from model import DeclarationError, Environment, Resources, Rolling, Service


@dataclass(frozen=True)
class Replicas:
    """Bounds of a service's pods in one environment."""

    minimum: int
    maximum: int
    autoscaled: bool


def replicas(service: Service, name: str, environment: Environment) -> Replicas:
    """The environment's number, or the service's own for it; with autoscaling, from that number (or the declared
    minimum) to the declared maximum. A scheduled job has one pod at a time."""
    if service.schedule:
        return Replicas(1, 1, autoscaled=False)
    fixed = service.replicas.get(name, environment.replicas)
    if service.scale is None or not environment.autoscale:
        return Replicas(fixed, fixed, autoscaled=False)
    minimum = service.scale.minimum or fixed
    if minimum > service.scale.maximum:
        raise DeclarationError(
            f"service '{service.name}' scales to at most {service.scale.maximum} pods but starts with {minimum} in "
            f"environment '{name}'; raise services['{service.name}'].scale.maximum"
        )
    return Replicas(minimum, service.scale.maximum, autoscaled=True)


def surplus(service: Service, bounds: Replicas) -> int:
    """Pods beyond the maximum while a release is under way.

    A rolling update's new pods, and as many old ones that are still stopping; of any other release both versions, and
    one of an earlier release that is still stopping.
    """
    if service.schedule:
        return 0
    return 2 * service.release.max_surge if isinstance(service.release, Rolling) else bounds.maximum + 1


def horizontal(service: Service, links: Links, bounds: Replicas, target: Mapping[str, str]) -> Manifest | None:
    """The autoscaler, where the service is autoscaled. ``target``: apiVersion, kind and name of what runs the pods."""
    scale = service.scale
    if scale is None or not bounds.autoscaled:
        return None
    metrics = [
        scaling.resource_metric(resource, percent)
        for resource, percent in (("cpu", scale.cpu), ("memory", scale.memory))
        if percent
    ]
    metrics += [scaling.pods_metric(metric.name, metric.target) for metric in scale.metrics]
    if not metrics:
        raise DeclarationError(
            f"service '{service.name}' is scaled by nothing; give services['{service.name}'].scale a cpu, memory or "
            "metric target"
        )
    return scaling.horizontal_pod_autoscaler(
        service.name, links.workload.namespace, target, bounds.minimum, bounds.maximum, metrics
    )


def vertical(service: Service, links: Links, bounds: Replicas, target: Mapping[str, str]) -> Manifest | None:
    """The VerticalPodAutoscaler, where one is declared. The sidecar's size is the mesh's business."""
    if service.vertical is None:
        return None
    scale = service.scale
    if bounds.autoscaled and scale and (scale.cpu or scale.memory) and service.vertical not in ("Off", "Initial"):
        raise DeclarationError(
            f"service '{service.name}' would be scaled on its use of CPU or memory and resized by the same use; "
            f"set services['{service.name}'].vertical to 'Off' or 'Initial'"
        )
    evicts, most = service.vertical in ("Recreate", "InPlaceOrRecreate"), largest(service)
    return scaling.vertical_pod_autoscaler(
        service.name,
        links.workload.namespace,
        target,
        service.vertical,
        left_alone=("istio-proxy",),
        most={service.name: {"cpu": most.cpu, "memory": most.memory}} if _resized(service) else {},
        # By itself it never touches a single pod.
        least=1 if evicts and bounds.minimum == 1 else None,
    )


def _resized(service: Service) -> bool:
    return service.vertical not in (None, "Off")


def largest(service: Service) -> Resources:
    """What the service's container may come to have. Where a VerticalPodAutoscaler acts, it requests no more than the
    declared limits, and the limits grow as the requests do: without an end, it would ask for what no node has."""
    size = service.resources
    if not _resized(service):
        return size
    cpu, memory = quantities.millicores(size.cpu_limit), quantities.memory_bytes(size.memory_limit)
    return Resources(
        cpu=size.cpu_limit,
        memory=size.memory_limit,
        cpu_limit=quantities.cpu(cpu * cpu // quantities.millicores(size.cpu)),
        memory_limit=quantities.memory(memory * memory // quantities.memory_bytes(size.memory)),
    )


def disruption_budget(links: Links, bounds: Replicas) -> Manifest | None:
    """At most one pod at a time, so that a drain ends even where there is one. What is always a single pod gets none:
    there is nothing to keep."""
    if bounds.maximum < 2:
        return None
    return scaling.pod_disruption_budget(links.workload.name, links.workload.namespace, links.workload.selector)
