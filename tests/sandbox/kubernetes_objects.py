"""A cluster under test, and objects that it admits, for tests to spoil one field at a time."""

from __future__ import annotations

import base64
import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.kubernetes import KubernetesProvider
from sandbox.provider import Desired, Made, ResourceError, Saved


def token(api_version: str, kind: str) -> str:
    """The Pulumi type token of a kind."""
    return f"kubernetes:{'core/v1' if api_version == 'v1' else api_version}:{kind}"


class Cluster:
    """Applies objects as the engine does: check, then diff and update, or create."""

    def __init__(self, config: Mapping[str, Any] | None = None, crds_dir: Path | None = None) -> None:
        self.provider = KubernetesProvider(config, crds_dir=crds_dir)
        self.saved: dict[str, Saved] = {}

    def check(self, body: Mapping[str, Any], name: str = "") -> dict[str, Any]:
        """Check only, as a preview does."""
        return self.provider.check(self._desired(body, name), self.saved.get(self._urn(body, name)))

    def apply(self, body: Mapping[str, Any], name: str = "") -> Made:
        """Create, or update what was applied under the same name."""
        old = self.saved.get(self._urn(body, name))
        wanted = self._desired(body, name)
        wanted = Desired(wanted.urn, wanted.type, wanted.name, self.provider.check(wanted, old))
        if old is not None and self.provider.diff(old, wanted).replace:
            self.provider.delete(old)
            old = None
        made = self.provider.update(old, wanted) if old else self.provider.create(wanted)
        outputs = {**wanted.inputs, **made.outputs}
        self.saved[wanted.urn] = Saved(wanted.urn, wanted.type, wanted.name, made.id, wanted.inputs, outputs)
        return made

    def apply_all(self, *bodies: Mapping[str, Any]) -> Cluster:
        for body in bodies:
            self.apply(body)
        return self

    def refusal(self, body: Mapping[str, Any], name: str = "") -> str:
        """The message with which an object is refused; empty when it is not."""
        try:
            self.apply(body, name)
        except ResourceError as error:
            return str(error)
        return ""

    def findings(self) -> list[str]:
        """What is wrong with the whole."""
        return [str(finding) for finding in self.provider.finish()]

    def _urn(self, body: Mapping[str, Any], name: str) -> str:
        metadata = body.get("metadata", {})
        return f"urn:{body['kind']}:{name or metadata.get('namespace', '')}/{name or metadata.get('name', '')}"

    def _desired(self, body: Mapping[str, Any], name: str) -> Desired:
        return Desired(
            self._urn(body, name), token(body["apiVersion"], body["kind"]), name or "x", copy.deepcopy(dict(body))
        )


def put(body: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one value set, at ``spec.ports.0.name``; None removes it."""
    result = copy.deepcopy(dict(body))
    *steps, last = path.split(".")
    at: Any = result
    for step in steps:
        at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
    if isinstance(at, list):
        at[int(last)] = value
    elif value is None:
        at.pop(last, None)
    else:
        at[last] = value
    return result


def thing(api_version: str, kind: str, name: str = "x", namespace: str = "shop", **rest: Any) -> dict[str, Any]:
    """An object; an empty namespace for a cluster-scoped one."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def namespace(name: str = "shop", **labels: str) -> dict[str, Any]:
    body = thing("v1", "Namespace", name, "")
    found = {key.replace("__", "/"): value for key, value in labels.items()}
    return put(body, "metadata.labels", found) if found else body


def container(**rest: Any) -> dict[str, Any]:
    """A container that even the restricted level admits."""
    return {
        "name": "app",
        "image": "registry.example/app:1",
        "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **rest,
    }


def workload(kind: str = "Deployment", name: str = "web", **pod: Any) -> dict[str, Any]:
    """A controller in namespace ``shop`` whose pod has one container."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container()], **pod}}
    spec: dict[str, Any] = {"selector": {"matchLabels": labels}, "template": template}
    if kind in ("Deployment", "StatefulSet"):
        spec["replicas"] = 2
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return thing("apps/v1", kind, name, spec=spec)


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    port = {"name": "http", "port": 80, "targetPort": "http"}
    return thing("v1", "Service", name, spec={"selector": {"app": name}, "ports": [port], **spec})


def helm_chart(chart: str, **spec: Any) -> dict[str, Any]:
    """A K3s HelmChart."""
    full = {"chart": chart, "targetNamespace": "kube-system", **spec}
    name = chart.rpartition("/")[2].removesuffix(".tgz")
    return thing("helm.cattle.io/v1", "HelmChart", name, "kube-system", spec=full)


def spoilt(body: dict[str, Any], path: str, value: Any, message: str) -> Any:
    """A case: an object with one value spoilt, and what it is refused with."""
    return pytest.param(put(body, path, value), message, id=f"{body['kind']}-{path}-{str(value)[:20]}")


CLAIM = thing(
    "v1",
    "PersistentVolumeClaim",
    spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}},
)
CRON_JOB = thing(
    "batch/v1",
    "CronJob",
    spec={
        "schedule": "*/5 2-4 * jan-mar sun",
        "timeZone": "Europe/Berlin",
        "jobTemplate": {"spec": {"template": {"spec": {"containers": [container()], "restartPolicy": "Never"}}}},
    },
)
AUTOSCALER = thing(
    "autoscaling/v2",
    "HorizontalPodAutoscaler",
    spec={
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 2,
        "maxReplicas": 6,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
            }
        ],
    },
)
BUDGET = thing(
    "policy/v1", "PodDisruptionBudget", spec={"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}}
)
POLICY = thing(
    "networking.k8s.io/v1",
    "NetworkPolicy",
    spec={
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [
            {
                "to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
                "ports": [{"port": 8000, "endPort": 8010, "protocol": "TCP"}],
            }
        ],
    },
)
INGRESS = thing(
    "networking.k8s.io/v1",
    "Ingress",
    spec={
        "rules": [
            {
                "host": "*.example.com",
                "http": {
                    "paths": [
                        {
                            "path": "/",
                            "pathType": "Prefix",
                            "backend": {"service": {"name": "web", "port": {"number": 80}}},
                        }
                    ]
                },
            }
        ]
    },
)
LIMITS = thing(
    "v1",
    "LimitRange",
    spec={"limits": [{"type": "Container", "default": {"memory": "256Mi"}, "defaultRequest": {"memory": "128Mi"}}]},
)
QUOTA = thing("v1", "ResourceQuota", spec={"hard": {"requests.cpu": "4", "pods": "10"}})
ROLE = thing(
    "rbac.authorization.k8s.io/v1", "Role", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
)
BINDING = thing(
    "rbac.authorization.k8s.io/v1",
    "RoleBinding",
    roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    subjects=[{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}],
)
DEFINITION = thing(
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
    "gadgets.example.com",
    "",
    spec={
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "kind": "Gadget"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
)
CONFIG = thing("v1", "ConfigMap", data={"a": "b"})
SECRET = thing("v1", "Secret", data={"a": base64.b64encode(b"b").decode()})
PRIORITY = thing("scheduling.k8s.io/v1", "PriorityClass", "high", "", value=1000)
