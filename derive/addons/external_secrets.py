"""External Secrets: copies values from AWS Secrets Manager or Vault into Secrets of the cluster."""

from __future__ import annotations

from typing import Any, Final

from derive import versions
from derive.addons.chart import Release

NAME: Final = "external-secrets"


def release(replicas: int) -> Release:
    """``replicas``: of the controller and its webhook."""
    return Release(
        name=NAME,
        source=versions.EXTERNAL_SECRETS,
        values=values(replicas),
        requires=("cilium", versions.EXTERNAL_SECRETS.namespace),
        ready=(f"deployment/{NAME}", f"deployment/{NAME}-webhook", f"deployment/{NAME}-cert-controller"),
    )


def values(replicas: int) -> dict[str, Any]:
    resources = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
    return {
        "installCRDs": True,
        "replicaCount": replicas,
        # Replicas of one controller must agree on who acts.
        "leaderElect": replicas > 1,
        "resources": resources,
        "webhook": {"replicaCount": replicas, "resources": resources},
        "certController": {"resources": resources},
        "serviceMonitor": {"enabled": False},
    }
