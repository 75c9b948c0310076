"""Samples of machines and load balancers."""

from __future__ import annotations

from tests.sandbox.aws_samples.documents import Sample

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
            "enforceSecurityGroupInboundRulesOnPrivateLinkTraffic": "off",
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
