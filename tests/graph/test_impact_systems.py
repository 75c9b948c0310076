"""Impact of every part of every system, against a second way to find it: what pods can still stand where, by trying all
places, and who then reaches what, by joining the lines that are left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import pytest

import graph.failure
import systems
from derive.network.networks import zone_names
from derive.plan import SystemPlan, system_plan
from derive.shapes import Deployment
from graph.impact import impact, route_name
from model import Bucket, K3s, Kafka, Nginx, PostgreSQL, RabbitMQ, System
from tests.graph.samples import deployment

Pair = tuple[str, str]
STACKS = [(name, environment) for name in systems.names() for environment in systems.load(name).environments]
CONTROL_PLANE = "servers"


@cache
def stack(name: str, environment: str) -> tuple[Deployment, SystemPlan]:
    found = deployment(name, environment)
    return found, system_plan(found)


@dataclass(frozen=True)
class Expected:
    """What is gone, and what is weaker, as ``kind name``; ``closed``: no door answers."""

    down: frozenset[str]
    weak: frozenset[str] = frozenset()
    closed: bool = False


# -- who reaches what ------------------------------------------------------------------------------


def lines(found_in: Deployment) -> set[Pair]:
    system = found_in.system
    pairs = {(f"service {call.caller}", f"service {call.callee}") for call in system.calls}
    pairs |= {(f"service {service.name}", f"store {name}") for service in system.services for name in service.uses}
    for external in system.externals:
        pairs |= {(f"service {name}", f"external {external.name}") for name in external.used_by}
    return pairs | {(route_name(route, found_in), f"service {route.to}") for route in system.routes}


def joined(pairs: set[Pair]) -> set[Pair]:
    """The lines, joined with themselves until nothing is new."""
    found = set(pairs)
    while longer := {(a, d) for a, b in found for c, d in pairs if b == c} - found:
        found |= longer
    return found


def losses(found_in: Deployment, gone: Expected) -> set[tuple[str, str, str]]:
    """Who loses what, how; a door that is shut loses itself."""
    system = found_in.system
    whole = joined(lines(found_in))
    left = joined({pair for pair in lines(found_in) if not gone.down & set(pair)})
    doors = {route_name(route, found_in): f"service {route.to}" for route in system.routes}
    shut = {door for door, target in doors.items() if gone.closed or target in gone.down}
    found = {(door, door, "hard") for door in shut}
    for who, what in whole:
        if who in gone.down or who in shut:
            continue
        if (who, what) not in left:
            found.add((who, what, "hard"))
        elif what in gone.weak:
            found.add((who, who if doors.get(who) == what else what, "degraded"))
    return found


def events(system: System, gone: Expected) -> set[tuple[str, str, str]]:
    """By what becomes of one event of each publisher, on a broker that keeps it or does not."""
    found = set()
    for topic in system.topics:
        broker, kept = f"store {topic.broker}", isinstance(system.store(topic.broker), RabbitMQ | Kafka)
        for name in topic.subscribers:
            fates = []
            for publisher in topic.publishers:
                if broker in gone.down or f"service {publisher}" in gone.down:
                    fates.append("lost")
                elif f"service {name}" in gone.down:
                    fates.append("later" if kept else "lost")
                else:
                    fates.append("later" if broker in gone.weak else "now")
            if set(fates) == {"lost"}:
                found.add((name, topic.name, "hard"))
            elif set(fates) != {"now"}:
                found.add((name, topic.name, "degraded"))
    return found


def agree(found_in: Deployment, part: str, expected: Expected) -> None:
    system, answer = found_in.system, impact(found_in, part)
    assert {f"{node.kind} {node.name}" for node in answer.failure.down} == expected.down, part
    assert {f"{node.kind} {node.name}" for node in answer.failure.weak} == expected.weak, part
    assert bool(answer.failure.closed) == expected.closed, part
    kinds = {"call": "service ", "data": "store ", "external": "external ", "route": ""}
    services = {service.name for service in system.services}
    told = {
        (f"service {loss.who}" if loss.who in services else loss.who, kinds[loss.what] + loss.name, loss.severity)
        for loss in answer.losses
        if loss.what != "events"
    }
    assert told == losses(found_in, expected), part
    heard = {(loss.who, loss.name, loss.severity) for loss in answer.losses if loss.what == "events"}
    assert heard == events(system, expected), part


# -- a part ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "environment"), STACKS)
def test_every_part_s_loss_is_what_is_gone_from_the_graph(name: str, environment: str) -> None:
    """A loss that is missing, or one too many, for any service, store or external."""
    found = deployment(name, environment)
    system = found.system
    kinds = {"service": system.services, "store": system.stores, "external": system.externals}
    for kind, parts in kinds.items():
        for part in parts:
            if kind == "service" or part.name not in {service.name for service in system.services}:
                agree(found, part.name, Expected(frozenset({f"{kind} {part.name}"})))


# -- a zone, a node group --------------------------------------------------------------------------


def evenly(count: int, places: int) -> Iterator[tuple[int, ...]]:
    """Every way to spread things so that no place has two more than another."""
    for found in product(range(count + 1), repeat=places):
        if sum(found) == count and max(found) - min(found) <= 1:
            yield found


def eligible(found_in: Deployment, pods: Mapping[str, Any]) -> dict[str, int]:
    """Nodes by group that a scheduler would give these pods, by their selector and tolerations alone."""
    environment, platform = found_in.environment, found_in.system.platform
    nodes = {
        pool.name: (pool.labels, pool.taints, environment.sizes[pool.name].count)
        for pool in platform.pools
        if pool.name in environment.sizes
    }
    if not nodes and environment.servers:
        nodes = {CONTROL_PLANE: ({}, (), environment.servers.count)}
    tolerated = {f"{item['key']}={item.get('value', '')}:{item['effect']}" for item in pods.get("tolerations", ())}
    return {
        name: count
        for name, (labels, taints, count) in nodes.items()
        if pods.get("nodeSelector", {}).items() <= labels.items() and set(taints) <= tolerated
    }


def worst(homes: Mapping[str, int], pods: int, zones: int) -> tuple[int, int]:
    """The fewest workers, and the fewest pods, that the loss of the first zone can leave, over all placements."""
    workers = sum(min(count - spread[0] for spread in evenly(count, zones)) for count in homes.values())
    fewest = pods
    for spreads in product(*(evenly(count, zones) for count in homes.values())):
        used = [zone for zone in range(zones) if any(spread[zone] for spread in spreads)]
        if 0 in used:
            fewest = min(fewest, *(pods - placed[used.index(0)] for placed in evenly(pods, len(used))))
    return workers, fewest


def pods_of(plan: SystemPlan, name: str) -> tuple[int, dict[str, Any]]:
    """How many pods of a service or store there are to begin with, and what they say of where they may run."""
    part = next(part for part in (*plan.application.services, *plan.application.stores) if part.name == name)
    scaled = [item["spec"]["minReplicas"] for item in part.objects if item["kind"] == "HorizontalPodAutoscaler"]
    running = [item for item in part.objects if item["kind"] in ("Deployment", "Rollout", "StatefulSet")]
    jobs = [item["spec"]["jobTemplate"] for item in part.objects if item["kind"] == "CronJob"]
    spec: dict[str, Any] = (running or jobs)[0]["spec"]["template"]["spec"]
    return scaled[0] if scaled else sum(item["spec"].get("replicas", 1) for item in running) or 1, spec


def sides(found_in: Deployment, plan: SystemPlan) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Everything whose pods the cluster runs."""
    outside = {database.name for database in (*plan.databases,)} | {database.name for database in plan.managed}
    for service in found_in.system.services:
        yield (f"service {service.name}", *pods_of(plan, service.name))
    for store in found_in.system.stores:
        if store.name not in outside and not isinstance(store, Bucket):
            yield (f"store {store.name}", *pods_of(plan, store.name))


