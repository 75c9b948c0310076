"""One PostgreSQL machine: its volume, its identity, its bundle and its name."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components.identity.authority import Authority
from components.identity.role import ServiceRole, ServiceRoleArgs, Statement
from derive.bootstrap.postgres import PostgresSecrets, bundle, user_data
from derive.bootstrap.postgres_host import PostgresHost
from derive.bootstrap.scram import scram_verifier
from derive.data.databases import HostPlan
from model.stores import Gp3


@dataclass(frozen=True)
class DatabaseHostArgs:
    """The machine's plan and what it needs from the stack."""

    plan: HostPlan
    describe: Callable[[str, str], PostgresHost]
    """The machine's bootstrap for a volume id and a bucket name."""
    instance: str
    volume: Gp3
    image: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    security_group: pulumi.Input[str]
    bucket: pulumi.Input[str]
    bucket_arn: pulumi.Input[str]
    bundle_key: str
    archive_prefix: str
    restored_from: str | None
    """Prefix of an archive that is only read. Absent: there is none."""
    authority: Authority
    verifiers: Mapping[str, pulumi.Output[str]]
    """SCRAM verifier by login role."""
    replication_password: pulumi.Output[str] | None
    zone_id: pulumi.Input[str]
    tier: str
    """Name of the tier: names of volumes and records begin with it, and snapshots look for it."""
    protect: bool


class DatabaseHost(pulumi.ComponentResource):
    """A machine at a fixed private address whose data volume outlives it.

    It reaches S3 and its peers only: packages, bundle and archive all come through the gateway endpoint.
    Costs: the machine and two gp3 volumes. Outputs: its address.
    """

    address: pulumi.Output[str]

    def __init__(self, name: str, args: DatabaseHostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:data:DatabaseHost", name, None, opts)
        self._name, self._args = name, args
        self._children = pulumi.ResourceOptions(parent=self)
        volume = self._create_volume()
        host = pulumi.Output.all(volume.id, args.bucket).apply(lambda values: args.describe(values[0], values[1]))
        stored = self._store_bundle(host)
        instance = self._create_instance(host, stored)
        aws.ec2.VolumeAttachment(
            f"{name}-attachment",
            device_name="/dev/sdf",
            volume_id=volume.id,
            instance_id=instance.id,
            stop_instance_before_detaching=True,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        # Named after the DNS name, so that a change of roles updates two records instead of replacing them.
        aws.route53.Record(
            f"{args.tier}-{args.plan.label}-record",
            zone_id=args.zone_id,
            name=args.plan.fqdn,
            type="A",
            ttl=60,
            records=[instance.private_ip],
            opts=self._children,
        )
        self.address = instance.private_ip
        self.register_outputs({"address": self.address})

    def _create_volume(self) -> aws.ebs.Volume:
        args = self._args
        return aws.ebs.Volume(
            f"{args.tier}-{args.plan.volume}",
            availability_zone=args.plan.zone,
            size=args.volume.size,
            type="gp3",
            iops=args.volume.iops,
            throughput=args.volume.throughput,
            encrypted=True,
            snapshot_id=args.plan.snapshot,
            final_snapshot=args.protect,
            tags={"Name": f"{args.tier}-{args.plan.volume}", "Snapshot": args.tier},
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )

    def _store_bundle(self, host: pulumi.Output[PostgresHost]) -> aws.s3.BucketObjectv2:
        args = self._args
        issued = args.authority.issue(self._args.plan.name, [args.plan.fqdn], self._children)
        secrets = pulumi.Output.all(
            verifiers=pulumi.Output.all(**args.verifiers),
            server_certificate=issued.certificate,
            server_key=issued.key,
            ca_certificate=args.authority.certificate,
            replication_password=args.replication_password or "",
        )
        content: pulumi.Output[str] = pulumi.Output.secret(
            pulumi.Output.all(host, secrets).apply(lambda both: bundle(both[0], PostgresSecrets(**both[1])))
        )
        return aws.s3.BucketObjectv2(
            f"{self._name}-bundle",
            bucket=args.bucket,
            key=args.bundle_key,
            content=content,
            content_type="application/json",
            server_side_encryption="aws:kms",
            opts=self._children,
        )

    def _create_instance(self, host: pulumi.Output[PostgresHost], stored: aws.s3.BucketObjectv2) -> aws.ec2.Instance:
        args = self._args
        role = ServiceRole(
            self._name,
            ServiceRoleArgs(service="ec2.amazonaws.com", statements=self._statements(), instance_profile=True),
            self._children,
        )
        return aws.ec2.Instance(
            f"{self._name}-instance",
            ami=args.image,
            instance_type=args.instance,
            subnet_id=args.subnet_id,
            private_ip=args.plan.address,
            vpc_security_group_ids=[args.security_group],
            iam_instance_profile=role.profile,
            associate_public_ip_address=False,
            # Termination protection is against a click in the console; a declared change may replace the machine.
            disable_api_termination=args.protect,
            force_destroy=True,
            user_data=host.apply(user_data),
            user_data_replace_on_change=True,
            metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(encrypted=True, volume_type="gp3", volume_size=20),
            tags={"Name": self._name, "Role": args.plan.role},
            opts=pulumi.ResourceOptions(
                parent=self, ignore_changes=["ami"], delete_before_replace=True, depends_on=[stored]
            ),
        )

    def _statements(self) -> list[Statement]:
        """Its own bundle and archive; an archive that it was restored from is only read."""
        args = self._args
        arn = pulumi.Output.from_input(args.bucket_arn)
        own, former = args.archive_prefix, args.restored_from
        read = [args.bundle_key, *([f"{former}/*"] if former else [])]
        return [
            Statement(["s3:GetObject"], [pulumi.Output.concat(arn, f"/{key}") for key in read]),
            Statement(["s3:GetObject", "s3:PutObject"], [pulumi.Output.concat(arn, f"/{own}/*")]),
            *(
                Statement(["s3:ListBucket"], [arn], {"StringLike": {"s3:prefix": f"{prefix}/*"}})
                for prefix in (own, former)
                if prefix
            ),
        ]


def verifier(name: str, password: pulumi.Output[str], opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """The SCRAM verifier of a password, with a salt that stays from run to run."""
    salt = random.RandomId(f"{name}-salt", byte_length=16, opts=opts)
    return pulumi.Output.secret(
        pulumi.Output.all(password, salt.b64_std).apply(lambda both: scram_verifier(both[0], b64decode(both[1])))
    )
