"""Transit Gateways, site-to-site VPN and Client VPN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context
from sandbox.aws.row import Call, Row
from sandbox.provider import ResourceError

_ARN: Final = "arn:aws:ec2:{region}:{account}:"
_TABLE_AND_ATTACHMENT: Final = {
    "TransitGatewayRouteTableId": "{transitGatewayRouteTableId}",
    "TransitGatewayAttachmentId": "{transitGatewayAttachmentId}",
}


def _default_table(context: Context, member: str) -> Any:
    return (context.view.get("Options") or {}).get(member)


def _subnets_in_vpc(context: Context) -> None:
    """AWS wants every subnet of an attachment in its VPC, one per zone; moto does not look."""
    found = context.call("DescribeSubnets", SubnetIds=list(context.inputs["subnetIds"]))["Subnets"]
    foreign = [subnet["SubnetId"] for subnet in found if subnet["VpcId"] != context.inputs["vpcId"]]
    if foreign:
        raise ResourceError(f"{foreign[0]} is not in {context.inputs['vpcId']}", path="subnetIds")
    zones = [subnet["AvailabilityZone"] for subnet in found]
    if len(set(zones)) < len(zones):
        raise ResourceError(f"more than one subnet in a zone: {', '.join(sorted(zones))}", path="subnetIds")


def _change_subnets(context: Context) -> None:
    _subnets_in_vpc(context)
    now, before = set(context.inputs["subnetIds"]), set(context.old["subnetIds"])
    changes = {"AddSubnetIds": sorted(now - before), "RemoveSubnetIds": sorted(before - now)}
    context.call(
        "ModifyTransitGatewayVpcAttachment",
        TransitGatewayAttachmentId=context.id,
        **{key: value for key, value in changes.items() if value},
    )


def _attach_vpn_gateway(context: Context) -> None:
    if context.inputs.get("vpcId"):
        context.call("AttachVpnGateway", VpnGatewayId=context.id, VpcId=context.inputs["vpcId"])


def _detach_vpn_gateway(context: Context) -> None:
    if context.inputs.get("vpcId"):
        context.call("DetachVpnGateway", VpnGatewayId=context.id, VpcId=context.inputs["vpcId"])


def _vpn_options(context: Context) -> dict[str, Any]:
    """The tunnels' options: ``tunnel1InsideCidr`` becomes ``TunnelOptions[0].TunnelInsideCidr``."""
    given = context.inputs
    names = {"InsideCidr": "TunnelInsideCidr", "PresharedKey": "PreSharedKey", "StartupAction": "StartupAction"}
    tunnels: list[dict[str, Any]] = []
    for number in ("1", "2"):
        found = {names[key]: given[f"tunnel{number}{key}"] for key in names if given.get(f"tunnel{number}{key}")}
        versions = given.get(f"tunnel{number}IkeVersions")
        if versions:
            found["IKEVersions"] = [{"Value": version} for version in versions]
        tunnels.append(found)
    options: dict[str, Any] = {"StaticRoutesOnly": bool(given.get("staticRoutesOnly"))}
    if any(tunnels):
        options["TunnelOptions"] = tunnels
    return options


def _tunnel_props() -> dict[str, str]:
    parts = ("InsideCidr", "PresharedKey", "StartupAction", "IkeVersions")
    return {f"tunnel{number}{part}": "part of Options" for number in (1, 2) for part in parts}


def _tunnel_address(number: int) -> Any:
    """moto makes no tunnels; the outside addresses are drawn from AWS's documentation-like range, by id."""

    def address(context: Context) -> str:
        digits = int(context.id.removeprefix("vpn-")[:6], 16)
        return f"52.{digits % 250 + 1}.{digits // 256 % 250 + 1}.{10 + number}"

    return address


def _vpn_attachment(context: Context) -> str:
    """A VPN connection on a Transit Gateway is attached to it by the service itself; without one there is none."""
    attachments = context.call("DescribeTransitGatewayAttachments")["TransitGatewayAttachments"]
    mine = (found for found in attachments if found["ResourceId"] == context.id and found["State"] != "deleted")
    return next((str(found["TransitGatewayAttachmentId"]) for found in mine), "")


