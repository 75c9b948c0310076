"""Alert rules of attempts: what a firewall blocks, and tokens that a service does not take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from derive.observability import queries
from derive.observability.alert import alert
from derive.observability.queries import one_of
from derive.observability.scope import Scope

BLOCKED: Final = "waf_filter_tx_interruptions.*"
"""Coraza's counters in the proxy: one for each rule, whose number is part of the name (coraza-proxy-wasm, metrics)."""


def attempts(scope: Scope) -> Iterator[dict[str, Any]]:
    if scope.guarded:
        blocked = f'{{__name__=~"{BLOCKED}",{one_of("app", scope.guarded)}}}'
        yield alert(
            "FirewallBlocks",
            f"sum by (namespace, app) (rate({blocked}[5m])) > 0.2",
            "5m",
            "warning",
            scope,
            "The firewall before {{ $labels.app }} blocks {{ $value | humanize }} requests per second",
            "Somebody looks for weaknesses, or a rule takes an honest request for an attack.",
            "Read the rules' numbers in the proxy's log: kubectl -n {{ $labels.namespace }} logs -l "
            "app={{ $labels.app }} -c istio-proxy.",
        )
    if scope.tokens:
        where = f'response_code="401",{one_of("destination_service_name", scope.tokens)}'
        refused = queries.requests(scope.spaces, where, reporter="destination", window="5m")
        yield alert(
            "TokensRefused",
            f"sum by (destination_service_name) ({refused}) > 1",
            "10m",
            "warning",
            scope,
            "{{ $labels.destination_service_name }} refuses tokens",
            "Callers come without a token, with one that has expired, or with a forged one.",
            "Compare with failed logins; if the keys were made anew, callers log in again by themselves.",
        )


def declared(scope: Scope) -> Iterator[dict[str, Any]]:
    """What the declaration adds."""
    for item in scope.alerts:
        lasting = f"{int(item.lasting.total_seconds())}s"
        found = alert(item.name, item.query, lasting, item.severity, scope, item.summary, item.meaning, item.first)
        if scope.runbooks:
            found["annotations"]["runbook_url"] = f"{scope.runbooks}#{item.name.lower()}"
        yield found
