"""The networks of a hub-and-spoke deployment, as far as both sides must agree on them."""

from __future__ import annotations

from dataclasses import dataclass

from derive import firewall
from derive.addresses import ENTRY_ADDRESS, AddressPlan, address_plan
from derive.limits import LOAD_BALANCER_NAME, fits
from model import DeclarationError, HubAndSpoke, System, Tier
from model.environment import Environment

HUB_TIERS = (
    Tier(name="public", offset=1, egress="internet"),
    Tier(name="private", offset=2, egress="nat"),
)
"""The hub: its edge in public subnets; bastion and Transit Gateway attachment in private ones."""


@dataclass(frozen=True)
class EdgePlan:
    """One environment's public load balancer in the hub."""

    environment: str
    name: str
    """At most 32 characters."""
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class HubPlan:
    """The shared network."""

    addresses: AddressPlan
    spokes: dict[str, str]
    """Range of each environment's VPC."""
    domain: str
    edges: tuple[EdgePlan, ...]
    groups: tuple[firewall.Group, ...]


@dataclass(frozen=True)
class SpokePlan:
    """One environment's network."""

    addresses: AddressPlan
    hub_cidr: str
    entry: dict[str, str]
    """Fixed address of the cluster's entry by subnet name."""
    nat_zones: int
    groups: tuple[firewall.Group, ...]


def zone_names(region: str, count: int) -> tuple[str, ...]:
    return tuple(f"{region}{letter}" for letter in "abcdef"[:count])


def hub_and_spoke(system: System) -> HubAndSpoke:
    """The system's network, refused when it has no hub."""
    if not isinstance(system.network, HubAndSpoke):
        raise DeclarationError(f"system '{system.name}' has no hub: its network is '{system.network.kind}'")
    return system.network


def public_hosts(system: System, domain: str) -> tuple[str, ...]:
    """Host names of the routes under an environment's domain, in declared order."""
    return tuple(dict.fromkeys(domain if r.host == "@" else f"{r.host}.{domain}" for r in system.routes))


def hub_addresses(network: HubAndSpoke, region: str) -> AddressPlan:
    return address_plan(network.hub, HUB_TIERS, zone_names(region, network.hub_zones))


def spoke_addresses(network: HubAndSpoke, environment: Environment, region: str) -> AddressPlan:
    return address_plan(environment.cidr, network.tiers, zone_names(region, environment.zones))


def hub_plan(system: System, region: str) -> HubPlan:
    """The hub for all of the system's environments, whether they are up or not."""
    network = hub_and_spoke(system)
    clusters = tuple(
        cidr
        for environment in system.environments.values()
        for cidr in spoke_addresses(network, environment, region).cidrs("k8s")
    )
    return HubPlan(
        addresses=hub_addresses(network, region),
        spokes={name: environment.cidr for name, environment in system.environments.items()},
        domain=system.domain,
        edges=tuple(
            EdgePlan(
                name,
                fits(f"{system.name}-{name}-edge", LOAD_BALANCER_NAME, "load balancer"),
                public_hosts(system, environment.domain),
            )
            for name, environment in system.environments.items()
        ),
        groups=(
            firewall.edge_group((firewall.HTTP, firewall.HTTPS), clusters),
            firewall.bastion_group(clusters),
        ),
    )


def spoke_plan(system: System, environment: Environment, region: str, operators: tuple[str, ...]) -> SpokePlan:
    """One spoke. ``operators``: ranges behind the VPN that may reach the Kubernetes API."""
    network = hub_and_spoke(system)
    hub = hub_addresses(network, region)
    addresses = spoke_addresses(network, environment, region)
    edge, bastion = hub.cidrs("public"), hub.cidrs("private")
    cluster, data = addresses.cidrs("k8s"), addresses.cidrs("db")
    return SpokePlan(
        addresses=addresses,
        hub_cidr=network.hub,
        entry={subnet.name: subnet.address(ENTRY_ADDRESS) for subnet in addresses.tier("k8s")},
        nat_zones=environment.zones if environment.nat_per_zone else 1,
        groups=(
            firewall.entry_group(edge, (*bastion, *operators), cluster),
            firewall.node_group(edge, bastion, cluster, data),
            firewall.database_group(cluster),
        ),
    )
