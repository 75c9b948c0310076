"""What a type token, an apiVersion and a kind say: group, version, scope, key and id of an object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.kubernetes.access import text
from sandbox.provider import ResourceError

_RENDERED: Final = re.compile(r"^kubernetes:(yaml|kustomize)(/v[0-9]+)?:")
_TOKEN: Final = re.compile(
    r"^kubernetes:(?:(?P<group>[a-z0-9.-]+)/)?(?P<version>v[a-z0-9]+):(?P<kind>[A-Z][A-Za-z0-9]*)$"
)

RELEASE_TYPE: Final = "kubernetes:helm.sh/v3:Release"

CLUSTER_SCOPED: Final[frozenset[tuple[str, str]]] = frozenset(
    (group, kind)
    for group, kinds in {
        "": "ComponentStatus Namespace Node PersistentVolume",
        "admissionregistration.k8s.io": "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding "
        "MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding "
        "ValidatingWebhookConfiguration",
        "apiextensions.k8s.io": "CustomResourceDefinition",
        "apiregistration.k8s.io": "APIService",
        "authentication.k8s.io": "SelfSubjectReview TokenReview",
        "authorization.k8s.io": "SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
        "certificates.k8s.io": "CertificateSigningRequest ClusterTrustBundle",
        "flowcontrol.apiserver.k8s.io": "FlowSchema PriorityLevelConfiguration",
        "internal.apiserver.k8s.io": "StorageVersion",
        "networking.k8s.io": "IPAddress IngressClass ServiceCIDR",
        "node.k8s.io": "RuntimeClass",
        "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding",
        "resource.k8s.io": "DeviceClass DeviceTaintRule ResourcePoolStatusRequest ResourceSlice",
        "scheduling.k8s.io": "PriorityClass",
        "storage.k8s.io": "CSIDriver CSINode StorageClass VolumeAttachment VolumeAttributesClass",
        "storagemigration.k8s.io": "StorageVersionMigration",
    }.items()
    for kind in kinds.split()
)
"""Built-in kinds without a namespace (Kubernetes 1.36 API reference)."""


@dataclass(frozen=True)
class ObjectType:
    """A group, version and kind; the core group is the empty string."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True)
class Key:
    """What makes an object one: versions of a group are views of the same object, so they are no part of it."""

    group: str
    kind: str
    namespace: str
    name: str

    @property
    def id(self) -> str:
        """The resource id as the real provider writes it."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def __str__(self) -> str:
        return f"{self.kind} {self.id!r}"


def parse_token(token: str) -> ObjectType:
    """The object type of a Pulumi type token. Raises :class:`ResourceError` for what the sandbox does not serve."""
    if token == "kubernetes:helm.sh/v4:Chart" or _RENDERED.match(token):
        raise ResourceError(
            f"{token} is rendered by the real provider's plugin, which the sandbox has not",
            remedy="declare the objects one by one, or install the chart with a HelmChart custom resource or "
            "kubernetes.helm.v3.Release",
        )
    match = _TOKEN.match(token)
    if match is None:
        raise ResourceError(f"{token} is not a Kubernetes resource type")
    kind = match["kind"]
    group = "" if match["group"] in (None, "core") else match["group"]
    if kind.endswith("List") and ("." not in group or group.endswith(".k8s.io")):
        raise ResourceError(f"{token} is a list of objects", remedy="declare each object as a resource of its own")
    if kind.endswith("Patch") and kind != "Patch":
        raise ResourceError(
            f"{token} patches an object that another manages, which the sandbox does not do",
            remedy="declare the object itself",
        )
    return ObjectType(group, match["version"], kind)


def object_type(body: Mapping[str, Any]) -> ObjectType:
    """The object type that a body names."""
    group, _, version = (text(body, "apiVersion") or "").rpartition("/")
    return ObjectType(group, version, text(body, "kind") or "")