def ingress(found_in: Deployment) -> dict[str, int]:
    chosen = found_in.system.platform.ingress
    named = chosen.pool if isinstance(chosen, Nginx) else None
    pool = next((pool for pool in found_in.system.platform.pools if pool.name == named), None)
    taints = [taint.replace("=", ":").split(":") for taint in pool.taints] if pool else []
    tolerations = [{"key": key, "value": value, "effect": effect} for key, value, effect in taints]
    return eligible(found_in, {"nodeSelector": pool.labels if pool else {}, "tolerations": tolerations})


def without_zone(found_in: Deployment, plan: SystemPlan, zone: str, zones: tuple[str, ...]) -> Expected:
    system = found_in.system
    down: set[str] = set()
    weak: set[str] = set()
    buckets = {f"store {store.name}" for store in system.stores if isinstance(store, Bucket) and not store.at}
    if len(zones) == 1:
        everything = {f"service {part.name}" for part in system.services}
        everything |= {f"store {part.name}" for part in system.stores} - buckets
        return Expected(frozenset(everything | {f"external {part.name}" for part in system.externals}), closed=True)
    servers = found_in.environment.servers
    left = [number for number in range(servers.count if servers else 0) if zones[number % len(zones)] != zone]
    schedules = not isinstance(system.platform.cluster, K3s) or len(left) > (servers.count if servers else 0) / 2
    for name, pods, spec in sides(found_in, plan):
        workers, fewest = worst(eligible(found_in, spec), pods, len(zones))
        if name.startswith("service"):
            (weak if workers and (fewest or schedules) else down).add(name)
        else:
            database = isinstance(system.store(name.split()[1]), PostgreSQL)
            stays = workers and pods > 1 and (database or fewest > pods / 2)
            (weak if stays else down).add(name)
    for machine in plan.databases:
        gone = [host for host in machine.hosts if host.zone == zone]
        if gone:
            (down if len(gone) == len(machine.hosts) else weak).add(f"store {machine.name}")
    for managed in plan.managed:
        (weak if managed.size.standby else down).add(f"store {managed.name}")
    if not found_in.environment.nat_per_zone and zone == zones[0]:
        down |= {f"external {external.name}" for external in system.externals}
    return Expected(frozenset(down), frozenset(weak), not worst(ingress(found_in), 1, len(zones))[0])


