"""What the declaration says about the networks: routes, firewalls and balancers of a hub with its spokes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from audit.firewall import EVERYTHING, Way
from audit.routes import ENDPOINT as BY_ENDPOINT
from audit.routes import INTERNET_GATEWAY, LOCAL, NAT, NOWHERE, TRANSIT
from audit.scope import Scope, store_port
from audit.sites import (
    BASTION,
    CONTROL,
    DATABASE,
    EDGE,
    ENDPOINT,
    ENTRY,
    HUB,
    INTERNET,
    INTERNET6,
    MANAGED,
    NODE,
    OPERATORS,
    PRIVATE_TIER,
    PUBLIC_TIER,
    REST,
    S3,
    SOURCES,
    VPN,
    Site,
    Sites,
)
from model import Bucket, Flux, HubAndSpoke, K3s, NetworkPolicies
from model.platform import Receiver

ANYWHERE: Final = "anywhere"
MACHINE_KINDS: Final = ("postgresql", "redis")
"""Kinds of stores whose ports the machines of the data tier answer on."""
WEB_PORTS: Final = (80, 443)
WEB: Final = ("TCP 80", "TCP 443")
HTTPS: Final = ("TCP 443",)
NODE_PORTS: Final = (30080, 30443, 30081)
INGRESS_PORTS: Final = {"istio": (80, 443, 15021), "nginx": NODE_PORTS, "traefik": (80, 443)}
"""Redirect, TLS and health on the nodes, by kind of ingress."""
ADMINISTRATION: Final = ("TCP 22", "TCP 6443")
API: Final = ("TCP 6443",)
OVERLAY: Final = "UDP 8472"
BETWEEN: Final = ("TCP 10250", OVERLAY, "TCP 6443", "TCP 2379", "TCP 2380", "TCP 9100")
"""Between servers that are their own edge: kubelet, pods' packets, API, etcd, node exporter."""


@dataclass(frozen=True)
class Row:
    """Ports between a kind of machine and a kind of other end. ``owner``: the other end's, ``own``: the machine's."""

    machine: str
    other: str
    ports: tuple[str, ...]
    owner: str = "own"
    tier: str = ""
    """Of the machine. Empty: any."""


