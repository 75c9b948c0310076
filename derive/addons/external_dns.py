"""external-dns: the public names of what the cluster publishes, as records of the domain's zone."""

from __future__ import annotations

from typing import Any, Final

from derive import naming, versions
from derive.addons import istio
from derive.addons.cert_manager import TOKEN
from derive.addons.chart import OUTSIDE_MESH, Addition, Measured, Release, housed, resources
from derive.addons.flows import API_SERVER, Flow, Hosts, Rule
from derive.cluster.placement import placement
from derive.shapes import Deployment, SecretPlan
from model import ExternalDns, IstioGateway

NAME: Final = "external-dns"
LABELS: Final = {naming.APP: NAME}
WILDCARD: Final = "wildcard"


def _reads_mesh(deployment: Deployment) -> bool:
    """Whether the mesh's objects say what is published; otherwise they say only what leaves."""
    return isinstance(deployment.system.platform.ingress, IstioGateway)


def addition(deployment: Deployment, choice: ExternalDns) -> Addition:
    """Not awaited: its pod starts when the stack has made its Secret, which comes later."""
    source = housed(versions.EXTERNAL_DNS, choice.namespace)
    return Addition(
        release=Release(
            name=NAME,
            source=source,
            values=values(deployment, choice),
            requires=("cilium", *((istio.BASE,) if _reads_mesh(deployment) else ())),
        ),
        rules=(Rule(NAME, LABELS, (), (API_SERVER, Flow(Hosts(("api.cloudflare.com",)), (443,)))),),
        secrets=(SecretPlan(name=TOKEN, namespace=source.namespace, given={TOKEN: TOKEN}),),
        measured=(Measured(LABELS, 7979),),
    )


def values(deployment: Deployment, choice: ExternalDns) -> dict[str, Any]:
    platform = deployment.system.platform
    mesh = ["istio-gateway", "istio-virtualservice"] if _reads_mesh(deployment) else []
    # The mark of a wildcard's owner is a record of its own, whose name may hold no asterisk.
    marked = f"--txt-wildcard-replacement={WILDCARD}"
    return {
        "provider": {"name": choice.provider},
        "env": [{"name": "CF_API_TOKEN", "valueFrom": {"secretKeyRef": {"name": TOKEN, "key": TOKEN}}}],
        "extraArgs": [marked, *(["--cloudflare-proxied"] if choice.proxied else [])],
        "sources": ["service", "ingress", *mesh],
        "domainFilters": [deployment.system.domain],
        # Records that bear this owner's mark are its own: it takes them away, too, and touches no other.
        "policy": "sync",
        "registry": "txt",
        "txtOwnerId": deployment.prefix,
        "podLabels": OUTSIDE_MESH,
        "resources": resources("10m", "64Mi", "256Mi"),
        **placement(platform, choice.pool),
    }
