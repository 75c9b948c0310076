"""Deletions: what is not declared any more, what was replaced, and a whole stack."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import replace

from pulumi.runtime.proto import resource_pb2

from sandbox.callbacks import Callbacks
from sandbox.events import Op, SandboxError, Step
from sandbox.journal import Journal
from sandbox.provider import UNKNOWN, Desired, ResourceError
from sandbox.registry import Registry, saved_view
from sandbox.state import PROVIDER_PREFIX, Resource, split_reference
from sandbox.values import plain, to_struct


class Remover:
    """Deletes resources through their providers and forgets them."""

    def __init__(self, journal: Journal, registry: Registry, callbacks: Callbacks) -> None:
        self.journal = journal
        self.registry = registry
        self.callbacks = callbacks
        self.replaced: set[str] = set()
        self.deleted_early: dict[str, Resource] = {}
        self._condemned: list[Resource] = []

    def condemn(self, old: Resource) -> None:
        """Mark the replaced one for deletion at the end of the run."""
        self.replaced.add(old.urn)
        self.journal.record({"do": "condemn", "urn": old.urn})
        if self.journal.preview:
            self._condemned.append(replace(old, delete=True))

    def delete_for_replacement(self, old: Resource, unregistered: Iterable[Resource]) -> None:
        """Delete a resource before its replacement is made, and first whatever cannot live without it.

        Those are the saved resources that would be replaced if what they take from it were to change.
        """
        doomed = [old]
        gone = {old.urn}
        for resource in unregistered:
            if resource.urn not in self.deleted_early and self._falls_with(resource, gone):
                doomed.append(resource)
                gone.add(resource.urn)
        for resource in reversed(doomed):
            if resource is not old:
                if resource.protect:
                    raise ResourceError(
                        f"{resource.urn} is protected, but must be replaced with it",
                        remedy="set protect=False, run up, then make this change",
                    )
                self.deleted_early[resource.urn] = resource
                self.replaced.add(resource.urn)
            self._delete(resource, "delete-replaced", gone)

    def _falls_with(self, resource: Resource, gone: Collection[str]) -> bool:
        if not resource.custom or resource.external or resource.type.startswith(PROVIDER_PREFIX):
            return False
        if split_reference(resource.provider)[0] in gone:
            return True
        taken = [key for key, urns in resource.property_dependencies.items() if any(urn in gone for urn in urns)]
        if not taken:
            return False
        inputs = {**plain(resource.inputs), **dict.fromkeys(taken, UNKNOWN)}
        desired = Desired(resource.urn, resource.type, resource.name, inputs)
        return bool(self.registry.get(resource.provider).diff(saved_view(resource), desired).replace)

    def finish(self, kept: Collection[str]) -> None:
        """Delete every saved resource but those ``kept``, dependents first.

        :class:`SandboxError`, before anything is deleted, when one of them is protected or has a hook that
        no program is there to run.
        """
        self.journal.check_running()
        entries = [
            Resource.from_raw(raw, self.journal.crypter)
            for raw in reversed(self.journal.store.snapshot.ordered())
            if raw.get("delete") or raw["urn"] not in kept
        ]
        entries = [*reversed(self._condemned), *(e for e in entries if e.urn not in self.deleted_early or e.delete)]
        live = [entry for entry in entries if not entry.delete]
        self._refuse(live)
        gone = {entry.urn for entry in live} | self.replaced
        for urn, resource in self.deleted_early.items():
            if urn not in kept:
                self.journal.done(_step("delete", resource, "deleted with what it was made on"), time.monotonic())
        for entry in entries:
            self.journal.check_running()
            self._delete(entry, "delete-replaced" if entry.delete else "delete", gone)

    def _refuse(self, doomed: list[Resource]) -> None:
        protected = [entry for entry in doomed if entry.protect]
        if protected:
            raise SandboxError(
                "nothing was deleted, because these resources are protected: "
                + ", ".join(f"{entry.type} {entry.name!r} ({entry.urn})" for entry in protected)
                + "; set protect=False on them and run up first"
            )
        for entry in doomed:
            hooks = [*entry.hooks.get("BeforeDelete", ()), *entry.hooks.get("AfterDelete", ())]
            lost = [name for name in hooks if not self.callbacks.knows_hook(name)]
            if lost and not entry.retain_on_delete:
                raise SandboxError(
                    f"nothing was deleted: {entry.urn} has the delete hooks {', '.join(lost)}, which only the program "
                    "can run; keep the hook in the program, remove just the resource and run up"
                )

    def _delete(self, entry: Resource, op: Op, gone: Collection[str]) -> None:
        started = time.monotonic()
        key = {"urn": entry.urn, "id": entry.id, "delete": entry.delete}
        if entry.external:
            self.journal.drop(key)
            return
        detail = ""
        if entry.retain_on_delete:
            op, detail = "retain", "left alive"
        elif entry.deleted_with in gone:
            detail = f"deleted with {entry.deleted_with}"
        step = _step(op, entry, detail)
        with self.journal.step(step):
            if entry.custom and not entry.type.startswith(PROVIDER_PREFIX) and not detail and not self.journal.preview:
                self._call(entry)
            self.journal.drop(key)
        self.journal.done(step, started)

    def _call(self, entry: Resource) -> None:
        self._hooks("BeforeDelete", entry)
        self.journal.begin("deleting", entry)
        self.registry.get(entry.provider).delete(saved_view(entry))
        self._hooks("AfterDelete", entry)

    def _hooks(self, kind: str, entry: Resource) -> None:
        names = entry.hooks.get(kind, ())
        if names:
            request = resource_pb2.ResourceHookRequest(urn=entry.urn, id=entry.id, name=entry.name, type=entry.type)
            request.old_inputs.CopyFrom(to_struct(entry.inputs))
            request.old_outputs.CopyFrom(to_struct(entry.outputs))
            self.callbacks.run_hooks(names, request)


def _step(op: Op, entry: Resource, detail: str) -> Step:
    return Step(op, entry.urn, entry.type, entry.name, entry.parent, entry.id, detail=detail)
