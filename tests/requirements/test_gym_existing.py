"""Gym on a cluster that is there already: the same system, and nothing below it."""

from __future__ import annotations

import json

import pytest

from audit.audit import audit
from audit.scope import Scope
from stacks.settings import validated
from tests.platforms import Platforms
from tests.requirements.gym import CANARIES, PORTS, STORES
from tests.requirements.registered import Registered

STACK = "gym-dev"
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "there", "cluster": {"server": "https://kubernetes.example:6443"}}],
    "users": [{"name": "operator", "user": {"token": "of-the-operator"}}],
    "contexts": [{"name": "there", "context": {"cluster": "there", "user": "operator"}}],
    "current-context": "there",
}
SETTINGS = {
    "cluster": "existing",
    "storageClass": "",
    "secrets": {"kubeconfig": json.dumps(KUBECONFIG)},
    "environments": {"dev": {"domain": "dev.gym.example.com", "without": ["ebs-csi"]}},
    "changes": {"stores": {"mysql": {"backup": None}}},
}


@pytest.fixture(scope="session")
def existing(platforms: Platforms) -> Registered:
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in SETTINGS.items()}
    return Registered(platforms.bench(STACK, config, "-existing"), STACK)


@pytest.mark.rows("GY-NET-01")
def test_nothing_is_made_in_aws_and_everything_in_the_cluster(existing: Registered) -> None:
    packages = {resource.type.partition(":")[0] for resource in existing.resources}
    assert "aws" not in packages
    assert existing.outputs["clusterEndpoint"] == "https://kubernetes.example:6443"
    assert existing.outputs["applicationUrl"] == "https://dev.gym.example.com"
    assert set(existing.manifests("Rollout", "gym")) == set(PORTS)
    assert set(existing.manifests("StatefulSet", "gym")) == set(STORES)


@pytest.mark.rows("GY-NET-01", "GY-CLU-01", "GY-CLU-04", "GY-NET-04")
def test_policies_are_in_the_notation_that_every_plug_in_knows(existing: Registered) -> None:
    assert "CiliumNetworkPolicy" not in existing.kinds
    policies = existing.manifests("NetworkPolicy", "gym")
    closed = policies["default-deny"]["spec"]
    assert (closed["podSelector"], set(closed["policyTypes"])) == ({}, {"Ingress", "Egress"})
    for name, port in STORES.items():
        spec = policies[f"{name}-policy"]["spec"]
        users = [rule["from"] for rule in spec["ingress"] if rule["ports"] == [{"port": port, "protocol": "TCP"}]]
        assert users == [[{"podSelector": {"matchLabels": {"app": user}}} for user in CANARIES]]
        (claim,) = existing.spec("StatefulSet", "gym", name)["volumeClaimTemplates"]
        assert "storageClassName" not in claim["spec"], "the cluster's default class"


@pytest.mark.rows("GY-NET-01", "GY-NET-06", "GY-SEC-04")
def test_who_can_reach_whom_is_what_is_declared_there_too(platforms: Platforms, existing: Registered) -> None:
    values = {"system": "gym", "environment": "dev", "region": "eu-west-1", **SETTINGS, "storageClass": None}
    names = {"storageClass": "storage_class"}
    declared = validated({names.get(key, key): value for key, value in values.items()}, STACK).declaration
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in SETTINGS.items()}
    document = platforms.bench(STACK, config, "-existing").export(STACK)
    report = audit(STACK, Scope(declared, "dev", "eu-west-1"), {STACK: document})
    assert [item.text for item in report.differences] == []
    assert report.columns, "an audit that sees nobody finds no difference either"