def without_group(found_in: Deployment, plan: SystemPlan, group: str) -> Expected:
    down: set[str] = set()
    weak: set[str] = set()
    platform = found_in.system.platform
    movable = any(addon.kind == "ebs-csi" for addon in platform.addons)
    for name, _, spec in sides(found_in, plan):
        homes = eligible(found_in, spec)
        if group in homes:
            moves = len(homes) > 1 and (movable or name.startswith("service"))
            (weak if moves else down).add(name)
    sends = [pool.name for pool in platform.pools if pool.ingress and pool.name in found_in.environment.sizes]
    answering = bool(set(ingress(found_in)) - {group}) and (not sends or set(sends) != {group})
    return Expected(frozenset(down), frozenset(weak), not answering)


@pytest.mark.parametrize(("name", "environment"), STACKS)
def test_every_zone_s_and_node_group_s_loss_is_the_worst_of_all_placements(
    name: str, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pods bound to a pool, a pool with fewer nodes than zones, a database of AWS: each was once judged like others."""
    found, plan = stack(name, environment)
    monkeypatch.setattr(graph.failure, "system_plan", lambda deployment: plan)
    zones = zone_names(found.facts.region, found.environment.zones)
    for zone in zones:
        agree(found, zone, without_zone(found, plan, zone, tuple(zones)))
    for group in found.environment.sizes:
        agree(found, group, without_group(found, plan, group))
    if isinstance(found.system.platform.cluster, K3s):
        alone = without_group(found, plan, CONTROL_PLANE)
        agree(found, CONTROL_PLANE, alone if not found.system.platform.pools else Expected(frozenset()))
