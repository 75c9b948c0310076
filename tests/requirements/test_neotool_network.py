"""Neotool's network: one VPC, one machine that is its own edge."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
import yaml

from tests.requirements.registered import Machine, Registered, machine

ADMINISTRATORS = "203.0.113.0/24"
WORLD = "0.0.0.0/0"


def boots(stack: Registered) -> Machine:
    return machine(stack.one("ec2.Instance").inputs["userData"])


def opened(stack: Registered) -> set[tuple[str, str, int | None]]:
    """Protocol, source and port of every rule that lets something in."""
    rules = [item.inputs for item in stack.all("vpc.SecurityGroupIngressRule")]
    assert not [rule for rule in rules if rule.get("fromPort") != rule.get("toPort")]
    return {(rule["ipProtocol"], rule["cidrIpv4"], rule.get("fromPort")) for rule in rules}


@pytest.mark.rows("NT-NET-01", "NT-ENV-01")
def test_each_environment_has_a_vpc_that_meets_neither_pods_nor_services(neotools: dict[str, Registered]) -> None:
    """An address of the VPC that is a pod's, too, is never reached."""
    ranges = {name: stack.one("ec2.Vpc").inputs["cidrBlock"] for name, stack in neotools.items()}
    assert ranges == {"dev": "10.21.0.0/16", "prod": "10.20.0.0/16"}
    for name, stack in neotools.items():
        own = IPv4Network(ranges[name])
        assert not any(own.overlaps(IPv4Network(other)) for other in ("10.42.0.0/16", "10.43.0.0/16"))
        subnets = [IPv4Network(item.inputs["cidrBlock"]) for item in stack.all("ec2.Subnet")]
        assert subnets
        assert all(subnet.subnet_of(own) for subnet in subnets)


@pytest.mark.rows("NT-NET-02", "NT-NET-07")
def test_pods_and_services_have_k3s_own_ranges_and_its_network_and_policies_stay_on(neotool: Registered) -> None:
    config = yaml.safe_load(boots(neotool).files["/etc/rancher/k3s/config.yaml"])
    assert (config["cluster-cidr"], config["service-cidr"]) == ("10.42.0.0/16", "10.43.0.0/16")
    # Without them: Flannel over VXLAN, cluster DNS at the tenth address of the services.
    assert not {"flannel-backend", "cluster-dns", "disable-network-policy"} & set(config)


@pytest.mark.rows("NT-NET-03", "NT-NET-04", "NT-NET-05")
def test_the_world_reaches_http_and_https_administrators_ssh_and_the_api_and_nodes_one_another(
    neotool: Registered,
) -> None:
    """An open kubelet or API server is the whole cluster."""
    (subnet,) = [item.inputs["cidrBlock"] for item in neotool.all("ec2.Subnet")]
    assert opened(neotool) == {
        ("tcp", WORLD, 80),
        ("tcp", WORLD, 443),
        ("tcp", ADMINISTRATORS, 22),
        ("tcp", ADMINISTRATORS, 6443),
        ("tcp", subnet, 10250),
        ("udp", subnet, 8472),
        ("tcp", subnet, 6443),
        ("tcp", subnet, 2379),
        ("tcp", subnet, 2380),
        ("tcp", subnet, 9100),
    }
    assert not any(item.inputs.get("cidrIpv6") for item in neotool.all("vpc.SecurityGroupIngressRule"))


@pytest.mark.rows("NT-NET-06")
def test_ssh_takes_keys_only(neotool: Registered) -> None:
    """Passwords are guessed from the first minute on."""
    instance = neotool.one("ec2.Instance").inputs
    key = neotool.one("ec2.KeyPair")
    assert instance["keyName"] == key.id
    assert key.inputs["publicKey"].startswith("ssh-ed25519 ")
    assert yaml.safe_load(instance["userData"])["ssh_pwauth"] is False


@pytest.mark.rows("NT-NET-09")
def test_databases_and_tools_are_reached_by_port_forwarding_only(neotool: Registered) -> None:
    for name, service in neotool.manifests("Service").items():
        assert service["spec"].get("type", "ClusterIP") == "ClusterIP", name
    led = {
        path["backend"]["service"]["name"]
        for item in neotool.manifests("Ingress", "production").values()
        for rule in item["spec"]["rules"]
        for path in rule["http"]["paths"]
    }
    assert led == {"web", "apollo-router"}
    hard = neotool.spec("ResourceQuota", "production", "production-quota")["hard"]
    assert (hard["services.nodeports"], hard["services.loadbalancers"]) == ("0", "0")


@pytest.mark.rows("NT-NET-08")
def test_services_are_found_under_the_names_of_the_architecture(neotool: Registered) -> None:
    ports = {
        name: {port["port"] for port in item["spec"]["ports"]}
        for name, item in neotool.manifests("Service", "production").items()
    }
    assert 5432 in ports["postgres-headless"]
    assert 6432 in ports["pgbouncer"]
    assert 9092 in ports["kafka"]
    vault = neotool.spec("HelmRelease", "production", "vault")
    assert (vault["releaseName"], vault["values"]["fullnameOverride"]) == ("vault", "vault")


@pytest.mark.rows("NT-EDG-02", "NT-OPS-01")
def test_the_public_address_stays_and_is_told(neotool: Registered) -> None:
    """DNS names lead to it: an address that changes with the machine takes the system away."""
    address = neotool.one("ec2.Eip")
    bound = neotool.one("ec2.EipAssociation").inputs
    assert (bound["allocationId"], bound["instanceId"]) == (address.id, neotool.one("ec2.Instance").id)
    outputs = neotool.outputs
    assert outputs["nodeIp"] == address.outputs["publicIp"]
    assert outputs["vpcId"] == neotool.one("ec2.Vpc").id
    assert yaml.safe_load(outputs["kubeconfig"])["clusters"][0]["cluster"]["server"] == (
        f"https://{address.outputs['publicIp']}:6443"
    )
    assert outputs["fluxDeployPublicKey"].startswith("ssh-ed25519 ")


@pytest.mark.rows("NT-BEY-01", "NT-BEY-09")
def test_the_machine_needs_tokens_for_its_metadata_is_reached_by_session_manager_and_updates_itself(
    neotool: Registered,
) -> None:
    instance = neotool.one("ec2.Instance").inputs
    assert instance["metadataOptions"]["httpTokens"] == "required"
    (profile,) = [item for item in neotool.all("iam.InstanceProfile") if item.id == instance["iamInstanceProfile"]]
    attached = {
        item.inputs["policyArn"]
        for item in neotool.all("iam.RolePolicyAttachment")
        if item.inputs["role"] == profile.inputs["role"]
    }
    assert "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore" in attached
    assert "unattended-upgrades" in yaml.safe_load(instance["userData"])["packages"]
    assert 'Unattended-Upgrade "1"' in boots(neotool).files["/etc/apt/apt.conf.d/20auto-upgrades"]
