"""The audit as a proof, on random systems: a connection is possible just when it is declared, and whatever single
object is not what the declaration asks for is reported, at the layer that the object is of.

`make proof` looks at thousands; a run of all tests at some dozens of them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import systems
from audit.findings import Difference, Report
from audit.scope import Scope
from model import DeclarationError, System
from tests.audit import oracle
from tests.audit.planned import REGION, judged, planned
from tests.audit.random_systems import Arrow, arrows, changed
from tests.audit.random_systems import systems as systems_
from tests.proof import PROFILE, WHOLE

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


def found(report: Report, made: System) -> set[oracle.Connection]:
    """What may pass among everything declared, and the mesh's way out; a managed database's zones are one."""
    poolers = {pooler.name for store in made.stores if (pooler := getattr(store, "pooler", None))}
    callers = {service.name for service in made.services} | poolers | {oracle.GATEWAY}
    callees = callers | {store.name for store in made.stores}
    named = {(item.caller, item.callee.partition(" in ")[0], item.port) for item in report.connections}
    callees |= {name for external in made.externals for name in oracle.names(external)}
    return {
        (caller, callee, port)
        for caller, callee, port in named
        if caller in callers and callee in callees and caller != callee
    }


def kinds(made: System) -> Iterator[str]:
    """The words of the vocabulary that a system has."""
    platform, network = made.platform, made.network
    yield from (platform.cluster.kind, platform.cni.kind, f"mesh {platform.mesh.kind}", platform.ingress.kind)
    yield f"{network.kind} {getattr(network, 'edge', '')}".strip()
    yield from (f"{store.kind} {getattr(store, 'placement', store).kind}" for store in made.stores)
    yield from ("topic" for _ in made.topics)
    yield from ("by the gateway" if external.through_gateway else "external" for external in made.externals)
    yield from ("job" for service in made.services if service.schedule)


VOCABULARY: Final = {
    *("k3s", "eks", "existing", "cilium", "standard", "mesh none", "mesh istio", "istio", "nginx", "traefik"),
    *("hub-and-spoke", "single-vpc public", "single-vpc internal", "single-vpc nodes"),
    *("redis redis", "rabbitmq rabbitmq", "kafka kafka", "mysql mysql", "bucket bucket"),
    *("postgresql ec2", "postgresql cluster", "postgresql rds", "topic", "job", "external", "by the gateway"),
}


def test_a_connection_is_possible_just_when_it_is_declared() -> None:
    """Nothing undeclared passes all layers, nothing declared is stopped by one, and each layer alone is exact. The
    audit's own list is held to one that is read from the declaration without it."""
    seen: Counter[str] = Counter()

    @PROFILE
    @given(systems_())
    def check(made: System) -> None:
        report = judged(planned(made), Scope(made, "dev", REGION))
        assert [item.text for item in report.differences] == []
        assert found(report, made) == oracle.connections(made)
        doors = oracle.doors(made, made.environments["dev"].domain)
        assert {door: report.doors.get(door) for door in doors} == doors
        seen.update(kinds(made))

    check()
    assert seen.keys() >= VOCABULARY, "a word that no system has is a word that nothing is proved of"


def swapped(before: System, after: System, choose: random.Random, name: str) -> tuple[str, dict[str, Any]] | None:
    """The plan of one declaration with a single object of the other's, and the kind of that object. None: the two have
    the same policies."""
    old, new = (_resources(planned(made, name)) for made in (before, after))
    kinds = {urn: urn.split("::")[2].rpartition(":")[2] for urn in old | new}
    apart = [urn for urn in sorted(kinds) if kinds[urn] in LAYERS and _matters(old.get(urn), new.get(urn))]
    # A host that is left over opens nothing: nobody's Sidecar knows it. A bucket has two, each of which leads there.
    apart = [
        urn for urn in apart if kinds[urn] != "ServiceEntry" or (urn in new and "amazonaws.com" not in str(new[urn]))
    ]
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

    @PROFILE
    @given(systems_(), st.data(), st.randoms(use_true_random=False))
    def check(after: System, data: st.DataObject, choose: random.Random) -> None:
        arrow = data.draw(st.sampled_from(arrows(after)))
        kind = swap(after, arrow, choose, "dev", frozenset())
        assume(kind is not None)
        seen[str(kind)] += 1

    check()
    assert seen.keys() >= {"CiliumNetworkPolicy", "NetworkPolicy", "AuthorizationPolicy", "Sidecar"}


def swap(after: System, arrow: Arrow, choose: random.Random, name: str, known: Set[str]) -> str | None:
    """The kind of an object of the declaration without an arrow, or with one more, that stands in the plan and was
    reported; beside differences that are known. None: the two have the same policies, or the change is none."""
    try:
        before = changed(after, arrow)
        mixed = swapped(before, after, choose, name) if before else None
    except DeclarationError:
        return None
    if mixed is None:
        return None
    kind, document = mixed
    differences = [item for item in judged(document, Scope(after, name, REGION)).differences if item.text not in known]
    assert told(differences, kind, arrow), (name, kind, arrow, [item.text for item in differences][:5])
    return kind


@pytest.mark.parametrize("name", systems.names())
def test_the_same_holds_for_the_real_systems(name: str) -> None:
    """Whatever else the audit has to say of a plan alone, which lacks what only a stack's settings or account know."""
    shipped, choose, done = systems.load(name), random.Random(name), 0
    known: dict[str, set[str]] = {}
    every = arrows(shipped)
    while done < (PROFILE.max_examples / len(systems.names()) if WHOLE else 4):
        environment = choose.choice(list(shipped.environments))
        if environment not in known:
            plain = judged(planned(shipped, environment), Scope(shipped, environment, REGION))
            known[environment] = {item.text for item in plain.differences}
        done += swap(shipped, choose.choice(every), choose, environment, known[environment]) is not None
