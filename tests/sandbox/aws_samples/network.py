"""Samples of networks."""

from __future__ import annotations

from tests.sandbox.aws_samples.documents import Sample

NETWORK: list[Sample] = [
    (
        "aws:ec2/vpc:Vpc",
        "main",
        {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True, "enableDnsSupport": True, "tags": {"Name": "main"}},
    ),
    ("aws:ec2/vpc:Vpc", "peer", {"cidrBlock": "10.1.0.0/16"}),
    *(
        (
            "aws:ec2/subnet:Subnet",
            f"net{zone}",
            {
                "vpcId": "${main}",
                "cidrBlock": f"10.0.{number}.0/24",
                "availabilityZone": f"us-east-1{zone}",
                "mapPublicIpOnLaunch": number == 0,
            },
        )
        for number, zone in enumerate("abc")
    ),
    ("aws:ec2/internetGateway:InternetGateway", "door", {"vpcId": "${main}"}),
    ("aws:ec2/eip:Eip", "address", {"domain": "vpc"}),
    ("aws:ec2/natGateway:NatGateway", "nat", {"allocationId": "${address}", "subnetId": "${neta}"}),
    (
        "aws:ec2/routeTable:RouteTable",
        "public",
        {"vpcId": "${main}", "routes": [{"cidrBlock": "0.0.0.0/0", "gatewayId": "${door}"}]},
    ),
    ("aws:ec2/routeTable:RouteTable", "private", {"vpcId": "${main}"}),
    (
        "aws:ec2/route:Route",
        "out",
        {"routeTableId": "${private}", "destinationCidrBlock": "0.0.0.0/0", "natGatewayId": "${nat}"},
    ),
    (
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "front",
        {"routeTableId": "${public}", "subnetId": "${neta}"},
    ),
    (
        "aws:ec2/defaultRouteTable:DefaultRouteTable",
        "unused",
        {"defaultRouteTableId": "${main.defaultRouteTableId}", "routes": []},
    ),
    (
        "aws:ec2/mainRouteTableAssociation:MainRouteTableAssociation",
        "main-table",
        {"vpcId": "${main}", "routeTableId": "${private}"},
    ),
    (
        "aws:ec2/securityGroup:SecurityGroup",
        "app",
        {
            "vpcId": "${main}",
            "description": "application",
            "ingress": [{"fromPort": 22, "toPort": 22, "protocol": "tcp", "cidrBlocks": ["10.0.0.0/8"], "self": True}],
            "egress": [{"fromPort": 0, "toPort": 0, "protocol": "-1", "cidrBlocks": ["0.0.0.0/0"]}],
        },
    ),
    ("aws:ec2/securityGroup:SecurityGroup", "edge", {"vpcId": "${main}"}),
    (
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "https",
        {
            "securityGroupId": "${edge}",
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "referencedSecurityGroupId": "${app}",
            "description": "from the application",
            "tags": {"who": "edge"},
        },
    ),
    (
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        "anywhere",
        {"securityGroupId": "${edge}", "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"},
    ),
    (
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        "http",
        {
            "type": "ingress",
            "securityGroupId": "${edge}",
            "protocol": "tcp",
            "fromPort": 80,
            "toPort": 80,
            "cidrBlocks": ["10.0.0.0/8"],
        },
    ),
    ("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "shut", {"vpcId": "${main}"}),
    (
        "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl",
        "open",
        {
            "defaultNetworkAclId": "${main.defaultNetworkAclId}",
            "ingress": [
                {
                    "protocol": "-1",
                    "ruleNo": 100,
                    "action": "allow",
                    "cidrBlock": "0.0.0.0/0",
                    "fromPort": 0,
                    "toPort": 0,
                }
            ],
        },
    ),
    (
        "aws:ec2/networkAcl:NetworkAcl",
        "strict",
        {
            "vpcId": "${main}",
            "subnetIds": ["${netb}"],
            "ingress": [
                {
                    "protocol": "tcp",
                    "ruleNo": 100,
                    "action": "allow",
                    "cidrBlock": "0.0.0.0/0",
                    "fromPort": 80,
                    "toPort": 80,
                }
            ],
        },
    ),
    (
        "aws:ec2/networkAclRule:NetworkAclRule",
        "replies",
        {
            "networkAclId": "${strict}",
            "ruleNumber": 200,
            "protocol": "tcp",
            "ruleAction": "allow",
            "cidrBlock": "0.0.0.0/0",
            "fromPort": 1024,
            "toPort": 65535,
        },
    ),
    (
        "aws:ec2/networkAclAssociation:NetworkAclAssociation",
        "strict-c",
        {"networkAclId": "${strict}", "subnetId": "${netc}"},
    ),
    (
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "s3",
        {"vpcId": "${main}", "serviceName": "com.amazonaws.us-east-1.s3", "routeTableIds": ["${private}"]},
    ),
    (
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "ssm",
        {
            "vpcId": "${main}",
            "serviceName": "com.amazonaws.us-east-1.ssm",
            "vpcEndpointType": "Interface",
            "subnetIds": ["${netb}"],
            "securityGroupIds": ["${edge}"],
            "privateDnsEnabled": True,
        },
    ),
    (
        "aws:ec2/vpcDhcpOptions:VpcDhcpOptions",
        "names",
        {"domainName": "x.internal", "domainNameServers": ["AmazonProvidedDNS"]},
    ),
    (
        "aws:ec2/vpcDhcpOptionsAssociation:VpcDhcpOptionsAssociation",
        "names-main",
        {"dhcpOptionsId": "${names}", "vpcId": "${main}"},
    ),
    (
        "aws:ec2/managedPrefixList:ManagedPrefixList",
        "office",
        {"addressFamily": "IPv4", "maxEntries": 5, "entries": [{"cidr": "10.0.0.0/8", "description": "all"}]},
    ),
    (
        "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
        "bridge",
        {"vpcId": "${main}", "peerVpcId": "${peer}", "autoAccept": True},
    ),
    (
        "aws:ec2transitgateway/transitGateway:TransitGateway",
        "hub",
        {
            "description": "hub",
            "amazonSideAsn": 64512,
            "defaultRouteTableAssociation": "disable",
            "defaultRouteTablePropagation": "disable",
            "dnsSupport": "enable",
            "autoAcceptSharedAttachments": "disable",
        },
    ),
    (
        "aws:ec2transitgateway/vpcAttachment:VpcAttachment",
        "spoke",
        {
            "transitGatewayId": "${hub}",
            "vpcId": "${main}",
            "subnetIds": ["${netb}", "${netc}"],
            "transitGatewayDefaultRouteTableAssociation": False,
            "applianceModeSupport": "enable",
        },
    ),
    ("aws:ec2transitgateway/routeTable:RouteTable", "spokes", {"transitGatewayId": "${hub}"}),
    (
        "aws:ec2transitgateway/routeTableAssociation:RouteTableAssociation",
        "spoke-table",
        {"transitGatewayRouteTableId": "${spokes}", "transitGatewayAttachmentId": "${spoke}"},
    ),
    (
        "aws:ec2transitgateway/routeTablePropagation:RouteTablePropagation",
        "spoke-routes",
        {"transitGatewayRouteTableId": "${spokes}", "transitGatewayAttachmentId": "${spoke}"},
    ),
    (
        "aws:ec2transitgateway/route:Route",
        "default",
        {
            "transitGatewayRouteTableId": "${spokes}",
            "destinationCidrBlock": "0.0.0.0/0",
            "transitGatewayAttachmentId": "${spoke}",
        },
    ),
    (
        "aws:ec2transitgateway/route:Route",
        "hole",
        {"transitGatewayRouteTableId": "${spokes}", "destinationCidrBlock": "10.9.0.0/16", "blackhole": True},
    ),
    (
        "aws:ec2/route:Route",
        "to-hub",
        {"routeTableId": "${private}", "destinationCidrBlock": "10.2.0.0/16", "transitGatewayId": "${hub}"},
    ),
    (
        "aws:ec2/customerGateway:CustomerGateway",
        "office-gw",
        {"bgpAsn": "65000", "ipAddress": "203.0.113.5", "type": "ipsec.1"},
    ),
    ("aws:ec2/vpnGateway:VpnGateway", "vgw", {}),
    ("aws:ec2/vpnGatewayAttachment:VpnGatewayAttachment", "vgw-main", {"vpcId": "${main}", "vpnGatewayId": "${vgw}"}),
    (
        "aws:ec2/vpnConnection:VpnConnection",
        "vpn",
        {
            "customerGatewayId": "${office-gw}",
            "transitGatewayId": "${hub}",
            "type": "ipsec.1",
            "staticRoutesOnly": True,
            "tunnel1IkeVersions": ["ikev2"],
            "tunnel1InsideCidr": "169.254.10.0/30",
        },
    ),
    (
        "aws:ec2/vpnConnectionRoute:VpnConnectionRoute",
        "vpn-route",
        {"vpnConnectionId": "${vpn}", "destinationCidrBlock": "192.168.0.0/24"},
    ),
    (
        "aws:ec2/vpnGatewayRoutePropagation:VpnGatewayRoutePropagation",
        "vgw-routes",
        {"vpnGatewayId": "${vgw}", "routeTableId": "${private}"},
    ),
]
