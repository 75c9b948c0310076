"""What an audit finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from audit.population import Mask, bits

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


@dataclass(frozen=True)
class Column:
    """A callee, and everybody else in groups that fare alike. A thousand callers are a few integers here."""

    possible: Mask
    stopped: Mapping[tuple[str, ...], Mask]
    """Layers -> the callers that exactly these stop."""

    def cell(self, caller: int) -> Cell | None:
        """None for the callee itself."""
        if self.possible >> caller & 1:
            return Cell(True)
        return next((Cell(False, layers) for layers, mask in self.stopped.items() if mask >> caller & 1), None)


@dataclass
class Report:
    """The outcome for one stack."""

    stack: str
    callers: list[str] = field(default_factory=list)
    """Rows of the matrix: the system's own, and one of each kind of stranger."""
    callees: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Everybody, by position in the columns' sets."""
    columns: dict[str, Column] = field(default_factory=dict)
    """By callee."""
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
    def thin(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """What one layer alone stops: layer, callee, callers."""
        return [
            (layers[0], callee, tuple(self.names[index] for index in bits(mask)))
            for callee, column in self.columns.items()
            for layers, mask in column.stopped.items()
            if len(layers) == 1
        ]

    def cell(self, caller: str, callee: str) -> Cell | None:
        """How a pair fares; None when it is not judged."""
        column = self.columns.get(callee)
        return column.cell(self.names.index(caller)) if column and caller in self.names else None

    @property
    def stopped(self) -> list[dict[str, object]]:
        """Forbidden pairs, by callee and by the layers that stop them."""
        return [
            {"callee": callee, "layers": list(layers), "callers": [self.names[index] for index in bits(mask)]}
            for callee, column in self.columns.items()
            for layers, mask in column.stopped.items()
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
            "stopped": self.stopped,
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
