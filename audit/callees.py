"""What is declared of one actor as a callee: by whom, on which ports, for which requests."""

from __future__ import annotations

from dataclasses import dataclass, field

from audit.population import Mask

METRICS_PATH = "/metrics"


@dataclass
class Admission:
    """Callers of one port of one actor."""

    leave: Mask = 0
    """Let out by their own policy."""
    enter: Mask = 0
    """Let in by the callee's."""


@dataclass
class Callee:
    """What is declared of one actor as a callee."""

    served: set[int] = field(default_factory=set)
    metrics: set[int] = field(default_factory=set)
    doors: dict[tuple[str, str], int] = field(default_factory=dict)
    """The port that a published host and path prefix lead to."""
    methods: tuple[str, ...] = ()
    calls: list[tuple[Mask, tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    """Callers with their methods and paths; empty: all."""
    known_to: Mask = 0
    """Sidecars that know its host."""
    private: dict[int, Mask] = field(default_factory=dict)
    """Ports of a host of their own, and the only callers of each: members of one store."""
    narrow: dict[int, Mask] = field(default_factory=dict)
    """Ports of the same host that only some of its callers may use."""

    @property
    def named_methods(self) -> set[str]:
        scraped = {"GET"} if self.metrics else set()
        return {*scraped, *self.methods, *(method for _, methods, _ in self.calls for method in methods)}

    @property
    def named_paths(self) -> set[str]:
        scraped = {METRICS_PATH} if self.metrics else set()
        return scraped | {path for _, _, paths in self.calls for path in paths}

    @property
    def prefixes(self) -> set[str]:
        return {prefix for _, prefix in self.doors}

    def published(self, port: int, path: str) -> bool:
        """Whether a request for the path comes from outside to the port: on any host, by its longest prefix."""
        longest: dict[str, str] = {}
        for host, prefix in self.doors:
            if path.startswith(prefix) and len(prefix) >= len(longest.get(host, "")):
                longest[host] = prefix
        return any(self.doors[door] == port for door in longest.items())
