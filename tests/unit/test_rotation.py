"""A generated value that is made anew reaches whoever reads it, and nobody else is disturbed."""

from __future__ import annotations

from derive.labels import ROTATED
from derive.plan import SystemPlan, system_plan
from derive.shapes import Part
from manifests.base import Manifest
from model import MySQL, Redis, SecretKey, Service
from tests.unit.declared import deployed, shop

TOKEN = SecretKey(secret="session", key="token")
SYSTEM = shop(
    services=(
        Service(name="web", port=3000, env={"TOKEN": TOKEN}),
        Service(name="orders", port=3001, uses=("cache",)),
        Service(name="nightly", uses=("cache",), env={"TOKEN": TOKEN}),
    ),
    stores=(Redis(name="cache"), MySQL(name="ledger")),
)


def templates(plan: SystemPlan) -> dict[str, Manifest]:
    parts: tuple[Part, ...] = (*plan.application.services, *plan.application.stores)
    return {
        item["metadata"]["name"]: item["spec"]["template"]
        for part in parts
        for item in part.objects
        if item["kind"] in ("Deployment", "StatefulSet")
    }


def rotated(**rotations: int) -> dict[str, str]:
    """Annotation by workload."""
    named = {name.replace("_", "-"): number for name, number in rotations.items()}
    found = templates(system_plan(deployed(SYSTEM, rotations=named)))
    return {
        name: template["metadata"]["annotations"][ROTATED]
        for name, template in found.items()
        if ROTATED in template["metadata"].get("annotations", {})
    }


def test_who_reads_the_value_starts_again_and_nobody_else() -> None:
    """A process reads its variables once: without a restart the old password is used until it fails."""
    assert rotated(session_token=2) == {"web": "session-token=2", "nightly": "session-token=2"}
    assert rotated(cache_default=3).keys() == {"cache", "orders", "nightly"}
    assert rotated(session_token=2, cache_default=3)["nightly"] == "cache-default=3,session-token=2"


def test_without_rotations_the_plan_stays_as_it_was() -> None:
    assert rotated() == {}
    plain, other = system_plan(deployed(SYSTEM)), system_plan(deployed(SYSTEM, rotations={"ledger-root": 2}))
    assert templates(plain)["web"] == templates(other)["web"]
