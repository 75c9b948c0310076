"""What the cloud publishes is what is declared; the mutations of it are in published_mutations.py."""

from __future__ import annotations

from typing import Any

from audit.published import API, SITE, Published
from audit.resources import Registry, read
from audit.sites import Sites
from tests.audit.conftest import Documents, scope

STACK = "myhealth-prod"


def judged(document: Any, environment: str = "prod") -> set[tuple[str, str]]:
    """Layer and kind of every difference."""
    declared, registry = scope(f"myhealth-{environment}"), Registry(read(document))
    return {(item.layer, item.kind) for item in Published(registry, declared, Sites(registry, declared)).differences()}


def test_what_is_declared_is_no_difference(myhealth: Documents) -> None:
    assert judged(myhealth[STACK]) == set()
    assert judged(myhealth["myhealth-dev"], "dev") == set()


def test_an_api_and_a_site_that_nobody_declared_are_found(myhealth: Documents) -> None:
    """dev's declaration against what production registered: it has other paths and no site."""
    assert {(API, "open"), (API, "closed"), (SITE, "open")} <= judged(myhealth[STACK], "dev")
