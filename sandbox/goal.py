"""What a program asks for: one registration, read off the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pulumi.runtime.proto import resource_pb2

from sandbox.state import STACK_TYPE, Resource, make_urn, urn_name, urn_type
from sandbox.values import from_struct, from_value

HOOKS: Final[Mapping[str, str]] = {
    "before_create": "BeforeCreate",
    "after_create": "AfterCreate",
    "before_update": "BeforeUpdate",
    "after_update": "AfterUpdate",
    "before_delete": "BeforeDelete",
    "after_delete": "AfterDelete",
}
"""Field of the registration -> key in the state."""


@dataclass(frozen=True)
class Goal:
    """A resource as it should be, and how the engine is to treat it."""

    wanted: Resource
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    replace_with: tuple[str, ...] = ()
    delete_before_replace: bool | None = None
    hide_diffs: tuple[str, ...] = ()

    @property
    def urn(self) -> str:
        return self.wanted.urn


def read_goal(request: resource_pb2.RegisterResourceRequest, urn: str, aliases: list[str], provider: str) -> Goal:
    """The goal of a registration whose URN, aliases and provider are settled."""
    hooks = {
        state: list(getattr(request.hooks, field)) for field, state in HOOKS.items() if getattr(request.hooks, field)
    }
    timeouts = {k: getattr(request.customTimeouts, k) for k in ("create", "update", "delete", "read")}
    wanted = Resource(
        urn=urn,
        type=request.type,
        custom=request.custom,
        inputs=from_struct(request.object),
        parent=request.parent,
        protect=request.protect,
        dependencies=sorted(request.dependencies),
        provider=provider,
        property_dependencies={
            key: sorted(value.urns) for key, value in sorted(request.propertyDependencies.items()) if value.urns
        },
        additional_secret_outputs=sorted(request.additionalSecretOutputs),
        aliases=aliases,
        custom_timeouts={key: value for key, value in timeouts.items() if value},
        import_id=request.importId,
        retain_on_delete=request.retainOnDelete,
        deleted_with=request.deletedWith,
        replacement_trigger=from_value(request.replacement_trigger)
        if request.HasField("replacement_trigger")
        else None,
        hooks=hooks,
    )
    return Goal(
        wanted,
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        replace_with=tuple(request.replace_with),
        delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        hide_diffs=tuple(request.hideDiffs),
    )


def alias_urns(request: resource_pb2.RegisterResourceRequest, stack: str, project: str, old_parent: str) -> list[str]:
    """Every URN that the resource may have had, nearest first.

    ``old_parent`` is the URN its parent had in the saved state when that was another one: the child is then
    looked for there too, its name following the parent's when it starts with it, as the Pulumi engine does.
    """
    own: list[tuple[str, str, str]] = []  # (urn, name, type)
    for alias in request.aliases:
        if alias.WhichOneof("alias") == "urn":
            own.append((alias.urn, urn_name(alias.urn), urn_type(alias.urn).rpartition("$")[2]))
            continue
        spec = alias.spec
        name, type_ = spec.name or request.name, spec.type or request.type
        parent = "" if spec.noParent else spec.parentUrn or request.parent
        own.append((make_urn(spec.stack or stack, spec.project or project, parent, type_, name), name, type_))
    found = [urn.replace(f"::{STACK_TYPE}$", "::", 1) for urn, _, _ in own]
    found += [urn.replace(f"::{STACK_TYPE}$", "::", 1) for urn in request.aliasURNs]
    if old_parent:
        new_name, old_name = urn_name(request.parent), urn_name(old_parent)
        for name, type_ in [(request.name, request.type), *((name, type_) for _, name, type_ in own)]:
            child = old_name + name[len(new_name) :] if name.startswith(new_name) else name
            found.append(make_urn(stack, project, old_parent, type_, child))
    return list(dict.fromkeys(found))


def with_old(goal: Goal, old: Resource) -> dict[str, Any]:
    """The attributes of a new state that an old one hands on."""
    return {"created": old.created, "modified": old.modified, "import_id": goal.wanted.import_id or old.import_id}
