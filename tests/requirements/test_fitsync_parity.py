"""FitSync, from dev to prod: an environment differs in what its table says and in nothing else."""

from __future__ import annotations

import re

import pytest

from tests.requirements.difference import Environment, differences
from tests.requirements.registered import Registered

MORE = {
    "zones": re.compile(
        r"(?:ec2\.(?:Subnet|RouteTable|RouteTableAssociation|Route|NatGateway|Eip)|lb\.TargetGroupAttachment) "
        r"fitsync-<environment>-[\w-]+-[bc](?:-[\w.-]+)?"
        r"|vpc\.SecurityGroup(?:In|E)gressRule fitsync-<environment>-groups-[\w-]+-10\.<network>\.[12][23]\.0-24"
    ),
    "servers": re.compile(
        r"(?:autoscaling\.Group|ec2\.LaunchTemplate|cluster\.NodeGroup) fitsync-<environment>-cluster-server-[12]\S*"
    ),
    "standbys": re.compile(
        r"\S+ fitsync-<environment>-(?:data|authority)-(?:user|training|schedule|progress)db-standby\S*"
    ),
    "autoscalers": re.compile(r"HorizontalPodAutoscaler fitsync/(?!frontend)[a-z-]+"),
    "disruption budgets": re.compile(r"PodDisruptionBudget fitsync/[a-z-]+"),
}
"""What prod has and dev has not."""

REPLICAS = "replicas"
SIZES = "machine and volume sizes"
ZONES = "zones"
RETENTION = "retention"
PROTECTION = "protection"
NAMES = "names"
STANDBYS = "standbys"

CHANGED = {
    ("Deployment", "spec.replicas"): REPLICAS,
    ("Deployment", "spec.template.spec.topologySpreadConstraints[].labelSelector.matchLabels.app"): REPLICAS,
    ("Deployment", "spec.template.spec.topologySpreadConstraints[].maxSkew"): REPLICAS,
    ("Deployment", "spec.template.spec.topologySpreadConstraints[].topologyKey"): REPLICAS,
    ("Deployment", "spec.template.spec.topologySpreadConstraints[].whenUnsatisfiable"): REPLICAS,
    ("HelmChart", "spec.valuesContent.alertmanager.alertmanagerSpec.replicas"): REPLICAS,
    ("HelmChart", "spec.valuesContent.autoscaleMax"): REPLICAS,
    ("HelmChart", "spec.valuesContent.autoscaleMin"): REPLICAS,
    ("HelmChart", "spec.valuesContent.autoscaling.maxReplicas"): REPLICAS,
    ("HelmChart", "spec.valuesContent.autoscaling.minReplicas"): REPLICAS,
    ("HelmChart", "spec.valuesContent.podDisruptionBudget.maxUnavailable"): REPLICAS,
    ("HelmChart", "spec.valuesContent.config.opensearch.yml"): REPLICAS,
    ("HelmChart", "spec.valuesContent.replicas"): REPLICAS,
    ("HelmChart", "spec.valuesContent.singleNode"): REPLICAS,
    ("ResourceQuota", "spec.hard.limits.cpu"): REPLICAS,
    ("ResourceQuota", "spec.hard.limits.memory"): REPLICAS,
    ("ResourceQuota", "spec.hard.pods"): REPLICAS,
    ("ResourceQuota", "spec.hard.requests.cpu"): REPLICAS,
    ("ResourceQuota", "spec.hard.requests.memory"): REPLICAS,
    ("HelmChart", "spec.valuesContent.persistence.size"): SIZES,
    ("HelmChart", "spec.valuesContent.prometheus.prometheusSpec.retentionSize"): SIZES,
    (
        "HelmChart",
        "spec.valuesContent.prometheus.prometheusSpec.storageSpec.volumeClaimTemplate.spec.resources.requests.storage",
    ): SIZES,
    ("autoscaling.Group", "desiredCapacity"): SIZES,
    ("autoscaling.Group", "maxSize"): SIZES,
    ("autoscaling.Group", "minSize"): SIZES,
    ("ec2.LaunchTemplate", "blockDeviceMappings[].ebs.volumeSize"): SIZES,
    ("ec2.LaunchTemplate", "instanceType"): SIZES,
    ("ec2.Instance", "instanceType"): SIZES,
    ("ebs.Volume", "size"): SIZES,
    ("s3.BucketObjectv2", "content./etc/postgresql/postgresql.conf"): SIZES,
    ("autoscaling.Group", "suspendedProcesses[]"): ZONES,
    ("autoscaling.Group", "vpcZoneIdentifiers[]"): ZONES,
    ("ebs.Volume", "availabilityZone"): ZONES,
    ("ec2.Instance", "privateIp"): ZONES,
    ("ec2.Instance", "subnetId"): ZONES,
    ("ec2.VpcEndpoint", "routeTableIds[]"): ZONES,
    ("ec2transitgateway.VpcAttachment", "subnetIds[]"): ZONES,
    ("lb.LoadBalancer", "subnetMappings[].privateIpv4Address"): ZONES,
    ("lb.LoadBalancer", "subnetMappings[].subnetId"): ZONES,
    ("route53.Record", "records[]"): ZONES,
    ("s3.BucketObjectv2", "content./etc/postgresql/pg_hba.conf"): ZONES,
    ("s3.BucketObjectv2", "content./etc/postgresql/bootstrap.sql"): STANDBYS,
    ("PrometheusRule", "spec.groups[].rules[].alert"): STANDBYS,
    ("PrometheusRule", "spec.groups[].rules[].annotations.runbook"): STANDBYS,
    ("PrometheusRule", "spec.groups[].rules[].annotations.summary"): STANDBYS,
    ("PrometheusRule", "spec.groups[].rules[].for"): STANDBYS,
    ("PrometheusRule", "spec.groups[].rules[].labels.severity"): STANDBYS,
    ("PrometheusRule", "spec.groups[].rules[].labels.system"): STANDBYS,
    ("PrometheusRule", "spec.groups[].rules[].annotations.description"): SIZES,
    ("PrometheusRule", "spec.groups[].rules[].expr"): SIZES,
    ("CronJob", "spec.jobTemplate.spec.template.spec.containers[].env[].value"): RETENTION,
    ("dlm.LifecyclePolicy", "policyDetails.schedules[].retainRule.count"): RETENTION,
    ("s3.BucketLifecycleConfiguration", "rules[].expiration.days"): RETENTION,
    ("ebs.Volume", "(protected)"): PROTECTION,
    ("ebs.Volume", "finalSnapshot"): PROTECTION,
    ("ec2.Instance", "disableApiTermination"): PROTECTION,
    ("s3.Bucket", "(protected)"): PROTECTION,
    ("s3.Bucket", "forceDestroy"): PROTECTION,
    ("ConfigMap", "data.fitsync-application-metrics.json.tags[]"): NAMES,
    ("ConfigMap", "data.fitsync-business-metrics.json.tags[]"): NAMES,
    ("ConfigMap", "data.fitsync-platform.json.tags[]"): NAMES,
    ("ConfigMap", "data.fitsync-security-dashboard.json.tags[]"): NAMES,
    ("ConfigMap", "data.fitsync-service-mesh-overview.json.tags[]"): NAMES,
    ("PrometheusRule", "spec.groups[].rules[].labels.environment"): NAMES,
    ("autoscaling.Group", "tags[].value"): NAMES,
    ("ec2.LaunchTemplate", "tagSpecifications[].tags.Environment"): NAMES,
    ("ec2.LaunchTemplate", "tags.Environment"): NAMES,
    ("lb.TargetGroupAttachment", "targetGroupArn"): NAMES,
    ("providers.aws", "defaultTags.tags.Environment"): NAMES,
}
"""Every value in which a resource of dev differs from the same one of prod, and what it follows from."""


