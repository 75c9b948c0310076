"""Workloads on a live cluster: what is still missing of them, and what was refused to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tests.cluster.api import MERGE, Api, Object
from tests.cluster.stack import label

RUNS_PODS: Final = ("Deployment", "StatefulSet", "DaemonSet", "Job")


def unfinished(api: Api, workloads: Iterable[Object]) -> list[str]:
    """The workloads that do not have all their pods, each with its status."""
    found = []
    for workload in workloads:
        live = api.get(api.path_of(workload))
        if not _finished(live):
            found.append(f"{label(workload)}: {live.get('status')}")
    return found


def _finished(live: Object) -> bool:
    kind, status = live["kind"], live.get("status", {})
    if kind == "Job":
        return any(one["type"] == "Complete" and one["status"] == "True" for one in status.get("conditions", ()))
    if status.get("observedGeneration") != live["metadata"]["generation"]:
        return False
    if kind == "DaemonSet":
        wanted = status["desiredNumberScheduled"]
        return {wanted} == {status.get(name, 0) for name in ("updatedNumberScheduled", "numberReady")} != {0}
    wanted = live["spec"]["replicas"]
    rolled = {status.get("currentRevision")} == {status.get("updateRevision")}
    return rolled and {wanted} == {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}


def refusals(api: Api, namespaces: Iterable[str]) -> list[str]:
    """The pods that admission refused to their controllers: by a quota, a limit or Pod Security."""
    return [
        f"{event['involvedObject']['kind']} {event['involvedObject']['name']}: {event['message']}"
        for namespace in sorted(namespaces)
        for event in api.list("v1", "Event", namespace)
        if event.get("reason") == "FailedCreate" and "forbidden" in event["message"]
    ]


def scale(api: Api, target: Mapping[str, Any], namespace: str, replicas: int) -> None:
    """Set the replicas of what an autoscaler refers to, as the autoscaler does."""
    kinds = [(target["apiVersion"], target["kind"])]
    if target["kind"] == "Rollout":
        kinds.append(("apps/v1", "Deployment"))  # Which stands in its place.
    for version, kind in kinds:
        path = api.path(version, kind, namespace, target["name"])
        api.send("PATCH", f"{path}/scale", {"spec": {"replicas": replicas}}, MERGE)


def restart(api: Api, workload: Object) -> None:
    """Begin a rollout, as a new image would."""
    annotations = {"annotations": {"tests/restarted": "1"}}
    api.send("PATCH", api.path_of(workload), {"spec": {"template": {"metadata": annotations}}}, MERGE)


def job_of(cron_job: Object) -> Object:
    """The Job that a CronJob makes when its time comes."""
    metadata = {**cron_job["metadata"], "name": f"{cron_job['metadata']['name']}-now"}
    template = cron_job["spec"]["jobTemplate"]
    metadata |= {
        key: template["metadata"][key] for key in ("labels", "annotations") if key in template.get("metadata", {})
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}
