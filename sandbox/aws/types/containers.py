"""EKS and ECR."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context
from sandbox.aws.row import Call, Row

_CLUSTER: Final = {"clusterName": "aws:eks/cluster:Cluster"}
_ARN: Final = "arn:aws:eks:{region}:{account}:"


def _log_types(types: list[str]) -> dict[str, Any]:
    return {"logging": {"clusterLogging": [{"types": list(types), "enabled": True}]}}


def _encryption(given: Mapping[str, Any]) -> dict[str, Any]:
    provider = {"keyArn": given["provider"]["keyArn"]}
    return {"encryptionConfig": [{"resources": list(given["resources"]), "provider": provider}]}


def _vpc_config(context: Context) -> dict[str, Any]:
    """What was asked for with what EKS adds: the cluster's own security group and the VPC."""
    described = context.view.get("resourcesVpcConfig") or {}
    subnets = list(context.inputs["vpcConfig"]["subnetIds"])
    found = context.call_service("ec2", "DescribeSubnets", SubnetIds=subnets[:1])["Subnets"]
    return {
        **context.inputs["vpcConfig"],
        "clusterSecurityGroupId": described.get("clusterSecurityGroupId", ""),
        "vpcId": found[0]["VpcId"],
    }


def _issuer(context: Context) -> list[dict[str, Any]]:
    """moto gives every cluster the same one."""
    identity = hashlib.sha256(f"{context.account}/{context.inputs['name']}".encode()).hexdigest()[:32].upper()
    return [{"oidcs": [{"issuer": f"https://oidc.eks.{context.region}.amazonaws.com/id/{identity}"}]}]


def _group_name(described: Mapping[str, Any]) -> str:
    """Of the Auto Scaling group that EKS makes for a node group."""
    return str(described["resources"]["autoScalingGroups"][0]["name"])


def _make_group(context: Context) -> None:
    """moto names the Auto Scaling group of a node group, but makes none; nor the launch template of EKS' own."""
    given = {"clusterName": context.inputs["clusterName"], "nodegroupName": context.inputs["nodeGroupName"]}
    name = _group_name(context.call("DescribeNodegroup", **given)["nodegroup"])
    data = {"InstanceType": (context.inputs.get("instanceTypes") or ["t3.medium"])[0]}
    context.call_service("ec2", "CreateLaunchTemplate", LaunchTemplateName=name, LaunchTemplateData=data)
    context.call_service(
        "autoscaling",
        "CreateAutoScalingGroup",
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateName": name, "Version": "$Latest"},
        MinSize=0,
        MaxSize=int(context.inputs["scalingConfig"]["maxSize"]),
        DesiredCapacity=0,
        VPCZoneIdentifier=",".join(context.inputs["subnetIds"]),
    )


def _drop_group(context: Context) -> None:
    name = context.outputs["resources"][0]["autoscalingGroups"][0]["name"]
    context.call_service("autoscaling", "DeleteAutoScalingGroup", AutoScalingGroupName=name, ForceDelete=True)
    context.call_service("ec2", "DeleteLaunchTemplate", LaunchTemplateName=name)


def _groups(outputs: Mapping[str, Any]) -> dict[str, str]:
    kind = "aws:autoscaling/group:Group"
    return {group["name"]: kind for item in outputs["resources"] for group in item["autoscalingGroups"]}


def _taints(taints: list[Mapping[str, str]]) -> dict[str, Any]:
    return {"taints": [dict(taint) for taint in taints]}


def _delete_images(context: Context) -> bool:
    return bool(context.inputs.get("forceDelete"))


