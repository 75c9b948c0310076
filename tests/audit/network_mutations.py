"""Mutations of the networks: security group rules, routes, tables of the Transit Gateway, load balancers, names, and
what AWS runs in between."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.audit.mutations import Change, Mutation, drop, outputs, put

ROUTE, IN, OUT, BALANCER, NAME, ENDPOINT, ADDRESS = (
    "route",
    "security group, inbound",
    "security group, outbound",
    "load balancer",
    "public name",
    "endpoint",
    "public address",
)
Found = Iterator[tuple[str, tuple[str, ...], Change | None]]
PEERS = ("cidrIpv4", "prefixListId", "referencedSecurityGroupId")
OWNERS: Final = ("securityGroupId", "routeTableId", "subnetId", "loadBalancerArn", "lbTargetGroupArn", "targetGroupArn")
"""Where a rule, a route or a listener says what it belongs to."""
BETWEEN: Final = (
    "LaunchTemplate",
    "RouteTableAssociation",
    "RouteTable",
    "Listener",
    "TargetGroup",
)
"""What belongs to something else, by which the audit knows it."""
PARTS: Final = ("Rule", "Route", "Association", "Attachment", "SecurityGroup", "Stack", "Endpoint", "Flow", "Gateway")


class Ends:
    """What the audit calls the machines and subnets that a resource is about."""

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self._resources = [
            (item, json.dumps(item["outputs"]))
            for document in documents.values()
            for item in document["deployment"]["resources"]
            if item["type"].startswith("aws:") and item.get("outputs")
        ]
        self._known: dict[str, frozenset[str]] = {}

    def of(self, resource: Mapping[str, Any]) -> tuple[str, ...]:
        """Empty for a gateway: it stands in one subnet, and others lose their way."""
        if "Gateway" in resource["type"]:
            return ()
        named = [str(resource["outputs"][key]) for key in OWNERS if resource["outputs"].get(key)]
        return tuple(sorted({name for identity in named for name in self._names(identity)}))

    def _names(self, identity: str) -> frozenset[str]:
        if identity not in self._known:
            self._known[identity] = frozenset()
            found: set[str] = set()
            for item, text in self._resources:
                if f'"{identity}"' in text or identity == item["id"]:
                    found |= self._called(item)
            self._known[identity] = frozenset(found)
        return self._known[identity]

    def _called(self, item: Mapping[str, Any]) -> set[str]:
        kind, values = item["type"].rpartition(":")[2], item["outputs"]
        if kind in BETWEEN:
            onwards = [item["id"], *(str(values[key]) for key in OWNERS if key != "routeTableId" and values.get(key))]
            return {name for identity in onwards for name in self._names(identity)}
        if kind.endswith(PARTS):
            return set()
        name = str(item["urn"].rpartition("::")[2])
        tags = values.get("tags")
        own = {name, str(tags.get("Name", name))} if isinstance(tags, dict) else {name}
        if item["type"].startswith("aws:rds/"):
            own.add(name.rpartition("-")[2])
        return own | self._named(values.get("privateIp"))

    def _named(self, address: str | None) -> set[str]:
        """Of a database's machine: the first label of its name."""
        records = [item["outputs"] for item, _ in self._resources if item["type"].endswith(":Record")]
        return {str(values["name"]).partition(".")[0] for values in records if address in (values.get("records") or ())}


def of(stack: str, resource: dict[str, Any], ends: Ends) -> Iterator[Mutation]:
    """Every mutation of one resource of the account."""
    make = TYPES.get(resource["type"])
    if make is None:
        return
    name = f"{resource['type'].rpartition(':')[2]} {resource['urn'].rpartition('::')[2]}"
    for what, layers, change in make(resource):
        yield Mutation(f"{name}: {what}", stack, resource["urn"], layers, ends.of(resource), change)


def _rule(layer: str, resource: dict[str, Any]) -> Found:
    values = resource["outputs"]

    def open_(peer: str, value: str) -> Change:
        def change(found: dict[str, Any]) -> None:
            for key in PEERS:
                found.pop(key, None)
            found[peer] = value

        return outputs(change)

    def all_ports(found: dict[str, Any]) -> None:
        found.pop("fromPort", None)
        found.pop("toPort", None)
        found["ipProtocol"] = "-1"

    yield "is gone", (layer,), None
    if values.get("cidrIpv4") != "0.0.0.0/0":
        yield "is for the world", (layer,), open_("cidrIpv4", "0.0.0.0/0")
        yield "is for all private networks", (layer,), open_("cidrIpv4", "10.0.0.0/8")
    yield "is for the world over IPv6", (layer,), open_("cidrIpv6", "::/0")
    if values.get("ipProtocol") != "-1":
        yield "is for all ports", (layer,), outputs(all_ports)
        yield "is for more ports", (layer,), put(("toPort",), 65535)
    if str(values.get("cidrIpv4", "")).endswith("/24"):
        half = str(values["cidrIpv4"]).replace("/24", "/25")
        yield "is for half of the subnet", (layer,), put(("cidrIpv4",), half)


