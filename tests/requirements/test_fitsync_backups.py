"""FitSync, backups and disaster recovery."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.conftest import ROOT
from tests.platforms import Platforms
from tests.requirements.fitsync import DATABASES
from tests.requirements.registered import Registered, machine

SNAPSHOT = "snap-0123456789abcdef0"
DLM = "arn:aws:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"


@pytest.mark.rows("FS-BKP-01")
def test_every_data_volume_is_snapshotted_daily(spoke: Registered) -> None:
    policy = spoke.one("dlm.LifecyclePolicy").inputs
    assert policy["state"] == "ENABLED"
    details = policy["policyDetails"]
    assert details["resourceTypes"] == ["VOLUME"]
    (schedule,) = details["schedules"]
    create = schedule["createRule"]
    assert (create["interval"], create["intervalUnit"]) == (24, "HOURS")
    assert schedule["retainRule"] == {"count": 30 if spoke.stack == "prod" else 7}
    assert details["targetTags"]
    volumes = [item.inputs["tags"] for item in spoke.all("ebs.Volume")]
    assert len(volumes) == (8 if spoke.stack == "prod" else 4)
    assert all(details["targetTags"].items() <= tags.items() for tags in volumes)
    role = spoke.one("iam.RolePolicyAttachment", policyArn=DLM).inputs["role"]
    assert policy["executionRoleArn"].endswith(f"/{role}")


@pytest.mark.rows("FS-BKP-02")
def test_a_snapshot_takes_the_place_of_a_volume_by_configuration(platforms: Platforms, dev: Registered) -> None:
    """A new volume from the snapshot, attached to the machine where the old one was; the other databases stay."""
    state = {"userdb": {"history": 2, "snapshot": SNAPSHOT}}
    result = platforms.bench("dev").good("preview", "dev", {"databaseStates": json.dumps(state)})
    changed = {(step.op, step.type.rpartition(":")[2]) for step in result.steps if step.op not in ("same", "read")}
    assert ("create", "Volume") in changed
    assert {op for op, kind in changed if kind == "VolumeAttachment"} & {"replace", "create-replacement"}
    touched = {step.name for step in result.steps if step.op not in ("same", "read")}
    assert not [name for name in touched for database in DATABASES if database != "userdb" and database in name]
    attached = dev.all("ec2.VolumeAttachment")
    assert {item.inputs["deviceName"] for item in attached} == {"/dev/sdf"}


@pytest.mark.rows("FS-BKP-02")
def test_the_restore_of_a_snapshot_is_written_down() -> None:
    text = (ROOT / "docs" / "runbooks" / "postgresql.md").read_text()
    for part in ("databaseStates", "snapshot", "describe-snapshots", "tag:Snapshot"):
        assert part in text


@pytest.mark.rows("FS-BYD-11")
def test_cluster_state_is_kept_off_the_machines(spoke: Registered) -> None:
    buckets = {item.inputs["bucket"]: item for item in spoke.all("s3.Bucket")}
    servers = [
        found
        for item in spoke.all("ec2.LaunchTemplate")
        for found in [machine(item.inputs["userData"])]
        if found.settings["ROLE"] == "server"
    ]
    assert servers
    for server in servers:
        configuration = yaml.safe_load(server.files["/etc/rancher/k3s/config.yaml"])
        assert configuration["etcd-s3"] is True
        assert configuration["etcd-snapshot-schedule-cron"] == "0 */6 * * *"
        bucket = buckets[configuration["etcd-s3-bucket"]]
        assert bucket.protect is (spoke.stack == "prod")
        policies = [json.loads(item.inputs["policy"])["Statement"] for item in spoke.all("iam.RolePolicy")]
        written = f"{bucket.outputs['arn']}/{configuration['etcd-s3-folder']}/*"
        assert [
            statement
            for statements in policies
            for statement in statements
            if "s3:PutObject" in statement["Action"] and written in statement["Resource"]
        ]
