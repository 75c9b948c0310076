"""Orion's delivery, environments, cost and operations."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import yaml

from tests.conftest import ROOT
from tests.requirements.registered import Registered, machine

SERVICES = ("gateway", "auth", "user", "notification", "analytics", "admin-ui")
NAMESPACES = {
    *(f"orion-{name}" for name in ("gateway", "auth", "user", "notification", "data")),
    *(f"orion-{name}" for name in ("monitoring", "ingress", "system")),
}
PULL = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"
CHANGING = {"create", "delete", "deletecollection", "escalate", "bind", "impersonate", "update", "*"}
MEMORY = {"t3.small": 2, "t3.medium": 4, "t3.large": 8, "t3.xlarge": 16, "t3.2xlarge": 32, "r6i.xlarge": 32}
"""GiB."""


def workloads(stack: Registered) -> dict[str, str]:
    """Service -> image of its own container, whatever runs it."""
    found = {}
    for kind in ("Deployment", "Rollout"):
        for name, item in stack.manifests(kind).items():
            service = name.partition("/")[2]
            if service in SERVICES:
                (own,) = [each for each in item["spec"]["template"]["spec"]["containers"] if each["name"] == service]
                found[service] = own["image"]
    return found


@pytest.mark.rows("OR-CIC-01")
def test_every_image_has_a_repository_that_scans_it(orion: Registered) -> None:
    repositories = {item.inputs["name"]: item for item in orion.all("ecr.Repository")}
    assert repositories.keys() == {f"orion/{name}" for name in SERVICES}
    for name, item in repositories.items():
        assert item.inputs["imageScanningConfiguration"] == {"scanOnPush": True}
        assert item.inputs["imageTagMutability"] == "IMMUTABLE"
        assert item.inputs["encryptionConfigurations"] == [{"encryptionType": "KMS"}]
        (rule,) = json.loads(orion.one("ecr.LifecyclePolicy", repository=name).inputs["policy"])["rules"]
        assert rule["selection"]["countNumber"] == 10
    assert orion.outputs["repositories"] == {name: item.outputs["repositoryUrl"] for name, item in repositories.items()}


@pytest.mark.rows("OR-CIC-01")
def test_workers_may_pull_from_the_registry(orion: Registered) -> None:
    """Images that no node can pull are of no use."""
    pulling = orion.one("iam.RolePolicyAttachment", policyArn=PULL).inputs["role"]
    workers = 0
    for template in orion.all("ec2.LaunchTemplate"):
        boots = machine(template.inputs["userData"])
        profile = orion.one("iam.InstanceProfile", name=template.inputs["iamInstanceProfile"]["name"])
        worker = boots.settings["ROLE"] == "agent"
        assert (profile.inputs["role"] == pulling) == worker
        assert ("image-credential-provider-config" in boots.files["/etc/rancher/k3s/config.yaml"]) == worker
        workers += worker
    assert workers == 5


@pytest.mark.rows("OR-CIC-01", "OR-CIC-02")
def test_the_pipeline_gives_services_another_image_and_may_do_nothing_else(orion: Registered) -> None:
    subject = {"kind": "ServiceAccount", "name": "ci-deployer", "namespace": "orion-system"}
    assert orion.manifest("ServiceAccount", "orion-system", "ci-deployer")["automountServiceAccountToken"] is False
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        for name, item in orion.manifests(kind).items():
            named = [each for each in item["subjects"] if each.get("name") == "ci-deployer"]
            assert (named == [subject]) == (kind == "RoleBinding" and name.endswith("/ci-deployer")), name
    changed = set()
    for name, item in orion.manifests("Role").items():
        if not name.endswith("/ci-deployer"):
            continue
        for rule in item["rules"]:
            assert not CHANGING & set(rule["verbs"])
            assert "secrets" not in rule["resources"]
            if "patch" in rule["verbs"]:
                changed |= {(name.partition("/")[0], each) for each in rule["resourceNames"]}
    assert changed == {("orion-system" if name == "admin-ui" else f"orion-{name}", name) for name in SERVICES}


@pytest.mark.rows("OR-CIC-02")
def test_images_are_named_by_the_stacks_configuration(orion: Registered) -> None:
    configured = yaml.safe_load((ROOT / "Pulumi.orion-prod.yaml").read_text())["config"]["wheelhouse:imageTags"]
    assert configured == {"default": "1.0"}
    repositories = orion.outputs["repositories"]
    assert workloads(orion) == {name: f"{repositories[f'orion/{name}']}:1.0" for name in SERVICES}


@pytest.mark.rows("OR-ENV-01")
def test_dev_is_complete_and_answers_for_no_name_of_production(orion_dev: Registered) -> None:
    assert orion_dev.one("ec2.Vpc").inputs["cidrBlock"] == "10.1.0.0/16"
    assert set(orion_dev.manifests("Namespace")) >= NAMESPACES
    assert workloads(orion_dev).keys() == set(SERVICES)
    for kind in ("NetworkPolicy", "AuthorizationPolicy", "PeerAuthentication"):
        spaces = {name.partition("/")[0] for name in orion_dev.manifests(kind)}
        assert spaces >= {f"orion-{name}" for name in ("gateway", "auth", "user", "notification", "data")}, kind
    hosts = {rule["host"] for item in orion_dev.manifests("Ingress").values() for rule in item["spec"]["rules"]}
    assert {"api.dev.orion.com", "*.dev.orion.com", "admin.dev.orion.com"} <= hosts
    assert all(host.endswith(".dev.orion.com") for host in hosts)


def machines(stack: Registered) -> Counter[str]:
    """Instance type -> machines to begin with."""
    found: Counter[str] = Counter()
    for group in stack.all("autoscaling.Group"):
        template = stack.by_id("ec2.LaunchTemplate", group.inputs["launchTemplate"]["id"])
        found[template.inputs["instanceType"]] += group.inputs["desiredCapacity"]
    return found


@pytest.mark.rows("OR-ENV-02")
def test_dev_has_fewer_and_smaller_machines(orion: Registered, orion_dev: Registered) -> None:
    small, large = machines(orion_dev), machines(orion)
    assert small.total() < large.total()
    memory = [sum(MEMORY[kind] * count for kind, count in found.items()) for found in (small, large)]
    assert memory[0] < memory[1]
    assert [len(stack.all("ec2.NatGateway")) for stack in (orion_dev, orion)] == [1, 3]
    servers = [item for item in orion_dev.all("autoscaling.Group") if "-server-" in item.name]
    assert len(servers) == 1


@pytest.mark.rows("OR-ENV-03")
def test_everything_says_whose_it_is_and_its_cost_is_watched(orion: Registered, orion_dev: Registered) -> None:
    for stack, name in ((orion, "prod"), (orion_dev, "dev")):
        wanted = {"System": "orion", "Environment": name}
        tagged = [item for item in stack.resources if "tagsAll" in item.outputs]
        assert len(tagged) > 50
        for item in tagged:
            assert wanted.items() <= item.outputs["tagsAll"].items(), item.name
        for group in stack.all("autoscaling.Group"):
            tags = {tag["key"]: tag["value"] for tag in group.inputs["tags"] if tag["propagateAtLaunch"]}
            assert wanted.items() <= tags.items()
        budget = stack.one("budgets.Budget").inputs
        assert (budget["timeUnit"], budget["budgetType"]) == ("MONTHLY", "COST")
        (kept,) = budget["costFilters"]
        assert kept["name"] == "TagKeyValue"
        assert set(kept["values"]) == {f"user:{key}${value}" for key, value in wanted.items()}
        told = {item["threshold"]: item["subscriberEmailAddresses"] for item in budget["notifications"]}
        assert told == {80: ["operations@orion.com"], 100: ["operations@orion.com"]}
        assert {item["thresholdType"] for item in budget["notifications"]} == {"PERCENTAGE"}


@pytest.mark.rows("OR-OPS-01")
def test_outputs_lead_operators_to_everything(orion: Registered) -> None:
    outputs = orion.outputs
    assert outputs["clusterName"] == "orion-prod"
    assert "https://api.orion-prod.internal:6443" in outputs["kubeconfig"]
    public = [item for item in orion.all("lb.LoadBalancer") if not item.inputs.get("internal")]
    assert [item.outputs["dnsName"] for item in public] == [outputs["loadBalancerDns"]]
    assert outputs["vpcId"] == orion.one("ec2.Vpc").id
    assert outputs["backupBucket"] in {item.id for item in orion.all("s3.Bucket")}
    assert outputs["recoveryObjectives"] == {
        "rto": {"database orion": "1 h", "services": "15 min"},
        "rpo": {"database orion": "6 h", "configuration": "real-time"},
    }
