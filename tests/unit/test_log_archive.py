"""Each day's logs go to a bucket before Loki forgets them."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from derive.addons.additions import additions
from derive.addons.log_archive import FETCH
from derive.cloud import Allow, Grant
from derive.identity.secrets import secret_plans
from manifests.base import Manifest
from model import R2, Bucket, LogArchive, Loki, System, days
from tests.unit.declared import deployed, shop
from tests.unit.pooled import ACCOUNT, ENDPOINT

LOGS = "monitoring"


def archiving(bucket: Bucket | None = None) -> System:
    base = shop(stores=(bucket or Bucket(name="archive", at=R2(), keep=None),))
    addons = (Loki(archive=LogArchive(bucket="archive", keep=days(90))),)
    return base.model_copy(update={"platform": base.platform.model_copy(update={"addons": addons})})


def job(system: System) -> Manifest:
    (found,) = [
        item
        for item in additions(deployed(system, cloudflare_account=ACCOUNT))["loki"].settings
        if item["kind"] == "CronJob"
    ]
    return found


def test_every_day_goes_to_the_bucket_and_is_kept_for_its_time() -> None:
    """NT-BKP-04."""
    found = job(archiving())
    assert (found["metadata"]["name"], found["metadata"]["namespace"]) == ("log-archive", LOGS)
    assert found["spec"]["schedule"] == "30 0 * * *"
    (send,) = found["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    told = {entry["name"]: entry.get("value") for entry in send["env"]}
    assert (told["TARGET"], told["KEEP_DAYS"], send["args"]) == (
        "s3://shop-dev/logs/",
        "90",
        ["--endpoint-url", ENDPOINT],
    )
    assert [(item.name, item.namespace) for item in secret_plans(archiving(), {}) if item.given] == [
        ("r2-credentials", LOGS)
    ]


def test_in_the_account_it_has_rights_to_its_folder() -> None:
    found = additions(deployed(archiving(Bucket(name="archive", keep=None))))["loki"]
    listing = Allow(("s3:ListBucket",), ("${bucket-arn:archive}",), {"StringLike": {"s3:prefix": "logs/*"}})
    writing = Allow(("s3:PutObject", "s3:DeleteObject"), ("${bucket-arn:archive}/logs/*",))
    assert found.grants == (Grant(LOGS, "log-archive", (listing, writing)),)


def test_it_reaches_loki_and_loki_lets_it_in() -> None:
    own = {rule.name: rule for rule in additions(deployed(archiving(), cloudflare_account=ACCOUNT))["loki"].rules}
    assert own["log-archive"].inbound == ()
    (asked, _) = own["log-archive"].outbound
    assert asked.ports == (3100,)
    (first, *_) = own["loki"].inbound
    assert "log-archive" in repr(first.peers)


def fetched(folder: Path, logcli: str) -> subprocess.CompletedProcess[str]:
    """The script with a stand-in of logcli."""
    tool = folder / "logcli"
    tool.write_text(f"#!/bin/sh\n{logcli}\n")
    tool.chmod(0o755)
    env = {"PATH": f"{folder}:{os.environ['PATH']}", "FILE": f"{folder}/logs.jsonl.gz", "QUERY": "{a=~'.+'}"}
    return subprocess.run(["sh", "-c", FETCH], env=env, capture_output=True, text=True, check=False)


def test_the_whole_of_yesterday_is_read(tmp_path: Path) -> None:
    done = fetched(tmp_path, 'printf "%s\\n" "$@"')
    assert done.returncode == 0, done.stderr
    asked = gzip.decompress((tmp_path / "logs.jsonl.gz").read_bytes()).decode().split("\n")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0)
    assert f"--from={today - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}" in asked
    assert f"--to={today:%Y-%m-%dT%H:%M:%SZ}" in asked
    assert asked[-2] == "{a=~'.+'}"


def test_half_of_a_day_is_no_success(tmp_path: Path) -> None:
    """A pipe ends well when its last command does; the bucket would hold what was read until then."""
    done = fetched(tmp_path, "echo line; exit 1")
    assert done.returncode == 1
    assert "could not be read" in done.stderr


@pytest.mark.parametrize("container", ["initContainers", "containers"])
def test_its_pods_keep_to_the_strictest_profile(container: str) -> None:
    spec = job(archiving())["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    (found,) = spec[container]
    assert json.dumps(found["securityContext"]["capabilities"]) == '{"drop": ["ALL"]}'
