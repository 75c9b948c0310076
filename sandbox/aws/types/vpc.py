"""VPCs: subnets, gateways, routes, security groups, endpoints, flow logs."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context
from sandbox.aws.row import Call, Row
from sandbox.provider import ResourceError

_ARN: Final = "arn:aws:ec2:{region}:{account}:"
_STATE_ONLY: Final = "moto has no such attribute"
_TARGETS: Final = {"gatewayId", "natGatewayId", "transitGatewayId", "vpcEndpointId", "vpcPeeringConnectionId"}
_TARGETS_MORE: Final = {"networkInterfaceId", "egressOnlyGatewayId", "carrierGatewayId", "localGatewayId"}
_DESTINATION: Final = {
    "cidrBlock": "DestinationCidrBlock",
    "ipv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}


# -- routes ---------------------------------------------------------------------------------------------


def route_target(route: Mapping[str, Any]) -> dict[str, Any]:
    """The target of a route as CreateRoute's parameter."""
    found = {key[:1].upper() + key[1:]: route[key] for key in _TARGETS | _TARGETS_MORE if route.get(key)}
    if "EgressOnlyGatewayId" in found:
        found["EgressOnlyInternetGatewayId"] = found.pop("EgressOnlyGatewayId")
    return found


def _destination(route: Mapping[str, Any]) -> dict[str, Any]:
    return {param: route[prop] for prop, param in _DESTINATION.items() if route.get(prop)}


def _inline_routes(context: Context) -> None:
    for route in context.inputs.get("routes") or ():
        context.call("CreateRoute", RouteTableId=context.id, **_destination(route), **route_target(route))


def _update_routes(context: Context) -> None:
    if context.changed("routes"):
        for route in context.old.get("routes") or ():
            context.call("DeleteRoute", RouteTableId=context.id, **_destination(route))
        _inline_routes(context)


def _route_id(context: Context) -> str:
    given = context.inputs
    place = (
        given.get("destinationCidrBlock") or given.get("destinationIpv6CidrBlock") or given["destinationPrefixListId"]
    )
    return f"r-{given['routeTableId']}{zlib.crc32(place.encode())}"


def _replace_route(context: Context) -> None:
    given = context.inputs
    place = {key[:1].upper() + key[1:]: given[key] for key in given if key.startswith("destination")}
    context.call("ReplaceRoute", RouteTableId=given["routeTableId"], **place, **route_target(given))


# -- the rest -------------------------------------------------------------------------------------------


def _attach_gateway(context: Context) -> None:
    """AWS allows one Internet gateway per VPC; moto any number."""
    vpc = context.inputs.get("vpcId")
    if vpc:
        filters = [{"Name": "attachment.vpc-id", "Values": [vpc]}]
        if context.call("DescribeInternetGateways", Filters=filters)["InternetGateways"]:
            raise ResourceError(f"{vpc} has an Internet gateway already", path="vpcId", remedy="use that one")
        context.call("AttachInternetGateway", InternetGatewayId=context.id, VpcId=vpc)


def _detach_gateway(context: Context) -> None:
    if context.inputs.get("vpcId"):
        context.call("DetachInternetGateway", InternetGatewayId=context.id, VpcId=context.inputs["vpcId"])


def _flow_log_resource(context: Context) -> list[str]:
    for prop in ("vpcId", "subnetId", "eniId", "transitGatewayId", "transitGatewayAttachmentId"):
        if context.inputs.get(prop):
            return [context.inputs[prop]]
    raise ResourceError("name what to log: vpcId, subnetId, eniId or transitGatewayId", path="vpcId")


def _flow_log_kind(context: Context) -> str:
    kinds = {"vpcId": "VPC", "subnetId": "Subnet", "eniId": "NetworkInterface", "transitGatewayId": "TransitGateway"}
    return next((kind for prop, kind in kinds.items() if context.inputs.get(prop)), "TransitGatewayAttachment")


def _accept_peering(context: Context) -> None:
    if context.inputs.get("autoAccept"):
        context.call("AcceptVpcPeeringConnection", VpcPeeringConnectionId=context.id)


def _main_table(context: Context) -> str:
    return _of_vpc(context, "DescribeRouteTables", "RouteTables", "association.main", "true")["RouteTableId"]


