"""Daily snapshots of the volumes that carry a tag."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.identity.role import ServiceRole, ServiceRoleArgs

POLICY = "arn:aws:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"


@dataclass(frozen=True)
class SnapshotsArgs:
    """Which volumes, how often, how many."""

    tag: str
    """Value of the ``Snapshot`` tag."""
    keep: int
    interval_hours: int = 24


class Snapshots(pulumi.ComponentResource):
    """A Data Lifecycle Manager policy. Costs: the snapshots by the GB-month."""

    def __init__(self, name: str, args: SnapshotsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:data:Snapshots", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        role = ServiceRole(name, ServiceRoleArgs(service="dlm.amazonaws.com", managed=[POLICY]), children)
        aws.dlm.LifecyclePolicy(
            f"{name}-policy",
            description=f"Snapshots of the data volumes tagged {args.tag}",
            execution_role_arn=role.arn,
            state="ENABLED",
            policy_details=aws.dlm.LifecyclePolicyPolicyDetailsArgs(
                resource_types=["VOLUME"],
                target_tags={"Snapshot": args.tag},
                schedules=[
                    aws.dlm.LifecyclePolicyPolicyDetailsScheduleArgs(
                        name="daily",
                        copy_tags=True,
                        create_rule=aws.dlm.LifecyclePolicyPolicyDetailsScheduleCreateRuleArgs(
                            interval=args.interval_hours, interval_unit="HOURS", times="03:00"
                        ),
                        retain_rule=aws.dlm.LifecyclePolicyPolicyDetailsScheduleRetainRuleArgs(count=args.keep),
                    )
                ],
            ),
            tags={"Name": name},
            opts=children,
        )
        self.register_outputs({})
