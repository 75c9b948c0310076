"""The saved form of a stack: resources as ``pulumi stack export`` writes them, and how a run changes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.events import SandboxError
from sandbox.provider import UNKNOWN, Secret
from sandbox.secrets import Crypter
from sandbox.values import SECRET, SIGNATURE

STACK_TYPE: Final = "pulumi:pulumi:Stack"
REFERENCE_TYPE: Final = "pulumi:pulumi:StackReference"
PROVIDER_PREFIX: Final = "pulumi:providers:"

Raw = dict[str, Any]

_OPTIONAL: Final[Mapping[str, str]] = {
    "id": "id",
    "delete": "delete",
    "inputs": "inputs",
    "outputs": "outputs",
    "parent": "parent",
    "protect": "protect",
    "external": "external",
    "dependencies": "dependencies",
    "provider": "provider",
    "property_dependencies": "propertyDependencies",
    "additional_secret_outputs": "additionalSecretOutputs",
    "aliases": "aliases",
    "custom_timeouts": "customTimeouts",
    "import_id": "importID",
    "retain_on_delete": "retainOnDelete",
    "deleted_with": "deletedWith",
    "replacement_trigger": "replacementTrigger",
    "hooks": "resourceHooks",
    "created": "created",
    "modified": "modified",
}
"""Attribute of :class:`Resource` -> key in the file; left out there when empty, as the CLI does."""


@dataclass(frozen=True)
class Resource:
    """One resource of a stack. ``inputs`` and ``outputs`` hold :class:`Secret` wrappers."""

    urn: str
    type: str
    custom: bool
    id: str = ""
    delete: bool = False
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    parent: str = ""
    protect: bool = False
    external: bool = False
    dependencies: list[str] = field(default_factory=list)
    provider: str = ""
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, str] = field(default_factory=dict)
    import_id: str = ""
    retain_on_delete: bool = False
    deleted_with: str = ""
    replacement_trigger: Any = None
    hooks: dict[str, list[str]] = field(default_factory=dict)
    created: str = ""
    modified: str = ""

    @property
    def name(self) -> str:
        """The logical name: the last part of the URN."""
        return urn_name(self.urn)

    def to_raw(self, crypter: Crypter) -> Raw:
        """The entry of the state file, secrets encrypted."""
        raw: Raw = {"urn": self.urn, "custom": self.custom, "type": self.type}
        for attribute, key in _OPTIONAL.items():
            value = getattr(self, attribute)
            if value or (value is not None and attribute == "replacement_trigger"):
                raw[key] = _seal(value, crypter, self.urn)
        return raw

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any], crypter: Crypter) -> Resource:
        """Read an entry of the state file; keys that the sandbox does not use are dropped."""
        known = {a: _unseal(raw[k], crypter, raw["urn"]) for a, k in _OPTIONAL.items() if raw.get(k) is not None}
        return cls(urn=raw["urn"], type=raw["type"], custom=bool(raw.get("custom")), **known)


def _seal(value: Any, crypter: Crypter, scope: str) -> Any:
    if isinstance(value, Secret):
        text = json.dumps(_reveal(value.value), sort_keys=True, separators=(",", ":"))
        return {SIGNATURE: SECRET, "ciphertext": crypter.encrypt(text, scope)}
    if isinstance(value, dict):
        return {key: _seal(item, crypter, scope) for key, item in value.items()}
    if isinstance(value, list):
        return [_seal(item, crypter, scope) for item in value]
    if value is UNKNOWN:
        raise SandboxError(f"{scope}: a value is still unknown after the update and cannot be saved")
    return value


def _reveal(value: Any) -> Any:
    """A secret inside a secret is covered by the outer one."""
    if isinstance(value, Secret):
        return _reveal(value.value)
    if isinstance(value, dict):
        return {key: _reveal(item) for key, item in value.items()}
    return [_reveal(item) for item in value] if isinstance(value, list) else value


def _unseal(value: Any, crypter: Crypter, scope: str) -> Any:
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            if "ciphertext" not in value:
                return Secret(json.loads(value["plaintext"]))
            return Secret(json.loads(crypter.decrypt(value["ciphertext"], scope)))
        return {key: _unseal(item, crypter, scope) for key, item in value.items()}
    return [_unseal(item, crypter, scope) for item in value] if isinstance(value, list) else value


def urn_name(urn: str) -> str:
    """``urn:pulumi:stack::project::parentType$type::name`` -> ``name``."""
    return urn.split("::", 3)[-1]


def urn_type(urn: str) -> str:
    """The qualified type of a URN, parents' types included."""
    return urn.split("::", 3)[2]


