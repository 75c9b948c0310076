"""Limits of the services that names and sizes must fit, each with its source."""

from __future__ import annotations

from typing import Final

from model import DeclarationError

LOAD_BALANCER_NAME: Final = 32
"""Elastic Load Balancing API, CreateLoadBalancer and CreateTargetGroup."""


TARGET_GROUP_PORT: Final = "-6443"
"""What a target group's name has after its load balancer's, at most."""


def balancer(name: str) -> str:
    """A load balancer's name, such that those of its target groups fit, too."""
    fits(f"{name}{TARGET_GROUP_PORT}", LOAD_BALANCER_NAME, "target group")
    return name


def fits(name: str, limit: int, what: str) -> str:
    """``name``, or a DeclarationError that names it and the limit."""
    if len(name) > limit:
        raise DeclarationError(
            f"{what} '{name}' has {len(name)} characters, AWS allows {limit}; "
            "shorten the system's or environment's name"
        )
    return name
