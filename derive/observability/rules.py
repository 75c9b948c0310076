"""Alert rules, derived from what a system declares to have: services, time limits, stores, logs, backups.

Each says how bad it is, what happened, what it means, and what to do first. Thresholds are those of a system that
people use all day; a system that needs others changes them here, for all its environments alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from derive.observability import egress_rules, platform_rules, queries, security_rules
from derive.observability.alert import Severity, alert
from derive.observability.monitors import API
from derive.observability.queries import one_of
from derive.observability.scope import Scope
from derive.observability.store_rules import archives, store_groups
from manifests.base import Manifest, manifest
from model.base import span

NAMED: Final = "{{ $labels.destination_service_name }}"
SLOW: Final = 1000
"""Milliseconds: what a person notices as waiting (J. Nielsen, Usability Engineering, 1993, ch. 5)."""


def prometheus_rule(scope: Scope) -> Manifest:
    groups = [
        ("services", list(_services(scope))),
        ("traffic", list(_traffic(scope)) if scope.mesh else []),
        ("ingress", list(platform_rules.doors(scope)) if scope.ingress else []),
        ("nodes", list(platform_rules.nodes(scope)) if scope.fixed else []),
        ("vault", list(platform_rules.sealed(scope)) if scope.sealed else []),
        ("egress", [*egress_rules.recordings(), *egress_rules.alerts(scope)] if scope.egress else []),
        *store_groups(scope),
        ("security", list(security_rules.attempts(scope)) if scope.mesh else []),
        ("declared", list(security_rules.declared(scope))),
        ("logs", list(_logs(scope))),
        ("jobs", list(_jobs(scope))),
        ("backups", [*archives(scope), *(_backups() if scope.backups else ())]),
    ]
    return manifest(
        API,
        "PrometheusRule",
        f"{scope.system}-alerts",
        scope.home,
        spec={"groups": [{"name": f"{scope.system}-{name}", "rules": rules} for name, rules in groups if rules]},
    )


def _services(scope: Scope) -> Iterator[dict[str, Any]]:
    yield from _down(scope)
    if scope.autoscaled:
        where, current = one_of("namespace", scope.spaces), "kube_horizontalpodautoscaler_status_current_replicas"
        yield alert(
            "AutoscalerAtLimit",
            f"{current}{{{where}}} >= kube_horizontalpodautoscaler_spec_max_replicas{{{where}}}",
            "15m",
            "warning",
            scope,
            "{{ $labels.horizontalpodautoscaler }} has as many pods as it may have",
            "More load than this is not answered by more pods: {{ $value }} have run for a quarter of an hour.",
            "Look for the cause of the load; then raise the service's scale.maximum, and the nodes' with it.",
        )
    yield alert(
        "PodRestarts",
        f"{queries.restarts(scope.spaces)} > 3",
        "0m",
        "warning",
        scope,
        "{{ $labels.pod }} restarts again and again",
        "Container {{ $labels.container }} restarted {{ $value | humanize }} times within an hour.",
        "kubectl -n {{ $labels.namespace }} logs {{ $labels.pod }} -c {{ $labels.container }} --previous; "
        "exit code 137 is a memory limit that is too low.",
    )


def _jobs(scope: Scope) -> Iterator[dict[str, Any]]:
    """Scheduled services that have not succeeded for three of their intervals."""
    for name, (space, interval) in scope.jobs.items():
        limit = int(3 * interval.total_seconds())
        last = f'kube_cronjob_status_last_successful_time{{namespace="{space}",cronjob="{name}"}}'
        yield alert(
            "JobLate",
            f"time() - max by (namespace, cronjob) ({last}) > {limit}",
            "1m",
            "critical",
            scope,
            "{{ $labels.cronjob }} has not succeeded for {{ $value | humanizeDuration }}",
            f"It is due every {span(interval)}; what it does is not being done.",
            f"kubectl -n {space} get jobs, then the logs of the last one: what it calls, or is to prove itself with.",
        )


def _down(scope: Scope) -> Iterator[dict[str, Any]]:
    """Deployments, as the cluster counts them; and what the controller of releases runs, as it counts them itself (its
    own namespace is the label ``namespace``)."""
    first = (
        "look for failed pulls, refused quotas, failing probes. Roll back with the previous image tag in the stack's "
        "settings."
    )
    if scope.deployments:
        where = f"{one_of('namespace', scope.spaces)},{one_of('deployment', scope.deployments)}"
        yield alert(
            "ServiceDown",
            f"kube_deployment_status_replicas_available{{{where}}} == 0",
            "5m",
            "critical",
            scope,
            "{{ $labels.deployment }} has no pod that is ready",
            "Nothing has answered for {{ $labels.deployment }} in {{ $labels.namespace }} for five minutes.",
            f"kubectl -n {{{{ $labels.namespace }}}} describe deployment {{{{ $labels.deployment }}}}; {first}",
        )
    if scope.rollouts:
        where = f"{one_of('exported_namespace', scope.spaces)},{one_of('name', scope.rollouts)}"
        yield alert(
            "ReleasedServiceDown",
            f"rollout_info_replicas_available{{{where}}} == 0",
            "5m",
            "critical",
            scope,
            "{{ $labels.name }} has no pod that is ready",
            "Nothing has answered for {{ $labels.name }} in {{ $labels.exported_namespace }} for five minutes.",
            f"kubectl -n {{{{ $labels.exported_namespace }}}} describe rollout {{{{ $labels.name }}}}; {first}",
        )


def _traffic(scope: Scope) -> Iterator[dict[str, Any]]:
    spaces = scope.spaces
    errors = queries.error_rate(spaces, "5m")
    steps: tuple[tuple[str, float, str, Severity], ...] = (
        ("ErrorRateHigh", 0.05, "5m", "critical"),
        ("ErrorRateRaised", 0.01, "15m", "warning"),
    )
    for name, threshold, lasting, severity in steps:
        yield alert(
            name,
            f"{errors} > {threshold:g}",
            lasting,
            severity,
            scope,
            f"{NAMED} answers {{{{ $value | humanizePercentage }}}} of its requests with an error",
            f"More than {threshold:.0%} of the requests to {NAMED} have failed for {lasting}.",
            "Service Mesh Overview shows which callee fails first along the path; then the logs of that service "
            "and its recent releases.",
        )
    yield alert(
        "LatencyHigh",
        f"{queries.latency(0.95, spaces, '5m', scope.polled)} > {SLOW}",
        "10m",
        "warning",
        scope,
        f"{NAMED} is slow",
        f"One in twenty requests to {NAMED} takes longer than {{{{ $value | humanize }}}} ms.",
        "Compare with its callees and its database on the dashboards; look for CPU throttling and for full "
        "connection pools.",
    )
    if scope.timeouts:
        yield alert(
            "TimeoutNear",
            "\nor\n".join(_near_timeouts(scope)),
            "5m",
            "critical",
            scope,
            f"Callers of {NAMED} are about to give up",
            "One request in a hundred takes {{ $value | humanize }} ms, more than four fifths of the time that its "
            "callers wait.",
            "Shed load before retries multiply it: scale out, or open the circuit by a lower connection limit.",
        )
    yield alert(
        "CallsRefused",
        f"{queries.refused(spaces)} > 1",
        "10m",
        "warning",
        scope,
        f"{NAMED} refuses {{{{ $labels.source_workload }}}}",
        "A caller that the declaration does not name keeps trying, or lost its identity.",
        "Declare the call if it is meant; otherwise find out who runs in {{ $labels.source_workload }}.",
    )


def _near_timeouts(scope: Scope) -> Iterator[str]:
    """One comparison per time limit, for the services that have it."""
    for limit in sorted(set(scope.timeouts.values())):
        names = sorted(name for name, timeout in scope.timeouts.items() if timeout == limit)
        where = f'reporter="source",{one_of("destination_service_name", names)}'
        rate = f"rate(istio_request_duration_milliseconds_bucket{{{where}}}[5m])"
        tail = f"histogram_quantile(0.99, sum by (destination_service_name, le) ({rate}))"
        yield f"{tail} > {int(limit.total_seconds() * 800)}"


def _logs(scope: Scope) -> Iterator[dict[str, Any]]:
    if scope.logs == "loki":
        yield alert(
            "LogsLost",
            "sum by (pod) (increase(loki_write_dropped_entries_total[15m])) > 0",
            "0m",
            "warning",
            None,
            "{{ $labels.pod }} gave up sending logs",
            "Entries of its node are missing in Loki.",
            f"kubectl -n kube-system logs {{{{ $labels.pod }}}}; check Loki's health in {scope.platform[0]}.",
        )
    if scope.logs != "opensearch":
        return
    yield alert(
        "LogsLost",
        "sum by (pod) (increase(fluentbit_output_retries_failed_total[15m])) > 0",
        "0m",
        "warning",
        None,
        "{{ $labels.pod }} gave up sending logs",
        "Entries of its node are missing in OpenSearch.",
        "kubectl -n logging logs {{ $labels.pod }}; check the health and the free space of OpenSearch.",
    )


def _backups() -> Iterator[dict[str, Any]]:
    yield alert(
        "ClusterBackupFailed",
        'velero_backup_last_status{schedule!=""} != 1',
        "15m",
        "critical",
        None,
        "The last backup of the cluster by {{ $labels.schedule }} failed",
        "Objects and volumes can be restored as they were before it only.",
        "velero backup get; velero backup describe NAME --details; check the bucket and the workers' rights to it.",
    )
