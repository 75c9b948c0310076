"""What sees all that is done in an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components.identity.role import ServiceRole, ServiceRoleArgs, Statement
from components.storage.bucket import PrivateBucket, PrivateBucketArgs, closed
from components.storage.key import EncryptionKey, EncryptionKeyArgs

CONFIG_POLICY: Final = "arn:aws:iam::aws:policy/service-role/AWS_ConfigRole"
"""To read how everything is configured, kept by AWS in step with what there is."""


@dataclass(frozen=True)
class AccountWatchArgs:
    """Which account and region, and how long what was seen is kept."""

    account: pulumi.Input[str]
    region: str
    keep_days: int
    protect: bool = False


class AccountWatch(pulumi.ComponentResource):
    """CloudTrail in every region, AWS Config for every kind of resource, and GuardDuty. An account has them once.

    Log files are encrypted with a key of their own, and signed, so that who changes one is found out; the bucket takes
    what these two services deliver, and nothing else may write there.
    Costs: Config by each recorded change, GuardDuty by what it reads, the bucket by volume, the key by the month; the
    first trail of an account is free.
    """

    def __init__(self, name: str, args: AccountWatchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:operations:AccountWatch", name, None, opts)
        self._name, self._args = name, args
        self._children = pulumi.ResourceOptions(parent=self)
        bucket = PrivateBucket(
            f"{name}-deliveries",
            PrivateBucketArgs(expire={"": args.keep_days}, for_services=True, protect=args.protect),
            self._children,
        )
        trail = f"arn:aws:cloudtrail:{args.region}:"
        policy = aws.s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.bucket,
            policy=pulumi.Output.all(bucket.arn, args.account).apply(
                lambda known: closed(known[0], *_deliveries(known[0], known[1], f"{trail}{known[1]}:trail/{name}"))
            ),
            opts=self._children,
        )
        self._create_trail(bucket, policy)
        self._create_recorder(bucket, policy)
        aws.guardduty.Detector(
            f"{name}-threats", enable=True, finding_publishing_frequency="FIFTEEN_MINUTES", opts=self._children
        )
        self.register_outputs({})

    def _create_trail(self, bucket: PrivateBucket, policy: pulumi.Resource) -> None:
        key = EncryptionKey(
            f"{self._name}-key",
            EncryptionKeyArgs(f"{self._name}: CloudTrail", for_trails=True, protect=self._args.protect),
            self._children,
        )
        aws.cloudtrail.Trail(
            f"{self._name}-trail",
            name=self._name,
            s3_bucket_name=bucket.bucket,
            kms_key_id=key.arn,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            enable_logging=True,
            # It writes a first file to see whether it may.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy, key]),
        )

    def _create_recorder(self, bucket: PrivateBucket, policy: pulumi.Resource) -> None:
        role = ServiceRole(
            f"{self._name}-recording",
            ServiceRoleArgs(
                service="config.amazonaws.com",
                managed=[CONFIG_POLICY],
                statements=[
                    Statement(["s3:GetBucketAcl"], [bucket.arn]),
                    Statement(
                        ["s3:PutObject"],
                        [pulumi.Output.concat(bucket.arn, "/AWSLogs/", self._args.account, "/Config/*")],
                    ),
                ],
            ),
            self._children,
        )
        recorder = aws.cfg.Recorder(
            f"{self._name}-recorder",
            name=self._name,
            role_arn=role.arn,
            recording_group=aws.cfg.RecorderRecordingGroupArgs(all_supported=True, include_global_resource_types=True),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )
        channel = aws.cfg.DeliveryChannel(
            f"{self._name}-channel",
            name=self._name,
            s3_bucket_name=bucket.bucket,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[recorder, policy]),
        )
        aws.cfg.RecorderStatus(
            f"{self._name}-on",
            name=recorder.name,
            is_enabled=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[channel]),
        )


def _deliveries(bucket: str, account: str, trail: str) -> list[dict[str, object]]:
    """CloudTrail user guide, "Amazon S3 bucket policy for CloudTrail": for this one trail."""
    own = {"StringEquals": {"aws:SourceArn": trail}}
    owned = {"StringEquals": {"aws:SourceArn": trail, "s3:x-amz-acl": "bucket-owner-full-control"}}
    who = {"Service": "cloudtrail.amazonaws.com"}
    return [
        {
            "Sid": "TrailLooks",
            "Effect": "Allow",
            "Principal": who,
            "Action": "s3:GetBucketAcl",
            "Resource": bucket,
            "Condition": own,
        },
        {
            "Sid": "TrailWrites",
            "Effect": "Allow",
            "Principal": who,
            "Action": "s3:PutObject",
            "Resource": f"{bucket}/AWSLogs/{account}/*",
            "Condition": owned,
        },
    ]
