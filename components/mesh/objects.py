"""Kubernetes objects as the plan says, word for word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.identity.cloud import Cloud, resolved
from derive.shapes import ChartPlan


@dataclass(frozen=True)
class Target:
    """The cluster that objects go to."""

    provider: kubernetes.Provider
    lifetime: pulumi.Resource | None
    """When this is deleted, the cluster is gone and its objects need no deletion of their own. Absent: it stays."""
    cloud: Cloud = field(default_factory=dict)
    """What the references in objects stand for."""
    retained: bool = False
    """Whether objects stay in the cluster when the stack gives them up: somebody else takes them over."""


class KubernetesObject(pulumi.CustomResource):
    """One object of any kind: the manifest is the whole input, its references replaced.

    Its logical name is ``namespace/name`` of the object (``name`` alone where there is no namespace), so that moving it
    between components needs an alias only for its parent.
    """

    def __init__(
        self, manifest: dict[str, Any], target: Target, opts: pulumi.ResourceOptions, moved: Sequence[str] = ()
    ) -> None:
        """``moved``: paths of fields that a controller writes once the object is there."""
        api, metadata = manifest["apiVersion"], manifest["metadata"]
        group = api if "/" in api else f"core/{api}"
        name = "/".join(part for part in (metadata.get("namespace"), metadata["name"]) if part)
        own = pulumi.ResourceOptions(
            provider=target.provider,
            deleted_with=target.lifetime,
            ignore_changes=list(moved) or None,
            retain_on_delete=target.retained or None,
        )
        super().__init__(
            f"kubernetes:{group}:{manifest['kind']}",
            name,
            resolved(manifest, target.cloud) if target.cloud else manifest,
            pulumi.ResourceOptions.merge(opts, own),
        )


def register(
    manifests: Iterable[dict[str, Any]],
    target: Target,
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource] = (),
    protect: bool | None = None,
    moved: Mapping[tuple[str, str], Sequence[str]] | None = None,
) -> list[KubernetesObject]:
    """Register objects under a component; each waits for ``depends_on``. ``moved``: as in the plan's parts."""
    options = pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on), protect=protect)
    return [
        KubernetesObject(
            manifest, target, options, (moved or {}).get((manifest["kind"], manifest["metadata"]["name"]), ())
        )
        for manifest in manifests
    ]


def install(
    chart: ChartPlan, target: Target, parent: pulumi.Resource, depends_on: Sequence[pulumi.Resource] = ()
) -> kubernetes.helm.v3.Release:
    """A chart as a release: installed as a whole or not at all, and awaited."""
    return kubernetes.helm.v3.Release(
        f"{chart.namespace}/{chart.name}",
        name=chart.name,
        chart=chart.chart,
        version=chart.version,
        namespace=chart.namespace,
        repository_opts=kubernetes.helm.v3.RepositoryOptsArgs(repo=chart.repo) if chart.repo else None,
        values=resolved(chart.values, target.cloud) if target.cloud else chart.values,
        atomic=True,
        cleanup_on_fail=True,
        timeout=chart.timeout,
        opts=pulumi.ResourceOptions(
            parent=parent, depends_on=list(depends_on), provider=target.provider, deleted_with=target.lifetime
        ),
    )
