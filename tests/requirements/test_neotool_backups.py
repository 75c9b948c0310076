"""Neotool's backups: dumps and logs in object storage, and snapshots of the node's disk."""

from __future__ import annotations

import pytest

from derive.quantities import memory_bytes, millicores
from tests.requirements.neotool import ACCOUNT, HOME, apps, peers
from tests.requirements.registered import Manifest, Registered, environment

ENDPOINT = f"https://{ACCOUNT}.r2.cloudflarestorage.com"


def pod(stack: Registered, job: str) -> Manifest:
    found: Manifest = stack.spec("CronJob", HOME, job)["jobTemplate"]["spec"]["template"]["spec"]
    return found


def sender(stack: Registered, job: str) -> Manifest:
    (found,) = pod(stack, job)["containers"]
    return dict(found)


@pytest.mark.rows("NT-BKP-01", "NT-ENV-02")
def test_each_environment_has_a_bucket_of_its_own_at_r2(neotools: dict[str, Registered]) -> None:
    """What dev keeps must not be found in production's bucket, nor production's in dev."""
    for name, stack in neotools.items():
        for job in ("postgres-backup", "log-archive"):
            send = sender(stack, job)
            assert send["args"] == ["--endpoint-url", ENDPOINT]
            assert environment(send)["TARGET"].startswith(f"s3://neotool-{name}/")
        other = "neotool-dev" if name == "prod" else "neotool-prod"
        objects = str([item.inputs for item in stack.resources if item.type.startswith("kubernetes:")])
        assert f"s3://{other}/" not in objects
        told = {environment(item).get("OBJECTS_BUCKET") for item in applications(stack)}
        assert told == {f"neotool-{name}"}


def applications(stack: Registered) -> list[Manifest]:
    """The containers of the Kotlin services."""
    pods = {
        name: spec["spec"]["template"]["spec"]["containers"][0]
        for name, spec in stack.manifests("Deployment", HOME).items()
    }
    return [pods[name] for name in ("app-service", "security-service")]


@pytest.mark.rows("NT-BKP-02")
def test_the_database_is_dumped_every_night_and_old_dumps_go(neotool: Registered) -> None:
    spec = neotool.spec("CronJob", HOME, "postgres-backup")
    assert spec["schedule"] == "0 3 * * *"
    (fetch,) = pod(neotool, "postgres-backup")["initContainers"]
    assert fetch["image"].split("/")[-1].startswith("postgres:18.1"), "an older pg_dump refuses a newer server"
    assert "pg_dump" in fetch["command"][-1]
    assert environment(fetch)["PGHOST"] == f"postgres.{HOME}.svc.cluster.local"
    send = sender(neotool, "postgres-backup")
    assert environment(send)["KEEP_DAYS"] == "30"
    assert 's3 rm --only-show-errors "$TARGET$name"' in send["command"][2]


@pytest.mark.rows("NT-BKP-02")
def test_a_dump_of_a_full_volume_has_the_time_that_it_takes(neotool: Registered) -> None:
    """A Job that is stopped when the database has grown leaves no copy of it any more, every night."""
    (claim,) = neotool.spec("StatefulSet", HOME, "postgres")["volumeClaimTemplates"]
    size = memory_bytes(claim["spec"]["resources"]["requests"]["storage"])
    (fetch,) = pod(neotool, "postgres-backup")["initContainers"]
    share = millicores(fetch["resources"]["limits"]["cpu"]) / 1000
    compressed = 20 * 2**20
    """Bytes of tables that a whole processor compresses in a second, as pg_dump does by default."""
    job = neotool.spec("CronJob", HOME, "postgres-backup")["jobTemplate"]["spec"]
    assert job["activeDeadlineSeconds"] >= size / (compressed * share) * 1.5


@pytest.mark.rows("NT-BKP-02")
def test_policies_let_the_job_reach_the_database_and_the_bucket(neotool: Registered) -> None:
    assert "postgres-backup" in apps(peers(neotool.manifest("NetworkPolicy", HOME, "postgres-allow-pgbouncer"), 5432))
    own = neotool.manifest("NetworkPolicy", HOME, "postgres-backup-policy")
    assert own["spec"]["podSelector"]["matchLabels"].items() <= labels(neotool, "postgres-backup").items()
    assert apps(peers(own, 5432, "egress")) == {"postgres"}
    (outside,) = peers(own, 443, "egress")
    assert outside["ipBlock"]["cidr"] == "0.0.0.0/0"
    assert "10.0.0.0/8" in outside["ipBlock"]["except"]


def labels(stack: Registered, job: str) -> dict[str, str]:
    template = stack.spec("CronJob", HOME, job)["jobTemplate"]["spec"]["template"]
    return dict(template["metadata"]["labels"])


@pytest.mark.rows("NT-BKP-03")
def test_the_keys_of_the_bucket_come_from_vault(neotool: Registered) -> None:
    keys = {item["secretKey"] for item in neotool.spec("ExternalSecret", HOME, "r2-credentials")["data"]}
    for job in ("postgres-backup", "log-archive"):
        told = environment(sender(neotool, job))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            secret, key = told[name]
            assert (secret, key in keys) == ("r2-credentials", True)


@pytest.mark.rows("NT-BKP-04")
def test_logs_are_archived_for_ninety_days(neotool: Registered) -> None:
    """Loki keeps them for seven; the job runs every day, so each is copied before that."""
    assert neotool.spec("CronJob", HOME, "log-archive")["schedule"] == "30 0 * * *"
    (fetch,) = pod(neotool, "log-archive")["initContainers"]
    assert environment(fetch)["LOKI_ADDR"] == f"http://loki.{HOME}.svc.cluster.local:3100"
    told = environment(sender(neotool, "log-archive"))
    assert (told["KEEP_DAYS"], told["TARGET"]) == ("90", "s3://neotool-prod/logs/")
    assert "log-archive" in apps(peers(neotool.manifest("NetworkPolicy", HOME, "loki"), 3100))


@pytest.mark.rows("NT-BKP-05", "NT-AVL-01")
def test_the_disk_under_all_volumes_is_snapshotted_every_day(neotool: Registered) -> None:
    policy = neotool.one("dlm.LifecyclePolicy").inputs
    assert policy["state"] == "ENABLED"
    details = policy["policyDetails"]
    (schedule,) = details["schedules"]
    create = schedule["createRule"]
    assert (create["interval"], create["intervalUnit"], schedule["retainRule"]) == (24, "HOURS", {"count": 7})
    volumes = neotool.all("ebs.Volume")
    assert volumes
    assert all(details["targetTags"].items() <= volume.inputs["tags"].items() for volume in volumes)
    attached = {item.inputs["volumeId"] for item in neotool.all("ec2.VolumeAttachment")}
    assert attached == {volume.id for volume in volumes}


@pytest.mark.rows("NT-BKP-06")
def test_applications_keep_their_assets_in_the_same_bucket(neotool: Registered) -> None:
    """Under a prefix of their own: what expires dumps and logs does not see them."""
    for item in applications(neotool):
        told = environment(item)
        assert (told["OBJECTS_BUCKET"], told["OBJECTS_PREFIX"], told["OBJECTS_ENDPOINT"]) == (
            "neotool-prod",
            "assets/",
            ENDPOINT,
        )
        assert told["OBJECTS_ACCESS_KEY_ID"] == ("r2-credentials", "access-key-id")
