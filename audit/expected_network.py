"""What the declaration says about the networks: routes, firewalls and balancers of a hub with its spokes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from audit.firewall import EVERYTHING, Way
from audit.routes import ENDPOINT, INTERNET_GATEWAY, LOCAL, NAT, NOWHERE, TRANSIT
from audit.scope import Scope, store_port
from audit.sites import (
    BASTION,
    DATABASE,
    DB,
    EDGE,
    ENTRY,
    HUB,
    INTERNET,
    INTERNET6,
    K8S,
    NODE,
    OPERATORS,
    PRIVATE_TIER,
    PUBLIC_TIER,
    S3,
    VPN,
    Site,
    Sites,
)
from model import Bucket

ANYWHERE: Final = "anywhere"
WEB: Final = ("TCP 80", "TCP 443")
HTTPS: Final = ("TCP 443",)
INGRESS_PORTS: Final = {"istio": (80, 443, 15021), "nginx": (30080, 30443, 30081)}
"""Redirect, TLS and health on the nodes, by kind of ingress."""
ADMINISTRATION: Final = ("TCP 22", "TCP 6443")
API: Final = ("TCP 6443",)


@dataclass(frozen=True)
class Row:
    """Ports between a kind of machine and a kind of other end. ``owner``: the other end's, ``own``: the machine's."""

    machine: str
    other: str
    ports: tuple[str, ...]
    owner: str = "own"


class NetworkExpectation:
    """Answers for one environment, or for the hub where there is none."""

    def __init__(self, scope: Scope, sites: Sites) -> None:
        self._scope = scope
        self._sites = sites
        self._tiers = {tier.name: tier.egress for tier in scope.system.network.tiers}
        everything = (EVERYTHING,)
        self._ingress = INGRESS_PORTS[scope.system.platform.ingress.kind]
        doors = tuple(f"TCP {port}" for port in self._ingress)
        stores = tuple(sorted({f"TCP {store_port(s)}" for s in scope.system.stores if not isinstance(s, Bucket)}))
        replicated = tuple(
            sorted(
                {
                    f"TCP {store_port(store)}"
                    for store in scope.system.stores
                    if not isinstance(store, Bucket) and store.kind == "postgresql"
                }
            )
        )
        self._rows: dict[Way, tuple[Row, ...]] = {
            "ingress": (
                Row(NODE, K8S, everything),
                Row(NODE, PUBLIC_TIER, doors, HUB),
                Row(NODE, PRIVATE_TIER, ADMINISTRATION, HUB),
                Row(ENTRY, K8S, API),
                Row(ENTRY, PUBLIC_TIER, WEB, HUB),
                Row(ENTRY, PRIVATE_TIER, API, HUB),
                Row(ENTRY, OPERATORS, API, VPN),
                Row(DATABASE, K8S, stores),
                Row(DATABASE, DATABASE, replicated),
                Row(EDGE, ANYWHERE, WEB),
            ),
            "egress": (
                Row(NODE, K8S, everything),
                Row(NODE, DB, everything),
                Row(NODE, ANYWHERE, HTTPS),
                Row(ENTRY, K8S, everything),
                Row(DATABASE, DATABASE, replicated),
                Row(DATABASE, S3, HTTPS, ""),
                Row(EDGE, K8S, everything, ANYWHERE),
                Row(BASTION, K8S, ADMINISTRATION, ANYWHERE),
                Row(BASTION, ANYWHERE, HTTPS),
            ),
        }
        """The node group admits the store ports of all stores to the data subnets: it knows subnets, not services."""

    def ports(self, machine: Site, way: Way, other: Site) -> frozenset[str]:
        """Ports that the machine's groups are expected to let through."""
        kinds = {other.role, self._sites.tier(other) if other.is_machine else other.role}
        found: set[str] = set()
        for row in self._rows[way]:
            anywhere = row.other == ANYWHERE and other.role != INTERNET6
            known = row.other in kinds and self._owned(row, machine, other)
            if row.machine == machine.role and (anywhere or known):
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
            return ENDPOINT
        if place.vpc == source.vpc:
            return LOCAL
        if place.role == INTERNET:
            return {"internet": INTERNET_GATEWAY, "nat": NAT}.get(self._egress(source), NOWHERE)
        if source.owner == HUB:
            known = place.owner in (*self._scope.system.environments, VPN)
            return TRANSIT if known else NOWHERE
        known = place.owner == HUB or place.role == OPERATORS
        return TRANSIT if known and source.role == K8S else NOWHERE

    def _from_outside(self, source: Site, place: Site) -> str:
        """The networks behind the VPN reach the hub and the spokes; another environment reaches nothing here."""
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
            return {port: frozenset({f"{NODE}:{target}"}) for port, target in led.items()}
        if balancer.name in set(joined):
            return {port: frozenset({f"{ENTRY}:{port}"}) for port in (80, 443)}
        return None
