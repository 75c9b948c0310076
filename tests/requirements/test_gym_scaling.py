"""Gym's autoscaling and availability."""

from __future__ import annotations

import pytest

from tests.requirements.gym import PORTS, main_container
from tests.requirements.registered import Registered

GROW = ("frontend", "backend-main", "backend-stream")


@pytest.mark.rows("GY-ASC-01", "GY-ASC-02", "GY-ASC-03")
def test_three_services_grow_by_cpu_and_memory(gym: Registered) -> None:
    assert set(gym.manifests("HorizontalPodAutoscaler", "gym")) == set(GROW)
    for name in GROW:
        item = gym.manifest("HorizontalPodAutoscaler", "gym", name)
        assert item["apiVersion"] == "autoscaling/v2"
        spec = item["spec"]
        assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 10)
        target = spec["scaleTargetRef"]
        assert target == {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": name}
        assert gym.spec("Rollout", "gym", name)["replicas"] == 1, (
            "what it begins with; then the number is the autoscaler's"
        )
        used = {part["resource"]["name"]: part["resource"]["target"]["averageUtilization"] for part in spec["metrics"]}
        assert used == {"cpu": 70, "memory": 80}


@pytest.mark.rows("GY-ASC-04", "GY-ASC-05")
def test_vertical_autoscalers_act_where_no_horizontal_one_does(gym: Registered) -> None:
    for name in PORTS:
        spec = gym.spec("VerticalPodAutoscaler", "gym", name)
        assert spec["targetRef"] == {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": name}
        assert spec["updatePolicy"]["updateMode"] == ("Off" if name in GROW else "Recreate")
    assert set(gym.manifests("VerticalPodAutoscaler", "gym")) == set(PORTS)


@pytest.mark.rows("GY-ASC-04", "GY-ASC-07")
def test_the_admin_panel_has_a_fixed_number_of_pods(gyms: dict[str, Registered]) -> None:
    """A single one is resized, too; by itself the updater leaves it alone."""
    assert [stack.spec("Rollout", "gym", "admin-panel")["replicas"] for stack in gyms.values()] == [1, 2]
    policy = gyms["dev"].spec("VerticalPodAutoscaler", "gym", "admin-panel")["updatePolicy"]
    assert policy["minReplicas"] == 1


@pytest.mark.rows("GY-ASC-04")
def test_the_admin_panel_does_not_outgrow_its_nodes(gym: Registered) -> None:
    """Without an end, a leak is given more and more, up to a request that no node has room for."""
    policies = gym.spec("VerticalPodAutoscaler", "gym", "admin-panel")["resourcePolicy"]["containerPolicies"]
    (own,) = [item for item in policies if item["containerName"] == "admin-panel"]
    assert own["maxAllowed"] == main_container(gym, "admin-panel")["resources"]["limits"]


@pytest.mark.rows("GY-BYD-01")
def test_budgets_let_every_node_drain(gyms: dict[str, Registered]) -> None:
    for name in PORTS:
        spec = gyms["prod"].spec("PodDisruptionBudget", "gym", name)
        assert (spec["maxUnavailable"], "minAvailable" in spec) == (1, False)
        assert spec["selector"] == {"matchLabels": {"app": name}}


@pytest.mark.rows("GY-BYD-02")
def test_replicas_are_spread_over_zones_and_nodes(gyms: dict[str, Registered]) -> None:
    for name in PORTS:
        spread = gyms["prod"].spec("Rollout", "gym", name)["template"]["spec"]["topologySpreadConstraints"]
        assert {item["topologyKey"] for item in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        assert all(item["labelSelector"] == {"matchLabels": {"app": name}} for item in spread)
