"""What a loss costs is what is gone once the part is taken out of the declaration, and what the table says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import systems
from derive.shapes import Deployment, Facts
from graph.failure import failure
from graph.impact import Loss, impact, route_name
from model import (
    Call,
    DeclarationError,
    ExistingCluster,
    External,
    NetworkPolicies,
    Nodes,
    Platform,
    RabbitMQ,
    Redis,
    Route,
    Service,
    System,
    Topic,
)
from model.platform import Pool
from tests.unit.declared import deployed, environment, shop

NAMES = tuple(f"service-{letter}" for letter in "abcdefg")
STORES = ("cache", "queue")


@st.composite
def graphs(draw: st.DrawFn) -> System:
    """Up to seven services, calls without a cycle, two stores, topics, doors, an external."""
    names = list(NAMES[: draw(st.integers(2, len(NAMES)))])
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    calls = draw(st.lists(st.sampled_from(pairs), unique=True))
    uses = {name: tuple(sorted(draw(st.sets(st.sampled_from(STORES))))) for name in names}
    topics = []
    for broker in STORES:
        members = [name for name in names if broker in uses[name]]
        if members:
            some = st.lists(st.sampled_from(members), min_size=1, unique=True).map(tuple)
            topics.append(Topic(name=f"{broker}.told", broker=broker, publishers=draw(some), subscribers=draw(some)))
    return shop(
        services=tuple(Service(name=name, port=3000 + i, uses=uses[name]) for i, name in enumerate(names)),
        stores=(Redis(name="cache"), RabbitMQ(name="queue")),
        calls=tuple(Call(caller=a, callee=b) for a, b in calls),
        topics=tuple(topics),
        routes=tuple(Route(host=name, to=name) for name in sorted(draw(st.sets(st.sampled_from(names))))),
        externals=(External(name="bank", hosts=("bank.example",), used_by=(names[-1],)),),
    )


def without(system: System, part: str) -> System:
    """The declaration with every mention of a part taken out."""
    externals = (external for external in system.externals if external.name != part)
    topics = (topic for topic in system.topics if topic.broker != part)
    cut = [
        topic.model_copy(
            update={
                "publishers": tuple(name for name in topic.publishers if name != part),
                "subscribers": tuple(name for name in topic.subscribers if name != part),
            }
        )
        for topic in topics
    ]
    services = [
        service.model_copy(update={"uses": tuple(name for name in service.uses if name != part)})
        for service in system.services
        if service.name != part
    ]
    return System.model_validate(
        {
            **dict(system),
            "services": services,
            "stores": [store for store in system.stores if store.name != part],
            "calls": [call for call in system.calls if part not in (call.caller, call.callee)],
            "topics": cut,
            "routes": [route for route in system.routes if route.to != part],
            "externals": [
                external.model_copy(update={"used_by": tuple(name for name in external.used_by if name != part)})
                for external in externals
            ],
        }
    )


def door(route: Route) -> str:
    """In the one environment of the shop."""
    return f"route {route.host}.dev.shop.example{route.prefix}"


def reachable(system: System) -> set[tuple[str, str]]:
    """Who reaches what, doors among the former: the edges, joined with themselves until nothing is new."""
    pairs = {(call.caller, call.callee) for call in system.calls}
    pairs |= {(service.name, store) for service in system.services for store in service.uses}
    pairs |= {(name, external.name) for external in system.externals for name in external.used_by}
    pairs |= {(door(route), route.to) for route in system.routes}
    while longer := {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs:
        pairs |= longer
    return pairs


def flows(system: System) -> set[tuple[str, str]]:
    """Subscriber and topic, where somebody publishes it."""
    return {(name, topic.name) for topic in system.topics if topic.publishers for name in topic.subscribers}


@settings(max_examples=60, deadline=None)
@given(graphs(), st.data())
def test_hard_losses_are_what_the_graph_loses_with_the_part(system: System, data: st.DataObject) -> None:
    """A loss that is missing, or one too many, shows as a difference from the declaration without the part."""
    parts = [*(service.name for service in system.services), *STORES, "bank"]
    part = data.draw(st.sampled_from(parts))
    left = without(system, part)
    found = impact(deployed(system), part).hard
    needed = {(loss.who, loss.who if loss.what == "route" else loss.name) for loss in found if loss.what != "events"}
    doors = {door(route): route.to for route in system.routes}
    shut = {(door, door) for door, target in doors.items() if target == part}
    before = {pair for pair in reachable(system) if pair[0] != part and doors.get(pair[0]) not in (part, pair[1])}
    assert needed == shut | (before - reachable(left))
    events = {(loss.who, loss.name) for loss in found if loss.what == "events"}
    kept = {topic.name for topic in system.topics if topic.broker == "queue"}
    waiting = {(name, topic) for name, topic in flows(system) - flows(left) if name == part and topic in kept}
    silent = {(name, topic.name) for topic in system.topics if set(topic.publishers) == {part} for name in [part]}
    assert events == (flows(system) - flows(left)) - (waiting - silent)


def prod(part: str, **changes: object) -> tuple[Loss, ...]:
    system = systems.load("fitsync")
    changed = system.environments["prod"].model_copy(update=changes)
    facts = Facts(region="eu-west-1")
    return impact(Deployment(system, "prod", changed, facts), part).losses


def severities(losses: tuple[Loss, ...], who: str) -> dict[str, str]:
    return {loss.name: loss.severity for loss in losses if loss.who == who}


def test_a_zone_takes_the_lone_member_and_leaves_the_standby() -> None:
    """A database with a standby in another zone is weaker, one without is lost, and so is a store of one member."""
    found = severities(prod("a"), "user-service")
    assert found == {"userdb": "degraded", "redis": "hard"}
    lone = prod("eu-west-1a", databases=systems.load("fitsync").environments["dev"].databases)
    assert severities(lone, "user-service") == {"userdb": "hard", "redis": "hard"}
    assert "trainingdb" not in severities(lone, "training-service")


def test_the_only_zone_takes_everything_and_shuts_the_doors() -> None:
    system = systems.load("fitsync")
    deployment = Deployment(system, "dev", system.environments["dev"], Facts(region="eu-west-1"))
    found = impact(deployment, "eu-west-1a")
    assert {loss.who for loss in found.losses if loss.what == "route"} == {
        route_name(route, deployment) for route in system.routes
    }
    assert {service.name for service in system.services} <= {node.name for node in found.failure.down}


def test_without_a_majority_of_servers_a_lone_pod_does_not_come_back() -> None:
    system = shop(environments={"dev": environment(zones=2)}, routes=(Route(host="app", to="web"),))
    found = failure(deployed(system), "a")
    assert any("no majority" in note for note in found.notes)
    assert {node.name for node in found.down} == {"web", "orders"}
    assert {node.name for node in failure(deployed(system), "b").weak} == {"web", "orders"}


def test_the_only_nat_gateways_zone_takes_the_externals() -> None:
    system = shop(
        environments={"dev": environment(zones=2, servers=Nodes(instance="t3.medium", count=3))},
        externals=(External(name="bank", hosts=("bank.example",), used_by=("web",)),),
    )
    assert "bank" in {node.name for node in failure(deployed(system), "a").down}
    assert "bank" not in {node.name for node in failure(deployed(system), "b").down}
    gateways = environment(zones=2, nat_per_zone=True, servers=Nodes(instance="t3.medium", count=3))
    assert "bank" not in {node.name for node in failure(replace(deployed(system), environment=gateways), "a").down}


def test_a_node_group_is_lost_for_good_only_without_another_that_takes_the_pods() -> None:
    """A tainted group takes none of the services' pods, so it cannot stand in for another."""
    pools = (Pool(name="agents"), Pool(name="spare"), Pool(name="tools", labels={"p": "t"}, taints=("p=t:NoSchedule",)))
    nodes = Nodes(instance="t3.large", count=2)
    system = shop(
        stores=(Redis(name="cache"),),
        platform=Platform(pools=pools),
        environments={"dev": environment(pools={pool.name: nodes for pool in pools})},
    )
    spared = failure(deployed(system), "agents")
    assert ({node.name for node in spared.down}, {node.name for node in spared.weak}) == ({"cache"}, {"web", "orders"})
    assert failure(deployed(system), "tools").down == {}
    pair = (pools[0], pools[2])
    alone = system.model_copy(update={"platform": Platform(pools=pair)})
    assert {node.name for node in failure(deployed(alone), "agents").down} == {"web", "orders", "cache"}


def test_an_unknown_part_is_refused_with_what_was_meant() -> None:
    with pytest.raises(DeclarationError, match="did you mean 'orders'"):
        failure(deployed(shop()), "order")


def test_servers_that_are_the_only_nodes_take_everything_with_them() -> None:
    """Where servers work themselves, losing them is not only the control plane's loss."""
    system = shop(
        routes=(Route(host="@", to="web"),),
        platform=Platform(pools=()),
        environments={"dev": environment(pools={})},
    )
    lost = impact(deployed(system), "servers")
    assert lost.hard
    assert all("the servers are the only nodes" in item.why for item in lost.hard)


@pytest.mark.parametrize("part", ["eu-central-1a", "agents"])
def test_the_machines_of_a_cluster_that_is_there_are_nobody_s_guess(part: str) -> None:
    """Its zones are not the table's: an answer would be made up."""
    system = shop(platform=Platform(cluster=ExistingCluster(), cni=NetworkPolicies()))
    with pytest.raises(DeclarationError, match="the cluster is there already, and nothing here knows its machines"):
        failure(deployed(system), part)
