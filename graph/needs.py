"""Who needs whom at once: calls, stores and externals as one graph without cycles."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from model import System

Kind = Literal["service", "store", "external"]


class Node(NamedTuple):
    """A service, a store or an external; externals may be called like one of the others."""

    kind: Kind
    name: str


@dataclass(frozen=True)
class Needs:
    """What every service asks while it answers: the services it calls, its stores, its externals."""

    edges: Mapping[Node, tuple[Node, ...]]

    def reached(self, root: Node, without: Container[Node] = ()) -> dict[Node, Node | None]:
        """Everything that ``root`` reaches, itself included, nearest first, each with who reaches it.

        Nothing is reached through ``without``, nor is any of it reached.
        """
        if root in without:
            return {}
        before: dict[Node, Node | None] = {root: None}
        waiting = deque([root])
        while waiting:
            node = waiting.popleft()
            for target in self.edges.get(node, ()):
                if target not in before and target not in without:
                    before[target] = node
                    waiting.append(target)
        return before


def path(before: Mapping[Node, Node | None], node: Node) -> tuple[Node, ...]:
    """One of the shortest ways to a node, from the root of what was reached."""
    steps: list[Node] = []
    at: Node | None = node
    while at:
        steps.append(at)
        at = before[at]
    return tuple(reversed(steps))


def needs(system: System) -> Needs:
    """The graph of a system. Events are no part of it: nobody waits for them."""
    edges: dict[Node, list[Node]] = defaultdict(list)
    for call in system.calls:
        edges[Node("service", call.caller)].append(Node("service", call.callee))
    for service in system.services:
        edges[Node("service", service.name)] += [Node("store", name) for name in service.uses]
    for external in system.externals:
        for name in external.used_by:
            edges[Node("service", name)].append(Node("external", external.name))
    return Needs({node: tuple(targets) for node, targets in edges.items()})
