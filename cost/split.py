"""Who answers for what: a stack's cost split over its services, to the cent.

One rule. What a store or a service has of its own (machines, volumes, a managed instance) is the service's: a store's
is its owner's. Everything else is shared, half of it by the CPU and half by the memory that the services' pods
request at the replicas the stack starts with, sidecars included; a store's pods count for its owner. A store that
several services share has no owner: its costs are shared, and its pods count for nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from cost.quantities import quantity
from cost.resources import Resource
from cost.rules.compute import group_size, node_group_size
from cost.world import CENT, World

SERVICE: Final = ":MicroService"
"""End of the type of the component that holds a service's, or a store's, objects."""
DATA: Final = "wheelhouse:data:"
"""Begin of the types of components that hold stores outside the cluster."""
STORES: Final = ("aws:rds/", "aws:elasticache/", "aws:s3/", "aws:mq/")
"""Begin of the types that are stores wherever they stand."""
WORKLOADS: Final = (
    "kubernetes:apps/v1:Deployment",
    "kubernetes:apps/v1:StatefulSet",
    "kubernetes:apps/v1:DaemonSet",
    "kubernetes:argoproj.io/v1alpha1:Rollout",
    "kubernetes:batch/v1:CronJob",
)
SCALER: Final = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
SIDECAR: Final = "sidecar.istio.io/"
INJECT: Final = SIDECAR + "inject"


@dataclass(frozen=True, slots=True)
class Requested:
    """CPU in cores and memory in bytes."""

    cpu: Fraction = Fraction(0)
    memory: Fraction = Fraction(0)

    def __add__(self, other: Requested) -> Requested:
        return Requested(self.cpu + other.cpu, self.memory + other.memory)

    def __mul__(self, factor: Fraction) -> Requested:
        return Requested(self.cpu * factor, self.memory * factor)

    def at_least(self, other: Requested) -> Requested:
        """The larger of each."""
        return Requested(max(self.cpu, other.cpu), max(self.memory, other.memory))


@dataclass(frozen=True, slots=True)
class Share:
    """What one service answers for in a month."""

    service: str
    direct: Decimal
    shared: Decimal

    @property
    def total(self) -> Decimal:
        return self.direct + self.shared


def split(
    world: World, costs: Sequence[tuple[Resource, Decimal]], owners: Mapping[str, str | None]
) -> tuple[Share, ...]:
    """The services' shares, which sum to the costs; the dearest first. Empty where no service has pods."""
    requested = _requests(world, owners)
    weights = _weights(requested)
    if not weights:
        return ()
    direct: dict[str, Decimal] = defaultdict(lambda: Decimal("0.00"))
    shared = Decimal("0.00")
    for resource, amount in costs:
        service = _direct_owner(world, resource, owners)
        if service is None:
            shared += amount
        else:
            direct[service] += amount
    parts = apportion(shared, weights)
    names = {*direct, *weights}
    found = [Share(name, direct[name], parts.get(name, Decimal("0.00"))) for name in names]
    return tuple(sorted(found, key=lambda share: (-share.total, share.service)))


