"""Network policy rules of either notation, brought to one form and indexed by the callee."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from audit.population import Actor, Mask, Population, Port, bits

ANY: Final = "ANY"
PROTOCOLS: Final = ("TCP", "UDP", "SCTP")


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports of one protocol, by number or by the name that the callee's pod gives them."""

    protocol: str
    low: int
    high: int
    name: str = ""

    def holds(self, callee: Actor, port: Port) -> bool:
        if self.protocol not in (ANY, port[0]):
            return False
        if self.name:
            return callee.named_ports.get(self.name) == port[1]
        return self.low <= port[1] <= self.high

    def edges(self, callee: Actor) -> set[Port]:
        """The ports at which this range begins and ends."""
        named = callee.named_ports.get(self.name)
        numbers = ([named] if named else []) if self.name else [self.low, self.high]
        protocols = PROTOCOLS if self.protocol == ANY else (self.protocol,)
        return {(protocol, number) for protocol in protocols for number in numbers}


Ports = tuple[PortRange, ...] | None
"""None: every port of every protocol."""


class Direction:
    """All rules of one direction. What a direction enforces, it refuses unless a rule allows it; a denial wins."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self.enforced: Mask = 0
        self._rules: dict[int, list[tuple[Mask, Ports, bool]]] = defaultdict(list)

    def add(self, callers: Mask, callees: Mask, ports: Ports, deny: bool = False) -> None:
        if callers:
            for callee in bits(callees):
                self._rules[callee].append((callers, ports, deny))

    def edges(self, callee: int) -> set[Port]:
        """The ports that rules about this callee name."""
        actor = self._population.actors[callee]
        return {
            edge
            for _, ports, _ in self._rules.get(callee, ())
            for range_ in ports or ()
            for edge in range_.edges(actor)
        }

    def admitted(self, free: Mask, callee: int, port: Port) -> Mask:
        """Callers that pass. ``free``: those that pass unless a rule denies them."""
        actor = self._population.actors[callee]
        allowed, denied = free, 0
        for callers, ports, deny in self._rules.get(callee, ()):
            if ports is None or any(item.holds(actor, port) for item in ports):
                if deny:
                    denied |= callers
                else:
                    allowed |= callers
        return allowed & ~denied


class PolicyRules:
    """Both directions of every network policy."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self.ingress = Direction(population)
        self.egress = Direction(population)

    def ingress_admitted(self, callee: int, port: Port) -> Mask:
        """Who gets in at the callee's end."""
        closed = self.ingress.enforced >> callee & 1
        return self.ingress.admitted(0 if closed else self._population.everyone, callee, port)

    def egress_admitted(self, callee: int, port: Port) -> Mask:
        """Who is let out at the caller's end."""
        return self.egress.admitted(self._population.everyone & ~self.egress.enforced, callee, port)

    def edges(self, callee: int) -> set[Port]:
        return self.ingress.edges(callee) | self.egress.edges(callee)
