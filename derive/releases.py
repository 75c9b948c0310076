"""How a new version takes over: in place, switched at once, or by a growing share of the traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from derive import labels
from derive.graph import Links
from manifests import core, istio, rollouts
from manifests.base import Manifest
from model import BlueGreen, Canary, Service
from model.system import REQUESTS

STABLE: Final = "stable"
CANARY: Final = "canary"
PAUSE: Final = 300
"""Seconds that each share of a canary is watched before the next."""


def preview_name(service: str) -> str:
    return f"{service}-preview"


def strategy(release: BlueGreen | Canary, links: Links, routes: Mapping[str, Sequence[str]], mesh: bool) -> Manifest:
    """``routes``: the VirtualServices of the service and their routes' names."""
    name = links.workload.name
    if isinstance(release, BlueGreen):
        return rollouts.blue_green(active=name, preview=preview_name(name))
    return rollouts.canary(release.stages, PAUSE, routes, name if mesh else None, (STABLE, CANARY))


def preview_service(declared: Service, links: Links) -> Manifest | None:
    """The Service of the version that waits to be promoted; nobody is told of it but testers."""
    if not isinstance(declared.release, BlueGreen) or declared.port is None:
        return None
    return core.service(
        preview_name(declared.name),
        links.workload.namespace,
        links.workload.selector,
        [core.service_port(declared.protocol, declared.port)],
        labels.workload(declared.name, declared.tier),
    )


def subsets(links: Links) -> list[Manifest]:
    """The two versions of a canary; the controller adds what tells their pods apart."""
    if links.release != "canary":
        return []
    return [istio.subset(name, links.workload.selector) for name in (STABLE, CANARY)]


def destinations(links: Links) -> list[tuple[Manifest, int | None]]:
    """Where a route leads: to all pods, or to a canary's two versions, the stable one first."""
    host, port = links.workload.fqdn, links.port
    if links.release != "canary":
        return [(istio.destination(host, port), None)]
    return [(istio.destination(host, port, STABLE), 100), (istio.destination(host, port, CANARY), 0)]


def internal_route(links: Links) -> str:
    """Name of the service's mesh-internal VirtualService: the plain one unless a route from outside has it."""
    name = links.workload.name
    return f"{name}-internal" if links.routed else name


def route_name(links: Links, number: int) -> str | None:
    """A canary's routes are named, for the controller finds them by name."""
    return f"{links.workload.name}-{number}" if links.release == "canary" else None


def is_http(links: Links) -> bool:
    return links.protocol in REQUESTS