def apportion(amount: Decimal, weights: Mapping[str, Fraction]) -> dict[str, Decimal]:
    """An amount in cents by weight: rounded down, and the cents left go to the largest remainders.

    The parts sum to the amount exactly. Equal remainders go by name. At least one weight is above 0.
    """
    cents = int(amount / CENT)
    total = sum(weights.values())
    exact = {name: cents * weight / total for name, weight in weights.items()}
    whole = {name: value.numerator // value.denominator for name, value in exact.items()}
    left = cents - sum(whole.values())
    for name in sorted(exact, key=lambda name: (whole[name] - exact[name], name))[:left]:
        whole[name] += 1
    return {name: whole[name] * CENT for name in weights}


def _weights(requested: Mapping[str, Requested]) -> dict[str, Fraction]:
    """A service's part of all requested CPU and of all requested memory, added; of one alone where only it is."""
    total = sum(requested.values(), Requested())
    found = {
        name: (own.cpu / total.cpu if total.cpu else Fraction(0))
        + (own.memory / total.memory if total.memory else Fraction(0))
        for name, own in requested.items()
    }
    return found if any(found.values()) else {}


def _requests(world: World, owners: Mapping[str, str | None]) -> dict[str, Requested]:
    """Service -> what its pods request. Pods of shared stores and of the platform count for nobody: all pay them."""
    found: dict[str, Requested] = defaultdict(Requested)
    for item in world.stack.of(*WORKLOADS):
        name = next((owner.name for owner in world.stack.owners(item) if owner.type.endswith(SERVICE)), None)
        if name is not None:
            pod = item.get("spec.jobTemplate.spec.template") or item.get("spec.template") or {}
            service = owners.get(name, name)
            if service is not None:
                found[service] += pod_requests(pod) * _replicas(world, item)
    return found


def pod_requests(template: Mapping[str, Any]) -> Requested:
    """What the scheduler reserves for a pod of a template, with the proxy that Istio will add."""
    spec = template.get("spec") or {}
    steady = sum((_container(item) for item in spec.get("containers") or ()), Requested())
    start = Requested()
    for item in spec.get("initContainers") or ():
        if item.get("restartPolicy") == "Always":
            steady += _container(item)
        else:
            start = start.at_least(_container(item))
    return (steady + _proxy(template.get("metadata") or {})).at_least(start)


def _proxy(metadata: Mapping[str, Any]) -> Requested:
    settings = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    if settings.get(INJECT) != "true":
        return Requested()
    return Requested(
        quantity(str(settings.get(f"{SIDECAR}proxyCPU", "100m"))),
        quantity(str(settings.get(f"{SIDECAR}proxyMemory", "128Mi"))),
    )


def _container(container: Mapping[str, Any]) -> Requested:
    """Its requests; where one is absent, its limit, as Kubernetes has it."""
    resources = container.get("resources") or {}
    values = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return Requested(quantity(str(values.get("cpu", 0))), quantity(str(values.get("memory", 0))))


def _replicas(world: World, item: Resource) -> Fraction:
    kind = item.type.rpartition(":")[2]
    if kind == "CronJob":
        return Fraction(world.usage["cron_share"])
    if kind == "DaemonSet":
        groups = [group_size(found) for found in world.stack.of("aws:autoscaling/group:Group")]
        nodes = [node_group_size(found) for found in world.stack.of("aws:eks/nodeGroup:NodeGroup")]
        return Fraction(sum([*groups, *nodes], Decimal(0)))
    place = (item.get("metadata.namespace"), kind, item.get("metadata.name"))
    for scaler in world.stack.of(SCALER):
        target = scaler.get("spec.scaleTargetRef") or {}
        if (scaler.get("metadata.namespace"), target.get("kind"), target.get("name")) == place:
            return Fraction(scaler.get("spec.minReplicas") or 1)
    replicas = item.get("spec.replicas")
    return Fraction(1 if replicas is None else replicas)


def _direct_owner(world: World, resource: Resource, owners: Mapping[str, str | None]) -> str | None:
    """The service that a resource's cost is owed to; None for a shared one."""
    chain = [resource, *world.stack.owners(resource)]
    for owner in chain[1:]:
        if owner.type.endswith(SERVICE):
            return owners.get(owner.name, owner.name)
    if not resource.type.startswith(STORES) and not any(owner.type.startswith(DATA) for owner in chain):
        return None
    stores = {store for own in _roles(chain) for store in owners if f"-{store}-" in f"-{own}-"}
    return owners[max(stores, key=lambda store: (len(store), store))] if stores else None


def _roles(chain: Sequence[Resource]) -> Iterator[str]:
    """What the name of each resource adds to that of the component above it: 'app-data-userdb' of 'app-data' userdb."""
    for item, above in zip(chain, [*chain[1:], None], strict=True):
        yield item.name.removeprefix(f"{above.name}-") if above else item.name
