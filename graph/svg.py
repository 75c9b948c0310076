"""A picture as SVG: ranks of boxes from doors to databases, in frames, joined by lines that say what they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Final
from xml.etree import ElementTree

from graph.layout import Box, Item, Layout, layout
from graph.picture import GATEWAYED, OUTSIDE, Edge, Node, Picture

HEIGHT: Final = 52.0
"""Of a box; the others are pixels, too."""
RANK: Final = 116.0
"""From one rank to the next."""
GAP: Final = 30.0
LANE_GAP: Final = 72.0
MARGIN: Final = 44.0
HEAD: Final = 80.0
"""From the top to the first rank: the title."""
FOOT: Final = 104.0
FONT: Final = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
COLOURS: Final = {
    "route": ("#2563eb", "public route"),
    "call": ("#475569", "call"),
    "use": ("#0d9488", "reads and writes"),
    "events": ("#a21caf", "events"),
    "exit": ("#c2660a", "leaves the platform"),
}
"""Colour and meaning of each kind of line."""
FILLS: Final = {"door": "#eff4ff", "service": "#ffffff", "store": "#effcf9", "external": "#fff8eb"}
BORDERS: Final = {"door": "#2563eb", "service": "#94a3b8", "store": "#0d9488", "external": "#c2660a"}

Point = tuple[float, float]


@dataclass(frozen=True)
class _Drawing:
    """A picture with a place for everything."""

    picture: Picture
    boxes: Mapping[str, Box]
    layout: Layout
    lines: Mapping[Edge, tuple[Item, ...]]
    """From the upper end to the lower one; only of edges that join different ranks."""
    lanes: tuple[str, ...]
    ports: dict[tuple[Edge, str], float] = field(default_factory=dict)

    @property
    def size(self) -> Point:
        width = max((end for _, end in self.layout.lanes), default=0.0) + 2 * MARGIN
        ranks = max((box.rank for box in self.boxes.values()), default=0)
        return max(width, 720.0), HEAD + ranks * RANK + HEIGHT + FOOT

    def x(self, item: Item) -> float:
        return self.layout.across[item] + MARGIN

    def y(self, rank: int) -> float:
        """The top of a rank."""
        return HEAD + rank * RANK


def svg(picture: Picture) -> str:
    """A document of its own."""
    return ElementTree.tostring(tree(picture), encoding="unicode") + "\n"


def tree(picture: Picture) -> ElementTree.Element:
    """The ``svg`` element; groups have ``data-id``, lines ``data-source`` and ``data-target``."""
    drawing = _drawn(picture)
    width, height = drawing.size
    root = ElementTree.Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width:.0f} {height:.0f}", "font-family": FONT},
    )
    root.attrib |= {"width": f"{width:.0f}", "height": f"{height:.0f}", "role": "img"}
    _text(root, "title", picture.title)
    _markers(root)
    _add(root, "rect", width="100%", height="100%", fill="#ffffff")
    _text(root, "text", picture.title, x=MARGIN, y=40, size=20, weight=600, fill="#0f172a")
    _frames(root, drawing)
    lines = _add(root, "g", **{"class": "lines"})
    for edge in picture.edges:
        _line(lines, drawing, edge)
    for node in picture.nodes:
        _box(root, drawing, node)
    _legend(root, picture, height)
    return root


def ranks(picture: Picture) -> dict[str, int]:
    """Doors are 0; everything else stands below all that open connections to it."""
    callers: dict[str, list[str]] = {node.id: [] for node in picture.nodes}
    for edge in picture.edges:
        if edge.kind not in ("events", "route"):
            callers[edge.target].append(edge.source)
    found: dict[str, int] = {node.id: 0 for node in picture.nodes if node.kind == "door"}
    for name in TopologicalSorter(callers).static_order():
        found.setdefault(name, 1 + max((found[caller] for caller in callers[name]), default=0))
    return found


def _drawn(picture: Picture) -> _Drawing:
    places = ranks(picture)
    lanes = picture.lanes
    own = {node.id: node.lane for node in picture.nodes}
    for edge in picture.edges:
        if edge.kind == "route":
            own[edge.source] = own[edge.target]
    boxes = {node.id: Box(places[node.id], lanes.index(own[node.id]), _width(node)) for node in picture.nodes}
    joined = [edge for edge in picture.edges if places[edge.source] != places[edge.target]]
    links = [sorted((edge.source, edge.target), key=lambda name: places[name]) for edge in joined]
    found = layout(boxes, [(upper, lower) for upper, lower in links], GAP, LANE_GAP)
    drawing = _Drawing(picture, boxes, found, dict(zip(joined, found.routes, strict=True)), lanes)
    _spread(drawing)
    return drawing


def _width(node: Node) -> float:
    """Room for both lines, by the mean width of a letter at their sizes."""
    return max(136.0, 7.8 * len(node.name) + 34, 6.0 * len(node.note) + 34)


def _spread(drawing: _Drawing) -> None:
    """Lines that end at one side of a box end beside one another, in the order of where they come from."""
    sides: dict[tuple[str, bool], list[tuple[float, Edge]]] = defaultdict(list)
    for edge, route in drawing.lines.items():
        upper, lower = str(route[0]), str(route[-1])
        sides[upper, False].append((drawing.x(route[1]), edge))
        sides[lower, True].append((drawing.x(route[-2]), edge))
    for edge in drawing.picture.edges:
        if edge not in drawing.lines:
            for name, other in ((edge.source, edge.target), (edge.target, edge.source)):
                sides[name, False].append((drawing.x(other), edge))
    for (name, _), found in sides.items():
        step = min(18.0, (drawing.boxes[name].width - 30) / max(len(found) - 1, 1))
        for index, (_, edge) in enumerate(sorted(found, key=lambda item: item[0])):
            drawing.ports[edge, name] = drawing.x(name) + (index - (len(found) - 1) / 2) * step


# -- what is drawn ---------------------------------------------------------------------------------


def _frames(root: ElementTree.Element, drawing: _Drawing) -> None:
    for index, (lane, (start, end)) in enumerate(zip(drawing.lanes, drawing.layout.lanes, strict=True)):
        kinds = {node.id: node.kind for node in drawing.picture.nodes}
        inside = [box.rank for name, box in drawing.boxes.items() if box.lane == index and kinds[name] != "door"]
        top, bottom = drawing.y(min(inside)) - 30, drawing.y(max(inside)) + HEIGHT + 42
        dashes = {"stroke-dasharray": "3 5"} if lane in (OUTSIDE, GATEWAYED) else {}
        group = _add(root, "g", **{"class": "frame", "data-lane": lane})
        _add(
            group,
            "rect",
            x=start + MARGIN - 22,
            y=top,
            width=max(end - start + 44, 7 * len(lane) + 30),
            height=bottom - top,
            rx=14,
            fill="#f8fafc",
            stroke="#cbd5e1",
            **dashes,
        )
        _text(group, "text", lane, x=start + MARGIN - 8, y=bottom - 13, size=12, weight=600, fill="#64748b")


def _box(root: ElementTree.Element, drawing: _Drawing, node: Node) -> None:
    box = drawing.boxes[node.id]
    left, top = drawing.x(node.id) - box.width / 2, drawing.y(box.rank)
    group = _add(root, "g", **{"class": f"node {node.kind}", "data-id": node.id, "tabindex": "0", "role": "button"})
    _text(group, "title", f"{node.kind} {node.name}")
    style = {"fill": FILLS[node.kind], "stroke": BORDERS[node.kind], "stroke-width": "1.4"}
    if node.kind == "store":
        _add(group, "path", d=_cylinder(left, top, box.width), **style)
        _add(group, "path", d=f"M{left:.1f} {top + 7:.1f}a{box.width / 2:.1f} 7 0 0 0 {box.width:.1f} 0", **style)
    else:
        radius = HEIGHT / 2 if node.kind == "door" else 10
        dashes = {"stroke-dasharray": "5 4"} if node.kind == "external" else {}
        _add(group, "rect", x=left, y=top, width=box.width, height=HEIGHT, rx=radius, **style, **dashes)
    shift = 5 if node.kind == "store" else 0
    x = drawing.x(node.id)
    _text(group, "text", node.name, y=top + 23 + shift, size=13.5, weight=600, fill="#0f172a", x=x, anchor="middle")
    _text(group, "text", node.note, y=top + 39 + shift, size=11, weight=400, fill="#64748b", x=x, anchor="middle")


def _cylinder(left: float, top: float, width: float) -> str:
    half = width / 2
    return (
        f"M{left:.1f} {top + 7:.1f}a{half:.1f} 7 0 0 1 {width:.1f} 0v{HEIGHT - 9:.1f}"
        f"a{half:.1f} 7 0 0 1 {-width:.1f} 0z"
    )


def _line(parent: ElementTree.Element, drawing: _Drawing, edge: Edge) -> None:
    route = drawing.lines.get(edge)
    points = _points(drawing, edge, route) if route else []
    d = _curve(points) if route else _arc(drawing, edge)
    colour, meaning = COLOURS[edge.kind]
    attributes = {"class": f"edge {edge.kind}", "data-source": edge.source, "data-target": edge.target}
    if edge.kind == "events":
        attributes["stroke-dasharray"] = "6 4"
    group = _add(parent, "g", **attributes)
    names = " → ".join(end.partition(":")[2] for end in (edge.source, edge.target))
    _text(group, "title", f"{meaning}: {names}{f' ({edge.label})' if edge.label else ''}")
    style = {"fill": "none", "stroke": colour, "stroke-width": "1.6", "marker-end": f"url(#arrow-{edge.kind})"}
    _add(group, "path", d=d, **style)


def _points(drawing: _Drawing, edge: Edge, route: Sequence[Item]) -> list[Point]:
    """From the source's side to the target's, with two points at every bend so that the line passes boxes upright."""
    upper, lower = str(route[0]), str(route[-1])
    first = drawing.boxes[upper].rank
    points = [(drawing.ports[edge, upper], drawing.y(first) + HEIGHT)]
    for offset, bend in enumerate(route[1:-1], start=1):
        top = drawing.y(first + offset)
        points += [(drawing.x(bend), top - 6), (drawing.x(bend), top + HEIGHT + 6)]
    points.append((drawing.ports[edge, lower], drawing.y(drawing.boxes[lower].rank)))
    return points if edge.source == upper else points[::-1]


def _curve(points: Sequence[Point]) -> str:
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x, y), (to_x, to_y) in pairwise(points):
        if x == to_x:
            parts.append(f"L{to_x:.1f} {to_y:.1f}")
        else:
            half = (y + to_y) / 2
            parts.append(f"C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}")
    return " ".join(parts)


def _arc(drawing: _Drawing, edge: Edge) -> str:
    """Between two boxes of one rank: below both."""
    bottom = drawing.y(drawing.boxes[edge.source].rank) + HEIGHT
    start, end = drawing.ports[edge, edge.source], drawing.ports[edge, edge.target]
    return f"M{start:.1f} {bottom:.1f}C{start:.1f} {bottom + 46:.1f} {end:.1f} {bottom + 46:.1f} {end:.1f} {bottom:.1f}"


def _markers(root: ElementTree.Element) -> None:
    defs = _add(root, "defs")
    for kind, (colour, _) in COLOURS.items():
        marker = _add(
            defs,
            "marker",
            id=f"arrow-{kind}",
            viewBox="0 0 10 10",
            refX=9,
            refY=5,
            markerWidth=7,
            markerHeight=7,
            orient="auto",
        )
        _add(marker, "path", d="M0 1L9.5 5L0 9z", fill=colour)


def _legend(root: ElementTree.Element, picture: Picture, height: float) -> None:
    """Only what occurs."""
    group = _add(root, "g", **{"class": "legend"})
    at, y = MARGIN, height - 26
    for kind in dict.fromkeys(edge.kind for edge in picture.edges):
        colour, meaning = COLOURS[kind]
        dashes = {"stroke-dasharray": "6 4"} if kind == "events" else {}
        line = {"stroke": colour, "stroke-width": "1.8", "fill": "none", "marker-end": f"url(#arrow-{kind})"}
        _add(group, "path", d=f"M{at:.0f} {y:.0f}h30", **line, **dashes)
        _text(group, "text", meaning, x=at + 38, y=y + 4, size=12, weight=400, fill="#475569")
        at += 62 + 6.8 * len(meaning)


# -- elements --------------------------------------------------------------------------------------


def _add(parent: ElementTree.Element, tag: str, **attributes: str | float) -> ElementTree.Element:
    texts = {name: value if isinstance(value, str) else f"{value:.1f}" for name, value in attributes.items()}
    return ElementTree.SubElement(parent, tag, texts)


def _text(
    parent: ElementTree.Element,
    tag: str,
    content: str,
    *,
    x: float = 0,
    y: float = 0,
    size: float = 0,
    weight: int = 0,
    fill: str = "",
    anchor: str = "",
) -> None:
    """Text to be seen, or, without a size, a ``title``."""
    element = _add(parent, tag)
    if size:
        element.attrib |= {"x": f"{x:.1f}", "y": f"{y:.1f}", "font-size": f"{size:g}", "font-weight": str(weight)}
        element.attrib |= {"fill": fill} | ({"text-anchor": anchor} if anchor else {})
    element.text = content


def drawn(root: ElementTree.Element, css: str) -> Iterable[ElementTree.Element]:
    """Groups of one class: ``node``, ``edge`` or ``frame``."""
    return (element for element in root.iter("g") if css in element.get("class", "").split())
