"""The ``aws`` package, served by the simulated account.

Each resource type is a row of the table in :mod:`sandbox.aws.types`. What a row does not say is generic: types
from the SDK (:mod:`sandbox.typecheck`), parameters from botocore (:mod:`sandbox.aws.mapper`), references
from the index of what is live (:mod:`sandbox.aws.index`), value rules from :mod:`sandbox.aws.rules`.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sandbox import typecheck
from sandbox.aws import invokes, known, rules, standing, tagging
from sandbox.aws.cloud import DEFAULT_ACCOUNT, Cloud
from sandbox.aws.context import Context
from sandbox.aws.index import Live, looks_like_id, references
from sandbox.aws.row import Row
from sandbox.aws.serve import Served, serve_create, serve_delete, serve_update, undo, view_outputs
from sandbox.aws.types import SECRETS, TABLE
from sandbox.aws.types.dns import RECORD
from sandbox.provider import Desired, Diff, Made, ResourceError, Saved, has_unknown

SEED: Final = "__seed"
"""Output that holds what the ids were drawn from. The SDK ignores it; a renamed resource keeps its ids by it."""
TAGS_ALL: Final = "tagsAll"
DIGITS: Final = 7
"""Hexadecimal digits at the end of an automatic name."""


class _Drift(ResourceError):
    """A resource came back under another id: nothing that refers to it would be right."""


class AwsProvider:
    """One provider instance: a region, an account and default tags. All instances share one cloud."""

    package = "aws"

    def __init__(self, config: Mapping[str, Any] | None = None, cloud: Cloud | None = None) -> None:
        settings = {key: _decode(value) for key, value in (config or {}).items()}
        self.cloud = cloud or Cloud.shared()
        self.region: str = settings.get("region") or ""
        self.default_tags: dict[str, str] = dict((settings.get("defaultTags") or {}).get("tags") or {})
        self.account = _account(settings)

    # -- the contract ---------------------------------------------------------------------------------

    def check(self, desired: Desired, old: Saved | None) -> dict[str, Any]:
        row = _row(desired.type)
        inputs = {key: value for key, value in desired.inputs.items() if value is not None}
        self._name(row, desired, old, inputs)
        typecheck.check_inputs(desired.type, inputs)
        rules.check(desired.type, inputs)
        Served(row, self._context(row, desired.type, desired.name, inputs)).require_mapped()
        return inputs

    def diff(self, old: Saved, desired: Desired) -> Diff:
        row = _row(desired.type)
        names = {*old.inputs, *desired.inputs}
        changed = [key for key in sorted(names) if not _same(old.inputs.get(key), desired.inputs.get(key))]
        tags = self._tags(desired.type, desired.inputs)
        if (
            "tags" not in changed
            and TAGS_ALL in old.outputs
            and old.outputs[TAGS_ALL] != tags
            and not has_unknown(tags)
        ):
            changed.append(TAGS_ALL)
        replace = tuple(key for key in changed if _replaces(row, key, old.inputs, desired.inputs))
        name = row.auto_name
        same_name = bool(name) and name in desired.inputs and _same(old.inputs.get(name), desired.inputs.get(name))
        return Diff(tuple(changed), replace, row.delete_first or same_name)

    def create(self, desired: Desired) -> Made:
        with self.cloud.lock:
            seeds = itertools.chain([desired.urn], (f"{desired.urn}#{turn}" for turn in itertools.count(1)))
            seed = next(seed for seed in seeds if not self.cloud.index.has_seed(desired.type, seed))
            return self._create(desired, seed)

    def update(self, old: Saved, desired: Desired) -> Made:
        row = _row(desired.type)
        with self.cloud.lock:
            self._require_live(row, desired.inputs, desired)
            context = self._context(row, desired.type, desired.name, desired.inputs)
            context.id, context.old = old.id, old.inputs
            computed = {key: value for key, value in old.outputs.items() if key not in old.inputs}
            context.outputs = {key: value for key, value in computed.items() if key not in desired.inputs}
            with self.cloud.seeded(f"{old.outputs.get(SEED, old.urn)}:update"):
                serve_update(row, context)
                tagging.retag(context, row, old.outputs.get(TAGS_ALL) or {}, context.tags)
                outputs = self._outputs(row, desired.type, context)
            outputs[SEED] = old.outputs.get(SEED, old.urn)
            self._record(row, desired.urn, desired.type, context, outputs)
            return Made(old.id, outputs)

    def delete(self, old: Saved) -> None:
        row = _row(old.type)
        with self.cloud.lock:
            live = self.cloud.index.find(old.type, old.id)
            if live is None:
                return
            self.cloud.index.require_unused(live)
            context = self._context(row, old.type, old.name, live.inputs, live.region)
            context.id, context.outputs = old.id, dict(live.outputs)
            serve_delete(row, context)
            self.cloud.index.drop(old.type, old.id)

    def read(self, type_: str, id_: str, inputs: Mapping[str, Any]) -> Made:
        row = _row(type_)
        with self.cloud.lock:
            live = self.cloud.index.find(type_, id_)
            if live is not None:
                return Made(id_, {**live.inputs, **live.outputs})
            context = self._context(row, type_, id_, inputs)
            context.id = id_
            if row.read is None:
                raise ResourceError(f"there is no {type_} with id {id_!r}")
            outputs = self._outputs(row, type_, context)
            if not context.view:
                raise ResourceError(f"there is no {type_} with id {id_!r}")
            return Made(id_, outputs)

    def invoke(self, token: str, args: Mapping[str, Any]) -> dict[str, Any]:
        region = args.get("region") or self._region()
        with self.cloud.lock:
            return invokes.answer(token, invokes.Question(self.cloud, region, self.account, dict(args)))

    def restore(self, saved: Iterable[Saved]) -> None:
        """Replay. What refers to something later in the list (after an update did) waits for it."""
        waiting = [item for item in saved if self.cloud.index.find(item.type, item.id) is None]
        with self.cloud.lock:
            while waiting:
                failed: list[tuple[Saved, ResourceError]] = []
                for item in waiting:
                    try:
                        self._restore_one(item)
                    except _Drift:
                        raise
                    except ResourceError as error:
                        failed.append((item, error))
                if len(failed) == len(waiting):
                    lost, reason = failed[0]
                    raise ResourceError(
                        f"cannot rebuild {lost.type} {lost.name!r} ({lost.id}) from the saved state: {reason}",
                        remedy="restore the stacks it refers to first, or delete the state and start over",
                    ) from reason
                waiting = [item for item, _ in failed]

    def secret_outputs(self, type_: str) -> frozenset[str]:
        return SECRETS.get(type_, frozenset())

    def leftovers(self) -> dict[str, int]:
        """Kinds of things that still live in the account, by how many; empty after everything was destroyed."""
        with self.cloud.lock:
            return known.leftovers(self.cloud, self.account)

    # -- parts ----------------------------------------------------------------------------------------

    def _create(self, desired: Desired, seed: str, saved: Mapping[str, Any] | None = None) -> Made:
        row = _row(desired.type)
        self._require_live(row, desired.inputs, desired)
        context = self._context(row, desired.type, desired.name, desired.inputs)
        context.saved = saved or {}
        with self.cloud.seeded(seed):
            serve_create(row, context)
            if self.cloud.index.find(desired.type, context.id) is not None:
                raise ResourceError(f"{desired.type} {context.id!r} exists already", remedy="declare it once")
            try:
                outputs = self._outputs(row, desired.type, context)
            except ResourceError:
                undo(row, context)
                raise
        outputs[SEED] = seed
        self._record(row, desired.urn, desired.type, context, outputs)
        return Made(context.id, outputs)

    def _restore_one(self, item: Saved) -> None:
        region = item.outputs.get("region") or item.inputs.get("region")
        provider = self if not region else self._in(str(region), item)
        seed = str(item.outputs.get(SEED, item.urn))
        if item.type == RECORD:
            standing.recall(self.cloud, str(item.inputs["zoneId"]), str(item.outputs["fqdn"]), self.account)
        made = provider._create(Desired(item.urn, item.type, item.name, item.inputs), seed, item.outputs)
        if made.id != item.id or made.outputs.get("arn", item.outputs.get("arn")) != item.outputs.get("arn"):
            raise _Drift(
                f"{item.type} {item.name!r} came back as {made.id}, not as {item.id}: the state was written by "
                "another version of the sandbox",
                remedy="destroy it with that version, or delete the state file and start over",
            )
        live = self.cloud.index.find(item.type, item.id)
        if live is not None:
            context = provider._context(_row(item.type), item.type, item.name, item.inputs)
            context.id = item.id
            provider._record(_row(item.type), item.urn, item.type, context, {**made.outputs, **item.outputs})

    def _in(self, region: str, item: Saved) -> AwsProvider:
        provider = AwsProvider({"region": region}, self.cloud)
        provider.account = self.account
        tags = item.outputs.get(TAGS_ALL) or {}
        provider.default_tags = {
            key: value for key, value in tags.items() if key not in (item.inputs.get("tags") or {})
        }
        return provider

    def _context(self, row: Row, type_: str, name: str, inputs: Mapping[str, Any], region: str = "") -> Context:
        where = region or inputs.get("region") or self._region()
        tags = self._tags(type_, inputs)
        return Context(self.cloud, row.service, str(where), self.account, name, inputs, tags)

    def _region(self) -> str:
        if not self.region:
            raise ResourceError("the AWS provider has no region", remedy="pulumi config set aws:region us-east-1")
        return self.region

    def _tags(self, type_: str, inputs: Mapping[str, Any]) -> dict[str, str]:
        if TAGS_ALL not in typecheck.declared(type_).outputs:
            return {}
        return {**self.default_tags, **(inputs.get("tags") or {})}

    def _name(self, row: Row, desired: Desired, old: Saved | None, inputs: dict[str, Any]) -> None:
        """The automatic name, as the real provider makes it: the logical name and seven hexadecimal digits.

        A replacement gets a new one, so that both can stand side by side. Raises ResourceError where the two together
        are longer than AWS allows, as the real provider does.
        """
        prop = row.auto_name
        types = typecheck.declared(desired.type)
        if not prop or prop not in types.inputs or inputs.get(prop) is not None:
            return
        if inputs.get(f"{prop}Prefix") is not None:
            base, form = inputs[f"{prop}Prefix"], "{name}{hex}"
        else:
            base, form = desired.name, row.name_form
        if old is not None and old.inputs.get(prop):
            inputs[prop] = old.inputs[prop]
            if not self.diff(old, Desired(desired.urn, desired.type, desired.name, inputs)).replace:
                return
        for turn in itertools.count():
            digest = hashlib.sha1(f"{desired.urn}#{turn}".encode(), usedforsecurity=False).hexdigest()
            inputs[prop] = form.replace("{name}", base).replace("{hex}", digest[:DIGITS])
            if row.name_max and len(inputs[prop]) > row.name_max:
                prefix = inputs[prop][:-DIGITS]
                raise ResourceError(
                    f"name '{prefix}' plus {DIGITS} random chars is longer than maximum length {row.name_max}",
                    path=prop,
                    remedy=f"give the resource a shorter name, or set its {prop}",
                )
            if self.cloud.index.by_key(f"{desired.type}#{inputs[prop]}") is None:
                return

    def _require_live(self, row: Row, inputs: Mapping[str, Any], desired: Desired) -> None:
        index = self.cloud.index
        for path, ref in references(inputs, self.account):
            if index.by_key(ref) is None and not known.exists(self.cloud, ref, self.region, self.account):
                raise ResourceError(
                    f"{ref} does not exist", path=path, remedy="pass the output of the resource that makes it"
                )
        for type_, path, name in self._links(row, inputs):
            if not known.given(type_, name) and index.by_key(f"{type_}#{name}") is None:
                if standing.has(self.cloud, type_, name, self.account):
                    continue
                raise ResourceError(f"there is no {type_} {name!r}", path=path)

    def _links(self, row: Row, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """The ``(type, property, name)`` of what is named otherwise than by an id that speaks for itself."""
        for prop, type_ in row.links.items():
            name = inputs.get(prop)
            if isinstance(name, str) and not looks_like_id(name, self.account):
                yield type_, prop, name

    def _outputs(self, row: Row, type_: str, context: Context) -> dict[str, Any]:
        outputs = view_outputs(row, type_, context)
        types = typecheck.declared(type_)
        if TAGS_ALL in types.outputs:
            outputs[TAGS_ALL] = dict(context.tags)
        if "region" in types.outputs:
            outputs["region"] = context.region
        problems = typecheck.output_problems(type_, outputs)
        if problems:
            raise TypeError(f"{type_}: output {problems[0].path} {problems[0].message}")
        return outputs

    def _record(self, row: Row, urn: str, type_: str, context: Context, outputs: Mapping[str, Any]) -> None:
        inputs = context.inputs
        keys = {f"{type_}#{context.id}"}
        keys |= {str(key) for key in (context.id, outputs.get("arn")) if key and key not in inputs.values()}
        if row.auto_name and inputs.get(row.auto_name):
            keys.add(f"{type_}#{inputs[row.auto_name]}")
        keys |= {f"{kind}#{brought}" for brought, kind in row.brings(outputs).items()}
        refers = {ref for _, ref in references(inputs, self.account)} - keys
        refers |= {f"{kind}#{name}" for kind, _, name in self._links(row, inputs)}
        self.cloud.index.add(
            Live(
                urn,
                type_,
                context.name,
                context.id,
                context.region,
                self.account,
                dict(inputs),
                dict(outputs),
                str(outputs.get(SEED, urn)),
                frozenset(keys),
                frozenset(refers),
            )
        )


def _row(type_: str) -> Row:
    row = TABLE.get(type_)
    if row is None:
        near = difflib.get_close_matches(type_, TABLE, n=3)
        hint = f"; the nearest it has: {', '.join(near)}" if near else ""
        raise ResourceError(f"the sandbox does not have {type_}{hint}", remedy="add a row to sandbox/aws/types")
    return row


def _decode(value: Any) -> Any:
    """Provider inputs arrive JSON-encoded unless they are plain strings."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _account(settings: Mapping[str, Any]) -> str:
    """The account that the provider works in: that of the role it assumes, or the default one."""
    roles = settings.get("assumeRoles") or []
    arn = str(roles[-1].get("roleArn", "")) if roles else ""
    parts = arn.split(":")
    return parts[4] if len(parts) > 5 and parts[4] else DEFAULT_ACCOUNT


def _same(old: Any, new: Any) -> bool:
    """Equal, or two spellings of the same JSON document."""
    if old == new:
        return True
    if isinstance(old, str) and isinstance(new, str) and old[:1] in "{[" and new[:1] in "{[" and old and new:
        try:
            return bool(json.loads(old) == json.loads(new))
        except ValueError:
            return False
    return False


def _replaces(row: Row, key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    if key in row.replace_if:
        return bool(new.get(row.replace_if[key]))
    for entry in row.replace.split():
        head, _, rest = entry.partition(".")
        if head == key and (not rest or _deep(old.get(head), rest) != _deep(new.get(head), rest)):
            return True
    return False


def _deep(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
