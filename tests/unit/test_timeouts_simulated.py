"""Timeout budgets against a simulation of calls, which knows no budgets: it sends requests along every way, lets the
last service never answer, and looks who gives up first."""

from __future__ import annotations

import heapq
import itertools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from derive.mesh.timeouts import check
from model import Call, DeclarationError, Redis, Retry, Route, Service, ServicePolicy, System, Topic, seconds
from tests.proof import WHOLE
from tests.unit.declared import shop

GRAPHS = 10_000 if WHOLE else 1_000
TIMES = (2, 5, 10, 20, 30)
MESSAGE = re.compile(
    r"timeouts cannot hold on (.+): (?:'|a try of ').+' may take (\S+) s, but is waited for only (\S+) s;"
)


def graph(choose: random.Random) -> System:
    """Up to seven services that call one another without a cycle; routes, timeouts and retries at some of them, and
    long polls. An event is between two of them. About half can hold."""
    names = [f"svc-{letter}" for letter in "abcdefg"[: choose.randint(2, 7)]]
    inner = sorted(choose.choices(TIMES, k=len(names)), reverse=choose.random() < 0.4)
    policies, routes = [], []
    for name, most in zip(names, inner, strict=True):
        timeout = seconds(most) if choose.random() < 0.75 else None
        per_try = seconds(choose.choice([time for time in TIMES if timeout is None or time <= most]))
        retry = Retry(attempts=choose.randint(1, 3), per_try=per_try) if choose.random() < 0.2 else None
        if choose.random() < 0.85:
            policies.append(ServicePolicy(to=name, timeout=timeout, retry=retry))
        if choose.random() < 0.3:
            limit = seconds(choose.choice((10, 20, 30))) if choose.random() < 0.8 else None
            tried = Retry(attempts=2, per_try=seconds(choose.choice((2, 5, 10)))) if choose.random() < 0.3 else None
            routes.append(Route(host=name, to=name, timeout=limit, retry=tried))
    told = choose.sample(names, 2)
    return shop(
        services=tuple(Service(name=name, port=3000, uses=("bus",), long_poll=choose.random() < 0.1) for name in names),
        stores=(Redis(name="bus"),),
        topics=(Topic(name="happened", broker="bus", publishers=(told[0],), subscribers=(told[1],)),),
        calls=tuple(
            Call(caller=caller, callee=callee)
            for caller, callee in itertools.combinations(names, 2)
            if choose.random() < 0.4
        ),
        policies=tuple(policies),
        routes=tuple(routes),
    )


@dataclass(frozen=True)
class Hop:
    """One request on its way: who is asked, and what ends the wait for the answer."""

    waiter: str
    """A route's name; empty for a service."""
    target: str
    gives_up: float | None
    """Seconds after which nobody waits any more."""
    tries: float | None = None
    """Seconds after which one of several tries ends, where nothing ends them all."""


def ways(system: System) -> Iterator[tuple[Hop, ...]]:
    """Every way that a request can take, from every door and from every service on its own, to every service. Nobody
    waits for an event; and whoever opens a long poll answers without it, so that a way begins there."""
    polled = {service.name for service in system.services if service.long_poll}
    policies = {policy.to: policy for policy in system.policies}
    starts = [Hop(f"route {route.host}{route.prefix}", route.to, _seconds(route)) for route in system.routes]
    starts += [Hop("", service.name, None) for service in system.services]

    def onward(way: tuple[Hop, ...]) -> Iterator[tuple[Hop, ...]]:
        yield way
        for call in system.calls:
            if call.caller == way[-1].target:
                policy = policies.get(call.callee)
                tries = policy.retry.per_try if policy and policy.retry and not policy.timeout else None
                hop = Hop("", call.callee, _seconds(policy), tries.total_seconds() if tries else None)
                yield from onward((hop,) if call.callee in polled else (*way, hop))

    for start in starts:
        yield from onward((start,))


def _seconds(item: Route | ServicePolicy | None) -> float | None:
    return item.timeout.total_seconds() if item and item.timeout else None


def given_up_on(way: tuple[Hop, ...]) -> Iterator[tuple[tuple[str, ...], float, float]]:
    """The last service on the way never answers. Who still has time when the first gives up is waited for in vain: the
    path between the two, how long it may take, how long it is waited for."""
    clock = [(hop.gives_up, index) for index, hop in enumerate(way) if hop.gives_up is not None]
    heapq.heapify(clock)
    if not clock:
        return
    now, first = heapq.heappop(clock)
    outer = way[first]
    between = ((outer.waiter,) if outer.waiter else ()) + (outer.target,)
    for hop in way[first + 1 :]:
        between += (hop.target,)
        longest = hop.gives_up or hop.tries
        if longest is not None and longest > now:
            yield between, longest, now


def refused(system: System) -> str | None:
    try:
        check(system)
    except DeclarationError as error:
        return str(error)
    return None


def test_a_declaration_is_refused_just_when_somebody_is_waited_for_in_vain() -> None:
    """A callee that outlasts its waiter along some path and is let through works for nobody; one that fits and is
    refused cannot be deployed. The refusal names a path on which it happens."""
    seen = {True: 0, False: 0}
    for number in range(GRAPHS):
        system = graph(random.Random(number))
        vain = {found for way in ways(system) for found in given_up_on(way)}
        message = refused(system)
        assert (message is not None) == bool(vain), (number, message, vain)
        seen[bool(vain)] += 1
        if message is not None:
            told = MESSAGE.match(message)
            assert told, message
            assert (tuple(told[1].split(" -> ")), float(told[2]), float(told[3])) in vain, (number, message)
    assert min(seen.values()) > GRAPHS / 5, "both kinds are many"
