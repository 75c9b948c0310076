"""The tokens of a published API at the ingress gateway: nobody gets past it who did not get past the API's own check.

The gateway's proxy fetches the public keys itself, over the mesh, so a rotated key is known without an update.
"""

from __future__ import annotations

from derive import naming
from derive.edge.public_api import issuer
from derive.shapes import Deployment
from manifests import istio
from manifests.base import Manifest
from model import IstioGateway

NAME = "api-tokens"


def gateway_tokens(deployment: Deployment) -> tuple[Manifest, ...]:
    """Checks every token, refuses requests without one, and those whose token does not say what it must."""
    system, api = deployment.system, deployment.environment.api
    if api is None or api.tokens.served_by is None or not isinstance(system.platform.ingress, IstioGateway):
        return ()
    tokens, service = api.tokens, system.service(api.tokens.served_by)
    home = naming.fqdn(service.name, naming.service_namespace(system, service))
    keys = tokens.url or f"http://{home}:{naming.own_port(service)}{tokens.keys_path}"
    where = (naming.MESH_NAMESPACE, naming.GATEWAY_LABELS)
    host = naming.host(api.host, deployment.environment.domain)
    hosts = [host, f"{host}:*"]
    opened = [_pattern(endpoint.path) for endpoint in api.endpoints if endpoint.open]
    refused = [istio.refusal(hosts, closed=opened, anonymous=True)]
    if tokens.roles:
        refused.append(istio.refusal(hosts, closed=opened, claim="role", values=tokens.roles))
    refused += [
        istio.refusal(hosts, paths=[_pattern(path)], claim="scope", values=scopes)
        for path, scopes in tokens.scopes.items()
    ]
    return (
        istio.request_authentication(NAME, *where, issuer(deployment, api), keys, [tokens.audience]),
        istio.deny(NAME, *where, refused),
    )


def _pattern(path: str) -> str:
    """A parameter stands for anything, up to the end."""
    head, place, _ = path.partition("{")
    return f"{head}*" if place else head
