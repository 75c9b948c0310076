"""Orion, beyond the drawing: what an operator of such a system expects."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.requirements.registered import Manifest, Registered, containers

SERVICES = ("gateway", "auth", "user", "notification")
EXACT = re.compile(r"v?\d+\.\d+\.\d+([-+.][0-9A-Za-z.]+)?")
SECRET = re.compile(r"password|token|secret|api_?key|credential", re.IGNORECASE)
HARMLESS = re.compile(r"(TOKEN_ISSUER|TOKEN_LIFETIME|.*_FILE|.*_PATH|AWS_.*_CALCULATION)")
"""Names of variables that only sound like secrets: who issues tokens, how long they live, where a file is."""
ISOLATED = {f"orion-{name}" for name in (*SERVICES, "data")}


def workload(stack: Registered, service: str) -> Manifest:
    """What runs a service, whether it rolls or is switched."""
    found: Manifest = {}
    for kind in ("Deployment", "Rollout"):
        found = stack.manifests(kind, f"orion-{service}").get(service) or found
    return found


def pods(stack: Registered) -> list[tuple[str, Manifest]]:
    """``namespace/name`` and pod template of everything that runs pods, what is switched included."""
    switched = [(name, item["spec"]["template"]) for name, item in stack.manifests("Rollout").items()]
    return [*((name, template) for _, name, template in stack.pods()), *switched]


def selected(selector: Any, template: Manifest) -> bool:
    return bool(selector["matchLabels"].items() <= template["metadata"]["labels"].items())


@pytest.mark.rows("OR-BEY-01")
def test_a_drain_takes_one_pod_at_a_time(orion: Registered) -> None:
    """At least one pod stays: of three or two replicas, one may be away."""
    for service in SERVICES:
        budget = orion.spec("PodDisruptionBudget", f"orion-{service}", service)
        assert selected(budget["selector"], workload(orion, service)["spec"]["template"])
        assert budget["maxUnavailable"] == 1
        scale = orion.spec("HorizontalPodAutoscaler", f"orion-{service}", service)
        assert scale["minReplicas"] >= 2
    database = orion.spec("PodDisruptionBudget", "orion-data", "orion")
    members = [orion.spec("StatefulSet", "orion-data", name) for name in ("orion", "orion-2", "orion-3")]
    assert all(selected(database["selector"], member["template"]) for member in members)
    assert database["maxUnavailable"] == 1
    assert sum(member["replicas"] for member in members) == 3


@pytest.mark.rows("OR-BEY-02")
def test_pods_are_spread_over_the_zones(orion: Registered) -> None:
    zone, node = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
    templates = [workload(orion, service)["spec"]["template"] for service in SERVICES]
    members = [orion.spec("StatefulSet", "orion-data", name)["template"] for name in ("orion", "orion-2", "orion-3")]
    for template in (*templates, *members):
        rules = template["spec"]["topologySpreadConstraints"]
        assert {rule["topologyKey"] for rule in rules} == {zone, node}
        assert all(selected(rule["labelSelector"], template) for rule in rules)
    assert len({item.inputs["availabilityZone"] for item in orion.all("ec2.Subnet")}) == 3


@pytest.mark.rows("OR-BEY-04")
def test_containers_have_no_rights_and_namespaces_hold_them_to_it(orion: Registered) -> None:
    for service in SERVICES:
        spec = workload(orion, service)["spec"]["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"]["drop"] == ["ALL"]
    spaces = orion.manifests("Namespace")
    for name in ISOLATED:
        assert spaces[name]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] in ("baseline", "restricted")


@pytest.mark.rows("OR-BEY-05")
def test_each_service_has_an_account_of_its_own(orion: Registered) -> None:
    for service in SERVICES:
        assert workload(orion, service)["spec"]["template"]["spec"]["serviceAccountName"] == service
        assert service in orion.manifests("ServiceAccount", f"orion-{service}")


@pytest.mark.rows("OR-BEY-06", "OR-ADD-05")
def test_charts_and_images_are_exact(orion: Registered) -> None:
    assert len(orion.charts) > 15
    for name, chart in orion.charts.items():
        assert EXACT.fullmatch(chart.version), name
        assert chart.spec.get("repo", chart.chart).startswith(("https://", "oci://")), name
    images = {item["image"] for _, template in pods(orion) for item in containers(template)}
    assert len(images) > 10
    for image in images:
        if image == "auto":  # the mesh puts its own there
            continue
        tag = image.partition("@")[0].rpartition(":")[2]
        assert tag != "latest"
        assert "/" not in tag, f"{image} has no tag"


@pytest.mark.rows("OR-BEY-09")
def test_services_start_and_stop_gently(orion: Registered) -> None:
    for service in SERVICES:
        spec = workload(orion, service)["spec"]["template"]["spec"]
        (own,) = [item for item in spec["containers"] if item["name"] == service]
        assert own["startupProbe"]["httpGet"]
        pause = own["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert 0 < pause < spec["terminationGracePeriodSeconds"] == 30


@pytest.mark.rows("OR-BEY-10")
def test_no_secret_is_a_literal_in_a_pod(orion: Registered) -> None:
    passwords = [str(item.outputs["result"]) for item in orion.all("index.RandomPassword")]
    assert len(passwords) > 10
    for name, template in pods(orion):
        for container in containers(template):
            for item in container.get("env", ()):
                if "value" not in item:
                    continue
                assert not any(password in item["value"] for password in passwords), name
                if SECRET.search(item["name"]) and not HARMLESS.fullmatch(item["name"]):
                    assert item["value"].startswith("/"), f"{name}: {item['name']}={item['value']}"
