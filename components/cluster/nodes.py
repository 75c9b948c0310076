"""Machines that are replaced by themselves: a launch template and an Auto Scaling group."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from model.environment import Nodes

PULL_IMAGES = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"
"""AWS' policy of a node that pulls from ECR."""
METRICS = [
    aws.autoscaling.Metric.GROUP_DESIRED_CAPACITY,
    aws.autoscaling.Metric.GROUP_IN_SERVICE_INSTANCES,
    aws.autoscaling.Metric.GROUP_MAX_SIZE,
]
"""Free of charge; enough to see a group that cannot keep its number."""


@dataclass(frozen=True)
class NodeGroupArgs:
    """One group of equal machines."""

    nodes: Nodes
    minimum: int
    maximum: int
    image: pulumi.Input[str]
    user_data: pulumi.Input[str]
    profile: pulumi.Input[str]
    security_group: pulumi.Input[str]
    subnets: Sequence[pulumi.Input[str]]
    target_groups: Sequence[pulumi.Input[str]]
    tags: Mapping[str, str]
    """Carried by the machines and their volumes; the provider's default tags do not reach them."""
    metadata_hops: int = 1
    """How far the metadata service's answers go: 1 reaches the machine itself, 2 its pods, too."""
    await_healthy: bool = False
    """Whether the update waits until the machines answer their target group's health check."""


class NodeGroup(pulumi.ComponentResource):
    """Machines with IMDSv2, an encrypted root volume and no public address, kept at their number by AWS.

    Costs: the machines and their disks by the hour. Outputs: the group's name, known once its machines are up.
    """

    group_name: pulumi.Output[str]

    def __init__(self, name: str, args: NodeGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:cluster:NodeGroup", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        tags = {**args.tags, "Name": name}
        template = aws.ec2.LaunchTemplate(
            f"{name}-template",
            image_id=args.image,
            instance_type=args.nodes.instance,
            user_data=pulumi.Output.from_input(args.user_data).apply(lambda text: b64encode(text.encode()).decode()),
            update_default_version=True,
            iam_instance_profile=aws.ec2.LaunchTemplateIamInstanceProfileArgs(name=args.profile),
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=args.metadata_hops
            ),
            network_interfaces=[
                aws.ec2.LaunchTemplateNetworkInterfaceArgs(
                    associate_public_ip_address="false", security_groups=[args.security_group]
                )
            ],
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name="/dev/xvda",
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        encrypted="true",
                        volume_type="gp3",
                        volume_size=args.nodes.disk.size,
                        delete_on_termination="true",
                    ),
                )
            ],
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=tags)
                for kind in ("instance", "volume")
            ],
            tags=tags,
            opts=children,
        )
        group = aws.autoscaling.Group(
            f"{name}-group",
            min_size=args.minimum,
            max_size=args.maximum,
            desired_capacity=args.minimum,
            vpc_zone_identifiers=list(args.subnets),
            target_group_arns=list(args.target_groups),
            launch_template=aws.autoscaling.GroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            # A machine that AWS ends to even out the zones takes its pods along, undrained.
            suspended_processes=["AZRebalance"] if len(args.subnets) > 1 else None,
            health_check_type="EC2",
            health_check_grace_period=900,
            wait_for_capacity_timeout="20m",
            enabled_metrics=METRICS,
            metrics_granularity="1Minute",
            wait_for_elb_capacity=args.minimum if args.await_healthy else None,
            tags=[
                aws.autoscaling.GroupTagArgs(key=key, value=value, propagate_at_launch=True)
                for key, value in tags.items()
            ],
            opts=pulumi.ResourceOptions(
                parent=self, ignore_changes=["desiredCapacity"] if args.maximum > args.minimum else None
            ),
        )
        self.group_name = group.name
        self.register_outputs({"group_name": self.group_name})
