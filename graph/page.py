"""A picture as one page that needs nothing else: a click says who may reach a part, whom it reaches, and by what."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from html import escape
from importlib import resources
from typing import Any, Final

from graph.picture import Picture
from graph.svg import MEANINGS, svg

PLACE: Final = re.compile(r"\{\{(\w+)\}\}")


def data(picture: Picture) -> dict[str, Any]:
    """What the page knows of every box and line."""
    return {
        "title": picture.title,
        "meanings": MEANINGS,
        "nodes": [asdict(node) for node in picture.nodes],
        "edges": [asdict(edge) for edge in picture.edges],
    }


def page(picture: Picture) -> str:
    """The whole document."""
    text = resources.files("graph").joinpath("files", "page.html").read_text(encoding="utf-8")
    filled = {
        "title": escape(picture.title),
        "svg": svg(picture).strip(),
        "data": json.dumps(data(picture)).replace("<", "\\u003c"),
    }
    return PLACE.sub(lambda match: filled[match.group(1)], text)
