"""FitSync, cluster: K3s on EC2, its settings, its size and its identity."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import combinations
from typing import Any

import pytest
import yaml

from sandbox.state import Resource
from tests.requirements.fitsync import HUB_RANGE, SPOKES, ZONES
from tests.requirements.network import tiers
from tests.requirements.registered import Chart, Machine, Registered, containers, machine

SIZES = {"t3.medium": (2.0, 4096), "t3.large": (2.0, 8192), "t3.xlarge": (4.0, 16384)}
"""vCPU and MiB of an instance type, as AWS lists them."""


@dataclass(frozen=True)
class NodeGroup:
    """One Auto Scaling group of nodes with its template."""

    group: Resource
    template: Resource

    @property
    def boot(self) -> Machine:
        return machine(self.template.inputs["userData"])

    @property
    def count(self) -> int:
        assert self.group.inputs["minSize"] == self.group.inputs["desiredCapacity"]
        return int(self.group.inputs["minSize"])

    @property
    def configuration(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load(self.boot.files["/etc/rancher/k3s/config.yaml"])
        return loaded


def nodes(stack: Registered, role: str) -> list[NodeGroup]:
    """The groups whose machines boot as ``server`` or ``agent``."""
    found = [
        NodeGroup(group, stack.by_id("ec2.LaunchTemplate", group.inputs["launchTemplate"]["id"]))
        for group in stack.all("autoscaling.Group")
    ]
    return [item for item in found if item.boot.settings["ROLE"] == role]


def count(stack: Registered, role: str) -> int:
    return sum(item.count for item in nodes(stack, role))


@pytest.mark.rows("FS-CLU-01")
def test_each_spoke_has_a_cluster_of_its_own_machines(spoke: Registered) -> None:
    assert not {kind for kind in spoke.kinds if kind.startswith("eks.")}
    sizes = (count(spoke, "server"), count(spoke, "agent"))
    assert sizes == {"dev": (1, 2), "stage": (1, 2), "prod": (3, 4)}[spoke.stack]
    allowed = {subnet.id for subnet in tiers(spoke)["k8s"]}
    for item in (*nodes(spoke, "server"), *nodes(spoke, "agent")):
        assert set(item.group.inputs["vpcZoneIdentifiers"]) <= allowed
        (interface,) = item.template.inputs["networkInterfaces"]
        assert interface["associatePublicIpAddress"] == "false"
        assert item.boot.settings["CLUSTER"] == f"fitsync-{spoke.stack}"


@pytest.mark.rows("FS-CLU-02")
def test_k3s_leaves_networking_to_cilium_and_ingress_to_istio(spoke: Registered) -> None:
    for item in nodes(spoke, "server"):
        found = item.configuration
        assert found["flannel-backend"] == "none"
        assert found["disable-network-policy"] is True
        assert "traefik" in found["disable"]
        replaced = spoke.charts["cilium"].values["kubeProxyReplacement"]
        assert found.get("disable-kube-proxy", False) is replaced


@pytest.mark.rows("FS-CLU-03")
def test_prods_control_plane_has_a_member_of_etcd_in_each_of_three_zones(prod: Registered) -> None:
    servers = nodes(prod, "server")
    zones = []
    for item in servers:
        (subnet,) = item.group.inputs["vpcZoneIdentifiers"]
        zones.append(prod.by_id("ec2.Subnet", subnet).inputs["availabilityZone"])
        assert item.count == item.group.inputs["maxSize"] == 1
        assert "datastore-endpoint" not in item.configuration
        assert "cluster-init: true" in item.boot.files["/opt/wheelhouse/k3s-first-boot"]
    assert sorted(zones) == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    assert sorted(item.boot.settings["INDEX"] for item in servers) == ["0", "1", "2"], "server 0 starts the cluster"


@pytest.mark.rows("FS-CLU-03", "FS-CLU-04")
def test_prods_machines_are_of_the_required_size_and_spread(prod: Registered) -> None:
    assert {item.template.inputs["instanceType"] for item in nodes(prod, "server")} == {"t3.large"}
    (workers,) = nodes(prod, "agent")
    assert workers.template.inputs["instanceType"] == "t3.xlarge"
    zones = {
        prod.by_id("ec2.Subnet", subnet).inputs["availabilityZone"]
        for subnet in workers.group.inputs["vpcZoneIdentifiers"]
    }
    assert zones == {f"eu-west-1{letter}" for letter in ZONES["prod"]}


def cpu(quantity: str) -> float:
    """``250m`` -> 0.25."""
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def mebibytes(quantity: str) -> float:
    """``2Gi`` -> 2048."""
    return float(quantity[:-2]) * {"Mi": 1, "Gi": 1024}[quantity[-2:]]


Need = tuple[float, float]
"""vCPU and MiB."""
SIDECAR: Need = (0.1, 128.0)


def requests(resources: Any) -> Need:
    found = resources["requests"]
    return cpu(found["cpu"]), mebibytes(found["memory"])


def application(stack: Registered) -> Iterator[Need]:
    """What each pod of ``fitsync`` asks for, with its sidecar."""
    for kind in ("Deployment", "StatefulSet"):
        for name, item in stack.manifests(kind, "fitsync").items():
            scaled = stack.manifests("HorizontalPodAutoscaler", "fitsync").get(name)
            pods = item["spec"].get("replicas") or (scaled or {})["spec"]["minReplicas"]
            each = [requests(container["resources"]) for container in containers(item["spec"]["template"])]
            for _ in range(pods):
                yield from (*each, SIDECAR)


PER_NODE = 0
"""A DaemonSet: one pod on each node."""
REPLICAS = {
    "cilium": {"": PER_NODE, "operator": 2, "hubble.relay": 1},
    "istio-cni": {"": PER_NODE},
    "istiod": {"": 2, "global.proxy": 0},
    "istio-ingressgateway": {"": 2},
    "kube-prometheus-stack": {
        "prometheusOperator": 1,
        "prometheusOperator.prometheusConfigReloader": 3,
        "prometheus.prometheusSpec": 1,
        "alertmanager.alertmanagerSpec": 2,
        "grafana": 1,
        "grafana.sidecar": 2,
        "kube-state-metrics": 1,
        "prometheus-node-exporter": PER_NODE,
    },
    "opensearch": {"": 3},
    "fluent-bit": {"": PER_NODE},
    "userdb-exporter": {"": 1},
    "trainingdb-exporter": {"": 1},
    "scheduledb-exporter": {"": 1},
    "progressdb-exporter": {"": 1},
}
"""Chart -> place of a ``resources`` block in its values -> containers in prod. The sidecars are counted with the
pods that have them."""


def blocks(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every ``resources`` block with requests, with its place."""
    for key, value in values.items() if isinstance(values, dict) else ():
        if key == "resources" and "requests" in value:
            yield path, value
        elif key != "volumeClaimTemplate":
            yield from blocks(value, f"{path}.{key}".strip("."))


