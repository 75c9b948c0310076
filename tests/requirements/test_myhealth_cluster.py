"""myHealth's network and cluster: three zones, a managed control plane, roles for accounts."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import Any

import pytest

from tests.requirements.myhealth import environment
from tests.requirements.registered import Registered

RANGES = {"dev": "10.0.0.0/16", "prod": "10.1.0.0/16"}


def tier(stack: Registered, name: str) -> dict[str, dict[str, Any]]:
    """Subnets of a tier by id."""
    return {item.id: item.inputs for item in stack.all("ec2.Subnet") if item.inputs["tags"]["Tier"] == name}


def groups(stack: Registered) -> dict[str, str]:
    """Description of each security group by id."""
    return {item.id: item.inputs["description"] for item in stack.all("ec2.SecurityGroup")}


def inbound(stack: Registered, description: str) -> set[tuple[str, int | None]]:
    """Whom a group admits, by range or the other group's description, and on which port."""
    known = groups(stack)
    (own,) = [name for name, text in known.items() if text == description]
    rules = [item.inputs for item in stack.all("vpc.SecurityGroupIngressRule", securityGroupId=own)]
    return {(rule.get("cidrIpv4") or known[rule["referencedSecurityGroupId"]], rule.get("fromPort")) for rule in rules}


NODES = "Nodes of the cluster in tier private"
CONTROL = "Managed control plane of the cluster"


@pytest.mark.rows("MH-NET-01")
def test_each_environment_has_one_network_in_one_region(myhealth: Registered) -> None:
    vpc = myhealth.one("ec2.Vpc").inputs
    assert vpc["cidrBlock"] == RANGES[environment(myhealth)]
    assert (vpc["enableDnsSupport"], vpc["enableDnsHostnames"]) == (True, True)
    assert {item.inputs["availabilityZone"][:-1] for item in myhealth.all("ec2.Subnet")} == {"us-east-1"}


@pytest.mark.rows("MH-NET-02", "MH-NET-03")
def test_public_and_private_subnets_lie_in_three_zones(myhealth: Registered) -> None:
    public, private = tier(myhealth, "public"), tier(myhealth, "private")
    for found, tag in ((public, "kubernetes.io/role/elb"), (private, "kubernetes.io/role/internal-elb")):
        assert {str(item["availabilityZone"])[-1] for item in found.values()} == {"a", "b", "c"}
        assert len(found) == 3
        assert {item["tags"][tag] for item in found.values()} == {"1"}
    assert all(IPv4Network(str(item["cidrBlock"])).prefixlen <= 22 for item in private.values())
    assert not any(item["mapPublicIpOnLaunch"] for item in private.values())


@pytest.mark.rows("MH-NET-02", "MH-NET-03", "MH-NET-04")
def test_private_subnets_leave_by_their_zone_s_gateway_where_there_is_one(myhealth: Registered) -> None:
    subnets = {item.id: item.inputs for item in myhealth.all("ec2.Subnet")}
    tables = {
        item.inputs["routeTableId"]: item.inputs["subnetId"] for item in myhealth.all("ec2.RouteTableAssociation")
    }
    gateways = {item.id: subnets[item.inputs["subnetId"]] for item in myhealth.all("ec2.NatGateway")}
    assert len(gateways) == {"dev": 1, "prod": 3}[environment(myhealth)]
    assert {item["tags"]["Tier"] for item in gateways.values()} == {"public"}
    for route in (item.inputs for item in myhealth.all("ec2.Route")):
        subnet = subnets[tables[route["routeTableId"]]]
        assert ("gatewayId" in route) == (subnet["tags"]["Tier"] == "public")
        if "natGatewayId" in route and len(gateways) == 3:
            assert gateways[route["natGatewayId"]]["availabilityZone"] == subnet["availabilityZone"]


