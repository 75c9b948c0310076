"""What the random and tls providers share: values made once, kept by the state, replaced when an input changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.provider import Desired, Diff, Made, ResourceError, Saved, has_unknown

Maker = Callable[[Mapping[str, Any]], Made]
Typecheck = Callable[[str, Mapping[str, Any]], None]


def _accept(_: Mapping[str, Any]) -> None:
    """The rule of a type whose inputs make sense whenever their types do."""


@dataclass(frozen=True)
class Kind:
    """One resource type: how it is made, and what is particular to its inputs and outputs."""

    make: Maker
    rule: Callable[[Mapping[str, Any]], None] = _accept
    """Raises :class:`ResourceError` for inputs of the right types that make no sense."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()


class LocalProvider:
    """A provider whose resources are pure values: the outputs in the state are the resources."""

    package: str

    def __init__(self, kinds: Mapping[str, Kind], check_types: Typecheck) -> None:
        self._kinds = kinds
        self._check_types = check_types

    def check(self, desired: Desired, old: Saved | None) -> dict[str, Any]:
        kind = self._kind(desired.type)
        self._check_types(desired.type, desired.inputs)
        inputs = {**kind.defaults, **desired.inputs}
        if not has_unknown(inputs):
            kind.rule(inputs)
        return inputs

    def diff(self, old: Saved, desired: Desired) -> Diff:
        names = sorted(old.inputs.keys() | desired.inputs.keys())
        changed = tuple(name for name in names if _differs(old.inputs.get(name), desired.inputs.get(name)))
        return Diff(changed=changed, replace=changed)

    def create(self, desired: Desired) -> Made:
        return self._kind(desired.type).make(desired.inputs)

    def update(self, old: Saved, desired: Desired) -> Made:
        raise ResourceError(f"{desired.type} cannot be changed in place; every change of an input replaces it")

    def delete(self, old: Saved) -> None:
        """Nothing exists outside the state."""

    def read(self, type_: str, id_: str, inputs: Mapping[str, Any]) -> Made:
        raise ResourceError(
            f"{type_} {id_!r} exists in no backend and cannot be looked up", remedy="declare the resource instead"
        )

    def invoke(self, token: str, args: Mapping[str, Any]) -> dict[str, Any]:
        raise ResourceError(f"the sandbox does not know the function {token}")

    def restore(self, saved: Iterable[Saved]) -> None:
        """Nothing to rebuild: outputs come from the state."""

    def secret_outputs(self, type_: str) -> frozenset[str]:
        return self._kind(type_).secrets

    def _kind(self, type_: str) -> Kind:
        try:
            return self._kinds[type_]
        except KeyError:
            known = ", ".join(sorted(self._kinds))
            raise ResourceError(f"the sandbox does not know the type {type_}", remedy=f"it makes {known}") from None


def _differs(old: Any, new: Any) -> bool:
    return has_unknown(new) or bool(old != new)
