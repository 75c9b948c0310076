"""Certificates of the public names: made by the stack's own authority, or asked of cert-manager."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from derive import choices, naming
from derive.edge import ingress
from derive.edge.doorman import Doorman
from derive.edge.tools import tools
from derive.shapes import Deployment, SecretPlan
from manifests import cilium, core, network
from manifests import ingress as objects
from manifests.base import Manifest
from model import Acme, CertManager, Cilium, HttpProof, Istio

SOLVER: Final = {"acme.cert-manager.io/http01-solver": "true"}
"""cert-manager's label of the pods that answer the authority's question."""
SOLVER_PORT: Final = 8089


def own(deployment: Deployment) -> Iterator[SecretPlan]:
    """Of the stack's own authority, where no cert-manager issues them."""
    if choices.choice(deployment, CertManager) is None:
        for (secret, namespace), hosts in _named(deployment).items():
            yield SecretPlan(name=secret, namespace=namespace, certificate=tuple(hosts))


def issued(deployment: Deployment, doorman: Doorman) -> Iterator[Manifest]:
    """What cert-manager is asked for; and where the authority looks at the public names, the way to what answers it."""
    manager = choices.choice(deployment, CertManager)
    if manager is None:
        return
    spaces: dict[str, None] = {}
    for (secret, namespace), hosts in _named(deployment).items():
        spaces[namespace] = None
        yield objects.certificate(secret, namespace, hosts, naming.ISSUER)
    if isinstance(manager.issuer, Acme) and isinstance(manager.issuer.proof, HttpProof):
        for namespace in spaces:
            yield core.service_account(naming.PROOF, namespace)
            yield _asked(deployment, doorman, namespace)


def _named(deployment: Deployment) -> dict[tuple[str, str], list[str]]:
    """Hosts by Secret and namespace."""
    system, pages = deployment.system, tools(deployment)
    if not isinstance(system.platform.mesh, Istio) and not system.routes and not pages:
        return {}
    return ingress.certificates(system, deployment.environment, pages)


def _asked(deployment: Deployment, doorman: Doorman, namespace: str) -> Manifest:
    name = naming.PROOF
    if isinstance(deployment.system.platform.cni, Cilium):
        source = cilium.endpoints(doorman.labels, doorman.namespace)
        return cilium.network_policy(name, namespace, SOLVER, [cilium.ingress([source], [SOLVER_PORT])], [])
    peer = network.peer(doorman.labels, doorman.namespace)
    return network.network_policy(name, namespace, SOLVER, [network.ingress([peer], [SOLVER_PORT])], [])
