"""Serves one create, update or delete of one row, and reads the outputs back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import jmespath

from sandbox import typecheck
from sandbox.aws import tagging
from sandbox.aws.context import MISSING, Context
from sandbox.aws.mapper import candidates, merged, normal, parameters
from sandbox.aws.row import Call, Row
from sandbox.provider import ResourceError, has_unknown

_META: Final = frozenset({"region", "namePrefix", "tagsAll"})
_GONE: Final = ("NotFound", "NoSuch", "DoesNotExist", "NonExistent", "ResourceNotFound")
_DRAWN: Final = re.compile(r"\{(hex\d+|uuid)\}")
_EMPTY: Final[tuple[Any, ...]] = ("", False, 0, [])
_IDENTITY: Final = ("arn", "Arn", "Id", "Url", "Name", "endpoint", "address")


class Served:
    """The parameters of a row's operations for one set of inputs."""

    def __init__(self, row: Row, context: Context) -> None:
        self.row = row
        self.context = context
        self.ignored = frozenset(row.ignore) | _META

    def require_mapped(self) -> None:
        """Refuse a property that nothing carries, and parameters that AWS's API description refuses."""
        if not self.row.create or self.row.make is not None:
            return
        params, unmapped = self.create_params()
        if unmapped:
            raise ResourceError(
                "the sandbox does not carry this property",
                path=unmapped[0],
                remedy=f"map it in the row of sandbox/aws/types (operation {self.row.create})",
            )
        if not has_unknown(params):
            self.context.cloud.validate(self.row.service, self.row.create, params)

    def create_params(self) -> tuple[dict[str, Any], list[str]]:
        context, row = self.context, self.row
        operation = context.cloud.operation(row.service, row.create)
        elsewhere = {prop for call in row.calls if call.on_create for prop in call.props.split()}
        props = {
            key: value
            for key, value in context.inputs.items()
            if key not in elsewhere and not (key == "tags" and isinstance(value, Mapping))
        }
        mapped, unmapped = parameters(operation, props, row.rename, self.ignored, row.nest)
        for key, value in context.fill_all(row.args).items():
            mapped[key] = merged(value, mapped[key]) if key in mapped else value
        if context.tags:
            mapped.update(tagging.creation_params(operation, row, context.tags) or {})
        return mapped, unmapped


def serve_create(row: Row, context: Context) -> None:
    """Make the resource; on failure of a later step the first is undone."""
    tagged = False
    if row.make is not None:
        context.id = row.make(context)
    elif row.create:
        params, _ = Served(row, context).create_params()
        if row.store:
            context.cloud.validate(row.service, row.create, params)
        else:
            context.answer = context.call(row.create, **params)
            context.view = context.answer
        operation = context.cloud.operation(row.service, row.create)
        tagged = tagging.creation_params(operation, row, context.tags) is not None
    if row.make is None:
        context.id = _identity(row, context)
    try:
        for call in row.calls:
            if call.on_create and (
                not call.props or any(context.inputs.get(p) is not None for p in call.props.split())
            ):
                _run(row, call, context)
        if row.after_create is not None:
            row.after_create(context)
        if context.tags and not tagged and row.create:
            view_outputs(row, "", context)
            tagging.retag(context, row, {}, context.tags)
    except ResourceError:
        undo(row, context)
        raise


def serve_update(row: Row, context: Context) -> None:
    """Carry changed properties to AWS where it has an operation for them; the state has them in any case."""
    if row.upsert and row.create:
        params, unmapped = Served(row, context).create_params()
        if unmapped:
            raise ResourceError("the sandbox does not carry this property", path=unmapped[0])
        if row.store:
            context.cloud.validate(row.service, row.create, params)
        else:
            context.call(row.create, **params)
    for call in row.calls:
        props = call.props.split()
        if any(context.changed(prop) for prop in props) and any(context.inputs.get(prop) is not None for prop in props):
            _run(row, call, context)
    if row.on_update is not None:
        row.on_update(context)


