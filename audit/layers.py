"""The layers of a connection, and the questions that are asked at each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from audit.population import Mask, Port
from audit.requests import Request

NETWORK: Final = "network"
EGRESS: Final = "egress policy"
INGRESS: Final = "ingress policy"
MTLS: Final = "mutual TLS"
AUTHORIZATION: Final = "authorization"
ROUTING: Final = "mesh routing"
LAYERS: Final = (NETWORK, EGRESS, INGRESS, MTLS, AUTHORIZATION, ROUTING)
ANY_OTHER: Final[Port] = ("TCP", 7)
"""Stands for every port that nobody names (7 is the echo service's)."""


@dataclass(frozen=True, slots=True)
class Question:
    """Who reaches this port of this actor, with this request? No request: whatever is sent."""

    callee: int
    port: Port
    request: Request | None = None


Verdicts = Mapping[str, Mask]
"""Layer -> the callers that it lets pass."""


def port_name(port: Port) -> str:
    if port == ANY_OTHER:
        return "any other port"
    return str(port[1]) if port[0] == "TCP" else f"{port[0]} {port[1]}"
