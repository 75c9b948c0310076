"""Other stacks of the backend folder: their outputs for StackReference, their resources for shared accounts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sandbox.events import SandboxError
from sandbox.provider import ResourceError
from sandbox.secrets import Crypter
from sandbox.state import REFERENCE_TYPE, STACK_TYPE, Resource
from sandbox.store import Store
from sandbox.values import has_secret

ORGANIZATION: Final = "organization"
"""The one organization of a backend without accounts, as in the Pulumi CLI's file backend."""


class Backend:
    """The folder of saved stacks and the passphrase that opens them."""

    def __init__(self, folder: Path, passphrase: str) -> None:
        self.folder = folder
        self.passphrase = passphrase
        self._crypters: dict[str, Crypter] = {}

    def store(self, project: str, stack: str) -> Store:
        """The store of one stack, not loaded yet."""
        return Store(self.folder, project, stack)

    def crypter(self, store: Store) -> Crypter | None:
        """The crypter of a loaded stack, or None when it has no secrets provider yet."""
        provider = store.snapshot.secrets
        if not provider:
            return None
        if provider.get("type") != "passphrase":
            raise SandboxError(
                f"{store.path}: secrets provider {provider.get('type')!r}; the sandbox reads passphrase stacks only"
            )
        return self.open(provider["state"]["salt"], str(store.path))

    def open(self, salt: str, place: str) -> Crypter:
        """The crypter of a salt: one each, as it remembers the ciphertexts it has seen."""
        if salt not in self._crypters:
            self._crypters[salt] = Crypter.open(self.passphrase, salt, place)
        return self._crypters[salt]

    def stores(self) -> list[Store]:
        """Every saved stack by project and name, not loaded yet; also one that was killed in its first run."""
        paths = {
            path.with_suffix(".json") for ending in ("json", "journal") for path in self.folder.glob(f"*/*.{ending}")
        }
        return [Store(self.folder, path.parent.name, path.stem) for path in sorted(paths)]

    def in_order(self, own: Store) -> list[tuple[Store, list[Resource]]]:
        """Every stack with its resources, stacks after those they refer to; ``own`` is loaded already."""
        stores = {store.path: store for store in self.stores() if store.path != own.path}
        for store in stores.values():
            store.load()
        stores[own.path] = own
        ordered: dict[Path, Store] = {}
        for store in stores.values():
            self._visit(store, stores, ordered, set())
        return [(store, self.resources(store)) for store in ordered.values()]

    def _visit(
        self, store: Store, stores: Mapping[Path, Store], ordered: dict[Path, Store], entered: set[Path]
    ) -> None:
        if store.path in ordered or store.path in entered:
            return
        entered.add(store.path)
        for raw in store.snapshot.resources.values():
            if raw["type"] == REFERENCE_TYPE:
                target = stores.get(self.store(*parse_reference(raw["id"], store.project)).path)
                if target:
                    self._visit(target, stores, ordered, entered)
        ordered[store.path] = store

    def resources(self, store: Store) -> list[Resource]:
        """A loaded stack's resources in dependency order, secrets decrypted; none when it was never up."""
        crypter = self.crypter(store)
        return [Resource.from_raw(raw, crypter) for raw in store.snapshot.ordered()] if crypter else []

    def outputs(self, name: str, project: str) -> dict[str, Any]:
        """A stack's outputs, secrets wrapped. :class:`ResourceError` when it is unknown or not up."""
        store = self.store(*parse_reference(name, project))
        if not store.exists():
            known = [f"{s.project}/{s.stack}" for s in self.stores()]
            raise ResourceError(
                f"unknown stack {name!r}", remedy=f"bring it up first; known stacks: {', '.join(known) or 'none'}"
            )
        store.load()
        roots = [resource for resource in self.resources(store) if resource.type == STACK_TYPE]
        if not roots:
            raise ResourceError(f"stack {name!r} is not up", remedy="bring it up first")
        return roots[0].outputs


def parse_reference(name: str, project: str) -> tuple[str, str]:
    """``stack``, ``project/stack`` or ``organization/project/stack`` -> (project, stack)."""
    parts = name.split("/")
    if len(parts) == 3 and parts[0] != ORGANIZATION:
        raise ResourceError(
            f"stack {name!r}: unknown organization {parts[0]!r}", remedy=f"the sandbox's only one is {ORGANIZATION!r}"
        )
    if not 1 <= len(parts) <= 3 or not all(parts):
        raise ResourceError(f"{name!r} is not a stack name", remedy=f"write {ORGANIZATION}/<project>/<stack>")
    return (parts[-2] if len(parts) > 1 else project), parts[-1]


def reference_outputs(name: str, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a StackReference resource answers."""
    secret_names = sorted(key for key, value in outputs.items() if has_secret(value))
    return {"name": name, "outputs": dict(outputs), "secretOutputNames": secret_names}
