"""Logs beyond Loki's own time: each day's, compressed, in a bucket, where they are deleted after theirs."""

from __future__ import annotations

from typing import Final

from derive import cloud, images, labels, naming
from derive.addons import aws
from derive.addons.flows import Flow, Hosts, Pods, Rule
from derive.cloud import Allow, Grant
from derive.data import object_stores
from derive.services.workloads import USER, requirements
from derive.shapes import Deployment
from derive.stores import copies
from manifests import apps, core, pods
from manifests.base import Manifest
from model import LogArchive
from model.schedules import gaps

NAME: Final = "log-archive"
FOLDER: Final = "logs"
"""Of the bucket."""
FILE: Final = "logs.jsonl.gz"
ROOM: Final = "10Gi"
FETCH: Final = """\
set -eu
now=$(date -u +%s)
end=$((now - now % 86400))
from=$(date -u -d "@$((end - 86400))" +%Y-%m-%dT%H:%M:%SZ)
to=$(date -u -d "@$end" +%Y-%m-%dT%H:%M:%SZ)
{
  logcli query --quiet --forward --limit=0 --batch=5000 --output=jsonl --timezone=UTC \\
    --from="$from" --to="$to" "$QUERY" || touch "$FILE.failed"
} | gzip >"$FILE"
if [ -e "$FILE.failed" ]; then
  echo "logs from $from to $to could not be read" >&2
  exit 1
fi
"""
"""The day before, in UTC, line by line with labels and time. A pipe hides a failure, hence the mark."""


def _bucket(deployment: Deployment, archive: LogArchive) -> bool:
    """Whether it is one of the stack's own account."""
    declared = object_stores.declared(deployment.system, archive.bucket)
    return declared is None or declared.at is None


def rule(deployment: Deployment, archive: LogArchive, loki: Flow) -> Rule:
    """It asks Loki, and leaves for the bucket."""
    if _bucket(deployment, archive):
        return Rule(NAME, labels.selector(NAME), (), (loki, *aws.flows(deployment, "s3")))
    return Rule(NAME, labels.selector(NAME), (), (loki, Flow(Hosts((object_stores.R2_HOSTS,)), (443,))))


def grants(deployment: Deployment, archive: LogArchive, namespace: str) -> tuple[Grant, ...]:
    """In its folder of a bucket of the account; elsewhere its keys say what it may do."""
    if not _bucket(deployment, archive):
        return ()
    arn = cloud.bucket_arn(archive.bucket)
    listing = Allow(("s3:ListBucket",), (arn,), {"StringLike": {"s3:prefix": f"{FOLDER}/*"}})
    return (Grant(namespace, NAME, (listing, Allow(("s3:PutObject", "s3:DeleteObject"), (f"{arn}/{FOLDER}/*",)))),)


def loki_flow(loki: dict[str, str]) -> Flow:
    return Flow((Pods(loki),), (naming.LOKI_PORT,))


def objects(deployment: Deployment, archive: LogArchive, namespace: str) -> tuple[Manifest, ...]:
    """ServiceAccount and CronJob."""
    target = object_stores.object_store(deployment, archive.bucket)
    fetch = pods.container(
        "fetch",
        images.LOGCLI,
        requirements(copies.FETCHING),
        env=[
            pods.value("LOKI_ADDR", f"http://{naming.fqdn('loki', namespace)}:{naming.LOKI_PORT}"),
            pods.value("QUERY", '{namespace=~".+"}'),
            pods.value("FILE", f"{copies.ROOM}/{FILE}"),
        ],
        mounts=[pods.mount("copy", copies.ROOM)],
        command=["sh", "-c", FETCH],
    )
    template = pods.pod_template(
        labels.pod(NAME, "platform", None),
        {},
        account=NAME,
        user=USER,
        init=[fetch],
        containers=[copies.sender(f"{copies.ROOM}/{FILE}", target, FOLDER, archive.keep)],
        volumes=[pods.empty_dir("copy", ROOM), pods.scratch("64Mi")],
        restart="Never",
    )
    deadline = min(gaps(archive.schedule)[0], copies.LONGEST)
    job = apps.cron_job(
        NAME,
        namespace,
        archive.schedule,
        int(deadline.total_seconds()),
        template,
        labels.workload(NAME, "platform"),
    )
    account = core.service_account(NAME, namespace, aws.identity(deployment, namespace, NAME))
    return (account, job)
