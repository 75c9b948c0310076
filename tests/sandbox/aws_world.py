"""A whole account as data: one sample of every type the table has, in an order in which it can be made.

``${name}`` in a sample stands for the id of an earlier sample, ``${name.output}`` for an output of it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws import AwsProvider
from sandbox.provider import Desired, Diff, Saved

_REFERENCE = re.compile(r"\$\{([\w-]+)(?:\.(\w+))?\}")


def document(action: str, **more: Any) -> str:
    """An IAM policy document with one statement."""
    statement = {"Effect": "Allow", "Action": action, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


TRUST = document("sts:AssumeRole", Principal={"Service": "ec2.amazonaws.com"})
READ = document("s3:GetObject", Resource="*")

Sample = tuple[str, str, dict[str, Any]]

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

SECURITY: list[Sample] = [
    (
        "aws:iam/role:Role",
        "node",
        {
            "assumeRolePolicy": TRUST,
            "inlinePolicies": [{"name": "read", "policy": READ}],
            "managedPolicyArns": ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"],
        },
    ),
    ("aws:iam/policy:Policy", "reader", {"policy": READ}),
    ("aws:iam/rolePolicy:RolePolicy", "inline", {"role": "${node}", "policy": READ}),
    ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "attached", {"role": "${node}", "policyArn": "${reader}"}),
    ("aws:iam/instanceProfile:InstanceProfile", "profile", {"role": "${node}"}),
    (
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        "oidc",
        {
            "url": "https://oidc.example.com/x",
            "clientIdLists": ["sts.amazonaws.com"],
            "thumbprintLists": ["9e99a48a9960b14926bb7f3b02e22da2b0ab7280"],
        },
    ),
    ("aws:iam/user:User", "robot", {}),
    ("aws:iam/userPolicy:UserPolicy", "robot-inline", {"user": "${robot}", "policy": READ}),
    (
        "aws:iam/userPolicyAttachment:UserPolicyAttachment",
        "robot-attached",
        {"user": "${robot}", "policyArn": "${reader}"},
    ),
    ("aws:iam/accessKey:AccessKey", "robot-key", {"user": "${robot}"}),
    ("aws:iam/serviceLinkedRole:ServiceLinkedRole", "scaling", {"awsServiceName": "autoscaling.amazonaws.com"}),
    ("aws:kms/key:Key", "key", {"description": "data", "enableKeyRotation": True, "deletionWindowInDays": 7}),
    ("aws:kms/alias:Alias", "data", {"targetKeyId": "${key}"}),
    ("aws:secretsmanager/secret:Secret", "db", {"name": "app/db", "kmsKeyId": "${key.arn}", "recoveryWindowInDays": 7}),
    ("aws:secretsmanager/secretVersion:SecretVersion", "db-value", {"secretId": "${db}", "secretString": "{}"}),
    (
        "aws:secretsmanager/secretPolicy:SecretPolicy",
        "db-policy",
        {"secretArn": "${db}", "policy": document("secretsmanager:GetSecretValue", Principal="*", Resource="*")},
    ),
    (
        "aws:acm/certificate:Certificate",
        "cert",
        {"domainName": "a.example.com", "validationMethod": "DNS", "subjectAlternativeNames": ["b.example.com"]},
    ),
    ("aws:acm/certificateValidation:CertificateValidation", "cert-valid", {"certificateArn": "${cert}"}),
    ("aws:cloudwatch/logGroup:LogGroup", "flows", {"name": "/vpc/flow", "retentionInDays": 30}),
    (
        "aws:ec2/flowLog:FlowLog",
        "flow",
        {"vpcId": "${main}", "trafficType": "ALL", "logDestination": "${flows.arn}", "iamRoleArn": "${node.arn}"},
    ),
    (
        "aws:ec2clientvpn/endpoint:Endpoint",
        "staff",
        {
            "serverCertificateArn": "${cert}",
            "clientCidrBlock": "10.200.0.0/22",
            "authenticationOptions": [{"type": "certificate-authentication", "rootCertificateChainArn": "${cert}"}],
            "connectionLogOptions": {"enabled": True, "cloudwatchLogGroup": "/vpc/flow"},
            "splitTunnel": True,
            "vpcId": "${main}",
            "securityGroupIds": ["${app}"],
            "dnsServers": ["10.0.0.2"],
        },
    ),
    (
        "aws:ec2clientvpn/networkAssociation:NetworkAssociation",
        "staff-net",
        {"clientVpnEndpointId": "${staff}", "subnetId": "${netb}"},
    ),
    (
        "aws:ec2clientvpn/authorizationRule:AuthorizationRule",
        "staff-all",
        {"clientVpnEndpointId": "${staff}", "targetNetworkCidr": "10.0.0.0/8", "authorizeAllGroups": True},
    ),
    (
        "aws:ec2clientvpn/route:Route",
        "staff-route",
        {"clientVpnEndpointId": "${staff}", "destinationCidrBlock": "10.1.0.0/16", "targetVpcSubnetId": "${netb}"},
    ),
]

IMAGE = "ami-0123456789abcdef0"
TAG = {"key": "Name", "value": "node", "propagateAtLaunch": True}

COMPUTE: list[Sample] = [
    (
        "aws:ec2/keyPair:KeyPair",
        "ssh",
        {"publicKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm7cPqXwSSaYk6w0H2xOgSNqUqE0Qx9LOQmZ6WbGJ9s a@b"},
    ),
    (
        "aws:ec2/instance:Instance",
        "box",
        {
            "ami": IMAGE,
            "instanceType": "t4g.small",
            "subnetId": "${netb}",
            "vpcSecurityGroupIds": ["${app}"],
            "iamInstanceProfile": "${profile}",
            "keyName": "${ssh}",
            "userData": "#!/bin/sh\n",
            "userDataReplaceOnChange": True,
            "rootBlockDevice": {"volumeSize": 20, "volumeType": "gp3", "encrypted": True},
            "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1, "httpEndpoint": "enabled"},
            "sourceDestCheck": False,
            "monitoring": True,
            "creditSpecification": {"cpuCredits": "unlimited"},
        },
    ),
    ("aws:ec2/eip:Eip", "box-address", {"domain": "vpc"}),
    ("aws:ec2/eipAssociation:EipAssociation", "box-eip", {"allocationId": "${box-address}", "instanceId": "${box}"}),
    (
        "aws:ebs/volume:Volume",
        "disk",
        {
            "availabilityZone": "us-east-1b",
            "size": 100,
            "type": "gp3",
            "iops": 3000,
            "throughput": 125,
            "encrypted": True,
            "kmsKeyId": "${key.arn}",
        },
    ),
    (
        "aws:ec2/volumeAttachment:VolumeAttachment",
        "box-disk",
        {"deviceName": "/dev/sdf", "instanceId": "${box}", "volumeId": "${disk}"},
    ),
    (
        "aws:ec2/networkInterface:NetworkInterface",
        "card",
        {"subnetId": "${netb}", "securityGroups": ["${app}"], "sourceDestCheck": False, "privateIps": ["10.0.1.50"]},
    ),
    ("aws:ec2/placementGroup:PlacementGroup", "apart", {"strategy": "spread"}),
    (
        "aws:ec2/launchTemplate:LaunchTemplate",
        "mould",
        {
            "imageId": IMAGE,
            "instanceType": "t4g.small",
            "iamInstanceProfile": {"arn": "${profile.arn}"},
            "blockDeviceMappings": [
                {
                    "deviceName": "/dev/xvda",
                    "ebs": {"volumeSize": 30, "volumeType": "gp3", "encrypted": "true", "iops": 3000},
                }
            ],
            "networkInterfaces": [
                {"associatePublicIpAddress": "false", "securityGroups": ["${app}"], "deviceIndex": 0}
            ],
            "metadataOptions": {"httpTokens": "required"},
            "tagSpecifications": [{"resourceType": "instance", "tags": {"a": "b"}}],
            "userData": "aGVsbG8=",
            "updateDefaultVersion": True,
            "monitoring": {"enabled": True},
        },
    ),
    (
        "aws:lb/loadBalancer:LoadBalancer",
        "nlb",
        {
            "internal": True,
            "loadBalancerType": "network",
            "subnets": ["${netb}", "${netc}"],
            "enableCrossZoneLoadBalancing": True,
            "enableDeletionProtection": False,
            "securityGroups": ["${app}"],
        },
    ),
    (
        "aws:lb/targetGroup:TargetGroup",
        "api",
        {
            "port": 6443,
            "protocol": "TCP",
            "vpcId": "${main}",
            "targetType": "instance",
            "healthCheck": {"protocol": "TCP", "port": "6443", "interval": 10, "healthyThreshold": 2},
            "deregistrationDelay": 30,
            "preserveClientIp": "true",
        },
    ),
    (
        "aws:lb/listener:Listener",
        "api-6443",
        {
            "loadBalancerArn": "${nlb}",
            "port": 6443,
            "protocol": "TCP",
            "defaultActions": [{"type": "forward", "targetGroupArn": "${api}"}],
        },
    ),
    (
        "aws:lb/targetGroupAttachment:TargetGroupAttachment",
        "api-box",
        {"targetGroupArn": "${api}", "targetId": "${box}", "port": 6443},
    ),
    (
        "aws:alb/loadBalancer:LoadBalancer",
        "alb",
        {"subnets": ["${neta}", "${netb}"], "securityGroups": ["${edge}"], "idleTimeout": 120},
    ),
    (
        "aws:alb/listener:Listener",
        "alb-80",
        {
            "loadBalancerArn": "${alb}",
            "port": 80,
            "protocol": "HTTP",
            "defaultActions": [
                {"type": "redirect", "redirect": {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"}}
            ],
        },
    ),
    (
        "aws:alb/targetGroup:TargetGroup",
        "web",
        {"port": 80, "protocol": "HTTP", "vpcId": "${main}", "healthCheck": {"path": "/healthz", "matcher": "200-299"}},
    ),
    (
        "aws:alb/listenerRule:ListenerRule",
        "alb-web",
        {
            "listenerArn": "${alb-80}",
            "priority": 10,
            "actions": [{"type": "forward", "targetGroupArn": "${web}"}],
            "conditions": [{"hostHeader": {"values": ["a.example.com"]}}],
        },
    ),
    (
        "aws:autoscaling/group:Group",
        "nodes",
        {
            "minSize": 1,
            "maxSize": 3,
            "desiredCapacity": 2,
            "vpcZoneIdentifiers": ["${netb}", "${netc}"],
            "launchTemplate": {"id": "${mould}", "version": "$Latest"},
            "targetGroupArns": ["${api}"],
            "healthCheckType": "ELB",
            "healthCheckGracePeriod": 300,
            "enabledMetrics": ["GroupDesiredCapacity"],
            "tags": [TAG],
            "instanceRefresh": {"strategy": "Rolling"},
            "terminationPolicies": ["OldestInstance"],
        },
    ),
    (
        "aws:autoscaling/group:Group",
        "mixed",
        {
            "minSize": 1,
            "maxSize": 3,
            "vpcZoneIdentifiers": ["${netb}"],
            "mixedInstancesPolicy": {
                "launchTemplate": {
                    "launchTemplateSpecification": {"launchTemplateId": "${mould}", "version": "1"},
                    "overrides": [{"instanceType": "t4g.medium", "weightedCapacity": "1"}],
                },
                "instancesDistribution": {"onDemandBaseCapacity": 1, "onDemandPercentageAboveBaseCapacity": 50},
            },
        },
    ),
    (
        "aws:autoscaling/attachment:Attachment",
        "mixed-api",
        {"autoscalingGroupName": "${mixed}", "lbTargetGroupArn": "${api}"},
    ),
    (
        "aws:autoscaling/lifecycleHook:LifecycleHook",
        "drain",
        {
            "autoscalingGroupName": "${nodes}",
            "lifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
            "heartbeatTimeout": 300,
            "defaultResult": "CONTINUE",
        },
    ),
    (
        "aws:autoscaling/policy:Policy",
        "follow",
        {
            "autoscalingGroupName": "${nodes}",
            "policyType": "TargetTrackingScaling",
            "targetTrackingConfiguration": {
                "targetValue": 60,
                "predefinedMetricSpecification": {"predefinedMetricType": "ASGAverageCPUUtilization"},
            },
        },
    ),
    ("aws:autoscaling/tag:Tag", "label", {"autoscalingGroupName": "${nodes}", "tag": {**TAG, "key": "label"}}),
    (
        "aws:autoscaling/schedule:Schedule",
        "night",
        {
            "autoscalingGroupName": "${nodes}",
            "scheduledActionName": "night",
            "minSize": 1,
            "maxSize": 3,
            "desiredCapacity": 1,
            "recurrence": "0 20 * * *",
        },
    ),
]

SERVICES: list[Sample] = [
    (
        "aws:route53/zone:Zone",
        "inside",
        {"name": "internal.example.com", "vpcs": [{"vpcId": "${main}"}], "tags": {"a": "b"}},
    ),
    ("aws:route53/zone:Zone", "outside", {"name": "example.com", "forceDestroy": True}),
    (
        "aws:route53/record:Record",
        "api-name",
        {"zoneId": "${inside}", "name": "api", "type": "A", "ttl": 60, "records": ["10.0.0.5"]},
    ),
    (
        "aws:route53/record:Record",
        "apex",
        {
            "zoneId": "${outside}",
            "name": "example.com",
            "type": "A",
            "aliases": [{"name": "${alb.dnsName}", "zoneId": "${alb.zoneId}", "evaluateTargetHealth": True}],
        },
    ),
    (
        "aws:route53/vpcAssociationAuthorization:VpcAssociationAuthorization",
        "inside-peer-ok",
        {"zoneId": "${inside}", "vpcId": "${peer}"},
    ),
    ("aws:route53/zoneAssociation:ZoneAssociation", "inside-peer", {"zoneId": "${inside}", "vpcId": "${peer}"}),
    (
        "aws:route53/healthCheck:HealthCheck",
        "probe",
        {
            "type": "HTTPS",
            "fqdn": "a.example.com",
            "port": 443,
            "resourcePath": "/",
            "failureThreshold": 3,
            "requestInterval": 30,
        },
    ),
    ("aws:s3/bucket:Bucket", "data-bucket", {"forceDestroy": True, "tags": {"a": "b"}}),
    ("aws:s3/bucket:Bucket", "log-bucket", {"forceDestroy": True}),
    (
        "aws:s3/bucketPolicy:BucketPolicy",
        "log-policy",
        {
            "bucket": "${log-bucket}",
            "policy": document(
                "s3:PutObject", Principal={"Service": "logging.s3.amazonaws.com"}, Resource="${log-bucket.arn}/*"
            ),
        },
    ),
    (
        "aws:s3/bucketVersioning:BucketVersioning",
        "versions",
        {"bucket": "${data-bucket}", "versioningConfiguration": {"status": "Enabled"}},
    ),
    (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "sse",
        {
            "bucket": "${data-bucket}",
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "${key.arn}"},
                    "bucketKeyEnabled": True,
                }
            ],
        },
    ),
    (
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "private-bucket",
        {"bucket": "${data-bucket}", "blockPublicAcls": True, "blockPublicPolicy": True, "restrictPublicBuckets": True},
    ),
    (
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "ageing",
        {
            "bucket": "${data-bucket}",
            "rules": [
                {
                    "id": "x",
                    "status": "Enabled",
                    "filter": {"prefix": "a/"},
                    "expiration": {"days": 90},
                    "transitions": [{"days": 30, "storageClass": "STANDARD_IA"}],
                    "noncurrentVersionExpiration": {"noncurrentDays": 30},
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                }
            ],
        },
    ),
    (
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "owner",
        {"bucket": "${data-bucket}", "rule": {"objectOwnership": "BucketOwnerPreferred"}},
    ),
    ("aws:s3/bucketAcl:BucketAcl", "acl", {"bucket": "${data-bucket}", "acl": "private"}),
    (
        "aws:s3/bucketLogging:BucketLogging",
        "access-log",
        {"bucket": "${data-bucket}", "targetBucket": "${log-bucket}", "targetPrefix": "x/"},
    ),
    (
        "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration",
        "cors",
        {"bucket": "${data-bucket}", "corsRules": [{"allowedMethods": ["GET"], "allowedOrigins": ["*"]}]},
    ),
    (
        "aws:s3/bucketWebsiteConfiguration:BucketWebsiteConfiguration",
        "site",
        {"bucket": "${data-bucket}", "indexDocument": {"suffix": "index.html"}},
    ),
    ("aws:s3/bucketObjectv2:BucketObjectv2", "file", {"bucket": "${data-bucket}", "key": "a.txt", "content": "hello"}),
    ("aws:sns/topic:Topic", "alerts", {"kmsMasterKeyId": "alias/aws/sns"}),
    (
        "aws:sqs/queue:Queue",
        "jobs",
        {"visibilityTimeoutSeconds": 30, "messageRetentionSeconds": 3600, "sqsManagedSseEnabled": True},
    ),
    (
        "aws:sqs/queuePolicy:QueuePolicy",
        "jobs-policy",
        {"queueUrl": "${jobs}", "policy": document("sqs:SendMessage", Principal="*", Resource="${jobs.arn}")},
    ),
    (
        "aws:sns/topicSubscription:TopicSubscription",
        "fan",
        {"topic": "${alerts}", "protocol": "sqs", "endpoint": "${jobs.arn}"},
    ),
    (
        "aws:sns/topicPolicy:TopicPolicy",
        "alerts-policy",
        {"arn": "${alerts}", "policy": document("sns:Publish", Principal="*", Resource="${alerts.arn}")},
    ),
    (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        "hot",
        {
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 2,
            "metricName": "CPUUtilization",
            "namespace": "AWS/EC2",
            "period": 60,
            "statistic": "Average",
            "threshold": 80,
            "alarmActions": ["${alerts.arn}"],
            "dimensions": {"AutoScalingGroupName": "${nodes}"},
            "tags": {"a": "b"},
        },
    ),
    ("aws:cloudwatch/eventRule:EventRule", "spot", {"eventPattern": json.dumps({"source": ["aws.ec2"]})}),
    ("aws:cloudwatch/eventTarget:EventTarget", "spot-jobs", {"rule": "${spot}", "arn": "${jobs.arn}"}),
    ("aws:cloudwatch/dashboard:Dashboard", "board", {"dashboardName": "d", "dashboardBody": '{"widgets":[]}'}),
    (
        "aws:cloudwatch/logMetricFilter:LogMetricFilter",
        "errors",
        {
            "logGroupName": "${flows}",
            "pattern": "ERROR",
            "metricTransformation": {"name": "e", "namespace": "n", "value": "1"},
        },
    ),
    (
        "aws:cloudwatch/logResourcePolicy:LogResourcePolicy",
        "log-writers",
        {
            "policyName": "writers",
            "policyDocument": document("logs:PutLogEvents", Principal={"Service": "es.amazonaws.com"}, Resource="*"),
        },
    ),
    (
        "aws:ssm/parameter:Parameter",
        "setting",
        {"name": "/a/b", "type": "SecureString", "value": "x", "keyId": "${key}"},
    ),
    (
        "aws:ssm/document:Document",
        "runbook",
        {
            "documentType": "Command",
            "content": json.dumps({"schemaVersion": "2.2", "description": "d", "mainSteps": []}),
        },
    ),
    (
        "aws:ssm/association:Association",
        "daily",
        {
            "name": "${runbook}",
            "targets": [{"key": "tag:a", "values": ["b"]}],
            "scheduleExpression": "rate(1 day)",
            "parameters": {"commands": "ls"},
        },
    ),
    (
        "aws:dlm/lifecyclePolicy:LifecyclePolicy",
        "snapshots",
        {
            "description": "daily",
            "executionRoleArn": "${node.arn}",
            "policyDetails": {
                "resourceTypes": ["VOLUME"],
                "targetTags": {"Backup": "true"},
                "schedules": [
                    {
                        "name": "daily",
                        "createRule": {"interval": 24, "intervalUnit": "HOURS", "times": "03:00"},
                        "retainRule": {"count": 7},
                        "copyTags": True,
                        "tagsToAdd": {"a": "b"},
                    }
                ],
            },
        },
    ),
    ("aws:backup/vault:Vault", "vault", {"kmsKeyArn": "${key.arn}"}),
    (
        "aws:backup/plan:Plan",
        "plan",
        {
            "rules": [
                {
                    "ruleName": "daily",
                    "targetVaultName": "${vault}",
                    "schedule": "cron(0 3 * * ? *)",
                    "lifecycle": {"deleteAfter": 30},
                }
            ]
        },
    ),
    (
        "aws:backup/selection:Selection",
        "selection",
        {
            "planId": "${plan}",
            "iamRoleArn": "${node.arn}",
            "selectionTags": [{"type": "STRINGEQUALS", "key": "Backup", "value": "true"}],
        },
    ),
]

SAMPLES: list[Sample] = NETWORK + SECURITY + COMPUTE + SERVICES


@dataclass
class World:
    """Resources made through the provider's own methods, as the engine would."""

    provider: AwsProvider
    saved: dict[str, Saved] = field(default_factory=dict)

    def fill(self, value: Any) -> Any:
        """A sample's value with its references put in."""
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if not isinstance(value, str):
            return value
        whole = _REFERENCE.fullmatch(value)
        if whole:
            return self._look_up(whole)
        return _REFERENCE.sub(lambda match: str(self._look_up(match)), value)

    def _look_up(self, match: re.Match[str]) -> Any:
        found = self.saved[match[1]]
        return found.outputs[match[2]] if match[2] else found.id

    def desired(self, type_: str, name: str, inputs: dict[str, Any]) -> Desired:
        return Desired(f"urn:pulumi:dev::test::{type_}::{name}", type_, name, self.fill(inputs))

    def make(self, type_: str, name: str, /, **inputs: Any) -> Saved:
        """Check and create."""
        wanted = self.desired(type_, name, inputs)
        checked = self.provider.check(wanted, None)
        made = self.provider.create(Desired(wanted.urn, type_, name, checked))
        self.saved[name] = Saved(wanted.urn, type_, name, made.id, checked, {**checked, **made.outputs})
        return self.saved[name]

    def make_all(self, samples: list[Sample]) -> None:
        for type_, name, inputs in samples:
            self.make(type_, name, **inputs)

    def plan(self, name: str, /, **inputs: Any) -> tuple[Diff, Desired]:
        """Check and diff the resource with these inputs in place of its old ones."""
        old = self.saved[name]
        wanted = self.desired(old.type, name, inputs)
        desired = Desired(wanted.urn, old.type, name, self.provider.check(wanted, old))
        return self.provider.diff(old, desired), desired

    def change(self, name: str, /, **inputs: Any) -> Saved:
        """Update in place with some inputs changed."""
        old = self.saved[name]
        diff, desired = self.plan(name, **{**old.inputs, **inputs})
        assert diff.changed
        assert not diff.replace
        made = self.provider.update(old, desired)
        self.saved[name] = Saved(old.urn, old.type, name, made.id, desired.inputs, {**desired.inputs, **made.outputs})
        return self.saved[name]

    def destroy(self) -> None:
        """Delete everything, newest first."""
        for saved in reversed(list(self.saved.values())):
            self.provider.delete(saved)
