"""Orion's autoscalers: bounds, what they watch, and that no two act on one workload."""

from __future__ import annotations

import pytest

from tests.requirements.orion import SERVICES
from tests.requirements.registered import Registered


@pytest.mark.rows("OR-SCL-01", "OR-SCL-02", "OR-SCL-03", "OR-SCL-04", "OR-SCL-05", "OR-SCL-07")
@pytest.mark.parametrize(
    ("service", "bounds", "cpu", "memory", "metric", "target"),
    [
        ("gateway", (3, 10), 70, 80, "http_requests_per_second", "100"),
        ("auth", (3, 8), 75, 80, "logins_per_second", "20"),
        ("user", (3, 10), 70, 80, "http_requests_per_second", "100"),
        ("notification", (2, 6), 70, 75, "queue_depth", "100"),
    ],
)
def test_each_service_is_scaled_within_its_bounds(
    orion: Registered, service: str, bounds: tuple[int, int], cpu: int, memory: int, metric: str, target: str
) -> None:
    spec = orion.spec("HorizontalPodAutoscaler", f"orion-{service}", service)
    found = orion.workload(f"orion-{service}", service)
    assert (spec["minReplicas"], spec["maxReplicas"]) == bounds
    assert found["spec"]["replicas"] == bounds[0]
    assert (spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]) == (found["kind"], service)
    used = {item["resource"]["name"]: item["resource"]["target"] for item in spec["metrics"] if "resource" in item}
    assert {name: item["averageUtilization"] for name, item in used.items()} == {"cpu": cpu, "memory": memory}
    (custom,) = [item["pods"] for item in spec["metrics"] if "pods" in item]
    assert custom["metric"]["name"] == metric
    assert custom["target"] == {"type": "AverageValue", "averageValue": target}
    rules = orion.charts["prometheus-adapter"].values["rules"]["custom"]
    assert any(metric in str(rule["name"]) for rule in rules), "nobody makes the metric"


@pytest.mark.rows("OR-SCL-06")
def test_vertical_autoscalers_recommend_where_others_act(orion: Registered) -> None:
    modes = {
        name: item["spec"]["updatePolicy"]["updateMode"]
        for name, item in orion.manifests("VerticalPodAutoscaler").items()
    }
    assert modes == {
        **{f"orion-{service}/{service}": "Off" for service in SERVICES},
        "orion-analytics/analytics": "Recreate",
        "orion-system/admin-ui": "Recreate",
    }
    scaled = set(orion.manifests("HorizontalPodAutoscaler"))
    assert not {name for name, mode in modes.items() if mode != "Off"} & scaled