def _of_vpc(context: Context, operation: str, member: str, name: str, value: str) -> dict[str, str]:
    filters = [{"Name": "vpc-id", "Values": [context.id]}, {"Name": name, "Values": [value]}]
    found: dict[str, str] = context.call(operation, Filters=filters)[member][0]
    return found


_DNS_PROPS: Final = ("enableDnsSupport", "enableDnsHostnames", "enableNetworkAddressUsageMetrics")
_SUBNET_CALLS: Final = (
    Call("ModifySubnetAttribute", "mapPublicIpOnLaunch"),
    Call("ModifySubnetAttribute", "assignIpv6AddressOnCreation"),
    Call("ModifySubnetAttribute", "enableDns64"),
    Call("ModifySubnetAttribute", "enableResourceNameDnsARecordOnLaunch"),
    Call("ModifySubnetAttribute", "privateDnsHostnameTypeOnLaunch"),
)

ROWS: Final[Mapping[str, Row]] = {
    "aws:ec2/vpc:Vpc": Row(
        "ec2",
        "CreateVpc",
        id="Vpc.VpcId",
        key="VpcId",
        rename={"assignGeneratedIpv6CidrBlock": "AmazonProvidedIpv6CidrBlock"},
        calls=tuple(Call("ModifyVpcAttribute", prop) for prop in _DNS_PROPS),
        replace="cidrBlock instanceTenancy ipv4IpamPoolId ipv4NetmaskLength",
        read=("DescribeVpcs", {"VpcIds": ["{id}"]}, "Vpcs[0]"),
        arn=_ARN + "vpc/{id}",
        outputs={
            "mainRouteTableId": _main_table,
            "defaultRouteTableId": _main_table,
            "defaultNetworkAclId": lambda c: _of_vpc(c, "DescribeNetworkAcls", "NetworkAcls", "default", "true")[
                "NetworkAclId"
            ],
            "defaultSecurityGroupId": lambda c: _of_vpc(
                c, "DescribeSecurityGroups", "SecurityGroups", "group-name", "default"
            )["GroupId"],
            "enableDnsSupport": lambda c: c.inputs.get("enableDnsSupport", True),
            "instanceTenancy": lambda c: c.inputs.get("instanceTenancy", "default"),
        },
        delete="DeleteVpc",
    ),
    "aws:ec2/subnet:Subnet": Row(
        "ec2",
        "CreateSubnet",
        id="Subnet.SubnetId",
        key="SubnetId",
        rename={
            "enableResourceNameDnsARecordOnLaunch": "EnableResourceNameDnsARecordOnLaunch",
            "enableResourceNameDnsAaaaRecordOnLaunch": "EnableResourceNameDnsAAAARecordOnLaunch",
        },
        calls=_SUBNET_CALLS,
        replace="availabilityZone availabilityZoneId cidrBlock ipv6Native outpostArn vpcId",
        read=("DescribeSubnets", {"SubnetIds": ["{id}"]}, "Subnets[0]"),
        arn=_ARN + "subnet/{id}",
        delete="DeleteSubnet",
    ),
    "aws:ec2/internetGateway:InternetGateway": Row(
        "ec2",
        "CreateInternetGateway",
        id="InternetGateway.InternetGatewayId",
        key="InternetGatewayId",
        ignore={"vpcId": "attached by a second call"},
        after_create=_attach_gateway,
        before_delete=_detach_gateway,
        replace="vpcId",
        arn=_ARN + "internet-gateway/{id}",
        outputs={"ownerId": "{account}"},
        delete="DeleteInternetGateway",
    ),
    "aws:ec2/eip:Eip": Row(
        "ec2",
        "AllocateAddress",
        id="AllocationId",
        key="AllocationId",
        tag_type="elastic-ip",
        calls=(
            Call(
                "AssociateAddress",
                "instance networkInterface associateWithPrivateIp",
                rename={"instance": "InstanceId", "associateWithPrivateIp": "PrivateIpAddress"},
            ),
        ),
        replace="domain networkBorderGroup publicIpv4Pool",
        read=("DescribeAddresses", {"AllocationIds": ["{id}"]}, "Addresses[0]"),
        arn=_ARN + "elastic-ip/{id}",
        outputs={
            "allocationId": "{id}",
            "publicDns": lambda c: f"ec2-{c.view['PublicIp'].replace('.', '-')}.compute-1.amazonaws.com",
        },
        delete="ReleaseAddress",
    ),
    "aws:ec2/natGateway:NatGateway": Row(
        "ec2",
        "CreateNatGateway",
        id="NatGateway.NatGatewayId",
        key="NatGatewayId",
        tag_type="natgateway",
        rename={"privateIp": "PrivateIpAddress"},
        replace="allocationId connectivityType privateIp subnetId availabilityMode vpcId",
        read=("DescribeNatGateways", {"NatGatewayIds": ["{id}"]}, "NatGateways[0]"),
        outputs={
            "publicIp": "@NatGatewayAddresses[0].PublicIp",
            "privateIp": "@NatGatewayAddresses[0].PrivateIp",
            "networkInterfaceId": "@NatGatewayAddresses[0].NetworkInterfaceId",
        },
        delete="DeleteNatGateway",
    ),
    "aws:ec2/routeTable:RouteTable": Row(
        "ec2",
        "CreateRouteTable",
        id="RouteTable.RouteTableId",
        key="RouteTableId",
        ignore={"routes": "one call each", "propagatingVgws": _STATE_ONLY},
        after_create=_inline_routes,
        on_update=_update_routes,
        replace="vpcId",
        arn=_ARN + "route-table/{id}",
        outputs={"ownerId": "{account}"},
        delete="DeleteRouteTable",
    ),
    "aws:ec2/route:Route": Row(
        "ec2",
        "CreateRoute",
        id=_route_id,
        rename={"egressOnlyGatewayId": "EgressOnlyInternetGatewayId"},
        on_update=_replace_route,
        replace="routeTableId destinationCidrBlock destinationIpv6CidrBlock destinationPrefixListId",
        delete="DeleteRoute",
        delete_args={
            "RouteTableId": "{routeTableId}",
            "DestinationCidrBlock": "{destinationCidrBlock}",
            "DestinationIpv6CidrBlock": "{destinationIpv6CidrBlock}",
            "DestinationPrefixListId": "{destinationPrefixListId}",
        },
        outputs={"origin": lambda _: "CreateRoute", "state": lambda _: "active"},
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Row(
        "ec2",
        "AssociateRouteTable",
        id="AssociationId",
        key="AssociationId",
        replace="routeTableId subnetId gatewayId",
        delete="DisassociateRouteTable",
        delete_first=True,
    ),
    "aws:ec2/defaultRouteTable:DefaultRouteTable": Row(
        "ec2",
        make=lambda c: str(c.inputs["defaultRouteTableId"]),
        after_create=_inline_routes,
        on_update=_update_routes,
        replace="defaultRouteTableId",
        read=("DescribeRouteTables", {"RouteTableIds": ["{id}"]}, "RouteTables[0]"),
        arn=_ARN + "route-table/{id}",
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Row(
        "ec2",
        "CreateVpcEndpoint",
        id="VpcEndpoint.VpcEndpointId",
        key="VpcEndpointId",
        rename={"policy": "PolicyDocument"},
        ignore={"autoAccept": "accepting is the service owner's call"},
        args={"VpcEndpointType": "Gateway"},
        replace="vpcId serviceName vpcEndpointType serviceRegion",
        calls=(Call("ModifyVpcEndpoint", "policy privateDnsEnabled", on_create=False),),
        read=("DescribeVpcEndpoints", {"VpcEndpointIds": ["{id}"]}, "VpcEndpoints[0]"),
        arn=_ARN + "vpc-endpoint/{id}",
        outputs={
            "dnsEntries": lambda c: [
                {"dnsName": entry["DnsName"], "hostedZoneId": entry.get("HostedZoneId", "")}
                for entry in c.view.get("DnsEntries", ())
            ],
            "prefixListId": lambda c: prefix_list_id(c.inputs.get("serviceName", ""), c.region),
            "ownerId": "{account}",
            "serviceRegion": "{region}",
        },
        delete="DeleteVpcEndpoints",
        delete_args={"VpcEndpointIds": ["{id}"]},
    ),
    "aws:ec2/flowLog:FlowLog": Row(
        "ec2",
        "CreateFlowLogs",
        id="FlowLogIds[0]",
        key={"FlowLogIds": ["{id}"]},
        tag_type="vpc-flow-log",
        rename={"iamRoleArn": "DeliverLogsPermissionArn"},
        ignore=dict.fromkeys(
            ("vpcId", "subnetId", "eniId", "transitGatewayId", "transitGatewayAttachmentId"), "becomes ResourceIds"
        ),
        args={
            "ResourceIds": _flow_log_resource,
            "ResourceType": _flow_log_kind,
            "LogDestinationType": lambda c: c.inputs.get("logDestinationType", "cloud-watch-logs"),
        },
        replace="vpcId subnetId eniId transitGatewayId trafficType logDestination logDestinationType iamRoleArn "
        "logFormat maxAggregationInterval deliverCrossAccountRole destinationOptions",
        arn=_ARN + "vpc-flow-log/{id}",
        delete="DeleteFlowLogs",
    ),
    "aws:ec2/vpcDhcpOptions:VpcDhcpOptions": Row(
        "ec2",
        "CreateDhcpOptions",
        id="DhcpOptions.DhcpOptionsId",
        key="DhcpOptionsId",
        ignore=dict.fromkeys(("domainName", "domainNameServers", "ntpServers"), "become DhcpConfigurations"),
        args={"DhcpConfigurations": lambda c: _dhcp(c.inputs)},
        replace="domainName domainNameServers ntpServers netbiosNameServers netbiosNodeType",
        arn=_ARN + "dhcp-options/{id}",
        outputs={"ownerId": "{account}"},
        delete="DeleteDhcpOptions",
    ),
    "aws:ec2/vpcDhcpOptionsAssociation:VpcDhcpOptionsAssociation": Row(
        "ec2",
        "AssociateDhcpOptions",
        id="{dhcpOptionsId}-{vpcId}",
        replace="vpcId",
        upsert=True,
        delete="AssociateDhcpOptions",
        delete_args={"DhcpOptionsId": "default", "VpcId": "{vpcId}"},
    ),
    "aws:ec2/mainRouteTableAssociation:MainRouteTableAssociation": Row(
        "ec2",
        make=lambda c: f"rtbassoc-{zlib.crc32(c.inputs['vpcId'].encode()):08x}",
        outputs={"originalRouteTableId": lambda _: ""},
        replace="vpcId",
    ),
    "aws:ec2/managedPrefixList:ManagedPrefixList": Row(
        "ec2",
        "CreateManagedPrefixList",
        id="PrefixList.PrefixListId",
        key="PrefixListId",
        tag_type="prefix-list",
        rename={"name": "PrefixListName"},
        replace="addressFamily",
        read=("DescribeManagedPrefixLists", {"PrefixListIds": ["{id}"]}, "PrefixLists[0]"),
        outputs={"arn": "@PrefixListArn", "ownerId": "{account}"},
        delete="DeleteManagedPrefixList",
    ),
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": Row(
        "ec2",
        "CreateVpcPeeringConnection",
        id="VpcPeeringConnection.VpcPeeringConnectionId",
        key="VpcPeeringConnectionId",
        rename={"peerOwnerId": "PeerOwnerId"},
        ignore={"autoAccept": "accepted by a second call", "accepter": _STATE_ONLY, "requester": _STATE_ONLY},
        after_create=_accept_peering,
        replace="vpcId peerVpcId peerOwnerId peerRegion",
        outputs={"acceptStatus": lambda c: "active" if c.inputs.get("autoAccept") else "pending-acceptance"},
        delete="DeleteVpcPeeringConnection",
    ),
}


def _dhcp(inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    keys = {"domainName": "domain-name", "domainNameServers": "domain-name-servers", "ntpServers": "ntp-servers"}
    return [
        {"Key": key, "Values": inputs[prop] if isinstance(inputs[prop], list) else [inputs[prop]]}
        for prop, key in keys.items()
        if inputs.get(prop)
    ]


def prefix_list_id(service: str, region: str) -> str:
    """AWS's prefix list of a gateway service; the ids of us-east-1 are AWS's own, elsewhere they are made up."""
    known = {"s3": "pl-63a5400a", "dynamodb": "pl-02cd2c6b"}
    name = service.rsplit(".", 1)[-1]
    if name not in known:
        return ""
    return known[name] if region == "us-east-1" else f"pl-{zlib.crc32(f'{name}.{region}'.encode()):08x}"
