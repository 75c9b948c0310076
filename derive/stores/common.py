"""What the stores in the cluster share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

from derive import labels, naming
from derive.mesh.graph import Links
from derive.services.discovery import metrics_port
from manifests import core, pods
from manifests.base import Manifest
from model import Resources

EXPORTER_RESOURCES: Final = Resources(cpu="50m", memory="64Mi", cpu_limit="100m", memory_limit="128Mi")


def service(
    links: Links, port_name: str, port: int, app_protocol: str | None, more: Mapping[str, int] | None = None
) -> Manifest:
    """The store's Service, with its exporter's port beside its own. ``more``: further ports by name."""
    workload = links.workload
    ports = [core.service_port(port_name, port, app_protocol)]
    ports += [core.service_port(name, number) for name, number in (more or {}).items()]
    if links.metrics:
        ports.append(metrics_port(links.metrics))
    own = labels.service(workload.name, workload.tier, links.metrics)
    return core.service(workload.name, workload.namespace, workload.selector, ports, own)


def headless(links: Links, ports: Sequence[tuple[str, int]]) -> Manifest:
    """The Service by which the pods of a StatefulSet know one another, ready or not. Nobody else uses it, and nothing
    is measured through it."""
    workload = links.workload
    return core.service(
        naming.headless(workload.name),
        workload.namespace,
        workload.selector,
        [core.service_port(name, port) for name, port in ports],
        labels.workload(workload.name, workload.tier),
        headless=True,
    )


def exporter(
    image: str,
    port: int,
    env: Sequence[Manifest],
    args: Sequence[str] = (),
    size: Resources = EXPORTER_RESOURCES,
) -> Manifest:
    """A container that reads the store over the loopback and serves ``/metrics``.

    It has no readiness probe: a pod is ready when all of its containers are, and the store serves without it.
    """
    return pods.container(
        "exporter",
        image,
        pods.requirements(
            size.cpu,
            size.memory,
            size.cpu_limit,
            size.memory_limit,
        ),
        ports=[("metrics", port)],
        env=env,
        args=list(args) or None,
        livenessProbe=pods.tcp_probe(port, failures=6),
    )


def configuration_hash(data: Mapping[str, str]) -> dict[str, str]:
    """An annotation that changes with the configuration, so that a change restarts the pods."""
    text = "\0".join(f"{key}\0{value}" for key, value in sorted(data.items()))
    return {"checksum/config": sha256(text.encode()).hexdigest()}
