"""Gym's network, cluster and edge: a VPC of its own, one door, and policies on every pod."""

from __future__ import annotations

import pytest

from tests.requirements.gym import CALLS, GRPC, IDENTITY, PORTS, RANGES, STORES, callers, served
from tests.requirements.policies import DNS, GATEWAY, ISTIOD, PROMETHEUS, Permission, network
from tests.requirements.registered import Registered, machine

SPANS = ("tracing/app.kubernetes.io/name=jaeger", "TCP", 4317)
SCRAPE = (PROMETHEUS, "TCP", 15020)
EXPORTERS = {"mysql": 9104, "redis": 9121}
METADATA = ("cidr:169.254.169.254/32", "TCP", 80)


def permission(name: str, port: int) -> Permission:
    return (f"gym/app={name}", "TCP", port)


@pytest.mark.rows("GY-NET-01")
def test_each_environment_has_a_vpc_and_a_cluster_of_its_own(gym: Registered) -> None:
    vpc = gym.one("ec2.Vpc").inputs
    assert (vpc["cidrBlock"], vpc["enableDnsSupport"], vpc["enableDnsHostnames"]) == (RANGES[gym.stack], True, True)
    assert "ec2transitgateway.VpcAttachment" not in gym.kinds
    assert {item.inputs["tags"]["Tier"] for item in gym.all("ec2.Subnet")} == {"public", "nodes"}


@pytest.mark.rows("GY-CLU-04", "GY-ENV-03")
def test_a_worker_comes_back_where_the_volumes_are(gyms: dict[str, Registered]) -> None:
    """Two workers in three zones: the third zone gets the new one, and MySQL's volume stays behind."""
    for stack, workers in zip(gyms.values(), (1, 2), strict=True):
        (pool,) = [item.inputs for item in stack.all("autoscaling.Group") if item.name.endswith("-agents-group")]
        assert (pool["desiredCapacity"], len(pool["vpcZoneIdentifiers"])) == (workers, workers)


@pytest.mark.rows("GY-NET-02", "GY-EDG-02")
def test_the_world_reaches_two_ports_of_the_load_balancer_and_no_machine(gym: Registered) -> None:
    subnets = {item.id: item.inputs for item in gym.all("ec2.Subnet")}
    for group in gym.all("autoscaling.Group"):
        assert {subnets[name]["tags"]["Tier"] for name in group.inputs["vpcZoneIdentifiers"]} == {"nodes"}
    for template in gym.all("ec2.LaunchTemplate"):
        for interface in template.inputs.get("networkInterfaces", ()):
            assert interface.get("associatePublicIpAddress") != "true"
    assert not any(item.get("mapPublicIpOnLaunch") for item in subnets.values() if item["tags"]["Tier"] == "nodes")
    rules = [item.inputs for item in gym.all("vpc.SecurityGroupIngressRule")]
    world = [rule for rule in rules if rule.get("cidrIpv4") == "0.0.0.0/0" or rule.get("cidrIpv6")]
    assert {(rule["fromPort"], rule["toPort"], rule["ipProtocol"]) for rule in world} == {
        (80, 80, "tcp"),
        (443, 443, "tcp"),
    }
    (edge,) = [item for item in gym.all("lb.LoadBalancer") if not item.inputs["internal"]]
    assert {rule["securityGroupId"] for rule in world} == set(edge.inputs["securityGroups"])
    listeners = [
        item.inputs for item in gym.all("lb.Listener") if item.inputs["loadBalancerArn"] == edge.outputs["arn"]
    ]
    assert {(item["port"], item["protocol"]) for item in listeners} == {(80, "TCP"), (443, "TCP")}
    values = gym.charts["istio-ingressgateway"].values["service"]
    assert values["type"] == "LoadBalancer"
    assert {80, 443} <= {port["port"] for port in values["ports"]}


@pytest.mark.rows("GY-EDG-01", "GY-OPS-01")
def test_the_ingress_gateway_is_the_only_door(gym: Registered) -> None:
    """Grafana, Kiali, Prometheus and Jaeger are reached by port forwarding."""
    assert {item["spec"]["type"] for item in gym.manifests("Service").values()} == {"ClusterIP"}
    assert not {"Ingress", "HTTPRoute"} & gym.kinds
    for name, chart in gym.charts.items():
        for kind in ("LoadBalancer", "NodePort"):
            assert (kind in str(chart.spec["valuesContent"])) == (kind == "LoadBalancer" and "ingressgateway" in name)
    assert list(gym.manifests("Gateway")) == ["gym/gym-gateway"]
    assert gym.charts["kiali"].values["deployment"]["ingress"] == {"enabled": False}


