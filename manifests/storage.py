"""Objects of the storage API group."""

from __future__ import annotations

from collections.abc import Mapping

from manifests.base import Manifest, manifest

DEFAULT = "storageclass.kubernetes.io/is-default-class"


def storage_class(name: str, provisioner: str, parameters: Mapping[str, str], reclaim: str) -> Manifest:
    """The cluster's default class. A volume is made when a pod that claims it is placed, in that pod's zone, and can
    grow."""
    return manifest(
        "storage.k8s.io/v1",
        "StorageClass",
        name,
        None,
        annotations={DEFAULT: "true"},
        provisioner=provisioner,
        parameters=dict(parameters),
        reclaimPolicy=reclaim,
        volumeBindingMode="WaitForFirstConsumer",
        allowVolumeExpansion=True,
    )
