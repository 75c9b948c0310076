"""RDS and ElastiCache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context, random_hex
from sandbox.aws.row import Call, Row
from sandbox.provider import ResourceError

_SUBNETS: Final = {"dbSubnetGroupName": "aws:rds/subnetGroup:SubnetGroup"}
_DELETING: Final = "how the provider deletes"
_UPDATING: Final = "how the provider updates"
_INSTANCE_RENAME: Final[Mapping[str, Any]] = {
    "identifier": "DBInstanceIdentifier",
    "instanceClass": "DBInstanceClass",
    "username": "MasterUsername",
    "password": "MasterUserPassword",
    "dbName": "DBName",
    "parameterGroupName": "DBParameterGroupName",
    "dbSubnetGroupName": "DBSubnetGroupName",
    "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
    "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
    "performanceInsightsEnabled": "EnablePerformanceInsights",
    "performanceInsightsKmsKeyId": "PerformanceInsightsKMSKeyId",
    "backupWindow": "PreferredBackupWindow",
    "maintenanceWindow": "PreferredMaintenanceWindow",
    "caCertIdentifier": "CACertificateIdentifier",
}
_CHANGEABLE: Final = (
    "allocatedStorage instanceClass password backupRetentionPeriod engineVersion multiAz parameterGroupName "
    "vpcSecurityGroupIds deletionProtection storageType"
)


def _two_zones(context: Context) -> None:
    """AWS wants a subnet group in two zones at least; moto takes one subnet."""
    subnets = context.call_service("ec2", "DescribeSubnets", SubnetIds=list(context.inputs["subnetIds"]))["Subnets"]
    if len({subnet["AvailabilityZone"] for subnet in subnets}) < 2:
        raise ResourceError("a database subnet group needs subnets in two zones at least", path="subnetIds")


def _parameters(context: Context) -> None:
    parameters = [
        {
            "ParameterName": item["name"],
            "ParameterValue": str(item["value"]),
            "ApplyMethod": item.get("applyMethod", "immediate"),
        }
        for item in context.inputs.get("parameters") or ()
    ]
    if parameters:
        context.call("ModifyDBParameterGroup", DBParameterGroupName=context.id, Parameters=parameters)


def _endpoint(context: Context, part: str) -> Any:
    return (context.view.get("Endpoint") or {}).get(part)


def _managed_secret(context: Context) -> list[dict[str, str]] | None:
    secret = context.view.get("MasterUserSecret")
    if not secret:
        return None
    return [
        {
            "secretArn": secret["SecretArn"],
            "secretStatus": secret.get("SecretStatus", "active"),
            "kmsKeyId": secret.get("KmsKeyId", ""),
        }
    ]


def _drop_cache_subnets(context: Context) -> None:
    """moto cannot delete the group, so it is taken out of moto's own state."""
    backend = context.cloud.backend("elasticache", context.region, context.account)
    backend.cache_subnet_groups.pop(context.id, None)


