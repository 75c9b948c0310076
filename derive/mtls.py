"""Mutual TLS: the namespace's mode, and the exceptions that scraping and stores outside the mesh need."""

from __future__ import annotations

from collections.abc import Iterable

from derive.graph import Links
from derive.labels import METRICS_PORT
from manifests import istio
from manifests.base import Manifest
from model import Istio


def peer_authentications(namespace: str, mesh: Istio, members: Iterable[Links]) -> tuple[Manifest, ...]:
    """``<namespace>-mtls`` for all pods, and one policy per metrics port that opens that port, and no other, to plain
    text: Prometheus is outside the mesh."""
    ports = sorted({links.metrics for links in members if links.metrics and links.in_mesh})
    exceptions = (
        istio.peer_authentication(
            f"{namespace}-metrics-{port}",
            namespace,
            mesh.mtls,
            selector={METRICS_PORT: str(port)},
            ports={port: "PERMISSIVE"},
        )
        for port in ports
    )
    strict = istio.peer_authentication(f"{namespace}-mtls", namespace, mesh.mtls)
    return (strict, *(exceptions if mesh.mtls == "STRICT" else ()))
