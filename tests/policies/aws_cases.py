"""Examples for the policies on AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sandbox.state import Resource
from tests.policies.analyzer import resource
from tests.policies.bucket_cases import BUCKET, BUCKETS
from tests.policies.case import Case, document

VOLUME: Final = "aws:ebs/volume:Volume"
INSTANCE: Final = "aws:ec2/instance:Instance"
TEMPLATE: Final = "aws:ec2/launchTemplate:LaunchTemplate"
RULE: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
GROUP: Final = "aws:ec2/securityGroup:SecurityGroup"
BALANCER: Final = "aws:lb/loadBalancer:LoadBalancer"
LISTENER: Final = "aws:lb/listener:Listener"
ROLE: Final = "aws:iam/role:Role"
ROLE_POLICY: Final = "aws:iam/rolePolicy:RolePolicy"
DATABASE: Final = "aws:rds/instance:Instance"
AT_REST: Final = "is not true; set it to true: what is stored there must be encrypted at rest."


def _encryption(type_: str, good: Mapping[str, Any], bad: Mapping[str, Any], *paths: str) -> Case:
    says = [f"{type_} 'it': {path} {AT_REST}" for path in paths]
    return Case("encryption-at-rest", [resource(type_, good)], [resource(type_, bad)], says, about=type_)


ENCRYPTION: Final = [
    _encryption(VOLUME, {"encrypted": True}, {"encrypted": False}, "encrypted"),
    _encryption(
        INSTANCE,
        {"rootBlockDevice": {"encrypted": True}, "ebsBlockDevices": [{"encrypted": True}]},
        {"ebsBlockDevices": [{"encrypted": True}, {"deviceName": "/dev/sdf"}]},
        "rootBlockDevice.encrypted",
        "ebsBlockDevices[1].encrypted",
    ),
    _encryption(
        TEMPLATE,
        {"blockDeviceMappings": [{"ebs": {"encrypted": "true"}}, {"noDevice": "/dev/sdg"}]},
        {"blockDeviceMappings": [{"ebs": {"volumeSize": 20}}]},
        "blockDeviceMappings[0].ebs.encrypted",
    ),
    Case(
        "encryption-at-rest",
        [],
        [resource(TEMPLATE)],
        [f"{TEMPLATE} 'it': blockDeviceMappings is missing; map the root device with ebs.encrypted set to true."],
        about="a template that leaves the volume to the image",
    ),
    _encryption(DATABASE, {"storageEncrypted": True}, {}, "storageEncrypted"),
    _encryption(DATABASE, {"replicateSourceDb": "orders"}, {}, "storageEncrypted"),
    _encryption("aws:rds/cluster:Cluster", {"storageEncrypted": True}, {}, "storageEncrypted"),
    _encryption("aws:efs/fileSystem:FileSystem", {"encrypted": True}, {}, "encrypted"),
    _encryption("aws:opensearch/domain:Domain", {"encryptAtRest": {"enabled": True}}, {}, "encryptAtRest.enabled"),
    Case(
        "encryption-own-key",
        [resource("aws:eks/cluster:Cluster", {"encryptionConfig": {"provider": {"keyArn": "own"}}})],
        [resource("aws:eks/cluster:Cluster")],
        [
            "aws:eks/cluster:Cluster 'it': encryptionConfig.provider.keyArn is missing; "
            "name a KMS key of your own to decide who may decrypt."
        ],
        about="Secrets of EKS",
    ),
    Case(
        "encryption-own-key",
        [resource("aws:secretsmanager/secret:Secret", {"kmsKeyId": "alias/own"})],
        [resource("aws:secretsmanager/secret:Secret")],
        [
            "aws:secretsmanager/secret:Secret 'it': kmsKeyId is missing; "
            "name a KMS key of your own to decide who may decrypt."
        ],
    ),
]

MACHINES: Final = [
    Case(
        "machine-metadata",
        [
            resource(INSTANCE, {"metadataOptions": {"httpTokens": "required"}}),
            resource(INSTANCE, {"metadataOptions": {"httpEndpoint": "disabled"}}, "closed"),
        ],
        [resource(INSTANCE, {"metadataOptions": {"httpTokens": "optional"}}), resource(TEMPLATE)],
        [
            f"{type_} 'it': metadataOptions.httpTokens is not 'required'; set it to 'required' (IMDSv2)."
            for type_ in (INSTANCE, TEMPLATE)
        ],
    ),
    Case(
        "machine-public-address",
        [resource(INSTANCE, {"associatePublicIpAddress": False}), resource(TEMPLATE)],
        [
            resource(INSTANCE, {"associatePublicIpAddress": True}),
            resource(TEMPLATE, {"networkInterfaces": [{"associatePublicIpAddress": "true"}]}),
        ],
        [
            f"{INSTANCE} 'it': associatePublicIpAddress is true; "
            "put the machine behind a load balancer or Session Manager.",
            f"{TEMPLATE} 'it': networkInterfaces[0].associatePublicIpAddress is true; "
            "put the machine behind a load balancer or Session Manager.",
        ],
    ),
]

ELSEWHERE: Final = (
    "name the ranges that need it, or put the rule on a group that faces the internet (parameter 'groups')."
)
EDGE: Final = resource(GROUP, {"id": "sg-1"}, "web-edge")
DATA: Final = resource(GROUP, {"id": "sg-2"}, "data")


def opens(group: Resource, first: float, last: float, name: str = "rule", **more: Any) -> Resource:
    props = {"fromPort": first, "toPort": last, "ipProtocol": "tcp", "cidrIpv4": "0.0.0.0/0", **more}
    return resource(RULE, props, name, property_dependencies={"securityGroupId": [group.urn]})


NETWORK: Final = [
    Case(
        "open-ingress",
        [EDGE, opens(EDGE, 443, 443), opens(DATA, 5432, 5432, "inside", cidrIpv4="10.0.0.0/8")],
        [EDGE, DATA, opens(EDGE, 22, 22, "ssh"), opens(DATA, 443, 443, "from-edge")],
        [
            f"{RULE} 'ssh': ingress opens port 22 to 0.0.0.0/0; allow only the ports 80, 443.",
            f"{RULE} 'from-edge': ingress opens port 443 to 0.0.0.0/0; {ELSEWHERE}",
        ],
        about="a rule's name does not make its group face the internet",
    ),
    Case(
        "open-ingress",
        [EDGE, opens(EDGE, 8443.0, 8444.0)],
        [
            EDGE,
            opens(EDGE, 8443, 8445),
            resource(RULE, {"ipProtocol": "-1", "cidrIpv6": "::/0", "securityGroupId": "sg-1"}, "all"),
        ],
        [
            f"{RULE} 'rule': ingress opens port 8443-8445 to 0.0.0.0/0; allow only the ports 8443, 8444.",
            f"{RULE} 'all': ingress opens every port to ::/0; allow only the ports 8443, 8444.",
        ],
        {"ports": [8443.0, 8444.0]},
        "a range of ports, numbers as they come over the wire, IPv6, a group found by its id",
    ),
    Case(
        "open-ingress",
        [resource(GROUP, {"ingress": [{"fromPort": 22, "toPort": 22, "cidrBlocks": ["10.0.0.0/8"]}]})],
        [
            resource(GROUP, {"ingress": [{"fromPort": 22, "toPort": 22, "cidrBlocks": ["10.0.0.0/8", "0.0.0.0/0"]}]}),
            resource(
                "aws:ec2/securityGroupRule:SecurityGroupRule",
                {"type": "ingress", "fromPort": 0, "toPort": 0, "protocol": "-1", "ipv6CidrBlocks": ["::/0"]},
            ),
        ],
        [
            f"{GROUP} 'it': ingress[0] opens port 22 to 0.0.0.0/0; {ELSEWHERE}",
            f"aws:ec2/securityGroupRule:SecurityGroupRule 'it': ingress opens every port to ::/0; {ELSEWHERE}",
        ],
        about="rules inside the group, and rules of the old kind",
    ),
    Case(
        "default-group-closed",
        [resource("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", {"vpcId": "vpc-1"})],
        [resource("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", {"egress": [{"protocol": "-1"}]})],
        [
            "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup 'it': egress has rules; "
            "remove them: what nobody gave a group to must reach nothing."
        ],
    ),
    Case(
        "load-balancer-access",
        [
            resource(BALANCER, {"internal": True, "securityGroups": ["sg-1"]}),
            resource(BALANCER, {"internal": False, "securityGroups": ["sg-1"]}, "front-door"),
        ],
        [resource(BALANCER, {"internal": False}, "web-edge")],
        [
            f"{BALANCER} 'web-edge': internal is not true; "
            "set it to true, or name the load balancer in the parameter 'balancers'.",
            f"{BALANCER} 'web-edge': securityGroups is empty; give it a security group that says who may reach it.",
        ],
        {"balancers": ["front-*"]},
    ),
    Case(
        "load-balancer-tls",
        [
            resource(LISTENER, {"protocol": "TCP"}, "passes-on"),
            resource(LISTENER, {"protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06"}, "new"),
            resource(
                LISTENER,
                {"protocol": "HTTP", "defaultActions": [{"type": "redirect", "redirect": {"protocol": "HTTPS"}}]},
            ),
        ],
        [
            resource(LISTENER, {"protocol": "HTTP", "defaultActions": [{"type": "forward"}]}),
            resource(LISTENER, {"protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-2016-08"}, "old"),
        ],
        [
            f"{LISTENER} 'it': defaultActions[0] answers in plain HTTP; redirect to protocol HTTPS.",
            f"{LISTENER} 'old': sslPolicy is 'ELBSecurityPolicy-2016-08'; "
            "choose one that starts at TLS 1.2, for instance ELBSecurityPolicy-TLS13-1-2-2021-06.",
        ],
    ),
    Case(
        "load-balancer-http",
        [
            resource(BALANCER, {"loadBalancerType": "network"}),
            resource(BALANCER, {"dropInvalidHeaderFields": True, "accessLogs": {"enabled": True}}, "web"),
        ],
        [resource(BALANCER, {"loadBalancerType": "application"})],
        [
            f"{BALANCER} 'it': dropInvalidHeaderFields is not true; set it to true.",
            f"{BALANCER} 'it': accessLogs.enabled is not true; write access logs to a bucket.",
        ],
    ),
]


def _allows(action: str | list[str], **more: Any) -> Resource:
    return resource(ROLE_POLICY, {"policy": document(Effect="Allow", Action=action, Resource="*", **more)})


NAMED: Final = "name the actions and the resources that are needed."
IDENTITY: Final = [
    Case(
        "iam-no-administrator",
        [
            _allows("ec2:Describe*"),
            resource(ROLE_POLICY, {"policy": document(Effect="Deny", Action="*", Resource="*")}),
        ],
        [_allows(["s3:GetObject", "*"])],
        [f"{ROLE_POLICY} 'it': policy.Statement[0] allows every action on every resource; {NAMED}"],
    ),
    Case(
        "iam-no-administrator",
        [
            resource(
                ROLE, {"inlinePolicies": [{"policy": document(Effect="Allow", Action="*", Resource="arn:aws:s3:::b")}]}
            )
        ],
        [
            resource(
                ROLE,
                {"inlinePolicies": [{"policy": document(Effect="Allow", NotAction="iam:*", Resource="*")}]},
            ),
            resource(
                "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
                {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
            ),
        ],
        [
            f"{ROLE} 'it': inlinePolicies[0].policy.Statement[0] allows every action on every resource; {NAMED}",
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment 'it': policyArn attaches AdministratorAccess; "
            "attach a policy with the actions that are needed.",
        ],
        about="everything but a few actions, and the managed policy",
    ),
    Case(
        "iam-no-whole-service",
        [_allows("s3:Get*")],
        [_allows("s3:*")],
        [f"{ROLE_POLICY} 'it': policy.Statement[0] allows every action of a service on every resource; {NAMED}"],
    ),
    Case(
        "iam-trust",
        [
            resource(ROLE, {"assumeRolePolicy": document(Effect="Allow", Principal={"Service": "ec2.amazonaws.com"})}),
            resource(
                ROLE,
                {
                    "assumeRolePolicy": document(
                        Effect="Allow", Principal="*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
                    )
                },
                "ours",
            ),
        ],
        [resource(ROLE, {"assumeRolePolicy": document(Effect="Allow", Principal={"AWS": ["*"]})})],
        [
            f"{ROLE} 'it': assumeRolePolicy.Statement[0].Principal is '*' without a condition; "
            "name who may assume the role, or add a Condition that does."
        ],
    ),
    Case(
        "kms-rotation",
        [
            resource("aws:kms/key:Key", {"enableKeyRotation": True}),
            resource("aws:kms/key:Key", {"keyUsage": "SIGN_VERIFY", "customerMasterKeySpec": "RSA_2048"}, "signs"),
        ],
        [resource("aws:kms/key:Key", {"enableKeyRotation": False})],
        [
            "aws:kms/key:Key 'it': enableKeyRotation is not true; "
            "set it to true: AWS then renews the key material every year."
        ],
    ),
]

DATABASES: Final = [
    Case(
        "database-private",
        [resource(DATABASE, {"publiclyAccessible": False})],
        [resource(DATABASE, {"publiclyAccessible": True})],
        [f"{DATABASE} 'it': publiclyAccessible is true; set it to false and reach the database from inside the VPC."],
    ),
    Case(
        "database-backups",
        [
            resource(DATABASE, {"backupRetentionPeriod": 14}),
            resource(DATABASE, {"replicateSourceDb": "orders"}, "copy"),
        ],
        [resource(DATABASE, {"backupRetentionPeriod": 7}), resource("aws:rds/cluster:Cluster")],
        [
            f"{DATABASE} 'it': backupRetentionPeriod is 7 days; keep backups for at least 14 days.",
            "aws:rds/cluster:Cluster 'it': backupRetentionPeriod is 0 days; keep backups for at least 14 days.",
        ],
        {"days": 14},
    ),
    Case(
        "database-deletion",
        [resource(DATABASE, {"deletionProtection": True})],
        [resource(DATABASE, {"skipFinalSnapshot": True})],
        [
            f"{DATABASE} 'it': deletionProtection is not true; set it to true.",
            f"{DATABASE} 'it': skipFinalSnapshot is true; set it to false and name a finalSnapshotIdentifier.",
        ],
    ),
]

PROVIDER: Final = resource("pulumi:providers:aws", {"defaultTags": json.dumps({"tags": {"Owner": "shop"}})}, "aws")
BY_DEFAULT: Final = f"{PROVIDER.urn}::1"
TAGS: Final = [
    Case(
        "required-tags",
        [PROVIDER, resource(VOLUME, {"tags": {"CostCentre": "7"}}, provider=BY_DEFAULT)],
        [PROVIDER, resource(VOLUME, {"tags": {"Owner": "shop"}}, provider=BY_DEFAULT)],
        [f"{VOLUME} 'it': tags.CostCentre is missing; add it, best among the provider's defaultTags."],
        {"tags": ["Owner", "CostCentre"]},
    ),
    Case(
        "required-tags",
        [
            resource(
                "aws:autoscaling/group:Group", {"tags": [{"key": "Owner", "value": "a", "propagateAtLaunch": True}]}
            )
        ],
        [
            PROVIDER,
            resource(
                "aws:autoscaling/group:Group",
                {"tags": [{"key": "Owner", "value": "a", "propagateAtLaunch": False}]},
                provider=BY_DEFAULT,
            ),
        ],
        [
            "aws:autoscaling/group:Group 'it': tags.Owner is missing; "
            "add it with propagateAtLaunch: default tags do not reach machines."
        ],
        {"tags": ["Owner"]},
        "machines of a group",
    ),
]

PROTECTION: Final = [
    Case(
        "protected-state",
        [resource(VOLUME, name="data", stack="shop-prod", protect=True), resource(VOLUME, name="data", stack="dev")],
        [resource(VOLUME, name="data", stack="shop-prod")],
        [f"{VOLUME} 'data': opts.protect is not set in stack 'shop-prod'; register the resource with protect=True."],
    ),
    Case(
        "protected-state",
        [resource(BUCKET, stack="prod")],
        [resource(BUCKET, stack="live")],
        [f"{BUCKET} 'it': opts.protect is not set in stack 'live'; register the resource with protect=True."],
        {"stacks": ["live"]},
        "stacks that the parameter names",
    ),
]

CASES: Final = [*ENCRYPTION, *BUCKETS, *MACHINES, *NETWORK, *IDENTITY, *DATABASES, *TAGS, *PROTECTION]
