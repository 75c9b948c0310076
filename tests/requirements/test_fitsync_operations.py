"""FitSync, delivery, environments, cost and operations."""

from __future__ import annotations

import json
import subprocess
from collections import Counter

import pytest

from tests.conftest import ROOT
from tests.platforms import Platforms
from tests.requirements.fitsync import DOMAINS, SPOKES
from tests.requirements.network import ANYWHERE, node_group, rules, tcp
from tests.requirements.registered import Registered, machine

SSM = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
VCPUS = {"t3.micro": 2, "t3.small": 2, "t3.medium": 2, "t3.large": 2, "t3.xlarge": 4}
MEMORY = {"t3.micro": 1, "t3.small": 2, "t3.medium": 4, "t3.large": 8, "t3.xlarge": 16}
"""GiB."""
UNTAGGED = frozenset(
    {
        "autoscaling.Group",  # its tags are propagated to its machines, and held below
        "ec2.Route",
        "ec2.RouteTableAssociation",
        "ec2.VolumeAttachment",
        "ec2transitgateway.RouteTableAssociation",
        "ec2transitgateway.RouteTablePropagation",
        "iam.RolePolicy",
        "iam.RolePolicyAttachment",
        "lb.TargetGroupAttachment",
        "route53.Record",
        "s3.BucketLifecycleConfiguration",
        "s3.BucketPolicy",
        "s3.BucketPublicAccessBlock",
        "s3.BucketServerSideEncryptionConfiguration",
        "s3.BucketVersioning",
        "secretsmanager.SecretVersion",
    }
)
"""Kinds of resources that AWS does not tag."""


@pytest.mark.rows("FS-CIC-01")
def test_one_program_makes_everything_from_networks_to_dashboards(hub: Registered, spoke: Registered) -> None:
    for stack in (hub, spoke):
        assert {item.urn.split("::")[1] for item in stack.resources} == {"wheelhouse"}
    made = {"ec2.Vpc", "ec2.Instance", "autoscaling.Group", "HelmChart", "Deployment", "Gateway", "ServiceMonitor"}
    assert made <= spoke.kinds
    assert [name for name in spoke.manifests("ConfigMap", "monitoring") if name.endswith("service-mesh-overview")]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=False, capture_output=True, text=True).stdout
    names = tracked.splitlines() or [str(path.relative_to(ROOT)) for path in ROOT.glob("[a-z]*/**/*")]
    assert not [name for name in names if name.endswith((".tf", ".tfvars", ".hcl")) or "playbook" in name]


@pytest.mark.rows("FS-CIC-02")
def test_a_release_changes_an_image_tag_and_nothing_else(platforms: Platforms) -> None:
    tags = {"default": "1.0.0", "user-service": "1.0.1"}
    result = platforms.bench("dev").good("preview", "dev", {"imageTags": json.dumps(tags)})
    changed = [step for step in result.steps if step.op not in ("same", "read")]
    assert [(step.op, step.name) for step in changed] == [("update", "fitsync/user-service")]
    assert [(change.path, change.old, change.new) for change in changed[0].changes] == [
        (
            "spec.template.spec.containers[0].image",
            "fitsync/user-service:1.0.0",
            "fitsync/user-service:1.0.1",
        )
    ]


@pytest.mark.rows("FS-ENV-01")
def test_the_hub_runs_no_cluster(hub: Registered) -> None:
    assert not [item.name for item in hub.resources if item.type.startswith("kubernetes:")]
    assert not hub.kinds & {"autoscaling.Group", "ec2.LaunchTemplate", "ebs.Volume"}


@pytest.mark.rows("FS-ENV-01")
def test_each_environment_exports_its_addresses_and_the_way_to_its_cluster(spoke: Registered) -> None:
    domain, found = DOMAINS[spoke.stack], spoke.outputs
    assert found["applicationUrl"] == f"https://app.{domain}"
    assert found["urls"] == [f"https://app.{domain}/", f"https://api.{domain}/api"]
    assert found["clusterEndpoint"] == f"https://api.fitsync-{spoke.stack}.internal:6443"
    assert found["clusterEndpoint"] in found["kubeconfig"]
    assert set(SPOKES) == set(DOMAINS)


