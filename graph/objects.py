"""Everything that a plan registers, flat: one entry per object, under its layer and a name of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from derive.data.databases import DatabasePlan, ManagedDatabasePlan
from derive.plan import SystemPlan
from derive.shapes import Part

LAYERS: Final[Mapping[str, tuple[str, ...]]] = {
    "network": (),
    "cluster": (),
    "databases": (),
    "storage": (),
    "namespaces": ("Namespace",),
    "quotas": ("ResourceQuota", "LimitRange"),
    "network policies": ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy", "NetworkPolicy"),
    "authorization": ("AuthorizationPolicy", "RequestAuthentication", "PeerAuthentication"),
    "sidecars": ("Sidecar",),
    "virtual services": ("VirtualService", "Gateway"),
    "destination rules": ("DestinationRule",),
    "service entries": ("ServiceEntry",),
    "workloads": ("Deployment", "StatefulSet", "CronJob", "Rollout", "ServiceAccount", "Service", "ConfigMap"),
    "scaling": ("HorizontalPodAutoscaler", "VerticalPodAutoscaler", "PodDisruptionBudget"),
    "secrets": (),
    "monitors": ("ServiceMonitor", "PodMonitor"),
    "alerts": ("PrometheusRule",),
    "dashboards": (),
    "add-ons": (),
    "rights": (),
    "doors": (),
    "delivery": (),
    "notes": (),
}
"""Layers in the order in which they are read, and the kinds of Kubernetes objects that each holds."""
_BY_KIND: Final = {kind: layer for layer, kinds in LAYERS.items() for kind in kinds}


class Key(NamedTuple):
    """An object's place in a plan."""

    layer: str
    name: str
    """``Kind namespace/name`` of a Kubernetes object; ``kind name`` of anything else."""


Objects = Mapping[Key, Any]
"""Plain data by place: maps, lists, texts, numbers."""


def objects(plan: SystemPlan) -> dict[Key, Any]:
    """The whole plan. An object that occurs twice would hide a change: names are unique, or this raises ValueError."""
    found: dict[Key, Any] = {}
    for key, value in _all(plan):
        if key in found:
            raise ValueError(f"the plan has two objects '{key.name}' in its {key.layer}")
        found[key] = plain(value)
    return found


def _all(plan: SystemPlan) -> Iterator[tuple[Key, Any]]:
    if plan.own_network:
        network = asdict(plan.own_network)
        for group in network.pop("groups"):
            yield Key("network", f"security group {group['name']}"), group
        yield Key("network", "network"), {**network, "private_zone": plan.private_zone}
    yield Key("cluster", f"cluster {plan.cluster.name}"), plan.cluster
    placed: tuple[DatabasePlan | ManagedDatabasePlan, ...] = (*plan.databases, *plan.managed)
    for database in placed:
        yield Key("databases", f"database {database.name}"), database
    for bucket in plan.buckets:
        yield Key("storage", f"bucket {bucket.name}"), bucket
    app = plan.application
    for part in (*app.namespaces, *app.services, *app.stores, *app.edge):
        yield from _part(part, "workloads")
    for part in app.delivery:
        yield from _part(part, "delivery")
    for part in plan.observability:
        yield from _part(part, "dashboards")
    for part in app.vaulted:
        yield from _part(part, "secrets")
    for secret in plan.secrets:
        yield Key("secrets", f"Secret {secret.namespace}/{secret.name}"), secret
    for stored in plan.stored:
        yield Key("secrets", f"stored secret {stored.name}"), stored
    for addon in plan.addons:
        yield Key("add-ons", f"add-on {addon.name}"), {"requires": addon.requires, "chart": addon.chart}
        yield from _part(Part(addon.name, "", (*addon.objects, *addon.settings)), "add-ons")
    yield Key("rights", "rights in the cloud"), plan.grants
    for door in plan.doors:
        yield Key("doors", f"door {door.host}{door.prefix}"), door
    yield Key("doors", "API"), plan.api
    yield Key("doors", "site"), plan.site
    yield Key("delivery", "registry"), plan.registry
    yield Key("delivery", "pipeline"), plan.pipeline
    yield Key("notes", "log groups"), plan.log_groups
    yield Key("notes", "recovery"), plan.recovery
    yield Key("notes", "notes"), app.notes


def _part(part: Part, otherwise: str) -> Iterator[tuple[Key, Any]]:
    """Kubernetes objects by their kind; ``otherwise``: the layer of kinds, and of ConfigMaps, that have none."""
    for item in part.objects:
        kind, metadata = item["kind"], item["metadata"]
        place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
        layer = otherwise if kind == "ConfigMap" else _BY_KIND.get(kind, otherwise)
        yield Key(layer, f"{kind} {place}{metadata['name']}"), item


def plain(value: Any) -> Any:
    """Maps, lists, texts, numbers, None: what JSON knows."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(item) for name, item in vars(value).items()}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    return value if isinstance(value, str | int | float | bool | None) else str(value)
