"""Representatives of HTTP requests: one for each class that any rule can tell apart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

METHODS: Final = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
ELSEWHERE: Final = "/any-other-path"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. The port's traffic is opaque where there is none."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def matches(pattern: str, value: str) -> bool:
    """Istio's string match: exact, ``prefix*``, ``*suffix``, ``*`` for any that is present, or a path template."""
    if pattern == "*":
        return bool(value)
    if "{*" in pattern:
        return _template(pattern).fullmatch(value) is not None
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    if pattern.startswith("*"):
        return value.endswith(pattern[1:])
    return pattern == value


@lru_cache(maxsize=1024)
def _template(pattern: str) -> re.Pattern[str]:
    """``{*}`` stands for one segment of a path, ``{**}`` for any number."""
    text = re.escape(pattern).replace(re.escape("{**}"), ".*").replace(re.escape("{*}"), "[^/]+")
    return re.compile(text)


def example(pattern: str) -> str:
    """A path that a pattern matches, beyond its literal part."""
    pattern = pattern.replace("{**}", "x").replace("{*}", "x")
    if pattern.endswith("*"):
        return f"{pattern[:-1]}x"
    return f"/x{pattern[1:]}" if pattern.startswith("*") else pattern


def representatives(methods: Iterable[str], paths: Iterable[str], prefixes: Iterable[str] = ()) -> tuple[Request, ...]:
    """Every mentioned method and path, and one of each that nobody mentions."""
    named = sorted(set(methods) - {"*"})
    other = next((method for method in METHODS if method not in named), "TRACE")
    examples = {example(path) for path in paths} | {prefix for prefix in prefixes if prefix != "/"}
    return tuple(
        Request(method, path) for method in (*named, other) for path in (*sorted(examples - {ELSEWHERE}), ELSEWHERE)
    )
