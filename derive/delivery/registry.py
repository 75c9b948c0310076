"""The registry of images: a repository for each service, in the account that an environment owns."""

from __future__ import annotations

from dataclasses import dataclass

from derive import images
from derive.shapes import Deployment


@dataclass(frozen=True)
class RegistryPlan:
    """The repositories and what holds for each of them."""

    repositories: tuple[str, ...]
    """Names, e.g. ``shop/web``."""
    keep: int
    moving_tags: tuple[str, ...]
    protect: bool


def registry(deployment: Deployment) -> RegistryPlan | None:
    """Nothing where the platform has no registry, or where another environment owns the account."""
    declared = deployment.system.platform.registry
    if declared is None or not deployment.environment.owns_account:
        return None
    return RegistryPlan(
        repositories=repositories(deployment),
        keep=declared.keep,
        moving_tags=declared.moving_tags,
        protect=deployment.environment.protect,
    )


def repositories(deployment: Deployment) -> tuple[str, ...]:
    """Names of those that the services' images are in."""
    system = deployment.system
    return tuple(dict.fromkeys(images.repository(service, system.name) for service in system.services))
