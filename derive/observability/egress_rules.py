"""What leaves by the egress gateway: how much to whom, and whether that is out of the ordinary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from derive import naming
from derive.observability.alert import alert
from derive.observability.scope import Scope

BYTES: Final = "egress:sent_bytes:rate5m"
RATE: Final = "egress:sent:rate5m"
GATEWAY: Final = f'reporter="source",source_workload="{naming.EGRESS_GATEWAY}"'
FLOOR: Final = 1
"""Connections and requests in a second below which three times the average is chance."""


def recordings() -> Iterator[dict[str, Any]]:
    """Bytes by destination, which is what AWS charges for; connections and requests by destination."""
    yield {"record": BYTES, "expr": _either("istio_tcp_sent_bytes_total", "istio_request_bytes_sum")}
    yield {"record": RATE, "expr": _either("istio_tcp_connections_opened_total", "istio_requests_total")}


def _either(connections: str, requests: str) -> str:
    """The gateway sees requests where it makes HTTPS of them, and connections otherwise."""
    rates = (f"rate({metric}{{{GATEWAY}}}[5m])" for metric in (connections, requests))
    return f"sum by (destination_service) ({' or '.join(rates)})"


def alerts(scope: Scope) -> Iterator[dict[str, Any]]:
    yield alert(
        "EgressUnusual",
        f"{RATE} > 3 * avg_over_time({RATE}[1h]) and {RATE} > {FLOOR}",
        "5m",
        "warning",
        scope,
        "{{ $labels.destination_service }} is called three times as often as on average",
        "{{ $value | humanize }} connections and requests leave for it in a second.",
        f"The access log of {naming.EGRESS_GATEWAY} in {naming.MESH_NAMESPACE} names the callers; compare with "
        "their releases, and withdraw the external from whoever was taken over.",
    )
