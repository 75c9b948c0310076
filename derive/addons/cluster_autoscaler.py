"""cluster-autoscaler: adds a node when a pod finds no room, takes one away that is hardly used.

It finds the pools by the tags of their Auto Scaling groups, and learns from further tags what a node of an empty pool
would look like (cluster-autoscaler, cloudprovider/aws/README.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from derive import naming, versions
from derive.addons import aws
from derive.addons.chart import Addition, Measured, Release, resources
from derive.addons.istio import replicas_over_zones
from derive.bootstrap.k3s import CILIUM_NOT_READY, ISTIO_CNI_NOT_READY
from derive.cloud import Allow, Grant
from derive.cluster.placement import placement
from derive.shapes import Deployment
from manifests import pods
from model import Cilium, ClusterAutoscaler, Istio

NAME: Final = "cluster-autoscaler"
LABELS: Final = {naming.APP: "aws-cluster-autoscaler"}
TAG: Final = "k8s.io/cluster-autoscaler"


def addition(deployment: Deployment, choice: ClusterAutoscaler) -> Addition:
    return Addition(
        release=Release(
            name=NAME,
            source=versions.CLUSTER_AUTOSCALER,
            values=values(deployment, choice),
            requires=("cilium",),
            ready=(f"deployment/{NAME}",),
        ),
        grants=(Grant(versions.CLUSTER_AUTOSCALER.namespace, NAME, rights(deployment.prefix)),),
        measured=(Measured(LABELS, 8085),),
    )


def rights(cluster: str) -> tuple[Allow, ...]:
    """To look at every group, and to change those of this cluster."""
    return (
        Allow(
            (
                "autoscaling:DescribeAutoScalingGroups",
                "autoscaling:DescribeAutoScalingInstances",
                "autoscaling:DescribeLaunchConfigurations",
                "autoscaling:DescribeScalingActivities",
                "autoscaling:DescribeTags",
                "ec2:DescribeImages",
                "ec2:DescribeInstanceTypes",
                "ec2:DescribeLaunchTemplateVersions",
                "ec2:GetInstanceTypesFromInstanceRequirements",
                "eks:DescribeNodegroup",
            ),
            ("*",),
        ),
        Allow(
            ("autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"),
            ("*",),
            {"StringEquals": {f"aws:ResourceTag/{TAG}/{cluster}": "owned"}},
        ),
    )


def tags(cluster: str, labels: Mapping[str, str], taints: tuple[str, ...]) -> dict[str, str]:
    """Of a pool's Auto Scaling group."""
    template = f"{TAG}/node-template"
    found = {f"{TAG}/enabled": "true", f"{TAG}/{cluster}": "owned"}
    found |= {f"{template}/label/{key}": value for key, value in labels.items()}
    for taint in taints:
        pair, _, effect = taint.rpartition(":")
        key, _, value = pair.partition("=")
        found[f"{template}/taint/{key}"] = f"{value}:{effect}"
    return found


def values(deployment: Deployment, choice: ClusterAutoscaler) -> dict[str, Any]:
    platform = deployment.system.platform
    startup = [
        taint.rpartition(":")[0].partition("=")[0]
        for taint, there in (
            (CILIUM_NOT_READY, isinstance(platform.cni, Cilium)),
            (ISTIO_CNI_NOT_READY, isinstance(platform.mesh, Istio)),
        )
        if there
    ]
    arguments: dict[str, Any] = {
        "balance-similar-node-groups": True,
        "skip-nodes-with-system-pods": False,
        "expander": "least-waste",
        "scale-down-utilization-threshold": choice.scale_down_utilization,
    }
    if choice.max_nodes_total:
        arguments["max-nodes-total"] = choice.max_nodes_total
    return {
        "fullnameOverride": NAME,
        "cloudProvider": "aws",
        "autoDiscovery": {"clusterName": deployment.prefix},
        "awsRegion": deployment.facts.region,
        "replicaCount": replicas_over_zones(deployment.environment),
        "extraArgs": arguments,
        # Nodes that still wait for their agents are not counted as lost. One argument each: the map holds one per name.
        "customArgs": [f"--startup-taint={taint}" for taint in startup],
        "rbac": {
            "serviceAccount": {
                "name": NAME,
                "annotations": aws.identity(deployment, versions.CLUSTER_AUTOSCALER.namespace, NAME),
            }
        },
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
        "containerSecurityContext": dict(pods.CONTAINER_SECURITY),
        "resources": resources("50m", "256Mi", "768Mi"),
        "topologySpreadConstraints": pods.spread(LABELS),
        **placement(platform, choice.pool),
    }
