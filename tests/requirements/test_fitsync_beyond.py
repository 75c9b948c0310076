"""FitSync, beyond the drawing: what an operator of such a system expects."""

from __future__ import annotations

import json

import pytest

from tests.platforms import Platforms
from tests.requirements.fitsync import PORTS
from tests.requirements.registered import Registered, containers


@pytest.mark.rows("FS-BYD-01")
def test_prods_services_survive_a_drain_and_are_spread(prod: Registered) -> None:
    budgets = prod.manifests("PodDisruptionBudget", "fitsync")
    assert set(budgets) == set(PORTS)
    for name, item in budgets.items():
        assert item["spec"]["selector"] == {"matchLabels": {"app": name}}
        assert item["spec"]["maxUnavailable"] == 1, "a node with one of the pods can be drained"
        assert "minAvailable" not in item["spec"]
        pod = prod.spec("Deployment", "fitsync", name)["template"]["spec"]
        spread = {
            rule["topologyKey"]: (rule["maxSkew"], rule["labelSelector"]) for rule in pod["topologySpreadConstraints"]
        }
        assert spread == dict.fromkeys(
            ("topology.kubernetes.io/zone", "kubernetes.io/hostname"), (1, {"matchLabels": {"app": name}})
        )


@pytest.mark.rows("FS-BYD-02")
def test_every_machine_requires_imdsv2(hub: Registered, spoke: Registered) -> None:
    for stack in (hub, spoke):
        found = [item for kind in ("ec2.Instance", "ec2.LaunchTemplate") for item in stack.all(kind)]
        assert found
        for item in found:
            assert item.inputs["metadataOptions"]["httpTokens"] == "required", item.name


@pytest.mark.rows("FS-BYD-03")
def test_every_disk_and_bucket_is_encrypted(hub: Registered, spoke: Registered) -> None:
    for stack in (hub, spoke):
        for item in stack.all("ec2.Instance"):
            assert item.inputs["rootBlockDevice"]["encrypted"] is True, item.name
            assert not item.inputs.get("ebsBlockDevices")
    for item in spoke.all("ec2.LaunchTemplate"):
        disks = [device["ebs"] for device in item.inputs["blockDeviceMappings"]]
        assert disks
        assert all(disk["encrypted"] == "true" for disk in disks), item.name
    volumes = spoke.all("ebs.Volume")
    assert len(volumes) >= 4
    assert all(item.inputs["encrypted"] is True for item in volumes)
    for bucket in spoke.all("s3.Bucket"):
        rules = spoke.one("s3.BucketServerSideEncryptionConfiguration", bucket=bucket.inputs["bucket"]).inputs["rules"]
        assert [rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] for rule in rules] == ["aws:kms"]


@pytest.mark.rows("FS-BYD-04")
def test_traffic_of_all_four_networks_is_logged(hub: Registered, spokes: dict[str, Registered]) -> None:
    for stack in (hub, *spokes.values()):
        log = stack.one("ec2.FlowLog").inputs
        assert (log["vpcId"], log["trafficType"]) == (stack.one("ec2.Vpc").id, "ALL")
        group = stack.one("cloudwatch.LogGroup")
        assert log["logDestination"] == group.outputs["arn"]
        assert group.inputs["retentionInDays"] == 30
        role = stack.one("iam.Role", name=log["iamRoleArn"].rpartition("/")[2])
        assert "vpc-flow-logs.amazonaws.com" in role.inputs["assumeRolePolicy"]


@pytest.mark.rows("FS-BYD-06")
def test_containers_run_without_root_and_privileges(spoke: Registered, reconfigured: Registered) -> None:
    for stack in (spoke, reconfigured):
        pods = list(stack.pods())
        assert len(pods) >= 9
        for _, name, template in pods:
            pod = template["spec"]["securityContext"]
            assert pod["runAsNonRoot"] is True, name
            assert pod["runAsUser"] > 0, name
            assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
            for container in containers(template):
                own = container["securityContext"]
                assert own["allowPrivilegeEscalation"] is False, name
                assert own["capabilities"] == {"drop": ["ALL"]}, name
                assert own.get("privileged", False) is False
                assert own.get("runAsNonRoot", True) is True
                assert own.get("runAsUser", 1) > 0


@pytest.mark.rows("FS-BYD-07")
def test_the_namespace_has_a_quota_and_pod_security(spoke: Registered) -> None:
    labels = spoke.manifests("Namespace")["fitsync"]["metadata"]["labels"]
    modes = {mode: labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")}
    assert modes == dict.fromkeys(("enforce", "audit", "warn"), "restricted")
    (quota,) = spoke.manifests("ResourceQuota", "fitsync").values()
    hard = quota["spec"]["hard"]
    assert {"requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "pods"} <= set(hard)
    pods = 1 + sum(
        spoke.manifests("HorizontalPodAutoscaler", "fitsync").get(
            name, {"spec": {"maxReplicas": item["spec"].get("replicas")}}
        )["spec"]["maxReplicas"]
        for name, item in spoke.manifests("Deployment", "fitsync").items()
    )
    assert int(hard["pods"]) > pods, "and it holds what is declared at its largest"


@pytest.mark.rows("FS-BYD-08")
def test_prod_runs_no_moving_tag_and_refuses_one(prod: Registered, platforms: Platforms) -> None:
    images = {container["image"] for _, _, template in prod.pods() for container in containers(template)}
    assert len(images) >= 9
    for image in images:
        tag = image.rpartition("/")[2].partition(":")[2]
        assert tag, image
        assert tag != "latest"
    tags = {"default": "1.0.0", "frontend": "latest"}
    result = platforms.bench("hub").run("preview", "prod", {"imageTags": json.dumps(tags)})
    assert not result.succeeded
    assert "'frontend' has the moving tag 'latest', which environment 'prod' refuses" in result.errors[0]


@pytest.mark.rows("FS-BYD-12")
def test_prods_databases_cannot_be_deleted_by_accident(prod: Registered) -> None:
    instances, volumes = prod.all("ec2.Instance"), prod.all("ebs.Volume")
    assert len(instances) == len(volumes) == 8
    assert all(item.inputs["disableApiTermination"] is True for item in instances)
    assert all(item.protect for item in volumes)
    assert all(item.protect for item in prod.all("s3.Bucket"))
