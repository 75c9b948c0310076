"""Gym's environments, and what its requirements ask beyond the drawing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.requirements.gym import HOSTS, PORTS, STORES, workload
from tests.requirements.registered import Registered, containers, environment


def rules(stack: Registered) -> dict[str, dict[str, Any]]:
    """Alerts by name."""
    (item,) = stack.manifests("PrometheusRule").values()
    return {rule["alert"]: rule for group in item["spec"]["groups"] for rule in group["rules"]}


@pytest.mark.rows("GY-ENV-01")
def test_the_system_is_in_one_namespace_and_every_namespace_in_use_is_made(gym: Registered) -> None:
    made = set(gym.manifests("Namespace")) | {"kube-system"}
    used = {name.partition("/")[0] for kind in gym.kinds for name in _names(gym, kind) if "/" in name}
    assert used <= made
    assert {chart.namespace for chart in gym.charts.values()} <= made
    assert {name for _, name, _ in gym.pods() if name.startswith("gym/")} >= {
        f"gym/{name}" for name in (*PORTS, *STORES)
    }


def _names(stack: Registered, kind: str) -> list[str]:
    manifest = [item for item in stack.all(kind) if item.type.startswith("kubernetes:")]
    return list(stack.manifests(kind)) if manifest else []


@pytest.mark.rows("GY-ENV-02")
def test_each_stack_says_where_the_system_is(gym: Registered) -> None:
    assert gym.outputs["applicationUrl"] == f"https://{HOSTS[gym.stack]}"


@pytest.mark.rows("GY-ENV-03")
def test_dev_is_smaller_than_prod(gyms: dict[str, Registered]) -> None:
    for name, servers, agents in (("dev", 1, 1), ("prod", 3, 2)):
        groups = {item.name: item.inputs for item in gyms[name].all("autoscaling.Group")}
        workers = [group for key, group in groups.items() if "agents" in key]
        assert sum(group["minSize"] for group in workers) == agents
        assert sum(group["minSize"] for group in groups.values()) == servers + agents


@pytest.mark.rows("GY-OPS-02")
def test_what_is_out_of_scope_is_not_there(gym: Registered) -> None:
    """Several clusters, chaos engineering, GitOps."""
    assert not {"argo-cd", "flux2", "chaos-mesh", "prometheus-adapter"} & {item.chart for item in gym.charts.values()}
    assert "multiCluster" not in str(gym.charts["istiod"].spec["valuesContent"])


@pytest.mark.rows("GY-BYD-03")
def test_containers_can_do_nothing_that_they_need_not(gym: Registered) -> None:
    for _, name, template in gym.pods():
        if name.startswith("gym/"):
            assert template["spec"]["securityContext"]["runAsNonRoot"] is True
            for container in containers(template):
                context = container["securityContext"]
                assert (context["allowPrivilegeEscalation"], context["capabilities"]) == (False, {"drop": ["ALL"]})


@pytest.mark.rows("GY-BYD-04")
def test_the_namespace_has_a_quota_and_pod_security(gym: Registered) -> None:
    assert gym.manifests("ResourceQuota", "gym")
    labels = gym.manifests("Namespace")["gym"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.rows("GY-BYD-05")
def test_production_runs_exact_images(gyms: dict[str, Registered]) -> None:
    for _, name, template in gyms["prod"].pods():
        for container in containers(template):
            _, _, tag = container["image"].rpartition(":")
            assert tag not in ("", "latest"), name
            assert ":" in container["image"]


@pytest.mark.rows("GY-BYD-06")
def test_mysql_is_backed_up_daily(gyms: dict[str, Registered]) -> None:
    stack = gyms["prod"]
    spec = stack.spec("CronJob", "gym", "mysql-backup")
    minute, hour, *rest = spec["schedule"].split()
    assert (minute.isdigit(), hour.isdigit(), rest) == (True, True, ["*", "*", "*"])
    fetch, send = containers(spec["jobTemplate"]["spec"]["template"])
    assert fetch["command"][0] == "mysqldump"
    assert environment(fetch)["MYSQL_PWD"] == ("mysql-credentials", "password")
    (bucket,) = stack.all("s3.Bucket")
    assert any(f"s3://{bucket.outputs['bucket']}/mysql" in text for text in (*send["command"], *send.get("args", ())))
    (versioning,) = stack.all("s3.BucketVersioning")
    assert versioning.inputs["versioningConfiguration"]["status"] == "Enabled"


@pytest.mark.rows("GY-BYD-07")
def test_alerts_are_told_of_with_severity_and_text(gym: Registered) -> None:
    found = rules(gym)
    wanted = {
        "ErrorRateHigh": "istio_requests_total",
        "LatencyHigh": "istio_request_duration_milliseconds_bucket",
        "PodRestarts": "kube_pod_container_status_restarts_total",
        "MySQLDown": "mysql_up",
        "MySQLConnectionsHigh": "mysql_global_status_threads_connected",
        "AutoscalerAtLimit": "kube_horizontalpodautoscaler_spec_max_replicas",
        "ReleasedServiceDown": "rollout_info_replicas_available",
        "StoreBackupOverdue": "kube_cronjob_status_last_successful_time",
    }
    assert wanted.keys() <= found.keys()
    for name, metric in wanted.items():
        assert metric in found[name]["expr"]
    for rule in found.values():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description"} <= rule["annotations"].keys()
    assert "ServiceDown" not in found, "there is no Deployment to be down"


@pytest.mark.rows("GY-BYD-09", "GY-BYD-10")
def test_stores_are_measured_and_redis_asks_for_a_password(gym: Registered) -> None:
    for name, image in (("mysql", "mysqld-exporter"), ("redis", "redis_exporter")):
        exporter = containers(workload(gym, name)["spec"]["template"])[1]
        assert image in exporter["image"]
        labels = gym.manifest("Service", "gym", name)["metadata"]["labels"]
        assert labels["monitoring"] == "enabled"
    assert gym.spec("ServiceMonitor", "gym", "gym-services")["selector"] == {"matchLabels": {"monitoring": "enabled"}}
    redis = gym.manifest("Secret", "gym", "redis-credentials")["stringData"]
    default = next(line for line in redis["users.acl"].splitlines() if line.startswith("user default"))
    assert f">{redis['password']}" in default
    assert "nopass" not in redis["users.acl"]


@pytest.mark.rows("GY-BYD-11")
def test_machines_ask_for_tokens_and_encrypt_their_disks(gym: Registered) -> None:
    for template in gym.all("ec2.LaunchTemplate"):
        assert template.inputs["metadataOptions"]["httpTokens"] == "required"
        assert all(item["ebs"]["encrypted"] == "true" for item in template.inputs["blockDeviceMappings"])


@pytest.mark.rows("GY-BYD-12")
def test_the_door_of_production_has_two_replicas(gyms: dict[str, Registered]) -> None:
    assert gyms["prod"].charts["istio-ingressgateway"].values["autoscaling"]["minReplicas"] >= 2
