"""Argo Rollouts: a Deployment's place is taken where a release needs more than replacing pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from manifests.apps import REVISIONS
from manifests.base import Manifest, compact, manifest, match_labels

API = "argoproj.io/v1alpha1"


def blue_green(
    active: str, preview: str, promoted: bool, keep: int, before: Sequence[Manifest], after: Sequence[Manifest]
) -> Manifest:
    """Both versions run; a promotion switches ``active`` to the new one at once, and back for ``keep`` seconds.

    ``promoted``: whether the controller does so by itself once the analysis ``before`` succeeded; the one ``after``
    switches back when it fails.
    """
    return {
        "blueGreen": compact(
            activeService=active,
            previewService=preview,
            autoPromotionEnabled=promoted,
            scaleDownDelaySeconds=keep,
            prePromotionAnalysis=_analysis(before) if before else None,
            postPromotionAnalysis=_analysis(after) if after else None,
        )
    }


def weight(percent: int) -> Manifest:
    """A step of a canary: the share of the traffic."""
    return {"setWeight": percent}


def pause(seconds: int | None) -> Manifest:
    """A step of a canary. ``seconds`` absent: until the steps change."""
    return {"pause": {} if seconds is None else {"duration": f"{seconds}s"}}


def canary(
    steps: Sequence[Manifest],
    routes: Mapping[str, Sequence[str]],
    rule: str | None,
    subsets: tuple[str, str],
    analysis: Sequence[Manifest] = (),
) -> Manifest:
    """``routes``: the VirtualServices and the names of their routes whose weights are moved; ``rule``: the
    DestinationRule with ``subsets`` (stable, canary). Without a rule the share of pods decides.

    ``analysis``: what goes on from the first share to the last; its failure ends the release.
    """
    routing = None
    if rule:
        routing = {
            "istio": {
                "virtualServices": [{"name": name, "routes": list(names)} for name, names in routes.items()],
                "destinationRule": {"name": rule, "stableSubsetName": subsets[0], "canarySubsetName": subsets[1]},
            }
        }
    watched = {**_analysis(analysis), "startingStep": 1} if analysis else None
    return {"canary": compact(steps=list(steps), trafficRouting=routing, analysis=watched)}


HASH = "hash"
"""Argument of an analysis: what tells the new version's pods apart."""


def by_template(name: str) -> Manifest:
    """A reference to an AnalysisTemplate."""
    return {"templateName": name}


def _analysis(templates: Sequence[Manifest]) -> Manifest:
    return {
        "templates": list(templates),
        "args": [{"name": HASH, "valueFrom": {"podTemplateHashValue": "Latest"}}],
    }


def analysis_template(name: str, namespace: str, metric: Manifest) -> Manifest:
    """One question about the new version."""
    spec = {"args": [{"name": HASH}], "metrics": [metric]}
    return manifest(API, "AnalysisTemplate", name, namespace, spec=spec)


def prometheus_metric(
    name: str, address: str, query: str, success: str, interval: int, count: int | None, failures: int
) -> Manifest:
    """Asked every ``interval`` seconds, ``count`` times (absent: as long as the release takes). More than ``failures``
    answers that do not satisfy ``success`` fail the analysis."""
    return compact(
        name=name,
        interval=f"{interval}s",
        count=count,
        successCondition=success,
        failureLimit=failures,
        provider={"prometheus": {"address": address, "query": query}},
    )


def job_metric(name: str, template: Manifest, deadline: int) -> Manifest:
    """A Job whose success is the answer; it is tried once, and for ``deadline`` seconds at most."""
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": deadline, "template": template}
    return {"name": name, "provider": {"job": {"spec": spec}}}


def rollout(
    name: str,
    namespace: str,
    selector: Mapping[str, str],
    template: Manifest,
    replicas: int,
    strategy: Manifest,
    deadline: int,
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    """``deadline``: seconds without progress after which a release has failed, and is undone."""
    spec = compact(
        replicas=replicas,
        revisionHistoryLimit=REVISIONS,
        progressDeadlineSeconds=deadline,
        progressDeadlineAbort=True,
        selector=match_labels(selector),
        strategy=strategy,
        template=template,
    )
    return manifest(API, "Rollout", name, namespace, labels, spec=spec)
