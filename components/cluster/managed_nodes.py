"""A group of nodes that EKS replaces, drains and updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from derive.cluster.k3s import PoolPlan

IMAGE = "AL2023_x86_64_STANDARD"
EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
"""Kubernetes' words, and EKS' own."""


@dataclass(frozen=True)
class ManagedNodesArgs:
    """One group of equal nodes."""

    cluster: pulumi.Input[str]
    pool: PoolPlan
    role: pulumi.Input[str]
    security_group: pulumi.Input[str]
    subnets: Sequence[pulumi.Input[str]]
    target_groups: Sequence[pulumi.Input[str]]
    tags: Mapping[str, str]
    """Carried by the machines and their volumes; the provider's default tags do not reach them."""


class ManagedNodes(pulumi.ComponentResource):
    """A managed node group: IMDSv2 that pods do not reach, an encrypted root volume, no public address.

    Costs: the machines and their disks by the hour. Outputs: none.
    """

    def __init__(self, name: str, args: ManagedNodesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:cluster:ManagedNodes", name, None, opts)
        children, nodes = pulumi.ResourceOptions(parent=self), args.pool.nodes
        template = _template(name, args, children)
        group = aws.eks.NodeGroup(
            f"{name}-group",
            cluster_name=args.cluster,
            node_role_arn=args.role,
            subnet_ids=list(args.subnets),
            ami_type=IMAGE,
            capacity_type="SPOT" if nodes.spot else "ON_DEMAND",
            instance_types=[nodes.instance, *nodes.alternatives],
            scaling_config=aws.eks.NodeGroupScalingConfigArgs(
                desired_size=nodes.count, min_size=nodes.count, max_size=nodes.maximum or nodes.count
            ),
            update_config=aws.eks.NodeGroupUpdateConfigArgs(max_unavailable=1),
            labels=dict(args.pool.labels),
            taints=[_taint(text) for text in args.pool.taints] or None,
            launch_template=aws.eks.NodeGroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            tags={**args.tags, "Name": name},
            # The autoscaler's to change.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["scalingConfig.desiredSize"]),
        )
        scaled = group.resources[0].autoscaling_groups[0].name
        for index, arn in enumerate(args.target_groups):
            aws.autoscaling.Attachment(
                f"{name}-door-{index}", autoscaling_group_name=scaled, lb_target_group_arn=arn, opts=children
            )
        self.register_outputs({})


def _template(name: str, args: ManagedNodesArgs, options: pulumi.ResourceOptions) -> aws.ec2.LaunchTemplate:
    tags = {**args.tags, "Name": name}
    return aws.ec2.LaunchTemplate(
        f"{name}-template",
        update_default_version=True,
        vpc_security_group_ids=[args.security_group],
        metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
            http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
        ),
        block_device_mappings=[
            aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                device_name="/dev/xvda",
                ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                    encrypted="true",
                    volume_type="gp3",
                    volume_size=args.pool.nodes.disk.size,
                    delete_on_termination="true",
                ),
            )
        ],
        tag_specifications=[
            aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=tags) for kind in ("instance", "volume")
        ],
        tags=tags,
        opts=options,
    )


def _taint(text: str) -> aws.eks.NodeGroupTaintArgs:
    """``key=value:Effect``."""
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    return aws.eks.NodeGroupTaintArgs(key=key, value=value or None, effect=EFFECTS[effect])
