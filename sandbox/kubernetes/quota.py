"""ResourceQuotas and LimitRanges against everything that a namespace declares, at its full scale.

Full scale: an autoscaled workload at its maximum, a Job at its parallelism, a CronJob once, a DaemonSet on one
node (how many nodes there will be is not known here). What operators run for custom resources is not counted.
Quotas with scopes are not evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from sandbox.kubernetes import pods, quantity, references
from sandbox.kubernetes.access import Body, Problem, Problems, dig, enumerated, mapping, number, text
from sandbox.kubernetes.kinds import Key
from sandbox.kubernetes.landscape import Landscape, Running
from sandbox.kubernetes.store import Entry

_SCALED: Final = frozenset({"Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "Rollout"})
_COMPUTE: Final = ("cpu", "memory", "ephemeral-storage")
_COUNTED: Final[Mapping[str, tuple[str, str]]] = {
    "configmaps": ("", "ConfigMap"),
    "persistentvolumeclaims": ("", "PersistentVolumeClaim"),
    "secrets": ("", "Secret"),
    "services": ("", "Service"),
    "resourcequotas": ("", "ResourceQuota"),
}
_OWN_CONFIG_MAPS: Final = 1
"""``kube-root-ca.crt``, which every namespace gets."""


@dataclass(frozen=True)
class Defaults:
    """What a namespace's LimitRanges fill in for containers."""

    requests: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)


def defaults(namespace: str, landscape: Landscape) -> Defaults:
    """The defaults of the LimitRanges of a namespace."""
    requests: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for limit in _limits(namespace, landscape, "Container"):
        limits |= mapping(limit, "default")
        requests |= {**mapping(limit, "default"), **mapping(limit, "defaultRequest")}
    return Defaults(requests, limits)


def _limits(namespace: str, landscape: Landscape, kind: str) -> Iterator[Body]:
    for entry in landscape.view.of_kind("", "LimitRange"):
        if entry.key.namespace == namespace:
            yield from (one for _, one in enumerated(entry.body, "", "spec", "limits") if one.get("type") == kind)


def limit(container: Body, resource: str, filled: Defaults) -> Decimal | None:
    """A container's limit, with the namespace's default."""
    own = dig(container, "resources", "limits", resource)
    return quantity.parse(filled.limits.get(resource) if own is None else own)


def request(container: Body, resource: str, filled: Defaults) -> Decimal | None:
    """A container's request: its own, else its own limit, else the namespace's default."""
    for side in ("requests", "limits"):
        own = dig(container, "resources", side, resource)
        if own is not None:
            return quantity.parse(own)
    return quantity.parse(filled.requests.get(resource))


def replicas(running: Running, landscape: Landscape) -> int:
    """How many pods an object runs at full scale."""
    body, key = running.entry.body, running.entry.key
    if key.kind in ("Job", "CronJob"):
        where = ("spec", "jobTemplate", "spec") if key.kind == "CronJob" else ("spec",)
        found = number(body, *where, "parallelism")
        return 1 if found is None else found
    if key.kind not in _SCALED:
        return 1
    own = number(body, "spec", "replicas")
    most = [1 if own is None else own]
    for group, kind in (("autoscaling", "HorizontalPodAutoscaler"), ("keda.sh", "ScaledObject")):
        for scaler in landscape.view.of_kind(group, kind):
            if references.scale_target(scaler.body, scaler.key.namespace) == key:
                most.append(references.replica_limit(scaler.body) or 0)
    return max(most)


def _per_pod(pod: Body, side: str, resource: str, filled: Defaults) -> tuple[Decimal, list[str]]:
    """What one pod asks for, and the containers that say nothing.

    Init containers run one by one before the others, so only the greediest counts; sidecars (init containers
    that are restarted) run beside them all.
    """
    total, greediest, silent = Decimal(0), Decimal(0), []
    sidecars = Decimal(0)
    spec = mapping(pod, "spec")
    for kind in ("initContainers", "containers"):
        for _, container in enumerated(spec, "", kind):
            value = (request if side == "requests" else limit)(container, resource, filled)
            if value is None:
                silent.append(text(container, "name") or "?")
            elif kind == "containers":
                total += value
            elif container.get("restartPolicy") == "Always":
                sidecars += value
            else:
                greediest = max(greediest, sidecars + value)
    return max(total + sidecars, greediest), silent


def quota_problems(entry: Entry, landscape: Landscape) -> Problems:
    """A ResourceQuota holds what its namespace declares."""
    if (entry.key.group, entry.key.kind) != ("", "ResourceQuota"):
        return
    if dig(entry.body, "spec", "scopes") or dig(entry.body, "spec", "scopeSelector"):
        return
    for name, allowed in mapping(entry.body, "spec", "hard").items():
        bound = quantity.parse(allowed)
        if bound is None:
            continue
        side, _, resource = name.rpartition(".")
        if resource in _COMPUTE and side in ("", "requests", "limits"):
            yield from _compute_problems(entry, name, side or "requests", resource, bound, landscape)
            continue
        used = _used(name, entry.key.namespace, landscape)
        if used is not None and used > bound:
            yield Problem(
                f"spec.hard.{name}",
                f"allows {name} {allowed}, but namespace {entry.key.namespace!r} declares {quantity.show(used, name)}",
            )