def undo(row: Row, context: Context) -> None:
    """Take back what a failed create has made. It may be half made, so each step of the deletion may fail."""
    with suppress(ResourceError):
        if row.before_delete is not None:
            row.before_delete(context)
    with suppress(ResourceError):
        serve_delete(replace(row, before_delete=None), context)


def serve_delete(row: Row, context: Context) -> None:
    """Delete it; that it is gone already is no error, as with the real provider."""
    if row.before_delete is not None:
        row.before_delete(context)
    if not row.delete or row.store:
        return
    params = context.fill_all(row.delete_args if row.delete_args is not None else row.key_params())
    try:
        context.call(row.delete, **params)
    except ResourceError as error:
        if not any(word in str(error) for word in _GONE):
            raise


def _identity(row: Row, context: Context) -> str:
    templated = callable(row.id) or "{" in row.id
    found = context.fill(row.id) if templated else jmespath.search(str(row.id), context.answer)
    if found is MISSING or not found:
        raise ResourceError(f"{row.create} answered no id at {row.id}")
    return str(found)


def _run(row: Row, call: Call, context: Context) -> None:
    service = call.service or row.service
    props = {key: context.inputs[key] for key in call.props.split() if context.inputs.get(key) is not None}
    operation = context.cloud.operation(service, call.operation)
    mapped, unmapped = parameters(operation, props, {**row.rename, **call.rename}, frozenset(row.ignore), call.nest)
    if unmapped:
        raise ResourceError("the sandbox does not carry this property", path=unmapped[0])
    fixed = context.fill_all(call.args if call.args is not None else row.key_params())
    if call.store:
        context.cloud.validate(service, call.operation, {**fixed, **mapped})
    else:
        context.call_service(service, call.operation, **{**fixed, **mapped})


def view_outputs(row: Row, type_: str, context: Context) -> dict[str, Any]:
    """The outputs: what AWS describes under the same name, then the row's own, then empty values."""
    if row.read is not None:
        operation, args, path = row.read
        context.view = plain(jmespath.search(path, context.call(operation, **context.fill_all(args))) or {})
    if not type_:
        return {}
    types = typecheck.declared(type_)
    wanted = [name for name in types.outputs if name not in context.inputs and name not in _META]
    outputs = {key: value for key, value in context.outputs.items() if key in types.outputs or key.startswith("__")}
    outputs.update(_described(context.view, wanted, types.outputs))
    context.outputs = outputs
    templates = {**({"arn": row.arn} if row.arn and "arn" in types.outputs else {}), **row.outputs}
    for name, template in templates.items():
        if name in outputs and isinstance(template, str) and _DRAWN.search(template):
            continue  # drawn once, at creation
        if isinstance(template, str) and template.startswith("@"):
            value = plain(jmespath.search(template[1:], context.view))
        else:
            value = context.fill(template)
        if value is not MISSING and value is not None:
            outputs[name] = value
    for name in wanted:
        if name in types.always and name not in outputs and not name.endswith(_IDENTITY):
            empty = _empty(types.outputs[name])
            if empty is not None:
                outputs[name] = empty
    return outputs


def plain(value: Any) -> Any:
    """A JSON value: times become ISO text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def _described(view: Mapping[str, Any], wanted: list[str], types: Mapping[str, Any]) -> dict[str, Any]:
    by_normal = {normal(key): value for key, value in view.items() if key != "ResponseMetadata"}
    found: dict[str, Any] = {}
    for name in wanted:
        if name in ("tags", "id"):
            continue
        for form in (normal(name), *candidates(name, "")):
            value = by_normal.get(form)
            if isinstance(value, (str, bool, int, float, list)) and typecheck.fits(value, types[name]):
                found[name] = value
                break
    return found


def _empty(declared_type: Any) -> Any:
    """What the real provider answers for a computed value that is not set."""
    return next((value for value in _EMPTY if typecheck.fits(value, declared_type)), None)
