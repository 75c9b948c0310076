"""Every way to lose or widen one rule of a registered platform, each as a small change of a saved stack.

A mutation is undone by its own context manager, so that thousands of them run on one document.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from audit.findings import Difference
from tests.proof import WHOLE

Resource = dict[str, Any]
Change = Callable[[Resource], None]
FEW: Final = 4


@dataclass(frozen=True)
class Mutation:
    """One change of one resource."""

    name: str
    stack: str
    urn: str
    layers: tuple[str, ...]
    """A difference at one of these layers is what the audit must report."""
    mentions: tuple[str, ...]
    """One of these that difference must name: a workload, a machine, a host. Empty: no name is known to be right."""
    change: Change | None
    """None: the resource is gone."""

    def told_by(self, differences: Iterable[Difference]) -> bool:
        """Whether one of the differences is at the right layer and names the right end."""
        return any(
            item.layer in self.layers and (not self.mentions or any(name in item.text for name in self.mentions))
            for item in differences
        )

    @contextmanager
    def applied(self, documents: Mapping[str, Any]) -> Iterator[None]:
        resources = documents[self.stack]["deployment"]["resources"]
        index = next(i for i, item in enumerate(resources) if item["urn"] == self.urn)
        original = resources[index]
        if self.change is None:
            del resources[index]
        else:
            changed = copy.deepcopy(original)
            self.change(changed)
            assert changed != original, f"{self.name} changes nothing"
            resources[index] = changed
        try:
            yield
        finally:
            if self.change is None:
                resources.insert(index, original)
            else:
                resources[index] = original


def chosen(found: Sequence[Mutation], few: int = FEW) -> list[Mutation]:
    """Of each kind of mistake in each kind of resource a few, the same at every run; all of them for `make proof`."""
    if WHOLE:
        return list(found)
    alike: dict[str, list[Mutation]] = {}
    for mutation in found:
        kind, _, what = mutation.name.partition(": ")
        alike.setdefault(re.sub(r"\d+|know .*", "", f"{kind.partition(' ')[0]}: {what}"), []).append(mutation)
    choose = random.Random(len(found))
    return [mutation for group in alike.values() for mutation in choose.sample(group, min(few, len(group)))]


def outputs(change: Callable[[dict[str, Any]], None]) -> Change:
    """Changes what was registered of the resource."""
    return lambda resource: change(resource["outputs"])


def at(path: Sequence[str | int], change: Callable[[Any], None]) -> Change:
    """Changes one place of the resource's outputs."""

    def apply(resource: Resource) -> None:
        found: Any = resource["outputs"]
        for key in path:
            found = found[key]
        change(found)

    return apply


def drop(path: Sequence[str | int]) -> Change:
    """Removes one key or element."""
    return at(path[:-1], lambda found: found.pop(path[-1]))


def put(path: Sequence[str | int], value: Any) -> Change:
    """Sets one key or element."""

    def set_(found: Any) -> None:
        found[path[-1]] = value

    return at(path[:-1], set_)


def append(path: Sequence[str | int], value: Any) -> Change:
    """Adds one element."""
    return at(path, lambda found: found.append(value))
