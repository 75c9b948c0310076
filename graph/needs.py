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

    def reached(self, root: Node, without: Container[Node] = ()) -> dict[Node, tuple[Node, ...]]:
        """Everything that ``root`` reaches, itself included, each with one of the shortest paths from the root to it.

        Nothing is reached through ``without``, nor is any of it reached.
        """
        if root in without:
            return {}
        paths: dict[Node, tuple[Node, ...]] = {root: (root,)}
        waiting = deque([root])
        while waiting:
            node = waiting.popleft()
            for target in self.edges.get(node, ()):
                if target not in paths and target not in without:
                    paths[target] = (*paths[node], target)
                    waiting.append(target)
        return paths


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