@pytest.mark.rows("MH-NET-05", "MH-NET-06")
def test_aws_services_are_reached_inside_the_network(myhealth: Registered) -> None:
    found = {
        item.inputs["serviceName"].removeprefix("com.amazonaws.us-east-1."): item.inputs
        for item in myhealth.all("ec2.VpcEndpoint")
    }
    assert set(found) == {"s3", "ecr.api", "ecr.dkr", "secretsmanager", "sts"}
    private = set(tier(myhealth, "private"))
    tables = {
        item.inputs["routeTableId"]
        for item in myhealth.all("ec2.RouteTableAssociation")
        if item.inputs["subnetId"] in private
    }
    s3 = found.pop("s3")
    assert (s3["vpcEndpointType"], tables <= set(s3["routeTableIds"])) == ("Gateway", True)
    for endpoint in found.values():
        assert (endpoint["vpcEndpointType"], endpoint["privateDnsEnabled"]) == ("Interface", True)
        assert set(endpoint["subnetIds"]) == private
        assert [groups(myhealth)[name] for name in endpoint["securityGroupIds"]] == ["Interface endpoints"]
    assert inbound(myhealth, "Interface endpoints") == {(RANGES[environment(myhealth)], 443)}


@pytest.mark.rows("MH-NET-07")
def test_only_nodes_reach_the_database(myhealth: Registered) -> None:
    assert {peer for peer, _ in inbound(myhealth, "Managed databases")} <= {NODES, "Rotation of secrets"}
    assert {port for _, port in inbound(myhealth, "Managed databases")} == {5432}


@pytest.mark.rows("MH-NET-08")
def test_nodes_are_open_to_one_another_the_control_plane_and_the_edge(myhealth: Registered) -> None:
    edge = "Internal edge load balancer"
    assert inbound(myhealth, NODES) == {
        (NODES, None),
        *((CONTROL, port) for port in (443, 10250, 15017)),
        *((edge, port) for port in (30080, 30443, 30081)),
    }


@pytest.mark.rows("MH-NET-09", "MH-BEY-13")
def test_all_traffic_is_logged_and_the_default_group_is_closed(myhealth: Registered) -> None:
    log, logs = (
        myhealth.one("ec2.FlowLog").inputs,
        {item.outputs["arn"] for item in myhealth.all("cloudwatch.LogGroup")},
    )
    assert (log["trafficType"], log["vpcId"]) == ("ALL", myhealth.one("ec2.Vpc").id)
    assert log["logDestination"] in logs
    closed = myhealth.one("ec2.DefaultSecurityGroup").inputs
    assert (closed["ingress"], closed["egress"]) == ([], [])


@pytest.mark.rows("MH-CLU-01", "MH-CLU-08")
def test_the_control_plane_is_logged_private_and_entered_by_access_entries(myhealth: Registered) -> None:
    cluster = myhealth.one("eks.Cluster").inputs
    major, minor = map(int, cluster["version"].split("."))
    assert (major, minor) >= (1, 34)
    assert {"api", "audit", "authenticator"} <= set(cluster["enabledClusterLogTypes"])
    reach = cluster["vpcConfig"]
    assert (reach["endpointPrivateAccess"], reach["endpointPublicAccess"]) == (True, False)
    assert set(reach["subnetIds"]) == set(tier(myhealth, "private"))
    assert cluster["accessConfig"]["authenticationMode"] == "API"
    assert myhealth.all("eks.AccessEntry")
    encrypted = cluster.get("encryptionConfig", {}).get("resources") == ["secrets"]
    assert encrypted == (environment(myhealth) == "prod")


@pytest.mark.rows("MH-CLU-02", "MH-CLU-03")
def test_dev_has_one_group_of_spot_nodes(myhealth_dev: Registered) -> None:
    group = myhealth_dev.one("eks.NodeGroup").inputs
    assert (group["instanceTypes"][0], group["capacityType"]) == ("t3.medium", "SPOT")
    assert group["scalingConfig"] == {"desiredSize": 2, "minSize": 2, "maxSize": 10}
    assert set(group["subnetIds"]) == set(tier(myhealth_dev, "private"))


