"""The address plan: subnets per tier and zone, and the fixed addresses inside them.

Zone ``n`` of a tier with offset ``o`` has the network number ``stride * n + o`` of its VPC, counted in networks of the
tier's prefix, so that an appended zone or tier never moves an existing subnet.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import combinations
from typing import Final, Literal

from model import DeclarationError, Tier

DATABASE_FIRST_ADDRESS: Final = 10
"""AWS reserves the first four addresses and the last of every subnet (Amazon VPC user guide, subnet sizing)."""
ENTRY_ADDRESS: Final = 10


@dataclass(frozen=True)
class SubnetPlan:
    """One subnet."""

    name: str
    tier: str
    zone: str
    index: int
    """The zone's number, from 0."""
    cidr: str
    egress: Literal["internet", "nat", "none"]

    def address(self, number: int) -> str:
        """The ``number``-th address of the subnet."""
        return str(IPv4Network(self.cidr)[number])


@dataclass(frozen=True)
class AddressPlan:
    """A VPC's range and its subnets, tier by tier."""

    cidr: str
    subnets: tuple[SubnetPlan, ...]

    def tier(self, name: str) -> tuple[SubnetPlan, ...]:
        """The subnets of a tier, one per zone."""
        return tuple(subnet for subnet in self.subnets if subnet.tier == name)

    def cidrs(self, tier: str) -> tuple[str, ...]:
        return tuple(subnet.cidr for subnet in self.tier(tier))


def address_plan(cidr: str, tiers: tuple[Tier, ...], zones: tuple[str, ...], stride: int) -> AddressPlan:
    """Cut a VPC's range into subnets: one per tier and zone, disjoint and inside the range.

    Raises DeclarationError when the range has too few networks of a tier's size, or two tiers meet.
    """
    subnets = []
    for tier in tiers:
        count = 2 ** (tier.prefix - IPv4Network(cidr).prefixlen)
        for index, zone in enumerate(zones):
            number = stride * index + tier.offset
            if number >= count:
                raise DeclarationError(
                    f"tier '{tier.name}' in zone {zone} needs /{tier.prefix} number {number} of {cidr}, which has "
                    f"{int(count)}; use a larger range or fewer zones"
                )
            subnets.append(
                SubnetPlan(
                    name=f"{tier.name}-{zone[-1]}",
                    tier=tier.name,
                    zone=zone,
                    index=index,
                    cidr=_network(cidr, tier.prefix, number),
                    egress=tier.egress,
                )
            )
    for other, subnet in combinations(subnets, 2):
        if IPv4Network(other.cidr).overlaps(IPv4Network(subnet.cidr)):
            raise DeclarationError(
                f"tiers '{other.tier}' in zone {other.zone} and '{subnet.tier}' in zone {subnet.zone} meet: "
                f"{other.cidr} and {subnet.cidr}; a tier takes the network of its offset plus {stride} per zone: set "
                "their offsets further apart, or raise network.stride"
            )
    return AddressPlan(cidr, tuple(subnets))


def _network(cidr: str, prefix: int, number: int) -> str:
    whole = IPv4Network(cidr)
    size = 2 ** (whole.max_prefixlen - prefix)
    return f"{whole.network_address + number * size}/{prefix}"
