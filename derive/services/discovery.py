"""Service objects: the names under which workloads are called. None is reachable from outside the cluster."""

from __future__ import annotations

from derive import labels
from derive.mesh.graph import Links
from manifests import core
from manifests.base import Manifest
from model import Service

METRICS = "metrics"


def metrics_port(port: int) -> Manifest:
    """Declared as HTTP by its protocol field, for its name says nothing to the mesh."""
    return core.service_port(METRICS, port, app_protocol="http")


def service(declared: Service, links: Links) -> Manifest | None:
    """The Service of a workload that serves a port; its first port is named after its protocol."""
    if declared.port is None:
        return None
    ports = [core.service_port(declared.protocol, declared.port)]
    ports += [core.service_port(extra.name, extra.port, extra.protocol) for extra in declared.extra_ports]
    if declared.metrics:
        ports.append(metrics_port(declared.metrics))
    own = labels.service(declared.name, declared.tier, declared.metrics)
    return core.service(declared.name, links.workload.namespace, links.workload.selector, ports, own)
