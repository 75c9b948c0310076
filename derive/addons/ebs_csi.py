"""Volumes on EBS: AWS' CSI driver, and the storage class that is the cluster's default."""

from __future__ import annotations

from typing import Any, Final

from derive import choices, cloud, naming, versions
from derive.addons import aws
from derive.addons.chart import Addition, Measured, Release, resources
from derive.addons.istio import replicas_over_zones
from derive.cloud import Allow, Grant
from derive.cluster.placement import placement
from derive.shapes import AddonPlan, Deployment
from manifests import storage
from manifests.base import Manifest
from model import EbsCsi, Eks

NAME: Final = "aws-ebs-csi-driver"
PROVISIONER: Final = "ebs.csi.aws.com"
ACCOUNT: Final = "ebs-csi-controller-sa"
KEY: Final = "volumes"
"""Symbolic name of the volumes' own key."""
CONTROLLER: Final = {"app": "ebs-csi-controller"}
METRICS_PORT: Final = 3301


def addition(deployment: Deployment, choice: EbsCsi) -> Addition | None:
    """None on EKS, which installs the same driver by itself."""
    if isinstance(deployment.system.platform.cluster, Eks):
        return None
    namespace = versions.EBS_CSI.namespace
    return Addition(
        release=Release(
            name=NAME,
            source=versions.EBS_CSI,
            values=values(deployment, choice),
            requires=("cilium",),
            ready=("deployment/ebs-csi-controller", "daemonset/ebs-csi-node"),
        ),
        settings=(storage_class(choice),),
        grants=(_grant(namespace, choice),),
        measured=(Measured({**CONTROLLER, naming.APP: NAME}, METRICS_PORT),),
    )


def managed(deployment: Deployment) -> tuple[AddonPlan, ...]:
    """The storage class of the driver that EKS installs, asked for or not, and the driver's rights. EKS itself makes no
    default class (EKS user guide, "Create a storage class", since 1.30)."""
    if not isinstance(deployment.system.platform.cluster, Eks):
        return ()
    choice = choices.choice(deployment, EbsCsi) or EbsCsi()
    grants = (_grant(versions.EBS_CSI.namespace, choice),)
    return (AddonPlan(NAME, objects=(storage_class(choice),), grants=grants),)


def _grant(namespace: str, choice: EbsCsi) -> Grant:
    return Grant(namespace, ACCOUNT, _key_use() if choice.own_key else (), (versions.EBS_CSI_POLICY,))


def _key_use() -> tuple[Allow, ...]:
    """What EBS does with a key on behalf of whoever attaches a volume (EBS user guide, "Permissions for KMS keys")."""
    key = (cloud.key_arn(KEY),)
    return (
        Allow(("kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"), key),
        Allow(("kms:CreateGrant",), key, {"Bool": {"kms:GrantIsForAWSResource": "true"}}),
    )


def values(deployment: Deployment, choice: EbsCsi) -> dict[str, Any]:
    place = placement(deployment.system.platform, choice.pool)
    return {
        "controller": {
            "region": deployment.facts.region,
            "k8sTagClusterId": deployment.prefix,
            "replicaCount": replicas_over_zones(deployment.environment),
            "resources": resources("10m", "40Mi", "256Mi"),
            "enableMetrics": True,
            "serviceAccount": {
                "name": ACCOUNT,
                "annotations": aws.identity(deployment, versions.EBS_CSI.namespace, ACCOUNT),
            },
            **place,
        },
        # On the host's network: the plug-in runs on every node and asks the metadata service which one it is.
        "node": {"hostNetwork": True, "metadataSources": "imds", "enableWindows": False},
        "helmTester": {"enabled": False},
    }


def storage_class(choice: EbsCsi) -> Manifest:
    key = {"kmsKeyId": cloud.key_arn(KEY)} if choice.own_key else {}
    parameters = {"type": "gp3", "encrypted": "true", **key}
    return storage.storage_class(choice.storage_class, PROVISIONER, parameters, choice.reclaim)
