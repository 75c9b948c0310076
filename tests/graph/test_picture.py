"""A line's objects are those without which it does not pass."""

from __future__ import annotations

import pytest

import systems
from graph.changes import Arrow, what_if
from graph.picture import Edge, picture
from tests.graph.samples import deployment

ADMITTING = {"CiliumNetworkPolicy", "NetworkPolicy", "AuthorizationPolicy", "Sidecar", "ServiceEntry"}
"""Kinds of objects without which a connection is refused."""


def admitting(names: tuple[str, ...]) -> set[str]:
    return {name for name in names if name.split()[0] in ADMITTING}


def sampled(edges: tuple[Edge, ...]) -> list[Edge]:
    """The last call, the first use and the first exit: one line of each kind."""
    found = {edge.kind: edge for edge in (*reversed(edges), *(edge for edge in edges if edge.kind == "call"))}
    return [found[kind] for kind in ("call", "use", "exit") if kind in found]


@pytest.mark.parametrize("name", systems.names())
def test_the_objects_of_a_line_are_those_that_change_without_it(name: str) -> None:
    """A policy that the page leaves out, or names though it has nothing to say, misleads whoever asks why it works.

    What does not change is there for another line as well, or is the way to the world that all lines share.
    """
    drawn = picture(deployment(name))
    for edge in sampled(drawn.edges):
        arrow = Arrow(edge.source.partition(":")[2], edge.target.partition(":")[2])
        answer = what_if(deployment(name), remove=[arrow])
        if answer.refusal:
            continue
        changed = admitting(tuple(item.key.name for item in answer.changed))
        others = (other for other in drawn.edges if other != edge)
        shared = admitting(tuple(object_ for other in others for object_ in other.objects))
        assert changed <= set(edge.objects)
        assert edge.kind == "exit" or admitting(edge.objects) - changed <= shared
