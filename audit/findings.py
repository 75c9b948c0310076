"""What an audit finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["open", "closed", "changed"]


@dataclass(frozen=True)
class Difference:
    """One layer that is not as declared, for callers that it treats alike."""

    layer: str
    kind: Kind
    """``open``: lets pass what is not declared. ``closed``: stops what is declared. ``changed``: neither."""
    callers: tuple[str, ...]
    callee: str
    port: str
    request: str = ""
    """The kind of request; empty: all."""
    stopped_by: tuple[str, ...] = ()
    """Layers that stop these callers all the same."""
    detail: str = ""

    @property
    def text(self) -> str:
        """In plain words."""
        if self.detail:
            return f"{self.layer}: {', '.join(self.callers)} -> {self.callee}: {self.detail}"
        many = len(self.callers)
        callers = ", ".join(self.callers[:8]) + (f" and {many - 8} more" if many > 8 else "")
        what = f"{callers} -> {self.callee} on {self.port}" + (f" ({self.request})" if self.request else "")
        others = f"; still stopped by {', '.join(self.stopped_by)}" if self.stopped_by else ""
        if self.kind == "open":
            return f"{what}: not declared, but the {self.layer} lets it pass{others or '; nothing else stops it'}"
        return f"{what}: declared, but the {self.layer} stops it{others.replace('still', 'also')}"


@dataclass(frozen=True)
class Connection:
    """Something that is possible: every layer lets it pass."""

    caller: str
    callee: str
    port: str
    request: str = ""


@dataclass(frozen=True)
class Cell:
    """A caller and a callee, over all of the callee's own ports."""

    possible: bool
    stopped_by: tuple[str, ...] = ()
    """Layers that stop every port and request; one alone is all that stands between the two."""


@dataclass
class Report:
    """The outcome for one stack."""

    stack: str
    callers: list[str] = field(default_factory=list)
    """Rows of the matrix: the system's own, and one of each kind of stranger."""
    callees: list[str] = field(default_factory=list)
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    doors: dict[str, str] = field(default_factory=dict)
    """Host, port and path -> what the ingress gateway answers."""
    machines: dict[tuple[str, str], str] = field(default_factory=dict)
    """Machine or place, machine -> ports on which the first reaches the second."""
    exposed: list[Connection] = field(default_factory=list)
    """Possible, though nobody declared it: the caller is under no policy, and nothing at the callee tells it apart."""
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.differences

    @property
    def thin(self) -> list[tuple[str, str, str]]:
        """Pairs that one layer alone stops: caller, callee, layer."""
        return [
            (caller, callee, cell.stopped_by[0])
            for (caller, callee), cell in self.cells.items()
            if not cell.possible and len(cell.stopped_by) == 1
        ]

    def document(self) -> Mapping[str, object]:
        """For machines."""
        return {
            "stack": self.stack,
            "clean": self.clean,
            "differences": [
                {
                    "layer": item.layer,
                    "kind": item.kind,
                    "callers": list(item.callers),
                    "callee": item.callee,
                    "port": item.port,
                    "request": item.request,
                    "stoppedBy": list(item.stopped_by),
                    "text": item.text,
                }
                for item in self.differences
            ],
            "connections": _connections(self.connections),
            "exposed": _connections(self.exposed),
            "stopped": _stopped(self.cells),
            "doors": dict(self.doors),
            "machines": [
                {"from": source, "to": target, "ports": ports} for (source, target), ports in self.machines.items()
            ],
            "notes": list(self.notes),
        }


def _connections(found: Sequence[Connection]) -> list[dict[str, str]]:
    return [
        {"caller": item.caller, "callee": item.callee, "port": item.port, "request": item.request} for item in found
    ]


def _stopped(cells: Mapping[tuple[str, str], Cell]) -> list[dict[str, object]]:
    """Forbidden pairs, by callee and by the layers that stop them."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (caller, callee), cell in cells.items():
        if not cell.possible:
            groups.setdefault((callee, cell.stopped_by), []).append(caller)
    return [
        {"callee": callee, "layers": list(layers), "callers": callers} for (callee, layers), callers in groups.items()
    ]
