"""Gym as its requirements draw it, written out: the tests compare with this, never with the declaration."""

from __future__ import annotations

from tests.requirements.registered import Manifest, Registered, containers

RANGES = {"gym-dev": "10.20.0.0/16", "gym-prod": "10.21.0.0/16"}
HOSTS = {"gym-dev": "dev.gym.example.com", "gym-prod": "gym.example.com"}
PORTS = {"frontend": 3000, "admin-panel": 3001, "backend-main": 9084, "backend-stream": 9085}
"""Of HTTP."""
GRPC = {"backend-main": 9083, "backend-stream": 9086}
STORES = {"mysql": 3306, "redis": 6379}
PATHS = {
    "frontend": "/",
    "admin-panel": "/admin",
    "backend-main": "/api/main/",
    "backend-stream": "/api/stream/",
}
CALLS = {
    "frontend": ("backend-main", "backend-stream"),
    "admin-panel": ("backend-main",),
    "backend-main": ("mysql", "redis"),
    "backend-stream": ("mysql", "redis"),
}
"""Closed: what is not here is refused."""
CANARIES = ("backend-main", "backend-stream")
COLOURS = ("frontend", "admin-panel")
"""Released by blue and green."""
IDENTITY = "identity.gym.example.com"


def inside(name: str) -> str:
    return f"{name}.gym.svc.cluster.local"


def served(name: str) -> tuple[int, ...]:
    """Every port that callers may use."""
    return (PORTS[name], *((GRPC[name],) if name in GRPC else ())) if name in PORTS else (STORES[name],)


def callers(name: str) -> set[str]:
    return {caller for caller, callees in CALLS.items() if name in callees}


def workload(stack: Registered, name: str) -> Manifest:
    """What runs the pods of a service or store."""
    found: Manifest = stack.manifest("Rollout" if name in PORTS else "StatefulSet", "gym", name)
    return found


def main_container(stack: Registered, name: str) -> Manifest:
    """The container of the service or the store itself."""
    return containers(workload(stack, name)["spec"]["template"])[0]
