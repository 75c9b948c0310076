"""Volumes, snapshots, buckets, backups, images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from cost.errors import Unpriced
from cost.resources import Resource
from cost.world import THOUSAND, Charge, Rule, World

INCLUDED_IOPS, INCLUDED_THROUGHPUT = Decimal(3000), Decimal(125)
"""What a gp3 volume has without extra charge, in IOPS and MiB/s (Amazon EBS pricing)."""
HOURS_A_DAY: Final = 24
COLDER: Final[Mapping[str, str]] = {
    "STANDARD_IA": "s3.standard_ia.gb",
    "GLACIER_IR": "s3.glacier_ir.gb",
    "GLACIER": "s3.glacier.gb",
    "DEEP_ARCHIVE": "s3.deep_archive.gb",
}
"""Storage class that a lifecycle moves objects to -> price."""


def ebs(world: World, values: Mapping[str, Any], count: Decimal | int = 1) -> Iterator[Charge]:
    """Volumes as AWS's block device mappings describe them; what is absent is the volume type's default."""
    kind = str(values.get("volumeType") or "gp2")
    size = values.get("volumeSize")
    if size is None:
        raise Unpriced("a volume made from a snapshot has no size here")
    yield world.charge(f"ebs.{kind}.gb", Decimal(str(size)) * count)
    if kind != "gp3":
        return
    for key, value, included in (
        ("ebs.gp3.iops", values.get("iops"), INCLUDED_IOPS),
        ("ebs.gp3.mibps", values.get("throughput"), INCLUDED_THROUGHPUT),
    ):
        above = Decimal(str(value or 0)) - included
        if above > 0:
            yield world.charge(key, above * count)


def volume(world: World, item: Resource) -> Iterator[Charge]:
    values = item.values
    yield from ebs(
        world,
        {
            "volumeSize": values.get("size") or None,
            "volumeType": values.get("type"),
            "iops": values.get("iops"),
            "throughput": values.get("throughput"),
        },
    )


def snapshots(world: World, item: Resource) -> Iterator[Charge]:
    """What a lifecycle policy keeps of the volumes with its tags: one full snapshot and the changes of the others."""
    wanted = item.get("policyDetails.targetTags") or {}
    size = sum(
        (
            Decimal(str(found.get("size") or 0))
            for found in world.stack.of("aws:ebs/volume:Volume")
            if wanted.items() <= (found.get("tags") or {}).items()
        ),
        Decimal(0),
    )
    used, changed = world.usage["snapshot.used_share"], world.usage["snapshot.changed_share"]
    for schedule in item.rows("policyDetails.schedules"):
        create, retain = schedule.get("createRule") or {}, schedule.get("retainRule") or {}
        count = Decimal(str(retain.get("count") or 0))
        interval = create.get("interval")
        if not count or not interval or create.get("intervalUnit", "HOURS") != "HOURS":
            raise Unpriced("only schedules every so many hours that keep so many snapshots are understood")
        days = (count - 1) * Decimal(str(interval)) / HOURS_A_DAY
        yield world.charge("ebs.snapshot.gb", size * (used + changed * days))


def bucket(world: World, item: Resource) -> Iterator[Charge]:
    """Stored gigabytes, a share of them in the class that a lifecycle rule moves objects to, and requests."""
    total = world.usage["s3.gb"]
    classes = {
        str(transition.get("storageClass"))
        for lifecycle in world.stack.of("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
        if lifecycle.get("bucket") == item.id
        for rule in lifecycle.rows("rules")
        for transition in rule.get("transitions") or ()
    }
    cold = total * world.usage["s3.archived_share"] if classes else Decimal(0)
    yield world.charge("s3.standard.gb", total - cold)
    for name in sorted(classes):
        if name not in COLDER:
            raise Unpriced(f"its lifecycle moves objects to {name}, which is not understood")
        yield world.charge(COLDER[name], cold / len(classes))
    yield world.requests("s3.puts", "s3.puts", THOUSAND)
    yield world.requests("s3.gets", "s3.gets", THOUSAND)


def replication(world: World, item: Resource) -> Iterator[Charge]:
    """The copies' requests, and their way where they go to another region; their storage is the copy's own."""
    copies = [(rule.get("destination") or {}).get("bucket") for rule in item.rows("rules")]
    here = world.stack.region_of(item)
    near = {
        bucket.get("arn") for bucket in world.stack.of("aws:s3/bucket:Bucket") if world.stack.region_of(bucket) == here
    }
    for copy in copies:
        yield world.requests("s3.puts", "s3.puts", THOUSAND)
        if copy not in near:
            yield world.charge("transfer.region.gb", world.usage["s3.replicated_gb"])


def vault(world: World, item: Resource) -> Iterator[Charge]:
    yield world.charge("backup.gb", world.usage["backup.gb"])


def repository(world: World, item: Resource) -> Iterator[Charge]:
    yield world.charge("ecr.gb", world.usage["ecr.gb"])


RULES: Final[Mapping[str, Rule]] = {
    "aws:ebs/volume:Volume": volume,
    "aws:dlm/lifecyclePolicy:LifecyclePolicy": snapshots,
    "aws:s3/bucket:Bucket": bucket,
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": replication,
    "aws:backup/vault:Vault": vault,
    "aws:ecr/repository:Repository": repository,
}
