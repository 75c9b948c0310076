"""cert-manager: certificates as objects, and the authority that signs them."""

from __future__ import annotations

from typing import Any, Final

from derive import naming, versions
from derive.addons.chart import OUTSIDE_MESH, Addition, Measured, Release, housed, resources
from derive.addons.flows import API_SERVER, Addresses, Flow, Hosts, Rule, webhook
from derive.addons.istio import replicas_over_zones
from derive.cluster.placement import placement
from derive.edge.doorman import INGRESS_CLASS, TRAEFIK
from derive.network.networks import public_hosts
from derive.shapes import Deployment, SecretPlan
from manifests import pods
from manifests.base import Manifest, manifest
from model import Acme, CertManager, CloudflareDns, DeclarationError, HttpProof, IstioGateway, Traefik

NAME: Final = "cert-manager"
ISSUER: Final = naming.ISSUER
TOKEN: Final = "cloudflare-api-token"
"""The stack's setting, the Secret and the Secret's key."""
AUTHORITY: Final = "platform-authority"
DIRECTORIES: Final = {False: "acme-v02.api.letsencrypt.org", True: "acme-staging-v02.api.letsencrypt.org"}
"""Let's Encrypt's servers: production, and staging."""
_API: Final = "cert-manager.io/v1"


def addition(deployment: Deployment, choice: CertManager) -> Addition:
    source = housed(versions.CERT_MANAGER, choice.namespace)
    parts = {part: {naming.APP: part} for part in (NAME, "webhook", "cainjector", "startupapicheck")}
    token = isinstance(choice.issuer, Acme) and isinstance(choice.issuer.proof, CloudflareDns)
    asks = _acme(deployment, choice.issuer) if isinstance(choice.issuer, Acme) else ()
    return Addition(
        release=Release(
            name=NAME,
            source=source,
            values=values(deployment, choice),
            requires=("cilium",),
            ready=(f"deployment/{NAME}", f"deployment/{NAME}-webhook", f"deployment/{NAME}-cainjector"),
        ),
        rules=(
            Rule(NAME, parts[NAME], (), (API_SERVER, *asks)),
            Rule(f"{NAME}-webhook", parts["webhook"], (webhook(10250),), (API_SERVER,)),
            Rule(f"{NAME}-cainjector", parts["cainjector"], (), (API_SERVER,)),
            Rule(f"{NAME}-startupapicheck", parts["startupapicheck"], (), (API_SERVER,)),
        ),
        settings=issuers(deployment, choice, source.namespace),
        secrets=(SecretPlan(name=TOKEN, namespace=source.namespace, given={TOKEN: TOKEN}),) if token else (),
        measured=(Measured(parts[NAME], 9402),),
    )


def _acme(deployment: Deployment, issuer: Acme) -> tuple[Flow, ...]:
    """To the authority; to the zone, and to who says whether the zone's answer is out; or to the names themselves, to
    see whether they lead here."""
    directory = _directory(deployment, issuer)
    if isinstance(issuer.proof, HttpProof):
        names = public_hosts(deployment.system, deployment.environment.domain)
        return (Flow(Hosts((directory,)), (443,)), Flow(Hosts(names), (80, 443)))
    return (
        Flow(Hosts((directory, "api.cloudflare.com")), (443,)),
        Flow(Addresses(tuple(f"{address}/32" for address in RESOLVERS)), (443,)),
    )


RESOLVERS: Final = ("1.1.1.1", "1.0.0.1")
"""Cloudflare's public name servers, which answer over HTTPS: pods may ask none but the cluster's own otherwise."""


def _directory(deployment: Deployment, issuer: Acme) -> str:
    return DIRECTORIES[deployment.name in issuer.staging]


def issuers(deployment: Deployment, choice: CertManager, namespace: str) -> tuple[Manifest, ...]:
    """The ClusterIssuer, and what it signs with."""
    if isinstance(choice.issuer, Acme):
        acme = {
            "email": choice.issuer.email,
            "server": f"https://{_directory(deployment, choice.issuer)}/directory",
            "privateKeySecretRef": {"name": "acme-account"},
            "solvers": [_solver(deployment, choice.issuer)],
        }
        return (manifest(_API, "ClusterIssuer", ISSUER, None, spec={"acme": acme}),)
    authority = {
        "isCA": True,
        "commonName": f"{deployment.prefix} platform",
        "secretName": AUTHORITY,
        "duration": "87600h",
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"},
        "issuerRef": {"name": "self-signed", "kind": "ClusterIssuer", "group": "cert-manager.io"},
    }
    return (
        manifest(_API, "ClusterIssuer", "self-signed", None, spec={"selfSigned": {}}),
        manifest(_API, "Certificate", AUTHORITY, namespace, spec=authority),
        manifest(_API, "ClusterIssuer", ISSUER, None, spec={"ca": {"secretName": AUTHORITY}}),
    )


def _solver(deployment: Deployment, issuer: Acme) -> dict[str, Any]:
    if isinstance(issuer.proof, CloudflareDns):
        token = {"apiTokenSecretRef": {"name": TOKEN, "key": TOKEN}}
        return {"dns01": {"cloudflare": token}, "selector": {"dnsZones": [deployment.system.domain]}}
    ingress = deployment.system.platform.ingress
    if isinstance(ingress, IstioGateway):
        raise DeclarationError(
            "platform.addons['cert-manager'].issuer proves names by HTTP, which the mesh's gateway does not lead to; "
            "set issuer.proof to CloudflareDns(), or platform.ingress to Nginx() or Traefik()"
        )
    own = TRAEFIK if isinstance(ingress, Traefik) else INGRESS_CLASS
    # By default its Service opens a port of the nodes, which namespaces' quotas refuse.
    pod = {"spec": {"serviceAccountName": naming.PROOF}}
    return {"http01": {"ingress": {"ingressClassName": own, "serviceType": "ClusterIP", "podTemplate": pod}}}


def values(deployment: Deployment, choice: CertManager) -> dict[str, Any]:
    replicas = replicas_over_zones(deployment.environment)
    size = resources("10m", "64Mi", "256Mi")
    place = placement(deployment.system.platform, choice.pool)

    def part(name: str, count: int | None = replicas) -> dict[str, Any]:
        many = {"replicaCount": count, "topologySpreadConstraints": pods.spread({naming.APP: name})} if count else {}
        return {**many, "resources": size, "podLabels": OUTSIDE_MESH, **place}

    own = part(NAME)
    return {
        # Kept when the chart goes: with the definitions, Kubernetes would delete every certificate.
        "crds": {"enabled": True, "keep": True},
        "global": {"leaderElection": {"namespace": housed(versions.CERT_MANAGER, choice.namespace).namespace}},
        **own,
        "dns01RecursiveNameservers": ",".join(f"https://{address}/dns-query" for address in RESOLVERS),
        "dns01RecursiveNameserversOnly": True,
        "webhook": part("webhook"),
        "cainjector": part("cainjector", 1),
        # The installation ends when the webhook answers.
        "startupapicheck": {"enabled": True, **part("startupapicheck", None)},
        "prometheus": {"enabled": True, "servicemonitor": {"enabled": False}},
    }
