"""Objects of the RBAC API group: what an account may do in a namespace."""

from __future__ import annotations

from collections.abc import Sequence

from manifests.base import Manifest, compact, manifest

GROUP = "rbac.authorization.k8s.io"


def rule(groups: Sequence[str], resources: Sequence[str], verbs: Sequence[str], names: Sequence[str] = ()) -> Manifest:
    """``names`` empty: all objects of these kinds. The core group is the empty text."""
    return compact(
        apiGroups=list(groups),
        resources=list(resources),
        verbs=list(verbs),
        resourceNames=list(names) or None,
    )


def role(name: str, namespace: str, rules: Sequence[Manifest]) -> Manifest:
    return manifest(f"{GROUP}/v1", "Role", name, namespace, rules=list(rules))


def role_binding(name: str, namespace: str, role: str, account: str, home: str) -> Manifest:
    """Gives a role of ``namespace`` to a ServiceAccount, which may be of another namespace: ``home``."""
    return manifest(
        f"{GROUP}/v1",
        "RoleBinding",
        name,
        namespace,
        roleRef={"apiGroup": GROUP, "kind": "Role", "name": role},
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": home}],
    )
