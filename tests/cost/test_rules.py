"""Each price rule against a figure worked out by hand from the table of us-east-1 and the stated assumptions.

A month has 730 hours. Amounts are rounded to cents line by line.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from tests.cost.exported import bill, resource, total

GP3_100 = {"type": "gp3", "size": 100}
NLB = {"loadBalancerType": "network", "internal": True, "subnets": ["a", "b"]}


@pytest.mark.parametrize(
    ("type_", "inputs", "expected"),
    [
        # 730 h * 0.0416 = 30.368; 8 GB * 0.08 = 0.64, of the image's root volume
        ("aws:ec2/instance:Instance", {"instanceType": "t3.medium"}, "31.01"),
        # and 20 GB * 0.08 = 1.60 root, 730 h * 0.005 = 3.65 public address
        (
            "aws:ec2/instance:Instance",
            {
                "instanceType": "t3.medium",
                "associatePublicIpAddress": True,
                "rootBlockDevice": {"volumeSize": 20, "volumeType": "gp3"},
            },
            "35.62",
        ),
        # spot: 730 h * 0.35 * 0.0416 = 10.6288; 0.64
        (
            "aws:ec2/instance:Instance",
            {"instanceType": "t3.medium", "instanceMarketOptions": {"marketType": "spot"}},
            "11.27",
        ),
        # 100 GB * 0.08
        ("aws:ebs/volume:Volume", {**GP3_100, "iops": 3000, "throughput": 125}, "8.00"),
        # and 1000 IOPS * 0.005 = 5.00, 75 MiB/s * 0.04 = 3.00 above what is included
        ("aws:ebs/volume:Volume", {**GP3_100, "iops": 4000, "throughput": 200}, "16.00"),
        ("aws:ebs/volume:Volume", {"type": "gp2", "size": 100}, "10.00"),
        # 730 * 0.045 = 32.85; 50 GB * 0.045 = 2.25; 10 GB * 0.09 = 0.90
        ("aws:ec2/natGateway:NatGateway", {}, "36.00"),
        ("aws:ec2/natGateway:NatGateway", {"connectivityType": "private"}, "35.10"),
        ("aws:ec2/eip:Eip", {"domain": "vpc"}, "3.65"),
        # 730 * 0.0225 = 16.425 -> 16.43; 730 * 0.006 = 4.38
        ("aws:lb/loadBalancer:LoadBalancer", NLB, "20.81"),
        # public: 2 addresses 7.30, 50 GB * 0.09 = 4.50
        ("aws:lb/loadBalancer:LoadBalancer", {**NLB, "internal": False}, "32.61"),
        # an Elastic IP of its own is a resource of its own
        (
            "aws:lb/loadBalancer:LoadBalancer",
            {"loadBalancerType": "network", "subnetMappings": [{"subnetId": "a", "allocationId": "e"}]},
            "25.31",
        ),
        # application: 16.43; 730 * 0.008 = 5.84
        ("aws:lb/loadBalancer:LoadBalancer", {"internal": True}, "22.27"),
        # 730 * 0.05 = 36.50; 50 GB * 0.02 = 1.00
        ("aws:ec2transitgateway/vpcAttachment:VpcAttachment", {}, "37.50"),
        # 36.50; two tunnels' addresses 7.30
        ("aws:ec2/vpnConnection:VpnConnection", {"vpnGatewayId": "vgw-1"}, "43.80"),
        # and its attachment to the Transit Gateway 37.50
        ("aws:ec2/vpnConnection:VpnConnection", {"transitGatewayId": "tgw-1"}, "81.30"),
        ("aws:ec2clientvpn/networkAssociation:NetworkAssociation", {}, "73.00"),
        # 80 h * 0.05
        ("aws:ec2clientvpn/endpoint:Endpoint", {}, "4.00"),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Gateway"}, "0"),
        # 2 * 730 * 0.01 = 14.60; 20 GB * 0.01
        ("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Interface", "subnetIds": ["a", "b"]}, "14.80"),
        # 0.50; a million queries 0.40
        ("aws:route53/zone:Zone", {"name": "a.com"}, "0.90"),
        ("aws:route53/zone:Zone", {"name": "a.internal", "vpcs": [{"vpcId": "vpc-1"}]}, "0.50"),
        ("aws:route53/healthCheck:HealthCheck", {}, "0.50"),
        ("aws:eks/cluster:Cluster", {}, "73.00"),
        # 2 * 730 * 0.0416 = 60.736; 2 * 20 GB * 0.08 = 3.20
        (
            "aws:eks/nodeGroup:NodeGroup",
            {"scalingConfig": {"desiredSize": 2, "minSize": 1, "maxSize": 4}, "instanceTypes": ["t3.medium"]},
            "63.94",
        ),
        # spot: 60.736 * 0.35 = 21.2576; 3.20
        (
            "aws:eks/nodeGroup:NodeGroup",
            {"scalingConfig": {"desiredSize": 2}, "instanceTypes": ["t3.medium"], "capacityType": "SPOT"},
            "24.46",
        ),
        # 730 * 0.018 = 13.14; 20 GB * 0.115 = 2.30
        (
            "aws:rds/instance:Instance",
            {"engine": "postgres", "instanceClass": "db.t3.micro", "allocatedStorage": 20, "storageType": "gp3"},
            "15.44",
        ),
        # twice: 1460 * 0.225 = 328.50; 200 GB * 0.115 = 23.00
        (
            "aws:rds/instance:Instance",
            {"engine": "postgres", "instanceClass": "db.r6g.large", "allocatedStorage": 100, "multiAz": True},
            "351.50",
        ),
        # 13.14; 400 GB * 0.115 = 46.00; of 14000 IOPS 12000 are included: 2000 * 0.02 = 40.00
        (
            "aws:rds/instance:Instance",
            {
                "engine": "postgres",
                "instanceClass": "db.t3.micro",
                "allocatedStorage": 400,
                "storageType": "gp3",
                "iops": 14000,
            },
            "99.14",
        ),
        # 730 * 0.017, twice
        ("aws:elasticache/cluster:Cluster", {"nodeType": "cache.t3.micro", "numCacheNodes": 2}, "24.82"),
        # 2 shards with a primary and a replica each: 4 * 730 * 0.017
        (
            "aws:elasticache/replicationGroup:ReplicationGroup",
            {"nodeType": "cache.t3.micro", "numNodeGroups": 2, "replicasPerNodeGroup": 1},
            "49.64",
        ),
        # 20 GB * 0.023 = 0.46; 20 * 0.005 = 0.10; 100 * 0.0004 = 0.04
        ("aws:s3/bucket:Bucket", {"bucket": "b"}, "0.60"),
        ("aws:backup/vault:Vault", {}, "2.50"),
        # 1.00; 2 * 0.03
        ("aws:kms/key:Key", {}, "1.06"),
        # 0.40; 1 * 0.05
        ("aws:secretsmanager/secret:Secret", {}, "0.45"),
        # 5 GB * 0.50 = 2.50; 5 * 0.15 * 7/30 * 0.03 = 0.00525 -> 0.01
        ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 7}, "2.51"),
        # never expires: 5 * 0.15 * 365/30 * 0.03 = 0.27375
        ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 0}, "2.77"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", {}, "0.10"),
        (
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            {"metricQueries": [{"metric": {"stat": "Sum"}}, {"metric": {"stat": "Sum"}}, {}]},
            "0.20",
        ),
        ("aws:cloudwatch/dashboard:Dashboard", {}, "3.00"),
        ("aws:ecr/repository:Repository", {}, "0.50"),
        # 0.20; 50,000 s * 0.5 GB * 0.0000166667 = 0.4167
        ("aws:lambda/function:Function", {"memorySize": 512}, "0.62"),
        # 0.20; 50,000 s * 0.125 GB * 0.0000133334 = 0.0833
        ("aws:lambda/function:Function", {"architectures": ["arm64"]}, "0.28"),
        ("aws:apigateway/restApi:RestApi", {}, "3.50"),
        ("aws:apigateway/stage:Stage", {}, "0"),
        ("aws:apigatewayv2/api:Api", {"protocolType": "HTTP"}, "1.00"),
        # 100 GB * 0.085 = 8.50; 100 * 0.01
        ("aws:cloudfront/distribution:Distribution", {}, "9.50"),
        ("aws:cloudfront/function:Function", {}, "0.10"),
        # 5.00; 2 rules; 0.60
        ("aws:wafv2/webAcl:WebAcl", {"rules": [{"name": "a"}, {"name": "b"}]}, "7.60"),
        ("aws:sns/topic:Topic", {}, "0.01"),
        ("aws:sqs/queue:Queue", {}, "0.40"),
        ("aws:ssm/parameter:Parameter", {"tier": "Standard"}, "0"),
        ("aws:ssm/parameter:Parameter", {"tier": "Advanced"}, "0.05"),
        # 2 * 4.00; 5 GB * 1.00
        ("aws:guardduty/detector:Detector", {}, "13.00"),
    ],
)
def test_a_rule_gives_the_figure_worked_out_by_hand(type_: str, inputs: Mapping[str, Any], expected: str) -> None:
    assert total(type_, inputs) == Decimal(expected)


def test_a_group_costs_the_machines_it_is_asked_for_as_its_template_describes_them() -> None:
    """The template itself costs nothing; priced alone, a platform's machines would be missing."""
    template = resource(
        "aws:ec2/launchTemplate:LaunchTemplate",
        "template",
        {
            "name": "agents",
            "instanceType": "t3.large",
            "blockDeviceMappings": [{"ebs": {"volumeSize": 50, "volumeType": "gp3"}}],
        },
    )
    # 3 * 730 * 0.0832 = 182.208; 3 * 50 GB * 0.08 = 12.00
    plain = {"desiredCapacity": 3, "maxSize": 6, "launchTemplate": {"id": "template-id", "version": "1"}}
    assert total("aws:autoscaling/group:Group", plain, template) == Decimal("194.21")
    # 1 on demand: 730 * 0.0416 = 30.368; 2 spot: 1460 * 0.35 * 0.0416 = 21.2576; 12.00
    mixed = {
        "desiredCapacity": 3,
        "mixedInstancesPolicy": {
            "instancesDistribution": {"onDemandBaseCapacity": 1, "onDemandPercentageAboveBaseCapacity": 0},
            "launchTemplate": {
                "launchTemplateSpecification": {"launchTemplateName": "agents"},
                "overrides": [{"instanceType": "t3.medium"}],
            },
        },
    }
    assert total("aws:autoscaling/group:Group", mixed, template) == Decimal("63.63")


