"""Routes: where a packet from a subnet goes, through route tables, gateways and the Transit Gateway's own tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Final

from audit.addresses import PRIVATE, Ranges, common, ranges, without
from audit.resources import Registry
from audit.sites import HUB, INTERNET6, S3, VPN, VPN_OUTPUT, Site, Sites

LOCAL: Final = "local"
TRANSIT: Final = "Transit Gateway"
INTERNET_GATEWAY: Final = "internet gateway"
NAT: Final = "NAT gateway"
ENDPOINT: Final = "S3 endpoint"
PEERING: Final = "peering connection"
NOWHERE: Final = "nowhere"
OTHER: Final = "another target"
SPOKES_OUTPUT: Final = "transitSpokeTable"
HUB_OUTPUT: Final = "transitHubTable"
"""The hub's stack outputs with the tables that a spoke uses and is known to: environments that are not in the audited
stacks are taken to be joined as the hub tells them to."""


@dataclass(frozen=True)
class Route:
    """One entry of a table. ``via``: kind of target; ``target``: its id."""

    addresses: Ranges
    length: int
    via: str
    target: str


class Routes:
    """Every route table of the registered networks."""

    def __init__(self, registry: Registry, sites: Sites) -> None:
        self._sites = sites
        self._registry = registry
        self._known: dict[tuple[str, str], frozenset[str]] = {}
        self._tables: dict[str, list[Route]] = defaultdict(list)
        self._table_of: dict[str, str] = {}
        self._endpoints: set[tuple[str, str]] = set()
        self._read_tables()
        self._networks: dict[str, Ranges] = {}
        """Addresses behind each attachment of the Transit Gateway."""
        self._attachment: dict[str, str] = {}
        """Owner or VPC -> attachment."""
        self._associated: dict[str, str] = {}
        self._transit: dict[str, list[Route]] = defaultdict(list)
        self._read_attachments()
        self._read_transit()
        self._internet = {item.id for item in registry.of("aws:ec2/internetGateway:InternetGateway")}
        self._nat_subnets = {
            item.id: str(item.values.get("subnetId")) for item in registry.of("aws:ec2/natGateway:NatGateway")
        }

    def path(self, source: Site, place: Site) -> frozenset[str]:
        """How packets from a subnet, or from outside through the Transit Gateway, get to a place."""
        known = self._known.get((source.name, place.name))
        if known is None:
            known = self._known[source.name, place.name] = self._path(source, place)
        return known

    def _path(self, source: Site, place: Site) -> frozenset[str]:
        if place.role == INTERNET6 or (place.role == S3 and not source.subnets):
            return frozenset({NOWHERE})
        if source.subnets:
            return frozenset(self._from_subnet(source, place))
        attachment = self._attachment.get(source.owner, "")
        return frozenset(TRANSIT if hop else NOWHERE for hop in self._across(attachment, place.addresses))

    def _from_subnet(self, source: Site, place: Site) -> Iterator[str]:
        table = self._table_of.get(source.subnets[0]) or self._main(source.vpc)
        if place.role == S3:
            yield ENDPOINT if (table, place.prefix_list) in self._endpoints else NOWHERE
            return
        own = str(self._sites.vpcs[source.vpc].values["cidrBlock"])
        local = Route(ranges(own), IPv4Network(own).prefixlen, LOCAL, source.vpc)
        for route, part in _longest([local, *self._tables.get(table, ())], place.addresses):
            yield from self._follow(source, route, part)

    def _follow(self, source: Site, route: Route | None, part: Ranges) -> Iterable[str]:
        if route is None:
            return (NOWHERE,)
        private = bool(common(part, PRIVATE))
        if route.via == TRANSIT:
            attachment = self._attachment.get(source.vpc, "")
            return {TRANSIT if hop else NOWHERE for hop in self._across(attachment, part)}
        if route.via == NAT:
            stands = self._nat_subnets.get(route.target, "")
            table = self._table_of.get(stands, "")
            out = any(
                item.via == INTERNET_GATEWAY and item.length == 0 and item.target in self._internet
                for item in self._tables.get(table, ())
            )
            return (NAT if out and not private else NOWHERE,)
        if route.via == INTERNET_GATEWAY and (private or route.target not in self._internet):
            return (NOWHERE,)
        return (route.via,)

    def _across(self, attachment: str, part: Ranges) -> Iterator[bool]:
        """Whether the Transit Gateway delivers what comes in by an attachment."""
        table = self._associated.get(attachment)
        if table is None:
            yield False
            return
        for route, _ in _longest(self._transit.get(table, ()), part):
            yield route is not None and route.via == TRANSIT

    def _main(self, vpc: str) -> str:
        return str(self._sites.vpcs[vpc].values.get("mainRouteTableId", "")) if vpc in self._sites.vpcs else ""

    def _read_tables(self) -> None:
        registry = self._registry
        for item in registry.of("aws:ec2/route:Route"):
            self._tables[str(item.values["routeTableId"])] += _route(item.values)
        for item in registry.of("aws:ec2/routeTable:RouteTable", "aws:ec2/defaultRouteTable:DefaultRouteTable"):
            for values in item.inputs.get("routes") or ():
                self._tables[item.id] += _route({**values, "destinationCidrBlock": values.get("cidrBlock")})
        for item in registry.of("aws:ec2/routeTableAssociation:RouteTableAssociation"):
            if item.values.get("subnetId"):
                self._table_of[str(item.values["subnetId"])] = str(item.values["routeTableId"])
        for item in registry.of("aws:ec2/vpcEndpoint:VpcEndpoint"):
            for table in item.values.get("routeTableIds") or ():
                self._endpoints.add((str(table), str(item.values.get("prefixListId", ""))))

    def _read_attachments(self) -> None:
        registry, sites = self._registry, self._sites
        for item in registry.of("aws:ec2transitgateway/vpcAttachment:VpcAttachment"):
            vpc = str(item.values["vpcId"])
            cidr = sites.owners.get(sites.owner_of.get(vpc, ""), "")
            if vpc in sites.vpcs:
                cidr = str(sites.vpcs[vpc].values["cidrBlock"])
            self._networks[item.id] = ranges(cidr) if cidr else ()
            self._attachment[vpc] = self._attachment[sites.owner_of.get(vpc, vpc)] = item.id
        for item in registry.of("aws:ec2/vpnConnection:VpnConnection"):
            attachment = str(item.values.get("transitGatewayAttachmentId", ""))
            self._networks[attachment] = ranges(*(registry.output(VPN_OUTPUT) or ()))
            self._attachment[VPN] = attachment
        joined = sites.owners if HUB in sites.owners else {}
        for name, cidr in joined.items():
            if name != HUB and name not in self._attachment:
                self._attachment[name] = name
                self._networks[name] = ranges(cidr)

    def _read_transit(self) -> None:
        registry = self._registry
        for item in registry.of("aws:ec2transitgateway/routeTableAssociation:RouteTableAssociation"):
            attachment = str(item.values["transitGatewayAttachmentId"])
            self._associated[attachment] = str(item.values["transitGatewayRouteTableId"])
        for item in registry.of("aws:ec2transitgateway/routeTablePropagation:RouteTablePropagation"):
            self._announce(
                str(item.values["transitGatewayRouteTableId"]), str(item.values["transitGatewayAttachmentId"])
            )
        for name, attachment in list(self._attachment.items()):
            if name == attachment:
                self._associated[attachment] = str(registry.output(SPOKES_OUTPUT))
                self._announce(str(registry.output(HUB_OUTPUT)), attachment)
        for item in registry.of("aws:ec2transitgateway/route:Route"):
            network = IPv4Network(str(item.values["destinationCidrBlock"]))
            via = "" if item.values.get("blackhole") else TRANSIT
            target = str(item.values.get("transitGatewayAttachmentId", ""))
            table = str(item.values["transitGatewayRouteTableId"])
            self._transit[table].append(Route(ranges(str(network)), network.prefixlen, via, target))

    def _announce(self, table: str, attachment: str) -> None:
        for low, high in self._networks.get(attachment, ()):
            length = 32 - (high - low + 1).bit_length() + 1
            self._transit[table].append(Route(((low, high),), length, TRANSIT, attachment))


def outside(sites: Sites, environment: str | None) -> list[Site]:
    """Places whose packets come in through the Transit Gateway."""
    return [
        site
        for site in sites.places
        if not site.vpc and (site.owner == VPN or (site.owner in sites.owners and site.owner not in (environment, HUB)))
    ]


def _route(values: Mapping[str, Any]) -> Iterator[Route]:
    cidr = values.get("destinationCidrBlock")
    if not cidr:
        return
    network = IPv4Network(str(cidr))
    targets = {
        "transitGatewayId": TRANSIT,
        "natGatewayId": NAT,
        "gatewayId": INTERNET_GATEWAY,
        "vpcPeeringConnectionId": PEERING,
        "networkInterfaceId": OTHER,
        "vpcEndpointId": OTHER,
        "egressOnlyGatewayId": OTHER,
        "localGatewayId": OTHER,
        "carrierGatewayId": OTHER,
        "coreNetworkArn": OTHER,
    }
    for key, via in targets.items():
        if values.get(key):
            kind = via if via != INTERNET_GATEWAY or str(values[key]).startswith("igw-") else OTHER
            yield Route(ranges(str(network)), network.prefixlen, kind, str(values[key]))


def _longest(routes: Iterable[Route], wanted: Ranges) -> Iterator[tuple[Route | None, Ranges]]:
    """The wanted addresses, divided among the routes that carry them; the longest prefix goes first."""
    rest = wanted
    for route in sorted(routes, key=lambda item: -item.length):
        part = common(rest, route.addresses)
        if part:
            yield route, part
            rest = without(rest, part)
    if rest:
        yield None, rest
