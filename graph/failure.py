"""What stands still, and what is weaker, once a part of a deployment is gone; by the environment's table.

Figures are the worst case of where pods may stand: they are spread over zones and nodes as evenly as they can be, so a
zone holds at most its share, rounded up. A volume does not leave its zone, nor, without the EBS driver, its node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Literal

from derive import choices
from derive.network.networks import zone_names
from derive.plan import SystemPlan, system_plan
from derive.services.scaling import replicas
from derive.shapes import Deployment
from graph.needs import Node
from model import Bucket, DeclarationError, EbsCsi, Kafka, MySQL, PostgreSQL, RabbitMQ, Redis
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
    kinds: dict[str, PartKind] = dict.fromkeys((SERVERS, *(pool.name for pool in system.platform.pools)), "node group")
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
            for node in self._everything():
                self.down[node] = why
            return Failure(zone, "zone", self.down, closed=why)
        schedules = self._outlives(zone, zones)
        workers = sum(n - ceil(n / count) for n in self._workers().values())
        for service in deployment.system.services:
            pods = replicas(service, deployment.name, deployment.environment).minimum
            self._pods(Node("service", service.name), pods, pods - ceil(pods / count), workers, schedules)
        for store in deployment.system.stores:
            self._store_without_zone(store, zone, workers)
        if self.plan.network.nat_zones == 1 and zone == zones[0]:
            for external in deployment.system.externals:
                self.down[Node("external", external.name)] = f"the only NAT gateway stands in {zone}"
        closed = None if workers else f"no worker is sure to be left outside {zone}"
        return Failure(zone, "zone", self.down, self.weak, closed, tuple(self.notes))

    def _outlives(self, zone: str, zones: Sequence[str]) -> bool:
        """Whether there is a control plane without the zone; AWS spreads its own over several."""
        servers = self.deployment.environment.servers
        if servers is None:
            return True
        left = sum(zones[index % len(zones)] != zone for index in range(servers.count))
        if 2 * left <= servers.count:
            self.notes.append(f"the Kubernetes API is lost: {left} of {servers.count} servers are no majority")
        return 2 * left > servers.count

    def _everything(self) -> list[Node]:
        system = self.deployment.system
        stores = [Node("store", store.name) for store in system.stores if not isinstance(store, Bucket)]
        return [
            *(Node("service", service.name) for service in system.services),
            *stores,
            *(Node("external", external.name) for external in system.externals),
        ]

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

    def _store_without_zone(self, store: Store, zone: str, workers: int) -> None:
        node = Node("store", store.name)
        hosts = next((plan.hosts for plan in self.plan.databases if plan.name == store.name), ())
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
        elif not isinstance(store, Bucket):
            members = members_of(store)
            self._members(node, store, members - ceil(members / self.deployment.environment.zones), workers)

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
        platform = self.deployment.system.platform
        if name == SERVERS and not platform.pools:
            why = "the servers are the only nodes"
            self.down.update(dict.fromkeys(self._everything(), why))
            return Failure(name, "node group", self.down, closed=why)
        if name == SERVERS:
            note = "the Kubernetes API is lost: what runs goes on, but nothing is started, scaled or released"
            return Failure(name, "node group", notes=(note,))
        workers = self._workers()
        housed: list[str] = [
            addon.kind for addon in platform.addons if isinstance(addon, Placed) and addon.pool == name
        ]
        if platform.observability.pool == name:
            housed.insert(0, "prometheus and what watches with it")
        if housed:
            self.notes.append(f"platform parts are lost with it: {', '.join(housed)}")
        if name in workers:
            self._without_workers(sum(count for pool, count in workers.items() if pool != name), sum(workers.values()))
        doors = [pool.name for pool in platform.pools if pool.ingress and pool.name != name]
        closed = None if doors else f"'{name}' is the only node group that the edge sends to"
        return Failure(name, "node group", self.down, self.weak, closed, tuple(self.notes))

    def _without_workers(self, left: int, all_workers: int) -> None:
        system = self.deployment.system
        for service in system.services:
            node = Node("service", service.name)
            if left:
                self.weak[node] = f"{left} of {all_workers} workers are left for its pods"
            else:
                self.down[node] = "no other node group takes its pods"
        outside = {plan.name for plan in self.plan.databases}
        movable = choices.choice(self.deployment, EbsCsi) is not None
        for store in system.stores:
            node = Node("store", store.name)
            if store.name in outside or isinstance(store, Bucket):
                continue
            if not left:
                self.down[node] = "no other node group takes its pods"
            elif movable:
                self.weak[node] = f"{left} of {all_workers} workers are left for its pods"
            else:
                self.down[node] = "its volumes may lie on these nodes"

    def _workers(self) -> dict[str, int]:
        """Nodes to begin with, by node group that takes the system's own pods: those without a taint."""
        sizes, pools = self.deployment.environment.sizes, self.deployment.system.platform.pools
        return {pool.name: sizes[pool.name].count for pool in pools if pool.name in sizes and not pool.taints}


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