@pytest.mark.rows("MH-CLU-02", "MH-CLU-04")
def test_prod_has_two_kinds_of_nodes_up_to_ten_in_all(myhealth_prod: Registered) -> None:
    found = {item.inputs["labels"]["role"]: item.inputs for item in myhealth_prod.all("eks.NodeGroup")}
    sizes = {role: tuple(group["scalingConfig"].values()) for role, group in found.items()}
    assert {role: sorted(size) for role, size in sizes.items()} == {"general": [2, 2, 6], "platform": [2, 2, 4]}
    assert {(*group["instanceTypes"], group["capacityType"]) for group in found.values()} == {("t3.large", "ON_DEMAND")}


@pytest.mark.rows("MH-CLU-05", "MH-CLU-06", "MH-ADD-02")
def test_eks_installs_the_add_ons_of_the_cluster(myhealth: Registered) -> None:
    found = {item.inputs["addonName"]: item.inputs for item in myhealth.all("eks.Addon")}
    assert {"vpc-cni", "coredns", "kube-proxy", "aws-ebs-csi-driver", "metrics-server"} == set(found)
    network = json.loads(found["vpc-cni"]["configurationValues"])
    assert network == {"enableNetworkPolicy": "true", "env": {"ENABLE_PREFIX_DELEGATION": "true"}}


@pytest.mark.rows("MH-CLU-07")
def test_each_role_is_one_account_s(myhealth: Registered) -> None:
    """A role that any account could take would be everybody's."""
    provider = myhealth.one("iam.OpenIdConnectProvider", tags={"Name": myhealth.stack})
    assert provider.inputs["clientIdLists"] == ["sts.amazonaws.com"]
    subjects = []
    for role in myhealth.all("iam.Role"):
        for statement in json.loads(role.inputs["assumeRolePolicy"])["Statement"]:
            if statement["Principal"].get("Federated") != provider.outputs["arn"]:
                continue
            conditions = statement["Condition"]["StringEquals"]
            (audience,) = [value for key, value in conditions.items() if key.endswith(":aud")]
            (subject,) = [value for key, value in conditions.items() if key.endswith(":sub")]
            assert (audience, len(subject), "*" in subject[0]) == ("sts.amazonaws.com", 1, False)
            subjects += subject
    assert len(subjects) == len(set(subjects)) >= 4
    assert all(subject.startswith("system:serviceaccount:") for subject in subjects)


@pytest.mark.rows("MH-CLU-09")
def test_the_autoscaler_finds_the_groups_and_may_resize_them(myhealth: Registered) -> None:
    values = myhealth.charts["cluster-autoscaler"].values
    assert values["autoDiscovery"]["clusterName"] == myhealth.one("eks.Cluster").inputs["name"]
    assert values["awsRegion"] == "us-east-1"
    (policy,) = [item for item in myhealth.all("iam.RolePolicy") if "cluster-autoscaler" in item.name]
    assert "autoscaling:SetDesiredCapacity" in policy.inputs["policy"]


@pytest.mark.rows("MH-CLU-10", "MH-BEY-02")
def test_volumes_are_gp3_and_encrypted_wherever_they_are(myhealth: Registered) -> None:
    (storage,) = myhealth.manifests("StorageClass").values()
    assert storage["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    assert (storage["provisioner"], storage["volumeBindingMode"]) == ("ebs.csi.aws.com", "WaitForFirstConsumer")
    assert storage["parameters"] == {"type": "gp3", "encrypted": "true"}
    for template in myhealth.all("ec2.LaunchTemplate"):
        (disk,) = template.inputs["blockDeviceMappings"]
        assert (disk["ebs"]["volumeType"], disk["ebs"]["encrypted"]) == ("gp3", "true")


@pytest.mark.rows("MH-BEY-01")
def test_nodes_hand_out_their_role_by_imdsv2_only(myhealth: Registered) -> None:
    used = {item.inputs["launchTemplate"]["id"] for item in myhealth.all("eks.NodeGroup")}
    for name in used:
        options = myhealth.by_id("ec2.LaunchTemplate", name).inputs["metadataOptions"]
        assert (options["httpTokens"], options["httpPutResponseHopLimit"] <= 2) == ("required", True)