class NetworkExpectation:
    """Answers for one environment, or for the hub where there is none."""

    def __init__(self, scope: Scope, sites: Sites) -> None:
        self._scope = scope
        self._sites = sites
        network = scope.system.network
        self._hub = isinstance(network, HubAndSpoke)
        self._tiers = {tier.name: tier.egress for tier in network.tiers}
        # Nodes that AWS manages have no service load balancer: the mesh's gateway, too, is on ports of Services.
        self._ingress = NODE_PORTS if scope.managed else INGRESS_PORTS[scope.system.platform.ingress.kind]
        doors = tuple(f"TCP {port}" for port in self._ingress)
        parts = (
            self._nodes_by_groups(doors) if scope.managed else self._nodes_by_subnets(doors),
            self._stores(),
            self._around(),
        )
        self._rows: dict[Way, tuple[Row, ...]] = {
            "ingress": tuple(row for part in parts for row in part["ingress"]),
            "egress": tuple(row for part in parts for row in part["egress"]),
        }

    def _nodes_by_subnets(self, doors: tuple[str, ...]) -> dict[Way, tuple[Row, ...]]:
        """Of a cluster on machines of its own: the nodes, and the entry in front of them."""
        scope, nodes = self._scope, self._scope.node_tiers
        own_network = isinstance(scope.system.platform.cni, NetworkPolicies)
        between = BETWEEN if scope.exposed and own_network else (EVERYTHING,)
        edge = (PUBLIC_TIER, HUB) if self._hub else (EDGE, "own")
        return {
            "ingress": (
                *(Row(NODE, peer, between, tier=tier) for tier in nodes for peer in self._admitted(tier)),
                *(Row(NODE, edge[0], doors, edge[1], tier) for tier in scope.entered_tiers),
                Row(NODE, PRIVATE_TIER, ADMINISTRATION, HUB),
                *(Row(ENTRY, tier, API) for tier in nodes),
                *((Row(ENTRY, edge[0], WEB, edge[1]),) if self._hub else ()),
                Row(ENTRY, PRIVATE_TIER, API, HUB),
                Row(ENTRY, OPERATORS, API, VPN),
            ),
            "egress": (
                *(Row(NODE, tier, between) for tier in nodes),
                *(Row(ENTRY, tier, (EVERYTHING,)) for tier in nodes),
            ),
        }

    def _nodes_by_groups(self, doors: tuple[str, ...]) -> dict[Way, tuple[Row, ...]]:
        """Of a cluster that AWS manages: whatever speaks with its nodes has a group, and is let in by that. Only an
        edge in a hub, whose group is not known here, comes from its subnets, to an entry and to nodes."""
        everything, called = (EVERYTHING,), ("TCP 443", "TCP 10250", "TCP 15017")
        entered = self._scope.entered_tiers
        return {
            "ingress": (
                Row(NODE, NODE, everything),
                Row(NODE, CONTROL, called),
                Row(NODE, EDGE, doors),
                *(Row(NODE, ENTRY, doors, tier=tier) for tier in entered),
                *(Row(NODE, PUBLIC_TIER, doors, HUB, tier) for tier in entered),
                Row(CONTROL, NODE, HTTPS),
                Row(CONTROL, PRIVATE_TIER, HTTPS, HUB),
                Row(CONTROL, OPERATORS, HTTPS, VPN),
                Row(ENTRY, PUBLIC_TIER, WEB, HUB),
            ),
            "egress": (
                Row(NODE, NODE, everything),
                Row(NODE, CONTROL, HTTPS),
                Row(CONTROL, NODE, called),
                Row(ENTRY, NODE, everything),
            ),
        }

    def _stores(self) -> dict[Way, tuple[Row, ...]]:
        """Database machines, which know nodes by subnets (not services: every node on the ports of all such stores),
        and databases that AWS runs, which know them by their groups."""
        scope, network = self._scope, self._scope.system.network
        stores = [store for store in scope.system.stores if not isinstance(store, Bucket)]
        ports = tuple(sorted({f"TCP {store_port(store)}" for store in stores if store.kind in MACHINE_KINDS}))
        replicated = tuple(sorted({f"TCP {store_port(store)}" for store in stores if store.kind == "postgresql"}))
        managed = tuple(sorted({f"TCP {store_port(scope.system.store(name))}" for name in scope.managed_stores}))
        return {
            "ingress": (
                *(Row(DATABASE, tier, ports) for tier in scope.node_tiers),
                Row(DATABASE, DATABASE, replicated),
                Row(MANAGED, NODE, managed),
            ),
            "egress": (
                *((Row(NODE, network.data, (EVERYTHING,)),) if network.data else ()),
                Row(NODE, MANAGED, managed),
                Row(DATABASE, DATABASE, replicated),
                Row(DATABASE, S3, HTTPS, ""),
            ),
        }

    def _around(self) -> dict[Way, tuple[Row, ...]]:
        """The edge, the bastion, endpoints, and the world."""
        everything, nodes = (EVERYTHING,), self._scope.node_tiers
        behind: tuple[Row, ...] = tuple(Row(EDGE, tier, everything) for tier in self._scope.entered_tiers)
        if self._hub:
            behind = tuple(Row(EDGE, tier, everything, ANYWHERE) for tier in nodes)
        elif self._scope.managed:
            behind = (Row(EDGE, NODE, everything),)
        return {
            "ingress": (*(Row(ENDPOINT, tier, HTTPS) for tier in (*self._tiers, REST)), *self._entering()),
            "egress": (
                Row(NODE, ANYWHERE, self._outward()),
                *behind,
                *(Row(BASTION, tier, ADMINISTRATION, ANYWHERE) for tier in nodes),
                Row(BASTION, ANYWHERE, HTTPS),
            ),
        }

    def _entering(self) -> tuple[Row, ...]:
        """Who opens connections to the edge: everybody, or the declared part of the public addresses. Of servers that
        are their own edge, administrators reach more."""
        network = self._scope.system.network
        machine, tier = EDGE, ""
        administered: tuple[Row, ...] = ()
        if self._scope.exposed:
            machine, tier = NODE, network.control
            administered = (Row(NODE, OPERATORS, ADMINISTRATION, VPN, tier),)
        if self._scope.withdrawn:
            return tuple(Row(machine, place, WEB) for place in (*self._tiers, REST))
        if isinstance(network, HubAndSpoke) or network.public_sources is None:
            return (Row(machine, ANYWHERE, WEB, tier=tier), *administered)
        part = tuple(f"{port} (a part of it)" for port in WEB)
        return (Row(machine, SOURCES, WEB, "", tier), Row(machine, S3, part, "", tier), *administered)

    def _admitted(self, tier: str) -> tuple[str, ...]:
        """Tiers whose nodes may speak to those of a tier."""
        nodes = self._scope.node_tiers
        declared = next(item.admits for item in self._scope.system.network.tiers if item.name == tier)
        return tuple(name for name in nodes if declared is None or name in (*declared, tier))

    def _outward(self) -> tuple[str, ...]:
        """What nodes may ask of anybody: HTTPS, and the ports of what is declared outside."""
        declared = {port for external in self._scope.externals for port in external.ports}
        mail = {int(receiver.server.rpartition(":")[2]) for receiver in self._receivers() if receiver.kind == "email"}
        platform = self._scope.system.platform
        git = {platform.delivery.port} if isinstance(platform.delivery, Flux) else set()
        ubuntu = isinstance(platform.cluster, K3s) and platform.cluster.machines.startswith("ubuntu")
        packages = {80} if ubuntu else set()
        return (*HTTPS, *(f"TCP {port}" for port in sorted((declared | mail | git | packages) - {443})))

    def _receivers(self) -> tuple[Receiver, ...]:
        return self._scope.system.platform.observability.receivers

    def ports(self, machine: Site, way: Way, other: Site) -> frozenset[str]:
        """Ports that the machine's groups are expected to let through."""
        kinds = {other.name, other.role, self._sites.tier(other) if other.is_machine else other.role}
        found: set[str] = set()
        for row in self._rows[way]:
            anywhere = row.other == ANYWHERE and other.role != INTERNET6
            known = row.other in kinds and self._owned(row, machine, other)
            placed = not row.tier or row.tier == self._sites.tier(machine)
            if row.machine == machine.role and placed and (anywhere or known):
                found |= set(row.ports)
        return frozenset({EVERYTHING}) if EVERYTHING in found else frozenset(found)

    def _owned(self, row: Row, machine: Site, other: Site) -> bool:
        owners = {"own": (machine.owner,), ANYWHERE: tuple(self._scope.system.environments)}
        return other.owner in owners.get(row.owner, (row.owner,))

    def path(self, source: Site, place: Site) -> frozenset[str]:
        """How packets are expected to go."""
        return frozenset({self._path(source, place)})

    def _path(self, source: Site, place: Site) -> str:
        if place.role == INTERNET6:
            return NOWHERE
        if not source.subnets:
            return self._from_outside(source, place)
        if place.role == S3:
            return BY_ENDPOINT
        if place.vpc == source.vpc:
            return LOCAL
        if place.role == INTERNET or (self._scope.exposed and place.role == OPERATORS):
            return {"internet": INTERNET_GATEWAY, "nat": NAT}.get(self._egress(source), NOWHERE)
        if source.owner == HUB:
            known = place.owner in (*self._scope.system.environments, VPN)
            return TRANSIT if known else NOWHERE
        known = place.owner == HUB or place.role == OPERATORS
        return TRANSIT if known and source.role == self._scope.system.network.control else NOWHERE

    def _from_outside(self, source: Site, place: Site) -> str:
        """The networks behind the VPN reach the hub and the spokes; another environment reaches nothing here."""
        if not self._hub:
            return NOWHERE
        if source.owner != VPN:
            return TRANSIT if place.owner == HUB and place.vpc else NOWHERE
        return TRANSIT if place.owner in (*self._scope.system.environments, HUB) else NOWHERE

    def _egress(self, subnet: Site) -> str:
        if subnet.owner == HUB:
            return {PUBLIC_TIER: "internet", PRIVATE_TIER: "nat"}.get(subnet.role, "none")
        return self._tiers.get(subnet.role, "none")

    def listeners(self, balancer: Site, joined: Iterable[str]) -> dict[int, frozenset[str]] | None:
        """Ports of a balancer and what they lead to; None for one that another stack fills."""
        if balancer.role == ENTRY:
            led = dict(zip((80, 443, 6443), (*self._ingress[:2], 6443), strict=True))
            ports = (*(WEB_PORTS if self._hub else ()), *(() if self._scope.managed else (6443,)))
            return {port: frozenset({f"{NODE}:{led[port]}"}) for port in ports}
        if not self._hub:
            return {
                port: frozenset({f"{NODE}:{target}"}) for port, target in zip(WEB_PORTS, self._ingress, strict=False)
            }
        if balancer.name in set(joined):
            return {port: frozenset({f"{ENTRY}:{port}"}) for port in (80, 443)}
        return None
