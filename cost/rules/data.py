"""Managed databases and caches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from cost.errors import Unpriced
from cost.resources import Resource
from cost.world import Charge, Rule, World

INCLUDED_IOPS: Final = Decimal(3000)
LARGE_IOPS: Final = Decimal(12_000)
LARGE: Final = Decimal(400)
"""GiB from which a gp3 storage of PostgreSQL includes the higher baseline (Amazon RDS, DB instance storage)."""


def database(world: World, item: Resource) -> Iterator[Charge]:
    """Instance hours and storage, both twice with a standby in another zone, and backups beyond the storage's size."""
    engine, size = str(item.get("engine") or ""), item.get("allocatedStorage")
    if size is None:
        raise Unpriced("it has no allocated storage here: it comes from a snapshot or a replication source")
    copies = 2 if item.get("multiAz") in (True, "true") else 1
    kind = str(item.get("storageType") or "gp2")
    yield world.hourly(f"rds.{engine}.{item.get('instanceClass')}", copies)
    yield world.charge(f"rds.storage.{kind}.gb", Decimal(str(size)) * copies)
    included = LARGE_IOPS if Decimal(str(size)) >= LARGE else INCLUDED_IOPS
    above = Decimal(str(item.get("iops") or 0)) - included
    if kind == "gp3" and above > 0:
        yield world.charge("rds.storage.gp3.iops", above * copies)
    if world.usage["rds.backup_gb"]:
        yield world.charge("rds.storage.backup.gb", world.usage["rds.backup_gb"])


def cache(world: World, item: Resource) -> Iterator[Charge]:
    yield world.hourly(f"elasticache.{item.get('nodeType')}", Decimal(str(item.get("numCacheNodes") or 1)))


def cache_group(world: World, item: Resource) -> Iterator[Charge]:
    """Either so many nodes, or so many shards with their replicas."""
    nodes = item.get("numCacheClusters") or (
        (item.get("numNodeGroups") or 1) * (1 + (item.get("replicasPerNodeGroup") or 0))
    )
    yield world.hourly(f"elasticache.{item.get('nodeType')}", Decimal(str(nodes)))


RULES: Final[Mapping[str, Rule]] = {
    "aws:rds/instance:Instance": database,
    "aws:elasticache/cluster:Cluster": cache,
    "aws:elasticache/replicationGroup:ReplicationGroup": cache_group,
}
