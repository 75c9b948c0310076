"""Controllers of pods: Deployment, StatefulSet, CronJob, Job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from manifests.base import Manifest, compact, manifest, match_labels

REVISIONS = 5
"""Old ReplicaSets that are kept to roll back to."""


def deployment(
    name: str,
    namespace: str,
    selector: Mapping[str, str],
    template: Manifest,
    replicas: int,
    max_surge: int,
    max_unavailable: int,
    deadline: int,
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    """``deadline``: seconds until a rollout counts as failed."""
    spec = compact(
        replicas=replicas,
        revisionHistoryLimit=REVISIONS,
        progressDeadlineSeconds=deadline,
        selector=match_labels(selector),
        strategy={
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": max_surge, "maxUnavailable": max_unavailable},
        },
        template=template,
    )
    return manifest("apps/v1", "Deployment", name, namespace, labels, spec=spec)


def volume_claim(name: str, size: str, storage_class: str | None) -> Manifest:
    """``storage_class`` absent: the cluster's default class."""
    return {
        "metadata": {"name": name},
        "spec": compact(
            accessModes=["ReadWriteOnce"], storageClassName=storage_class, resources={"requests": {"storage": size}}
        ),
    }


def stateful_set(
    name: str,
    namespace: str,
    service_name: str,
    selector: Mapping[str, str],
    template: Manifest,
    replicas: int,
    claims: Sequence[Manifest],
    labels: Mapping[str, str] | None = None,
    parallel: bool = False,
) -> Manifest:
    """Volumes outlive both the set and a smaller number of replicas. ``parallel``: members start without waiting for
    one another."""
    spec = compact(
        serviceName=service_name,
        replicas=replicas,
        podManagementPolicy="Parallel" if parallel else None,
        revisionHistoryLimit=REVISIONS,
        selector=match_labels(selector),
        persistentVolumeClaimRetentionPolicy={"whenDeleted": "Retain", "whenScaled": "Retain"},
        template=template,
        volumeClaimTemplates=list(claims),
    )
    return manifest("apps/v1", "StatefulSet", name, namespace, labels, spec=spec)


def cron_job(
    name: str,
    namespace: str,
    schedule: str,
    deadline: int,
    template: Manifest,
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    """Never two runs at once; a run that outlasts ``deadline`` seconds is stopped and not tried again."""
    spec = {
        "schedule": schedule,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": deadline,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {"spec": {"activeDeadlineSeconds": deadline, "backoffLimit": 0, "template": template}},
    }
    return manifest("batch/v1", "CronJob", name, namespace, labels, spec=spec)


def job(
    name: str, namespace: str, deadline: int, template: Manifest, labels: Mapping[str, str] | None = None
) -> Manifest:
    """Runs once; tried again until ``deadline`` seconds are over."""
    spec = {"activeDeadlineSeconds": deadline, "backoffLimit": 10, "template": template}
    return manifest("batch/v1", "Job", name, namespace, labels, spec=spec)