ROWS: Final[Mapping[str, Row]] = {
    "aws:rds/subnetGroup:SubnetGroup": Row(
        "rds",
        "CreateDBSubnetGroup",
        key="DBSubnetGroupName",
        rename={"name": "DBSubnetGroupName", "description": "DBSubnetGroupDescription"},
        args={"DBSubnetGroupDescription": "Managed by Pulumi"},
        calls=(Call("ModifyDBSubnetGroup", "subnetIds", on_create=False),),
        after_create=_two_zones,
        replace="name",
        arn="arn:aws:rds:{region}:{account}:subgrp:{name}",
        delete="DeleteDBSubnetGroup",
    ),
    "aws:rds/parameterGroup:ParameterGroup": Row(
        "rds",
        "CreateDBParameterGroup",
        key="DBParameterGroupName",
        rename={"name": "DBParameterGroupName", "family": "DBParameterGroupFamily"},
        args={"Description": "Managed by Pulumi"},
        ignore={"parameters": "set by a second call", "skipDestroy": _DELETING},
        after_create=_parameters,
        on_update=_parameters,
        replace="name family description",
        arn="arn:aws:rds:{region}:{account}:pg:{name}",
        delete="DeleteDBParameterGroup",
    ),
    "aws:rds/instance:Instance": Row(
        "rds",
        "CreateDBInstance",
        # moto gives every instance the same.
        id=lambda context: f"db-{random_hex(26).upper()}",
        key={"DBInstanceIdentifier": "{identifier}"},
        auto_name="identifier",
        name_max=63,
        rename=_INSTANCE_RENAME,
        ignore={
            "skipFinalSnapshot": _DELETING,
            "finalSnapshotIdentifier": _DELETING,
            "deleteAutomatedBackups": _DELETING,
            "applyImmediately": _UPDATING,
            "allowMajorVersionUpgrade": _UPDATING,
            "upgradeStorageConfig": _UPDATING,
            "blueGreenUpdate": _UPDATING,
        },
        links={**_SUBNETS, "parameterGroupName": "aws:rds/parameterGroup:ParameterGroup"},
        calls=(Call("ModifyDBInstance", _CHANGEABLE, on_create=False),),
        replace="identifier engine dbName username availabilityZone dbSubnetGroupName kmsKeyId storageEncrypted "
        "characterSetName timezone snapshotIdentifier",
        read=("DescribeDBInstances", {"DBInstanceIdentifier": "{identifier}"}, "DBInstances[0]"),
        outputs={
            "arn": "@DBInstanceArn",
            "address": lambda c: _endpoint(c, "Address"),
            "endpoint": lambda c: f"{_endpoint(c, 'Address')}:{_endpoint(c, 'Port')}",
            "hostedZoneId": lambda c: _endpoint(c, "HostedZoneId") or "Z2R2ITUGPM61AM",
            "port": lambda c: _endpoint(c, "Port"),
            "resourceId": "{id}",
            "engineVersionActual": "@EngineVersion",
            "status": lambda _: "available",
            "masterUserSecrets": _managed_secret,
        },
        delete="DeleteDBInstance",
        delete_args={"DBInstanceIdentifier": "{identifier}", "SkipFinalSnapshot": True},
    ),
    "aws:elasticache/subnetGroup:SubnetGroup": Row(
        "elasticache",
        "CreateCacheSubnetGroup",
        key="CacheSubnetGroupName",
        rename={"name": "CacheSubnetGroupName", "description": "CacheSubnetGroupDescription"},
        args={"CacheSubnetGroupDescription": "Managed by Pulumi"},
        replace="name",
        arn="arn:aws:elasticache:{region}:{account}:subnetgroup:{name}",
        before_delete=_drop_cache_subnets,
    ),
    "aws:elasticache/parameterGroup:ParameterGroup": Row(
        "elasticache",
        "CreateCacheParameterGroup",
        rename={"name": "CacheParameterGroupName", "family": "CacheParameterGroupFamily"},
        args={"Description": "Managed by Pulumi"},
        ignore={"parameters": "moto has no such group"},
        store=True,
        replace="name family description",
        arn="arn:aws:elasticache:{region}:{account}:parametergroup:{name}",
    ),
    "aws:elasticache/replicationGroup:ReplicationGroup": Row(
        "elasticache",
        "CreateReplicationGroup",
        id="{replicationGroupId}",
        key={"ReplicationGroupId": "{id}"},
        auto_name="replicationGroupId",
        name_max=40,
        rename={
            "description": "ReplicationGroupDescription",
            "nodeType": "CacheNodeType",
            "parameterGroupName": "CacheParameterGroupName",
            "subnetGroupName": "CacheSubnetGroupName",
            "multiAzEnabled": "MultiAZEnabled",
            "maintenanceWindow": "PreferredMaintenanceWindow",
            "preferredCacheClusterAzs": "PreferredCacheClusterAZs",
        },
        ignore={
            "applyImmediately": _UPDATING,
            "authTokenUpdateStrategy": _UPDATING,
            "finalSnapshotIdentifier": _DELETING,
        },
        links={"subnetGroupName": "aws:elasticache/subnetGroup:SubnetGroup"},
        replace="replicationGroupId engine subnetGroupName atRestEncryptionEnabled kmsKeyId port networkType",
        arn="arn:aws:elasticache:{region}:{account}:replicationgroup:{id}",
        outputs={
            "primaryEndpointAddress": "master.{id}.sandbox.{region}.cache.amazonaws.com",
            "readerEndpointAddress": "replica.{id}.sandbox.{region}.cache.amazonaws.com",
        },
        delete="DeleteReplicationGroup",
    ),
    "aws:elasticache/cluster:Cluster": Row(
        "elasticache",
        "CreateCacheCluster",
        id="{clusterId}",
        key={"CacheClusterId": "{id}"},
        auto_name="clusterId",
        name_max=50,
        rename={
            "clusterId": "CacheClusterId",
            "nodeType": "CacheNodeType",
            "parameterGroupName": "CacheParameterGroupName",
            "subnetGroupName": "CacheSubnetGroupName",
            "azMode": "AZMode",
            "availabilityZone": "PreferredAvailabilityZone",
            "maintenanceWindow": "PreferredMaintenanceWindow",
        },
        ignore={"applyImmediately": _UPDATING, "finalSnapshotIdentifier": _DELETING},
        links={"subnetGroupName": "aws:elasticache/subnetGroup:SubnetGroup"},
        replace="clusterId engine subnetGroupName availabilityZone port",
        arn="arn:aws:elasticache:{region}:{account}:cluster:{id}",
        outputs={
            "cacheNodes": lambda c: [
                {
                    "id": "0001",
                    "address": f"{c.id}.sandbox.0001.{c.region}.cache.amazonaws.com",
                    "port": int(c.inputs.get("port", 6379)),
                }
            ],
        },
        delete="DeleteCacheCluster",
    ),
}
