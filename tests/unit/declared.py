"""Small declarations that the tests of the derivations share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from derive.application import ApplicationPlan, application
from derive.shapes import Deployment, Facts, Part
from manifests.base import Manifest
from model import DatabaseHosts, Environment, Gp3, HubAndSpoke, Nodes, PostgreSQL, Service, System

HUB = HubAndSpoke(hub="10.0.0.0/16")


def environment(**changes: Any) -> Environment:
    """One zone, one replica, unless told otherwise."""
    fields: dict[str, Any] = {
        "cidr": "10.1.0.0/16",
        "domain": "dev.shop.example",
        "servers": Nodes(instance="t3.medium", count=1),
        "pools": {"agents": Nodes(instance="t3.large", count=2)},
        "databases": DatabaseHosts(instance="t3.micro", volume=Gp3(size=20)),
    }
    return Environment(**{**fields, **changes})


def shop(**changes: Any) -> System:
    """Two services, ``web`` (3000) and ``orders`` (3001, metrics on 9090), that know nothing of each other."""
    fields: dict[str, Any] = {
        "name": "shop",
        "domain": "shop.example",
        "services": (
            Service(name="web", port=3000, tier="frontend"),
            Service(name="orders", port=3001, metrics=9090),
        ),
        "network": HUB,
        "environments": {"dev": environment()},
    }
    return System(**{**fields, **changes})


def deployed(system: System, env: str = "dev", **facts: Any) -> Deployment:
    return Deployment(system, env, system.environments[env], Facts(region="eu-central-1", **facts))


def derived(system: System, env: str = "dev", **facts: Any) -> ApplicationPlan:
    """The plan, with every database outside the cluster named as the network would name it."""
    hosts = {store.name: f"{store.name}.database.internal" for store in system.stores if isinstance(store, PostgreSQL)}
    return application(deployed(system, env, **facts), hosts)


def parts(plan: ApplicationPlan) -> Iterator[Part]:
    yield from plan.namespaces
    yield from plan.services
    yield from plan.stores
    yield from plan.edge


def objects(plan: ApplicationPlan, kind: str) -> dict[str, Manifest]:
    """Objects of a kind by name (the tests' systems have one namespace)."""
    return {item["metadata"]["name"]: item for part in parts(plan) for item in part.objects if item["kind"] == kind}


def container(plan: ApplicationPlan, name: str) -> Manifest:
    """The first container of a Deployment."""
    found: Manifest = objects(plan, "Deployment")[name]["spec"]["template"]["spec"]["containers"][0]
    return found


def variables(plan: ApplicationPlan, name: str) -> Mapping[str, Any]:
    """A service's environment: literal values, or ``(secret, key)``."""
    result: dict[str, Any] = {}
    for entry in container(plan, name)["env"]:
        reference = entry.get("valueFrom", {}).get("secretKeyRef")
        result[entry["name"]] = (reference["name"], reference["key"]) if reference else entry["value"]
    return result
