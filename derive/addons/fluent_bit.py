"""Fluent Bit on every node: ships the containers' logs to OpenSearch."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from derive import versions
from derive.addons import opensearch
from derive.addons.chart import Release
from derive.observability import fluent_bit as logs
from derive.shapes import CA_FILE
from manifests.base import Manifest

NAME: Final = "fluent-bit"


def release(configuration: Manifest) -> Release:
    """``configuration``: the ConfigMap that the pods read."""
    return Release(
        name=NAME,
        source=versions.FLUENT_BIT,
        values=values(configuration) | _to_opensearch(),
        requires=("cilium", versions.FLUENT_BIT.namespace, opensearch.NAME),
    )


def values(configuration: Manifest) -> dict[str, Any]:
    text = configuration["data"]["fluent-bit.conf"]
    return {
        "kind": "DaemonSet",
        "existingConfigMap": configuration["metadata"]["name"],
        # Fluent Bit reads its configuration once: another text is another pod. The chart has a "checksum/config" of its
        # own, of nothing; the same key twice is an object that stricter parsers refuse.
        "podAnnotations": {"checksum/configuration": sha256(text.encode()).hexdigest()},
        "podLabels": {"sidecar.istio.io/inject": "false"},
        "testFramework": {"enabled": False},
        # Every node has logs, servers too.
        "tolerations": [{"operator": "Exists"}],
        "resources": {"requests": {"cpu": "25m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            # Container logs belong to root and nobody else may read them: root, but with no other power.
            "runAsUser": 0,
            "capabilities": {"drop": ["ALL"]},
        },
        "readinessProbe": {"httpGet": {"path": "/api/v1/health", "port": "http"}},
        "daemonSetVolumes": [
            {"name": "varlog", "hostPath": {"path": "/var/log"}},
            {"name": "state", "hostPath": {"path": "/var/lib/fluent-bit", "type": "DirectoryOrCreate"}},
        ],
        "daemonSetVolumeMounts": [
            {"name": "varlog", "mountPath": "/var/log", "readOnly": True},
            {"name": "state", "mountPath": logs.STATE},
        ],
        "serviceMonitor": {"enabled": True, "interval": "30s"},
    }


def _to_opensearch() -> dict[str, Any]:
    """The writer's password, and the authority by which it knows OpenSearch."""
    return {
        "env": [
            {
                "name": logs.PASSWORD_VARIABLE,
                "valueFrom": {"secretKeyRef": {"name": opensearch.WRITER, "key": "password"}},
            }
        ],
        "extraVolumes": [
            {
                "name": "authority",
                "secret": {"secretName": opensearch.CERTIFICATE, "items": [{"key": CA_FILE, "path": CA_FILE}]},
            }
        ],
        "extraVolumeMounts": [{"name": "authority", "mountPath": logs.CA_PATH.rsplit("/", 1)[0], "readOnly": True}],
    }
