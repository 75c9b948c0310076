"""What a change of the graph would change of a deployment: the difference of two whole plans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import ValidationError

from derive.plan import system_plan
from derive.shapes import Deployment
from graph.edits import ABSENT, Change, Edit, applied, edits
from graph.objects import LAYERS, Key, Objects, objects
from model import Call, DeclarationError, System
from model.base import did_you_mean, mistakes


@dataclass(frozen=True)
class Arrow:
    """From a service to what it calls or uses: a service, a store or an external."""

    source: str
    target: str

    @classmethod
    def read(cls, text: str) -> Arrow:
        """``a->b``. Raises DeclarationError for anything else."""
        source, arrow, target = (part.strip() for part in text.partition("->"))
        if not (source and arrow and target):
            raise DeclarationError(f"'{text}' is no arrow; write it as 'caller->callee', in quotes")
        return cls(source, target)

    def __str__(self) -> str:
        return f"{self.source}->{self.target}"


@dataclass(frozen=True)
class Changed:
    """One object that would be made, deleted or updated."""

    key: Key
    how: Literal["add", "remove", "change"]
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Answer:
    """What would change. ``refusal``: why the changed declaration cannot hold; then nothing would."""

    changed: tuple[Changed, ...] = ()
    refusal: str | None = None


def what_if(deployment: Deployment, add: Sequence[Arrow] = (), remove: Sequence[Arrow] = ()) -> Answer:
    """The difference that these arrows make to everything that is registered.

    Raises DeclarationError for an arrow between unknown parts, one to add that is there, one to remove that is not, and
    one to do both to.
    """
    for arrow in add:
        if arrow in remove:
            raise DeclarationError(f"{arrow} is to be added and removed; name it once")
    before = objects(system_plan(deployment))
    system = deployment.system
    for arrow in dict.fromkeys(remove):
        system = _without(system, arrow)
    try:
        system = _with(system, tuple(dict.fromkeys(add)))
        after = objects(system_plan(replace(deployment, system=system)))
    except ValidationError as error:
        return Answer(refusal=mistakes(error))
    except _UnknownError:
        raise
    except DeclarationError as error:
        return Answer(refusal=str(error))
    return Answer(tuple(compared(before, after)))


def compared(before: Objects, after: Objects) -> list[Changed]:
    """Every object that differs, layer by layer."""
    order = list(LAYERS)
    found = []
    for key in sorted(before.keys() | after.keys(), key=lambda key: (order.index(key.layer), key.name)):
        old, new = before.get(key, ABSENT), after.get(key, ABSENT)
        if old is ABSENT:
            found.append(Changed(key, "add", (Edit((), ABSENT, new),)))
        elif new is ABSENT:
            found.append(Changed(key, "remove", (Edit((), old, ABSENT),)))
        elif changes := tuple(edits(old, new)):
            found.append(Changed(key, "change", changes))
    return found


def carried_out(before: Objects, changed: Iterable[Changed]) -> dict[Key, Any]:
    """The objects of a plan with the changes made."""
    after = dict(before)
    for item in changed:
        if item.how == "remove":
            del after[item.key]
        elif item.how == "add":
            after[item.key] = applied(None, item.changes)
        else:
            after[item.key] = applied(before[item.key], item.changes)
    return after


class _UnknownError(DeclarationError):
    """A mistake in the question, not in the declaration that it leads to."""


def _kind(system: System, arrow: Arrow) -> Literal["service", "store", "external"]:
    services = {service.name for service in system.services}
    stores = {store.name for store in system.stores}
    externals = {external.name for external in system.externals}
    if arrow.source not in services:
        raise _UnknownError(f"{arrow}: '{arrow.source}' is no service{did_you_mean(arrow.source, services)}")
    if arrow.target in services:
        return "service"
    if arrow.target in stores:
        return "store"
    if arrow.target in externals:
        return "external"
    known = services | stores | externals
    raise _UnknownError(
        f"{arrow}: '{arrow.target}' is no service, store or external{did_you_mean(arrow.target, known)}"
    )


def _with(system: System, arrows: Sequence[Arrow]) -> System:
    """All of them at once, so that one may stand on another."""
    calls, services, externals = list(system.calls), list(system.services), list(system.externals)
    for arrow in arrows:
        kind = _kind(system, arrow)
        if _there(system, arrow):
            raise _UnknownError(f"{arrow} is declared already")
        if kind == "service":
            calls.append(Call(caller=arrow.source, callee=arrow.target))
        elif kind == "store":
            index = next(i for i, service in enumerate(services) if service.name == arrow.source)
            uses = (*services[index].uses, arrow.target)
            services[index] = services[index].model_copy(update={"uses": uses})
        else:
            index = next(i for i, external in enumerate(externals) if external.name == arrow.target)
            used_by = (*externals[index].used_by, arrow.source)
            externals[index] = externals[index].model_copy(update={"used_by": used_by})
    return System.model_validate({**dict(system), "calls": calls, "services": services, "externals": externals})


def _there(system: System, arrow: Arrow) -> bool:
    external = next((external for external in system.externals if external.name == arrow.target), None)
    return arrow.target in (*system.callees(arrow.source), *system.service(arrow.source).uses) or (
        external is not None and arrow.source in external.used_by
    )


def _without(system: System, arrow: Arrow) -> System:
    """Unchecked: what is added may make it whole again."""
    _kind(system, arrow)
    if not _there(system, arrow):
        raise _UnknownError(f"{arrow} is not declared, so it cannot be removed")
    calls = tuple(call for call in system.calls if (call.caller, call.callee) != (arrow.source, arrow.target))
    services = tuple(
        service.model_copy(update={"uses": tuple(name for name in service.uses if name != arrow.target)})
        if service.name == arrow.source
        else service
        for service in system.services
    )
    externals = tuple(
        external.model_copy(update={"used_by": tuple(name for name in external.used_by if name != arrow.source)})
        if external.name == arrow.target
        else external
        for external in system.externals
    )
    return system.model_copy(update={"calls": calls, "services": services, "externals": externals})
