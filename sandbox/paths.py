"""Property paths (``spec.ports[0].name``, ``tags["a.b"]``, ``rules[*].cidr``) and the differences they name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sandbox.events import COMPUTED, MASK, Change, SandboxError
from sandbox.provider import UNKNOWN, Secret
from sandbox.values import plain

Part = str | int
_MISSING: Final = object()
_TOKEN: Final = re.compile(r"""\.?([^.\[\]"]+)|\[(\d+)\]|\[(\*)\]|\[?"((?:[^"\\]|\\.)*)"\]?""")


def parse(path: str) -> tuple[Part, ...]:
    """Split a property path; ``*`` stands for every key or element."""
    parts: list[Part] = []
    position = 0
    while position < len(path):
        match = _TOKEN.match(path, position)
        if match is None:
            raise SandboxError(f"property path {path!r} makes no sense at character {position + 1}")
        name, index, star, quoted = match.groups()
        if index is not None:
            parts.append(int(index))
        else:
            parts.append(name if name is not None else star if star is not None else quoted.replace('\\"', '"'))
        position = match.end()
    return tuple(parts)


def matches(pattern: tuple[Part, ...], path: tuple[Part, ...]) -> bool:
    """Whether one names the other or something inside it."""
    return all(want in ("*", have) or have == "*" for want, have in zip(pattern, path, strict=False))


def keep_old(new: dict[str, Any], old: Mapping[str, Any], ignored: Iterable[str]) -> dict[str, Any]:
    """The new inputs, with every ignored path as it was in the old ones."""
    result: Any = new
    for path in ignored:
        result = _keep(result, old, parse(path))
    return dict(result)


def _keep(new: Any, old: Any, parts: tuple[Part, ...]) -> Any:
    if isinstance(new, Secret):
        return Secret(_keep(new.value, old, parts))
    if isinstance(old, Secret):
        old = old.value
    if isinstance(new, dict) and isinstance(old, Mapping):
        keys = sorted(new.keys() | old.keys()) if parts[0] == "*" else [str(parts[0])]
        merged = dict(new)
        for key in keys:
            value = _choose(new.get(key, _MISSING), old.get(key, _MISSING), parts[1:])
            if value is _MISSING:
                merged.pop(key, None)
            else:
                merged[key] = value
        return merged
    if isinstance(new, list) and isinstance(old, list):
        chosen = range(len(new)) if parts[0] == "*" else [parts[0]]
        return [
            _choose(item, old[i], parts[1:]) if i in chosen and i < len(old) else item for i, item in enumerate(new)
        ]
    return new


def _choose(new: Any, old: Any, rest: tuple[Part, ...]) -> Any:
    if not rest:
        return old
    return new if new is _MISSING or old is _MISSING else _keep(new, old, rest)


def changes(old: Mapping[str, Any], new: Mapping[str, Any], replace: Iterable[str] = ()) -> tuple[Change, ...]:
    """Every path that differs, secrets masked. ``replace`` names top-level properties that force a replacement."""
    forcing = frozenset(replace)
    return tuple(
        Change(
            path=_text(parts),
            kind="add" if before is _MISSING else "delete" if after is _MISSING else "update",
            old=None if before is _MISSING else display(before),
            new=None if after is _MISSING else display(after),
            forces_replacement=str(parts[0]) in forcing,
        )
        for parts, before, after in differences(old, new)
    )


def differences(old: Any, new: Any, at: tuple[Part, ...] = ()) -> Iterator[tuple[tuple[Part, ...], Any, Any]]:
    """Yield (path, before, after) for each smallest part that differs; an unknown always differs."""
    if isinstance(old, Secret) or isinstance(new, Secret):
        if plain(old) != plain(new):
            yield at, old if old is _MISSING else Secret(old), new if new is _MISSING else Secret(new)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from differences(old.get(key, _MISSING), new.get(key, _MISSING), (*at, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else _MISSING
            yield from differences(before, new[index] if index < len(new) else _MISSING, (*at, index))
    elif old != new or type(old) is not type(new):
        yield at, old, new


def display(value: Any) -> Any:
    """The value as it may be shown: secrets and unknowns replaced by their marks."""
    if isinstance(value, Secret):
        return MASK
    if value is UNKNOWN:
        return COMPUTED
    if isinstance(value, Mapping):
        return {key: display(item) for key, item in value.items()}
    return [display(item) for item in value] if isinstance(value, list) else value


def _text(parts: tuple[Part, ...]) -> str:
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w$-]+", part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text
