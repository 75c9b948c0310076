"""What is live in the account, and who refers to whom.

moto accepts most references to things that do not exist, and deletes things that are in use. AWS does
neither. The index knows every live resource of every stack with the ids it owns and the ids it names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.provider import ResourceError, Saved

_PREFIXES = (
    "vpc|subnet|sg|sgr|rtb|rtbassoc|acl|igw|eigw|nat|eni|eipalloc|eipassoc|vol|snap|i|lt|vpce|pcx|dopt|vgw|cgw|vpn|fl|key|"
    "tgw|tgw-attach|tgw-rtb|cvpn-endpoint|eice|fs|fsap"
)
_ID = re.compile(rf"^(?:{_PREFIXES})-[0-9a-f]{{8,17}}$")
_ARN = re.compile(r"^arn:aws[\w-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12})?:\S+$")
_NOT_OURS = re.compile(
    r":(root|policy/aws-service-role/.*|role/aws-service-role/.*)$|[*?$]|:aws-managed|^arn:aws:s3:::.+/"
)
"""ARNs that no resource of ours has to stand for: account roots, service-linked roles, patterns, objects."""


@dataclass(frozen=True)
class Live:
    """One live resource."""

    urn: str
    type: str
    name: str
    id: str
    region: str
    account: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    seed: str = ""
    """What its ids were drawn from; no two of a type have the same."""
    keys: frozenset[str] = field(default_factory=frozenset)
    """The ids that stand for this resource itself: what refers to them keeps it from being deleted."""
    refers: frozenset[str] = field(default_factory=frozenset)


def looks_like_id(text: str, account: str) -> bool:
    """Whether a string names a resource of this account by id or ARN."""
    if _ID.match(text):
        return True
    match = _ARN.match(text)
    if match is None or _NOT_OURS.search(text):
        return False
    return match.group(1) == account or (match.group(1) is None and text.startswith("arn:aws:s3:::"))


def references(value: Any, account: str, path: str = "") -> Iterator[tuple[str, str]]:
    """Every ``(path, id)`` in a JSON value. Text inside documents (policies, user data) does not count."""
    if isinstance(value, str):
        if looks_like_id(value, account):
            yield path, value.removesuffix(":*")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from references(item, account, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from references(item, account, f"{path}[{position}]")


class Index:
    """Live resources by identity. Callers hold the cloud's lock while they change it."""

    def __init__(self) -> None:
        self._live: dict[str, dict[str, Live]] = {}
        """By type, then by id."""
        self._seeds: set[tuple[str, str]] = set()
        self._owners: dict[str, Live] = {}
        self._owned: dict[tuple[str, str], frozenset[str]] = {}
        self._counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Live]:
        return (live for of_type in tuple(self._live.values()) for live in tuple(of_type.values()))

    def clear(self) -> None:
        for part in (self._live, self._seeds, self._owners, self._owned, self._counts):
            part.clear()

    def add(self, live: Live) -> None:
        """Record a resource, in place of what was recorded for the same type and id."""
        self.drop(live.type, live.id)
        computed = {key: value for key, value in live.outputs.items() if key not in live.inputs}
        derived = {ref for _, ref in references(computed, live.account)}
        owned = frozenset(key for key in live.keys | derived if key in live.keys or key not in self._owners)
        self._live.setdefault(live.type, {})[live.id] = live
        self._seeds.add((live.type, live.seed))
        self._owned[(live.type, live.id)] = owned
        self._owners.update(dict.fromkeys(owned, live))
        self._counts.update(live.refers)

    def drop(self, type_: str, id_: str) -> None:
        live = self._live.get(type_, {}).pop(id_, None)
        if live is None:
            return
        self._seeds.discard((type_, live.seed))
        for key in self._owned.pop((type_, id_)):
            if self._owners.get(key) is live:
                del self._owners[key]
        self._counts.subtract(live.refers)

    def find(self, type_: str, id_: str) -> Live | None:
        return self._live.get(type_, {}).get(id_)

    def of_type(self, *types: str) -> list[Live]:
        return [live for type_ in types for live in tuple(self._live.get(type_, {}).values())]

    def has_seed(self, type_: str, seed: str) -> bool:
        return (type_, seed) in self._seeds

    def holds(self, saved: Iterable[Saved]) -> bool:
        """Whether just these resources are live, each as it was saved."""
        wanted = {(item.type, item.id): (item.urn, item.inputs, item.outputs) for item in saved}
        return wanted == {
            (live.type, live.id): (live.urn, live.inputs, {**live.inputs, **live.outputs}) for live in self
        }

    def by_key(self, key: str) -> Live | None:
        """The resource that owns an id or ARN."""
        return self._owners.get(key.removesuffix(":*"))

    def require_unused(self, live: Live) -> None:
        """Refuse a deletion while something else refers to the resource."""
        if not any(self._counts[key] > 0 for key in live.keys):
            return
        users = [other for other in self if other is not live and live.keys & other.refers]
        if users:
            named = ", ".join(f"{other.type} {other.name!r} ({other.id})" for other in users[:3])
            more = f" and {len(users) - 3} more" if len(users) > 3 else ""
            raise ResourceError(
                f"{live.type} {live.name!r} ({live.id}) is still used by {named}{more}",
                remedy="delete what uses it first",
            )
