"""ConfigMaps, Secrets, namespaces, limits, quotas and access rules: what the API server checks beyond their schemas."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from sandbox.kubernetes import names, quantity
from sandbox.kubernetes.access import Body, Problem, Problems, dig, enumerated, items, mapping, number, strings, text
from sandbox.kubernetes.podsecurity import LEVELS, PREFIX
from sandbox.provider import UNKNOWN, has_unknown

_DATA_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
MAX_DATA_BYTES: Final = 1024 * 1024
"""The most a ConfigMap or Secret may hold."""
_TYPE_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
_USER_PRIORITY: Final = 1_000_000_000
_PSA_VERSION: Final = re.compile(r"latest|v1\.\d+")


def _keys_problems(body: Body, *fields: str) -> Problems:
    for field in fields:
        for key in mapping(body, field):
            if not _DATA_KEY.fullmatch(key):
                yield Problem(field, f"key {key!r} is not 1-253 letters, digits, '-', '_' and '.'")


def _size_problems(size: int, field: str) -> Problems:
    if size > MAX_DATA_BYTES:
        yield Problem(field, f"{size} bytes are more than the {MAX_DATA_BYTES} allowed")


def _decoded(value: Any) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return None


def config_map_problems(body: Body) -> Problems:
    """Keys, encodings and size."""
    yield from _keys_problems(body, "data", "binaryData")
    for key in sorted(mapping(body, "data").keys() & mapping(body, "binaryData").keys()):
        yield Problem("binaryData", f"key {key!r} is in data too")
    for key, value in mapping(body, "binaryData").items():
        if _decoded(value) is None:
            yield Problem(f"binaryData.{key}", "is not base64")
    size = sum(len(value.encode()) for field in ("data", "binaryData") for value in strings(body, field).values())
    yield from _size_problems(size, "data")


def secret_problems(body: Body) -> Problems:
    """Keys, encodings, size, and what the type requires. Values are never quoted."""
    yield from _keys_problems(body, "data", "stringData")
    decoded = {key: _decoded(value) for key, value in mapping(body, "data").items()}
    for key, value in decoded.items():
        if value is None:
            yield Problem(f"data.{key}", "is not base64", "use stringData for plain text")
    plain = {key: value.encode() for key, value in strings(body, "stringData").items()}
    yield from _size_problems(sum(len(value or b"") for value in {**decoded, **plain}.values()), "data")
    if has_unknown(body.get("data")) or has_unknown(body.get("stringData")):
        return
    found = {**decoded, **plain}
    kind = text(body, "type") or "Opaque"
    for key in _TYPE_KEYS.get(kind, ()):
        if key not in found:
            yield Problem("data", f"a Secret of type {kind} needs the key {key!r}")
    if kind == "kubernetes.io/basic-auth" and not found.keys() & {"username", "password"}:
        yield Problem("data", f"a Secret of type {kind} needs the key 'username' or 'password'")
    docker = found.get(".dockerconfigjson") if kind == "kubernetes.io/dockerconfigjson" else None
    if docker is not None and not _is_json_object(docker):
        yield Problem("data..dockerconfigjson", "is not a JSON object")


def _is_json_object(value: bytes) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except ValueError:
        return False


def namespace_problems(body: Body) -> Problems:
    """Pod Security labels name a level and a version."""
    for key, value in strings(body, "metadata", "labels").items():
        if not key.startswith(PREFIX):
            continue
        mode = key.removeprefix(PREFIX)
        if mode.endswith("-version"):
            if not _PSA_VERSION.fullmatch(value):
                yield Problem("metadata.labels", f"{key}: {value!r} is neither 'latest' nor a version like v1.36")
        elif mode not in ("enforce", "audit", "warn"):
            yield Problem("metadata.labels", f"{key} is not a Pod Security mode (enforce, audit, warn)")
        elif value not in LEVELS:
            yield Problem("metadata.labels", f"{key}: {value!r} is not one of {', '.join(LEVELS)}")


def limit_range_problems(body: Body) -> Problems:
    """Quantities, and min <= defaultRequest <= default <= max."""
    order = ("min", "defaultRequest", "default", "max")
    for at, limit in enumerated(body, "", "spec", "limits"):
        for field in order:
            yield from quantities_problems(mapping(limit, field), f"{at}.{field}")
        for low, high in ((a, b) for index, a in enumerate(order) for b in order[index + 1 :]):
            for name, value in mapping(limit, low).items():
                lower, upper = quantity.parse(value), quantity.parse(dig(limit, high, name))
                if lower is not None and upper is not None and lower > upper:
                    yield Problem(f"{at}.{low}.{name}", f"{value} is more than {high} {dig(limit, high, name)}")


def quantities_problems(values: Body, path: str) -> Problems:
    """Every value is a quantity."""
    for name, value in values.items():
        if value is not UNKNOWN and quantity.parse(value) is None:
            yield Problem(f"{path}.{name}", f"{value!r} is not a quantity (like 500m or 256Mi)")


def resource_quota_problems(body: Body) -> Problems:
    """Every bound is a quantity."""
    yield from quantities_problems(mapping(body, "spec", "hard"), "spec.hard")


def role_problems(body: Body) -> Problems:
    """Rules name verbs, and either resources or (for a ClusterRole) URLs."""
    for at, rule in enumerated(body, "", "rules"):
        if has_unknown(rule):
            continue
        if not items(rule, "verbs"):
            yield Problem(f"{at}.verbs", "at least one verb is required")
        if items(rule, "nonResourceURLs"):
            if body.get("kind") == "Role":
                yield Problem(f"{at}.nonResourceURLs", "is only for a ClusterRole")
        elif not items(rule, "resources"):
            yield Problem(f"{at}.resources", "at least one resource is required")
        elif not items(rule, "apiGroups"):
            yield Problem(f"{at}.apiGroups", "at least one group is required ('' is the core group)")


def binding_problems(body: Body) -> Problems:
    """Subjects are named fully; a ClusterRoleBinding binds a ClusterRole."""
    if body.get("kind") == "ClusterRoleBinding" and text(body, "roleRef", "kind") == "Role":
        yield Problem("roleRef.kind", "a ClusterRoleBinding binds a ClusterRole")
    for at, subject in enumerated(body, "", "subjects"):
        is_account = subject.get("kind") == "ServiceAccount"
        if is_account and not subject.get("namespace"):
            yield Problem(f"{at}.namespace", "is required for a ServiceAccount")
        group = subject.get("apiGroup", "" if is_account else "rbac.authorization.k8s.io")
        if is_account and group not in ("", UNKNOWN):
            yield Problem(f"{at}.apiGroup", "is empty for a ServiceAccount")
        if not is_account and group not in ("rbac.authorization.k8s.io", UNKNOWN):
            yield Problem(f"{at}.apiGroup", f"is rbac.authorization.k8s.io for a {subject.get('kind')}")


def priority_class_problems(body: Body) -> Problems:
    """Values above a thousand million and names with ``system-`` are the system's own."""
    value = number(body, "value")
    if value is not None and value > _USER_PRIORITY:
        yield Problem("value", f"{value} is more than {_USER_PRIORITY}, the most a user may define")
    if (text(body, "metadata", "name") or "").startswith("system-"):
        yield Problem("metadata.name", "names with the prefix 'system-' are reserved")


def definition_problems(body: Body) -> Problems:
    """A CustomResourceDefinition is named after its plural and group and stores one version, each with a schema."""
    spec, name = mapping(body, "spec"), text(body, "metadata", "name")
    plural, group = text(spec, "names", "plural"), text(spec, "group")
    if name and plural and group and name != f"{plural}.{group}":
        yield Problem("metadata.name", f"{name!r} is not {f'{plural}.{group}'!r}")
    if group and (problem := names.subdomain_problem(group)):
        yield Problem("spec.group", problem)
    versions = list(enumerated(spec, "spec", "versions"))
    if not has_unknown(spec.get("versions")) and sum(one.get("storage") is True for _, one in versions) != 1:
        yield Problem("spec.versions", "exactly one version is stored")
    for at, version in versions:
        if not has_unknown(version) and not mapping(version, "schema", "openAPIV3Schema"):
            yield Problem(f"{at}.schema.openAPIV3Schema", "is required")
