"""Who may call what in the mesh: one ALLOW policy per workload, by identity, over a namespace that denies all."""

from __future__ import annotations

from collections import defaultdict

from derive.mesh.graph import Links
from manifests import istio
from manifests.base import Manifest


def deny_all(namespace: str) -> Manifest:
    """The namespace's ground rule: what no policy allows is refused."""
    return istio.deny_all(namespace)


def authorization(links: Links, doorman: str) -> Manifest:
    """The policy ``<name>-authz``. ``doorman``: the ingress' principal, admitted where the workload is routed.

    Callers with the same methods and paths share a rule. The last rule opens ``GET /metrics`` on the metrics port to
    everybody: a scrape carries no identity, and the network policy admits Prometheus alone.
    """
    groups: dict[tuple[tuple[int, ...], tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for connection in links.inbound:
        groups[connection.ports, connection.methods, connection.paths].append(connection.source.principal)
    rules = [
        istio.allow_rule(ports, principals=principals, methods=methods, paths=paths)
        for (ports, methods, paths), principals in groups.items()
    ]
    if links.doors:
        rules.insert(0, istio.allow_rule(links.doors, principals=[doorman], methods=links.methods))
    if links.metrics:
        rules.append(istio.allow_rule([links.metrics], methods=["GET"], paths=["/metrics"]))
    return istio.authorization_policy(
        f"{links.workload.name}-authz", links.workload.namespace, links.workload.selector, rules
    )
