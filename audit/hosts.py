"""Host names and patterns."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=65536)
def _pattern(pattern: str) -> re.Pattern[str]:
    text = pattern.lower().rstrip(".")
    if text == "*":
        return re.compile(".*")
    if text.startswith("**."):
        return re.compile(r"([-a-z0-9_]+\.)+" + re.escape(text[3:]))
    return re.compile(r"[-a-z0-9_]*".join(re.escape(part) for part in text.split("*")))


def name_matches(pattern: str, host: str) -> bool:
    """Cilium's ``matchPattern``: ``*`` stands for characters within one label, ``**.`` for labels; alone it is all."""
    return _pattern(pattern).fullmatch(host.lower().rstrip(".")) is not None


def host_covers(pattern: str, host: str) -> bool:
    """Istio's hosts: exact, ``*.suffix``, or ``*``. If ``host`` is a pattern itself, all of it must be covered."""
    if pattern in ("*", host):
        return True
    return pattern.startswith("*.") and host.removeprefix("*").endswith(pattern[1:]) and host != pattern[2:]


def qualified(host: str, namespace: str) -> str:
    """A short Service name is meant in the namespace of who writes it."""
    return host if "." in host or host == "*" else f"{host}.{namespace}.svc.cluster.local"
