"""Every derived object of a built-in kind is valid for the API server, strictly: an unknown field is an error."""

from __future__ import annotations

from collections.abc import Callable

import kubernetes_validate  # type: ignore[import-untyped]  # the package ships no types
import pytest

from derive.application import ApplicationPlan, application
from model import (
    ArgoRollouts,
    Backup,
    Canary,
    External,
    Kafka,
    MySQL,
    NetworkPolicies,
    NoMesh,
    Platform,
    PostgreSQL,
    RabbitMQ,
    Redis,
    Route,
    Scale,
    Schedule,
    Service,
    minutes,
)
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed, derived, environment, parts, shop
from tests.unit.replicated import replicated

HOSTS = {name: f"{name}.database.internal" for name in ("userdb", "trainingdb", "scheduledb", "progressdb")}
BUILT_IN = ("v1", "apps/v1", "batch/v1", "autoscaling/v2", "policy/v1", "networking.k8s.io/v1")
VERSION = "1.36"


def everything() -> ApplicationPlan:
    """What FitSync does not declare."""
    return derived(
        shop(
            stores=(
                PostgreSQL(name="orderdb"),
                Redis(name="cache", in_mesh=False),
                Redis(name="sessions", members=3),
                RabbitMQ(name="events", backup=Backup(schedule="0 3 * * *")),
                Kafka(name="stream", brokers=3),
                MySQL(name="accounts", backup=Backup(schedule="0 3 * * *")),
            ),
            services=(
                Service(name="web", port=3000, tier="frontend", release=Canary()),
                Service(
                    name="orders",
                    port=3001,
                    uses=("orderdb", "cache", "sessions", "events", "accounts", "stream"),
                    scale=Scale(maximum=4, memory=80),
                ),
                Service(name="nightly", schedule=Schedule(cron="0 3 * * *", deadline=minutes(30)), vertical="Off"),
            ),
            externals=(External(name="mail", hosts=("smtp.example.com",), port=587, protocol="TCP", used_by=("web",)),),
            routes=(Route(host="@", to="web"),),
            platform=Platform(cni=NetworkPolicies(), addons=(ArgoRollouts(),)),
            environments={"dev": environment(autoscale=True, replicas=2)},
        )
    )


PLANS: dict[str, Callable[[], ApplicationPlan]] = {
    "dev": lambda: application(deployed(SYSTEM, "dev"), HOSTS),
    "prod": lambda: application(deployed(SYSTEM, "prod"), HOSTS),
    "in the cluster": lambda: application(deployed(SYSTEM, placements=dict.fromkeys(HOSTS, "cluster")), {}),
    "everything": everything,
    "replicas and an archive": lambda: application(deployed(replicated()), {}),
    "no mesh": lambda: derived(shop(platform=Platform(mesh=NoMesh()))),
}


@pytest.mark.parametrize("name", PLANS)
def test_built_in_objects_are_valid(name: str) -> None:
    found = [item for part in parts(PLANS[name]()) for item in part.objects if item["apiVersion"] in BUILT_IN]
    assert found
    for item in found:
        kubernetes_validate.validate(item, VERSION, strict=True)


@pytest.mark.parametrize("name", PLANS)
def test_names_are_unique_per_kind_and_namespace(name: str) -> None:
    """The second of two objects of one name would silently replace the first."""
    names = [
        (item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"])
        for part in parts(PLANS[name]())
        for item in part.objects
    ]
    assert len(names) == len(set(names))


def test_derivation_is_pure() -> None:
    assert application(deployed(SYSTEM, "prod"), HOSTS) == application(deployed(SYSTEM, "prod"), HOSTS)