@pytest.mark.rows("GY-NET-03", "GY-NET-06", "GY-CLU-01")
def test_services_hear_the_gateway_and_their_callers_and_nobody_else(gym: Registered) -> None:
    heard = network(gym, "gym", "ingress")
    for name, port in PORTS.items():
        tester = {permission(f"{name}-smoke-test", port)} if name not in GRPC else set()
        called = {permission(caller, number) for caller in callers(name) for number in served(name)}
        assert heard[name] == {(GATEWAY, "TCP", port), SCRAPE} | called | tester
    assert heard["*"] == set()


@pytest.mark.rows("GY-NET-04", "GY-NET-05")
def test_stores_hear_the_backends_and_the_scraper_of_their_exporter(gym: Registered) -> None:
    heard = network(gym, "gym", "ingress")
    for name, port in STORES.items():
        copies = {permission("mysql-backup,tier=data", port)} if name == "mysql" else set()
        users = {permission(f"{user},tier=application", port) for user in ("backend-main", "backend-stream")}
        assert heard[name] == users | copies | {SCRAPE, (PROMETHEUS, "TCP", EXPORTERS[name])}
        assert gym.spec("Service", "gym", name)["type"] == "ClusterIP"
    routed = [
        to["destination"]["host"]
        for item in gym.manifests("VirtualService").values()
        for route in item["spec"]["http"]
        for to in route["route"]
    ]
    assert not any(host.startswith(tuple(STORES)) for host in routed)


@pytest.mark.rows("GY-NET-06", "GY-NET-07", "GY-NET-08")
def test_pods_speak_to_what_they_depend_on_and_only_https_leaves(gym: Registered) -> None:
    spoken = network(gym, "gym", "egress")
    always = {*DNS, ISTIOD, SPANS}
    for name, callees in CALLS.items():
        outside = {(f"fqdn:{IDENTITY}", "TCP", 443)} if name == "backend-main" else set()
        inwards = {permission(callee, port) for callee in callees for port in served(callee)}
        assert spoken[name] == inwards | outside | always
    for name in STORES:
        assert spoken[name] == always
    assert spoken["*"] == set()
    beyond = {
        item for allowed in spoken.values() for item in allowed if item[0].startswith(("fqdn:", "cidr:", "entity:"))
    }
    # The role of the backup's machine is on the machine itself: that does not leave it.
    assert {port for _, _, port in beyond - {METADATA}} == {443}
    assert METADATA not in spoken["mysql"] | spoken["redis"]


@pytest.mark.rows("GY-NET-09")
def test_what_nobody_declared_outside_is_refused(gym: Registered) -> None:
    assert gym.charts["istiod"].values["meshConfig"]["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}
    entry = gym.spec("ServiceEntry", "gym", "identity")
    assert (entry["hosts"], entry["location"]) == ([IDENTITY], "MESH_EXTERNAL")
    assert [(port["number"], port["protocol"]) for port in entry["ports"]] == [(443, "TLS")]
    for item in gym.manifests("ServiceEntry").values():
        assert not any("*" in host for host in item["spec"]["hosts"])
    for item in gym.manifests("Sidecar", "gym").values():
        assert item["spec"]["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}


@pytest.mark.rows("GY-CLU-01", "GY-CLU-02", "GY-CLU-03", "GY-CLU-04")
def test_the_cluster_is_pinned_and_leaves_networking_to_cilium_and_the_edge_to_istio(gym: Registered) -> None:
    servers = [item for item in gym.all("ec2.LaunchTemplate") if "server" in item.name]
    assert servers
    for item in servers:
        files = machine(item.inputs["userData"]).files
        (text,) = [content for path, content in files.items() if path.endswith("k3s/config.yaml")]
        assert "traefik" in text
        assert "metrics-server" not in text, "the one that K3s brings feeds the autoscalers"
        assert "disable-network-policy: true" in text
        assert any("v1.36.2+k3s1" in content or "v1.36.2%2Bk3s1" in content for content in files.values())
    assert "cilium" in gym.charts
    made = gym.manifests("StorageClass")["gp3"]
    assert (made["provisioner"], made["parameters"]["type"]) == ("ebs.csi.aws.com", "gp3")
    assert made["parameters"]["encrypted"] == "true"
    assert made["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    assert len(gym.manifests("StorageClass")) == 1
    for name in STORES:
        (claim,) = gym.spec("StatefulSet", "gym", name)["volumeClaimTemplates"]
        assert claim["spec"]["storageClassName"] == "gp3"
