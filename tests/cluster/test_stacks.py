"""A real API server accepts every object of every stack, and its controllers run all that the stack declares."""

from __future__ import annotations

import pytest

from tests.cluster import workloads
from tests.cluster.conftest import Deployed
from tests.cluster.stack import label

SECONDS = 120.0
CHARTS = "app.kubernetes.io/name"
"""The label by which charts know their pods; the system's own workloads bear ``app``."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_every_object_is_accepted(deployed: Deployed) -> None:
    """A field that the server does not know, a value or a name that it refuses: none of them fails before the first
    update of a real cluster."""
    assert deployed.objects
    assert deployed.refused == {}


def test_custom_resources_are_accepted_by_their_definitions(deployed: Deployed) -> None:
    """Their schemas and rules come with the charts; only with them does the server look at these objects at all."""
    if deployed.unserved:
        kinds = ", ".join(sorted({manifest["kind"] for manifest in deployed.unserved}))
        pytest.skip(
            f"CRDS_DIR names no folder of CustomResourceDefinitions; built-in kinds alone were applied, not {kinds}"
        )
    assert {manifest["kind"] for manifest in deployed.objects} > {"Deployment"}


def test_the_server_has_nothing_to_warn_of(deployed: Deployed) -> None:
    """A deprecated version, a field without effect, a template whose pods Pod Security would refuse."""
    assert deployed.warnings == {}


def test_every_workload_gets_all_its_pods(deployed: Deployed) -> None:
    """Pods are refused by quota, limits or Pod Security long after their Deployment was accepted."""
    declared = deployed.of_kind(*workloads.RUNS_PODS)
    assert declared
    _assert_runs(deployed, declared)


def test_quotas_hold_the_largest_scale_and_a_rollout_of_everything(deployed: Deployed) -> None:
    """A quota that is full at the declared maximum stops the next release, or the autoscaler when it is needed most."""
    declared = deployed.of_kind(*workloads.RUNS_PODS)
    for scaler in deployed.of_kind("HorizontalPodAutoscaler"):
        spec, namespace = scaler["spec"], scaler["metadata"]["namespace"]
        workloads.scale(deployed.api, spec["scaleTargetRef"], namespace, spec["maxReplicas"])
    _assert_runs(deployed, declared)
    for workload in deployed.of_kind("Deployment", "StatefulSet", "DaemonSet"):
        workloads.restart(deployed.api, workload)
    _assert_runs(deployed, declared)


def test_scheduled_jobs_run(deployed: Deployed) -> None:
    """A CronJob's pods are first made when its time comes."""
    jobs = [workloads.job_of(one) for one in deployed.of_kind("CronJob")]
    for job in jobs:
        deployed.api.apply(job)
    _assert_runs(deployed, jobs)


def test_every_service_finds_its_pods(deployed: Deployed) -> None:
    """A selector or a port's name that matches no pod: a Service without endpoints. No chart is installed here: what
    leads to a chart's pods is left out."""
    api = deployed.api
    _assert_runs(deployed, deployed.of_kind(*workloads.RUNS_PODS))
    for service in deployed.of_kind("Service"):
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        if service["spec"]["selector"].keys() == {CHARTS}:
            continue
        slices = [
            one
            for one in api.list("discovery.k8s.io/v1", "EndpointSlice", namespace)
            if one["metadata"]["labels"]["kubernetes.io/service-name"] == name
        ]
        ports = {port.get("name", "") for one in slices if one.get("endpoints") for port in one["ports"]}
        assert ports == {port.get("name", "") for port in service["spec"]["ports"]}, label(service)


def test_every_autoscaler_and_disruption_budget_finds_its_target(deployed: Deployed) -> None:
    """An autoscaler of a name that is not there scales nothing; a budget that allows no disruption blocks a drain."""
    api = deployed.api
    _assert_runs(deployed, deployed.of_kind(*workloads.RUNS_PODS))
    for scaler in deployed.of_kind("HorizontalPodAutoscaler"):
        api.wait_for(
            scaler,
            lambda live: (
                {"AbleToScale": "True"}.items()
                <= {one["type"]: one["status"] for one in live.get("status", {}).get("conditions", ())}.items()
            ),
        )
    for budget in deployed.of_kind("PodDisruptionBudget"):
        api.wait_for(budget, lambda live: live.get("status", {}).get("disruptionsAllowed", 0) > 0)


def _assert_runs(deployed: Deployed, declared: list[dict[str, object]]) -> None:
    """All have all their pods, and none was refused on the way."""
    left = deployed.machines.run_until(lambda: workloads.unfinished(deployed.api, declared), SECONDS)
    assert (left, workloads.refusals(deployed.api, deployed.namespaces)) == ([], [])
