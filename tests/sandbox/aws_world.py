"""An account filled with samples, through the provider's own methods."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws import AwsProvider
from sandbox.provider import Desired, Diff, Saved
from tests.sandbox.aws_samples import Sample

_REFERENCE = re.compile(r"\$\{([\w-]+)(?:\.(\w+))?\}")


@dataclass
class World:
    """Resources made through the provider's own methods, as the engine would."""

    provider: AwsProvider
    saved: dict[str, Saved] = field(default_factory=dict)

    def fill(self, value: Any) -> Any:
        """A sample's value with its references put in."""
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if not isinstance(value, str):
            return value
        whole = _REFERENCE.fullmatch(value)
        if whole:
            return self._look_up(whole)
        return _REFERENCE.sub(lambda match: str(self._look_up(match)), value)

    def _look_up(self, match: re.Match[str]) -> Any:
        found = self.saved[match[1]]
        return found.outputs[match[2]] if match[2] else found.id

    def desired(self, type_: str, name: str, inputs: dict[str, Any]) -> Desired:
        return Desired(f"urn:pulumi:dev::test::{type_}::{name}", type_, name, self.fill(inputs))

    def make(self, type_: str, name: str, /, **inputs: Any) -> Saved:
        """Check and create."""
        wanted = self.desired(type_, name, inputs)
        checked = self.provider.check(wanted, None)
        made = self.provider.create(Desired(wanted.urn, type_, name, checked))
        self.saved[name] = Saved(wanted.urn, type_, name, made.id, checked, {**checked, **made.outputs})
        return self.saved[name]

    def make_all(self, samples: list[Sample]) -> None:
        for type_, name, inputs in samples:
            assert name not in self.saved, f"two samples are called {name!r}"
            self.make(type_, name, **inputs)

    def plan(self, name: str, /, **inputs: Any) -> tuple[Diff, Desired]:
        """Check and diff the resource with these inputs in place of its old ones."""
        old = self.saved[name]
        wanted = self.desired(old.type, name, inputs)
        desired = Desired(wanted.urn, old.type, name, self.provider.check(wanted, old))
        return self.provider.diff(old, desired), desired

    def change(self, name: str, /, **inputs: Any) -> Saved:
        """Update in place with some inputs changed."""
        old = self.saved[name]
        diff, desired = self.plan(name, **{**old.inputs, **inputs})
        assert diff.changed
        assert not diff.replace
        made = self.provider.update(old, desired)
        self.saved[name] = Saved(old.urn, old.type, name, made.id, desired.inputs, {**desired.inputs, **made.outputs})
        return self.saved[name]

    def destroy(self) -> None:
        """Delete everything, newest first."""
        for saved in reversed(list(self.saved.values())):
            self.provider.delete(saved)
