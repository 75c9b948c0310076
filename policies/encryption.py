"""Data at rest is encrypted, whatever holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pulumi_policy import ResourceValidationArgs

from policies.rules import ADVISORY, ResourceCheck, Violation, at, is_true, items, resource_policy

SWITCHES: Final[Mapping[str, str]] = {
    "aws:ebs/volume:Volume": "encrypted",
    "aws:ebs/snapshotCopy:SnapshotCopy": "encrypted",
    "aws:efs/fileSystem:FileSystem": "encrypted",
    "aws:docdb/cluster:Cluster": "storageEncrypted",
    "aws:neptune/cluster:Cluster": "storageEncrypted",
    "aws:elasticache/replicationGroup:ReplicationGroup": "atRestEncryptionEnabled",
    "aws:opensearch/domain:Domain": "encryptAtRest.enabled",
    "aws:rds/cluster:Cluster": "storageEncrypted",
    "aws:redshift/cluster:Cluster": "encrypted",
}
"""Type -> the property that switches its encryption on."""

MACHINES: Final[Mapping[str, tuple[str, str]]] = {
    "aws:ec2/instance:Instance": ("rootBlockDevice", "ebsBlockDevices"),
    "aws:ec2/launchConfiguration:LaunchConfiguration": ("rootBlockDevice", "ebsBlockDevices"),
}
"""Type -> its root volume, and its other volumes."""

KEYS: Final[Mapping[str, str]] = {
    "aws:secretsmanager/secret:Secret": "kmsKeyId",
    "aws:cloudwatch/logGroup:LogGroup": "kmsKeyId",
    "aws:efs/fileSystem:FileSystem": "kmsKeyId",
    "aws:eks/cluster:Cluster": "encryptionConfig.provider.keyArn",
    "aws:sns/topic:Topic": "kmsMasterKeyId",
    "aws:sqs/queue:Queue": "kmsMasterKeyId",
}
"""Type that AWS encrypts with a key of its own (EKS since 1.28) -> the property that names yours."""


def _switch(path: str) -> ResourceCheck:
    def check(args: ResourceValidationArgs) -> Iterator[Violation]:
        if not is_true(at(args.props, path)):
            yield _open(path)

    return check


def _open(path: str) -> Violation:
    return Violation(path, "is not true", "set it to true: what is stored there must be encrypted at rest")


def _rds_instance(args: ResourceValidationArgs) -> Iterator[Violation]:
    """A member of a cluster takes its cluster's storage, a replica its source's."""
    if not args.props.get("replicateSourceDb") and not is_true(args.props.get("storageEncrypted")):
        yield _open("storageEncrypted")


def _machine(root: str, others: str) -> ResourceCheck:
    def check(args: ResourceValidationArgs) -> Iterator[Violation]:
        if not is_true(at(args.props, f"{root}.encrypted")):
            yield _open(f"{root}.encrypted")
        for path, device in items(args.props, others):
            if not is_true(device.get("encrypted")):
                yield _open(f"{path}.encrypted")

    return check


def _launch_template(args: ResourceValidationArgs) -> Iterator[Violation]:
    """Without a mapping, the image's own root volume is used, and images are rarely encrypted."""
    mappings = list(items(args.props, "blockDeviceMappings"))
    if not mappings:
        yield Violation("blockDeviceMappings", "is missing", "map the root device with ebs.encrypted set to true")
    for path, mapping in mappings:
        if mapping.get("ebs") is not None and not is_true(at(mapping, "ebs.encrypted")):
            yield _open(f"{path}.ebs.encrypted")


def _own_key(path: str) -> ResourceCheck:
    def check(args: ResourceValidationArgs) -> Iterator[Violation]:
        if not at(args.props, path):
            yield Violation(path, "is missing", "name a KMS key of your own to decide who may decrypt")

    return check


POLICIES: Final = [
    resource_policy(
        "encryption-at-rest",
        "Volumes, file systems, databases and machines are encrypted at rest.",
        {
            **{type_: _switch(path) for type_, path in SWITCHES.items()},
            **{type_: _machine(*paths) for type_, paths in MACHINES.items()},
            "aws:ec2/launchTemplate:LaunchTemplate": _launch_template,
            "aws:rds/instance:Instance": _rds_instance,
        },
    ),
    resource_policy(
        "encryption-own-key",
        "Secrets, logs, file systems, topics and queues are encrypted with a KMS key of the account.",
        {type_: _own_key(path) for type_, path in KEYS.items()},
        level=ADVISORY,
    ),
]
