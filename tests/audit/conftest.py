"""The stacks of the default system as they are saved once they are up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

import systems
from audit.scope import Scope
from tests.audit.mutations import FEW
from tests.audit.policy_mutations import Site
from tests.platforms import Platforms, platforms

__all__ = ["platforms"]

Documents = dict[str, Any]
REGION = "eu-west-1"
OPERATORS = ("192.168.100.0/24",)
"""As in the stacks' files."""


@pytest.fixture(scope="session")
def documents(platforms: Platforms) -> Documents:
    """Stack -> its export. A test that changes one undoes it."""
    return {stack: platforms.bench(stack).export(stack) for stack in ("hub", "dev", "stage", "prod")}


def scope(environment: str) -> Scope:
    """The default system's environment, with the settings of its stack's file."""
    return Scope(systems.load("fitsync"), environment, REGION, operators=OPERATORS)


@dataclass(frozen=True)
class Audited:
    """A stack whose rules are lost and widened one by one."""

    stack: str
    scope: Scope
    site: Site
    few: int
    """Mutations of each kind of mistake, in a run of all tests."""
    without: frozenset[str]
    """Kinds of which it has none that the ingress or the system's own pods depend on."""
    refers: tuple[str, ...] = ()
    """Stacks that it refers to."""


def _audited(system: str, environment: str, region: str, site: Site, without: str) -> Audited:
    """Of a system whose network is its own."""
    declared = Scope(systems.load(system), environment, region)
    several = (external.hosts for external in declared.system.externals if len(external.hosts) > 1)
    spaces = {declared.namespace(item) for item in (*declared.system.services, *declared.system.stores)}
    databases = [store for store in declared.system.stores if store.kind == "postgresql"]
    inside = {
        f"{store.name}{suffix}.{declared.namespace(store)}.svc.cluster.local"
        for store in databases
        for suffix in ("", "-replicas")
    }
    wild = {route.to for route in declared.system.routes if route.host == "*"}
    covered = {route.host for route in declared.system.routes if route.to in wild} - {"*"}
    full = replace(
        site,
        spaces=tuple(sorted(spaces)),
        doubled=frozenset(store.name for store in databases),
        covered=frozenset(declared.public_host(host) for host in covered),
        alike=frozenset((*(host for hosts in several for host in hosts), *inside)),
        twice=frozenset({f"s3.{region}.amazonaws.com"}),
    )
    return Audited(f"{system}-{environment}", declared, full, 1, frozenset(without.split()))


AUDITED = {
    "fitsync": Audited("dev", scope("dev"), Site(), FEW, frozenset({"NetworkPolicy", "Ingress"}), ("hub",)),
    "gym": _audited("gym", "dev", REGION, Site("gym", "dev.gym.example.com"), "NetworkPolicy Ingress"),
    "orion": _audited(
        "orion",
        "dev",
        "us-east-1",
        Site("orion-system", "api.dev.orion.com", data="orion-data"),
        "CiliumNetworkPolicy CiliumClusterwideNetworkPolicy Gateway",
    ),
}
"""A system joins by its line here."""


@pytest.fixture(scope="session")
def exported(platforms: Platforms) -> Callable[[Audited], Documents]:
    """A system's stacks as they are saved, read once. A test that changes one undoes it."""
    known: dict[str, Documents] = {}

    def export(audited: Audited) -> Documents:
        names = (audited.stack, *audited.refers)
        return known.setdefault(audited.stack, {name: platforms.bench(name).export(name) for name in names})

    return export


@pytest.fixture(scope="session")
def gym(platforms: Platforms) -> Documents:
    """Gym's stacks: their network is their own."""
    return {stack: platforms.bench(stack).export(stack) for stack in ("gym-dev", "gym-prod")}


@pytest.fixture(scope="session")
def myhealth(platforms: Platforms) -> Documents:
    """myHealth's stacks: AWS runs their clusters, and an API stands before them."""
    return {stack: platforms.bench(stack).export(stack) for stack in ("myhealth-dev", "myhealth-prod")}
