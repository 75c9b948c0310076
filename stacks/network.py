"""The network under an environment: a spoke of the hub, or a VPC with an edge of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.edge.forward import Forward, to_nodes
from components.edge.load_balancer import PORTS, Edge, EdgeArgs, EdgeTargets, EdgeTargetsArgs
from components.network.endpoints import Endpoints, EndpointsArgs
from components.network.security_groups import SecurityGroups, SecurityGroupsArgs
from components.network.transit import SpokeArgs, SpokeAttachment
from components.network.vpc import Vpc, VpcArgs
from derive.network.firewall import EDGE, ENDPOINTS, S3
from stacks.common import Stack
from stacks.outputs import HubOutputs


@dataclass(frozen=True)
class Site:
    """What the rest of an environment needs of its network, whichever kind it is."""

    vpc: Vpc
    groups: SecurityGroups
    routes: Sequence[pulumi.Resource]
    """What joins the VPC with other networks."""
    edge_dns_name: pulumi.Output[str] | None
    """Absent: the servers have public addresses of their own."""
    edge: Edge | None = None
    """The load balancer in this network. Absent: it stands in the hub, or there is none."""
    entry_ingress: Sequence[Forward] = ()
    """What the cluster's entry forwards of the public edge's traffic."""
    ingress_target_groups: Sequence[pulumi.Input[str]] = ()
    """Target groups of an edge that reaches the nodes itself."""
    resolving_vpcs: Sequence[pulumi.Input[str]] = ()
    """Further VPCs in which the API's name resolves."""

    @property
    def ready(self) -> list[pulumi.Resource]:
        """What must be there before a machine boots: its routes to packages and to others, and its rules."""
        return [self.vpc, self.groups, *self.routes]


def spoke(stack: Stack, hub: HubOutputs) -> Site:
    """A VPC that is attached to the hub's Transit Gateway and served by its edge."""
    plan, facts = stack.plan.network, stack.deployment.facts
    vpc = _vpc(stack)
    attachment = SpokeAttachment(
        f"{stack.name}-spoke",
        SpokeArgs(
            vpc=vpc,
            subnets=[subnet.name for subnet in plan.addresses.tier(plan.control)],
            gateway_id=hub.transit_gateway_id,
            hub_table=hub.transit_hub_table,
            spoke_table=hub.transit_spoke_table,
            destinations=(*([plan.hub_cidr] if plan.hub_cidr else []), *facts.admin_ranges),
        ),
        stack.options,
    )
    EdgeTargets(
        f"{stack.name}-edge",
        EdgeTargetsArgs(
            target_groups={port: _edge_group(hub, stack.deployment.name, port) for port in PORTS},
            addresses=plan.entry,
        ),
        pulumi.ResourceOptions(provider=stack.provider, depends_on=[attachment]),
    )
    return Site(
        vpc=vpc,
        groups=_groups(stack, vpc),
        routes=[attachment],
        edge_dns_name=hub.edge_dns_names.apply(lambda names: names[stack.deployment.name]),
        entry_ingress=to_nodes(stack.plan.network.ingress),
        resolving_vpcs=[hub.hub_vpc_id],
    )


def single(stack: Stack) -> Site:
    """A VPC that stands for itself, with an edge unless its servers are that."""
    plan = stack.plan.network
    vpc = _vpc(stack)
    groups = _groups(stack, vpc)
    if plan.edge is None:
        return Site(vpc=vpc, groups=groups, routes=[], edge_dns_name=None)
    edge = Edge(
        f"{stack.name}-edge",
        EdgeArgs(
            vpc_id=vpc.vpc_id,
            subnets=vpc.ids(plan.control if plan.edge.internal else plan.public),
            security_group=groups.ids[EDGE],
            load_balancer=plan.edge.name,
            forwards=to_nodes(stack.plan.network.ingress),
            internal=plan.edge.internal,
        ),
        stack.options,
    )
    return Site(
        vpc=vpc,
        groups=groups,
        routes=_endpoints(stack, vpc, groups),
        edge_dns_name=edge.dns_name,
        edge=edge,
        ingress_target_groups=list(edge.target_groups.values()),
    )


def _endpoints(stack: Stack, vpc: Vpc, groups: SecurityGroups) -> list[pulumi.Resource]:
    plan = stack.plan.network
    if not plan.endpoints:
        return []
    args = EndpointsArgs(
        plan.endpoints, stack.deployment.facts.region, vpc.vpc_id, vpc.ids(plan.control), groups.ids[ENDPOINTS]
    )
    return [Endpoints(f"{stack.name}-endpoints", args, stack.options)]


def _vpc(stack: Stack) -> Vpc:
    plan, environment = stack.plan.network, stack.deployment.environment
    region = stack.deployment.facts.region
    args = VpcArgs(plan.addresses, region, plan.nat_zones, environment.flow_log_days, plan.balanced)
    return Vpc(f"{stack.name}-network", args, stack.options)


def _groups(stack: Stack, vpc: Vpc) -> SecurityGroups:
    args = SecurityGroupsArgs(vpc.vpc_id, stack.plan.network.groups, {S3: vpc.s3_prefix_list})
    return SecurityGroups(f"{stack.name}-groups", args, stack.options)


def _edge_group(hub: HubOutputs, environment: str, port: int) -> pulumi.Output[str]:
    return hub.edge_target_groups.apply(lambda groups: groups[f"{environment}-{port}"])
