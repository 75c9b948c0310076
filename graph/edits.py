"""Differences between two pieces of plain data: exact enough to be applied, short enough to be read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

Step = str | int


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()
"""What a field that is not there has instead of a value."""


@dataclass(frozen=True)
class Edit:
    """One changed field. ``before`` or ``after`` is ABSENT where the field is new or gone."""

    path: tuple[Step, ...]
    """Keys of maps and indexes of lists, as in the first piece."""
    before: Any
    after: Any


@dataclass(frozen=True)
class Splice:
    """Items of the list at ``path`` from index ``at`` on: those ``before`` give way to those ``after``."""

    path: tuple[Step, ...]
    at: int
    before: tuple[Any, ...]
    after: tuple[Any, ...]


Change = Edit | Splice


def edits(before: Any, after: Any, path: tuple[Step, ...] = ()) -> Iterator[Change]:
    """What turns ``before`` into ``after``, in the order of the first; items of lists are matched by their contents."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            old, new = before.get(key, ABSENT), after.get(key, ABSENT)
            if old is ABSENT or new is ABSENT:
                yield Edit((*path, key), old, new)
            else:
                yield from edits(old, new, (*path, key))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _items(before, after, path)
    elif before != after or type(before) is not type(after):
        yield Edit(path, before, after)


def _items(before: list[Any], after: list[Any], path: tuple[Step, ...]) -> Iterator[Change]:
    """Items that have names of their own are the same where the names are; others where the contents are."""
    named = _names(before) and _names(after)
    texts = _identities(before, named), _identities(after, named)
    for operation, i, j, k, m in SequenceMatcher(None, texts[0], texts[1], autojunk=False).get_opcodes():
        if operation == "equal" or (operation == "replace" and j - i == m - k and not named):
            for index, new in zip(range(i, j), after[k:m], strict=True):
                yield from edits(before[index], new, (*path, index))
        else:
            yield Splice(path, i, tuple(before[i:j]), tuple(after[k:m]))


def _identities(items: list[Any], named: bool) -> list[str]:
    return [item["name"] if named else json.dumps(item, sort_keys=True) for item in items]


def _names(items: list[Any]) -> bool:
    names = [item.get("name") for item in items if isinstance(item, Mapping)]
    return len(names) == len(items) == len({name for name in names if isinstance(name, str)})


def applied(before: Any, changes: Iterable[Change]) -> Any:
    """``before`` with the changes made. From the last to the first, so that indexes stay those of ``before``."""
    root = {"": deepcopy(before)}
    for change in reversed(list(changes)):
        if isinstance(change, Splice):
            items = _at(root, ("", *change.path))
            items[change.at : change.at + len(change.before)] = change.after
            continue
        *parents, last = ("", *change.path)
        holder = _at(root, parents)
        if change.after is ABSENT:
            del holder[last]
        else:
            holder[last] = change.after
    return root.get("", ABSENT)


def _at(root: Any, path: Iterable[Step]) -> Any:
    for step in path:
        root = root[step]
    return root
