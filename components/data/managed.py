"""Databases that AWS runs: RDS for PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.identity.role import ServiceRole, ServiceRoleArgs
from components.storage.key import EncryptionKey, EncryptionKeyArgs
from derive.data.databases import ManagedDatabasePlan
from derive.stores.postgres_managed import MASTER, master_password

MONITORING_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
MONITORING_SECONDS = 60
LOGS = ("postgresql", "upgrade")
"""What is written to CloudWatch: what the server says, and how an upgrade of its major version went."""


@dataclass(frozen=True)
class ManagedDatabasesArgs:
    """The instances, and the network around them."""

    plans: Sequence[ManagedDatabasePlan]
    subnets: Sequence[pulumi.Input[str]]
    security_group: pulumi.Input[str]
    passwords: Mapping[str, pulumi.Input[str]]
    """Generated values by name."""
    log_days: int


class ManagedDatabases(pulumi.ComponentResource):
    """RDS instances: private, encrypted with a key of their own, TLS only, backed up every day, logs to CloudWatch.

    Who is protected keeps its instance, its key and, should the instance be deleted by hand, a last snapshot.
    Costs: each instance by the hour (twice with a standby), its storage, a key. Outputs: the name and ARN of each.
    """

    hosts: dict[str, pulumi.Output[str]]
    arns: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: ManagedDatabasesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:data:ManagedDatabases", name, None, opts)
        self._name, self._args = name, args
        self._children = pulumi.ResourceOptions(parent=self)
        subnets = aws.rds.SubnetGroup(
            f"{name}-subnets", subnet_ids=list(args.subnets), tags={"Name": name}, opts=self._children
        )
        monitoring = ServiceRole(
            f"{name}-monitoring",
            ServiceRoleArgs(service="monitoring.rds.amazonaws.com", managed=[MONITORING_POLICY]),
            self._children,
        )
        key = EncryptionKey(
            f"{name}-key",
            EncryptionKeyArgs(f"{name}: storage", protect=any(plan.protect for plan in args.plans)),
            self._children,
        )
        instances = {plan.name: self._create(plan, subnets.name, monitoring.arn, key.arn) for plan in args.plans}
        self.hosts = {name: instance.address for name, instance in instances.items()}
        self.arns = {name: instance.arn for name, instance in instances.items()}
        self.register_outputs({})

    def _create(
        self,
        plan: ManagedDatabasePlan,
        subnets: pulumi.Input[str],
        monitoring: pulumi.Input[str],
        key: pulumi.Input[str],
    ) -> aws.rds.Instance:
        name, size = f"{self._name}-{plan.name}", plan.size
        parameters = aws.rds.ParameterGroup(
            f"{name}-parameters",
            family=plan.family,
            parameters=[
                aws.rds.ParameterGroupParameterArgs(name=key, value=value) for key, value in plan.parameters.items()
            ],
            tags={"Name": name},
            opts=self._children,
        )
        # RDS would make them itself, without an end.
        logs = [
            aws.cloudwatch.LogGroup(
                f"{name}-{log}",
                name=f"/aws/rds/instance/{name}/{log}",
                retention_in_days=self._args.log_days,
                opts=self._children,
            )
            for log in LOGS
        ]
        return aws.rds.Instance(
            name,
            identifier=name,
            engine="postgres",
            engine_version=plan.engine_version,
            # Minor versions are this project's to choose.
            auto_minor_version_upgrade=False,
            instance_class=size.instance,
            db_name=plan.name,
            username=MASTER,
            password=pulumi.Output.secret(self._args.passwords[master_password(plan.name)]),
            port=plan.port,
            storage_type="gp3",
            allocated_storage=size.storage,
            max_allocated_storage=size.maximum,
            storage_encrypted=True,
            kms_key_id=key,
            multi_az=size.standby,
            publicly_accessible=False,
            db_subnet_group_name=subnets,
            vpc_security_group_ids=[self._args.security_group],
            parameter_group_name=parameters.name,
            backup_retention_period=size.backup_days,
            copy_tags_to_snapshot=True,
            enabled_cloudwatch_logs_exports=list(LOGS),
            monitoring_interval=MONITORING_SECONDS,
            monitoring_role_arn=monitoring,
            performance_insights_enabled=True,
            performance_insights_kms_key_id=key,
            performance_insights_retention_period=7,
            deletion_protection=plan.protect,
            skip_final_snapshot=not plan.protect,
            final_snapshot_identifier=f"{name}-final" if plan.protect else None,
            tags={"Name": name},
            opts=pulumi.ResourceOptions(
                parent=self, protect=plan.protect, ignore_changes=["allocatedStorage"], depends_on=logs
            ),
        )
