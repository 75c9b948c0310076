"""Machines and places of the networks: what each registered resource is, in one place.

A machine has security groups; a place is a range of addresses: a subnet, another environment, the networks behind the
VPN, the internet. Together the places cover every address, so that a rule that is too wide admits one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any, Final

from audit.addresses import PRIVATE, PUBLIC, Ranges, common, merged, ranges, without
from audit.resources import Registry, Resource
from audit.scope import Scope
from model import HubAndSpoke, SingleVpc
from model.sources import source_ranges

HUB: Final = "hub"
NODE, DATABASE, BASTION, ENTRY, EDGE = "node", "database", "bastion", "entry", "edge"
CONTROL, MANAGED, ENDPOINT = "control plane", "managed database", "endpoint"
"""What AWS runs inside the network."""
PUBLIC_TIER, PRIVATE_TIER = "public", "private"
"""The hub's tiers; those of the environments are declared."""
S3, INTERNET, INTERNET6, VPN, OPERATORS, REST = "S3", "internet", "internet over IPv6", "VPN", "operators", "rest"
SOURCES: Final = "the declared sources"
"""The part of the internet that may open connections to the edge, where it is declared."""
UNKNOWN_MACHINE: Final = "unknown machine"
VPN_OUTPUT: Final = "vpnRanges"
"""The hub's stack output with the networks behind its VPN connections: BGP announces them, no resource holds them."""


@dataclass(frozen=True)
class Site:
    """One end of a connection between machines."""

    name: str
    role: str
    """What it is to the expectation: a machine's kind, a subnet's tier, or a word above."""
    owner: str = ""
    """The environment (or hub) it lies in."""
    vpc: str = ""
    subnets: tuple[str, ...] = ()
    addresses: Ranges = ()
    groups: tuple[str, ...] | None = None
    """Security groups of a machine; None: a place."""
    prefix_list: str = ""

    @property
    def is_machine(self) -> bool:
        return self.groups is not None


