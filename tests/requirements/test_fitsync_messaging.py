"""FitSync, messaging: who publishes what, who hears it, and what Redis is used for."""

from __future__ import annotations

import pytest

from tests.requirements.fitsync import BACKENDS, PORTS
from tests.requirements.registered import Registered, environment

BOOKINGS = ("booking.created", "booking.cancelled", "booking.completed")
PROGRAMS = ("program.assigned", "program.completed")
PROGRESS = ("achievement.earned", "milestone.reached")


def variable(stack: Registered, name: str) -> dict[str, set[str]]:
    """Service -> the comma-separated entries of a variable, of the services that have it."""
    found = {}
    for service in PORTS:
        (container,) = stack.spec("Deployment", "fitsync", service)["template"]["spec"]["containers"]
        text = environment(container).get(name)
        if text is not None:
            found[service] = set(text.split(","))
    return found


@pytest.mark.rows("FS-MSG-01")
def test_publishers_know_their_channels(spoke: Registered) -> None:
    assert variable(spoke, "EVENTS_PUBLISH") == {
        "schedule-service": set(BOOKINGS),
        "training-service": set(PROGRAMS),
        "progress-service": set(PROGRESS),
    }


@pytest.mark.rows("FS-MSG-02")
def test_subscribers_know_theirs(spoke: Registered) -> None:
    assert variable(spoke, "EVENTS_SUBSCRIBE") == {
        "notification-service": {*BOOKINGS, *PROGRAMS, *PROGRESS},
        "progress-service": {*BOOKINGS, *PROGRAMS},
    }


@pytest.mark.rows("FS-MSG-03", "FS-MSG-05")
def test_the_gateway_and_the_five_services_share_one_redis(spoke: Registered) -> None:
    """What one pod keeps in its memory, a revoked token or a counter, the others would not know."""
    assert variable(spoke, "REDIS_HOST") == {name: {"redis.fitsync.svc.cluster.local"} for name in BACKENDS}
    assert variable(spoke, "REDIS_PORT") == {name: {"6379"} for name in BACKENDS}
    assert list(spoke.manifests("StatefulSet", "fitsync")) == ["redis"]


@pytest.mark.rows("FS-MSG-04")
def test_user_profiles_are_cached_for_fifteen_minutes(spoke: Registered) -> None:
    assert variable(spoke, "PROFILE_CACHE_TTL") == {name: {"900"} for name in BACKENDS}
