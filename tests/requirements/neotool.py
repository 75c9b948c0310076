"""What the tests of Neotool's requirements ask a stack for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.requirements.registered import Manifest, Registered

HOME = "production"
ACCOUNT = "0123456789abcdef0123456789abcdef"


def release(stack: Registered, name: str, namespace: str = HOME) -> Manifest:
    """The ``spec`` of a HelmRelease."""
    found: Manifest = stack.spec("HelmRelease", namespace, name)
    return found


def values(stack: Registered, name: str, namespace: str = HOME) -> dict[str, Any]:
    found: dict[str, Any] = release(stack, name, namespace)["values"]
    return found


def peers(policy: Mapping[str, Any], port: int, side: str = "ingress") -> list[Manifest]:
    """Who a policy lets in, or out to, on a port."""
    way = "from" if side == "ingress" else "to"
    return [
        peer
        for rule in policy["spec"].get(side, ())
        if any(item.get("port") == port for item in rule.get("ports", ()))
        for peer in rule.get(way, ())
    ]


def apps(found: list[Manifest]) -> set[str]:
    """The names among them, of pods of the same namespace."""
    return {peer["podSelector"]["matchLabels"].get("app", "") for peer in found if set(peer) == {"podSelector"}}