def test_a_group_without_its_template_is_not_priced() -> None:
    found = bill([resource("aws:autoscaling/group:Group", "agents", {"launchTemplate": {"id": "lt-9"}})])
    assert [gap.reason for gap in found.gaps] == ["its launch template lt-9 is not among the stack's resources"]


def test_snapshots_cost_the_data_and_its_daily_changes() -> None:
    """Of 200 GB with the tag: half is data, 2 % changes a day for 6 more days: 200 * (0.5 + 0.12) * 0.05."""
    volumes = [
        resource("aws:ebs/volume:Volume", name, {"size": size, "type": "gp3", "tags": {"Snapshot": tag}})
        for name, size, tag in (("a", 150, "data"), ("b", 50, "data"), ("c", 999, "other"))
    ]
    policy = {
        "policyDetails": {
            "targetTags": {"Snapshot": "data"},
            "schedules": [{"createRule": {"interval": 24, "intervalUnit": "HOURS"}, "retainRule": {"count": 7}}],
        }
    }
    found = bill([resource("aws:dlm/lifecyclePolicy:LifecyclePolicy", "policy", policy), *volumes])
    assert found.by_price["ebs.snapshot.gb"] == Decimal("6.20")


def test_a_bucket_whose_lifecycle_moves_objects_costs_less() -> None:
    """10 GB * 0.023 = 0.23; 10 GB * 0.0036 = 0.036 -> 0.04; requests 0.14."""
    lifecycle = resource(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "lifecycle",
        {"bucket": "it-id", "rules": [{"transitions": [{"storageClass": "GLACIER", "days": 30}]}]},
    )
    assert total("aws:s3/bucket:Bucket", {"bucket": "it-id"}, lifecycle) == Decimal("0.41")