class Sites:
    """Every machine and place of the registered networks."""

    def __init__(self, registry: Registry, scope: Scope) -> None:
        self._registry = registry
        self._scope = scope
        network = scope.system.network
        self.owners: dict[str, str] = {name: item.cidr for name, item in scope.system.environments.items()}
        if isinstance(network, HubAndSpoke):
            self.owners[HUB] = network.hub
        self.vpcs = {item.id: item for item in registry.of("aws:ec2/vpc:Vpc")}
        self.owner_of = {vpc: self._owner(item) for vpc, item in self.vpcs.items()}
        self._subnets = {item.id: item for item in registry.of("aws:ec2/subnet:Subnet")}
        self.subnets = {item.name: item for item in self._subnet_sites()}
        self.machines = [
            *self._instances(),
            *self._groups_of_machines(),
            *self._managed_nodes(),
            *self._balancers(),
            *self._run_by_aws(),
        ]
        self.places = [*self.subnets.values(), *self._elsewhere()]
        self.by_subnet = {site.subnets[0]: site for site in self.subnets.values()}

    def tier(self, machine: Site) -> str:
        """The tier of a machine's subnets."""
        return next((self.by_subnet[subnet].role for subnet in machine.subnets if subnet in self.by_subnet), "")

    def _owner(self, vpc: Resource) -> str:
        cidr = str(vpc.values.get("cidrBlock"))
        return next((name for name, own in self.owners.items() if own == cidr), vpc.name)

    def _subnet_sites(self) -> Iterator[Site]:
        for item in self._subnets.values():
            vpc, tags = str(item.values["vpcId"]), item.values.get("tags") or {}
            yield Site(
                name=str(tags.get("Name") or item.name),
                role=str(tags.get("Tier") or "untiered"),
                owner=self.owner_of.get(vpc, ""),
                vpc=vpc,
                subnets=(item.id,),
                addresses=ranges(str(item.values["cidrBlock"])),
            )

    def _instances(self) -> Iterator[Site]:
        zone = self._scope.private_zone
        names = {
            address: str(item.values["name"])
            for item in self._registry.of("aws:route53/record:Record")
            for address in item.values.get("records") or ()
            if str(item.values["name"]).endswith(f".{zone}")
        }
        for item in self._registry.of("aws:ec2/instance:Instance"):
            address, subnet = item.values.get("privateIp"), str(item.values.get("subnetId"))
            where = self._subnets.get(subnet)
            vpc = str(where.values["vpcId"]) if where else ""
            owner = self.owner_of.get(vpc, "")
            known = names.get(str(address))
            tier = (where.values.get("tags") or {}).get("Tier") if where else None
            serves = self._scope.exposed and tier in self._scope.node_tiers
            role = DATABASE if known else BASTION if owner == HUB else NODE if serves else UNKNOWN_MACHINE
            tags = item.values.get("tags") or {}
            yield Site(
                name=known.removesuffix(f".{zone}") if known else str(tags.get("Name") or item.name),
                role=role,
                owner=owner,
                vpc=vpc,
                subnets=(subnet,),
                addresses=ranges(str(address)) if address and known else self._ranges((subnet,)),
                groups=tuple(item.values.get("vpcSecurityGroupIds") or ()),
            )

    def _groups_of_machines(self) -> Iterator[Site]:
        templates = {item.id: item for item in self._registry.of("aws:ec2/launchTemplate:LaunchTemplate")}
        for item in self._registry.of("aws:autoscaling/group:Group"):
            template = templates.get(str((item.values.get("launchTemplate") or {}).get("id")))
            subnets = tuple(item.values.get("vpcZoneIdentifiers") or ())
            if template is not None:
                yield self._machine(item, NODE, subnets, _template_groups(template.values))

    def _managed_nodes(self) -> Iterator[Site]:
        templates = {item.id: item for item in self._registry.of("aws:ec2/launchTemplate:LaunchTemplate")}
        for item in self._registry.of("aws:eks/nodeGroup:NodeGroup"):
            template = templates.get(str((item.values.get("launchTemplate") or {}).get("id")))
            if template is not None:
                subnets = tuple(item.values.get("subnetIds") or ())
                yield self._machine(item, NODE, subnets, _template_groups(template.values))

    def _run_by_aws(self) -> Iterator[Site]:
        for item in self._registry.of("aws:eks/cluster:Cluster"):
            place = item.values.get("vpcConfig") or {}
            subnets, groups = tuple(place.get("subnetIds") or ()), tuple(place.get("securityGroupIds") or ())
            yield self._machine(item, CONTROL, subnets, groups)
        spread = {
            str(item.values.get("name")): tuple(item.values.get("subnetIds") or ())
            for item in self._registry.of("aws:rds/subnetGroup:SubnetGroup")
        }
        for item in self._registry.of("aws:rds/instance:Instance"):
            subnets = spread.get(str(item.values.get("dbSubnetGroupName")), ())
            found = self._machine(item, MANAGED, subnets, item.values.get("vpcSecurityGroupIds") or ())
            yield replace(found, name=stored_in(item, self._scope) or found.name)
        for item in self._registry.of("aws:ec2/vpcEndpoint:VpcEndpoint"):
            if item.values.get("vpcEndpointType") == "Interface":
                subnets = tuple(item.values.get("subnetIds") or ())
                yield self._machine(item, ENDPOINT, subnets, item.values.get("securityGroupIds") or ())

    def _balancers(self) -> Iterator[Site]:
        for item in self._registry.of("aws:lb/loadBalancer:LoadBalancer"):
            mappings = item.values.get("subnetMappings") or ()
            subnets = tuple(entry["subnetId"] for entry in mappings) or tuple(item.values.get("subnets") or ())
            fixed = [entry["privateIpv4Address"] for entry in mappings if entry.get("privateIpv4Address")]
            # Where nothing of the network is public, the one in front of the ingress is internal, too.
            role = ENTRY if item.values.get("internal") and not self._scope.withdrawn else EDGE
            yield self._machine(item, role, subnets, item.values.get("securityGroups") or (), ranges(*fixed))

    def _machine(
        self, item: Resource, role: str, subnets: tuple[str, ...], groups: Any, addresses: Ranges = ()
    ) -> Site:
        where = self._subnets.get(subnets[0]) if subnets else None
        vpc = str(where.values["vpcId"]) if where else ""
        return Site(
            name=item.name,
            role=role,
            owner=self.owner_of.get(vpc, ""),
            vpc=vpc,
            subnets=subnets,
            addresses=addresses or self._ranges(subnets),
            groups=tuple(groups),
        )

    def _ranges(self, subnets: tuple[str, ...]) -> Ranges:
        return ranges(*(str(self._subnets[name].values["cidrBlock"]) for name in subnets if name in self._subnets))

    def _elsewhere(self) -> Iterator[Site]:
        """Everything outside the registered subnets."""
        scope, network = self._scope, self._scope.system.network
        known = merged(part for site in self.subnets.values() for part in site.addresses)
        found: list[Site] = []
        for name, cidr in self.owners.items():
            rest, vpc = without(ranges(cidr), known), self._vpc(name)
            if name != HUB and not vpc:
                cluster = common(rest, self._declared_cluster(name))
                found.append(Site(f"{name}: cluster subnets", network.control, name, addresses=cluster))
                rest = without(rest, cluster)
            found.append(Site(f"{name}: addresses outside its subnets", REST, name, vpc, addresses=rest))
        operators = ranges(*scope.operators)
        behind = without(ranges(*(self._registry.output(VPN_OUTPUT) or ())), operators)
        found.append(Site("operators behind the VPN", OPERATORS, VPN, addresses=operators))
        found.append(Site("other networks behind the VPN", VPN, VPN, addresses=behind))
        covered = merged([*known, *(part for site in found for part in site.addresses)])
        found.append(Site("other private addresses", REST, addresses=without(PRIVATE, covered)))
        public = without(PUBLIC, operators)
        declared = network.public_sources if isinstance(network, SingleVpc) else None
        sources = common(public, ranges(*source_ranges(declared))) if declared is not None else ()
        found.append(Site(SOURCES, INTERNET, addresses=sources))
        found.append(Site("the internet", INTERNET, addresses=without(public, sources)))
        found.append(Site("the internet over IPv6", INTERNET6))
        prefixes = {
            str(item.values.get("prefixListId", ""))
            for item in self._registry.of("aws:ec2/vpcEndpoint:VpcEndpoint")
            if str(item.values.get("serviceName", "")).endswith(".s3")
        }
        # Where nobody registered its endpoint, nothing leads there.
        found += [Site("S3", S3, addresses=public, prefix_list=prefix) for prefix in sorted(prefixes) or ("",)]
        yield from (site for site in found if site.addresses or site.role == INTERNET6)

    def _vpc(self, owner: str) -> str:
        return next((vpc for vpc, name in self.owner_of.items() if name == owner), "")

    def _declared_cluster(self, environment: str) -> Ranges:
        """The cluster's subnets of an environment: of each tier that holds nodes one /24 per zone."""
        network, settings = self._scope.system.network, self._scope.system.environments[environment]
        offsets = [tier.offset for tier in network.tiers if tier.name in self._scope.node_tiers]
        blocks = list(IPv4Network(settings.cidr).subnets(new_prefix=24))
        return ranges(
            *(str(blocks[network.stride * zone + offset]) for zone in range(settings.zones) for offset in offsets)
        )


def stored_in(instance: Resource, scope: Scope) -> str | None:
    """The declared database that a managed instance is, by the end of its name."""
    names = (name for name in scope.managed_stores if instance.name.endswith(f"-{name}"))
    return max(names, key=len, default=None)


def managed_hosts(registry: Registry, scope: Scope) -> dict[str, str]:
    """The name that AWS gave each managed database."""
    instances = registry.of("aws:rds/instance:Instance")
    return {name: str(item.values.get("address")) for item in instances if (name := stored_in(item, scope))}


def _template_groups(values: Mapping[str, Any]) -> tuple[str, ...]:
    own = values.get("vpcSecurityGroupIds") or ()
    interfaces = values.get("networkInterfaces") or ()
    return (*own, *(group for interface in interfaces for group in interface.get("securityGroups") or ()))