def make_urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """The URN the Pulumi engine gives: the parents' types lead, the root stack's is left out."""
    parents = urn_type(parent) if parent else ""
    qualified = f"{parents}${type_}" if parents and parents != STACK_TYPE else type_
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def split_reference(reference: str) -> tuple[str, str]:
    """A provider reference ``urn::id`` -> (urn, id)."""
    urn, _, identity = reference.rpartition("::")
    return urn, identity


class Snapshot:
    """The entries of one state file, changed by the entries of a journal; secrets stay encrypted.

    A key is the URN of the live resource, or URN and id of one that waits for its deletion.
    """

    def __init__(self, resources: Iterable[Raw] = (), pending: Iterable[Raw] = (), secrets: Raw | None = None) -> None:
        self.resources: dict[str, Raw] = {entry_key(raw): raw for raw in resources}
        self.pending: dict[str, Raw] = {item["resource"]["urn"]: item for item in pending}
        self.secrets: Raw = secrets or {}

    def apply(self, change: Raw) -> None:
        """Do what one journal entry says."""
        match change["do"]:
            case "secrets":
                self.secrets = change["provider"]
            case "begin":
                self.pending[change["resource"]["urn"]] = {"resource": change["resource"], "type": change["type"]}
            case "end":
                self.pending.pop(change["urn"], None)
            case "put":
                raw = change["resource"]
                self.resources[entry_key(raw)] = raw
                self.pending.pop(raw["urn"], None)
            case "condemn":
                raw = {**self.resources.pop(change["urn"]), "delete": True}
                self.resources[entry_key(raw)] = raw
            case "drop":
                raw = self.resources.pop(change["key"])
                self.pending.pop(raw["urn"], None)
            case "rename":
                self._rename(change["old"], change["new"])
            case other:
                raise SandboxError(f"unknown journal entry {other!r}; it was written by a newer version")

    def _rename(self, old: str, new: str) -> None:
        """Follow an alias: the entry keeps its place, what refers to it follows."""
        renamed: dict[str, Raw] = {}
        for raw in self.resources.values():
            changed = _rename_in(raw, old, new)
            renamed[entry_key(changed)] = changed
        self.resources = renamed

    def ordered(self) -> list[Raw]:
        """Every entry after all that it refers to, otherwise in the order in which they were made."""
        by_urn: dict[str, list[str]] = {}
        for key, raw in self.resources.items():
            by_urn.setdefault(raw["urn"], []).append(key)
        done: dict[str, Raw] = {}
        entered: set[str] = set()
        for first in self.resources:
            stack = [first]
            while stack:
                key = stack[-1]
                raw = self.resources[key]
                waiting: list[str] = []
                if key not in entered:
                    entered.add(key)
                    waiting = [k for urn in references(raw) for k in by_urn.get(urn, ()) if k not in entered]
                if waiting:
                    stack.extend(reversed(waiting))
                else:
                    done.setdefault(key, raw)
                    stack.pop()
        return list(done.values())

    def stack_outputs(self) -> Raw:
        """The raw outputs of the stack, or an empty bag when it has none yet."""
        roots = [raw for raw in self.resources.values() if raw["type"] == STACK_TYPE]
        return dict(roots[0].get("outputs", {})) if roots else {}


def entry_key(raw: Mapping[str, Any]) -> str:
    """The key of an entry within its :class:`Snapshot`."""
    return f"{raw['urn']}\0{raw.get('id', '')}" if raw.get("delete") else str(raw["urn"])


def references(raw: Mapping[str, Any]) -> list[str]:
    """The URNs an entry refers to."""
    found = [raw.get("parent", ""), raw.get("deletedWith", ""), *raw.get("dependencies", ())]
    found += [urn for urns in raw.get("propertyDependencies", {}).values() for urn in urns]
    if raw.get("provider"):
        found.append(split_reference(raw["provider"])[0])
    return [urn for urn in dict.fromkeys(found) if urn and urn != raw["urn"]]


def _rename_in(raw: Raw, old: str, new: str) -> Raw:
    if raw["urn"] != old and old not in references(raw):
        return raw
    changed = dict(raw)
    for key in ("urn", "parent", "deletedWith"):
        if changed.get(key) == old:
            changed[key] = new
    if "dependencies" in changed:
        changed["dependencies"] = [new if urn == old else urn for urn in changed["dependencies"]]
    if "propertyDependencies" in changed:
        changed["propertyDependencies"] = {
            name: [new if urn == old else urn for urn in urns] for name, urns in changed["propertyDependencies"].items()
        }
    provider, identity = split_reference(changed.get("provider", ""))
    if provider == old:
        changed["provider"] = f"{new}::{identity}"
    return changed
