"""A system as one environment has it: without the pools of workers that the environment leaves out, its services as the
environment's table changes them, and the ways that follow from what services may do in the cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from derive.identity.rights import ways
from derive.shapes import Deployment
from model import Service, ServiceChange
from model.base import Declared

D = TypeVar("D", bound=Declared)


def fitted(deployment: Deployment) -> Deployment:
    """The same deployment with the pools that are there, and its services as they are there. What names another pool
    runs wherever no taint keeps it off."""
    system, environment, there = deployment.system, deployment.environment, deployment.environment.sizes
    platform = system.platform
    leaving = ways(system, deployment.facts.region)
    if all(pool.name in there for pool in platform.pools) and not environment.services and not leaving:
        return deployment

    def freed(item: D) -> D:
        missing = getattr(item, "pool", None) not in (None, *there)
        return item.model_copy(update={"pool": None}) if missing else item

    def all_freed(items: Sequence[D]) -> tuple[D, ...]:
        return tuple(freed(item) for item in items)

    fitting = platform.model_copy(
        update={
            "pools": tuple(pool for pool in platform.pools if pool.name in there),
            "addons": all_freed(platform.addons),
            "observability": freed(platform.observability),
            "ingress": freed(platform.ingress),
        }
    )
    services = tuple(
        _changed(service, environment.services.get(service.name)) for service in all_freed(system.services)
    )
    parts = {
        "platform": fitting,
        "services": services,
        "stores": all_freed(system.stores),
        "externals": (*system.externals, *leaving),
    }
    return replace(deployment, system=system.model_copy(update=parts))


def _changed(service: Service, change: ServiceChange | None) -> Service:
    if change is None:
        return service
    whole = {"resources": change.resources, "release": change.release, "migrations": change.migrations}
    changed = {name: value for name, value in whole.items() if value}
    return service.model_copy(update={"env": {**service.env, **change.env}, **changed})
