"""Servers that are their own edge: what the world reaches, and what outlives a machine."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from derive.bootstrap import k3s
from derive.plan import system_plan
from model import (
    DeclarationError,
    Gp3,
    K3s,
    NetworkPolicies,
    Nginx,
    Nodes,
    NoMesh,
    Platform,
    Route,
    SingleVpc,
    System,
    Tier,
    Traefik,
    seconds,
)
from tests.unit.declared import deployed, environment, objects, shop

ADMINS = ("203.0.113.0/24",)
PUBLIC = (Tier(name="public", offset=1, egress="internet"),)


def exposed(platform: dict[str, Any] | None = None, count: int = 1, zones: int = 1, **changes: Any) -> System:
    fields: dict[str, Any] = {"cni": NetworkPolicies(), "mesh": NoMesh(), "ingress": Traefik(), "pools": ()}
    servers = Nodes(instance="m7i.xlarge", count=count, disk=Gp3(size=200))
    own: dict[str, Any] = {
        "platform": Platform(cluster=K3s(machines="ubuntu-24.04"), **{**fields, **(platform or {})}),
        "network": SingleVpc(tiers=PUBLIC, control="public", edge="nodes"),
        "environments": {"dev": environment(servers=servers, pools={}, databases=None, zones=zones)},
    }
    return shop(**{**own, **changes})


BETWEEN = {("10.1.1.0/24", port) for port in ("tcp 10250", "udp 8472", "tcp 6443", "tcp 2379", "tcp 2380", "tcp 9100")}


def rules(direction: str) -> set[tuple[str, str]]:
    plan = system_plan(deployed(exposed(), admin_ranges=ADMINS))
    (group,) = plan.network.groups
    return {(rule.peer, f"{rule.protocol} {rule.port}") for rule in group.rules if rule.direction == direction}


def test_the_world_reaches_the_ingress_and_administrators_the_rest() -> None:
    """The Kubernetes API or SSH open to everybody is the first thing that is tried."""
    assert rules("ingress") == BETWEEN | {
        ("0.0.0.0/0", "tcp 80"),
        ("0.0.0.0/0", "tcp 443"),
        ("203.0.113.0/24", "tcp 22"),
        ("203.0.113.0/24", "tcp 6443"),
    }
    assert rules("egress") == BETWEEN | {("0.0.0.0/0", "tcp 80"), ("0.0.0.0/0", "tcp 443")}


def test_there_is_neither_an_edge_nor_an_entry() -> None:
    plan = system_plan(deployed(exposed()))
    assert (plan.network.exposed, plan.network.edge, plan.network.entry) == (True, None, {})


def test_servers_have_addresses_that_stay_in_every_zone() -> None:
    """etcd knows its members by their addresses."""
    cluster = system_plan(deployed(exposed(count=3, zones=2))).k3s
    assert cluster.addresses == ("10.1.1.10", "10.1.2.10", "10.1.1.11")
    assert cluster.zones == ("eu-central-1a", "eu-central-1b", "eu-central-1a")


def boots(index: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """The cloud-config, and K3s' configuration in it."""
    node = system_plan(deployed(exposed())).k3s.server(index, "arn:x", "bucket", "vol-1", "198.51.100.7")
    document = yaml.safe_load(k3s.user_data(node))
    files = {item["path"]: item["content"] for item in document["write_files"]}
    return {**document, "files": files}, yaml.safe_load(files["/etc/rancher/k3s/config.yaml"])


def test_a_server_works_itself_and_keeps_what_k3s_brings_along() -> None:
    """A taint on the only node would leave every pod waiting."""
    document, config = boots()
    assert "node-taint" not in config
    assert config["disable"] == []
    assert not {"flannel-backend", "disable-network-policy", "disable-kube-proxy"} & set(config)
    assert config["tls-san"] == ["api.shop-dev.internal", "198.51.100.7"]
    assert document["ssh_pwauth"] is False
    assert "unattended-upgrades" in document["packages"]


