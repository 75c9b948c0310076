"""How a new version takes over: in place, switched at once, or by a growing share of the traffic.

The setting ``releases`` says how far a release may go; the controller moves the traffic
(docs/adr/0015-releases-in-stages.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from derive import labels, naming, versions
from derive.mesh.graph import Connection, Links, Workload
from derive.services.workloads import USER, account, requirements
from manifests import core, istio, pods, rollouts
from manifests.base import Manifest
from model import BlueGreen, Canary, Resources, Rolling, Service
from model.workloads import REQUESTS

STABLE: Final = "stable"
CANARY: Final = "canary"
ABORTED: Final = 0
"""The stage of a release that was given up: the stable version alone."""
INTERVAL: Final = 60
"""Seconds between two looks at the new version."""
LOOKS: Final = 5
"""How often the new version is looked at after a switch."""
TOLERATED: Final = 2
"""Looks that may go wrong before the release is undone."""
ERRORS: Final = 0.05
"""Share of answers with a status of 5xx from which on a look goes wrong."""
DEADLINE: Final = 300
"""Seconds that a smoke test may take, its pod's start included."""
TESTER_RESOURCES: Final = Resources(cpu="50m", memory="32Mi", cpu_limit="100m", memory_limit="64Mi")


def preview_name(service: str) -> str:
    return f"{service}-preview"


def tester_name(service: str) -> str:
    """The account under which the new version is tested before anybody else reaches it."""
    return f"{service}-smoke-test"


def errors_name(service: str) -> str:
    return f"{service}-errors"


def strategy(
    declared: Service, links: Links, routes: Mapping[str, Sequence[str]], mesh: bool, stage: int | None
) -> Manifest | None:
    """What the controller does. ``routes``: the VirtualServices of the service and their routes' names.

    ``stage``: how far the release may go; absent: all the way. None where pods are replaced in place.
    """
    release, name = declared.release, links.workload.name
    if isinstance(release, Rolling) or declared.schedule:
        return None
    errors = [rollouts.by_template(errors_name(name))] if mesh and is_http(links) else []
    if isinstance(release, BlueGreen):
        tests = [rollouts.by_template(tester_name(name))]
        keep = int(release.keep.total_seconds())
        return rollouts.blue_green(name, preview_name(name), stage != ABORTED, keep, tests, errors)
    return rollouts.canary(steps(release, stage), routes, name if mesh else None, (STABLE, CANARY), errors)


def steps(release: Canary, stage: int | None) -> list[Manifest]:
    """The share of ``stage`` after the one before it, held until the setting changes; absent: every share for a while.

    Changed steps are taken from the first one on, and a share for which there are not as many pods as it takes moves
    all traffic back until there are (argo-rollouts: reconcileTrafficRouting). So the first is the share that has its
    pods, and no traffic moves back.
    """
    if stage == ABORTED:
        return [rollouts.weight(0), rollouts.pause(None)]
    reached = release.stages if stage is None else release.stages[max(stage - 2, 0) : stage]
    found = []
    for share in reached:
        found.append(rollouts.weight(share))
        if stage is None and share < 100:
            found.append(rollouts.pause(int(release.watch.total_seconds())))
    return found if reached[-1] == 100 else [*found, rollouts.pause(None)]


def tester_links(service: Service, target: Workload) -> Links | None:
    """Who tests a new version: its own account, the declared paths, and nothing else."""
    if not isinstance(service.release, BlueGreen) or service.port is None:
        return None
    own = Workload(tester_name(service.name), target.namespace, service.tier)
    preview = naming.fqdn(preview_name(service.name), target.namespace)
    call = Connection(own, target, (service.port,), ("GET",), test_paths(service.release, service), (preview,))
    return Links(workload=own, outbound=(call,))


def test_paths(release: BlueGreen, service: Service) -> tuple[str, ...]:
    """What is asked of the new version."""
    return release.smoke_test or ((service.readiness.path,) if service.readiness else ("/",))


def tester(service: Service, links: Links, annotations: Mapping[str, str]) -> list[Manifest]:
    """The account and the test itself: ``links`` are the tester's."""
    (call,), own = links.outbound, links.workload
    urls = [f"http://{call.called[0]}:{call.ports[0]}{path}" for path in call.paths]
    container = pods.container(
        "smoke-test",
        versions.CURL_IMAGE,
        requirements(TESTER_RESOURCES),
        command=["curl", "--fail", "--fail-early", "--silent", "--show-error"],
        args=[
            "--max-time",
            "10",
            "--retry",
            "5",
            "--retry-all-errors",
            *(each for url in urls for each in _asked(url)),
        ],
    )
    template = pods.pod_template(
        labels.pod(own.name, own.tier, None),
        annotations,
        account=own.name,
        user=USER,
        containers=[container],
        restart="Never",
    )
    return [
        account(own.name, own.namespace),
        rollouts.analysis_template(own.name, own.namespace, rollouts.job_metric(own.name, template, DEADLINE)),
    ]


