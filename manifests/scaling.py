"""Objects that decide how many pods there are, how large, and how many may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from manifests.base import Manifest, compact, manifest, match_labels


def resource_metric(resource: str, percent: int) -> Manifest:
    """Average use of ``resource`` in percent of what the pods request."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": resource, "target": target}}


def pods_metric(name: str, average: str) -> Manifest:
    """Average of a custom metric over the pods."""
    return {
        "type": "Pods",
        "pods": {"metric": {"name": name}, "target": {"type": "AverageValue", "averageValue": average}},
    }


def horizontal_pod_autoscaler(
    name: str,
    namespace: str,
    target: Mapping[str, str],
    minimum: int,
    maximum: int,
    metrics: Sequence[Manifest],
    settle: int = 300,
) -> Manifest:
    """``target``: apiVersion, kind, name. ``settle``: seconds of lower load before pods are taken away."""
    spec = {
        "scaleTargetRef": dict(target),
        "minReplicas": minimum,
        "maxReplicas": maximum,
        "metrics": list(metrics),
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": settle}},
    }
    return manifest("autoscaling/v2", "HorizontalPodAutoscaler", name, namespace, spec=spec)


def vertical_pod_autoscaler(
    name: str,
    namespace: str,
    target: Mapping[str, str],
    mode: str,
    left_alone: Sequence[str] = (),
    most: Mapping[str, Mapping[str, str]] | None = None,
    least: int | None = None,
) -> Manifest:
    """``left_alone``: containers whose requests are fixed elsewhere. ``most``: requests that a container may get at
    most; absent: any. ``least``: pods that there must be before one is replaced; absent: the updater's own number, two.
    """
    policies: list[Manifest] = [{"containerName": container, "mode": "Off"} for container in left_alone]
    policies += [{"containerName": container, "maxAllowed": dict(size)} for container, size in (most or {}).items()]
    spec: Manifest = {"targetRef": dict(target), "updatePolicy": compact(updateMode=mode, minReplicas=least)}
    if policies:
        spec["resourcePolicy"] = {"containerPolicies": policies}
    return manifest("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", name, namespace, spec=spec)


def pod_disruption_budget(name: str, namespace: str, selector: Mapping[str, str], max_unavailable: int = 1) -> Manifest:
    """A drain may take ``max_unavailable`` pods at a time, so it always ends."""
    spec = {
        "maxUnavailable": max_unavailable,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": match_labels(selector),
    }
    return manifest("policy/v1", "PodDisruptionBudget", name, namespace, spec=spec)
