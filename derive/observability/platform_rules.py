"""Alert rules of what is under the services: nodes that nobody adds to, and the ingress where there is no mesh."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from derive.observability import queries
from derive.observability.alert import Severity, alert
from derive.observability.scope import Scope

SLOW: Final = 1
"""Seconds: what a person notices as waiting (J. Nielsen, Usability Engineering, 1993, ch. 5)."""
NODE: Final = "{{ $labels.instance }}"
SHARE: Final = "{{ $value | humanizePercentage }}"


def nodes(scope: Scope) -> Iterator[dict[str, Any]]:
    """Of a cluster that does not grow by itself; elsewhere a full node is replaced or joined by another."""
    found: tuple[tuple[str, str, str, str, Severity, str, str], ...] = (
        (
            "NodeCpuHigh",
            f"{queries.node_cpu()} > 0.9",
            "15m",
            f"{NODE} uses {SHARE} of its processors",
            "warning",
            "Everything on it answers later.",
            "kubectl top pod -A --sort-by=cpu; lower what need not run, or give the environment a larger instance.",
        ),
        (
            "NodeMemoryHigh",
            f"{queries.node_memory()} > 0.9",
            "10m",
            f"{NODE} uses {SHARE} of its memory",
            "critical",
            "When it is used up, the kernel ends whichever process asks next.",
            "kubectl top pod -A --sort-by=memory; then the environment's instance.",
        ),
        (
            "NodeDiskFilling",
            f"{queries.node_disk()} > 0.85",
            "10m",
            f"{{{{ $labels.mountpoint }}}} of {NODE} is {SHARE} full",
            "critical",
            "Volumes are directories of this disk; the kubelet evicts pods before it is full.",
            "du -xsh /var/lib/rancher/k3s/storage/* names the volume; then raise the disk in the environment.",
        ),
    )
    for name, expression, lasting, summary, severity, meaning, first in found:
        yield alert(name, expression, lasting, severity, scope, summary, meaning, first)


def doors(scope: Scope) -> Iterator[dict[str, Any]]:
    """By what the ingress counts: requests to each service behind it, and how they ended."""
    named = "{{ $labels.exported_service }}"
    yield alert(
        "ErrorRateHigh",
        f"{queries.door_errors()} > 0.05",
        "5m",
        "critical",
        scope,
        f"{named} answers {SHARE} of its requests with an error",
        "More than 5% of what came in by the ingress has failed for five minutes.",
        "Its logs in Grafana, then those of what it calls; roll back the last release.",
    )
    yield alert(
        "LatencyHigh",
        f"{queries.door_latency(0.95)} > {SLOW}",
        "10m",
        "warning",
        scope,
        f"{named} is slow",
        "One in twenty requests by the ingress takes longer than {{ $value | humanizeDuration }}.",
        "Compare with its callees and the database on the dashboards; look for CPU throttling.",
    )


def sealed(scope: Scope) -> Iterator[dict[str, Any]]:
    """A member that restarts is sealed until people come, and a sealed one answers no scrape."""
    yield alert(
        "VaultSealed",
        f'up{{namespace="{scope.sealed}",pod=~"vault-[0-9]+"}} == 0',
        "5m",
        "critical",
        scope,
        "{{ $labels.pod }} is sealed, or does not run",
        "Secrets that are there stay as they are; changed values, and those of new namespaces, do not arrive.",
        f"kubectl -n {scope.sealed} exec -it {{{{ $labels.pod }}}} -- vault operator unseal, three times, with "
        "different keys (runbook Vault).",
    )
