"""Neotool's cluster: K3s on one machine whose volume outlives it."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from derive.cluster.k3s import K3sPlan
from derive.plan import system_plan
from stacks.settings import read
from tests.requirements.registered import Registered, bundle, machine
from tests.requirements.test_neotool_network import boots


@pytest.mark.rows("NT-CLU-01", "NT-CLU-02")
def test_a_pinned_k3s_runs_on_ubuntu(neotool: Registered) -> None:
    """A release that is whatever is newest today makes another cluster tomorrow."""
    assert re.fullmatch(r"v1\.\d+\.\d+\+k3s\d+", boots(neotool).settings["INSTALL_K3S_VERSION"])
    assert not {kind for kind in neotool.kinds if kind.startswith("eks.")}
    text = yaml.safe_load(neotool.one("ec2.Instance").inputs["userData"])
    assert {"package_update", "packages"} <= set(text), "cloud-init installs by apt"


@pytest.mark.rows("NT-CLU-03")
def test_the_volume_of_the_node_holds_every_claim_and_is_encrypted(neotool: Registered) -> None:
    volume = neotool.one("ebs.Volume").inputs
    assert (volume["size"], volume["type"], volume["encrypted"]) == (400, "gp3", True)
    instance = neotool.one("ec2.Instance")
    assert neotool.one("ec2.VolumeAttachment").inputs["instanceId"] == instance.id
    assert instance.inputs["rootBlockDevice"]["encrypted"]
    assert boots(neotool).settings["VOLUME"] == neotool.one("ebs.Volume").id


@pytest.mark.rows("NT-CLU-04", "NT-CLU-06")
def test_one_machine_is_large_enough_for_the_quota(neotool: Registered) -> None:
    assert [item.inputs["instanceType"] for item in neotool.all("ec2.Instance")] == ["m7i.2xlarge"]
    config = yaml.safe_load(boots(neotool).files["/etc/rancher/k3s/config.yaml"])
    assert "node-taint" not in config, "the only node takes workloads"


@pytest.mark.rows("NT-CLU-05")
def test_local_path_is_the_only_default_class(neotool: Registered) -> None:
    """K3s ships it as ReadWriteOnce, Delete, WaitForFirstConsumer; a second default would take claims at random."""
    config = yaml.safe_load(boots(neotool).files["/etc/rancher/k3s/config.yaml"])
    assert "local-storage" not in config["disable"]
    assert "StorageClass" not in neotool.kinds
    for item in neotool.manifests("StatefulSet", "production").values():
        for claim in item["spec"]["volumeClaimTemplates"]:
            assert claim["spec"]["storageClassName"] == "local-path"
            assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


@pytest.mark.rows("NT-CLU-07")
def test_traefik_stays_and_cert_manager_issues(neotool: Registered) -> None:
    config = yaml.safe_load(boots(neotool).files["/etc/rancher/k3s/config.yaml"])
    assert not {"traefik", "servicelb"} & set(config["disable"])
    assert neotool.spec("HelmRelease", "cert-manager", "cert-manager")["chart"]["spec"]["chart"] == "cert-manager"
    issuer = neotool.manifests("ClusterIssuer")
    (solver,) = issuer["platform"]["spec"]["acme"]["solvers"]
    assert solver["http01"]["ingress"]["ingressClassName"] == "traefik"


@pytest.mark.rows("NT-BEY-02")
def test_secrets_are_encrypted_at_rest(neotool: Registered) -> None:
    config = yaml.safe_load(boots(neotool).files["/etc/rancher/k3s/config.yaml"])
    assert config["secrets-encryption"] is True


@pytest.mark.rows("NT-AVL-01")
def test_what_is_lost_comes_back_by_itself(neotool: Registered) -> None:
    """The machine is recovered, what Flux applies is applied again, and the volume has copies."""
    assert neotool.one("ec2.Instance").inputs["maintenanceOptions"] == {"autoRecovery": "default"}
    assert {item["spec"].get("suspend", False) for item in neotool.manifests("Kustomization").values()} == {False}
    assert {item["spec"]["driftDetection"]["mode"] for item in neotool.manifests("HelmRelease").values()} == {"enabled"}
    policy = neotool.one("dlm.LifecyclePolicy").inputs
    (key, value) = next(iter(policy["policyDetails"]["targetTags"].items()))
    assert neotool.one("ebs.Volume").inputs["tags"][key] == value
    assert policy["state"] == "ENABLED"


@pytest.mark.rows("NT-CLU-06", "NT-AVL-02")
def test_more_nodes_replicas_members_and_brokers_are_configuration() -> None:
    """A later stage that needs a change of code would wait for a release."""
    more = {"prod": {"servers": {"count": 3}, "replicas": 3}}
    grown = {
        "stores": {"postgres": {"placement": {"members": 3}}, "kafka": {"brokers": 3}},
        "quota": {"cpu": "24", "cpu_limit": "36", "memory": "48Gi", "memory_limit": "72Gi", "storage": "900Gi"},
    }
    config = {
        "wheelhouse:system": "neotool",
        "wheelhouse:environment": "prod",
        "wheelhouse:environments": json.dumps(more),
        "wheelhouse:changes": json.dumps(grown),
        "wheelhouse:cloudflareAccount": "0" * 32,
        "aws:region": "us-east-1",
    }
    plan = system_plan(read(config, "wheelhouse", "neotool-prod").deployment())
    assert isinstance(plan.cluster, K3sPlan)
    assert plan.cluster.addresses == ("10.20.1.10", "10.20.1.11", "10.20.1.12")
    deployments = [item for part in plan.application.services for item in part.objects if item["kind"] == "Deployment"]
    assert {item["spec"]["replicas"] for item in deployments} == {3}
    members = {
        item["metadata"]["name"]: item["spec"]["replicas"]
        for part in plan.application.stores
        for item in part.objects
        if item["kind"] == "StatefulSet"
    }
    assert members == {"postgres": 1, "postgres-2": 1, "postgres-3": 1, "kafka": 3}


@pytest.mark.rows("NT-OPS-02")
def test_initialising_vault_is_left_to_an_operator(neotool: Registered) -> None:
    """Whoever holds what the initialisation prints holds every secret: it is neither in Git nor in the cluster."""
    script = neotool.manifest("ConfigMap", "production", "vault-bootstrap")["data"]["bootstrap.sh"]
    lines = [line for line in script.splitlines() if "vault operator init" in line]
    assert lines
    assert all(line.startswith("#") for line in lines)
    assert all(line.endswith(" ~/.neotool/vault-credentials.txt") for line in lines)


@pytest.mark.rows("NT-CLU-03")
def test_the_first_boot_lays_secrets_out_on_the_volume(neotool: Registered) -> None:
    """User data is readable by whoever may describe the machine; and what lies below the mount must come after it."""
    secret = bundle(neotool.one("secretsmanager.SecretVersion").inputs["secretString"])
    assert {"/var/lib/rancher/k3s/server/psa.yaml", "/var/lib/rancher/k3s/server/audit.yaml"} <= set(secret)
    text = neotool.one("ec2.Instance").inputs["userData"]
    assert "PRIVATE KEY" not in text
    assert "/opt/wheelhouse/k3s-volume" in machine(text).files
