"""Who loses what when a part of a deployment is gone: routes, calls, data and events; for good, or in part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from derive import naming
from derive.shapes import Deployment
from graph.failure import Failure, failure
from graph.needs import Kind, Needs, Node, needs, path
from model import Kafka, RabbitMQ, Route, System, Topic

Severity = Literal["hard", "degraded"]
What = Literal["route", "call", "data", "external", "events"]
WHAT: dict[Kind, What] = {"service": "call", "store": "data", "external": "external"}


@dataclass(frozen=True, order=True)
class Loss:
    """``who`` loses ``name``, directly or by way of others."""

    who: str
    """A service, or a route as ``route public.name/prefix``."""
    what: What
    name: str
    severity: Severity
    why: str
    via: tuple[str, ...] = ()
    """The services between who and what. Empty: there is nobody in between."""


@dataclass(frozen=True)
class Impact:
    """Everything that is lost without a part."""

    failure: Failure
    losses: tuple[Loss, ...]

    @property
    def hard(self) -> tuple[Loss, ...]:
        return tuple(loss for loss in self.losses if loss.severity == "hard")

    def document(self) -> dict[str, Any]:
        """Plain data for machines."""
        return {
            "without": {"name": self.failure.part, "kind": self.failure.kind},
            "down": {f"{node.kind} {node.name}": why for node, why in self.failure.down.items()},
            "weak": {f"{node.kind} {node.name}": why for node, why in self.failure.weak.items()},
            "notes": list(self.failure.notes),
            "losses": [asdict(loss) for loss in self.losses],
        }


def impact(deployment: Deployment, part: str) -> Impact:
    """What the environment loses without ``part``. Raises DeclarationError for a part that it does not have."""
    found = failure(deployment, part)
    return Impact(found, tuple(losses(deployment, found)))


def losses(deployment: Deployment, failed: Failure) -> Iterator[Loss]:
    """Routes first, then services in declared order, then events. What is down itself loses nothing more."""
    system = deployment.system
    graph = needs(system)
    for route in system.routes:
        yield from _route(graph, route_name(route, deployment), route.to, failed)
    for service in system.services:
        node = Node("service", service.name)
        if node not in failed.down:
            yield from _needed(graph, service.name, node, failed)
    for topic in system.topics:
        yield from _events(system, topic, failed)


def route_name(route: Route, deployment: Deployment) -> str:
    """A door as people name it."""
    return f"route {naming.public_host(route, deployment.environment)}{route.prefix}"


def _route(graph: Needs, who: str, to: str, failed: Failure) -> Iterator[Loss]:
    target = Node("service", to)
    if failed.closed:
        yield Loss(who, "route", who, "hard", failed.closed)
    elif target in failed.down:
        yield Loss(who, "route", who, "hard", f"{to}: {failed.down[target]}")
    else:
        if target in failed.weak:
            yield Loss(who, "route", who, "degraded", f"{to}: {failed.weak[target]}")
        yield from _needed(graph, who, target, failed)


def _needed(graph: Needs, who: str, root: Node, failed: Failure) -> Iterator[Loss]:
    """What can no longer be reached from ``root``, and what answers with less."""
    left = graph.reached(root, failed.down)
    whole = graph.reached(root)
    for node in whole:
        if node not in left:
            way = path(whole, node)
            why = failed.down.get(node) or _behind(way, failed)
            yield Loss(who, WHAT[node.kind], node.name, "hard", why, _between(who, way))
        elif node in failed.weak and node != root:
            way = path(left, node)
            yield Loss(who, WHAT[node.kind], node.name, "degraded", failed.weak[node], _between(who, way))


def _between(who: str, way: tuple[Node, ...]) -> tuple[str, ...]:
    """Of a route, its service is in between, too."""
    return tuple(step.name for step in way[:-1] if step.name != who)


def _behind(way: tuple[Node, ...], failed: Failure) -> str:
    lost = next(step for step in way if step in failed.down)
    return f"is reached through {lost.name} only"


def _events(system: System, topic: Topic, failed: Failure) -> Iterator[Loss]:
    """Events are lost without their broker or all publishers, and wait for a subscriber only where the broker keeps
    them: a queue or a log does, publish and subscribe on Redis does not."""
    broker = Node("store", topic.broker)
    silent = [name for name in topic.publishers if Node("service", name) in failed.down]
    keeps = isinstance(system.store(topic.broker), RabbitMQ | Kafka)
    for name in topic.subscribers:
        severity: Severity = "hard"
        if broker in failed.down:
            why = f"{topic.broker}: {failed.down[broker]}"
        elif len(silent) == len(topic.publishers):
            why = f"nobody publishes it without {', '.join(silent)}"
        elif Node("service", name) in failed.down and not keeps:
            why = f"{name} is away, and {topic.broker} keeps no events for it"
        else:
            severity = "degraded"
            if Node("service", name) in failed.down:
                why = f"delayed: they wait on {topic.broker} for {name}"
            elif silent:
                why = f"none from {', '.join(silent)}"
            elif broker in failed.weak:
                why = f"delayed: {topic.broker}: {failed.weak[broker]}"
            else:
                continue
        yield Loss(name, "events", topic.name, severity, why)