ROWS: Final[Mapping[str, Row]] = {
    "aws:eks/cluster:Cluster": Row(
        "eks",
        "CreateCluster",
        key={"name": "{name}"},
        name_max=100,
        rename={
            "vpcConfig": "resourcesVpcConfig",
            "enabledClusterLogTypes": _log_types,
            "encryptionConfig": _encryption,
            "kubernetesNetworkConfig.serviceIpv4Cidr": "serviceIpv4Cidr",
        },
        ignore={"defaultAddonsToRemoves": "how the provider creates", "forceUpdateVersion": "how the provider updates"},
        calls=(Call("UpdateClusterConfig", "vpcConfig", on_create=False, store=True),),
        replace="name roleArn encryptionConfig kubernetesNetworkConfig bootstrapSelfManagedAddons outpostConfig",
        read=("DescribeCluster", {"name": "{name}"}, "cluster"),
        outputs={
            "certificateAuthority": lambda c: {"data": (c.view.get("certificateAuthority") or {}).get("data", "")},
            "identities": _issuer,
            "vpcConfig": _vpc_config,
        },
        delete="DeleteCluster",
    ),
    "aws:eks/nodeGroup:NodeGroup": Row(
        "eks",
        "CreateNodegroup",
        id="{clusterName}:{nodeGroupName}",
        key={"clusterName": "{clusterName}", "nodegroupName": "{nodeGroupName}"},
        auto_name="nodeGroupName",
        name_max=63,
        rename={
            "nodeGroupName": "nodegroupName",
            "nodeRoleArn": "nodeRole",
            "subnetIds": "subnets",
            "launchTemplate.id": "id",
            "launchTemplate.name": "name",
            "taints": _taints,
            "remoteAccess.sourceSecurityGroupIds": "sourceSecurityGroups",
        },
        ignore={"forceUpdateVersion": "how the provider updates"},
        links=_CLUSTER,
        calls=(Call("UpdateNodegroupConfig", "scalingConfig updateConfig", on_create=False),),
        replace="clusterName nodeGroupName nodeRoleArn subnetIds amiType "
        "capacityType diskSize instanceTypes remoteAccess",
        read=("DescribeNodegroup", {"clusterName": "{clusterName}", "nodegroupName": "{nodeGroupName}"}, "nodegroup"),
        outputs={
            "arn": "@nodegroupArn",
            "status": lambda _: "ACTIVE",
            "resources": lambda c: [
                {
                    "autoscalingGroups": [
                        {"name": group["name"]}
                        for group in (c.view.get("resources") or {}).get("autoScalingGroups") or ()
                    ]
                }
            ],
        },
        after_create=_make_group,
        before_delete=_drop_group,
        brings=_groups,
        delete="DeleteNodegroup",
    ),
    "aws:eks/addon:Addon": Row(
        "eks",
        "CreateAddon",
        id="{clusterName}:{addonName}",
        store=True,
        rename={"resolveConflictsOnCreate": "resolveConflicts"},
        ignore={"preserve": "how the provider deletes", "resolveConflictsOnUpdate": "how the provider updates"},
        links=_CLUSTER,
        replace="clusterName addonName",
        arn=_ARN + "addon/{clusterName}/{addonName}/{uuid}",
        delete_first=True,
    ),
    "aws:eks/accessEntry:AccessEntry": Row(
        "eks",
        "CreateAccessEntry",
        id="{clusterName}:{principalArn}",
        store=True,
        rename={"userName": "username"},
        links=_CLUSTER,
        replace="clusterName principalArn type",
        outputs={"accessEntryArn": _ARN + "access-entry/{clusterName}/{uuid}"},
        delete_first=True,
    ),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": Row(
        "eks",
        "AssociateAccessPolicy",
        id="{clusterName}#{principalArn}#{policyArn}",
        store=True,
        links=_CLUSTER,
        replace="clusterName principalArn policyArn accessScope",
        delete_first=True,
    ),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": Row(
        "eks",
        "CreatePodIdentityAssociation",
        id="a-{hex17}",
        store=True,
        links=_CLUSTER,
        replace="clusterName namespace serviceAccount",
        outputs={
            "associationArn": _ARN + "podidentityassociation/{clusterName}/{id}",
            "associationId": "{id}",
        },
        delete_first=True,
    ),
    "aws:ecr/repository:Repository": Row(
        "ecr",
        "CreateRepository",
        key={"repositoryName": "{name}"},
        rename={"name": "repositoryName", "encryptionConfigurations": "encryptionConfiguration"},
        ignore={"forceDelete": "how the provider deletes"},
        calls=(
            Call("PutImageTagMutability", "imageTagMutability", on_create=False),
            Call("PutImageScanningConfiguration", "imageScanningConfiguration", on_create=False),
        ),
        replace="name encryptionConfigurations",
        arn="arn:aws:ecr:{region}:{account}:repository/{name}",
        outputs={"registryId": "{account}", "repositoryUrl": "{account}.dkr.ecr.{region}.amazonaws.com/{name}"},
        delete="DeleteRepository",
        delete_args={"repositoryName": "{name}", "force": _delete_images},
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": Row(
        "ecr",
        "PutLifecyclePolicy",
        id="{repository}",
        rename={"repository": "repositoryName", "policy": "lifecyclePolicyText"},
        links={"repository": "aws:ecr/repository:Repository"},
        upsert=True,
        replace="repository",
        outputs={"registryId": "{account}"},
        delete="DeleteLifecyclePolicy",
        delete_args={"repositoryName": "{repository}"},
        delete_first=True,
    ),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": Row(
        "ecr",
        "SetRepositoryPolicy",
        id="{repository}",
        rename={"repository": "repositoryName", "policy": "policyText"},
        links={"repository": "aws:ecr/repository:Repository"},
        upsert=True,
        replace="repository",
        outputs={"registryId": "{account}"},
        delete="DeleteRepositoryPolicy",
        delete_args={"repositoryName": "{repository}"},
        delete_first=True,
    ),
}
