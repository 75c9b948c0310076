"""What stands still, and what is weaker, once a part of a deployment is gone; by the environment's table.

Figures are the worst case of where pods may stand: they are spread over zones and nodes as evenly as they can be, so a
zone holds at most its share, rounded up. A volume does not leave its zone, nor, without the EBS driver, its node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Literal

from derive import choices
from derive.network.networks import zone_names
from derive.plan import SystemPlan, system_plan
from derive.services.scaling import replicas
from derive.shapes import Deployment
from graph.needs import Node
from model import (
    Bucket,
    DeclarationError,
    EbsCsi,
    ExistingCluster,
    External,
    K3s,
    Kafka,
    MySQL,
    Nginx,
    PostgreSQL,
    RabbitMQ,
    Redis,
    Service,
)
from model.addons import Placed
from model.base import did_you_mean
from model.stores import InCluster, Store

SERVERS = "servers"
"""The node group of the control plane."""
PartKind = Literal["service", "store", "external", "zone", "node group"]


@dataclass(frozen=True)
class Failure:
    """A part that is gone. ``down`` and ``weak``: what is lost with it, and what goes on with less; each with why."""

    part: str
    kind: PartKind
    down: Mapping[Node, str] = field(default_factory=dict)
    weak: Mapping[Node, str] = field(default_factory=dict)
    closed: str | None = None
    """Why no door of the system answers. Absent: the doors are as good as what is behind them."""
    notes: tuple[str, ...] = ()


def failure(deployment: Deployment, part: str) -> Failure:
    """The loss of a service, store, external, zone (``eu-west-1a`` or ``a``) or node group.

    Raises DeclarationError for a part that the environment does not have, and for a declaration that cannot hold.
    """
    system = deployment.system
    groups = (*([SERVERS] if isinstance(system.platform.cluster, K3s) else []), *deployment.environment.sizes)
    kinds: dict[str, PartKind] = dict.fromkeys(groups, "node group")
    zones = zone_names(deployment.facts.region, deployment.environment.zones)
    for zone in zones:
        kinds |= {zone: "zone", zone[-1]: "zone"}
    kinds |= dict.fromkeys((external.name for external in system.externals), "external")
    kinds |= dict.fromkeys((store.name for store in system.stores), "store")
    kinds |= dict.fromkeys((service.name for service in system.services), "service")
    kind = kinds.get(part)
    if kind is None:
        raise DeclarationError(
            f"'{part}' is no service, store, external, zone or node group of environment '{deployment.name}'"
            f"{did_you_mean(part, (name for name in kinds if len(name) > 1))}"
        )
    if kind in ("zone", "node group") and isinstance(system.platform.cluster, ExistingCluster):
        raise DeclarationError(f"{kind} '{part}': the cluster is there already, and nothing here knows its machines")
    if kind == "zone":
        zone = next(name for name in zones if part in (name, name[-1]))
        return _Loss(deployment, system_plan(deployment)).zone(zone, zones)
    if kind == "node group":
        return _Loss(deployment, system_plan(deployment)).group(part)
    return Failure(part, kind, {Node(kind, part): "is gone"})


@dataclass(frozen=True)
class _Loss:
    """The loss of something that others stand on."""

    deployment: Deployment
    plan: SystemPlan
    down: dict[Node, str] = field(default_factory=dict)
    weak: dict[Node, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    # -- a zone ------------------------------------------------------------------------------------

    def zone(self, zone: str, zones: Sequence[str]) -> Failure:
        deployment, count = self.deployment, len(zones)
        if count == 1:
            why = f"everything stands in {zone}, the environment's only zone"
            self._gone(deployment.system.stores, why)
            self._gone(deployment.system.services, why)
            self._gone(deployment.system.externals, why)
            return Failure(zone, "zone", self.down, closed=why)
        schedules = self._outlives(zone, zones)
        for service in deployment.system.services:
            pods = replicas(service, deployment.name, deployment.environment).minimum
            spread, workers = self._spread(service.pool, count)
            self._pods(Node("service", service.name), pods, pods - ceil(pods / spread), workers, schedules)
        for store in deployment.system.stores:
            self._store_without_zone(store, zone, count)
        if self.plan.network.nat_zones == 1 and zone == zones[0]:
            why = f"the only NAT gateway stands in {zone}"
            self._gone(deployment.system.externals, why)
            self._gone((store for store in deployment.system.stores if isinstance(store, Bucket)), why)
        _, workers = self._spread(self._ingress_pool(), count)
        closed = None if workers else f"no worker of the ingress is sure to be left outside {zone}"
        return Failure(zone, "zone", self.down, self.weak, closed, tuple(self.notes))

    def _spread(self, pool: str | None, zones: int) -> tuple[int, int]:
        """Over how many zones pods are spread at least, and how many of their workers are sure to be left."""
        homes = self._homes(pool).values()
        return min(zones, max(homes, default=1)), sum(count - ceil(count / zones) for count in homes)

    def _gone(self, parts: Iterable[Service] | Iterable[Store] | Iterable[External], why: str) -> None:
        """Buckets in the account stand in no zone, on no machine of ours, and are reached without a way outside."""
        for part in parts:
            if isinstance(part, Service):
                self.down[Node("service", part.name)] = why
            elif isinstance(part, External):
                self.down[Node("external", part.name)] = why
            elif not isinstance(part, Bucket) or part.at:
                self.down[Node("store", part.name)] = why

    def _outlives(self, zone: str, zones: Sequence[str]) -> bool:
        """Whether there is a control plane without the zone; AWS spreads its own over several."""
        servers = self.deployment.environment.servers
        if servers is None or not isinstance(self.deployment.system.platform.cluster, K3s):
            return True
        left = sum(zones[index % len(zones)] != zone for index in range(servers.count))
        if 2 * left <= servers.count:
            self.notes.append(f"the Kubernetes API is lost: {left} of {servers.count} servers are no majority")
        return 2 * left > servers.count

    def _pods(self, node: Node, pods: int, left: int, workers: int, schedules: bool) -> None:
        if not workers:
            self.down[node] = "no worker is sure to be left"
        elif left > 0:
            self.weak[node] = f"{left} of {pods} pods are left until others are started"
        elif schedules:
            self.weak[node] = (
                f"{'its pod' if pods == 1 else f'its {pods} pods'} may stand there; started anew elsewhere"
            )
        else:
            self.down[node] = "its pods may stand there, and nothing starts others"

    def _store_without_zone(self, store: Store, zone: str, zones: int) -> None:
        node = Node("store", store.name)
        hosts = next((plan.hosts for plan in self.plan.databases if plan.name == store.name), ())
        managed = next((plan for plan in self.plan.managed if plan.name == store.name), None)
        if hosts:
            gone = [host for host in hosts if host.zone == zone]
            if len(gone) == len(hosts):
                self.down[node] = (
                    f"{' and '.join(host.name for host in gone)} stands in {zone}, and there is no standby"
                )
            elif any(host.role == "primary" for host in gone):
                standby = next(host for host in hosts if host not in gone)
                self.weak[node] = f"no writes until {standby.name} in {standby.zone} is promoted"
            elif gone:
                self.weak[node] = "its standby is lost"
        elif managed and managed.size.standby:
            self.weak[node] = "its primary may stand there; no answers until AWS has turned to the standby"
        elif managed:
            self.down[node] = "its only instance may stand there"
        elif not isinstance(store, Bucket):
            members = members_of(store)
            spread, workers = self._spread(store.pool, zones)
            self._members(node, store, members - ceil(members / spread), workers)

    def _members(self, node: Node, store: Store, left: int, workers: int) -> None:
        """A store in the cluster of whose members ``left`` are sure to stay."""
        members = members_of(store)
        if not workers:
            self.down[node] = "no worker is sure to be left"
        elif members == 1:
            self.down[node] = "its only member may stand there, and its volume cannot leave"
        elif isinstance(store, PostgreSQL):
            self.weak[node] = "its primary may stand there; no writes until a replica is promoted"
        elif 2 * left > members:
            self.weak[node] = f"{left} of {members} members are left"
        else:
            self.down[node] = f"{left} of {members} members are no majority"

    # -- a node group ------------------------------------------------------------------------------

    def group(self, name: str) -> Failure:
        system, platform = self.deployment.system, self.deployment.system.platform
        if name == SERVERS and not platform.pools:
            why = "the servers are the only nodes"
            self._gone(system.services, why)
            self.down.update({Node("store", store): why for store in self._inside()})
            return Failure(name, "node group", self.down, closed=why)
        if name == SERVERS:
            note = "the Kubernetes API is lost: what runs goes on, but nothing is started, scaled or released"
            return Failure(name, "node group", notes=(note,))
        housed: list[str] = [
            addon.kind
            for addon in choices.chosen(self.deployment)
            if isinstance(addon, Placed) and addon.pool and self._only(addon.pool, name)
        ]
        if platform.observability.pool and self._only(platform.observability.pool, name):
            housed.insert(0, "prometheus and what watches with it")
        if housed:
            self.notes.append(f"platform parts are lost with it: {', '.join(housed)}")
        for service in system.services:
            self._without_group(Node("service", service.name), service.pool, name)
        movable = choices.choice(self.deployment, EbsCsi) is not None
        for store, pool in self._inside().items():
            self._without_group(Node("store", store), pool, name, movable)
        closed = None
        if self._only(self._ingress_pool(), name):
            closed = f"no other node group runs the ingress than '{name}'"
        elif not any(pool.ingress and pool.name != name for pool in platform.pools):
            closed = f"'{name}' is the only node group that the edge sends to"
        return Failure(name, "node group", self.down, self.weak, closed, tuple(self.notes))

    def _without_group(self, node: Node, pool: str | None, group: str, movable: bool = True) -> None:
        homes = self._homes(pool)
        if group not in homes:
            return
        left = sum(count for name, count in homes.items() if name != group)
        if not left:
            self.down[node] = "no other node group takes its pods"
        elif movable:
            self.weak[node] = f"{left} of {sum(homes.values())} workers are left for its pods"
        else:
            self.down[node] = "its volumes may lie on these nodes"

    def _only(self, pool: str | None, group: str) -> bool:
        """Whether what belongs to a pool runs on this node group and no other."""
        return list(self._homes(pool)) == [group]

    def _inside(self) -> dict[str, str | None]:
        """The pool of each store in the cluster: neither on machines of its own, nor with AWS or others."""
        outside = {plan.name for plan in self.plan.databases} | {plan.name for plan in self.plan.managed}
        stores = (store for store in self.deployment.system.stores if not isinstance(store, Bucket))
        return {store.name: store.pool for store in stores if store.name not in outside}

    def _ingress_pool(self) -> str | None:
        ingress = self.deployment.system.platform.ingress
        return ingress.pool if isinstance(ingress, Nginx) else None

    def _homes(self, pool: str | None) -> dict[str, int]:
        """Nodes to begin with, by node group that takes the pods of a pool: those with its labels, of whose taints it
        tolerates all. Without a pool, or where the environment goes without it: those without a taint."""
        sizes = self.deployment.environment.sizes
        pools = {found.name: found for found in self.deployment.system.platform.pools if found.name in sizes}
        if not pools:
            servers = self.deployment.environment.servers
            return {SERVERS: servers.count} if servers else {}
        own = pools.get(pool or "")
        labels, taints = (own.labels.items(), own.taints) if own else ({}.items(), ())
        return {
            name: sizes[name].count
            for name, found in pools.items()
            if labels <= found.labels.items() and set(found.taints) <= set(taints)
        }


def members_of(store: Store) -> int:
    """Pods of a store in the cluster that hold its data."""
    match store:
        case PostgreSQL():
            return store.placement.members if isinstance(store.placement, InCluster) else 1
        case RabbitMQ() | Redis():
            return store.members
        case Kafka():
            return store.brokers
        case MySQL() | Bucket():
            return 1
