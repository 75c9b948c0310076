"""A picture with a place for everything: what stands where, in which frame, and the way of every line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from graph.layout import Box, Item, Layout, Room, layout
from graph.picture import EdgeKind, Node, Picture

HEIGHT: Final = 52.0
"""Of a box; the others are pixels, too."""
GAP: Final = 30.0
"""Between boxes of a rank."""
BETWEEN: Final = 22.0
"""Between frames."""
INSIDE: Final = 20.0
"""From a frame to what it holds."""
LABEL: Final = 36.0
"""From a frame's top, where its name stands, to what it holds."""
STACKED: Final = 12.0
"""Between the boxes of a stack."""
RANK: Final = 54.0
"""Between ranks, where no frame begins or ends."""
MARGIN: Final = 28.0
HEAD: Final = 92.0
"""From the top to the first rank: the title."""
FOOT: Final = 64.0
"""From the last rank to the bottom: the legend."""
FLAT: Final = 50.0
"""What ranks stand further apart at most where lines between them go far sideways."""
OUTLINE: Final = 6.0
"""Around the boxes of a stack."""
TALLEST: Final = 6
"""Boxes of a stack."""
PORT: Final = 18.0
"""Between the ends of lines at a box."""

Point = tuple[float, float]


class Line(NamedTuple):
    """A drawn line: all edges of one kind between two stacks share it."""

    kind: EdgeKind
    source: str
    target: str


class Place(NamedTuple):
    """A box: its centre, its top, its width."""

    x: float
    top: float
    width: float


