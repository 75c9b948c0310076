"""The audit as a proof, on random systems: a connection is possible just when it is declared, and whatever single
object is not what the declaration asks for is reported, at the layer that the object is of.

`make proof` looks at thousands; a run of all tests at some dozens of them.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pytest

import systems
from audit.findings import Difference, Report
from audit.scope import Scope
from model import DeclarationError, System
from tests.audit.planned import REGION, judged, planned
from tests.audit.random_systems import Arrow, changed, system

SYSTEMS: Final = int(os.environ.get("PROOF_SYSTEMS", "60"))
SWAPS: Final = int(os.environ.get("PROOF_SWAPS", "40"))
REAL_SWAPS: Final = int(os.environ.get("PROOF_REAL_SWAPS", "20"))
LAYERS: Final[Mapping[str, tuple[str, ...]]] = {
    "CiliumNetworkPolicy": ("egress policy", "ingress policy"),
    "CiliumClusterwideNetworkPolicy": ("egress policy",),
    "NetworkPolicy": ("egress policy", "ingress policy"),
    "AuthorizationPolicy": ("authorization",),
    "PeerAuthentication": ("mutual TLS",),
    "Sidecar": ("mesh routing",),
    "ServiceEntry": ("mesh routing",),
}
"""Kinds of objects that let connections pass or stop them -> the layers at which one of them shows."""
PLACEHOLDER: Final = "${"


def declared(count: int) -> Iterator[tuple[int, System]]:
    """Random systems, each with its number."""
    number = found = 0
    while found < count:
        number += 1
        try:
            made = system(random.Random(number))
        except (DeclarationError, ValueError):
            continue
        found += 1
        yield number, made
    assert number < 1.5 * count, "most random declarations are declarations"


def connections(report: Report, made: System) -> set[tuple[str, str]]:
    """Caller and callee among the services, where something may pass on a port that the callee serves."""
    ports = {
        service.name: {str(port) for port in Scope(made, "dev", REGION).ports(service)} for service in made.services
    }
    return {
        (item.caller, item.callee)
        for item in report.connections
        if item.caller in ports and item.caller != item.callee and item.port in ports.get(item.callee, ())
    }


def test_a_connection_is_possible_just_when_it_is_declared() -> None:
    """Nothing undeclared passes all layers, nothing declared is stopped by one, and each layer alone is exact."""
    for number, made in declared(SYSTEMS):
        report = judged(planned(made), Scope(made, "dev", REGION))
        assert [item.text for item in report.differences] == [], number
        assert connections(report, made) == {(call.caller, call.callee) for call in made.calls}, number


def swapped(before: System, after: System, choose: random.Random, name: str) -> tuple[str, dict[str, Any]] | None:
    """The plan of one declaration with a single object of the other's, and the kind of that object. None: the two have
    the same policies."""
    old, new = (_resources(planned(made, name)) for made in (before, after))
    kinds = {urn: urn.split("::")[2].rpartition(":")[2] for urn in old | new}
    apart = [urn for urn in sorted(kinds) if kinds[urn] in LAYERS and _matters(old.get(urn), new.get(urn))]
    # A host that is left over opens nothing: nobody's Sidecar knows it.
    apart = [urn for urn in apart if kinds[urn] != "ServiceEntry" or urn in new]
    if not apart:
        return None
    chosen = choose.choice(apart)
    mixed = {urn: item for urn, item in new.items() if urn != chosen}
    mixed |= {chosen: old[chosen]} if chosen in old else {}
    return kinds[chosen], {"deployment": {"resources": list(mixed.values())}}


def _matters(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """A rule twice is a rule once; and where only the account knows a host, a plan says nothing of it."""
    rules = [_rules(item["outputs"]) if item else None for item in (one, other)]
    return rules[0] != rules[1] and PLACEHOLDER not in f"{one}{other}"


def _rules(value: Any) -> Any:
    """Lists as sets of texts."""
    if isinstance(value, Mapping):
        return {key: _rules(item) for key, item in value.items()}
    return {str(_rules(item)) for item in value} if isinstance(value, list | tuple) else value


def _resources(document: Mapping[str, Any]) -> dict[str, Any]:
    return {item["urn"]: item for item in document["deployment"]["resources"]}


def told(differences: Sequence[Difference], kind: str, arrow: Arrow) -> bool:
    """Whether one of them is at the object's layer, and about an end of the arrow."""
    return any(
        item.layer in LAYERS[kind] and (arrow.caller in item.callers or item.callee in (arrow.caller, arrow.callee))
        for item in differences
    )


def test_an_object_that_is_not_as_declared_is_reported_at_its_layer() -> None:
    """One policy too wide, too narrow, missing or left over, even where the others still stop the connection."""
    seen: Counter[str] = Counter()
    for number, after in declared(2 * SWAPS):
        choose = random.Random(number)
        before, arrow = changed(after, choose)
        try:
            found = swapped(before, after, choose, "dev")
        except DeclarationError:
            continue
        if found is None:
            continue
        kind, document = found
        differences = judged(document, Scope(after, "dev", REGION)).differences
        assert told(differences, kind, arrow), (number, kind, arrow, [item.text for item in differences][:5])
        seen[kind] += 1
        if seen.total() == SWAPS:
            break
    assert seen.total() == SWAPS
    assert seen.keys() >= {"CiliumNetworkPolicy", "AuthorizationPolicy", "Sidecar"}


@pytest.mark.parametrize("name", systems.names())
def test_the_same_holds_for_the_real_systems(name: str) -> None:
    """Whatever else the audit has to say of a plan alone, which lacks what only a stack's settings or account know."""
    shipped, choose, done = systems.load(name), random.Random(name), 0
    known: dict[str, set[str]] = {}
    while done < REAL_SWAPS / len(systems.names()):
        environment = choose.choice(list(shipped.environments))
        before, arrow = changed(shipped, choose)
        try:
            found = swapped(before, shipped, choose, environment)
        except DeclarationError:
            continue
        if found is None:
            continue
        scope = Scope(shipped, environment, REGION)
        if environment not in known:
            known[environment] = {item.text for item in judged(planned(shipped, environment), scope).differences}
        kind, document = found
        differences = [item for item in judged(document, scope).differences if item.text not in known[environment]]
        assert told(differences, kind, arrow), (environment, kind, arrow, [item.text for item in differences][:5])
        done += 1
