"""The same servers refuse what is wrong, and the tests beside these see it: a check that cannot fail proves nothing."""

from __future__ import annotations

from copy import deepcopy

import pytest

from tests.cluster import stack, workloads
from tests.cluster.api import Object, Refused
from tests.cluster.conftest import Deployed, quota_in_force

SECONDS = 30.0
DRY = {"dryRun": "All"}
RESTRICTED = {"runAsNonRoot": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def pod(namespace: str, **container: object) -> Object:
    """A pod that Pod Security's strictest level admits, unless the container says otherwise; outside the mesh."""
    security = {**RESTRICTED, "seccompProfile": {"type": "RuntimeDefault"}}
    containers = [{"name": "one", "image": "one", "securityContext": security, **container}]
    labels = {"sidecar.istio.io/inject": "false"}
    metadata = {"name": "control", "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


PRIVILEGED = {"securityContext": {"privileged": True}}


def test_an_unknown_field_is_refused(deployed: Deployed) -> None:
    workload = deepcopy(deployed.of_kind("Deployment")[0])
    workload["spec"]["replica"] = 1
    with pytest.raises(Refused, match=r"\.spec\.replica: field not declared in schema"):
        deployed.api.apply(workload, **DRY)


def test_an_unknown_field_of_a_custom_resource_is_refused(deployed: Deployed, definitions: list[Object]) -> None:
    """Of every kind that a stack uses: a definition that keeps unknown fields would check none."""
    if not definitions:
        pytest.skip("CRDS_DIR names no folder of CustomResourceDefinitions")
    kinds = {one["spec"]["names"]["kind"] for one in stack.defining(definitions, deployed.objects)}
    assert kinds
    for kind in sorted(kinds):
        wrong = deepcopy(deployed.of_kind(kind)[0])
        wrong["spec"]["noSuchField"] = 1
        with pytest.raises(Refused, match=r"\.spec\.noSuchField: field not declared in schema"):
            deployed.api.apply(wrong, **DRY)


def test_a_wrong_value_is_refused(deployed: Deployed) -> None:
    workload = deepcopy(deployed.of_kind("Deployment")[0])
    workload["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Sometimes"
    with pytest.raises(Refused, match="Unsupported value"):
        deployed.api.apply(workload, **DRY)


def test_a_privileged_pod_is_refused_wherever_a_stack_does_not_ask_for_them(deployed: Deployed) -> None:
    """Also where nobody said anything, if the API server is ours: its own default, from the machine's configuration."""
    silent = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "silent"}}
    deployed.api.apply(silent)
    enforce = "pod-security.kubernetes.io/enforce"
    for namespace in [*([silent] if deployed.configured else []), *deployed.of_kind("Namespace")]:
        name, level = namespace["metadata"]["name"], namespace["metadata"].get("labels", {}).get(enforce)
        account = {"name": "default", "namespace": name}
        deployed.api.wait_for({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        if level != "privileged":
            with pytest.raises(Refused, match="violates PodSecurity"):
                deployed.api.apply(pod(name, **PRIVILEGED), **DRY)


def test_a_pod_beyond_the_quota_is_refused_and_one_within_takes_the_defaults(deployed: Deployed) -> None:
    """Quota and limits are in force at all; without the second half the first could be any refusal."""
    quotas = deployed.of_kind("ResourceQuota")
    assert quotas
    for quota in quotas:
        assert "requests.cpu" in quota["spec"]["hard"]
        much = {"cpu": "1000", "memory": "1Mi"}
        with pytest.raises(Refused, match="exceeded quota"):
            deployed.api.apply(pod(quota["metadata"]["namespace"], resources={"requests": much, "limits": much}), **DRY)
    for limit in deployed.of_kind("LimitRange"):
        admitted, _ = deployed.api.apply(pod(limit["metadata"]["namespace"]), **DRY)
        (defaults,) = limit["spec"]["limits"]
        resources = admitted["spec"]["containers"][0]["resources"]
        assert resources == {"requests": defaults["defaultRequest"], "limits": defaults["default"]}


@pytest.mark.parametrize("message", ["violates PodSecurity", "exceeded quota"])
def test_pods_that_a_controller_does_not_get_are_noticed(deployed: Deployed, message: str) -> None:
    """The Deployment itself is accepted; what happens to its pods shows in events and in what it lacks. Tried beside
    the stack's namespaces, in one with the labels and the quota of theirs."""
    api, name = deployed.api, message.partition(" ")[0]
    _guard(deployed, deployed.of_kind("ResourceQuota")[0], name)
    wrong: dict[str, Object] = {
        "violates PodSecurity": PRIVILEGED,
        "exceeded quota": {"resources": {"limits": {"cpu": "1", "memory": "1Ti"}}},
    }
    alone = pod(name, **wrong[message])
    labels = {"app": "control", **alone["metadata"]["labels"]}
    template = {"metadata": {"labels": labels}, "spec": alone["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "control"}}, "template": template}
    metadata = {"name": "control", "namespace": name}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    api.apply(deployment)
    deployed.machines.run_until(lambda: [] if workloads.refusals(api, [name]) else ["a refusal"], SECONDS)
    refusals = workloads.refusals(api, [name])
    assert refusals
    assert all(message in refusal for refusal in refusals)
    assert workloads.unfinished(api, [deployment])
    assert not workloads.refusals(api, deployed.namespaces)


def _guard(deployed: Deployed, quota: Object, name: str) -> None:
    """Make a namespace like that of a quota, and wait until a copy of the quota is in force there."""
    of_quota = quota["metadata"]["namespace"]
    (origin,) = [one for one in deployed.of_kind("Namespace") if one["metadata"]["name"] == of_quota]
    deployed.api.apply({**origin, "metadata": {**origin["metadata"], "name": name}})
    copy = {**quota, "metadata": {**quota["metadata"], "namespace": name}}
    deployed.api.apply(copy)
    deployed.api.wait_for(copy, quota_in_force)


def test_a_template_that_pod_security_would_refuse_is_warned_of(deployed: Deployed) -> None:
    """Where pods are refused, the server says so when it accepts their Deployment."""
    workload = deepcopy(deployed.of_kind("Deployment")[0])
    workload["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    _, warnings = deployed.api.apply(workload, **DRY)
    assert [warning for warning in warnings if "would violate PodSecurity" in warning]
