"""Numbers of pods: what the environment gives, what autoscaling adds, what a drain may take."""

from __future__ import annotations

import pytest

from derive.application import application
from model import DatabaseHosts, DeclarationError, Gp3, Metric, Rolling, Scale, Service, System
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed, derived, environment, objects, parts, shop

HOSTS = {name: f"{name}.database.internal" for name in ("userdb", "trainingdb", "scheduledb", "progressdb")}


def growing(service: Service, **env: object) -> System:
    return shop(services=(service,), environments={"dev": environment(**{"autoscale": True, **env})})


def test_production_keeps_three_and_grows() -> None:
    """FS-SVC-04, FS-AVL-01, FS-BYD-01, FS-BYD-10: six autoscalers from 3, whose number nobody sets back."""
    plan = application(deployed(SYSTEM, "prod"), HOSTS)
    deployments = objects(plan, "Deployment")
    assert {item["spec"]["replicas"] for item in deployments.values()} == {3}
    scalers = objects(plan, "HorizontalPodAutoscaler")
    assert set(scalers) == set(deployments) - {"frontend"}
    left = {key for part in parts(plan) for key, paths in part.moved.items() if paths == ("spec.replicas",)}
    assert left == {("Deployment", name) for name in scalers}, "an update would set the autoscaler's number back"
    assert scalers["user-service"]["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "user-service"},
        "minReplicas": 3,
        "maxReplicas": 6,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
            }
        ],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
    }
    assert set(objects(plan, "PodDisruptionBudget")) == set(deployments)
    assert objects(plan, "PodDisruptionBudget")["frontend"]["spec"] == {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": {"app": "frontend"}},
    }
    spread = deployments["frontend"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert [(item["topologyKey"], item["whenUnsatisfiable"]) for item in spread] == [
        ("topology.kubernetes.io/zone", "ScheduleAnyway"),
        ("kubernetes.io/hostname", "ScheduleAnyway"),
    ]


def test_development_runs_one_of_each_and_can_be_drained() -> None:
    plan = application(deployed(SYSTEM, "dev"), HOSTS)
    assert {item["spec"]["replicas"] for item in objects(plan, "Deployment").values()} == {1}
    assert objects(plan, "HorizontalPodAutoscaler") == objects(plan, "PodDisruptionBudget") == {}


def test_a_service_s_own_number_wins() -> None:
    system = shop(services=(Service(name="orders", port=3001, replicas={"dev": 4}),))
    assert objects(derived(system), "Deployment")["orders"]["spec"]["replicas"] == 4


def test_custom_metrics_are_averaged_over_pods() -> None:
    metric = Metric(name="requests_per_second", target="100", query="sum(rate(requests_total[1m]))")
    scale = Scale(maximum=5, minimum=2, cpu=None, memory=80, metrics=(metric,))
    spec = objects(derived(growing(Service(name="orders", port=1, scale=scale))), "HorizontalPodAutoscaler")["orders"]
    assert spec["spec"]["minReplicas"] == 2
    assert spec["spec"]["metrics"] == [
        {
            "type": "Resource",
            "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 80}},
        },
        {
            "type": "Pods",
            "pods": {
                "metric": {"name": "requests_per_second"},
                "target": {"type": "AverageValue", "averageValue": "100"},
            },
        },
    ]


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (
            Service(name="orders", port=1, scale=Scale(maximum=3), replicas={"dev": 4}),
            "service 'orders' scales to at most 3 pods but starts with 4 in environment 'dev'; "
            "raise services['orders'].scale.maximum",
        ),
        (
            Service(name="orders", port=1, scale=Scale(maximum=3, cpu=None)),
            "service 'orders' is scaled by nothing; give services['orders'].scale a cpu, memory or metric target",
        ),
        (
            Service(name="orders", port=1, scale=Scale(maximum=3), vertical="Recreate"),
            "service 'orders' would be scaled on its use of CPU or memory and resized by the same use; "
            "set services['orders'].vertical to 'Off' or 'Initial'",
        ),
    ],
)
def test_scaling_that_cannot_work_is_refused(service: Service, message: str) -> None:
    with pytest.raises(DeclarationError) as refusal:
        derived(growing(service))
    assert str(refusal.value) == message


def test_a_recommender_leaves_the_sidecar_alone() -> None:
    plan = derived(shop(services=(Service(name="orders", port=1, vertical="Recreate"),)))
    assert objects(plan, "VerticalPodAutoscaler")["orders"]["spec"] == {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "orders"},
        "updatePolicy": {"updateMode": "Recreate", "minReplicas": 1},
        "resourcePolicy": {
            "containerPolicies": [
                {"containerName": "istio-proxy", "mode": "Off"},
                {"containerName": "orders", "maxAllowed": {"cpu": "500m", "memory": "512Mi"}},
            ]
        },
    }


def test_the_quota_holds_pods_that_have_grown() -> None:
    """A resized pod that no quota admits is evicted and does not come back. Requests end at the declared limits
    (500m, 512Mi), and the limits grow in their proportion (twice); the sidecar stays as it is."""
    service = Service(name="orders", port=1, vertical="Recreate", release=Rolling(max_surge=0))
    hard = objects(derived(shop(services=(service,))), "ResourceQuota")["shop-quota"]["spec"]["hard"]
    sizes = ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
    assert [hard[size] for size in sizes] == ["600m", "640Mi", "1500m", "1280Mi"]


def test_the_quota_holds_the_maximum_a_rollout_and_every_sidecar() -> None:
    """FS-BYD-07: a quota below that would refuse the very pods that are declared.

    At most 5 pods, 2 more that start and 2 that still stop; 250m + 100m CPU and 256Mi + 128Mi memory each.
    """
    service = Service(name="orders", port=1, scale=Scale(maximum=5), release=Rolling(max_surge=2))
    assert objects(derived(growing(service)), "ResourceQuota")["shop-quota"]["spec"]["hard"] == {
        "requests.cpu": "3150m",
        "requests.memory": "3456Mi",
        "limits.cpu": "9",
        "limits.memory": "6912Mi",
        "pods": "9",
        "persistentvolumeclaims": "0",
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }


def test_a_standby_changes_nothing_in_the_cluster() -> None:
    sizes = DatabaseHosts(instance="t3.micro", volume=Gp3(size=20), standby=True)
    with_standby = shop(environments={"dev": environment(databases=sizes, zones=2)})
    assert derived(with_standby) == derived(shop(environments={"dev": environment(zones=2)}))
