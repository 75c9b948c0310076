"""Copies of a store's whole state in a bucket, made by a Job: one container fetches it, the next one hands it over.

Where no time is declared, a copy has the name of the one before, which the bucket keeps as a version: so the Job may
write one object, and neither read nor delete anything. Otherwise each copy bears its date, and the Job deletes those
that are older than their time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from derive import cloud, images, labels
from derive.cloud import Allow, Grant
from derive.data import object_stores
from derive.data.object_stores import ObjectStore
from derive.mesh.graph import Links
from derive.services.workloads import USER, requirements
from derive.stores.kind import Member, Place, Site, StorePlan
from manifests import apps, core, pods
from manifests.base import Manifest
from model import Backup, Resources
from model.schedules import gaps

ROOM: Final = "/copy"
"""Where the containers of a Job meet."""
LONGEST: Final = timedelta(hours=6)
"""After that a Job is stopped, or when the next one is due: a hundred gibibytes at half a processor take some three."""
FETCHING: Final = Resources(cpu="50m", memory="64Mi", cpu_limit="500m", memory_limit="128Mi")
SENDING: Final = Resources(cpu="100m", memory="128Mi", cpu_limit="500m", memory_limit="512Mi")
KEEP: Final = """\
set -eu
now=$(date -u +%s)
oldest=$(date -u -d "@$((now - KEEP_DAYS * 86400))" +%Y%m%d)
aws "$@" s3 cp --only-show-errors "$SOURCE" "$TARGET$(date -u -d "@$now" +%Y%m%d-%H%M%S)-$(basename "$SOURCE")"
aws "$@" s3 ls "$TARGET" | while read -r _ _ _ name; do
  case $name in
    [0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]-*) ;;
    *) continue ;;
  esac
  if [ "${name%%-*}" -lt "$oldest" ]; then
    aws "$@" s3 rm --only-show-errors "$TARGET$name"
  fi
done
"""
"""Sends a copy under its date, then deletes those that are older than ``KEEP_DAYS``. Arguments: options of ``aws``."""


def name_of(store: str) -> str:
    return f"{store}-backup"


def member(store: str, port: int, place: Place, backup: Backup) -> Member:
    """The Job. ``port``: of the store, where it fetches."""
    bucket = place.buckets.get(backup.bucket)
    return Member(
        name_of(store),
        reaches={store: (port,)},
        exits=(object_stores.copying(bucket, place.region),),
        granted=not (bucket and bucket.at),
    )


def grants(store: str, backup: Backup, file: str, place: Place) -> tuple[Grant, ...]:
    """What the Job may do in its bucket; elsewhere its keys say so."""
    bucket = place.buckets.get(backup.bucket)
    if bucket and bucket.at:
        return ()
    arn = cloud.bucket_arn(backup.bucket)
    statements: tuple[Allow, ...] = (Allow(("s3:PutObject",), (f"{arn}/{store}/{file}",)),)
    if backup.keep:
        listing = Allow(("s3:ListBucket",), (arn,), {"StringLike": {"s3:prefix": f"{store}/*"}})
        statements = (listing, Allow(("s3:PutObject", "s3:DeleteObject"), (f"{arn}/{store}/*",)))
    return (Grant(place.namespace, name_of(store), statements),)


def sender(source: str, target: ObjectStore, folder: str, keep: timedelta | None) -> Manifest:
    """The container that sends the file ``source`` into ``folder`` of a bucket."""
    scratch = pods.scratch_mount()
    options = target.arguments or ["--endpoint-url", object_stores.api(target.region)]
    env = [pods.value("HOME", scratch["mountPath"]), *target.environment]
    if keep:
        env += [
            pods.value("SOURCE", source),
            pods.value("TARGET", target.url(f"{folder}/")),
            pods.value("KEEP_DAYS", str(keep.days)),
        ]
        command, arguments = ["sh", "-c", KEEP, "send"], options
    else:
        command = ["aws", *options, "s3", "cp", "--only-show-errors", source]
        arguments = [target.url(f"{folder}/{source.rpartition('/')[2]}")]
    return pods.container(
        "send",
        images.AWS_CLI,
        requirements(SENDING),
        env=env,
        mounts=[pods.mount("copy", ROOM, read_only=True), scratch],
        command=command,
        args=arguments or None,
    )


def plan(store: str, backup: Backup, file: str, room: str, fetch: Manifest, links: Links, site: Site) -> StorePlan:
    """ServiceAccount and CronJob. ``fetch``: the container that writes ``file`` below ``ROOM``, of at most ``room``."""
    name, namespace = links.workload.name, links.workload.namespace
    template = pods.pod_template(
        labels.pod(name, links.workload.tier, links.metrics),
        site.annotations(links),
        account=name,
        user=USER,
        init=[fetch],
        containers=[sender(f"{ROOM}/{file}", site.object_store(backup.bucket), store, backup.keep)],
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
