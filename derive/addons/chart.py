"""An add-on that is a Helm chart: what is installed, as which release, and how one knows that it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, Literal

from derive.addons.flows import Rule
from derive.cloud import Grant
from derive.quantities import cpu, millicores
from derive.shapes import SecretPlan
from derive.versions import ChartVersion
from manifests.base import Manifest
from model import minutes

TIMEOUT: Final = minutes(10)
"""Of one Helm operation with its hooks; Helm's own five minutes are short where a node pulls its first images."""
SMALLEST: Final = 50
"""Millicores of the smallest limit."""
OUTSIDE_MESH: Final = {"sidecar.istio.io/inject": "false"}
Level = Literal["restricted", "baseline", "privileged"]
"""Pod Security, from strict to lax."""


@dataclass(frozen=True)
class Release:
    """A chart under a release name, with its values. Values hold no secret, only names of Secrets."""

    name: str
    source: ChartVersion
    values: Mapping[str, Any]
    requires: tuple[str, ...] = ()
    """Add-ons that must work before this one is installed."""
    ready: tuple[str, ...] = ()
    """Workloads of the release that must have rolled out before what follows, e.g. ``deployment/istiod``."""
    bootstrap: bool = False
    """Whether it must come up in a cluster that has no pod network yet."""
    timeout: timedelta = TIMEOUT
    awaited: bool = True
    """Whether its pods become ready by themselves."""
    by_cluster: bool = False
    """Whether the cluster installs it, whatever the platform's delivery is: the delivery's own program."""


@dataclass(frozen=True)
class Measured:
    """Pods whose metrics Prometheus reads: from it follow the monitor and the policies at both ends."""

    selector: Mapping[str, str]
    port: int
    """The container's; not all have a name."""
    path: str = "/metrics"
    tls: bool = False
    """Whether it is served over TLS, by an authority of the stack's own."""
    parameters: Mapping[str, list[str]] = field(default_factory=dict)
    keeps_labels: bool = False
    """Whether its series say themselves whose they are."""


@dataclass(frozen=True)
class Addition:
    """An add-on that was asked for, with all that it brings along."""

    release: Release
    level: Level = "restricted"
    """The strictest Pod Security that its pods keep."""
    rules: tuple[Rule, ...] = ()
    """Its pods' connections. Pods in ``kube-system`` have none: they are part of the cluster itself."""
    before: tuple[Manifest, ...] = ()
    """Objects that the chart's pods need."""
    settings: tuple[Manifest, ...] = ()
    """Objects of kinds that the chart, or one before it, defines, or that ask for what its pods do."""
    secrets: tuple[SecretPlan, ...] = ()
    grants: tuple[Grant, ...] = ()
    measured: tuple[Measured, ...] = ()

    @property
    def namespace(self) -> str:
        return self.release.source.namespace


def housed(source: ChartVersion, namespace: str | None) -> ChartVersion:
    """The chart in another namespace. Absent: in its own."""
    return replace(source, namespace=namespace) if namespace else source


def resources(processor: str, memory: str, memory_limit: str) -> dict[str, Any]:
    """No limit on CPU: what is throttled answers late, and a scrape that is late is a gap in the data."""
    return {"requests": {"cpu": processor, "memory": memory}, "limits": {"memory": memory_limit}}


def limited(values: Any) -> Any:
    """Values whose containers say a limit on CPU, too: where a quota counts limits, one that says none counts with the
    namespace's default, which is meant for applications. Five times what it asks for, and enough to start."""
    if isinstance(values, list | tuple):
        return [limited(item) for item in values]
    if not isinstance(values, Mapping):
        return values
    found = {key: limited(item) for key, item in values.items()}
    asked, limits = found.get("requests"), found.get("limits")
    if isinstance(asked, dict) and isinstance(limits, dict) and "cpu" in asked:
        most = max(5 * millicores(asked["cpu"]), SMALLEST)
        found["limits"] = {"cpu": cpu(most), **limits}
    return found


def pod_security(user: int) -> dict[str, Any]:
    """What Pod Security's ``restricted`` asks of a pod, under a user whose files its volumes become."""
    return {"runAsNonRoot": True, "runAsUser": user, "fsGroup": user, "seccompProfile": {"type": "RuntimeDefault"}}
