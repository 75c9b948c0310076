"""Pod Security admission, rule by rule, at each level; worded as the API server words it."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.kubernetes import podsecurity
from sandbox.provider import UNKNOWN
from tests.sandbox.kubernetes_objects import Cluster, container, namespace, put, workload


def pod(path: str = "", value: Any = None) -> dict[str, Any]:
    """A pod that restricted admits, with one value set."""
    body: dict[str, Any] = {"metadata": {}, "spec": {"containers": [container()]}}
    return put(body, path, value) if path else body


CONTEXT = "spec.containers.0.securityContext"
BASELINE = [
    ("spec.hostNetwork", True, "host namespaces (hostNetwork=true)"),
    (f"{CONTEXT}.privileged", True, 'privileged (container "app" must not set securityContext.privileged=true)'),
    (
        f"{CONTEXT}.capabilities.add",
        ["NET_ADMIN", "CHOWN"],
        'non-default capabilities (container "app" must not add NET_ADMIN)',
    ),
    ("spec.volumes", [{"name": "host", "hostPath": {"path": "/"}}], 'hostPath volumes (volume "host")'),
    ("spec.containers.0.ports", [{"containerPort": 1, "hostPort": 1}], 'hostPort (container "app" uses hostPort 1)'),
    (
        "spec.containers.0.livenessProbe",
        {"httpGet": {"port": 80, "host": "169.254.169.254"}},
        "probe or lifecycle host (container \"app\" uses host '169.254.169.254' in livenessProbe)",
    ),
    (
        "spec.securityContext.appArmorProfile",
        {"type": "Unconfined"},
        'forbidden AppArmor profile (pod must not set appArmorProfile.type to "Unconfined")',
    ),
    (
        "metadata.annotations",
        {"container.apparmor.security.beta.kubernetes.io/app": "unconfined"},
        'forbidden AppArmor profile (annotation container.apparmor.security.beta.kubernetes.io/app="unconfined")',
    ),
    (
        f"{CONTEXT}.seLinuxOptions",
        {"type": "spc_t"},
        'seLinuxOptions (container "app" set forbidden securityContext.seLinuxOptions type "spc_t")',
    ),
    (
        "spec.securityContext.seLinuxOptions",
        {"user": "root"},
        "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions user or role)",
    ),
    (f"{CONTEXT}.procMount", "Unmasked", 'procMount (container "app" must not set securityContext.procMount)'),
    (
        "spec.securityContext.seccompProfile",
        {"type": "Unconfined"},
        'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
    ),
    ("spec.securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}], "forbidden sysctls (kernel.msgmax)"),
    (
        f"{CONTEXT}.windowsOptions",
        {"hostProcess": True},
        "hostProcess (pod and containers must not set securityContext.windowsOptions.hostProcess=true)",
    ),
]
RESTRICTED = [
    (
        f"{CONTEXT}.allowPrivilegeEscalation",
        None,
        'allowPrivilegeEscalation != false (container "app" must set securityContext.allowPrivilegeEscalation=false)',
    ),
    (
        f"{CONTEXT}.runAsNonRoot",
        None,
        'runAsNonRoot != true (pod or container "app" must set securityContext.runAsNonRoot=true)',
    ),
    (f"{CONTEXT}.runAsUser", 0, 'runAsUser=0 (container "app" must not set runAsUser=0)'),
    (
        f"{CONTEXT}.seccompProfile",
        None,
        'seccompProfile (pod or container "app" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost")',
    ),
    (
        f"{CONTEXT}.capabilities",
        None,
        'unrestricted capabilities (container "app" must set securityContext.capabilities.drop=["ALL"])',
    ),
    (
        f"{CONTEXT}.capabilities.add",
        ["CHOWN"],
        'unrestricted capabilities (container "app" must not add CHOWN)',
    ),
    (
        "spec.volumes",
        [{"name": "share", "nfs": {"server": "x", "path": "/"}}],
        'restricted volume types (volume "share" uses restricted volume type "nfs")',
    ),
]


def test_a_careful_pod_violates_nothing() -> None:
    for level in podsecurity.LEVELS:
        assert podsecurity.violations(level, pod()) == []


@pytest.mark.parametrize(("path", "value", "message"), BASELINE)
def test_baseline(path: str, value: Any, message: str) -> None:
    """Restricted forbids all that baseline does; privileged forbids nothing."""
    spoilt = pod(path, value)
    assert podsecurity.violations("baseline", spoilt) == [message]
    assert message in podsecurity.violations("restricted", spoilt)
    assert podsecurity.violations("privileged", spoilt) == []


@pytest.mark.parametrize(("path", "value", "message"), RESTRICTED)
def test_restricted(path: str, value: Any, message: str) -> None:
    spoilt = pod(path, value)
    assert podsecurity.violations("restricted", spoilt) == [message]
    assert podsecurity.violations("baseline", spoilt) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{CONTEXT}.capabilities.add", ["NET_BIND_SERVICE"]),
        ("spec.volumes", [{"name": "a", "emptyDir": {}}, {"name": "b", "projected": {"sources": []}}]),
        ("spec.volumes", [{"name": "module", "image": {"reference": "registry.example/module:1.0"}}]),
        ("spec.securityContext.sysctls", [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]),
        (f"{CONTEXT}.seLinuxOptions", {"type": "container_t"}),
        (f"{CONTEXT}.runAsUser", 1000),
        (f"{CONTEXT}.runAsUser", UNKNOWN),
        (f"{CONTEXT}.capabilities", UNKNOWN),
        (CONTEXT, UNKNOWN),
    ],
)
def test_what_restricted_allows(path: str, value: Any) -> None:
    assert podsecurity.violations("restricted", pod(path, value)) == []


def test_the_pods_own_context_counts_for_its_containers() -> None:
    spoilt = put(pod(f"{CONTEXT}.runAsNonRoot"), f"{CONTEXT}.seccompProfile", None)
    spoilt = put(spoilt, "spec.securityContext", {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}})
    assert podsecurity.violations("restricted", spoilt) == []
    overruled = put(spoilt, f"{CONTEXT}.runAsNonRoot", False)
    assert len(podsecurity.violations("restricted", overruled)) == 1


def test_init_containers_are_judged_too() -> None:
    spoilt = pod("spec.initContainers", [{"name": "init", "securityContext": {"privileged": True}}])
    assert podsecurity.violations("baseline", spoilt) == [
        'privileged (container "init" must not set securityContext.privileged=true)'
    ]


def test_windows_pods_are_exempt_from_linux_features() -> None:
    spoilt = put(pod(f"{CONTEXT}.seccompProfile"), "spec.os", {"name": "windows"})
    assert podsecurity.violations("restricted", spoilt) == []


def test_the_namespaces_level_is_enforced() -> None:
    labels = {
        "pod-security.kubernetes.io__enforce": "restricted",
        "pod-security.kubernetes.io__enforce-version": "v1.36",
    }
    cluster = Cluster().apply_all(namespace("shop", **labels), namespace("free"))
    privileged: dict[str, Any] = {"containers": [container(securityContext={})], "hostPID": True}
    message = cluster.refusal(workload(**privileged))
    assert message.startswith(
        'spec.template: violates PodSecurity "restricted:v1.36": host namespaces (hostPID=true), '
    )
    assert message.count("(") == 5
    assert cluster.refusal(put(workload(**privileged), "metadata.namespace", "free")) == ""


def test_raising_the_level_later_is_found_at_the_end() -> None:
    """The API server only warns of it; the next restart of the pods would fail."""
    cluster = Cluster().apply_all(namespace())
    cluster.apply_all(workload(hostPID=True), namespace("shop", **{"pod-security.kubernetes.io__enforce": "baseline"}))
    assert cluster.findings() == [
        "spec.template: Deployment 'shop/web': violates PodSecurity \"baseline:latest\": host namespaces (hostPID=true)"
    ]
