"""Samples of managed clusters, registries, databases and caches."""

from __future__ import annotations

import json

from tests.sandbox.aws_samples.documents import Sample, document

_ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
_KEEP_TEN = {
    "rulePriority": 1,
    "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10},
    "action": {"type": "expire"},
}

PLATFORMS: list[Sample] = [
    (
        "aws:eks/cluster:Cluster",
        "control",
        {
            "roleArn": "${node.arn}",
            "version": "1.33",
            "vpcConfig": {
                "subnetIds": ["${netb}", "${netc}"],
                "securityGroupIds": ["${app}"],
                "endpointPrivateAccess": True,
                "endpointPublicAccess": False,
            },
            "enabledClusterLogTypes": ["api", "audit"],
            "encryptionConfig": {"resources": ["secrets"], "provider": {"keyArn": "${key.arn}"}},
            "kubernetesNetworkConfig": {"serviceIpv4Cidr": "172.20.0.0/16"},
            "accessConfig": {"authenticationMode": "API"},
        },
    ),
    (
        "aws:eks/nodeGroup:NodeGroup",
        "workers",
        {
            "clusterName": "${control}",
            "nodeRoleArn": "${node.arn}",
            "subnetIds": ["${netb}", "${netc}"],
            "scalingConfig": {"minSize": 1, "desiredSize": 2, "maxSize": 4},
            "updateConfig": {"maxUnavailable": 1},
            "instanceTypes": ["t4g.large"],
            "capacityType": "SPOT",
            "labels": {"tier": "app"},
            "taints": [{"key": "spot", "value": "true", "effect": "NO_SCHEDULE"}],
        },
    ),
    (
        "aws:eks/addon:Addon",
        "cni",
        {"clusterName": "${control}", "addonName": "vpc-cni", "resolveConflictsOnCreate": "OVERWRITE"},
    ),
    (
        "aws:eks/accessEntry:AccessEntry",
        "operators",
        {"clusterName": "${control}", "principalArn": "${node.arn}", "kubernetesGroups": ["operators"]},
    ),
    (
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "operators-admin",
        {
            "clusterName": "${control}",
            "principalArn": "${node.arn}",
            "policyArn": _ADMIN,
            "accessScope": {"type": "namespace", "namespaces": ["default"]},
        },
    ),
    (
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "pod-role",
        {
            "clusterName": "${control}",
            "namespace": "default",
            "serviceAccount": "api",
            "roleArn": "${node.arn}",
        },
    ),
    (
        "aws:ecr/repository:Repository",
        "images",
        {
            "name": "team/api",
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": True},
            "encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": "${key.arn}"}],
            "forceDelete": True,
            "tags": {"a": "b"},
        },
    ),
    (
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "images-expiry",
        {"repository": "${images}", "policy": json.dumps({"rules": [_KEEP_TEN]})},
    ),
    (
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
        "images-readers",
        {
            "repository": "${images}",
            "policy": document("ecr:BatchGetImage", Principal={"AWS": "${node.arn}"}),
        },
    ),
    (
        "aws:rds/subnetGroup:SubnetGroup",
        "db-nets",
        {"subnetIds": ["${netb}", "${netc}"], "description": "databases"},
    ),
    (
        "aws:rds/parameterGroup:ParameterGroup",
        "db-settings",
        {
            "family": "postgres16",
            "parameters": [{"name": "max_connections", "value": "200", "applyMethod": "pending-reboot"}],
        },
    ),
    (
        "aws:rds/instance:Instance",
        "orders",
        {
            "engine": "postgres",
            "engineVersion": "16.4",
            "instanceClass": "db.t4g.medium",
            "allocatedStorage": 50,
            "storageType": "gp3",
            "storageEncrypted": True,
            "kmsKeyId": "${key.arn}",
            "dbName": "orders",
            "username": "owner",
            "password": "correct-horse-battery",
            "dbSubnetGroupName": "${db-nets}",
            "parameterGroupName": "${db-settings}",
            "vpcSecurityGroupIds": ["${app}"],
            "multiAz": True,
            "backupRetentionPeriod": 7,
            "backupWindow": "03:00-04:00",
            "maintenanceWindow": "sun:05:00-sun:06:00",
            "enabledCloudwatchLogsExports": ["postgresql"],
            "iamDatabaseAuthenticationEnabled": True,
            "skipFinalSnapshot": True,
            "tags": {"a": "b"},
        },
    ),
    (
        "aws:elasticache/subnetGroup:SubnetGroup",
        "cache-nets",
        {"subnetIds": ["${netb}", "${netc}"], "description": "caches"},
    ),
    (
        "aws:elasticache/parameterGroup:ParameterGroup",
        "cache-settings",
        {"family": "redis7", "parameters": [{"name": "maxmemory-policy", "value": "allkeys-lru"}]},
    ),
    (
        "aws:elasticache/replicationGroup:ReplicationGroup",
        "sessions",
        {
            "description": "sessions",
            "engine": "redis",
            "nodeType": "cache.t4g.small",
            "numCacheClusters": 2,
            "automaticFailoverEnabled": True,
            "multiAzEnabled": True,
            "atRestEncryptionEnabled": True,
            "transitEncryptionEnabled": True,
            "subnetGroupName": "${cache-nets}",
            "parameterGroupName": "${cache-settings}",
            "securityGroupIds": ["${app}"],
            "snapshotRetentionLimit": 3,
        },
    ),
    (
        "aws:elasticache/cluster:Cluster",
        "scratch",
        {
            "engine": "memcached",
            "nodeType": "cache.t4g.micro",
            "numCacheNodes": 1,
            "port": 11211,
            "subnetGroupName": "${cache-nets}",
            "maintenanceWindow": "sun:05:00-sun:06:00",
        },
    ),
]