def platform(charts: dict[str, Chart], workers: int) -> Iterator[Need]:
    """What the add-ons ask for, all of them on the workers; a block that the table lacks is refused."""
    for name, chart in charts.items():
        for path, resources in blocks(chart.values):
            if (name, path) == ("istiod", "global.proxy"):
                assert requests(resources) == SIDECAR
                continue
            for _ in range(REPLICAS[name][path] or workers):
                yield requests(resources)


@pytest.mark.rows("FS-CLU-04")
def test_prods_workers_hold_every_pod_within_nine_tenths(prod: Registered) -> None:
    (workers,) = nodes(prod, "agent")
    vcpus, memory = SIZES[workers.template.inputs["instanceType"]]
    needs = [*application(prod), *platform(prod.charts, workers.count)]
    assert len([need for need in needs if need == SIDECAR]) >= 7 * 3 + 1
    assert sum(need[0] for need in needs) <= 0.9 * workers.count * vcpus
    assert sum(need[1] for need in needs) <= 0.9 * workers.count * memory


@pytest.mark.rows("FS-CLU-04", "FS-CIC-02")
def test_workers_hold_one_pod_more_wherever_the_others_stand(spoke: Registered) -> None:
    """A release brings the new pod before the old one goes. Without room for it on one of the workers it would wait for
    ever: there is room for certain where what is free is one such pod per worker. The add-ons are counted as in prod,
    which has the most of them."""
    (workers,) = nodes(spoke, "agent")
    vcpus, memory = SIZES[workers.template.inputs["instanceType"]]
    needs = [*application(spoke), *platform(spoke.charts, workers.count)]
    for item in spoke.manifests("Deployment", "fitsync").values():
        pod = [*(requests(container["resources"]) for container in containers(item["spec"]["template"])), SIDECAR]
        for size, part in ((vcpus, 0), (memory, 1)):
            free = workers.count * size - sum(need[part] for need in needs)
            assert free >= workers.count * sum(need[part] for need in pod)


@pytest.mark.rows("FS-CLU-05")
def test_k3s_is_pinned_its_token_random_and_machines_have_a_profile(spoke: Registered) -> None:
    found = [*nodes(spoke, "server"), *nodes(spoke, "agent")]
    (version,) = {item.boot.settings["INSTALL_K3S_VERSION"] for item in found}
    assert re.fullmatch(r"v1\.\d+\.\d+\+k3s\d+", version)
    random = {item.outputs["result"] for item in spoke.all("index.RandomPassword")}
    for item in found:
        secret = spoke.by_id("secretsmanager.Secret", item.boot.settings["SECRET_ARN"])
        text = spoke.one("secretsmanager.SecretVersion", secretId=secret.id).inputs["secretString"]
        files = {entry["path"]: entry["content"].strip() for entry in json.loads(text)["files"]}
        token = files[item.configuration["token-file"]].rpartition(":")[2]
        assert token in random
        assert len(token) >= 32
        profile = spoke.one("iam.InstanceProfile", name=item.template.inputs["iamInstanceProfile"]["name"])
        role = spoke.one("iam.Role", name=profile.inputs["role"])
        assert "ec2.amazonaws.com" in role.inputs["assumeRolePolicy"]
        assert token not in item.template.inputs["userData"]


@pytest.mark.rows("FS-CLU-06")
def test_pods_and_services_have_ranges_of_their_own(spoke: Registered) -> None:
    for item in nodes(spoke, "server"):
        found = item.configuration
        assert (found["cluster-cidr"], found["service-cidr"]) == ("10.42.0.0/16", "10.43.0.0/16")
        vpcs = [HUB_RANGE, *(f"{prefix}.0.0/16" for prefix in SPOKES.values())]
        networks = [ip_network(cidr) for cidr in (found["cluster-cidr"], found["service-cidr"], *vpcs)]
        assert not [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]


@pytest.mark.rows("FS-CLU-07")
def test_local_path_is_the_default_storage_class(spoke: Registered, reconfigured: Registered) -> None:
    """K3s makes `local-path` the default unless its provisioner is disabled; nothing else may claim to be one."""
    for item in nodes(spoke, "server"):
        assert "local-storage" not in item.configuration["disable"]
        assert "default-local-storage-path" not in item.configuration
    assert not spoke.manifests("StorageClass")
    claims = [
        claim["spec"].get("storageClassName", "local-path")
        for stack in (spoke, reconfigured)
        for item in stack.manifests("StatefulSet").values()
        for claim in item["spec"]["volumeClaimTemplates"]
    ]
    assert len(claims) >= 6
    assert set(claims) == {"local-path"}
