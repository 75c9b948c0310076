"""FitSync, secrets and configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.platforms import Platforms
from tests.requirements.fitsync import BACKENDS, PORTS
from tests.requirements.network import node_group, rules, tcp
from tests.requirements.registered import Manifest, Registered, containers, environment, machine


def random(stack: Registered) -> set[str]:
    """The generated passwords."""
    return {item.outputs["result"] for item in stack.all("index.RandomPassword")}


@pytest.mark.rows("FS-CFG-01")
def test_the_jwt_secret_is_random_and_reaches_who_needs_it_as_a_reference(spoke: Registered) -> None:
    secret = spoke.manifest("Secret", "fitsync", "jwt-secrets")["stringData"]
    assert list(secret) == ["jwt-secret"]
    assert secret["jwt-secret"] in random(spoke)
    holders = {
        name
        for name in PORTS
        for container in spoke.spec("Deployment", "fitsync", name)["template"]["spec"]["containers"]
        if environment(container).get("JWT_SECRET") == ("jwt-secrets", "jwt-secret")
    }
    assert holders == set(BACKENDS)


@pytest.mark.rows("FS-CFG-01")
def test_no_secret_is_a_literal(spoke: Registered) -> None:
    """Neither by its name in a pod, nor by its value anywhere but in Secrets."""
    names = re.compile(r"PASSWORD|SECRET|TOKEN|PASS$", re.IGNORECASE)
    for _, workload, template in spoke.pods():
        for container in containers(template):
            literal = [
                key for key, value in environment(container).items() if names.search(key) and value is str(value)
            ]
            assert not literal, workload
    values = random(spoke)
    assert len(values) >= 15
    for resource in spoke.resources:
        if resource.type.startswith("kubernetes:") and not resource.type.endswith(":Secret"):
            text = json.dumps(resource.inputs)
            assert not [value for value in values if value in text], resource.name


def used(value: Any, namespace: str) -> Iterator[tuple[str, str, str | None]]:
    """Namespace, name and key of every Secret that a pod or a chart's values refer to; no key means the whole."""
    if isinstance(value, list):
        for item in value:
            yield from used(item, namespace)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key in ("secretKeyRef", "passwordSecret"):
            yield namespace, inner["name"], inner["key"]
        elif key == "secret" and isinstance(inner, dict):
            for item in inner.get("items", [{"key": None}]):
                yield namespace, inner["secretName"], item["key"]
        elif key == "secretRef":
            yield namespace, inner["name"], None
        else:
            yield from used(inner, namespace)
    if "existingSecret" in value:
        yield from ((namespace, value["existingSecret"], value[key]) for key in ("userKey", "passwordKey"))
    if "secretName" in value and "path" in value:
        yield namespace, value["secretName"], None


@pytest.mark.rows("FS-CFG-01")
def test_every_secret_and_key_that_is_referred_to_is_made(spoke: Registered) -> None:
    """A pod that refers to a missing key never starts."""
    made: dict[str, Manifest] = {name: item["stringData"] for name, item in spoke.manifests("Secret").items()}
    found = {item for _, name, template in spoke.pods() for item in used(template, name.partition("/")[0])}
    found |= {item for chart in spoke.charts.values() for item in used(chart.values, chart.namespace)}
    assert {f"{namespace}/{name}" for namespace, name, _ in found} >= {
        "fitsync/jwt-secrets",
        "fitsync/redis-credentials",
        "monitoring/grafana-admin",
        "monitoring/userdb-monitoring",
        "logging/opensearch-admin",
        "logging/opensearch-tls",
    }
    missing = [item for item in found if item[2] not in {None, *made.get(f"{item[0]}/{item[1]}", ())}]
    assert not missing
    assert not [item for item in found if f"{item[0]}/{item[1]}" not in made]


