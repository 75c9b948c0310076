"""Ports for the servers that tests start."""

from __future__ import annotations

import random
import socket
from typing import Final

PORTS: Final = range(20_000, 32_000)
"""Below the ports that Linux gives to outgoing connections (from 32768): none is taken between choice and use."""
_CHOICE: Final = random.SystemRandom()
_given: set[int] = set()


def free_port() -> int:
    """A port of the loopback that nobody listens on, and that this process has not been given yet."""
    while True:
        port = _CHOICE.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]
