"""Routes, firewall rules and Transit Gateway tables as registered, with their references followed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.state import Resource
from tests.requirements.registered import Registered

ANYWHERE = "0.0.0.0/0"
ALL = ("-1", 0, 0)
"""Every protocol and port."""
TARGETS = (
    "gatewayId",
    "natGatewayId",
    "transitGatewayId",
    "vpcEndpointId",
    "networkInterfaceId",
    "vpcPeeringConnectionId",
)

Rule = tuple[str, int, int, str]
"""Protocol, first port, last port, and the peer: a range, a security group or a prefix list."""


def routes(stack: Registered, subnet: Resource) -> dict[str, str]:
    """Destination -> id of the target, by the route table that the subnet is associated with."""
    table = stack.one("ec2.RouteTableAssociation", subnetId=subnet.id).inputs["routeTableId"]
    assert not stack.by_id("ec2.RouteTable", table).inputs.get("routes"), "routes are resources of their own"
    found = {}
    for route in stack.all("ec2.Route", routeTableId=table):
        (target,) = [route.inputs[name] for name in TARGETS if route.inputs.get(name)]
        found[route.inputs["destinationCidrBlock"]] = target
    return found


def tier(stack: Registered, subnet: Resource) -> str:
    """What a subnet is by where its default route leads, whatever it is called."""
    default = routes(stack, subnet).get(ANYWHERE, "")
    return {"igw": "public", "nat": "k8s", "": "db"}[default.partition("-")[0]]


def tiers(stack: Registered) -> dict[str, list[Resource]]:
    """The subnets of a spoke by tier, in the order of their zones."""
    found: dict[str, list[Resource]] = {}
    for subnet in sorted(stack.all("ec2.Subnet"), key=lambda item: str(item.inputs["availabilityZone"])):
        found.setdefault(tier(stack, subnet), []).append(subnet)
    return found


def ranges(found: Iterable[Resource]) -> list[str]:
    return [subnet.inputs["cidrBlock"] for subnet in found]


def rules(stack: Registered, group: str, direction: str) -> set[Rule]:
    """All ``Ingress`` or ``Egress`` rules of a security group; rules written in another way are refused."""
    assert not stack.all("ec2.SecurityGroupRule")
    inline = stack.by_id("ec2.SecurityGroup", group).inputs
    assert not inline.get("ingress")
    assert not inline.get("egress")
    found = set()
    for rule in stack.all(f"vpc.SecurityGroup{direction}Rule", securityGroupId=group):
        peers = ("cidrIpv4", "cidrIpv6", "referencedSecurityGroupId", "prefixListId")
        (peer,) = [rule.inputs[name] for name in peers if rule.inputs.get(name)]
        ports = (0, 0) if rule.inputs["ipProtocol"] == "-1" else (rule.inputs["fromPort"], rule.inputs["toPort"])
        found.add((rule.inputs["ipProtocol"], *ports, peer))
    return found


def tcp(ports: Iterable[int], peers: Iterable[str]) -> set[Rule]:
    """One TCP rule for each port and peer."""
    peers = list(peers)
    return {("tcp", port, port, peer) for port in ports for peer in peers}


def everything(peers: Iterable[str]) -> set[Rule]:
    """All traffic, for each peer."""
    return {(*ALL, peer) for peer in peers}


def node_group(stack: Registered) -> str:
    """The one security group of all nodes."""
    (group,) = {
        group
        for template in stack.all("ec2.LaunchTemplate")
        for interface in template.inputs["networkInterfaces"]
        for group in interface["securityGroups"]
    }
    return str(group)


def database_group(stack: Registered) -> str:
    """The one security group of all database machines."""
    (group,) = {group for instance in stack.all("ec2.Instance") for group in instance.inputs["vpcSecurityGroupIds"]}
    return str(group)


@dataclass(frozen=True)
class Transit:
    """The Transit Gateway's tables, put together from all stacks: attachment -> table -> attachments it leads to."""

    associations: dict[str, str]
    propagations: set[tuple[str, str]]

    @classmethod
    def of(cls, stacks: Iterable[Registered]) -> Transit:
        stacks = list(stacks)
        assert not [route for stack in stacks for route in stack.all("ec2transitgateway.Route")], "tables are learned"
        return cls(
            {
                item.inputs["transitGatewayAttachmentId"]: item.inputs["transitGatewayRouteTableId"]
                for stack in stacks
                for item in stack.all("ec2transitgateway.RouteTableAssociation")
            },
            {
                (item.inputs["transitGatewayRouteTableId"], item.inputs["transitGatewayAttachmentId"])
                for stack in stacks
                for item in stack.all("ec2transitgateway.RouteTablePropagation")
            },
        )

    def reaches(self, attachment: str) -> set[str]:
        """The attachments that traffic from this one can be sent to."""
        table = self.associations[attachment]
        return {target for known, target in self.propagations if known == table and target != attachment}


def attachment(stack: Registered) -> Resource:
    """The attachment of a stack's VPC to the Transit Gateway."""
    return stack.one("ec2transitgateway.VpcAttachment")
