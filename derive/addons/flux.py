"""Flux: its controllers, what they read, and in which order they apply it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from derive import versions
from derive.addons.chart import OUTSIDE_MESH, Addition, Measured, Release, resources
from derive.addons.flows import API_SERVER, Flow, Hosts, Pods, Rule
from derive.quantities import duration
from derive.shapes import AddonPlan, Deployment, SecretPlan
from derive.versions import ChartVersion
from manifests.base import Manifest, manifest
from model import Flux
from model.gitops import LAYERS

NAME: Final = "flux"
NAMESPACE: Final = versions.FLUX.namespace
SOURCES: Final = "flux-sources"
SYNC: Final = "flux-sync"
DEPLOY_KEY: Final = "flux-system"
"""The Secret with the deploy key."""
CONTROLLERS: Final = ("source-controller", "kustomize-controller", "helm-controller")
METRICS: Final = 8080
ARTIFACTS: Final = 9090
"""Where the source controller hands out what it fetched."""
_SOURCE: Final = "source.toolkit.fluxcd.io/v1"


def addition(deployment: Deployment, flux: Flux) -> Addition:
    """The three controllers that something is asked of. K3s installs them; they install the rest."""
    own = {name: {"app": name} for name in CONTROLLERS}
    sources = Flow((Pods(own["source-controller"]),), (ARTIFACTS,))
    # A repository's index says where its charts are: often on yet another server.
    outside = (Flow(Hosts((flux.host,)), (flux.port,)), Flow(Hosts(("*",)), (443,)))
    return Addition(
        release=Release(
            name=NAME,
            source=versions.FLUX,
            values=values(),
            requires=("cilium",),
            ready=tuple(f"deployment/{name}" for name in CONTROLLERS),
            by_cluster=True,
        ),
        rules=(
            Rule("source-controller", own["source-controller"], (), (API_SERVER, *outside)),
            Rule("kustomize-controller", own["kustomize-controller"], (), (API_SERVER, sources)),
            Rule("helm-controller", own["helm-controller"], (), (API_SERVER, sources)),
            # The chart's hooks, before an installation and an upgrade.
            Rule("flux-check", {"app.kubernetes.io/part-of": "flux"}, (), (API_SERVER,)),
        ),
        secrets=(
            SecretPlan(
                name=DEPLOY_KEY,
                namespace=NAMESPACE,
                literals={"known_hosts": "".join(f"{line}\n" for line in flux.keys)},
                key_pair=True,
            ),
        ),
        measured=tuple(Measured(labels, METRICS) for labels in own.values()),
    )


def values() -> dict[str, Any]:
    absent = {"create": False}
    controller = {"labels": OUTSIDE_MESH, "resources": resources("50m", "64Mi", "512Mi")}
    return {
        "installCRDs": True,
        "sourceController": controller,
        "kustomizeController": controller,
        "helmController": controller,
        "notificationController": absent,
        "imageAutomationController": absent,
        "imageReflectionController": absent,
        # The namespace is closed by policies of its own.
        "policies": absent,
        "prometheus": {"podMonitor": absent},
    }


def repository_name(repo: str) -> str:
    """``https://helm.releases.hashicorp.com`` -> ``hashicorp``; of GitHub's pages, the account and, unless that is what
    everybody calls it, the repository."""
    url = urlsplit(repo)
    labels, path = (url.hostname or "").split("."), url.path.strip("/").split("/")
    if url.scheme == "oci":
        return "-".join((labels[-2], *path))
    if labels[-2:] != ["github", "io"]:
        return labels[-2]
    return labels[0] if path == ["helm-charts"] else "-".join((labels[0], *path))


def sources(flux: Flux, plans: Iterable[AddonPlan]) -> AddonPlan:
    """A HelmRepository for each place that charts of HelmReleases come from."""
    named = {
        item["spec"]["chart"]["spec"]["sourceRef"]["name"]
        for plan in plans
        for item in plan.objects
        if item["kind"] == "HelmRelease"
    }
    known = {repository_name(value.repo): value.repo for value in vars(versions).values() if _is_chart(value)}
    objects = [
        manifest(
            _SOURCE,
            "HelmRepository",
            name,
            NAMESPACE,
            spec={
                **({"type": "oci"} if known[name].startswith("oci://") else {}),
                "interval": duration(flux.releases),
                "url": known[name],
            },
        )
        for name in sorted(named)
    ]
    return AddonPlan(SOURCES, objects=(), requires=(NAME,), settings=tuple(objects))


def _is_chart(value: object) -> bool:
    return isinstance(value, ChartVersion)


def tree(deployment: Deployment, flux: Flux) -> str:
    """The folder of the repository that one environment follows."""
    return f"{flux.path}/{deployment.prefix}"


def sync(deployment: Deployment, flux: Flux) -> AddonPlan:
    """The repository, and each layer after the one that it stands on."""
    name = deployment.system.name
    repository = manifest(
        _SOURCE,
        "GitRepository",
        name,
        NAMESPACE,
        spec={
            "interval": duration(flux.interval),
            "url": flux.repository,
            "ref": {"branch": flux.branch},
            "secretRef": {"name": DEPLOY_KEY},
            "timeout": "60s",
        },
    )
    layers = [_layer(deployment, flux, index) for index in range(len(LAYERS))]
    return AddonPlan(SYNC, objects=(), requires=(NAME,), settings=(repository, *layers))


def _layer(deployment: Deployment, flux: Flux, index: int) -> Manifest:
    layer = LAYERS[index]
    before = [{"name": LAYERS[index - 1]}] if index else []
    return manifest(
        "kustomize.toolkit.fluxcd.io/v1",
        "Kustomization",
        layer,
        NAMESPACE,
        spec={
            "interval": duration(flux.layers[layer]),
            "retryInterval": "1m",
            "timeout": "5m",
            "path": f"./{tree(deployment, flux)}/{layer}",
            "prune": True,
            "wait": True,
            "sourceRef": {"kind": "GitRepository", "name": deployment.system.name},
            **({"dependsOn": before} if before else {}),
        },
    )
