"""The Ingress, and certificates as cert-manager's objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from manifests.base import Manifest, compact, manifest


def path(prefix: str, service: str, port: int, exact: bool = False) -> Manifest:
    """Requests whose path begins with ``prefix``, or is it."""
    return {
        "path": prefix,
        "pathType": "Exact" if exact else "Prefix",
        "backend": {"service": {"name": service, "port": {"number": port}}},
    }


def ingress(
    name: str,
    namespace: str,
    class_name: str,
    host: str,
    paths: Sequence[Manifest],
    secret: str | None,
    annotations: Mapping[str, str],
) -> Manifest:
    """One host. ``secret`` absent: another Ingress serves its certificate. No paths: others serve them."""
    spec = compact(
        ingressClassName=class_name,
        tls=[{"hosts": [host], "secretName": secret}] if secret else None,
        rules=[{"host": host, **({"http": {"paths": list(paths)}} if paths else {})}],
    )
    return manifest("networking.k8s.io/v1", "Ingress", name, namespace, annotations=annotations, spec=spec)


def certificate(secret: str, namespace: str, hosts: Sequence[str], issuer: str) -> Manifest:
    """A certificate of a ClusterIssuer, renewed with a new key each time."""
    spec = {
        "secretName": secret,
        "dnsNames": list(hosts),
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "issuerRef": {"name": issuer, "kind": "ClusterIssuer", "group": "cert-manager.io"},
    }
    return manifest("cert-manager.io/v1", "Certificate", secret, namespace, spec=spec)
