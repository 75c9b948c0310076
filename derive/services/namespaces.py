"""Namespaces: labels, quota, defaults for containers, and the doors that are shut before anything moves in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from derive import quantities
from manifests import core
from manifests.base import Manifest, manifest
from model import DeclarationError, Quota, Resources

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


def quota(name: str, demands: Iterable[Demand], declared: Quota | None) -> Manifest:
    """What the namespace may hold: the declared quota, or exactly what it declares at its maximum, so that nothing
    undeclared fits beside it. Raises DeclarationError for a quota that is too small."""
    wanted = _sum(demands)
    if declared is None:
        hard = _quantities(wanted)
    else:
        _hold(name, wanted, declared)
        bounds = {
            "requests.cpu": declared.cpu,
            "requests.memory": declared.memory,
            "limits.cpu": declared.cpu_limit,
            "limits.memory": declared.memory_limit,
            "pods": str(declared.pods),
            "persistentvolumeclaims": str(declared.claims),
            "requests.storage": declared.storage,
        }
        hard = {name: bound for name, bound in bounds.items() if bound}
    return core.resource_quota(
        f"{name}-quota", name, {**hard, "services.loadbalancers": "0", "services.nodeports": "0"}
    )


@dataclass
class _Sum:
    """Millicores and bytes of all pods, and how many pods and volumes there are."""

    cpu: int = 0
    memory: int = 0
    cpu_limit: int = 0
    memory_limit: int = 0
    pods: int = 0
    claims: int = 0


def _sum(demands: Iterable[Demand]) -> _Sum:
    total = _Sum()
    for demand in demands:
        total.pods += demand.pods
        total.claims += demand.claims
        for resources in demand.containers:
            total.cpu += demand.pods * quantities.millicores(resources.cpu)
            total.memory += demand.pods * quantities.memory_bytes(resources.memory)
            total.cpu_limit += demand.pods * quantities.millicores(resources.cpu_limit)
            total.memory_limit += demand.pods * quantities.memory_bytes(resources.memory_limit)
    return total


def _quantities(total: _Sum) -> dict[str, str]:
    return {
        "requests.cpu": quantities.cpu(total.cpu),
        "requests.memory": quantities.memory(total.memory),
        "limits.cpu": quantities.cpu(total.cpu_limit),
        "limits.memory": quantities.memory(total.memory_limit),
        "pods": str(total.pods),
        "persistentvolumeclaims": str(total.claims),
    }


def _hold(name: str, wanted: _Sum, declared: Quota) -> None:
    limits = (
        (declared.cpu_limit or quantities.cpu(wanted.cpu_limit)),
        (declared.memory_limit or quantities.memory(wanted.memory_limit)),
    )
    bounds = {
        "cpu_limit": (wanted.cpu_limit, quantities.millicores(limits[0]), quantities.cpu(wanted.cpu_limit)),
        "memory_limit": (
            wanted.memory_limit,
            quantities.memory_bytes(limits[1]),
            quantities.memory(wanted.memory_limit),
        ),
        "cpu": (wanted.cpu, quantities.millicores(declared.cpu), quantities.cpu(wanted.cpu)),
        "memory": (wanted.memory, quantities.memory_bytes(declared.memory), quantities.memory(wanted.memory)),
        "pods": (wanted.pods, declared.pods, str(wanted.pods)),
        "claims": (wanted.claims, declared.claims, str(wanted.claims)),
    }
    for field, (amount, bound, text) in bounds.items():
        if amount > bound:
            raise DeclarationError(
                f"namespace '{name}' declares {field} {text} at its maximum, the quota allows "
                f"{getattr(declared, field)}; raise quota.{field} or lower replicas, maxima or requests"
            )


def limits(name: str, declared: Resources | None) -> Manifest:
    """What containers get that declare nothing: a quota refuses pods without requests and limits."""
    requests, bounds = DEFAULT_REQUESTS, DEFAULT_LIMITS
    if declared:
        requests = {"cpu": declared.cpu, "memory": declared.memory}
        bounds = {"cpu": declared.cpu_limit, "memory": declared.memory_limit}
    return core.limit_range(f"{name}-defaults", name, requests, bounds)


def viewers(name: str, group: str | None) -> Manifest | None:
    """Kubernetes' own role ``view``, which shows no Secrets, for a group of people in one namespace."""
    if group is None:
        return None
    rbac = "rbac.authorization.k8s.io"
    return manifest(
        f"{rbac}/v1",
        "RoleBinding",
        "viewers",
        name,
        roleRef={"apiGroup": rbac, "kind": "ClusterRole", "name": "view"},
        subjects=[{"apiGroup": rbac, "kind": "Group", "name": group}],
    )
