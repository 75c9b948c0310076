"""Mutual TLS: the namespace's mode, and the exceptions that scraping and stores outside the mesh need."""

from __future__ import annotations

from collections.abc import Iterable

from derive.labels import METRICS_PORT
from derive.mesh.graph import Links
from manifests import istio
from manifests.base import Manifest
from model import DeclarationError, Istio


def peer_authentications(namespace: str, mesh: Istio, members: Iterable[Links]) -> tuple[Manifest, ...]:
    """``<namespace>-mtls`` for all pods; one policy for each store that has a mode of its own; and one per metrics port
    that opens that port, and no other, to plain text: Prometheus is outside the mesh.

    Raises DeclarationError where two of them would hold for the same pods, for Istio then obeys only the oldest one.
    """
    inside = [links for links in members if links.in_mesh]
    own = {links.workload.name: links for links in inside if links.mtls}
    others = {links.metrics for links in inside if links.metrics and links.workload.name not in own}
    for name, links in own.items():
        if links.metrics in others:
            raise DeclarationError(
                f"store '{name}' has a mode of its own but shares the port of its metrics with others of namespace "
                f"'{namespace}'; give them the same stores['{name}'].mtls"
            )
    strict = istio.peer_authentication(f"{namespace}-mtls", namespace, mesh.mtls)
    exceptions = [
        istio.peer_authentication(
            f"{namespace}-metrics-{port}",
            namespace,
            mesh.mtls,
            selector={METRICS_PORT: str(port)},
            ports={port: "PERMISSIVE"},
        )
        for port in sorted(others)
    ]
    return (strict, *map(_own, own.values()), *(exceptions if mesh.mtls == "STRICT" else ()))


def _own(links: Links) -> Manifest:
    workload, mode = links.workload, links.mtls or ""
    ports = {links.metrics: "PERMISSIVE"} if links.metrics and mode == "STRICT" else None
    return istio.peer_authentication(f"{workload.name}-mtls", workload.namespace, mode, workload.selector, ports)
