"""A picture as SVG: ranks of boxes from doors to databases, in frames, joined by lines that say what they are."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from typing import Final
from xml.etree import ElementTree

from graph.drawing import HEIGHT, MARGIN, OUTLINE, Drawing, Line, Place
from graph.picture import GATEWAYED, OUTSIDE, EdgeKind, Node, Picture

FONT: Final = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
MEANINGS: Final[dict[EdgeKind, str]] = {
    "route": "public route",
    "call": "call",
    "use": "reads and writes",
    "events": "events",
    "exit": "leaves the platform",
}
"""What each kind of line says; its colour is in ``drawing.css``."""
READING: Final = "An arrow leads from who opens a connection, or publishes, to whom."


def svg(picture: Picture) -> str:
    """A document of its own."""
    return ElementTree.tostring(tree(picture), encoding="unicode") + "\n"


def tree(picture: Picture) -> ElementTree.Element:
    """The ``svg`` element; groups have ``data-id``; lines have ``data-source`` and ``data-target``, which list
    what shares the line."""
    drawing = Drawing(picture)
    width, height = drawing.size
    root = ElementTree.Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width:.0f} {height:.0f}", "font-family": FONT},
    )
    root.attrib |= {"width": f"{width:.0f}", "height": f"{height:.0f}", "role": "img"}
    _add(root, "title").text = picture.title
    _add(root, "style").text = resources.files("graph").joinpath("files", "drawing.css").read_text(encoding="utf-8")
    _markers(root, picture)
    _add(root, "rect", **{"class": "paper"}, width="100%", height="100%")
    _text(root, picture.title, x=MARGIN, y=38, size=20, weight=600)
    _text(root, READING, x=MARGIN, y=58, size=12, css="quiet")
    for lane in picture.lanes:
        _frame(root, drawing, lane)
    lines = _add(root, "g", **{"class": "lines"})
    for line, label in drawing.lines.items():
        _line(lines, drawing, line, label)
    for lane in picture.lanes:
        (left, top), _ = drawing.frame(lane)
        _text(root, lane, x=left + 14, y=top + 20, size=12, weight=600, css="frame-name")
    for name, nodes in drawing.stacks.items():
        places = drawing.places(name)
        if len(nodes) > 1:
            _outline(root, places)
        for node, place in zip(nodes, places, strict=True):
            _box(root, node, place)
    _legend(root, picture, height)
    return root


def _frame(root: ElementTree.Element, drawing: Drawing, lane: str) -> None:
    (left, top), (right, bottom) = drawing.frame(lane)
    css = "frame outside" if lane in (OUTSIDE, GATEWAYED) else "frame"
    group = _add(root, "g", **{"class": css, "data-lane": lane})
    _add(group, "rect", x=left, y=top, width=right - left, height=bottom - top, rx=14)


def _outline(root: ElementTree.Element, places: list[Place]) -> None:
    """Around a stack: a line that ends there leads to all of it."""
    x, top, width = places[0]
    _add(
        root,
        "rect",
        **{"class": "stack"},
        x=x - width / 2 - OUTLINE,
        y=top - OUTLINE,
        width=width + 2 * OUTLINE,
        height=places[-1].top + HEIGHT - top + 2 * OUTLINE,
        rx=14,
    )


def _box(root: ElementTree.Element, node: Node, place: Place) -> None:
    left, top, width = place.x - place.width / 2, place.top, place.width
    group = _add(root, "g", **{"class": f"node {node.kind}", "data-id": node.id, "tabindex": "0", "role": "button"})
    _add(group, "title").text = f"{node.kind} {node.name}"
    if node.kind == "store":
        _add(group, "path", d=_cylinder(left, top, width))
        _add(group, "path", d=f"M{left:.1f} {top + 7:.1f}a{width / 2:.1f} 7 0 0 0 {width:.1f} 0")
    else:
        _add(group, "rect", x=left, y=top, width=width, height=HEIGHT, rx=HEIGHT / 2 if node.kind == "door" else 10)
    shift = 5 if node.kind == "store" else 0
    _text(group, node.name, x=place.x, y=top + 23 + shift, size=13.5, weight=600, anchor="middle")
    _text(group, node.note, x=place.x, y=top + 39 + shift, size=11, css="quiet", anchor="middle")


def _cylinder(left: float, top: float, width: float) -> str:
    half = width / 2
    return (
        f"M{left:.1f} {top + 7:.1f}a{half:.1f} 7 0 0 1 {width:.1f} 0v{HEIGHT - 9:.1f}"
        f"a{half:.1f} 7 0 0 1 {-width:.1f} 0z"
    )


def _line(parent: ElementTree.Element, drawing: Drawing, line: Line, label: str) -> None:
    sources, targets = drawing.stacks[line.source], drawing.stacks[line.target]
    ends = {"data-source": " ".join(node.id for node in sources), "data-target": " ".join(node.id for node in targets)}
    group = _add(parent, "g", **{"class": f"edge {line.kind}", **ends})
    names = " → ".join(", ".join(node.name for node in nodes) for nodes in (sources, targets))
    _add(group, "title").text = f"{MEANINGS[line.kind]}: {names}{f' ({label})' if label else ''}"
    _add(group, "path", d=drawing.curve(line), **{"marker-end": f"url(#{line.kind})"})


def _kinds(picture: Picture) -> list[EdgeKind]:
    """Those that occur."""
    return [kind for kind in MEANINGS if any(edge.kind == kind for edge in picture.edges)]


def _markers(root: ElementTree.Element, picture: Picture) -> None:
    defs = _add(root, "defs")
    size = {"viewBox": "0 0 10 10", "refX": "9", "refY": "5", "markerWidth": "7", "markerHeight": "7"}
    for kind in _kinds(picture):
        marker = _add(defs, "marker", id=kind, orient="auto", **size)
        _add(marker, "path", **{"class": f"{kind}-head"}, d="M0 1L9.5 5L0 9z")


def _legend(root: ElementTree.Element, picture: Picture, height: float) -> None:
    group = _add(root, "g", **{"class": "legend"})
    at, y = MARGIN, height - 24
    for kind in _kinds(picture):
        line = _add(group, "g", **{"class": f"edge {kind}"})
        _add(line, "path", d=f"M{at:.0f} {y:.0f}h30", **{"marker-end": f"url(#{kind})"})
        _text(group, MEANINGS[kind], x=at + 38, y=y + 4, size=12, css="quiet")
        at += 66 + 7 * len(MEANINGS[kind])


# -- elements --------------------------------------------------------------------------------------


def _add(parent: ElementTree.Element, tag: str, **attributes: str | float) -> ElementTree.Element:
    texts = {name: value if isinstance(value, str) else f"{value:.1f}" for name, value in attributes.items()}
    return ElementTree.SubElement(parent, tag, texts)


def _text(
    parent: ElementTree.Element,
    content: str,
    *,
    x: float,
    y: float,
    size: float,
    weight: int = 400,
    css: str = "",
    anchor: str = "",
) -> None:
    attributes = {"font-size": f"{size:g}", "font-weight": str(weight)}
    attributes |= {name: value for name, value in (("class", css), ("text-anchor", anchor)) if value}
    _add(parent, "text", x=x, y=y, **attributes).text = content


def drawn(root: ElementTree.Element, css: str) -> Iterable[ElementTree.Element]:
    """Groups of one class: ``node``, ``edge`` or ``frame``."""
    return (element for element in root.iter("g") if css in element.get("class", "").split())
