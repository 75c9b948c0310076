"""How a stack's configuration changes a declaration: trees of what differs, in which members of lists are named."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from model import DeclarationError
from model.base import did_you_mean

CHANGEABLE: Final = frozenset({"services", "stores", "policies", "routes", "externals", "platform", "network", "quota"})
"""Parts of a declaration that a stack's configuration may change, beside its environments."""
GROWING: Final[Mapping[str, tuple[str, ...]]] = {"changes.externals": ("name",), "changes.routes": ()}
"""Lists that may grow, by hosts outside and by further doors to what is there; and the field that names a new member.
"""
LIKE: Final = "like"
"""Names the declared environment or service that one of the configuration's own begins with."""


def alike(changes: Mapping[str, Any], declared: Collection[str], place: str, system: str) -> dict[str, str]:
    """What the configuration adds, and the declared one that each begins with."""
    found = {}
    for name, change in changes.items():
        model = change.get(LIKE, name) if isinstance(change, Mapping) else name
        if model not in declared:
            raise DeclarationError(
                f"{place} names '{model}', which is not declared in system '{system}'"
                f"{did_you_mean(str(model), declared)}"
            )
        if name not in declared:
            found[name] = model
        elif isinstance(change, Mapping) and LIKE in change:
            raise DeclarationError(f"{place}.{name} is declared in system '{system}'; remove its '{LIKE}: {model}'")
    return found


def own(change: Any) -> Any:
    """What a member says itself, beside whom it is like."""
    return {name: value for name, value in change.items() if name != LIKE} if isinstance(change, Mapping) else change


def merged(base: Any, changes: Any, place: str) -> Any:
    """A tree with the changed leaves. Members of a list of named ones are changed by their names."""
    if not isinstance(changes, Mapping):
        return changes
    if isinstance(base, Sequence) and not isinstance(base, str):
        return _members(base, changes, place)
    if not isinstance(base, Mapping):
        return changes
    return {**base, **{key: merged(base.get(key), value, f"{place}.{key}") for key, value in changes.items()}}


def place_of(path: Sequence[int | str], value: Any) -> str:
    """A path into a tree as it is written in a stack's file, where members of lists are named."""
    words = []
    for part in path:
        listed = isinstance(value, list) and isinstance(part, int)
        value = value[part] if listed or (isinstance(value, Mapping) and part in value) else None
        words.append(_named(value) if listed and isinstance(value, Mapping) else str(part))
    return ".".join(words)


def _named(item: Mapping[str, Any]) -> str:
    return str(item.get("name") or item.get("to") or item.get("kind"))


def _members(base: Sequence[Any], changes: Mapping[str, Any], place: str) -> list[Any]:
    names = [_named(item) for item in base]
    new = [name for name in changes if name not in names]
    if new and place not in GROWING:
        raise DeclarationError(f"{place} names '{new[0]}', which is not declared{did_you_mean(new[0], names)}")
    changed = [
        merged(item, changes[name], f"{place}.{name}") if name in changes else item
        for name, item in zip(names, base, strict=True)
    ]
    return [*changed, *({**dict.fromkeys(GROWING[place], name), **changes[name]} for name in new)]
