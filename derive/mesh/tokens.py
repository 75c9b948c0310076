"""Who may come without a token: nobody, but on the declared paths."""

from __future__ import annotations

from derive import naming
from derive.mesh.graph import Links
from manifests import istio
from manifests.base import Manifest
from model import System

PROXIES_FETCH_KEYS = {"PILOT_JWT_ENABLE_REMOTE_JWKS": "envoy"}
"""istiod's setting: the sidecar fetches the keys itself, over the mesh. istiod has no sidecar, and could not."""


def token_policies(system: System, links: Links) -> tuple[Manifest, ...]:
    """Checks every token and refuses requests without one on the service's own ports; metrics stay as they are."""
    found: list[Manifest] = []
    workload = links.workload
    for tokens in system.tokens:
        if tokens.at == workload.name:
            source = system.service(tokens.keys_from)
            host = naming.fqdn(source.name, naming.service_namespace(system, source))
            keys = f"http://{host}:{naming.own_port(source)}{tokens.keys_path}"
            name = f"{workload.name}-tokens"
            found.append(istio.request_authentication(name, workload.namespace, workload.selector, tokens.issuer, keys))
            found.append(
                istio.require_token(name, workload.namespace, workload.selector, links.ports, tokens.open_paths)
            )
    return tuple(found)
