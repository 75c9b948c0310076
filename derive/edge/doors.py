"""The doors in, whichever ingress serves them: routes and the platform's pages, and where their names lead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from derive import choices, cloud
from derive.edge import ingress, ingress_rules
from derive.edge.tools import tools
from derive.mesh.graph import Links
from derive.shapes import Deployment
from manifests.base import Manifest
from model import ExistingCluster, ExternalDns, IstioGateway, SingleVpc

PUBLISHED: Final = "external-dns.alpha.kubernetes.io/target"


def doors(deployment: Deployment, links: Mapping[str, Links]) -> Iterator[Manifest]:
    """Gateway and routes, or Ingresses.

    Where external-dns makes the records, the doors say what these lead to: Kubernetes knows the ingress's address only
    where that is the nodes' own.
    """
    network = deployment.system.network
    nodes = isinstance(network, SingleVpc) and network.edge == "nodes"
    foreign = isinstance(deployment.system.platform.cluster, ExistingCluster)
    published = choices.choice(deployment, ExternalDns) and not nodes and not foreign
    for item in _doors(deployment, links):
        if published and item["kind"] in ("Gateway", "Ingress"):
            annotations = {**item["metadata"].get("annotations", {}), PUBLISHED: cloud.edge_host()}
            yield {**item, "metadata": {**item["metadata"], "annotations": annotations}}
        else:
            yield item


def _doors(deployment: Deployment, links: Mapping[str, Links]) -> Iterator[Manifest]:
    system, environment, pages = deployment.system, deployment.environment, tools(deployment)
    if isinstance(system.platform.ingress, IstioGateway):
        yield ingress.gateway(system, environment, pages)
        yield from ingress.routes(system, environment, links)
        yield from (ingress.tool_route(system, tool) for tool in pages)
    else:
        yield from ingress_rules.rules(system, environment)
        yield from (ingress_rules.tool_rule(system, tool) for tool in pages)
