"""What a row's templates and hooks can see while a resource is served."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from moto.moto_api._internal import mock_random

from sandbox.aws.cloud import Cloud

_PLACE: Final = re.compile(r"\{(\w+)\}")
MISSING: Final = object()


@dataclass
class Context:
    """One operation on one resource."""

    cloud: Cloud
    service: str
    region: str
    account: str
    name: str
    inputs: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    """The resource's tags with the provider's default tags beneath."""
    id: str = ""
    answer: dict[str, Any] = field(default_factory=dict)
    """What the create answered."""
    view: dict[str, Any] = field(default_factory=dict)
    """The resource as AWS describes it."""
    outputs: dict[str, Any] = field(default_factory=dict)
    old: Mapping[str, Any] = field(default_factory=dict)
    """The inputs before an update."""
    saved: Mapping[str, Any] = field(default_factory=dict)
    """The outputs in the saved state, while it is replayed; empty when the resource is new."""

    def call(self, operation: str, /, **params: Any) -> dict[str, Any]:
        """One call to the row's service."""
        return self.call_service(self.service, operation, **params)

    def call_service(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        """One call to another service."""
        return self.cloud.call(service, operation, params, self.region, self.account)

    def changed(self, name: str) -> bool:
        return self.inputs.get(name) != self.old.get(name)

    def fill(self, template: Any) -> Any:
        """A template with its places filled; :data:`MISSING` when it is one place without a value."""
        if isinstance(template, str):
            return self._fill_text(template)
        if isinstance(template, Mapping):
            return self.fill_all(template)
        if isinstance(template, (list, tuple)):
            return [value for value in map(self.fill, template) if value is not MISSING]
        return template(self) if callable(template) else template

    def fill_all(self, templates: Mapping[str, Any]) -> dict[str, Any]:
        filled = {key: self.fill(template) for key, template in templates.items()}
        return {key: value for key, value in filled.items() if value is not MISSING and value is not None}

    def _fill_text(self, template: str) -> Any:
        whole = _PLACE.fullmatch(template)
        if whole:
            return self._place(whole.group(1))
        return _PLACE.sub(lambda place: str(self._place(place.group(1), "")), template)

    def _place(self, name: str, default: Any = MISSING) -> Any:
        if name in ("id", "region", "account"):
            return getattr(self, name)
        if name == "partition":
            return "aws"
        if name == "tags":
            return dict(self.tags) or default
        if name == "uuid":
            return str(mock_random.uuid4())
        if name.startswith("hex") and name[3:].isdigit():
            return random_hex(int(name[3:]))
        for source in (self.inputs, self.outputs):
            if source.get(name) is not None:
                return source[name]
        return default


def random_hex(length: int) -> str:
    """Hexadecimal digits from the seeded source, so that a replay draws the same."""
    return "".join(mock_random.choice("0123456789abcdef") for _ in range(length))