@pytest.fixture(scope="module")
def environments(dev: Registered, prod: Registered) -> tuple[Environment, Environment]:
    return Environment(dev, "fitsync", "10.1", "dev.fitsync.com"), Environment(prod, "fitsync", "10.3", "fitsync.com")


@pytest.mark.rows("FS-ENV-01", "FS-ENV-03")
def test_prod_has_more_of_what_its_table_says_and_dev_nothing_that_prod_lacks(
    environments: tuple[Environment, Environment],
) -> None:
    one, other = (environment.resources for environment in environments)
    assert one.keys() - other.keys() == set()
    more = other.keys() - one.keys()
    explained = {name: [reason for reason, pattern in MORE.items() if pattern.fullmatch(name)] for name in more}
    assert [name for name, reasons in explained.items() if not reasons] == []
    assert {reason for reasons in explained.values() for reason in reasons} == set(MORE)


@pytest.mark.rows("FS-ENV-01", "FS-ENV-03")
def test_what_both_have_differs_in_sizes_zones_names_retention_and_protection_only(
    environments: tuple[Environment, Environment],
) -> None:
    one, other = (environment.resources for environment in environments)
    assert len(one.keys() & other.keys()) > 350
    assert differences(one, other) == set(CHANGED)


@pytest.mark.rows("FS-ENV-01")
def test_a_difference_that_is_not_in_the_table_would_be_noticed(environments: tuple[Environment, Environment]) -> None:
    one, other = environments[0].resources, dict(environments[1].resources)
    name = "AuthorizationPolicy fitsync/deny-all"
    other[name] = {**other[name], "spec": [{"action": "ALLOW"}]}
    assert differences(one, other) - set(CHANGED) == {("AuthorizationPolicy", "spec")}