ROWS: Final[Mapping[str, Row]] = {
    "aws:ec2transitgateway/transitGateway:TransitGateway": Row(
        "ec2",
        "CreateTransitGateway",
        id="TransitGateway.TransitGatewayId",
        key="TransitGatewayId",
        nest="Options",
        args={"Options": {"AmazonSideAsn": 64512}},
        calls=(
            Call("ModifyTransitGateway", "description", on_create=False),
            Call(
                "ModifyTransitGateway",
                "dnsSupport vpnEcmpSupport autoAcceptSharedAttachments defaultRouteTableAssociation "
                "defaultRouteTablePropagation",
                nest="Options",
                on_create=False,
            ),
        ),
        replace="amazonSideAsn multicastSupport",
        read=("DescribeTransitGateways", {"TransitGatewayIds": ["{id}"]}, "TransitGateways[0]"),
        outputs={
            "arn": "@TransitGatewayArn",
            "ownerId": "{account}",
            "associationDefaultRouteTableId": lambda c: _default_table(c, "AssociationDefaultRouteTableId"),
            "propagationDefaultRouteTableId": lambda c: _default_table(c, "PropagationDefaultRouteTableId"),
        },
        delete="DeleteTransitGateway",
    ),
    "aws:ec2transitgateway/vpcAttachment:VpcAttachment": Row(
        "ec2",
        "CreateTransitGatewayVpcAttachment",
        id="TransitGatewayVpcAttachment.TransitGatewayAttachmentId",
        key="TransitGatewayAttachmentId",
        tag_type="transit-gateway-attachment",
        nest="Options",
        ignore={
            "transitGatewayDefaultRouteTableAssociation": "read by the provider, not sent",
            "transitGatewayDefaultRouteTablePropagation": "read by the provider, not sent",
        },
        after_create=_subnets_in_vpc,
        on_update=lambda c: _change_subnets(c) if c.changed("subnetIds") else None,
        replace="transitGatewayId vpcId",
        arn=_ARN + "transit-gateway-attachment/{id}",
        outputs={"vpcOwnerId": "{account}"},
        delete="DeleteTransitGatewayVpcAttachment",
    ),
    "aws:ec2transitgateway/routeTable:RouteTable": Row(
        "ec2",
        "CreateTransitGatewayRouteTable",
        id="TransitGatewayRouteTable.TransitGatewayRouteTableId",
        key="TransitGatewayRouteTableId",
        tag_type="transit-gateway-route-table",
        replace="transitGatewayId",
        arn=_ARN + "transit-gateway-route-table/{id}",
        delete="DeleteTransitGatewayRouteTable",
    ),
    "aws:ec2transitgateway/routeTableAssociation:RouteTableAssociation": Row(
        "ec2",
        "AssociateTransitGatewayRouteTable",
        id="{transitGatewayRouteTableId}_{transitGatewayAttachmentId}",
        ignore={"replaceExistingAssociation": "how the provider associates"},
        replace="transitGatewayAttachmentId transitGatewayRouteTableId",
        outputs={"resourceType": lambda _: "vpc"},
        delete="DisassociateTransitGatewayRouteTable",
        delete_args=_TABLE_AND_ATTACHMENT,
        delete_first=True,
    ),
    "aws:ec2transitgateway/routeTablePropagation:RouteTablePropagation": Row(
        "ec2",
        "EnableTransitGatewayRouteTablePropagation",
        id="{transitGatewayRouteTableId}_{transitGatewayAttachmentId}",
        store=True,  # moto keeps one table per attachment, and fails to disable the other
        replace="transitGatewayAttachmentId transitGatewayRouteTableId",
        outputs={"resourceType": lambda _: "vpc"},
        delete_first=True,
    ),
    "aws:ec2transitgateway/route:Route": Row(
        "ec2",
        "CreateTransitGatewayRoute",
        id="{transitGatewayRouteTableId}_{destinationCidrBlock}",
        replace="blackhole destinationCidrBlock transitGatewayAttachmentId transitGatewayRouteTableId",
        delete="DeleteTransitGatewayRoute",
        delete_args={
            "TransitGatewayRouteTableId": "{transitGatewayRouteTableId}",
            "DestinationCidrBlock": "{destinationCidrBlock}",
        },
        delete_first=True,
    ),
    "aws:ec2/customerGateway:CustomerGateway": Row(
        "ec2",
        "CreateCustomerGateway",
        id="CustomerGateway.CustomerGatewayId",
        key="CustomerGatewayId",
        replace="bgpAsn bgpAsnExtended certificateArn deviceName ipAddress type",
        arn=_ARN + "customer-gateway/{id}",
        delete="DeleteCustomerGateway",
    ),
    "aws:ec2/vpnGateway:VpnGateway": Row(
        "ec2",
        "CreateVpnGateway",
        id="VpnGateway.VpnGatewayId",
        key="VpnGatewayId",
        args={"Type": "ipsec.1"},
        ignore={"vpcId": "attached by a second call"},
        after_create=_attach_vpn_gateway,
        before_delete=_detach_vpn_gateway,
        replace="amazonSideAsn availabilityZone",
        arn=_ARN + "vpn-gateway/{id}",
        outputs={"amazonSideAsn": lambda _: "64512"},
        delete="DeleteVpnGateway",
    ),
    "aws:ec2/vpnGatewayAttachment:VpnGatewayAttachment": Row(
        "ec2",
        "AttachVpnGateway",
        id="vpn-attachment-{hex8}",
        replace="vpcId vpnGatewayId",
        delete="DetachVpnGateway",
        delete_args={"VpcId": "{vpcId}", "VpnGatewayId": "{vpnGatewayId}"},
    ),
    "aws:ec2/vpnGatewayRoutePropagation:VpnGatewayRoutePropagation": Row(
        "ec2",
        "EnableVgwRoutePropagation",
        id="{vpnGatewayId}_{routeTableId}",
        rename={"vpnGatewayId": "GatewayId"},
        store=True,
        replace="vpnGatewayId routeTableId",
    ),
    "aws:ec2/vpnConnection:VpnConnection": Row(
        "ec2",
        "CreateVpnConnection",
        id="VpnConnection.VpnConnectionId",
        key="VpnConnectionId",
        nest="Options",
        ignore={"staticRoutesOnly": "part of Options", **_tunnel_props()},
        args={"Options": _vpn_options},
        replace="customerGatewayId staticRoutesOnly type vpnGatewayId enableAcceleration "
        "tunnel1InsideCidr tunnel2InsideCidr",
        arn=_ARN + "vpn-connection/{id}",
        outputs={
            "tunnel1Address": _tunnel_address(1),
            "tunnel2Address": _tunnel_address(2),
            "transitGatewayAttachmentId": _vpn_attachment,
        },
        delete="DeleteVpnConnection",
    ),
    "aws:ec2/vpnConnectionRoute:VpnConnectionRoute": Row(
        "ec2",
        "CreateVpnConnectionRoute",
        id="{destinationCidrBlock}:{vpnConnectionId}",
        store=True,
        replace="destinationCidrBlock vpnConnectionId",
    ),
    "aws:ec2clientvpn/endpoint:Endpoint": Row(
        "ec2",
        "CreateClientVpnEndpoint",
        id="cvpn-endpoint-{hex17}",
        store=True,
        args={
            "AuthenticationOptions": [],
            "ConnectionLogOptions": {"Enabled": False},
        },
        rename={
            "authenticationOptions.activeDirectoryId": "ActiveDirectory.DirectoryId",
            "authenticationOptions.rootCertificateChainArn": "MutualAuthentication.ClientRootCertificateChainArn",
            "authenticationOptions.samlProviderArn": "FederatedAuthentication.SAMLProviderArn",
            "authenticationOptions.selfServiceSamlProviderArn": "FederatedAuthentication.SelfServiceSAMLProviderArn",
        },
        replace="authenticationOptions clientCidrBlock transportProtocol",
        arn=_ARN + "client-vpn-endpoint/{id}",
        outputs={"dnsName": "{id}.prod.clientvpn.{region}.amazonaws.com", "selfServicePortalUrl": lambda _: ""},
    ),
    "aws:ec2clientvpn/networkAssociation:NetworkAssociation": Row(
        "ec2",
        "AssociateClientVpnTargetNetwork",
        id="cvpn-assoc-{hex17}",
        store=True,
        replace="clientVpnEndpointId subnetId",
        outputs={"associationId": "{id}", "vpcId": lambda c: _vpc_of_subnet(c, c.inputs["subnetId"])},
    ),
    "aws:ec2clientvpn/authorizationRule:AuthorizationRule": Row(
        "ec2",
        "AuthorizeClientVpnIngress",
        id="{clientVpnEndpointId},{targetNetworkCidr},{accessGroupId}",
        store=True,
        replace="clientVpnEndpointId targetNetworkCidr accessGroupId authorizeAllGroups description",
    ),
    "aws:ec2clientvpn/route:Route": Row(
        "ec2",
        "CreateClientVpnRoute",
        id="{clientVpnEndpointId},{targetVpcSubnetId},{destinationCidrBlock}",
        store=True,
        replace="clientVpnEndpointId targetVpcSubnetId destinationCidrBlock description",
        outputs={"origin": lambda _: "add-route", "type": lambda _: "Nat"},
    ),
}


def _vpc_of_subnet(context: Context, subnet: str) -> str:
    return str(context.call("DescribeSubnets", SubnetIds=[subnet])["Subnets"][0]["VpcId"])