@pytest.mark.rows("FS-ENV-02")
def test_everything_in_the_account_says_its_project_and_environment(hub: Registered, spoke: Registered) -> None:
    for stack in (hub, spoke):
        wanted = {"Project": "wheelhouse", "System": "fitsync", "Environment": stack.stack}
        for kind in stack.kinds - UNTAGGED:
            for item in stack.all(kind):
                if item.type.startswith("aws:"):
                    assert wanted.items() <= item.outputs["tagsAll"].items(), item.name
        for group in stack.all("autoscaling.Group"):
            tags = {tag["key"]: tag["value"] for tag in group.inputs["tags"] if tag["propagateAtLaunch"]}
            assert wanted.items() <= tags.items()
        for template in stack.all("ec2.LaunchTemplate"):
            made = {item["resourceType"]: item["tags"] for item in template.inputs["tagSpecifications"]}
            assert all(wanted.items() <= made[kind].items() for kind in ("instance", "volume"))


def machines(stack: Registered) -> Counter[str]:
    """Instance type -> machines, of nodes and databases."""
    found = Counter(item.inputs["instanceType"] for item in stack.all("ec2.Instance"))
    for group in stack.all("autoscaling.Group"):
        template = stack.by_id("ec2.LaunchTemplate", group.inputs["launchTemplate"]["id"])
        found[template.inputs["instanceType"]] += group.inputs["desiredCapacity"]
    return found


@pytest.mark.rows("FS-ENV-03")
def test_dev_has_fewer_and_smaller_machines_than_prod(dev: Registered, prod: Registered) -> None:
    small, large = machines(dev), machines(prod)
    assert small.total() < large.total()
    for size in (VCPUS, MEMORY):
        assert sum(size[kind] * count for kind, count in small.items()) < sum(
            size[kind] * count for kind, count in large.items()
        )
    disks = [sum(item.inputs["size"] for item in stack.all("ebs.Volume")) for stack in (dev, prod)]
    assert disks == [80, 800]
    assert len(dev.all("ec2.NatGateway")) < len(prod.all("ec2.NatGateway"))


@pytest.mark.rows("FS-OPS-01")
def test_operators_reach_the_nodes_through_the_hub(hub: Registered, spoke: Registered) -> None:
    (group,) = hub.one("ec2.Instance").inputs["vpcSecurityGroupIds"]
    bastion = hub.by_id("ec2.Subnet", hub.one("ec2.Instance").inputs["subnetId"]).inputs["cidrBlock"]
    clusters = [
        subnet.inputs["cidrBlock"] for subnet in spoke.all("ec2.Subnet") if subnet.inputs["tags"]["Tier"] == "k8s"
    ]
    assert tcp([22, 6443], clusters) <= rules(hub, group, "Egress")
    assert tcp([22, 6443], [bastion]) <= rules(spoke, node_group(spoke), "Ingress")
    for template in spoke.all("ec2.LaunchTemplate"):
        profile = spoke.one("iam.InstanceProfile", name=template.inputs["iamInstanceProfile"]["name"])
        assert spoke.one("iam.RolePolicyAttachment", role=profile.inputs["role"]).inputs["policyArn"] == SSM
        assert machine(template.inputs["userData"]).settings["ROLE"] in ("server", "agent")


@pytest.mark.rows("FS-OPS-02")
def test_operators_reach_the_cluster_from_the_hub_and_by_no_public_address(hub: Registered, spoke: Registered) -> None:
    """A port-forward goes through the Kubernetes API: its name resolves in the hub, its address is private."""
    balancer = spoke.one("lb.LoadBalancer")
    assert balancer.inputs["internal"] is True
    record = spoke.one("route53.Record", name=f"api.fitsync-{spoke.stack}.internal")
    assert record.inputs["aliases"][0]["name"] == balancer.outputs["dnsName"]
    zone = spoke.by_id("route53.Zone", record.inputs["zoneId"]).inputs
    assert hub.one("ec2.Vpc").id in {vpc["vpcId"] for vpc in zone["vpcs"]}
    (entry,) = balancer.inputs["securityGroups"]
    bastion = hub.by_id("ec2.Subnet", hub.one("ec2.Instance").inputs["subnetId"]).inputs["cidrBlock"]
    admitted = rules(spoke, entry, "Ingress")
    assert tcp([6443], [bastion]) <= admitted
    assert ANYWHERE not in {rule[-1] for rule in admitted}
    published = {
        route["destination"]["host"]
        for item in spoke.manifests("VirtualService").values()
        for rule in item["spec"]["http"]
        for route in rule["route"]
    }
    assert all(host.endswith(".fitsync.svc.cluster.local") for host in published)
