"""What Flux makes of the add-ons: their sources, their order among themselves, and the layer that each belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from derive.addons import flux
from derive.addons.delivery import GATE
from derive.edge.doorman import TRAEFIK
from derive.shapes import AddonPlan, Deployment
from model import Flux
from model.gitops import LayerName

OBSERVED: Final = frozenset(
    {
        "alloy",
        "fluent-bit",
        "grafana",
        "jaeger",
        "kiali-server",
        "kube-prometheus-stack",
        "loki",
        "opensearch",
        "prometheus",
        "prometheus-adapter",
        "prometheus-postgres-exporter",
        "tempo",
    }
)
"""Charts of the layer of observability; all others are infrastructure."""
OWN: Final = frozenset({GATE, flux.NAME, flux.SOURCES, flux.SYNC, f"{flux.NAMESPACE}-namespace", TRAEFIK, "cilium"})
"""What the stack applies in any case: whatever Flux itself stands on."""
Object = Mapping[str, Any]


def layered(deployment: Deployment, delivery: Flux, plans: Sequence[AddonPlan]) -> list[AddonPlan]:
    """The plans in their order, with Flux' sources after Flux, and the repository that it follows at the end."""
    releases = {(plan.name): item for plan in plans for item in plan.objects if item["kind"] == "HelmRelease"}
    found: list[AddonPlan] = []
    for plan in plans:
        found.append(replace(plan, objects=tuple(_ordered(plan, releases)), layer=_layer(plan, releases)))
        if plan.name == flux.NAME:
            found.append(flux.sources(delivery, plans))
    return [*found, flux.sync(deployment, delivery)]


def _layer(plan: AddonPlan, releases: Mapping[str, Object]) -> LayerName | None:
    if plan.name in OWN:
        return None
    release = releases.get(plan.name)
    chart = release["spec"]["chart"]["spec"]["chart"] if release else ""
    return "observability" if chart in OBSERVED else "infrastructure"


def _ordered(plan: AddonPlan, releases: Mapping[str, Object]) -> Iterable[dict[str, Any]]:
    """Each release after those that it requires."""
    before = [
        {"name": required["metadata"]["name"], "namespace": required["metadata"]["namespace"]}
        for name in dict.fromkeys(plan.requires)
        if (required := releases.get(name))
    ]
    for item in plan.objects:
        if item["kind"] == "HelmRelease" and before:
            yield {**item, "spec": {**item["spec"], "dependsOn": before}}
        else:
            yield item
