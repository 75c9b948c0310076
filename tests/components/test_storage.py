"""A bucket for backups: its key, what moves to Glacier, and the copy in another region."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from tests.components import built
from tests.components.strict_monitor import Registered, StrictMonitor, plain, register

ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"


@cache
def made() -> StrictMonitor:
    def program() -> None:
        built.replica()

    return register(program)


def statements(item: Registered) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(plain(item.inputs["policy"]))["Statement"]
    return found


def test_each_bucket_is_encrypted_with_a_rotated_key_of_its_own() -> None:
    """OR-BKP-08, OR-BEY-07: a key stays in its region, and S3 copies nothing that the key of AWS encrypts."""
    keys = made().of("aws:kms/key:Key")
    assert keys.keys() == {"objects-key", "copy-key"}
    assert all(item.inputs["enableKeyRotation"] is True for item in keys.values())
    encryption = {
        name: item.inputs["rules"][0]["applyServerSideEncryptionByDefault"]
        for name, item in made().of(ENCRYPTION).items()
    }
    assert encryption == {
        "archive-encryption": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": keys["objects-key"].outputs["arn"]},
        "copy-encryption": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": keys["copy-key"].outputs["arn"]},
    }


def test_a_key_is_used_by_whoever_may_use_the_objects_and_through_s3_only() -> None:
    """Machines and pods have rights to buckets, none to keys; a key that S3 may not use for them refuses writes."""
    for item in made().of("aws:kms/keyPolicy:KeyPolicy").values():
        account, everybody = statements(item)
        assert (account["Action"], account["Principal"]) == ("kms:*", {"AWS": "arn:aws:iam::123456789012:root"})
        assert everybody["Condition"] == {
            "StringEquals": {"kms:CallerAccount": "123456789012"},
            "StringLike": {"kms:ViaService": "s3.*.amazonaws.com"},
        }
        assert "kms:ScheduleKeyDeletion" not in everybody["Action"]


def test_old_objects_move_to_glacier_but_small_ones() -> None:
    """OR-BKP-07: pgBackRest reads its catalogue at every segment, and writes part of it once."""
    for item in made().of("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").values():
        (rule,) = [rule for rule in item.inputs["rules"] if rule["id"] == "glacier-all"]
        assert rule["transitions"] == [{"days": 90, "storageClass": "GLACIER"}]
        assert rule["filter"] == {"objectSizeGreaterThan": 131072}
        assert "expiration" not in rule


def test_both_buckets_are_closed_versioned_and_protected() -> None:
    """OR-BKP-08, OR-BEY-08."""
    for type_ in ("BucketPublicAccessBlock", "BucketVersioning", "BucketPolicy"):
        token = f"aws:s3/{type_[0].lower()}{type_[1:]}:{type_}"
        assert {item.parent for item in made().of(token).values()} == {"archive", "copy"}, type_
    assert all(item.protect for item in made().of("aws:s3/bucket:Bucket").values())
    assert all(item.protect for item in made().of("aws:kms/key:Key").values())


def test_the_copy_stands_in_the_other_region() -> None:
    """OR-BKP-06: a copy in the same region is lost with it."""

    def provider(name: str) -> str:
        return made().of("aws:s3/bucket:Bucket")[name].provider

    assert "elsewhere" in provider("copy-bucket")
    assert "elsewhere" not in provider("archive-bucket")
    assert "elsewhere" in made().of("aws:kms/key:Key")["copy-key"].provider
    assert "elsewhere" not in made().one("aws:s3/bucketReplicationConfig:BucketReplicationConfig").provider


def test_everything_is_copied_deletions_included() -> None:
    """OR-BKP-06."""
    config = made().one("aws:s3/bucketReplicationConfig:BucketReplicationConfig")
    assert config.inputs["bucket"] == "archive-bucket.id"
    (rule,) = config.inputs["rules"]
    assert (rule["status"], rule["filter"]) == ("Enabled", {"prefix": ""})
    assert rule["deleteMarkerReplication"] == {"status": "Enabled"}
    assert rule["sourceSelectionCriteria"] == {"sseKmsEncryptedObjects": {"status": "Enabled"}}
    copy = made().of("aws:kms/key:Key")["copy-key"].outputs["arn"]
    assert rule["destination"] == {
        "bucket": "copy-bucket.arn",
        "encryptionConfiguration": {"replicaKmsKeyId": copy},
    }
    waits = set(config.dependencies)
    assert {"archive-versions", "copy-versions"} <= waits, "AWS refuses it before both keep versions"


def test_who_copies_reads_the_source_and_writes_the_copy() -> None:
    (policy,) = made().of("aws:iam/rolePolicy:RolePolicy").values()
    allowed = {
        action: (statement["Resource"], statement.get("Condition"))
        for statement in statements(policy)
        for action in statement["Action"]
    }
    through = {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}
    keys = made().of("aws:kms/key:Key")
    assert allowed == {
        "s3:GetReplicationConfiguration": (["archive-bucket.arn"], None),
        "s3:ListBucket": (["archive-bucket.arn"], None),
        "s3:GetObjectVersionAcl": (["archive-bucket.arn/*"], None),
        "s3:GetObjectVersionForReplication": (["archive-bucket.arn/*"], None),
        "s3:GetObjectVersionTagging": (["archive-bucket.arn/*"], None),
        "s3:ReplicateDelete": (["copy-bucket.arn/*"], None),
        "s3:ReplicateObject": (["copy-bucket.arn/*"], None),
        "s3:ReplicateTags": (["copy-bucket.arn/*"], None),
        "kms:Decrypt": ([keys["objects-key"].outputs["arn"]], through),
        "kms:Encrypt": ([keys["copy-key"].outputs["arn"]], through),
    }
    trust = json.loads(made().one("aws:iam/role:Role").inputs["assumeRolePolicy"])["Statement"]
    assert [statement["Principal"] for statement in trust] == [{"Service": "s3.amazonaws.com"}]
