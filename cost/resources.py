"""Registered resources with the components that own them, from stacks in the shape of ``pulumi stack export``."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from cost.errors import CostError

Values = Mapping[str, Any]
STACK: Final = "pulumi:pulumi:Stack"
AWS_PROVIDER: Final = "pulumi:providers:aws"


@dataclass(frozen=True, slots=True)
class Resource:
    """One registered resource. ``values``: its outputs where it has any, laid over its inputs."""

    type: str
    urn: str
    id: str
    parent: str
    """URN; empty for the stack itself."""
    provider: str
    """URN; empty for a component."""
    custom: bool
    """Whether a provider made it; components are not."""
    values: Values

    @property
    def name(self) -> str:
        """The logical name."""
        return self.urn.split("::", 3)[-1]

    def get(self, path: str) -> Any:
        """The value at a dotted path; None where any step is absent. A list is entered at its first element."""
        found: Any = self.values
        for step in path.split("."):
            if isinstance(found, list):
                found = found[0] if found else None
            if not isinstance(found, Mapping):
                return None
            found = found.get(step)
        return found

    def rows(self, path: str) -> list[Values]:
        """The objects in a list at a path; none where it is absent."""
        found = self.get(path)
        return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


class Stack:
    """The live resources of one exported stack."""

    def __init__(self, document: Values) -> None:
        """:class:`CostError` when the document has another shape."""
        deployment = document.get("deployment")
        if not isinstance(deployment, Mapping):
            raise CostError("there is no 'deployment' in it; give a file that 'pulumi stack export' wrote")
        self.resources: Sequence[Resource] = [
            _resource(raw) for raw in deployment.get("resources") or () if not raw.get("delete")
        ]
        self._by_urn = {item.urn: item for item in self.resources}
        self._by_type: dict[str, list[Resource]] = defaultdict(list)
        for item in self.resources:
            self._by_type[item.type].append(item)

    def of(self, *types: str) -> list[Resource]:
        """The resources of these types."""
        return [item for type_ in types for item in self._by_type.get(type_, ())]

    def owners(self, item: Resource) -> Iterator[Resource]:
        """The components above a resource, the nearest first; the stack is none of them."""
        above = self._by_urn.get(item.parent)
        while above is not None and above.type != STACK:
            yield above
            above = self._by_urn.get(above.parent)

    def region_of(self, item: Resource) -> str:
        """Where a resource is: what it says itself, or its provider does; else where the stack is."""
        own = item.get("region") or self._by_urn.get(item.provider, item).get("region")
        return str(own) if own and item.type.startswith("aws:") else self.region

    @cached_property
    def region(self) -> str:
        """Where most of its AWS resources are. :class:`CostError` when none says where it is."""
        found = Counter(
            str(region)
            for item in self.resources
            if item.type.startswith("aws:") or item.type == AWS_PROVIDER
            if (region := item.get("region") or self._by_urn.get(item.provider, item).get("region"))
        )
        if not found:
            raise CostError("none of its resources says in which AWS region it is; nothing of it can be priced")
        return found.most_common(1)[0][0]


def _resource(raw: Values) -> Resource:
    return Resource(
        type=raw["type"],
        urn=raw["urn"],
        id=str(raw.get("id", "")),
        parent=str(raw.get("parent", "")),
        provider=str(raw.get("provider", "")).rpartition("::")[0],
        custom=bool(raw.get("custom")),
        values={**(raw.get("inputs") or {}), **(raw.get("outputs") or {})},
    )
