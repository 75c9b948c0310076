"""Turns a Pulumi property bag into the parameters of an AWS operation, led by botocore's own shapes.

Pulumi's names are Terraform's in camelCase; AWS's are close but not equal. A property meets a parameter when
their letters and digits agree, give or take a plural, an ``Id``/``Name``/``List`` ending or the resource's
noun in front. The value then takes the parameter's shape: maps become ``[{Key, Value}]`` lists, one-element lists
become structures, objects become JSON text, lists become ``{Quantity, Items}``.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from sandbox.provider import UNKNOWN


def parameters(
    operation: OperationModel,
    props: Mapping[str, Any],
    rename: Mapping[str, Any],
    ignore: frozenset[str],
    nest: str = "",
) -> tuple[dict[str, Any], list[str]]:
    """The operation's parameters for ``props``, and the paths that no parameter takes."""
    unmapped: list[str] = []
    shape = operation.input_shape
    if shape is None:
        return {}, list(props)
    noun = re.sub(r"^[A-Z][a-z]+", "", operation.name)
    return _structure(shape, props, "", _Rules(rename, ignore, noun, nest, unmapped)), unmapped


@dataclass(frozen=True)
class _Rules:
    """What a row says about its operation's parameters; ``unmapped`` collects what has none."""

    rename: Mapping[str, Any]
    ignore: frozenset[str]
    noun: str
    nest: str
    unmapped: list[str]


@functools.lru_cache(maxsize=20_000)
def normal(name: str) -> str:
    """Letters and digits in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def candidates(prop: str, noun: str) -> Iterator[str]:
    """Normal forms under which a parameter may be called, likeliest first."""
    base = normal(prop)
    stems = [base, base + "s"]
    if base.endswith("ies"):
        stems.append(base[:-3] + "y")
    if base.endswith("s"):
        stems.extend((base[:-1], base[:-2] if base.endswith("es") else base[:-1]))
    for stem in stems:
        yield stem
        yield from (stem + ending for ending in ("id", "ids", "name", "list", "set", "config", "configuration"))
    for stem in stems:
        yield normal(noun) + stem
    if base.startswith(normal(noun)) and noun:
        yield base.removeprefix(normal(noun))


@functools.lru_cache(maxsize=20_000)
def _match(members: tuple[str, ...], prop: str, noun: str) -> str | None:
    by_normal = {normal(member): member for member in members}
    return next((by_normal[form] for form in candidates(prop, noun) if form in by_normal), None)


def _structure(shape: StructureShape, value: Mapping[str, Any], path: str, rules: _Rules) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for prop, item in value.items():
        here = f"{path}.{prop}" if path else prop
        if item is None or here in rules.ignore or prop.startswith("__"):
            continue
        target = rules.rename.get(here)
        if callable(target):
            _merge(result, target(item))
        elif not _put(shape, result, _place(shape, prop, target, path, rules), item, here, rules):
            rules.unmapped.append(here)
    return result


def _place(shape: StructureShape, prop: str, target: str | None, path: str, rules: _Rules) -> list[str]:
    """Where a property goes: the names of the parameters that lead to it; empty for nowhere."""
    if target:
        return target.split(".")
    found = _match(tuple(shape.members), prop, "" if path else rules.noun)
    if found is not None:
        return [found]
    if path or not rules.nest:
        return []
    inside = shape.members[rules.nest]
    if isinstance(inside, MapShape):
        return [rules.nest, prop[:1].upper() + prop[1:]]
    holder = inside.member if isinstance(inside, ListShape) else inside
    found = _match(tuple(holder.members), prop, rules.noun) if isinstance(holder, StructureShape) else None
    return [rules.nest, found] if found else []


def _put(shape: Shape, into: Any, place: list[str], value: Any, path: str, rules: _Rules) -> bool:
    """Convert ``value`` and set it at a place; False when the shape has no such place."""
    if isinstance(shape, MapShape) and len(place) == 1:
        into[place[0]] = convert(shape.value, value, path, rules)
        return True
    if isinstance(shape, ListShape):
        if not into:
            into.append({})
        return _put(shape.member, into[0], place, value, path, rules)
    if not place or not isinstance(shape, StructureShape) or place[0] not in shape.members:
        return False
    member = shape.members[place[0]]
    if len(place) > 1:
        inner = into.setdefault(place[0], [] if isinstance(member, ListShape) else {})
        return _put(member, inner, place[1:], value, path, rules)
    converted = convert(member, value, path, rules)
    if isinstance(converted, Mapping) and isinstance(into.get(place[0]), dict):
        _merge(into[place[0]], converted)
    else:
        into[place[0]] = converted
    return True


def merged(under: Any, over: Any) -> Any:
    """Two parameter values as one: structures are merged, of anything else ``over`` stands."""
    if not isinstance(under, Mapping) or not isinstance(over, Mapping):
        return over
    result = dict(under)
    _merge(result, over)
    return result


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def convert(shape: Shape, value: Any, path: str, rules: _Rules) -> Any:
    """One value in the form of one shape."""
    if value is UNKNOWN:
        return UNKNOWN
    if isinstance(shape, StructureShape):
        return _to_structure(shape, value, path, rules)
    if isinstance(shape, ListShape):
        return _to_list(shape, value, path, rules)
    if isinstance(shape, MapShape):
        if isinstance(value, Mapping):
            return {key: convert(shape.value, item, path, rules) for key, item in value.items()}
        return value
    return _to_scalar(shape.type_name, value)


def _to_structure(shape: StructureShape, value: Any, path: str, rules: _Rules) -> Any:
    if isinstance(value, list):
        if {"Quantity", "Items"} <= set(shape.members):
            items = convert(shape.members["Items"], value, path, rules)
            return {"Quantity": len(items), "Items": items} if items else {"Quantity": 0}
        if len(value) > 1:
            rules.unmapped.append(path)
        return convert(shape, value[0], path, rules) if value else {}
    if isinstance(value, Mapping):
        made = _structure(shape, value, path, rules)
        if "Items" in made and "Quantity" in shape.members:
            made["Quantity"] = len(made["Items"])
        return made
    names = list(shape.members)
    single = next((name for name in names if name in ("Value", "Enabled", "Name", "Arn")), None)
    if single is None and len(names) == 1:
        single = names[0]
    return {single: convert(shape.members[single], value, path, rules)} if single else value


def _to_list(shape: ListShape, value: Any, path: str, rules: _Rules) -> Any:
    member = shape.member
    if isinstance(value, Mapping) and isinstance(member, StructureShape):
        keys = [name for name in member.members if normal(name) in ("key", "name", "tagkey", "parametername")]
        values = [name for name in member.members if normal(name) in ("value", "tagvalue", "parametervalue", "values")]
        if keys and values:
            return [
                {keys[0]: key, values[0]: convert(member.members[values[0]], item, path, rules)}
                for key, item in value.items()
            ]
    items = value if isinstance(value, list) else [value]
    return [convert(member, item, path, rules) for item in items]


def _to_scalar(kind: str, value: Any) -> Any:
    if kind == "string":
        if isinstance(value, (dict, list)):
            return json.dumps(value)
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "blob":
        return value.encode() if isinstance(value, str) else value
    if kind == "boolean" and isinstance(value, str):
        return {"true": True, "false": False, "enable": True, "disable": False}.get(value.lower(), value)
    if kind in ("integer", "long") and not isinstance(value, bool):
        return _number(value, int)
    if kind in ("float", "double"):
        return _number(value, float)
    return value


def _number(value: Any, kind: type[int] | type[float]) -> Any:
    try:
        return kind(value)
    except (TypeError, ValueError):
        return value
