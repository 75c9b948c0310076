"""Auto Scaling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context
from sandbox.aws.row import Call, Row
from sandbox.provider import ResourceError


def _group_tags(context: Context) -> list[dict[str, Any]] | None:
    tags = [
        {
            "Key": tag["key"],
            "Value": tag["value"],
            "PropagateAtLaunch": tag["propagateAtLaunch"],
            "ResourceId": context.inputs["name"],
            "ResourceType": "auto-scaling-group",
        }
        for tag in context.inputs.get("tags") or ()
    ]
    return tags or None


def _group_update(context: Context) -> None:
    if context.changed("tags"):
        tags = _group_tags(context)
        if tags:
            context.call("CreateOrUpdateTags", Tags=tags)
    now, before = (set(bag.get("targetGroupArns") or ()) for bag in (context.inputs, context.old))
    if now - before:
        _targets(context, "AttachLoadBalancerTargetGroups", sorted(now - before))
    if before - now:
        _targets(context, "DetachLoadBalancerTargetGroups", sorted(before - now))


def _targets(context: Context, operation: str, arns: list[str]) -> None:
    context.call(operation, AutoScalingGroupName=context.inputs["name"], TargetGroupARNs=arns)


def _one_group_each(context: Context) -> None:
    """Instances need a subnet or a zone to run in."""
    if not context.inputs.get("vpcZoneIdentifiers") and not context.inputs.get("availabilityZones"):
        raise ResourceError("give vpcZoneIdentifiers or availabilityZones", path="vpcZoneIdentifiers")


_GROUP_NAME: Final = {"AutoScalingGroupName": "{autoscalingGroupName}"}
_GROUP_LINK: Final = {"autoscalingGroupName": "aws:autoscaling/group:Group"}
_GROUP_SETTINGS: Final = (
    "minSize maxSize desiredCapacity launchTemplate launchConfiguration mixedInstancesPolicy vpcZoneIdentifiers "
    "availabilityZones healthCheckType healthCheckGracePeriod defaultCooldown terminationPolicies protectFromScaleIn "
    "maxInstanceLifetime capacityRebalance placementGroup"
)

_GROUP: Final = Row(
    "autoscaling",
    "CreateAutoScalingGroup",
    id="{name}",
    key="AutoScalingGroupName",
    rename={
        "vpcZoneIdentifiers": lambda subnets: {"VPCZoneIdentifier": ",".join(map(str, subnets))},
        "protectFromScaleIn": "NewInstancesProtectedFromScaleIn",
        "launchTemplate.id": "LaunchTemplateId",
        "launchTemplate.name": "LaunchTemplateName",
        "initialLifecycleHooks": "LifecycleHookSpecificationList",
        "initialLifecycleHooks.name": "LifecycleHookName",
        "placementGroup": "PlacementGroup",
        "loadBalancers": "LoadBalancerNames",
        "enabledMetrics": "Metrics",
        "metricsGranularity": "Granularity",
        "suspendedProcesses": "ScalingProcesses",
        "launchConfiguration": "LaunchConfigurationName",
    },
    args={"Tags": _group_tags},
    ignore={
        "tags": "becomes Tags with the group's name",
        "forceDelete": "how the provider deletes",
        "forceDeleteWarmPool": "how the provider deletes",
        "instanceRefresh": "how the provider updates",
        "waitForCapacityTimeout": "how the provider waits",
        "waitForElbCapacity": "how the provider waits",
        "minElbCapacity": "how the provider waits",
        "ignoreFailedScalingActivities": "how the provider waits",
        "metricsGranularity": "sent with enabledMetrics",
    },
    calls=(
        Call(
            "EnableMetricsCollection",
            "enabledMetrics",
            args={"AutoScalingGroupName": "{name}", "Granularity": "1Minute"},
        ),
        Call("SuspendProcesses", "suspendedProcesses"),
        Call("UpdateAutoScalingGroup", _GROUP_SETTINGS, on_create=False),
    ),
    after_create=_one_group_each,
    on_update=_group_update,
    replace="name",
    read=("DescribeAutoScalingGroups", {"AutoScalingGroupNames": ["{name}"]}, "AutoScalingGroups[0]"),
    outputs={
        "arn": "@AutoScalingGroupARN",
        "vpcZoneIdentifiers": lambda c: [s for s in c.view.get("VPCZoneIdentifier", "").split(",") if s],
        "healthCheckType": lambda c: c.inputs.get("healthCheckType", "EC2"),
    },
    delete="DeleteAutoScalingGroup",
    delete_args={"AutoScalingGroupName": "{name}", "ForceDelete": True},
)


def _tag_group(context: Context) -> str:
    _retag_group(context)
    return f"{context.inputs['autoscalingGroupName']},{context.inputs['tag']['key']}"


def _retag_group(context: Context) -> None:
    given = context.inputs
    tag = {
        "Key": given["tag"]["key"],
        "Value": given["tag"]["value"],
        "PropagateAtLaunch": given["tag"]["propagateAtLaunch"],
        "ResourceId": given["autoscalingGroupName"],
        "ResourceType": "auto-scaling-group",
    }
    context.call("CreateOrUpdateTags", Tags=[tag])


def _tag_key(context: Context) -> list[dict[str, str]]:
    given = context.inputs
    group = given["autoscalingGroupName"]
    return [{"ResourceId": group, "ResourceType": "auto-scaling-group", "Key": given["tag"]["key"]}]


ROWS: Final[Mapping[str, Row]] = {
    "aws:autoscaling/group:Group": _GROUP,
    "aws:autoscaling/attachment:Attachment": Row(
        "autoscaling",
        "AttachLoadBalancerTargetGroups",
        id="{autoscalingGroupName}-{hex8}",
        rename={
            "autoscalingGroupName": "AutoScalingGroupName",
            "lbTargetGroupArn": "TargetGroupARNs",
        },
        links=_GROUP_LINK,
        replace="autoscalingGroupName lbTargetGroupArn elb",
        delete="DetachLoadBalancerTargetGroups",
        delete_args={**_GROUP_NAME, "TargetGroupARNs": ["{lbTargetGroupArn}"]},
    ),
    "aws:autoscaling/lifecycleHook:LifecycleHook": Row(
        "autoscaling",
        "PutLifecycleHook",
        rename={"notificationTargetArn": "NotificationTargetARN", "roleArn": "RoleARN"},
        links=_GROUP_LINK,
        upsert=True,
        replace="autoscalingGroupName name",
        outputs={"defaultResult": lambda _: "ABANDON"},
        delete="DeleteLifecycleHook",
        delete_args={**_GROUP_NAME, "LifecycleHookName": "{name}"},
    ),
    "aws:autoscaling/policy:Policy": Row(
        "autoscaling",
        "PutScalingPolicy",
        rename={
            "name": "PolicyName",
            "stepAdjustments.metricIntervalLowerBound": "MetricIntervalLowerBound",
            "targetTrackingConfiguration.customizedMetricSpecification.metricDimensions": "Dimensions",
        },
        links=_GROUP_LINK,
        upsert=True,
        replace="autoscalingGroupName name policyType",
        read=(
            "DescribePolicies",
            {"AutoScalingGroupName": "{autoscalingGroupName}", "PolicyNames": ["{name}"]},
            "ScalingPolicies[0]",
        ),
        outputs={"arn": "@PolicyARN"},
        delete="DeletePolicy",
        delete_args={**_GROUP_NAME, "PolicyName": "{name}"},
    ),
    "aws:autoscaling/schedule:Schedule": Row(
        "autoscaling",
        "PutScheduledUpdateGroupAction",
        id="{scheduledActionName}",
        links=_GROUP_LINK,
        upsert=True,
        replace="autoscalingGroupName scheduledActionName",
        arn="arn:aws:autoscaling:{region}:{account}:scheduledUpdateGroupAction:{hex8}:autoScalingGroupName/"
        "{autoscalingGroupName}:scheduledActionName/{scheduledActionName}",
        delete="DeleteScheduledAction",
        delete_args={**_GROUP_NAME, "ScheduledActionName": "{scheduledActionName}"},
    ),
    "aws:autoscaling/tag:Tag": Row(
        "autoscaling",
        make=_tag_group,
        links=_GROUP_LINK,
        replace="autoscalingGroupName tag.key",
        on_update=_retag_group,
        delete="DeleteTags",
        delete_args={"Tags": _tag_key},
    ),
}
