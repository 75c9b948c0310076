"""Argo Rollouts: a Deployment's place is taken where a release needs more than replacing pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from manifests.apps import REVISIONS
from manifests.base import Manifest, compact, manifest, match_labels

API = "argoproj.io/v1alpha1"


def blue_green(active: str, preview: str) -> Manifest:
    """Both versions run; a promotion switches ``active`` to the new one at once."""
    return {"blueGreen": {"activeService": active, "previewService": preview, "autoPromotionEnabled": False}}


def canary(
    stages: Sequence[int], pause: int, routes: Mapping[str, Sequence[str]], rule: str | None, subsets: tuple[str, str]
) -> Manifest:
    """Traffic in ``stages`` percent with ``pause`` seconds between.

    ``routes``: the VirtualServices and the names of their routes whose weights are moved; ``rule``: the
    DestinationRule with ``subsets`` (stable, canary). Without a rule the share of pods decides.
    """
    steps: list[Manifest] = []
    for stage in stages:
        steps.append({"setWeight": stage})
        if stage < 100:
            steps.append({"pause": {"duration": f"{pause}s"}})
    routing = None
    if rule:
        routing = {
            "istio": {
                "virtualServices": [{"name": name, "routes": list(names)} for name, names in routes.items()],
                "destinationRule": {"name": rule, "stableSubsetName": subsets[0], "canarySubsetName": subsets[1]},
            }
        }
    return {"canary": compact(steps=steps, trafficRouting=routing)}


def rollout(
    name: str,
    namespace: str,
    selector: Mapping[str, str],
    template: Manifest,
    replicas: int | None,
    strategy: Manifest,
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    """``replicas`` absent: an autoscaler owns the number."""
    spec = compact(
        replicas=replicas,
        revisionHistoryLimit=REVISIONS,
        selector=match_labels(selector),
        strategy=strategy,
        template=template,
    )
    return manifest(API, "Rollout", name, namespace, labels, spec=spec)
