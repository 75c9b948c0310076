"""The buckets and keys that the plan refers to, made because something refers to them."""

from __future__ import annotations

import pulumi

from components.identity.cloud import Cloud
from components.storage.bucket import PrivateBucket, PrivateBucketArgs
from components.storage.key import EncryptionKey, EncryptionKeyArgs
from derive.cloud import Reference
from stacks.common import Stack

BACKUPS = "backups"
"""The bucket that every environment has."""


def cloud(stack: Stack, backups: PrivateBucket) -> Cloud:
    """What each reference of the plan stands for."""
    protect = stack.deployment.environment.protect
    buckets = {BACKUPS: backups}
    keys: dict[str, EncryptionKey] = {}
    found: dict[Reference, pulumi.Output[str]] = {}
    for reference in sorted(stack.plan.references):
        name = reference.name
        if reference.kind in ("bucket", "bucket-arn") and name not in buckets:
            buckets[name] = PrivateBucket(f"{stack.name}-{name}", PrivateBucketArgs(protect=protect), stack.options)
        if reference.kind == "key-arn" and name not in keys:
            args = EncryptionKeyArgs(f"{stack.name}: {name}", protect=protect)
            keys[name] = EncryptionKey(f"{stack.name}-{name}", args, stack.options)
        if reference.kind == "bucket":
            found[reference] = buckets[name].bucket
        elif reference.kind == "bucket-arn":
            found[reference] = buckets[name].arn
        elif reference.kind == "key-arn":
            found[reference] = keys[name].arn
    return found