def _compute_problems(
    entry: Entry, name: str, side: str, resource: str, bound: Decimal, landscape: Landscape
) -> Problems:
    namespace = entry.key.namespace
    filled, used = defaults(namespace, landscape), Decimal(0)
    parts: list[tuple[Decimal, str]] = []
    for running in landscape.running(namespace):
        each, silent = _per_pod(running.pod, side, resource, filled)
        count = replicas(running, landscape)
        who = running.entry.key
        if silent:
            yield Problem(
                f"spec.hard.{name}",
                f"container {silent[0]!r} of {who} sets no {resource} in its {side}, so its pods are refused",
                f"set resources.{side}.{resource}, or give the namespace a LimitRange with a default",
            )
        used += each * count
        parts.append((each * count, f"{who.kind} {who.name} {count} x {quantity.show(each, resource)}"))
    if used > bound:
        largest = ", ".join(text for _, text in sorted(parts, reverse=True)[:3])
        yield Problem(
            f"spec.hard.{name}",
            f"allows {name} {quantity.show(bound, resource)}, but the workloads of namespace {namespace!r} need "
            f"{quantity.show(used, resource)} at full scale ({largest})",
        )


def _used(name: str, namespace: str, landscape: Landscape) -> Decimal | None:
    """How much of a counted resource a namespace uses; None for what cannot be counted here."""
    if name in ("pods", "count/pods"):
        return Decimal(sum(replicas(one, landscape) for one in landscape.running(namespace)))
    if name == "requests.storage":
        return _storage(namespace, landscape)
    kinds = {"services.loadbalancers": ("LoadBalancer",), "services.nodeports": ("NodePort", "LoadBalancer")}
    if name in kinds:
        services = [one for one in landscape.view.of_kind("", "Service") if one.key.namespace == namespace]
        return Decimal(sum(text(one.body, "spec", "type") in kinds[name] for one in services))
    if (short := name.removeprefix("count/")) in _COUNTED:
        count = sum(one.key.namespace == namespace for one in landscape.view.of_kind(*_COUNTED[short]))
        return Decimal(count + (_OWN_CONFIG_MAPS if short == "configmaps" else 0))
    if name.startswith("count/"):
        plural, _, group = short.partition(".")
        entries = landscape.view.everything()
        found = [one for one in entries if (one.key.group, one.key.namespace) == (group, namespace)]
        return Decimal(sum(_plural(one.key) == plural for one in found))
    return None


def _plural(key: Key) -> str:
    """The resource name of a built-in kind: ``ingresses``, ``networkpolicies``, ``deployments``."""
    kind = key.kind.lower()
    if kind.endswith("y"):
        return f"{kind[:-1]}ies"
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def _storage(namespace: str, landscape: Landscape) -> Decimal:
    """Claims, and those that StatefulSets make for every replica."""
    total = Decimal(0)
    for entry in landscape.view.of_kind("", "PersistentVolumeClaim"):
        if entry.key.namespace == namespace:
            total += _claimed(entry.body)
    for running in landscape.running(namespace):
        for _, claim in enumerated(running.entry.body, "", "spec", "volumeClaimTemplates"):
            total += _claimed(claim) * replicas(running, landscape)
    return total


def _claimed(claim: Body) -> Decimal:
    return quantity.parse(dig(claim, "spec", "resources", "requests", "storage")) or Decimal(0)


def limit_problems(entry: Entry, landscape: Landscape) -> Problems:
    """What an object asks for lies within its namespace's LimitRanges."""
    namespace = entry.key.namespace
    if (entry.key.group, entry.key.kind) == ("", "PersistentVolumeClaim"):
        for bounds in _limits(namespace, landscape, "PersistentVolumeClaim"):
            size = _claimed(entry.body)
            yield from _bound_problems("PersistentVolumeClaim", "", {"storage": (size, size)}, bounds)
    template = pods.template(entry.body)
    if template is None:
        return
    filled = defaults(namespace, landscape)
    for bounds in _limits(namespace, landscape, "Container"):
        for _, container in pods.containers(mapping(template[1], "spec")):
            asked = {name: (request(container, name, filled), limit(container, name, filled)) for name in _COMPUTE}
            yield from _bound_problems("Container", f"container {text(container, 'name')!r} ", asked, bounds)
    for bounds in _limits(namespace, landscape, "Pod"):
        asked = {
            name: (_per_pod(template[1], "requests", name, filled)[0], _per_pod(template[1], "limits", name, filled)[0])
            for name in _COMPUTE
        }
        yield from _bound_problems("Pod", "the pod ", asked, bounds)


def _bound_problems(
    kind: str, who: str, asked: Mapping[str, tuple[Decimal | None, Decimal | None]], bounds: Body
) -> Problems:
    """Requests are at least ``min``; limits are at most ``max``; their ratio is bounded."""
    for name, (low, high) in asked.items():
        least, most = quantity.parse(dig(bounds, "min", name)), quantity.parse(dig(bounds, "max", name))
        ratio = quantity.parse(dig(bounds, "maxLimitRequestRatio", name))
        if least is not None and (low is None or low < least):
            shown = "nothing" if low is None else quantity.show(low, name)
            yield Problem("", f"{who}asks for {shown} of {name}; a {kind} has at least {quantity.show(least, name)}")
        if most is not None and (high is None or high > most):
            shown = "no limit" if high is None else f"a limit of {quantity.show(high, name)}"
            yield Problem("", f"{who}has {shown} of {name}; a {kind} has at most {quantity.show(most, name)}")
        if ratio is not None and low and high and high / low > ratio:
            yield Problem(
                "", f"{who}has a {name} limit of {high / low:.2g} times its request; at most {ratio} is allowed"
            )
