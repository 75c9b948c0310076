"""The API server's two files: what it writes to the audit log, and its admission plugins' settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from derive.bootstrap.machine import MachineFile
from derive.yaml_text import yaml_text

EXEMPT_NAMESPACES = ("kube-system",)
"""Where the nodes' own agents run (CNI, node exporter), and no stack makes the namespace. An exemption overrides a
namespace's labels, so every other namespace says by its labels what its pods may do."""

EVENT_LIMIT = {"type": "Server", "qps": 5000, "burst": 20000}
"""K3s hardening guide: one bucket for the whole server."""


def audit_policy() -> dict[str, Any]:
    """Who did what, without secrets' contents: bodies only for changes of access rights, no log of mere watching."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version"]},
            {"level": "None", "resources": [{"group": "", "resources": ["events"]}]},
            {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
            {
                "level": "RequestResponse",
                "verbs": ["create", "update", "patch", "delete", "deletecollection"],
                "resources": [{"group": "rbac.authorization.k8s.io"}],
            },
            {
                "level": "Metadata",
                "resources": [
                    {"group": "", "resources": ["secrets", "configmaps", "serviceaccounts/token"]},
                    {"group": "authentication.k8s.io", "resources": ["tokenreviews"]},
                ],
            },
            {"level": "None", "verbs": ["get", "list", "watch"]},
            {"level": "Metadata"},
        ],
    }


def admission_configuration(enforce: str, exempt_namespaces: Sequence[str]) -> dict[str, Any]:
    """PodSecurity's default for namespaces without labels, and EventRateLimit's bucket (it needs one to start)."""
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [
            {
                "name": "PodSecurity",
                "configuration": {
                    "apiVersion": "pod-security.admission.config.k8s.io/v1",
                    "kind": "PodSecurityConfiguration",
                    "defaults": {
                        "enforce": enforce,
                        "enforce-version": "latest",
                        "audit": "restricted",
                        "audit-version": "latest",
                        "warn": "restricted",
                        "warn-version": "latest",
                    },
                    "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": sorted(exempt_namespaces)},
                },
            },
            {
                "name": "EventRateLimit",
                "configuration": {
                    "apiVersion": "eventratelimit.admission.k8s.io/v1alpha1",
                    "kind": "Configuration",
                    "limits": [EVENT_LIMIT],
                },
            },
        ],
    }


def files(
    directory: str, enforce: str = "restricted", exempt_namespaces: Sequence[str] = EXEMPT_NAMESPACES
) -> list[MachineFile]:
    """Both, below K3s' own directory."""
    admission = admission_configuration(enforce, exempt_namespaces)
    return [
        MachineFile(f"{directory}/audit.yaml", yaml_text(audit_policy()), mode="0600"),
        MachineFile(f"{directory}/psa.yaml", yaml_text(admission), mode="0600"),
    ]