def _inbound(resource: dict[str, Any]) -> Found:
    yield from _rule(IN, resource)


def _outbound(resource: dict[str, Any]) -> Found:
    yield from _rule(OUT, resource)


def _route(resource: dict[str, Any]) -> Found:
    yield "is gone", (ROUTE,), None

    def peering(found: dict[str, Any]) -> None:
        for key in ("gatewayId", "natGatewayId", "transitGatewayId"):
            found.pop(key, None)
        found["vpcPeeringConnectionId"] = "pcx-1"

    def world(found: dict[str, Any]) -> None:
        found["destinationCidrBlock"] = "0.0.0.0/0"

    yield "is a peering", (ROUTE,), outputs(peering)
    if resource["outputs"]["destinationCidrBlock"] != "0.0.0.0/0":
        yield "is for the world", (ROUTE,), outputs(world)


def _gone(resource: dict[str, Any]) -> Found:
    yield "is gone", (ROUTE,), None


def _gone_balancer(resource: dict[str, Any]) -> Found:
    yield "is gone", (BALANCER,), None


def _listener(resource: dict[str, Any]) -> Found:
    yield "is gone", (BALANCER,), None
    yield "is on another port", (BALANCER,), put(("port",), 8080)
    yield "leads nowhere", (BALANCER,), put(("defaultActions",), [])


def _name(resource: dict[str, Any]) -> Found:
    if resource["outputs"].get("aliases") and not resource["outputs"]["name"].endswith(".internal"):
        yield "is gone", (NAME,), None
        yield "leads elsewhere", (NAME,), put(("aliases", 0, "name"), "elsewhere.example")


def _endpoint(resource: dict[str, Any]) -> Found:
    if resource["outputs"]["vpcEndpointType"] == "Interface":
        yield "is gone", (ENDPOINT,), None
        yield "has no private name", (ENDPOINT,), put(("privateDnsEnabled",), False)
        yield "is another service's", (ENDPOINT,), put(("serviceName",), "com.amazonaws.vpce.us-east-1.vpce-svc-1")
        return
    yield "is gone", (ROUTE, OUT), None
    for index, _ in enumerate(resource["outputs"]["routeTableIds"]):
        yield f"leaves out table {index}", (ROUTE,), drop(("routeTableIds", index))


def _control_plane(resource: dict[str, Any]) -> Found:
    yield "answers everybody", (ADDRESS,), put(("vpcConfig", "endpointPublicAccess"), True)
    yield "has another firewall", (IN, OUT), put(("vpcConfig", "securityGroupIds"), [])


def _database(resource: dict[str, Any]) -> Found:
    yield "has a public address", (ADDRESS,), put(("publiclyAccessible",), True)
    yield "has no firewall", (IN,), put(("vpcSecurityGroupIds",), [])


def _balancer(resource: dict[str, Any]) -> Found:
    if resource["outputs"].get("securityGroups"):
        yield "has no firewall", (IN, OUT), put(("securityGroups",), [])


def _group(resource: dict[str, Any]) -> Found:
    """Machines of another kind's template have another kind's firewall."""
    for index, _ in enumerate(resource["outputs"].get("targetGroupArns") or ()):
        yield f"is left out of target group {index}", (BALANCER,), drop(("targetGroupArns", index))


def _template(resource: dict[str, Any]) -> Found:
    if resource["outputs"].get("vpcSecurityGroupIds"):
        yield "has no firewall", (IN, OUT), put(("vpcSecurityGroupIds",), [])


TYPES = {
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _inbound,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _outbound,
    "aws:ec2/route:Route": _route,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _gone,
    "aws:ec2transitgateway/routeTableAssociation:RouteTableAssociation": _gone,
    "aws:ec2transitgateway/routeTablePropagation:RouteTablePropagation": _gone,
    "aws:ec2transitgateway/vpcAttachment:VpcAttachment": _gone,
    "aws:ec2/natGateway:NatGateway": _gone,
    "aws:ec2/internetGateway:InternetGateway": _gone,
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:ec2/launchTemplate:LaunchTemplate": _template,
    "aws:autoscaling/group:Group": _group,
    "aws:autoscaling/attachment:Attachment": _gone_balancer,
    "aws:eks/cluster:Cluster": _control_plane,
    "aws:rds/instance:Instance": _database,
    "aws:lb/loadBalancer:LoadBalancer": _balancer,
    "aws:lb/listener:Listener": _listener,
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": _gone_balancer,
    "aws:route53/record:Record": _name,
}
