"""Namespaces: labels, quota, defaults for containers, and the doors that are shut before anything moves in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from derive import quantities
from manifests import core
from manifests.base import Manifest
from model import Resources

POD_SECURITY: Final = "restricted"
"""Holds with sidecars because the mesh's CNI plug-in, not an init container, sets up the redirection."""
DEFAULT_REQUESTS: Final = {"cpu": "50m", "memory": "64Mi"}
DEFAULT_LIMITS: Final = {"cpu": "500m", "memory": "256Mi"}


@dataclass(frozen=True)
class Demand:
    """Pods of one workload at its maximum, a rollout's surplus included."""

    pods: int
    containers: tuple[Resources, ...]
    claims: int = 0
    """Volumes in all."""


def namespace(name: str, mesh: bool) -> Manifest:
    injection = {"istio-injection": "enabled"} if mesh else {}
    security = {
        f"pod-security.kubernetes.io/{mode}{suffix}": value
        for mode in ("enforce", "audit", "warn")
        for suffix, value in (("", POD_SECURITY), ("-version", "latest"))
    }
    return core.namespace(name, {**injection, **security})


def quota(name: str, demands: Iterable[Demand]) -> Manifest:
    """Exactly what the namespace declares at its maximum, so that nothing undeclared fits beside it."""
    cpu = memory = cpu_limit = memory_limit = pods = claims = 0
    for demand in demands:
        pods += demand.pods
        claims += demand.claims
        for resources in demand.containers:
            cpu += demand.pods * quantities.millicores(resources.cpu)
            memory += demand.pods * quantities.memory_bytes(resources.memory)
            cpu_limit += demand.pods * quantities.millicores(resources.cpu_limit)
            memory_limit += demand.pods * quantities.memory_bytes(resources.memory_limit)
    return core.resource_quota(
        f"{name}-quota",
        name,
        {
            "requests.cpu": quantities.cpu(cpu),
            "requests.memory": quantities.memory(memory),
            "limits.cpu": quantities.cpu(cpu_limit),
            "limits.memory": quantities.memory(memory_limit),
            "pods": str(pods),
            "persistentvolumeclaims": str(claims),
            "services.loadbalancers": "0",
            "services.nodeports": "0",
        },
    )


def limits(name: str) -> Manifest:
    return core.limit_range(f"{name}-defaults", name, DEFAULT_REQUESTS, DEFAULT_LIMITS)
