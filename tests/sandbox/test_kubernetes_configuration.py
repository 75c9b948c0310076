"""ConfigMaps, Secrets, limits, access rules and definitions: what is refused, in which words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.kubernetes_objects import (
    BINDING,
    CONFIG,
    DEFINITION,
    LIMITS,
    PRIORITY,
    QUOTA,
    ROLE,
    SECRET,
    Cluster,
    helm_chart,
    namespace,
    put,
    spoilt,
)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster().apply_all(namespace())


CONFIGURATION = [
    spoilt(CONFIG, "data", {"a b": "c"}, "data: key 'a b' is not 1-253 letters, digits, '-', '_' and '.'"),
    spoilt(CONFIG, "binaryData", {"a": "Yg=="}, "binaryData: key 'a' is in data too"),
    spoilt(CONFIG, "binaryData", {"b": "???"}, "binaryData.b: is not base64"),
    spoilt(CONFIG, "data", {"a": "x" * 1048577}, "data: 1048577 bytes are more than the 1048576 allowed"),
    spoilt(SECRET, "data.a", "plain text", "data.a: is not base64"),
    spoilt(
        SECRET,
        "type",
        "kubernetes.io/tls",
        "2 problems: data: a Secret of type kubernetes.io/tls needs the key "
        "'tls.crt'; data: a Secret of type kubernetes.io/tls needs the key 'tls.key'",
    ),
    spoilt(
        SECRET,
        "type",
        "kubernetes.io/basic-auth",
        "data: a Secret of type kubernetes.io/basic-auth needs the key 'username' or 'password'",
    ),
    spoilt(
        put(SECRET, "type", "kubernetes.io/dockerconfigjson"),
        "stringData",
        {".dockerconfigjson": "[]"},
        "data..dockerconfigjson: is not a JSON object",
    ),
    spoilt(
        namespace(),
        "metadata.labels",
        {"pod-security.kubernetes.io/enforce": "strict"},
        "metadata.labels: pod-security.kubernetes.io/enforce: 'strict' is not one of privileged, baseline, restricted",
    ),
    spoilt(
        namespace(),
        "metadata.labels",
        {"pod-security.kubernetes.io/enforced": "baseline"},
        "metadata.labels: pod-security.kubernetes.io/enforced is not a Pod Security mode (enforce, audit, warn)",
    ),
    spoilt(
        namespace(),
        "metadata.labels",
        {"pod-security.kubernetes.io/enforce-version": "1.36"},
        "metadata.labels: pod-security.kubernetes.io/enforce-version: '1.36' is neither 'latest' nor a version like "
        "v1.36",
    ),
    spoilt(
        LIMITS,
        "spec.limits.0.defaultRequest.memory",
        "1Gi",
        "spec.limits[0].defaultRequest.memory: 1Gi is more than default 256Mi",
    ),
    spoilt(QUOTA, "spec.hard.pods", "ten", "spec.hard.pods: 'ten' is not a quantity (like 500m or 256Mi)"),
    spoilt(
        ROLE,
        "rules",
        [{"apiGroups": [""], "resources": ["pods"], "verbs": []}],
        "rules[0].verbs: at least one verb is required",
    ),
    spoilt(
        ROLE,
        "rules",
        [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
        "rules[0].nonResourceURLs: is only for a ClusterRole",
    ),
    spoilt(
        ROLE,
        "rules",
        [{"resources": ["pods"], "verbs": ["get"]}],
        "rules[0].apiGroups: at least one group is required ('' is the core group)",
    ),
    spoilt(
        BINDING,
        "subjects",
        [{"kind": "ServiceAccount", "name": "web"}],
        "subjects[0].namespace: is required for a ServiceAccount",
    ),
    spoilt(
        BINDING,
        "subjects",
        [{"kind": "Robot", "name": "web"}],
        "subjects[0].kind: 'Robot' is not one of ServiceAccount, User, Group",
    ),
    spoilt(PRIORITY, "value", 2000000000, "value: 2000000000 is more than 1000000000, the most a user may define"),
    spoilt(
        DEFINITION,
        "metadata.name",
        "gadget.example.com",
        "metadata.name: 'gadget.example.com' is not 'gadgets.example.com'",
    ),
    spoilt(DEFINITION, "spec.versions.0.storage", False, "spec.versions: exactly one version is stored"),
    spoilt(DEFINITION, "spec.versions.0.schema", None, "spec.versions[0].schema.openAPIV3Schema: is required"),
    spoilt(helm_chart("base"), "spec.valuesContent", "a: [", "spec.valuesContent: is not a YAML mapping"),
    spoilt(helm_chart("base"), "spec.chart", None, "spec.chart: is required"),
]


@pytest.mark.parametrize(("body", "message"), CONFIGURATION)
def test_refusals(cluster: Cluster, body: dict[str, Any], message: str) -> None:
    """The exact words: they name the field, what is wrong and, where it helps, what was meant."""
    assert cluster.refusal(body) == message


def test_values_of_secrets_are_never_quoted(cluster: Cluster) -> None:
    """A message goes to logs."""
    assert "hunter2" not in cluster.refusal(put(SECRET, "data", {"a": "hunter2!"}))
