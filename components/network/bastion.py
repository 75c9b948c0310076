"""The bastion: a machine that people enter by Session Manager."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.identity.role import ServiceRole, ServiceRoleArgs

SESSION_MANAGER = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


@dataclass(frozen=True)
class BastionArgs:
    """Where the bastion stands."""

    subnet_id: pulumi.Input[str]
    security_group: pulumi.Input[str]
    image: pulumi.Input[str]
    """AMI with the SSM agent."""
    instance: str = "t3.micro"


class Bastion(pulumi.ComponentResource):
    """A machine without a public address or inbound rule; Session Manager opens shells and forwards ports.

    Needs: outbound HTTPS. Costs: one small instance. Outputs: the instance's id for ``aws ssm start-session``.
    """

    instance_id: pulumi.Output[str]

    def __init__(self, name: str, args: BastionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:network:Bastion", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        role = ServiceRole(
            name,
            ServiceRoleArgs(service="ec2.amazonaws.com", managed=[SESSION_MANAGER], instance_profile=True),
            children,
        )
        instance = aws.ec2.Instance(
            f"{name}-instance",
            ami=args.image,
            instance_type=args.instance,
            subnet_id=args.subnet_id,
            vpc_security_group_ids=[args.security_group],
            iam_instance_profile=role.profile,
            associate_public_ip_address=False,
            metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(encrypted=True, volume_type="gp3", volume_size=10),
            tags={"Name": name},
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["ami"]),
        )
        self.instance_id = instance.id
        self.register_outputs({"instance_id": self.instance_id})
