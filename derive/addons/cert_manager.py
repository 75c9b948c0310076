"""cert-manager: certificates as objects, for platforms that do not issue them in the stack."""

from __future__ import annotations

from typing import Any, Final

from derive import versions
from derive.addons.chart import Release

NAME: Final = "cert-manager"


def release(replicas: int) -> Release:
    """``replicas``: of the controller and its webhook, without which no certificate object is admitted."""
    return Release(
        name=NAME,
        source=versions.CERT_MANAGER,
        values=values(replicas),
        requires=("cilium", versions.CERT_MANAGER.namespace),
        ready=(f"deployment/{NAME}", f"deployment/{NAME}-webhook", f"deployment/{NAME}-cainjector"),
    )


def values(replicas: int) -> dict[str, Any]:
    resources = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
    return {
        # Kept when the chart goes: with the definitions, Kubernetes would delete every certificate.
        "crds": {"enabled": True, "keep": True},
        "replicaCount": replicas,
        "resources": resources,
        "webhook": {"replicaCount": replicas, "resources": resources},
        "cainjector": {"resources": resources},
        # The installation ends when the webhook answers.
        "startupapicheck": {"enabled": True},
        "prometheus": {"enabled": True, "servicemonitor": {"enabled": False}},
    }
