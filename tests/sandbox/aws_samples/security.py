"""Samples of keys, secrets and roles."""

from __future__ import annotations

from tests.sandbox.aws_samples.documents import READ, TRUST, Sample, document

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
    (
        "aws:kms/keyPolicy:KeyPolicy",
        "through-s3",
        {"keyId": "${key}", "policy": document("kms:*", Principal={"AWS": "*"}, Resource="*")},
    ),
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
