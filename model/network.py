"""Networks: address ranges, tiers and zones."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import Field, field_validator

from model.base import DeclarationError, Declared, Name


class Tier(Declared):
    """One kind of subnet, repeated per zone. Zone ``n`` (from 0) gets the /24 number ``10 * n + offset``."""

    name: Name
    offset: int = Field(ge=1, le=9)
    egress: Literal["internet", "nat", "none"]
    """Where its default route leads."""


SPOKE_TIERS = ("public", "k8s", "db")
"""Where the NAT gateways, the cluster and the databases of a spoke stand."""


class HubAndSpoke(Declared):
    """A hub VPC with the edge and a Transit Gateway; one spoke VPC per environment."""

    kind: Literal["hub-and-spoke"] = "hub-and-spoke"
    hub: str
    """CIDR of the hub's VPC."""
    hub_zones: int = Field(2, ge=1, le=6)
    tiers: tuple[Tier, ...] = (
        Tier(name="public", offset=1, egress="internet"),
        Tier(name="k8s", offset=2, egress="nat"),
        Tier(name="db", offset=3, egress="none"),
    )
    private_zone: str = "database.internal"
    """Route 53 private zone that names the stores of a spoke."""

    @field_validator("hub")
    @classmethod
    def _network(cls, value: str) -> str:
        return vpc_range("network.hub", value)

    @field_validator("tiers")
    @classmethod
    def _needed_tiers(cls, tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
        missing = [name for name in SPOKE_TIERS if name not in {tier.name for tier in tiers}]
        if missing:
            raise DeclarationError(f"network.tiers has no tier '{missing[0]}'; a spoke needs {', '.join(SPOKE_TIERS)}")
        return tiers


class SingleVpc(Declared):
    """One VPC per environment, with its own edge."""

    kind: Literal["single-vpc"] = "single-vpc"
    tiers: tuple[Tier, ...]
    private_zone: str = "database.internal"


Network = Annotated[HubAndSpoke | SingleVpc, Field(discriminator="kind")]


def vpc_range(place: str, value: str) -> str:
    """Check that ``value`` is a private /16 to /20 without host bits (Amazon VPC allows /16 to /28)."""
    try:
        network = IPv4Network(value)
    except ValueError as error:
        raise DeclarationError(f"{place} '{value}' is not an IPv4 network: {error}") from error
    if not network.is_private or not 16 <= network.prefixlen <= 20:
        raise DeclarationError(f"{place} '{value}' must be a private range between /16 and /20")
    return value
