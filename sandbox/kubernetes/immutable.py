"""Fields that cannot change in place: which of them replace the object, and which the API server just refuses.

The replacing ones are those of the real provider (pulumi-kubernetes ``provider/pkg/provider/diff.go``); ConfigMaps
and Secrets are replaced too when their data changes, unless ``enableConfigMapMutable`` or ``enableSecretMutable``
is set in the provider's configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sandbox.kubernetes import quantity
from sandbox.kubernetes.access import Body, Problem, Problems, dig, mapping, text
from sandbox.kubernetes.kinds import Key, ObjectType
from sandbox.kubernetes.store import View
from sandbox.provider import UNKNOWN, has_unknown

_VOLUME_SOURCES: Final = (
    "awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume flocker gcePersistentDisk glusterfs "
    "hostPath iscsi local nfs photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume"
)
_REPLACING: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "DaemonSet"): ("spec.selector",),
    ("apps", "StatefulSet"): (
        *("spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector"),
        *("spec.serviceName", "spec.volumeClaimTemplates"),
    ),
    ("batch", "Job"): ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    ("", "Pod"): ("spec",),
    ("", "PersistentVolume"): tuple(f"spec.{source}" for source in _VOLUME_SOURCES.split()),
    ("", "PersistentVolumeClaim"): (
        *("spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"),
    ),
    ("", "ResourceQuota"): ("spec.scopes",),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner"),
}
_IDENTITY: Final = ("metadata.name", "metadata.namespace")
_REFUSED: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("storage.k8s.io", "StorageClass"): ("reclaimPolicy", "volumeBindingMode"),
    ("scheduling.k8s.io", "PriorityClass"): ("value", "preemptionPolicy"),
    ("", "PersistentVolumeClaim"): ("spec.volumeMode",),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): ("spec.scope", "spec.group"),
    ("apps", "ReplicaSet"): ("spec.selector",),
}


def _value(body: Body, path: str) -> Any:
    return dig(body, *path.split("."))


def _changed(old: Body, new: Body, path: str) -> bool:
    after = _value(new, path)
    return has_unknown(after) or bool(after != _value(old, path))


def replacing_fields(type_: ObjectType, old: Body, new: Body, mutable: frozenset[str]) -> Iterator[str]:
    """The changed fields that force a replacement; ``mutable`` holds the kinds whose data may change in place."""
    fields = (*_IDENTITY, *_REPLACING.get((type_.group, type_.kind), ()))
    frozen = old.get("immutable") is True
    if type_.group == "" and type_.kind == "ConfigMap" and (frozen or "ConfigMap" not in mutable):
        fields += ("data", "binaryData")
    if type_.group == "" and type_.kind == "Secret" and (frozen or "Secret" not in mutable):
        fields += ("data", "stringData")
    yield from (path for path in fields if _changed(old, new, path))


def refused_changes(type_: ObjectType, old: Body, new: Body, view: View) -> Problems:
    """Changes that the API server refuses and that do not replace the object."""
    for path in _REFUSED.get((type_.group, type_.kind), ()):
        if _value(new, path) is not UNKNOWN and _changed(old, new, path):
            before = "unset" if _value(old, path) is None else repr(_value(old, path))
            after = "unset" if _value(new, path) is None else repr(_value(new, path))
            yield Problem(path, f"cannot change from {before} to {after}", "give the object a new name")
    if old.get("immutable") is True and new.get("immutable") is not True and type_.kind in ("ConfigMap", "Secret"):
        yield Problem("immutable", "cannot be unset", "give the object a new name")
    if (type_.group, type_.kind) == ("", "PersistentVolumeClaim"):
        yield from _resize_problems(old, new, view)


def _resize_problems(old: Body, new: Body, view: View) -> Problems:
    """A claim may grow, when its StorageClass says so, but never shrink."""
    path = "spec.resources.requests.storage"
    before, after = quantity.parse(_value(old, path)), quantity.parse(_value(new, path))
    if before is None or after is None or before == after:
        return
    if after < before:
        yield Problem(path, f"cannot shrink from {_value(old, path)} to {_value(new, path)}")
    name = text(new, "spec", "storageClassName")
    storage_class = view.get(Key("storage.k8s.io", "StorageClass", "", name)) if name else None
    if after > before and storage_class and mapping(storage_class.body).get("allowVolumeExpansion") is not True:
        yield Problem(path, f"StorageClass {name!r} does not allow expansion", "set its allowVolumeExpansion")