@dataclass(frozen=True)
class Drawing:
    """A picture, placed. A stack goes by the id of its first node."""

    picture: Picture

    @cached_property
    def stacks(self) -> Mapping[str, tuple[Node, ...]]:
        """What the same ones use, or leads to the same, stands below one another, and one line leads to all of it.

        That holds for doors, stores and exits; a service stands alone.
        """
        joined: dict[str, set[tuple[str, str]]] = {node.id: set() for node in self.picture.nodes}
        for edge in self.picture.edges:
            joined[edge.source].add((edge.kind, edge.target))
            joined[edge.target].add((edge.kind, edge.source))
        alike: dict[object, list[Node]] = defaultdict(list)
        for node in self.picture.nodes:
            key = node.id if node.kind == "service" else (node.kind, node.lane, frozenset(joined[node.id]))
            alike[key].append(node)
        groups = (nodes[at : at + TALLEST] for nodes in alike.values() for at in range(0, len(nodes), TALLEST))
        return {nodes[0].id: tuple(nodes) for nodes in groups}

    @cached_property
    def ranks(self) -> Mapping[str, int]:
        """By stack. Doors are 0; everything else stands below all that open connections to it; what nobody of the
        system uses, at the bottom."""
        callers: dict[str, set[str]] = {name: set() for name in self.stacks}
        for edge in self.picture.edges:
            if edge.kind != "events":
                callers[self._stack[edge.target]].add(self._stack[edge.source])
        found: dict[str, int] = {name: 0 for name, nodes in self.stacks.items() if nodes[0].kind == "door"}
        for name in TopologicalSorter(callers).static_order():
            found.setdefault(name, 1 + max((found[caller] for caller in callers[name]), default=0))
        last = max(found.values(), default=0)
        unused = {
            name for name, nodes in self.stacks.items() if not callers[name] and nodes[0].kind in ("store", "external")
        }
        return {name: last if name in unused else rank for name, rank in found.items()}

    @cached_property
    def _stack(self) -> Mapping[str, str]:
        return {node.id: name for name, nodes in self.stacks.items() for node in nodes}

    @cached_property
    def lines(self) -> Mapping[Line, str]:
        """Every line, and what is said of the first edge that it shows. A line between stacks shows one edge from each
        of the one to each of the other: that is what makes them stacks."""
        found: dict[Line, str] = {}
        for edge in self.picture.edges:
            found.setdefault(Line(edge.kind, self._stack[edge.source], self._stack[edge.target]), edge.label)
        return found

    @cached_property
    def _layout(self) -> Layout:
        boxes = {
            name: Box(self.ranks[name], nodes[0].lane or None, max(width(node) for node in nodes))
            for name, nodes in self.stacks.items()
        }
        inside: dict[Hashable, float] = {}
        for lane in self.picture.lanes:
            widest = max(box.width for box in boxes.values() if box.frame == lane)
            inside[lane] = max(INSIDE, (7.6 * len(lane) + 32 - widest) / 2)
        return layout(boxes, [self._ends(line) for line in self._across], Room(GAP, BETWEEN, inside))

    @cached_property
    def _across(self) -> tuple[Line, ...]:
        """Lines between ranks; the others stay below theirs."""
        return tuple(line for line in self.lines if self.ranks[line.source] != self.ranks[line.target])

    def _ends(self, line: Line) -> tuple[str, str]:
        """The upper and the lower."""
        upper, lower = sorted((line.source, line.target), key=self.ranks.__getitem__)
        return upper, lower

    @cached_property
    def _routes(self) -> Mapping[Line, tuple[Item, ...]]:
        return dict(zip(self._across, self._layout.routes, strict=True))

    # -- from left to right ------------------------------------------------------------------------

    def _x(self, item: Item) -> float:
        return self._layout.across[item] + MARGIN

    def _width(self, stack: str) -> float:
        return max(width(node) for node in self.stacks[stack])

    @cached_property
    def _ports(self) -> Mapping[tuple[Line, str], float]:
        """Lines that end at one side of a box end beside one another, in the order of where they come from."""
        sides: dict[tuple[str, Literal["top", "bottom"]], list[tuple[float, Line]]] = defaultdict(list)
        for line in self.lines:
            if route := self._routes.get(line):
                upper, lower = self._ends(line)
                sides[upper, "bottom"].append((self._x(route[1]), line))
                sides[lower, "top"].append((self._x(route[-2]), line))
            else:
                sides[line.source, "bottom"].append((self._x(line.target), line))
                sides[line.target, "bottom"].append((self._x(line.source), line))
        ports = {}
        for (name, _), found in sides.items():
            step = min(PORT, (self._width(name) - 30) / max(len(found) - 1, 1))
            for index, (_, line) in enumerate(sorted(found)):
                ports[line, name] = self._x(name) + (index - (len(found) - 1) / 2) * step
        return ports

    # -- from top to bottom ------------------------------------------------------------------------

    def _height(self, stack: str) -> float:
        count = len(self.stacks[stack])
        return count * HEIGHT + (count - 1) * STACKED

    @cached_property
    def _rows(self) -> tuple[tuple[float, float], ...]:
        """Top and bottom of each rank. Lines that go far sideways get room, so that they do not lie flat."""
        depth = max(self.ranks.values(), default=0) + 1
        heights, far = [HEIGHT] * depth, [0.0] * depth
        for name, rank in self.ranks.items():
            heights[rank] = max(heights[rank], self._height(name))
        for line, route in self._routes.items():
            first = self.ranks[self._ends(line)[0]]
            for offset, (a, b) in enumerate(pairwise(route)):
                far[first + offset] = max(far[first + offset], abs(self._x(a) - self._x(b)))
        spans = self._spans.values()
        rows, top = [], HEAD
        for rank, height in enumerate(heights):
            rows.append((top, top + height))
            begins = any(start == rank + 1 for start, _ in spans)
            ends = any(end == rank for _, end in spans)
            top += height + RANK + LABEL * begins + INSIDE * ends + min(FLAT, far[rank] / 11)
        return tuple(rows)

    @cached_property
    def _spans(self) -> Mapping[str, tuple[int, int]]:
        """First and last rank of each frame."""
        held: dict[str, list[int]] = defaultdict(list)
        for name, nodes in self.stacks.items():
            held[nodes[0].lane].append(self.ranks[name])
        return {lane: (min(ranks), max(ranks)) for lane, ranks in held.items() if lane}

    # -- what is drawn -----------------------------------------------------------------------------

    @property
    def size(self) -> Point:
        """Width and height of everything."""
        ends = [end for _, end in self._layout.frames.values()]
        ends += [self._layout.across[name] + self._width(name) / 2 for name in self.stacks]
        return max(max(ends, default=0.0) + 2 * MARGIN, 680.0), self._rows[-1][1] + INSIDE + FOOT

    def frame(self, lane: str) -> tuple[Point, Point]:
        """Corners of a frame."""
        start, end = self._layout.frames[lane]
        first, last = self._spans[lane]
        tallest = max(self._bottom(name) for name, nodes in self.stacks.items() if nodes[0].lane == lane)
        low = max(tallest, self._rows[last][0] + HEIGHT) + INSIDE
        return (start + MARGIN, self._rows[first][0] - LABEL), (end + MARGIN, low)

    def places(self, stack: str) -> list[Place]:
        """The boxes of a stack, from the top."""
        top = self._rows[self.ranks[stack]][0]
        step, wide = HEIGHT + STACKED, self._width(stack)
        return [Place(self._x(stack), top + index * step, wide) for index in range(len(self.stacks[stack]))]

    def _top(self, stack: str) -> float:
        """Where lines come in."""
        return self._rows[self.ranks[stack]][0] - OUTLINE * (len(self.stacks[stack]) > 1)

    def _bottom(self, stack: str) -> float:
        """Where lines go out."""
        outline = OUTLINE * (len(self.stacks[stack]) > 1)
        return self._rows[self.ranks[stack]][0] + self._height(stack) + outline

    def points(self, line: Line) -> list[Point]:
        """From the source to the target: straight past everything in a rank, sideways between ranks alone."""
        upper, lower = self._ends(line)
        route, first = self._routes[line], self.ranks[upper]
        port = self._ports[line, upper]
        points = [(port, self._bottom(upper)), (port, max(self._bottom(upper), self._rows[first][1]))]
        for offset, bend in enumerate(route[1:-1], start=1):
            top, bottom = self._rows[first + offset]
            points += [(self._x(bend), top - 6), (self._x(bend), bottom + 6)]
        points.append((self._ports[line, lower], self._top(lower)))
        return points if line.source == upper else points[::-1]

    def curve(self, line: Line) -> str:
        """As an SVG path."""
        if line in self._routes:
            return _smooth(self.points(line))
        start, end = self._ports[line, line.source], self._ports[line, line.target]
        a, b, low = self._bottom(line.source), self._bottom(line.target), self._rows[self.ranks[line.source]][1] + 40
        return f"M{start:.1f} {a:.1f}C{start:.1f} {low:.1f} {end:.1f} {low:.1f} {end:.1f} {b:.1f}"


def width(node: Node) -> float:
    """Room for both lines, by the mean width of a letter in a wide font at their sizes."""
    return max(136.0, 8.7 * len(node.name) + 32, 6.8 * len(node.note) + 32)


def _smooth(points: Sequence[Point]) -> str:
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x, y), (to_x, to_y) in pairwise(points):
        if (x, y) == (to_x, to_y):
            continue
        if abs(x - to_x) < 0.5:
            parts.append(f"L{to_x:.1f} {to_y:.1f}")
        else:
            half = (y + to_y) / 2
            parts.append(f"C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}")
    return " ".join(parts)
