"""Velero: the cluster's objects and volumes, every day, in a bucket."""

from __future__ import annotations

from typing import Any, Final

from derive import choices, cloud, naming, versions
from derive.addons import aws
from derive.addons.chart import OUTSIDE_MESH, Addition, Measured, Release, housed, resources
from derive.addons.flows import API_SERVER, Rule
from derive.cloud import Allow, Grant
from derive.cluster.placement import placement
from derive.shapes import Deployment
from manifests import pods
from model import DeclarationError, EbsCsi, K3s, Velero

NAME: Final = "velero"
LABELS: Final = {naming.APP: NAME}
PREFIX: Final = "velero"
"""Of its objects in the bucket."""
METRICS_PORT: Final = 8085


def addition(deployment: Deployment, choice: Velero) -> Addition:
    """Raises DeclarationError where volumes are to be copied that are directories of a node."""
    _check(deployment, choice)
    source = housed(versions.VELERO, choice.namespace)
    agent = choice.volumes == "files"
    ways = (API_SERVER, *aws.flows(deployment, "s3", "ec2"))
    rights = cloud.objects(choice.bucket, f"{PREFIX}/")
    return Addition(
        release=Release(
            name=NAME,
            source=source,
            values=values(deployment, choice),
            requires=("cilium",),
            ready=(f"deployment/{NAME}", *(("daemonset/node-agent",) if agent else ())),
        ),
        # The agent reads the pods' volumes where the kubelet mounts them.
        level="privileged" if agent else "restricted",
        # The agents bear the server's labels, as do the chart's own Jobs.
        rules=(Rule(NAME, LABELS, (), ways),),
        grants=(Grant(source.namespace, NAME, (*rights, *(_snapshots() if choice.volumes == "snapshots" else ()))),),
        measured=(Measured(LABELS, METRICS_PORT),),
    )


def _check(deployment: Deployment, choice: Velero) -> None:
    directories = isinstance(deployment.system.platform.cluster, K3s) and not choices.choice(deployment, EbsCsi)
    if directories and choice.volumes != "none":
        raise DeclarationError(
            "platform.addons['velero'] is to copy volumes, but K3s' local-path makes directories of a node, which it "
            "cannot copy; add EbsCsi(), or set volumes to 'none'"
        )


def _snapshots() -> tuple[Allow, ...]:
    """velero-plugin-for-aws: README.md, "Set permissions for Velero"."""
    return (
        Allow(
            (
                "ec2:DescribeVolumes",
                "ec2:DescribeSnapshots",
                "ec2:CreateTags",
                "ec2:CreateVolume",
                "ec2:CreateSnapshot",
                "ec2:DeleteSnapshot",
            ),
            ("*",),
        ),
    )


def values(deployment: Deployment, choice: Velero) -> dict[str, Any]:
    place = placement(deployment.system.platform, choice.pool)
    home = housed(versions.VELERO, choice.namespace).namespace
    region = {"region": deployment.facts.region}
    files, snapshots = choice.volumes == "files", choice.volumes == "snapshots"
    configuration: dict[str, Any] = {
        "backupStorageLocation": [
            {
                "name": "default",
                "provider": "aws",
                "bucket": cloud.bucket(choice.bucket),
                "prefix": PREFIX,
                "default": True,
                "config": region,
            }
        ],
        "volumeSnapshotLocation": [{"name": "default", "provider": "aws", "config": region}] if snapshots else [],
        "uploaderType": "kopia",
        "defaultVolumesToFsBackup": files,
    }
    template = {
        "ttl": f"{int(choice.keep.total_seconds()) // 3600}h",
        "includedNamespaces": ["*"],
        "snapshotVolumes": snapshots,
        "defaultVolumesToFsBackup": files,
    }
    restricted = {
        "podSecurityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1002,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        # Its root is not read-only: the copies' repository is cached in the home directory.
        "containerSecurityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "fullnameOverride": NAME,
        "initContainers": [
            {
                "name": "velero-plugin-for-aws",
                "image": versions.VELERO_AWS_PLUGIN,
                "volumeMounts": [{"name": "plugins", "mountPath": "/target"}],
                "resources": resources("10m", "32Mi", "64Mi"),
                "securityContext": dict(pods.CONTAINER_SECURITY),
            }
        ],
        **restricted,
        "configuration": configuration,
        # The bucket is reached by a role.
        "credentials": {"useSecret": False},
        "serviceAccount": {"server": {"name": NAME, "annotations": aws.identity(deployment, home, NAME)}},
        "snapshotsEnabled": snapshots,
        "deployNodeAgent": files,
        "nodeAgent": {
            # Every node may have volumes.
            "tolerations": [{"operator": "Exists"}],
            "podLabels": OUTSIDE_MESH,
            "resources": resources("25m", "128Mi", "1Gi"),
        },
        "schedules": {
            "daily": {"schedule": choice.schedule, "useOwnerReferencesInBackup": False, "template": template}
        },
        "podLabels": OUTSIDE_MESH,
        "resources": resources("50m", "128Mi", "512Mi"),
        "upgradeJobResources": resources("10m", "64Mi", "256Mi"),
        # Selected by the same policies as the server.
        "kubectl": {"labels": {**LABELS, **OUTSIDE_MESH}},
        "metrics": {"enabled": True, "serviceMonitor": {"enabled": False}, "nodeAgentPodMonitor": {"enabled": False}},
        **place,
    }