@pytest.mark.rows("FS-CFG-02")
def test_grafana_and_opensearch_have_random_administrator_passwords(spoke: Registered) -> None:
    grafana = spoke.charts["kube-prometheus-stack"].values["grafana"]
    assert grafana["admin"] == {
        "existingSecret": "grafana-admin",
        "userKey": "admin-user",
        "passwordKey": "admin-password",
    }
    assert "adminPassword" not in grafana
    assert spoke.manifest("Secret", "monitoring", "grafana-admin")["stringData"]["admin-password"] in random(spoke)

    values = spoke.charts["opensearch"].values
    told = environment({"env": values["extraEnvs"]})
    assert told["DISABLE_INSTALL_DEMO_CONFIG"] == "true", "the demonstration brings admin:admin"
    assert told["OPENSEARCH_INITIAL_ADMIN_PASSWORD"] == ("opensearch-admin", "password")
    users = values["securityConfig"]["config"]["data"]["internal_users.yml"]
    assert "hash: ${envbc.OPENSEARCH_INITIAL_ADMIN_PASSWORD}" in users
    assert spoke.manifest("Secret", "logging", "opensearch-admin")["stringData"]["password"] in random(spoke)


@pytest.mark.rows("FS-CFG-03")
def test_images_replicas_sizes_hosts_and_administrators_follow_the_stacks_configuration(
    reconfigured: Registered,
) -> None:
    for name in PORTS:
        spec = reconfigured.spec("Deployment", "fitsync", name)
        tag = "2.1.0" if name == "user-service" else "2.0.0"
        assert spec["template"]["spec"]["containers"][0]["image"] == f"registry.example.com/team/fitsync/{name}:{tag}"
        assert spec["replicas"] == 2
    sizes = {
        machine(item.inputs["userData"]).settings["ROLE"]: item.inputs["instanceType"]
        for item in reconfigured.all("ec2.LaunchTemplate")
    }
    assert sizes == {"server": "t3.large", "agent": "t3.xlarge"}
    gateway = reconfigured.spec("Gateway", "fitsync", "fitsync-gateway")
    hosts = {host for server in gateway["servers"] for host in server["hosts"]}
    assert hosts == {"app.trial.fitsync.com", "api.trial.fitsync.com"}
    assert reconfigured.outputs["applicationUrl"] == "https://app.trial.fitsync.com"
    (entry,) = reconfigured.one("lb.LoadBalancer").inputs["securityGroups"]
    assert tcp([6443], ["192.168.7.0/24"]) <= rules(reconfigured, entry, "Ingress")
    assert not tcp([6443], ["192.168.100.0/24"]) & rules(reconfigured, entry, "Ingress")
    assert rules(reconfigured, node_group(reconfigured), "Ingress")


@pytest.mark.rows("FS-CFG-03")
def test_sizes_that_nobody_changed_are_as_required(spokes: dict[str, Registered]) -> None:
    found = {
        name: {
            machine(item.inputs["userData"]).settings["ROLE"]: item.inputs["instanceType"]
            for item in stack.all("ec2.LaunchTemplate")
        }
        for name, stack in spokes.items()
    }
    assert found == {
        "dev": {"server": "t3.medium", "agent": "t3.xlarge"},
        "stage": {"server": "t3.medium", "agent": "t3.xlarge"},
        "prod": {"server": "t3.large", "agent": "t3.xlarge"},
    }


@pytest.mark.rows("FS-CFG-03")
def test_vpn_peers_follow_the_hubs_configuration(platforms: Platforms) -> None:
    peers = [{"name": "office", "address": "198.51.100.77", "asn": 65010, "ranges": ["192.168.100.0/24"]}]
    result = platforms.bench("hub").good("preview", "hub", {"vpnPeers": json.dumps(peers)})
    changes = [
        (step.type, change.path, change.new)
        for step in result.steps
        for change in step.changes
        if change.path == "ipAddress"
    ]
    assert changes
    assert set(changes) == {("aws:ec2/customerGateway:CustomerGateway", "ipAddress", "198.51.100.77")}
