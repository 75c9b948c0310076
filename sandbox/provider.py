"""What the engine asks of a provider, and the values that pass between them.

A provider serves one Pulumi package (``aws``, ``kubernetes``, ``random``, ``tls``). All property
bags are plain JSON values in the provider's own camelCase names, secrets unwrapped. During a preview
a value that is not known yet is :data:`UNKNOWN`, at any depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable


class Unknown:
    """The one value that stands for 'known after the update'."""

    _instance: Unknown | None = None

    def __new__(cls) -> Unknown:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "<unknown>"

    def __deepcopy__(self, memo: object) -> Unknown:
        return self


UNKNOWN: Final = Unknown()


def has_unknown(value: Any) -> bool:
    """Whether :data:`UNKNOWN` occurs anywhere in a JSON value."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


@dataclass(frozen=True)
class Secret:
    """A value that is never shown nor saved plain. Providers may wrap what they answer; they never receive one."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(...)"


class ResourceError(Exception):
    """A resource was refused. ``path`` names the property; ``remedy`` says what to do, when it is known."""

    def __init__(self, message: str, *, path: str = "", remedy: str = "") -> None:
        self.path = path
        self.remedy = remedy
        super().__init__(f"{path}: {message}" if path else message)


@dataclass(frozen=True)
class Desired:
    """A resource as the program declares it."""

    urn: str
    type: str
    name: str
    inputs: dict[str, Any]


@dataclass(frozen=True)
class Saved:
    """A resource as the last update left it."""

    urn: str
    type: str
    name: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]


@dataclass(frozen=True)
class Diff:
    """Which top-level inputs changed, and which of them force a replacement."""

    changed: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    delete_before_replace: bool = False


@dataclass(frozen=True)
class Made:
    """What a create or update answers: the id and every output (the inputs are included by the engine)."""

    id: str
    outputs: dict[str, Any] = field(default_factory=dict)


class Provider(Protocol):
    """One Pulumi package. Methods may be called from many threads at once.

    Errors are :class:`ResourceError`; anything else is a bug in the provider.
    """

    package: str

    def check(self, desired: Desired, old: Saved | None) -> dict[str, Any]:
        """The inputs as they will be used: validated, with defaults and automatic names (kept from ``old``)."""
        ...

    def diff(self, old: Saved, desired: Desired) -> Diff:
        """Compare checked inputs; an UNKNOWN counts as a change."""
        ...

    def create(self, desired: Desired) -> Made: ...

    def update(self, old: Saved, desired: Desired) -> Made: ...

    def delete(self, old: Saved) -> None:
        """Refuse (ResourceError) while something live still refers to the resource."""
        ...

    def read(self, type_: str, id_: str, inputs: Mapping[str, Any]) -> Made:
        """Look an existing resource up (``Resource.get``, imports); ResourceError when there is none."""
        ...

    def invoke(self, token: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a data source; an unknown token is a ResourceError, never an empty answer."""
        ...

    def restore(self, saved: Iterable[Saved]) -> None:
        """Rebuild the backend from saved resources, given in creation order; ids must come out the same."""
        ...

    def secret_outputs(self, type_: str) -> frozenset[str]:
        """Names of the outputs that are always secret."""
        ...


@dataclass(frozen=True)
class Package:
    """How the engine gets the provider of one package.

    ``make`` is called with the provider's configuration, in plain camelCase (``aws:region`` becomes
    ``region``; an explicit provider sends nested values and booleans JSON-encoded, as the SDK does;
    UNKNOWN in a preview of what does not exist yet).

    Not ``shared``: one instance per provider resource, made when first needed, with one ``restore`` of
    all that it holds, empty on a first run, before any other call. A changed configuration makes a new instance.

    ``shared``: one account for all stacks of the backend folder, and one instance per distinct
    configuration. A run starts with ``reset``, which is given the saved resources of every stack and leaves
    the account empty, or as it is when it holds just these. Then they are restored once each, in dependency
    order: ``restore`` may be called several times, on several instances, and passes over what is there already.

    ``replace_on`` names the configuration whose change replaces the provider and all that is on it; where ``identity``
    is configured, its change alone does.
    """

    make: Callable[[Mapping[str, Any]], Provider]
    shared: bool = False
    reset: Callable[[Sequence[Saved]], None] = lambda saved: None
    replace_on: frozenset[str] = frozenset()
    identity: str = ""

    def replaced_by(self, config: Mapping[str, Any]) -> frozenset[str]:
        """The configuration whose change replaces a provider that is configured so."""
        return frozenset({self.identity}) if config.get(self.identity) else self.replace_on


@runtime_checkable
class Judging(Protocol):
    """A provider that can also judge the whole once every resource is declared: references, sums, selectors."""

    def finish(self) -> list[ResourceError]:
        """What is wrong with what was declared in this run; the same in a preview. Empty when all is well."""
        ...
