"""The steps: what becomes of each registered resource, by comparing it with the saved one."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pulumi.runtime.proto import resource_pb2

from sandbox.callbacks import Callbacks
from sandbox.events import Change, Op, Step
from sandbox.goal import Goal, with_old
from sandbox.journal import Journal
from sandbox.paths import changes, differences, keep_old, matches, parse
from sandbox.provider import Desired, Diff, Made, Provider, ResourceError, has_unknown
from sandbox.registry import Registry, package_of, saved_view
from sandbox.remove import Remover
from sandbox.state import PROVIDER_PREFIX, Resource
from sandbox.values import UNKNOWN_TEXT, plain, rewrap, to_struct, without_unknowns


class Deployer:
    """Carries goals out. Methods run in many threads at once, one per resource."""

    def __init__(
        self, journal: Journal, registry: Registry, callbacks: Callbacks, remover: Remover, olds: Mapping[str, Resource]
    ) -> None:
        self.journal = journal
        self.registry = registry
        self.callbacks = callbacks
        self.remover = remover
        self.olds: dict[str, Resource] = dict(olds)
        self.news: dict[str, Resource] = {}
        self.seen: set[str] = set()
        self.renamed: dict[str, str] = {}
        self._lock = threading.RLock()

    # -- registration --------------------------------------------------------------------------

    def claim(self, urn: str, type_: str, name: str) -> None:
        """Each URN may be registered once."""
        with self._lock:
            if urn in self.seen:
                raise self.journal.fail(
                    Step("create", urn, type_, name),
                    ResourceError(f"duplicate resource URN {urn}", remedy="give one of the two resources another name"),
                )
            self.seen.add(urn)

    def old_parent(self, parent: str) -> str:
        """The saved URN of a parent that an alias found under another one, or nothing."""
        return self.renamed.get(parent, "")

    def find_old(self, urn: str, aliases: list[str]) -> Resource | None:
        """The saved resource, under its own URN or the first alias that names one not declared any more."""
        with self._lock:
            if urn in self.olds:
                return self.olds[urn]
            for alias in aliases:
                if alias in self.olds and alias not in self.seen:
                    self.renamed[urn] = alias
                    self.journal.record({"do": "rename", "old": alias, "new": urn})
                    old = replace(self.olds.pop(alias), urn=urn)
                    self.olds[urn] = old
                    return old
            return None

    def apply(self, goal: Goal) -> Resource:
        """Make the resource so, and return its state; in a preview, as far as it can be known."""
        old = self.find_old(goal.urn, goal.wanted.aliases)
        if goal.wanted.type.startswith(PROVIDER_PREFIX):
            new = self._provider(goal, old)
        elif goal.wanted.custom:
            new = self._custom(goal, old if old is not None and not old.external else None)
        else:
            new = self._component(goal, old)
        with self._lock:
            self.news[goal.urn] = new
        return new

    def _component(self, goal: Goal, old: Resource | None) -> Resource:
        started = time.monotonic()
        wanted = goal.wanted
        found = changes(old.inputs, wanted.inputs) if old else ()
        op: Op = "create" if old is None else "update" if found else "same"
        new = replace(wanted, **with_old(goal, old), outputs=old.outputs) if old else wanted
        new = self.journal.put(self._knowable(new), old)
        self.journal.done(_step(op, new, found), started)
        return new

    def _knowable(self, resource: Resource) -> Resource:
        """Components may be given what is never known; it is not saved."""
        return resource if self.journal.preview else replace(resource, inputs=without_unknowns(resource.inputs))

    def _provider(self, goal: Goal, old: Resource | None) -> Resource:
        """A provider resource: the engine's own, compared by its configuration."""
        started = time.monotonic()
        wanted = goal.wanted
        package = self.registry.package(package_of(wanted.type))
        found = changes(old.inputs, wanted.inputs) if old else ()
        forced = package.replaced_by(wanted.inputs) & {str(parse(change.path)[0]) for change in found}
        op: Op = "create" if old is None else "replace" if forced else "update" if found else "same"
        fresh = "" if self.journal.preview else str(uuid.uuid4())
        identity = old.id if old and op in ("same", "update") else fresh
        step = _step(op, wanted, changes(old.inputs, wanted.inputs, forced) if old else ())
        with self.journal.step(step):
            if op == "replace" and old:
                refuse_protected(goal, old)
                self.remover.condemn(old)
            handed_on = with_old(goal, old) if old and op != "replace" else {}
            new = replace(wanted, id=identity, outputs=wanted.inputs, **handed_on)
            new = self.journal.put(self._knowable(new), old)
            self.registry.configure(f"{new.urn}::{new.id or UNKNOWN_TEXT}", wanted.inputs)
        self.journal.done(step, started, id=new.id)
        return new

    # -- custom resources ----------------------------------------------------------------------

    def _custom(self, goal: Goal, old: Resource | None) -> Resource:
        started = time.monotonic()
        wanted = goal.wanted
        with self.journal.step(_step("update" if old else "create", wanted), announce=False):
            provider = self.registry.get(wanted.provider)
            if wanted.import_id and (old is None or old.id != wanted.import_id):
                return self._import(goal, old, provider)
            if goal.urn in self.remover.deleted_early:
                old = None
            inputs = keep_old(wanted.inputs, old.inputs, goal.ignore_changes) if old else wanted.inputs
            saved = saved_view(old) if old else None
            checked = provider.check(Desired(goal.urn, wanted.type, wanted.name, plain(inputs)), saved)
            if not self.journal.preview and has_unknown(checked):
                raise ResourceError("an input is still unknown in an update")
            goal = replace(goal, wanted=replace(wanted, inputs=rewrap(checked, inputs, ())))
            desired = Desired(goal.urn, wanted.type, wanted.name, checked)
            diff = self._diff(goal, old, desired, provider) if old else Diff()
        if old is None:
            op: Op = "replace" if goal.urn in self.remover.deleted_early else "create"
            return self._create(goal, desired, provider, _step(op, wanted), started)
        if diff.replace:
            return self._replace(goal, old, desired, provider, diff)
        if diff.changed:
            return self._update(goal, old, desired, provider, diff)
        new = self.journal.put(self._state(goal, provider, old.id, plain(old.outputs), old), old)
        self.journal.done(_step("same", new), started)
        return new

    def _diff(self, goal: Goal, old: Resource, desired: Desired, provider: Provider) -> Diff:
        """The provider's verdict, sharpened by the program's options."""
        diff = provider.diff(saved_view(old), desired)
        forced = list(diff.replace)
        patterns = [parse(path) for path in goal.replace_on_changes]
        if patterns:
            for path, _, _ in differences(plain(old.inputs), desired.inputs):
                if any(matches(pattern, path) for pattern in patterns):
                    forced.append(str(path[0]))
        if self.registry.must_replace(old.provider, goal.wanted.provider):
            forced.append("provider")
        if self.remover.replaced & set(goal.replace_with):
            forced.append("replaceWith")
        trigger = goal.wanted.replacement_trigger
        if old.replacement_trigger is not None and plain(trigger) != plain(old.replacement_trigger):
            forced.append("replacementTrigger")
        return replace(diff, replace=tuple(dict.fromkeys(forced)))

    def _create(
        self,
        goal: Goal,
        desired: Desired,
        provider: Provider,
        step: Step,
        started: float,
        condemned: Resource | None = None,
    ) -> Resource:
        with self.journal.step(step):
            self._hooks("BeforeCreate", goal.wanted, goal.wanted.inputs)
            made = Made("")
            if not self.journal.preview:
                self.journal.begin("creating", goal.wanted)
                made = provider.create(desired)
            if condemned:
                self.remover.condemn(condemned)
            new = self.journal.put(self._state(goal, provider, made.id, made.outputs))
            self._hooks("AfterCreate", new, new.inputs)
        self.journal.done(step, started, id=new.id)
        return new

    def _update(self, goal: Goal, old: Resource, desired: Desired, provider: Provider, diff: Diff) -> Resource:
        """In a preview the old outputs stand for the new ones: most providers change none but the inputs' own."""
        started = time.monotonic()
        step = _step("update", goal.wanted, _shown(goal, old, diff), old.id)
        with self.journal.step(step):
            self._hooks("BeforeUpdate", goal.wanted, goal.wanted.inputs, old)
            computed = {key: plain(value) for key, value in old.outputs.items() if key not in old.inputs}
            made = Made(old.id, computed)
            if not self.journal.preview:
                self.journal.begin("updating", old)
                made = provider.update(saved_view(old), desired)
            new = self.journal.put(self._state(goal, provider, made.id or old.id, made.outputs, old))
            self._hooks("AfterUpdate", new, new.inputs, old)
        self.journal.done(step, started)
        return new

    def _replace(self, goal: Goal, old: Resource, desired: Desired, provider: Provider, diff: Diff) -> Resource:
        """Create the new one; the old one goes at the end of the run, or first when both cannot exist at once."""
        started = time.monotonic()
        step = _step("replace", goal.wanted, _shown(goal, old, diff), old.id)
        with self.journal.step(step, announce=False):
            refuse_protected(goal, old)
            self.remover.replaced.add(goal.urn)
            retained = old.retain_on_delete or goal.wanted.retain_on_delete
            first = diff.delete_before_replace if goal.delete_before_replace is None else goal.delete_before_replace
            if retained:
                self.journal.done(
                    replace(_step("retain", old, (), old.id), detail="the replaced one is left alive"), started
                )
            elif first:
                with self._lock:
                    self.remover.delete_for_replacement(old, [o for o in self.olds.values() if o.urn not in self.seen])
        return self._create(goal, desired, provider, step, started, None if retained or first else old)

    def _import(self, goal: Goal, old: Resource | None, provider: Provider) -> Resource:
        """Adopt an existing resource; what is declared must be what is there, as the Pulumi engine demands."""
        started = time.monotonic()
        wanted = goal.wanted
        step = _step("import", wanted, (), wanted.import_id)
        with self.journal.step(step):
            if old is not None:
                raise ResourceError(
                    f"it is already managed with the id {old.id}, and cannot be imported as {wanted.import_id}",
                    remedy="drop import_, or give the imported resource a name of its own",
                )
            checked = provider.check(Desired(goal.urn, wanted.type, wanted.name, plain(wanted.inputs)), None)
            made = provider.read(wanted.type, wanted.import_id, checked)
            live = {key: plain(value) for key, value in made.outputs.items() if key in checked}
            found = changes(live, {key: checked[key] for key in live})
            if found:
                raise ResourceError(
                    "the declared inputs do not match the resource to import: "
                    + ", ".join(f"{change.path} is {change.old!r}, declared {change.new!r}" for change in found),
                    remedy="declare what is there, import, then change it",
                )
            goal = replace(goal, wanted=replace(wanted, inputs=rewrap(checked, wanted.inputs, ())))
            new = self.journal.put(self._state(goal, provider, made.id or wanted.import_id, made.outputs))
        self.journal.done(step, started, id=new.id)
        return new

    def read(self, goal: Goal, identity: str) -> Resource:
        """Look up a resource that another program manages (``Resource.get``)."""
        started = time.monotonic()
        wanted = goal.wanted
        step = _step("read", wanted, (), identity)
        with self.journal.step(step):
            provider = self.registry.get(wanted.provider)
            made = provider.read(wanted.type, identity, plain(wanted.inputs))
        return self.finish_read(goal, made, provider.secret_outputs(wanted.type), step, started)

    def finish_read(self, goal: Goal, made: Made, secret_names: frozenset[str], step: Step, started: float) -> Resource:
        """Save what was read; a resource that was managed until now is let go, not deleted."""
        names = secret_names | set(goal.wanted.additional_secret_outputs)
        outputs = rewrap(made.outputs, goal.wanted.inputs, names)
        new = replace(goal.wanted, id=made.id, external=True, outputs=outputs)
        old = self.olds.get(goal.urn)
        if old is not None:
            new = replace(new, created=old.created, modified=old.modified)
        new = self.journal.put(new, old)
        with self._lock:
            self.news[goal.urn] = new
        self.journal.done(step, started, id=new.id)
        return new

    def register_outputs(self, urn: str, outputs: dict[str, Any]) -> None:
        """Take a component's outputs."""
        with self._lock:
            new = self.news[urn]
        changed = replace(new, outputs=outputs if self.journal.preview else without_unknowns(outputs))
        with self._lock:
            self.news[urn] = self.journal.put(changed, new)

    # -- parts ---------------------------------------------------------------------------------

    def _state(
        self, goal: Goal, provider: Provider, identity: str, outputs: Mapping[str, Any], old: Resource | None = None
    ) -> Resource:
        """The new state: the provider's outputs over the inputs, secret where the inputs or the options say so."""
        wanted = goal.wanted
        names = provider.secret_outputs(wanted.type) | set(wanted.additional_secret_outputs)
        merged = {**outputs, **plain(wanted.inputs)} if self.journal.preview else {**plain(wanted.inputs), **outputs}
        handed_on = with_old(goal, old) if old else {}
        return replace(wanted, id=identity, outputs=rewrap(merged, wanted.inputs, names), **handed_on)

    def _hooks(self, kind: str, resource: Resource, inputs: dict[str, Any], old: Resource | None = None) -> None:
        names = resource.hooks.get(kind, ())
        if not names:
            return
        request = resource_pb2.ResourceHookRequest(
            urn=resource.urn, id=resource.id or (old.id if old else ""), name=resource.name, type=resource.type
        )
        request.new_inputs.CopyFrom(to_struct(inputs))
        if kind.startswith("After"):
            request.new_outputs.CopyFrom(to_struct(resource.outputs))
        if old is not None:
            request.old_inputs.CopyFrom(to_struct(old.inputs))
            request.old_outputs.CopyFrom(to_struct(old.outputs))
        self.callbacks.run_hooks(names, request)


def refuse_protected(goal: Goal, old: Resource) -> None:
    """A protected resource may not be replaced. :class:`ResourceError` says how to go about it."""
    if old.protect or goal.wanted.protect:
        raise ResourceError(
            f"{goal.urn} is protected and cannot be replaced", remedy="set protect=False, run up, then make this change"
        )


def _step(op: Op, resource: Resource, found: tuple[Change, ...] = (), identity: str = "") -> Step:
    return Step(op, resource.urn, resource.type, resource.name, resource.parent, identity or resource.id, found)


def _shown(goal: Goal, old: Resource, diff: Diff) -> tuple[Change, ...]:
    """The changed paths to display: of the inputs the provider says changed, without what the program hides."""
    tops = {*diff.changed, *diff.replace}
    hidden = [parse(path) for path in goal.hide_diffs]
    return tuple(
        change
        for change in changes(old.inputs, goal.wanted.inputs, diff.replace)
        if (path := parse(change.path))[0] in tops and not any(matches(pattern, path) for pattern in hidden)
    )
