"""Buckets: the one for backups that every environment has, those that are declared, and those that add-ons ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from derive import choices
from derive.addons import velero
from derive.bootstrap.postgres_host import expiry_days
from derive.cloud import Reference
from derive.data.databases import ARCHIVE
from derive.shapes import Deployment
from model import Bucket, DeclarationError, Velero
from model.stores import Store, backups_to

BACKUPS: Final = "backups"
"""The bucket that every environment has."""


@dataclass(frozen=True)
class BucketPlan:
    """One bucket. It has versions, TLS only, and no public access, whatever else is planned."""

    name: str
    expire: Mapping[str, int] = field(default_factory=dict)
    """Days after which objects below a prefix are deleted; the empty prefix is the whole bucket."""
    glacier: Mapping[str, int] = field(default_factory=dict)
    """Likewise, after which they move to Glacier."""
    replica: str | None = None
    """The region of its copy. Absent: there is none."""
    own_key: bool = False
    """Whether it is encrypted with a key of its own, not with the one that AWS keeps for S3."""
    protect: bool = False


def buckets(deployment: Deployment, references: frozenset[Reference]) -> tuple[BucketPlan, ...]:
    """The backups' bucket first, then the declared ones, then what else manifests and rights refer to.

    A declared bucket of the name ``backups`` is the backups' bucket; one that is kept elsewhere is none of ours. Raises
    DeclarationError for a copy in the region of its original: it is lost with it.
    """
    ours = (store for store in deployment.system.stores if isinstance(store, Bucket) and store.at is None)
    declared = {store.name: store for store in ours}
    asked = sorted(item.name for item in references if item.kind in ("bucket", "bucket-arn"))
    names = dict.fromkeys((BACKUPS, *declared, *asked))
    return tuple(_bucket(deployment, name, declared.get(name)) for name in names)


def _bucket(deployment: Deployment, name: str, declared: Bucket | None) -> BucketPlan:
    environment = deployment.environment
    expire = {f"{ARCHIVE}/": expiry_days(environment.snapshot_days)} if name == BACKUPS else {}
    if declared is None:
        return BucketPlan(name, expire, protect=environment.protect)
    if declared.replica == deployment.facts.region:
        raise DeclarationError(
            f"stores['{name}'].replica is '{declared.replica}', the region of the bucket itself; choose another one"
        )
    cold = declared.glacier.days if declared.glacier else None
    return BucketPlan(
        name=name,
        expire={**expire, **({"": declared.keep.days} if declared.keep else {})},
        glacier=dict.fromkeys(_cold(deployment, name), cold) if cold else {},
        replica=declared.replica,
        own_key=True,
        protect=environment.protect,
    )


def _cold(deployment: Deployment, name: str) -> tuple[str, ...]:
    """The prefixes whose objects may grow cold: all, unless Velero copies volumes to the bucket.

    A copy of a volume refers to whatever earlier copies hold of the same content, however old that is, and from
    Glacier it could not be read. Then only what else is known to go there grows cold.
    """
    copying = choices.choice(deployment, Velero)
    if copying is None or copying.bucket != name or copying.volumes != "files":
        return ("",)
    return (*_written(deployment.system.stores, name), f"{velero.PREFIX}/backups/")


def _written(stores: tuple[Store, ...], bucket: str) -> Iterator[str]:
    """Where stores put their backups: each below its own name."""
    for store in stores:
        if bucket in backups_to(store):
            yield f"{store.name}/"