def test_the_cluster_knows_its_node_by_the_address_that_the_node_has() -> None:
    """K3s advertises its API under an external address where it is given one, and its proxy keeps what is sent there
    on the node: pods would reach the API through a door that admits administrators alone, and the public names not at
    all, since policies see the pod behind them."""
    _, config = boots()
    assert not {"node-external-ip", "advertise-address"} & set(config)


def test_what_outlives_the_machine_is_mounted_before_k3s_looks_for_it() -> None:
    """Files written below a mount point are hidden by the mount: K3s would start without its rules."""
    document, config = boots()
    assert not [path for path in document["files"] if path.startswith("/var/lib/rancher")]
    arguments = dict(item.split("=", 1) for item in config["kube-apiserver-arg"])
    assert arguments["audit-policy-file"] == "/var/lib/rancher/k3s/server/audit.yaml"
    first = document["files"]["/opt/wheelhouse/k3s-first-boot"]
    assert first.index("k3s-volume") < first.index("lay-out-bundle")
    settings = document["files"]["/etc/wheelhouse/host.env"].split()
    assert {"VOLUME=vol-1", "NODE_NAME=shop-dev-0", "HOME=/root"} <= set(settings)
    path = next(line for line in settings if line.startswith("PATH="))
    assert path.endswith(":/snap/bin"), "the AWS CLI is a snap"
    guard = document["files"]["/etc/systemd/system/k3s.service.d/volume.conf"]
    assert guard == "[Unit]\nRequiresMountsFor=/var/lib/rancher /var/lib/kubelet\n"


def test_a_volume_without_a_name_that_stays_is_refused() -> None:
    with pytest.raises(DeclarationError, match="bound to the node's name; give it one that stays"):
        k3s.K3sNode("shop-dev", "server", "eu-central-1", "v1.36.2+k3s1", "arn", "/marker", volume="vol-1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"platform": {"ingress": Nginx()}}, "ingress 'nginx' does not answer on ports 80 and 443 of the nodes"),
        ({"routes": (Route(host="@", to="web", timeout=seconds(5)),)}, "Traefik's Ingress cannot say"),
    ],
)
def test_what_such_a_platform_cannot_do_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        system_plan(deployed(exposed(**changes)))


def test_servers_in_a_private_tier_cannot_be_their_own_edge() -> None:
    tiers = (*PUBLIC, Tier(name="private", offset=2, egress="nat"))
    with pytest.raises(ValueError, match=r"network\.edge is 'nodes', so the servers stand in tier 'public'"):
        SingleVpc(tiers=tiers, control="private", edge="nodes")


def test_traefik_serves_routes_over_tls_only_each_host_with_its_certificate() -> None:
    routes = (Route(host="@", to="web"), Route(host="@", to="orders", prefix="/orders"))
    plan = system_plan(deployed(exposed(routes=routes)))
    found = objects(plan.application, "Ingress")
    assert {item["spec"]["ingressClassName"] for item in found.values()} == {"traefik"}
    assert {name: [tls["secretName"] for tls in item["spec"].get("tls", ())] for name, item in found.items()} == {
        "web": ["shop-tls-cert"],
        "orders": [],
    }
    for item in found.values():
        annotations = item["metadata"]["annotations"]
        assert annotations["traefik.ingress.kubernetes.io/router.entrypoints"] == "websecure"
    (settings,) = next(addon.objects for addon in plan.addons if addon.name == "traefik")
    assert (settings["kind"], settings["metadata"]["namespace"]) == ("HelmChartConfig", "kube-system")
    values = yaml.safe_load(settings["spec"]["valuesContent"])
    assert "--entryPoints.web.http.redirections.entryPoint.scheme=https" in values["additionalArguments"]
    assert (values["service"]["spec"]["externalTrafficPolicy"], values["deployment"]["kind"]) == (
        "Local",
        "DaemonSet",
    ), "the address of a node without a pod of Traefik's own would answer nobody"
