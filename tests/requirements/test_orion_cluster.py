"""Orion's cluster: servers that outlive one of them, groups that grow, encrypted volumes; and what networks record."""

from __future__ import annotations

import re

import pytest

from tests.requirements.registered import Registered, machine

AUTOSCALED = "k8s.io/cluster-autoscaler/enabled"


@pytest.mark.rows("OR-NET-07")
def test_traffic_is_logged_and_s3_is_reached_inside(orion: Registered) -> None:
    vpc = orion.one("ec2.Vpc").id
    log = orion.one("ec2.FlowLog").inputs
    assert (log["vpcId"], log["trafficType"]) == (vpc, "ALL")
    group = orion.one("cloudwatch.LogGroup")
    assert (log["logDestination"], group.inputs["retentionInDays"]) == (group.outputs["arn"], 30)
    endpoint = orion.one("ec2.VpcEndpoint").inputs
    assert (endpoint["vpcId"], endpoint["vpcEndpointType"]) == (vpc, "Gateway")
    assert endpoint["serviceName"] == "com.amazonaws.us-east-1.s3"
    assert set(endpoint["routeTableIds"]) == {item.id for item in orion.all("ec2.RouteTable")}


@pytest.mark.rows("OR-NET-10")
def test_time_comes_from_the_machines_own_network_and_nobody_else_is_asked(orion: Registered) -> None:
    for template in orion.all("ec2.LaunchTemplate"):
        source = machine(template.inputs["userData"]).files["/etc/chrony.d/link-local.sources"]
        assert source.startswith("server 169.254.169.123 ")
    for rule in orion.all("vpc.SecurityGroupEgressRule"):
        named = rule.inputs
        assert named["ipProtocol"] != "udp" or not named["fromPort"] <= 123 <= named["toPort"]
    for name, item in orion.manifests("NetworkPolicy").items():
        ports = [port for rule in item["spec"].get("egress", ()) for port in rule.get("ports", ())]
        assert not any(port.get("port") == 123 for port in ports), name


@pytest.mark.rows("OR-CLU-01")
def test_every_machine_runs_one_pinned_release_of_kubernetes(orion: Registered) -> None:
    versions = {
        machine(item.inputs["userData"]).settings["INSTALL_K3S_VERSION"] for item in orion.all("ec2.LaunchTemplate")
    }
    (version,) = versions
    found = re.fullmatch(r"v1\.(\d+)\.\d+\+k3s\d+", version)
    assert found
    assert int(found[1]) >= 33


@pytest.mark.rows("OR-CLU-02")
def test_three_servers_keep_etcd_in_three_zones_and_no_autoscaler_touches_them(orion: Registered) -> None:
    templates = {item.id: machine(item.inputs["userData"]) for item in orion.all("ec2.LaunchTemplate")}
    zones = {item.id: item.inputs["availabilityZone"] for item in orion.all("ec2.Subnet")}
    servers = []
    for group in orion.all("autoscaling.Group"):
        boots = templates[group.inputs["launchTemplate"]["id"]]
        if boots.settings["ROLE"] == "server":
            servers.append((boots.settings["INDEX"], *(zones[name] for name in group.inputs["vpcZoneIdentifiers"])))
            assert (group.inputs["minSize"], group.inputs["maxSize"]) == (1, 1)
            assert AUTOSCALED not in {tag["key"] for tag in group.inputs["tags"]}
            assert "cluster-init: true" in boots.files["/opt/wheelhouse/k3s-first-boot"]
    assert sorted(servers) == [("0", "us-east-1a"), ("1", "us-east-1b"), ("2", "us-east-1c")]


@pytest.mark.rows("OR-CLU-04")
def test_groups_grow_from_three_nodes_to_twenty(orion: Registered) -> None:
    grown = [
        group.inputs
        for group in orion.all("autoscaling.Group")
        if (AUTOSCALED, "true") in {(tag["key"], tag["value"]) for tag in group.inputs["tags"]}
    ]
    assert len(grown) == 5
    assert sum(group["minSize"] for group in grown) >= 3
    assert sum(group["maxSize"] for group in grown) == 20
    asked = orion.charts["cluster-autoscaler"].values
    assert asked["extraArgs"]["scale-down-utilization-threshold"] == 0.5
    assert asked["extraArgs"]["max-nodes-total"] == 20
    assert asked["autoDiscovery"] == {"clusterName": "orion-prod"}
    for group in grown:
        assert "k8s.io/cluster-autoscaler/orion-prod" in {tag["key"] for tag in group["tags"]}


@pytest.mark.rows("OR-CLU-06", "OR-BEY-07")
def test_volumes_are_encrypted_with_a_rotated_key_and_made_where_their_pod_is(orion: Registered) -> None:
    key = orion.one("kms.Key", description="orion-prod: volumes")
    assert key.inputs["enableKeyRotation"] is True
    (found,) = orion.manifests("StorageClass").values()
    assert (found["metadata"]["name"], found["provisioner"]) == ("gp3", "ebs.csi.aws.com")
    assert found["parameters"] == {"type": "gp3", "encrypted": "true", "kmsKeyId": key.outputs["arn"]}
    assert found["volumeBindingMode"] == "WaitForFirstConsumer"
    assert found["allowVolumeExpansion"] is True
    assert "aws-ebs-csi-driver" in orion.charts


@pytest.mark.rows("OR-BEY-03")
def test_machines_demand_imdsv2_and_their_disks_are_encrypted(orion: Registered) -> None:
    templates = orion.all("ec2.LaunchTemplate")
    assert len(templates) == 8
    for item in templates:
        assert item.inputs["metadataOptions"]["httpTokens"] == "required"
        assert [disk["ebs"]["encrypted"] for disk in item.inputs["blockDeviceMappings"]] == ["true"]
    assert not orion.all("ec2.Instance")
