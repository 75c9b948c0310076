"""Networks: address ranges, tiers and zones."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from model.base import DeclarationError, Declared, Name, did_you_mean
from model.ingress import Sources


class Tier(Declared):
    """One kind of subnet, repeated per zone. Zone ``n`` (from 0) gets the network number ``stride * n + offset`` of all
    that have the tier's prefix."""

    name: Name
    offset: int = Field(ge=0, le=255)
    prefix: int = Field(24, ge=17, le=28)
    egress: Literal["internet", "nat", "none"]
    """Where its default route leads."""
    admits: tuple[Name, ...] | None = None
    """Tiers whose machines may open connections to this one's. Absent: every tier that holds machines."""


class _Tiers(Declared):
    """What every kind of network has: tiers, and which of them holds what."""

    tiers: tuple[Tier, ...]
    stride: int = Field(ge=1, le=100)
    """Distance between a tier's /24 networks in neighbouring zones."""
    public: Name = "public"
    """The tier of the NAT gateways and of load balancers that face the internet."""
    control: Name
    """The tier of the cluster's control plane, and of the pools that name none of their own."""
    data: Name | None = None
    """The tier of database machines. Absent: there are none."""
    private_zone: str = "database.internal"
    """Route 53 private zone that names the stores outside the cluster."""

    @model_validator(mode="after")
    def _named_tiers(self) -> Self:
        names = [tier.name for tier in self.tiers]
        places = {"public": self.public, "control": self.control} | ({"data": self.data} if self.data else {})
        places |= {
            f"tiers['{tier.name}'].admits[{index}]": admitted
            for tier in self.tiers
            for index, admitted in enumerate(tier.admits or ())
        }
        for place, name in places.items():
            if name not in names:
                raise DeclarationError(f"network.{place} names '{name}', which is no tier{did_you_mean(name, names)}")
        return self


class HubAndSpoke(_Tiers):
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
    stride: int = Field(10, ge=1, le=100)
    control: Name = "k8s"
    data: Name | None = "db"

    @field_validator("hub")
    @classmethod
    def _network(cls, value: str) -> str:
        return vpc_range("network.hub", value)


class SingleVpc(_Tiers):
    """One VPC per environment, with its own edge."""

    kind: Literal["single-vpc"] = "single-vpc"
    stride: int = Field(1, ge=1, le=100)
    public_sources: Sources | None = None
    """Who may open connections to the edge. Absent: everybody."""
    edge: Literal["public", "internal", "nodes"] = "public"
    """A load balancer in front of the ingress, or none: with ``nodes``, the servers themselves have public addresses
    that stay, administrators reach them by SSH and the Kubernetes API there, and the control tier is the public one.
    ``internal``: something inside the VPC, for example an API Gateway's link, is the load balancer's only client."""
    endpoints: tuple[Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")], ...] = ()
    """AWS services that have interface endpoints in the control plane's tier, e.g. ``sts`` or ``ecr.api``. S3 has its
    gateway endpoint in any case."""

    @model_validator(mode="after")
    def _where_nodes_answer(self) -> SingleVpc:
        if self.edge == "nodes" and self.control != self.public:
            raise DeclarationError(
                f"network.edge is 'nodes', so the servers stand in tier '{self.public}'; set network.control to it, or "
                "network.edge to 'public'"
            )
        return self


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
