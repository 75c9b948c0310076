"""Orion's backups: what goes to which bucket, how often, and what comes back."""

from __future__ import annotations

import json
import subprocess
from ipaddress import IPv4Network

import pytest

from sandbox.state import Resource
from tests.conftest import ROOT
from tests.requirements.registered import Manifest, Registered, containers, environment

SENDERS = ("orion", "orion-backup", "redis-backup", "rabbitmq-backup")
"""Pods that write to the bucket, by their label."""
KOPIA = "velero/kopia/orion-data/"
"""Where the copies of volumes lie, whose newest ones refer to the oldest."""


def primary(stack: Registered) -> Resource:
    return stack.one("s3.Bucket", bucket=stack.outputs["backupBucket"])


def copies(stack: Registered) -> dict[str, Resource]:
    """Both buckets by their ARN's place in the replication."""
    (rule,) = stack.one("s3.BucketReplicationConfig").inputs["rules"]
    (copy,) = [item for item in stack.all("s3.Bucket") if item.outputs["arn"] == rule["destination"]["bucket"]]
    return {"primary": primary(stack), "copy": copy}


def command(container: Manifest) -> str:
    return " ".join([*container.get("command", ()), *container.get("args", ())])


@pytest.mark.rows("OR-BKP-01")
def test_the_database_is_backed_up_in_full_every_day_and_in_part_every_six_hours(orion: Registered) -> None:
    schedules = {"full": "0 2 * * *", "incremental": "0 */6 * * *"}
    for kind, schedule in schedules.items():
        job = orion.spec("CronJob", "orion-data", f"orion-backup-{kind}")
        assert job["schedule"] == schedule
        runs = containers(job["jobTemplate"]["spec"]["template"])
        assert any("pgbackrest" in command(item) or "pgbackrest" in item["image"] for item in runs)
        assert any({"full": "full", "incremental": "incr"}[kind] in command(item) for item in runs)


@pytest.mark.rows("OR-BKP-02")
def test_every_wal_segment_is_archived(orion: Registered) -> None:
    settings = orion.manifest("ConfigMap", "orion-data", "orion-config")["data"]["postgresql.conf"]
    lines = dict(line.split(" = ", 1) for line in settings.splitlines() if " = " in line)
    assert lines["archive_mode"] == "'on'"
    assert "pgbackrest" in lines["archive_command"]
    assert "archive-push" in lines["archive_command"]
    repository = orion.manifest("ConfigMap", "orion-data", "orion-pgbackrest")["data"]["pgbackrest.conf"]
    assert f"repo1-s3-bucket={orion.outputs['backupBucket']}" in repository


@pytest.mark.rows("OR-BKP-03")
def test_redis_every_hour_and_rabbitmq_every_day_are_sent_to_the_bucket(orion: Registered) -> None:
    assert "save 3600 1" in orion.manifest("ConfigMap", "orion-data", "redis-config")["data"]["redis.conf"]
    for store, schedule in {"redis": "0 * * * *", "rabbitmq": "30 1 * * *"}.items():
        job = orion.spec("CronJob", "orion-data", f"{store}-backup")
        assert job["schedule"] == schedule
        *_, send = containers(job["jobTemplate"]["spec"]["template"])
        target = f"s3://{orion.outputs['backupBucket']}/{store}/"
        assert target in command(send) or target in str(environment(send))


@pytest.mark.rows("OR-BKP-04")
def test_velero_copies_the_cluster_and_its_volumes_every_day(orion: Registered) -> None:
    values = orion.charts["velero"].values
    (schedule,) = values["schedules"].values()
    assert schedule["schedule"] == "0 3 * * *"
    assert schedule["template"]["includedNamespaces"] == ["*"]
    assert schedule["template"]["defaultVolumesToFsBackup"] is True
    assert values["deployNodeAgent"] is True
    (place,) = values["configuration"]["backupStorageLocation"]
    assert (place["bucket"], place["config"]) == (orion.outputs["backupBucket"], {"region": "us-east-1"})


@pytest.mark.rows("OR-BKP-05")
def test_everything_goes_to_one_bucket_in_us_east_and_gets_there(orion: Registered) -> None:
    assert primary(orion).outputs["region"] == "us-east-1"
    for pod in SENDERS:
        (policy,) = [
            item["spec"]
            for item in orion.manifests("NetworkPolicy", "orion-data").values()
            if item["spec"]["podSelector"].get("matchLabels") == {"app": pod}
        ]
        outside = [
            rule["ports"]
            for rule in policy["egress"]
            for peer in rule.get("to", ())
            if not IPv4Network(peer.get("ipBlock", {}).get("cidr", "10.0.0.0/8")).is_private
        ]
        assert outside == [[{"protocol": "TCP", "port": 443}]], pod