def _asked(url: str) -> tuple[str, ...]:
    """curl's arguments for one URL whose answer nobody reads."""
    return ("--output", "/dev/null", url)


def error_analysis(service: Service, links: Links, monitoring: str) -> Manifest | None:
    """The share of errors among the answers of the new version's pods, as their sidecars count them.

    No answers are no errors: a version that nobody asks is not bad. ``monitoring``: Prometheus' namespace.
    """
    if isinstance(service.release, Rolling) or not is_http(links):
        return None
    name, namespace = links.workload.name, links.workload.namespace
    new = f'reporter="destination",namespace="{namespace}",pod=~"{name}-{{{{args.{rollouts.HASH}}}}}-.*"'
    failed = f'sum(rate(istio_requests_total{{{new},response_code=~"5.."}}[2m])) or vector(0)'
    metric = rollouts.prometheus_metric(
        errors_name(name),
        f"http://{naming.fqdn(naming.PROMETHEUS_SERVICE, monitoring)}:9090",
        f"({failed}) / sum(rate(istio_requests_total{{{new}}}[2m]))",
        f"len(result) == 0 || isNaN(result[0]) || result[0] <= {ERRORS:g}",
        INTERVAL,
        None if isinstance(service.release, Canary) else LOOKS,
        TOLERATED,
    )
    return rollouts.analysis_template(errors_name(name), namespace, metric)


def preview_service(declared: Service, links: Links) -> Manifest | None:
    """The Service of the version that waits to be promoted; nobody is told of it but the tester."""
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


def destinations(links: Links, port: int | None = None) -> list[tuple[Manifest, int | None]]:
    """Where a route leads: to all pods, or to a canary's two versions, the stable one first. The weights are those of
    a service that is not being released; the controller moves them. ``port`` absent: the service's own."""
    host, port = links.workload.fqdn, port or links.port
    if links.release != "canary":
        return [(istio.destination(host, port), None)]
    return [(istio.destination(host, port, STABLE), 100), (istio.destination(host, port, CANARY), 0)]


def internal_route(links: Links) -> str:
    """Name of the service's mesh-internal VirtualService: the plain one unless a route from outside has it."""
    name = links.workload.name
    return f"{name}-internal" if links.doors else name


def route_name(links: Links, number: int) -> str | None:
    """A canary's routes are named, for the controller finds them by name."""
    return f"{links.workload.name}-{number}" if links.release == "canary" else None


def is_http(links: Links) -> bool:
    return links.protocol in REQUESTS


LISTS: Final = ("VirtualService", "DestinationRule")
"""Kinds whose lists a release changes."""


def moved(objects: Iterable[Manifest]) -> dict[tuple[str, str], tuple[str, ...]]:
    """By kind and name of an object: the fields that a controller writes, which nobody else may set back: of a release,
    or of an autoscaler, which begins with the number that is registered."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for item in objects:
        kind, name, spec = item["kind"], item["metadata"]["name"], item.get("spec") or {}
        if kind == "Rollout" and (switched := spec["strategy"].get("blueGreen")):
            for service in (switched["activeService"], switched["previewService"]):
                found["Service", service] = ("spec.selector",)
        elif kind == "VirtualService" and any(
            "weight" in to for route in spec.get("http", ()) for to in route["route"]
        ):
            found[kind, name] = ("spec.http[*].route[*].weight",)
        elif kind == "DestinationRule" and [part["name"] for part in spec.get("subsets", ())] == [STABLE, CANARY]:
            found[kind, name] = ("spec.subsets[*].labels",)
        elif kind == "HorizontalPodAutoscaler":
            target = spec["scaleTargetRef"]
            found[target["kind"], target["name"]] = ("spec.replicas",)
    return found


def forced(objects: Iterable[Manifest], moved: Mapping[tuple[str, str], tuple[str, ...]]) -> list[Manifest]:
    """The objects, those whose lists the controller owns with the right to be written all the same: an API server
    knows one owner of a list of routes, and would refuse a new timeout in it. All traffic is the stable version's then,
    until the controller sets its weights again a moment later."""
    return [
        _forced(item) if item["kind"] in LISTS and (item["kind"], item["metadata"]["name"]) in moved else item
        for item in objects
    ]


def _forced(item: Manifest) -> Manifest:
    annotations = {**item["metadata"].get("annotations", {}), "pulumi.com/patchForce": "true"}
    return {**item, "metadata": {**item["metadata"], "annotations": annotations}}
