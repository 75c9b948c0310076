"""The pods of a service and what runs them: a Deployment, or a CronJob where it has a schedule."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from derive import cloud, labels
from derive.images import pull_policy
from derive.mesh.graph import Links
from manifests import apps, core, pods, rollouts
from manifests.base import Manifest
from model import Istio, NoMesh, Probe, Resources, Rolling, Service

USER: Final = 10001
"""The uid of every application container: not root, and not 1337, which is the sidecar's."""
SCRATCH: Final = "64Mi"


@dataclass(frozen=True)
class Contents:
    """What the other generators found out about a service's container."""

    image: str
    env: Sequence[Manifest]
    sources: Sequence[Manifest]
    """Of further variables, whole."""
    volumes: Sequence[Manifest]
    mounts: Sequence[Manifest]
    annotations: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the pods, beside those that every pod bears."""
    init: Sequence[Manifest] = ()
    """Containers that run first."""


def sidecar_annotations(
    mesh: Istio | NoMesh, injected: bool = True, resolve: bool = False, granted: bool = False
) -> dict[str, str]:
    """Injection, and the sidecar's size (setting one value erases Istio's defaults, so all four are set).

    ``resolve``: the sidecar answers DNS itself and gives each declared host an address of its own. ``granted``: calls
    to the machine's metadata service pass by the sidecar, which knows no such host.
    """
    if isinstance(mesh, NoMesh):
        return {}
    if not injected:
        return {"sidecar.istio.io/inject": "false"}
    annotations = {
        "sidecar.istio.io/inject": "true",
        "sidecar.istio.io/proxyCPU": mesh.sidecar.cpu,
        "sidecar.istio.io/proxyMemory": mesh.sidecar.memory,
        "sidecar.istio.io/proxyCPULimit": mesh.sidecar.cpu_limit,
        "sidecar.istio.io/proxyMemoryLimit": mesh.sidecar.memory_limit,
    }
    if granted:
        annotations["traffic.sidecar.istio.io/excludeOutboundIPRanges"] = cloud.METADATA
    if resolve:
        annotations["proxy.istio.io/config"] = json.dumps({"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}})
    return annotations


def account(name: str, namespace: str) -> Manifest:
    """The identity of one workload, named after it."""
    return core.service_account(name, namespace)


def requirements(resources: Resources) -> Manifest:
    return pods.requirements(resources.cpu, resources.memory, resources.cpu_limit, resources.memory_limit)


def _probe(probe: Probe | None, port: int | None) -> Manifest | None:
    if probe is None or port is None:
        return None
    return pods.http_probe(
        probe.path,
        port,
        delay=int(probe.delay.total_seconds()),
        period=int(probe.period.total_seconds()),
        timeout=int(probe.timeout.total_seconds()),
        failures=probe.failures,
        successes=probe.successes,
    )


def container_ports(service: Service) -> list[tuple[str, int]]:
    """Names as in the Service; a port that serves nobody else is not listed."""
    named: list[tuple[str, int]] = [(service.protocol, service.port)] if service.port else []
    named += [(extra.name, extra.port) for extra in service.extra_ports]
    return [*named, ("metrics", service.metrics)] if service.metrics else named


def pod_template(service: Service, links: Links, contents: Contents, spread: bool) -> Manifest:
    """The pod of a service. ``spread``: whether there can be more than one. Where two versions run side by side, the
    mesh tells them apart by their images' tags."""
    scheduled = service.schedule is not None
    version = labels.VERSION if isinstance(service.release, Rolling) else labels.tagged(contents.image)
    container = pods.container(
        service.name,
        contents.image,
        requirements(service.resources),
        ports=container_ports(service),
        env=contents.env,
        mounts=[pods.scratch_mount(), *contents.mounts],
        pull_policy=pull_policy(contents.image),
        livenessProbe=None if scheduled else _probe(service.liveness, service.port),
        readinessProbe=None if scheduled else _probe(service.readiness, service.port),
        startupProbe=None if scheduled else _probe(service.startup, service.port),
        envFrom=list(contents.sources) or None,
        lifecycle=pods.pause(int(service.drain.total_seconds())) if service.drain else None,
    )
    return pods.pod_template(
        {**labels.pod(service.name, service.tier, service.metrics, version), **contents.labels},
        contents.annotations,
        account=service.name,
        user=USER,
        containers=[container],
        volumes=[pods.scratch(SCRATCH), *contents.volumes],
        spread_by=links.workload.selector if spread else None,
        grace=int(service.grace.total_seconds()),
        restart="Never" if scheduled else None,
        init=contents.init,
    )


def workload(service: Service, links: Links, template: Manifest, replicas: int, strategy: Manifest | None) -> Manifest:
    """What runs the pods. ``replicas``: as many as there are before an autoscaler says otherwise.

    ``strategy``: of a release by Argo Rollouts; absent: the Deployment's own rolling update.
    """
    own = labels.workload(service.name, service.tier)
    namespace = links.workload.namespace
    if service.schedule:
        deadline = int(service.schedule.deadline.total_seconds())
        return apps.cron_job(service.name, namespace, service.schedule.cron, deadline, template, own)
    limit = int(service.release.deadline.total_seconds())
    if strategy:
        return rollouts.rollout(
            service.name, namespace, links.workload.selector, template, replicas, strategy, limit, own
        )
    release = service.release if isinstance(service.release, Rolling) else Rolling()
    return apps.deployment(
        service.name,
        namespace,
        links.workload.selector,
        template,
        replicas,
        max_surge=release.max_surge,
        max_unavailable=release.max_unavailable,
        deadline=limit,
        labels=own,
    )
