"""A server that is its own edge: a machine at addresses that stay, whose volume outlives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from model.environment import Nodes

ROOT_GIB = 30
"""Of the operating system alone: everything of K3s and of the pods is on the volume."""
READY = "until [ -e /var/lib/wheelhouse/first-boot-done ]; do sleep 5; done"
READY_SECONDS = 1200


@dataclass(frozen=True)
class PublicServerArgs:
    """One server, and where it stands."""

    nodes: Nodes
    """Type of the machine, and the volume."""
    zone: str
    subnet_id: pulumi.Input[str]
    private_address: str
    address: aws.ec2.Eip
    """The public address that stays."""
    image: pulumi.Input[str]
    user_data: Callable[[str, str], pulumi.Output[str]]
    """From the volume's id and the public address."""
    profile: pulumi.Input[str]
    security_group: pulumi.Input[str]
    key_name: pulumi.Input[str]
    snapshots: str
    """Value of the tag by which snapshots find the volume."""
    tags: Mapping[str, str]
    made_of: str | None = None
    """The snapshot that the volume is made of. Absent: it begins empty."""
    protect: bool = False
    metadata_hops: int = 1


class PublicServer(pulumi.ComponentResource):
    """A machine with an Elastic IP, a fixed private address and a volume for K3s' state and its local volumes.

    AWS moves it to sound hardware by itself, with all of these; a declared change replaces the machine, and the new one
    goes on with the volume. The update waits until the machine says by Session Manager that its API is ready.
    Costs: the machine, two gp3 volumes and the address by the hour.
    Outputs: the instance's id; ``ready``, known only when the API answers.
    """

    instance_id: pulumi.Output[str]
    ready: pulumi.Output[str]

    def __init__(self, name: str, args: PublicServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:cluster:PublicServer", name, None, opts)
        self._name, self._args = name, args
        self._children = pulumi.ResourceOptions(parent=self)
        volume = self._create_volume()
        instance = self._create_instance(volume)
        attached = aws.ec2.VolumeAttachment(
            f"{name}-attachment",
            device_name="/dev/sdf",
            volume_id=volume.id,
            instance_id=instance.id,
            stop_instance_before_detaching=True,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        associated = aws.ec2.EipAssociation(
            f"{name}-association",
            allocation_id=args.address.id,
            instance_id=instance.id,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        gate = aws.ssm.Association(
            f"{name}-ready",
            name="AWS-RunShellScript",
            targets=[aws.ssm.AssociationTargetArgs(key="InstanceIds", values=[instance.id])],
            parameters={"commands": READY, "executionTimeout": str(READY_SECONDS)},
            wait_for_success_timeout_seconds=READY_SECONDS,
            # Only a new association is waited for.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[attached, associated], replace_on_changes=["targets"]),
        )
        self.instance_id = instance.id
        self.ready = gate.association_id
        self.register_outputs({"instance_id": self.instance_id, "ready": self.ready})

    def _create_volume(self) -> aws.ebs.Volume:
        args = self._args
        return aws.ebs.Volume(
            f"{self._name}-volume",
            availability_zone=args.zone,
            size=args.nodes.disk.size,
            type="gp3",
            iops=args.nodes.disk.iops,
            throughput=args.nodes.disk.throughput,
            encrypted=True,
            snapshot_id=args.made_of,
            final_snapshot=args.protect,
            tags={**args.tags, "Name": f"{self._name}-volume", "Snapshot": args.snapshots},
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )

    def _create_instance(self, volume: aws.ebs.Volume) -> aws.ec2.Instance:
        args = self._args
        user_data: pulumi.Output[str] = pulumi.Output.all(volume.id, args.address.public_ip).apply(
            lambda both: args.user_data(both[0], both[1])
        )
        return aws.ec2.Instance(
            f"{self._name}-instance",
            ami=args.image,
            instance_type=args.nodes.instance,
            subnet_id=args.subnet_id,
            private_ip=args.private_address,
            vpc_security_group_ids=[args.security_group],
            iam_instance_profile=args.profile,
            key_name=args.key_name,
            # Packages are asked for before the address that stays is there.
            associate_public_ip_address=True,
            disable_api_termination=args.protect,
            force_destroy=True,
            user_data=user_data,
            user_data_replace_on_change=True,
            metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=args.metadata_hops
            ),
            maintenance_options=aws.ec2.InstanceMaintenanceOptionsArgs(auto_recovery="default"),
            root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(
                encrypted=True, volume_type="gp3", volume_size=ROOT_GIB, tags={**args.tags, "Name": self._name}
            ),
            tags={**args.tags, "Name": self._name},
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["ami"], delete_before_replace=True),
        )
