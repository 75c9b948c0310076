"""Copies of a store's whole state in a bucket, made by a Job: one container fetches it, the next one hands it over.

A copy has the same name as the one before, which the bucket keeps as a version: so the Job may write one object, and
neither read nor delete anything.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from derive import cloud, images, labels
from derive.cloud import Allow, Grant
from derive.graph import Links
from derive.stores import common
from derive.stores.kind import Member, Place, Site, StorePlan
from derive.workloads import USER, requirements
from manifests import apps, core, pods
from manifests.base import Manifest
from model import Backup, Resources
from model.schedules import gaps

ROOM: Final = "/copy"
"""Where the containers of a Job meet."""
LONGEST: Final = timedelta(hours=1)
"""After that a Job is stopped, or when the next one is due."""
FETCHING: Final = Resources(cpu="50m", memory="64Mi", cpu_limit="500m", memory_limit="128Mi")
SENDING: Final = Resources(cpu="100m", memory="128Mi", cpu_limit="500m", memory_limit="512Mi")


def name_of(store: str) -> str:
    return f"{store}-backup"


def member(store: str, port: int, place: Place) -> Member:
    """The Job. ``port``: of the store, where it fetches."""
    return Member(name_of(store), reaches={store: (port,)}, exits=(common.bucket_exit(place.region),), granted=True)


def grant(store: str, backup: Backup, file: str, place: Place) -> Grant:
    return Grant(place.namespace, name_of(store), (Allow(("s3:PutObject",), (_object(store, backup, file),)),))


def _object(store: str, backup: Backup, file: str) -> str:
    return f"{cloud.bucket_arn(backup.bucket)}/{store}/{file}"


def plan(store: str, backup: Backup, file: str, room: str, fetch: Manifest, links: Links, site: Site) -> StorePlan:
    """ServiceAccount and CronJob. ``fetch``: the container that writes ``file`` below ``ROOM``, of at most ``room``."""
    name, namespace, scratch = links.workload.name, links.workload.namespace, pods.scratch_mount()
    send = pods.container(
        "send",
        images.AWS_CLI,
        requirements(SENDING),
        env=[pods.value("HOME", scratch["mountPath"]), pods.value("AWS_REGION", site.region)],
        mounts=[pods.mount("copy", ROOM, read_only=True), scratch],
        command=["aws", "s3", "cp", "--only-show-errors", f"{ROOM}/{file}"],
        args=[f"s3://{cloud.bucket(backup.bucket)}/{store}/{file}"],
    )
    template = pods.pod_template(
        labels.pod(name, links.workload.tier, links.metrics),
        site.annotations(links),
        account=name,
        user=USER,
        init=[fetch],
        containers=[send],
        volumes=[pods.empty_dir("copy", room), pods.scratch("64Mi")],
        restart="Never",
    )
    deadline = min(gaps(backup.schedule)[0], LONGEST)
    job = apps.cron_job(
        name,
        namespace,
        backup.schedule,
        int(deadline.total_seconds()),
        template,
        labels.workload(name, links.workload.tier),
    )
    objects = (core.service_account(name, namespace), job)
    return StorePlan(objects, 1, (SENDING, FETCHING), 0)