@pytest.mark.rows("OR-BKP-06")
def test_the_bucket_is_copied_to_ireland(orion: Registered) -> None:
    config = orion.one("s3.BucketReplicationConfig").inputs
    both = copies(orion)
    assert config["bucket"] == both["primary"].inputs["bucket"]
    (rule,) = config["rules"]
    assert (rule["status"], rule["filter"]) == ("Enabled", {"prefix": ""})
    assert rule["sourceSelectionCriteria"] == {"sseKmsEncryptedObjects": {"status": "Enabled"}}
    assert both["copy"].outputs["region"] == "eu-west-1"


@pytest.mark.rows("OR-BKP-07")
def test_old_backups_move_to_glacier_but_what_new_ones_need(orion: Registered) -> None:
    for name, bucket in copies(orion).items():
        rules = orion.one("s3.BucketLifecycleConfiguration", bucket=bucket.inputs["bucket"]).inputs["rules"]
        cold = {
            rule["filter"]["and"]["prefix"]: rule["transitions"]
            for rule in rules
            if rule["status"] == "Enabled" and "transitions" in rule
        }
        moved = [{"days": 90, "storageClass": "GLACIER"}]
        assert cold == dict.fromkeys(("orion/", "redis/", "rabbitmq/", "velero/backups/"), moved), name
        assert not any(KOPIA.startswith(prefix) for prefix in cold)


@pytest.mark.rows("OR-BKP-08", "OR-BEY-07")
def test_both_buckets_are_encrypted_versioned_and_closed(orion: Registered) -> None:
    keys = {item.outputs["arn"]: item for item in orion.all("kms.Key")}
    for bucket in copies(orion).values():
        name, region = bucket.inputs["bucket"], bucket.outputs["region"]
        (rule,) = orion.one("s3.BucketServerSideEncryptionConfiguration", bucket=name).inputs["rules"]
        default = rule["applyServerSideEncryptionByDefault"]
        assert default["sseAlgorithm"] == "aws:kms"
        key = keys[default["kmsMasterKeyId"]]
        assert (key.inputs["enableKeyRotation"], key.outputs["region"]) == (True, region)
        versions = orion.one("s3.BucketVersioning", bucket=name).inputs["versioningConfiguration"]
        assert versions["status"] == "Enabled"
        block = orion.one("s3.BucketPublicAccessBlock", bucket=name).inputs
        assert all(
            block[field] is True
            for field in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
        )
        (statement,) = json.loads(orion.one("s3.BucketPolicy", bucket=name).inputs["policy"])["Statement"]
        assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


@pytest.mark.rows("OR-BEY-08")
def test_neither_buckets_nor_volumes_are_lost_by_the_way(orion: Registered) -> None:
    for bucket in copies(orion).values():
        assert not bucket.inputs.get("forceDestroy")
        assert bucket.protect
    assert {item["reclaimPolicy"] for item in orion.manifests("StorageClass").values()} == {"Retain"}


@pytest.mark.rows("OR-BKP-09")
def test_a_backup_older_than_the_recovery_point_alerts(orion: Registered) -> None:
    groups = orion.spec("PrometheusRule", "orion-system", "orion-alerts")["groups"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
    assert rules["DatabaseBackupOverdue"]["expr"].endswith("> 21600")
    assert rules["DatabaseBackupOverdue"]["labels"]["severity"] == "critical"
    assert "absent" in rules["DatabaseBackupUnknown"]["expr"]


@pytest.mark.rows("OR-BKP-10")
def test_the_program_and_its_configuration_are_in_git(orion: Registered) -> None:
    """Read from the tree where there is no working copy."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=False, capture_output=True, text=True).stdout
    names = set(tracked.splitlines()) or {str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()}
    assert {"Pulumi.yaml", "Pulumi.orion-dev.yaml", "Pulumi.orion-prod.yaml", "systems/orion.py"} <= names
    assert "velero" in orion.charts


@pytest.mark.rows("OR-OPS-02")
def test_the_database_and_the_cluster_can_be_restored_and_that_is_rehearsed() -> None:
    for name, section in {
        "postgresql-in-cluster.md": "## Restore to a point in time",
        "velero.md": "## Restore a namespace",
    }.items():
        text = (ROOT / "docs" / "runbooks" / name).read_text()
        assert section in text
        rehearsed = text.partition("## Rehearse a restore")[2]
        assert rehearsed.strip().startswith("Every quarter")
