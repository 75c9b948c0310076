"""The project's stacks as they are saved once they are up, and what each of them is held to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pytest

from audit.scope import Scope, helpers_of
from model import Bucket, HubAndSpoke
from sandbox.config import load_config, load_project
from stacks.settings import read
from tests.audit.mutations import FEW
from tests.audit.policy_mutations import Site
from tests.conftest import ROOT
from tests.platforms import Platforms, platforms
from tests.proof import WHOLE
from wheelhouse.audit import scope_of

__all__ = ["platforms"]

Documents = dict[str, Any]


@pytest.fixture(scope="session")
def documents(platforms: Platforms) -> Documents:
    """Stack -> its export. A test that changes one undoes it."""
    return {stack: platforms.bench(stack).export(stack) for stack in ("hub", "dev", "stage", "prod")}


def scope(stack: str) -> Scope:
    """What the stack's file declares."""
    project = load_project(ROOT)
    return scope_of(read(load_config(project, stack, "", {}).values, project.name, stack))


@dataclass(frozen=True)
class Audited:
    """A stack whose rules are lost and widened one by one."""

    stack: str
    without: str = ""
    """Kinds of which it has none that the ingress or the system's own pods depend on."""
    few: int = 1
    """Mutations of each kind of mistake, in a run of all tests."""
    included: tuple[str, ...] = ()
    """Ends of the names of firewall rules that a wider one includes: that such a one is lost changes nothing."""

    @cached_property
    def scope(self) -> Scope:
        return scope(self.stack)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The stack, and those that it refers to."""
        return (self.stack, "hub") if isinstance(self.scope.system.network, HubAndSpoke) else (self.stack,)

    @cached_property
    def site(self) -> Site:
        declared = self.scope
        system, home = declared.system, declared.system.home
        databases = [store for store in system.stores if store.kind == "postgresql"]
        poolers = [pooler.name for store in databases if (pooler := getattr(store, "pooler", None))]
        redis = [store for store in system.stores if store.kind == "redis"]
        wild = {route.to for route in system.routes if route.host == "*"}
        return Site(
            home=home,
            public=next(declared.public_host(route.host) for route in system.routes if route.host != "*"),
            store=f"redis.{declared.namespace(redis[0]) if redis else home}.svc.cluster.local",
            names=frozenset(
                (
                    *(item.name for item in (*system.services, *system.stores)),
                    *poolers,
                    *(helper.name for store in system.stores for helper in helpers_of(store)),
                )
            ),
            called=frozenset(call.callee for call in system.calls),
            spaces=frozenset(
                declared.namespace(item) for item in (*system.services, *system.stores) if not isinstance(item, Bucket)
            ),
            doubled=frozenset(store.name for store in databases),
            covered=frozenset(declared.public_host(route.host) for route in system.routes if route.to in wild),
            alike=frozenset(
                f"{store.name}{suffix}.{declared.namespace(store)}.svc.cluster.local"
                for store in databases
                for suffix in ("", "-replicas")
            ),
            twice=frozenset({f"{mark}s3.{declared.region}.amazonaws.com" for mark in ("", "*.")}),
        )


MESH = "AuthorizationPolicy DestinationRule Gateway PeerAuthentication ServiceEntry Sidecar VirtualService"
CILIUM = "CiliumClusterwideNetworkPolicy CiliumNetworkPolicy"
AUDITED = {
    "fitsync": Audited("dev", "NetworkPolicy Ingress", FEW),
    "gym": Audited("gym-dev", "NetworkPolicy Ingress"),
    "orion": Audited(
        "orion-dev",
        f"{CILIUM} Gateway",
        included=tuple(f"public-nodes-ingress-{port}-edge" for port in (30080, 30081, 30443)),
    ),
    "neotool": Audited("neotool-prod", f"{CILIUM} {MESH}"),
    "myhealth": Audited("myhealth-prod", f"{CILIUM} Ingress", included=("private-nodes-egress-443-control-plane",)),
}
"""A system joins by its line here."""
if WHOLE:  # Where production and development differ in kind.
    AUDITED |= {"gym, production": replace(AUDITED["gym"], stack="gym-prod")}
    AUDITED |= {"myhealth, development": replace(AUDITED["myhealth"], stack="myhealth-dev")}


@pytest.fixture(scope="session")
def exported(platforms: Platforms) -> Callable[[Audited], Documents]:
    """A system's stacks as they are saved, read once. A test that changes one undoes it."""
    known: dict[str, Documents] = {}

    def export(audited: Audited) -> Documents:
        return known.setdefault(audited.stack, {name: platforms.bench(name).export(name) for name in audited.names})

    return export


@pytest.fixture(scope="session")
def gym(platforms: Platforms) -> Documents:
    """Gym's stacks: their network is their own."""
    return {stack: platforms.bench(stack).export(stack) for stack in ("gym-dev", "gym-prod")}


@pytest.fixture(scope="session")
def myhealth(platforms: Platforms) -> Documents:
    """myHealth's stacks: AWS runs their clusters, and an API stands before them."""
    return {stack: platforms.bench(stack).export(stack) for stack in ("myhealth-dev", "myhealth-prod")}
