"""Settings of the Traefik that K3s brings along, as K3s takes them: it is no release of the stack's own."""

from __future__ import annotations

from typing import Any, Final

from derive.edge.doorman import TRAEFIK
from derive.shapes import AddonPlan
from derive.yaml_text import yaml_text
from manifests.base import manifest

TO_HTTPS: Final = "--entryPoints.web.http.redirections.entryPoint"
"""By arguments, which mean the same for whichever release of the chart K3s packages."""


def plan() -> AddonPlan:
    """Nothing is served in plain text, and Traefik sees who connects: a node passes to its own pods only, and each has
    one, or its address would answer nobody."""
    values: dict[str, Any] = {
        "additionalArguments": [f"{TO_HTTPS}.to=:443", f"{TO_HTTPS}.scheme=https", f"{TO_HTTPS}.permanent=true"],
        "deployment": {"kind": "DaemonSet"},
        "service": {"spec": {"externalTrafficPolicy": "Local"}},
    }
    settings = manifest(
        "helm.cattle.io/v1", "HelmChartConfig", TRAEFIK, "kube-system", spec={"valuesContent": yaml_text(values)}
    )
    return AddonPlan(TRAEFIK, objects=(settings,))