def test_traffic_between_zones_is_charged_where_there_are_several() -> None:
    """100 GB * 0.01 on both sides."""
    zones = [
        resource("aws:ec2/subnet:Subnet", zone, {"vpcId": "it-id", "availabilityZone": f"us-east-1{zone}"})
        for zone in "ab"
    ]
    assert total("aws:ec2/vpc:Vpc", {}, *zones) == Decimal("2.00")
    assert total("aws:ec2/vpc:Vpc", {}, zones[0]) == 0


STORAGE_CLASS = resource(
    "kubernetes:storage.k8s.io/v1:StorageClass",
    "gp3",
    {
        "metadata": {"name": "gp3", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "ebs.csi.aws.com",
        "parameters": {"type": "gp3"},
    },
)


def claim(size: str, **more: Any) -> dict[str, Any]:
    return {"resources": {"requests": {"storage": size}}, **more}


@pytest.mark.parametrize(
    ("type_", "inputs", "expected"),
    [
        ("kubernetes:core/v1:PersistentVolumeClaim", {"spec": claim("50Gi", storageClassName="gp3")}, "4.00"),
        ("kubernetes:core/v1:PersistentVolumeClaim", {"spec": claim("50Gi", storageClassName="local-path")}, "0"),
        (
            "kubernetes:apps/v1:StatefulSet",
            {"spec": {"replicas": 3, "volumeClaimTemplates": [{"spec": claim("10Gi")}]}},
            "2.40",
        ),
        (
            "kubernetes:helm.cattle.io/v1:HelmChart",
            {
                "spec": {
                    "valuesContent": "prometheus:\n  replicas: 2\n  spec: {resources: {requests: {storage: 50Gi}}}\n"
                }
            },
            "8.00",
        ),
        ("kubernetes:helm.sh/v3:Release", {"values": {"persistence": {"enabled": True, "size": "25Gi"}}}, "2.00"),
        ("kubernetes:helm.sh/v3:Release", {"values": {"rules": [{"resources": ["pods"], "verbs": ["get"]}]}}, "0"),
        ("kubernetes:helm.sh/v3:Release", {"values": {"persistence": {"enabled": False, "size": "25Gi"}}}, "0"),
    ],
)
def test_a_claim_of_an_ebs_class_costs_a_volume(type_: str, inputs: Mapping[str, Any], expected: str) -> None:
    """Volumes that pods ask for are in no AWS resource of the stack; left out, they would surprise on the bill."""
    assert total(type_, inputs, STORAGE_CLASS) == Decimal(expected)


def test_a_claim_of_k3ss_default_class_is_a_folder_on_a_node() -> None:
    assert total("kubernetes:core/v1:PersistentVolumeClaim", {"spec": claim("50Gi")}) == 0


@pytest.mark.parametrize(("wanted", "named"), [({"storageClassName": "gp2"}, "gp2"), ({}, "(default)")])
def test_a_claim_of_an_unknown_class_is_not_priced(wanted: Mapping[str, Any], named: str) -> None:
    """EKS's built-in classes and other provisioners' are in no resource; taken for free, they would surprise."""
    found = bill(
        [
            resource("kubernetes:core/v1:PersistentVolumeClaim", "it", {"spec": claim("5Gi", **wanted)}),
            resource("aws:eks/cluster:Cluster", "eks", {}),
        ]
    )
    assert [gap.reason for gap in found.gaps] == [
        f"a volume of 5Gi asks for storage class {named}, which is not in the stack"
    ]


def test_a_charts_own_storage_class_counts() -> None:
    chart = {
        "chart": "aws-ebs-csi-driver",
        "values": {"storageClasses": [{"name": "fast", "parameters": {"iops": "4000"}}]},
    }
    driver = resource("kubernetes:helm.sh/v3:Release", "driver", chart)
    wanted = {"spec": claim("100Gi", storageClassName="fast")}
    # 100 GB * 0.08; 1000 IOPS * 0.005
    assert total("kubernetes:core/v1:PersistentVolumeClaim", wanted, driver) == Decimal("13.00")


def test_a_service_of_type_load_balancer_costs_one_on_eks_only() -> None:
    """The cluster 73.00, the balancer 20.81; K3s serves it from its own nodes."""
    service = {"spec": {"type": "LoadBalancer"}, "metadata": {"name": "gateway"}}
    assert total("kubernetes:core/v1:Service", service) == 0
    found = bill(
        [resource("kubernetes:core/v1:Service", "it", service), resource("aws:eks/cluster:Cluster", "eks", {})]
    )
    assert found.total == Decimal("93.81")
