"""The drawing shows what is declared, each thing once, nothing on top of another."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.edge.site import site
from derive.fitting import fitted
from derive.shapes import Deployment
from graph.drawing import Drawing
from graph.layout import Box, Room, layout, separated
from graph.picture import Edge, Node, NodeKind, Picture, picture
from graph.svg import drawn, svg, tree
from tests.graph.samples import DRAWN, IDS, declared


class Read(HTMLParser):
    """The groups and texts of a finished drawing."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[dict[str, str | None]] = []
        self.texts: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "g":
            self.groups.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.texts.add(data)


@pytest.mark.parametrize("deployment", DRAWN, ids=IDS)
def test_everything_declared_is_drawn_once(deployment: Deployment) -> None:
    """Parsed from the finished SVG: what is missing there, or there twice, is missing for whoever looks."""
    read = Read()
    read.feed(svg(picture(deployment)))
    groups = [((group.get("class") or "").split(), group) for group in read.groups]
    nodes = Counter(group.get("data-id") for css, group in groups if "node" in css)
    system, page = fitted(deployment).system, site(deployment)
    names = [f"service:{service.name}" for service in system.services]
    names += [f"store:{store.name}" for store in system.stores]
    names += [f"external:{external.name}" for external in system.externals]
    names += [f"store:{page.name}", f"door:{page.host}"] if page else []
    doors = [name for name in nodes if name and name.startswith("door:")]
    routed = Counter(doors) - Counter(names)
    assert routed.total() == len(system.routes)
    assert nodes == Counter([*names, *routed])
    edges = [
        (css[1], source, target)
        for css, group in groups
        if "edge" in css and "data-source" in group
        for source in (group["data-source"] or "").split()
        for target in (group["data-target"] or "").split()
    ]
    assert Counter(edge for edge in edges if edge[0] != "route") == declared(system)
    assert Counter(target for kind, source, target in edges if kind == "route" and source in routed) == Counter(
        f"service:{route.to}" for route in system.routes
    )
    assert {part.name for part in (*system.services, *system.stores, *system.externals)} <= read.texts


@pytest.mark.parametrize("deployment", DRAWN, ids=IDS)
def test_no_box_touches_another_and_each_is_in_its_frame(deployment: Deployment) -> None:
    """Overlapping boxes hide each other's names; a box outside its frame says a wrong namespace."""
    root = tree(picture(deployment))
    lanes = {node.id: node.lane for node in picture(deployment).nodes}
    boxes = {group.get("data-id", ""): extent(group) for group in drawn(root, "node")}
    frames = {group.get("data-lane", ""): extent(group) for group in drawn(root, "frame")}
    assert {lane for lane in lanes.values() if lane} <= frames.keys()
    for name, (left, top, right, bottom) in boxes.items():
        for other, (left2, top2, right2, bottom2) in boxes.items():
            apart = right < left2 or right2 < left or bottom < top2 or bottom2 < top
            assert name == other or apart, (name, other)
        for lane, (start, upper, end, lower) in frames.items():
            inside = start < left and right < end and upper < top and bottom < lower
            assert not lanes[name] or inside == (lane == lanes[name]), (name, lane)


def extent(group: ElementTree.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a box's outline."""
    rect = group.find("rect")
    if rect is not None:
        left, top = float(rect.get("x", "")), float(rect.get("y", ""))
        return left, top, left + float(rect.get("width", "")), top + float(rect.get("height", ""))
    path = group.find("path")
    assert path is not None
    start, arc = path.get("d", "").removeprefix("M").split("a")[:2]
    left, top = (float(number) for number in start.split())
    width = float(arc.split()[5].split("v")[0])
    return left, top - 7, left + width, top + 45


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_neighbours_keep_their_distance_and_frames_do_not_mix(data: st.DataObject) -> None:
    """For any graph, however many lines pass by, and whichever frames stand below one another."""
    count = data.draw(st.integers(1, 12))
    frames = st.sampled_from([None, "a", "b", "c"])
    box = st.builds(Box, st.integers(0, 4), frames, st.sampled_from([50.0, 120.0]))
    boxes = {f"box{index}": data.draw(box) for index in range(count)}
    pairs = [(a, b) for a in boxes for b in boxes if boxes[a].rank < boxes[b].rank]
    links = data.draw(st.lists(st.sampled_from(pairs), max_size=20)) if pairs else []
    found = layout(boxes, links, Room(10, 40, {"a": 20, "b": 20, "c": 30}))
    held = {frame: [item for item in boxes.values() if item.frame == frame] for frame in found.frames}
    spans = {frame: (min(own), max(own)) for frame, items in held.items() for own in [[item.rank for item in items]]}
    for rank in range(5):
        row = sorted((found.across[name], name) for name in boxes if boxes[name].rank == rank)
        for (x, a), (y, b) in pairwise(row):
            assert y - x >= (boxes[a].width + boxes[b].width) / 2 + 10 - 1e-6
        beside = sorted(found.frames[frame] for frame, (first, last) in spans.items() if first <= rank <= last)
        assert all(right[0] - left[1] >= 10 - 1e-6 for left, right in pairwise(beside))
        for frame, (first, last) in spans.items():
            start, end = found.frames[frame]
            for x, name in row:
                inside = start < x < end and first <= rank <= last
                assert inside == (boxes[name].frame == frame)
    assert [(route[0], route[-1]) for route in found.routes] == links
    assert all(
        len(route) == boxes[b].rank - boxes[a].rank + 1 for route, (a, b) in zip(found.routes, links, strict=True)
    )


def test_a_chain_is_drawn_however_long_and_however_declared() -> None:
    """Callees declared before their callers, deeper than Python's stack."""
    names = [f"service-{index}" for index in range(1200)]
    nodes = tuple(Node(name, "service", name, "all", "", {}) for name in reversed(names))
    edges = tuple(Edge("call", a, b) for a, b in pairwise(names))
    found = Drawing(Picture("deep", nodes, edges, ("all",))).ranks
    assert [found[name] for name in names] == list(range(1, 1201))


def test_what_the_same_ones_use_is_one_stack_with_one_line() -> None:
    """A service that all others of a stack leave alone, or one line too few, would hide who uses what."""
    kinds: dict[str, NodeKind] = {"web": "service", "jobs": "service", "a": "store", "b": "store", "c": "store"}
    kinds["bank"] = "external"
    nodes = tuple(Node(name, kind, name, "all", "", {}) for name, kind in kinds.items())
    uses = [("web", "a"), ("jobs", "a"), ("jobs", "b"), ("web", "b"), ("web", "c")]
    edges = (*(Edge("use", *pair) for pair in uses), Edge("exit", "web", "bank"))
    drawing = Drawing(Picture("stacked", nodes, edges, ("all",)))
    assert [" ".join(node.name for node in stack) for stack in drawing.stacks.values()] == [
        "web",
        "jobs",
        "a b",
        "c",
        "bank",
    ]
    assert len(drawing.lines) == 4


def test_wishes_that_can_be_met_are_met() -> None:
    def found(wishes: list[float], weights: list[float], distance: float) -> list[float]:
        names = "abc"[: len(wishes)]
        apart = [(a, b, distance) for a, b in pairwise(names)]
        return list(
            separated(
                dict(zip(names, wishes, strict=True)), dict(zip(names, weights, strict=True)), names, apart
            ).values()
        )

    assert found([0, 100, 300], [1, 1, 1], 50) == pytest.approx([0, 100, 300])
    assert found([0, 0], [1, 1], 10) == pytest.approx([-5, 5])
    assert found([0, 0], [3, 1], 8) == pytest.approx([-2, 6])
