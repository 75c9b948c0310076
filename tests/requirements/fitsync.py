"""FitSync as its requirements draw it, written out: the tests compare with this, never with the declaration."""

from __future__ import annotations

SPOKES = {"dev": "10.1", "stage": "10.2", "prod": "10.3"}
"""Environment -> first half of its addresses."""
HUB_RANGE = "10.0.0.0/16"
ZONES = {"dev": "a", "stage": "a", "prod": "abc"}
"""Environment -> letters of its availability zones."""
TIERS = {"public": 1, "k8s": 2, "db": 3}
"""Tier -> third number of its subnet in the first zone; each further zone adds ten."""
DOMAINS = {"dev": "dev.fitsync.com", "stage": "stage.fitsync.com", "prod": "fitsync.com"}
REPLICAS = {"dev": 1, "stage": 2, "prod": 3}

PORTS = {
    "frontend": 3000,
    "api-gateway": 4000,
    "user-service": 3001,
    "training-service": 3002,
    "schedule-service": 8003,
    "progress-service": 8004,
    "notification-service": 3005,
}
PYTHON = frozenset({"schedule-service", "progress-service"})
BACKENDS = tuple(name for name in PORTS if name != "frontend")
"""api-gateway and the five services: those that use Redis and publish metrics."""
INTERNAL = tuple(name for name in BACKENDS if name != "api-gateway")
CALLS = {
    "frontend": {"api-gateway"},
    "api-gateway": {
        "user-service",
        "training-service",
        "schedule-service",
        "progress-service",
        "notification-service",
    },
    "user-service": set[str](),
    "training-service": {"user-service"},
    "schedule-service": {"user-service", "training-service"},
    "progress-service": {"user-service", "schedule-service", "training-service"},
    "notification-service": {"user-service", "training-service", "schedule-service"},
}
"""Caller -> whom it may call. Every other call is refused."""
DATABASES = {
    "userdb": "user-service",
    "trainingdb": "training-service",
    "scheduledb": "schedule-service",
    "progressdb": "progress-service",
}
"""Database -> its only service."""


def subnets(stack: str, tier: str) -> list[str]:
    """Ranges of an environment's tier, one per zone."""
    return [f"{SPOKES[stack]}.{10 * number + TIERS[tier]}.0/24" for number in range(len(ZONES[stack]))]


def callers(service: str) -> set[str]:
    """Who may call a service."""
    return {caller for caller, callees in CALLS.items() if service in callees}
