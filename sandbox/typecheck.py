"""Checks property bags against the types that a provider's own Python SDK declares.

A Pulumi program that passes plain dicts gets no help from its interpreter: a misspelt nested key or a
string where a number belongs goes straight to the engine. The real engine refuses it, by the
provider's schema. The SDKs carry the same schema as type annotations, so it is read from there: the
list of resource modules that a package registers on import leads from a token to the resource class,
its ``Args`` class gives the inputs, its property getters give the outputs.

Works for every generated SDK (aws, kubernetes, random, tls). :data:`~sandbox.provider.UNKNOWN` fits every type.
"""

from __future__ import annotations

import difflib
import enum
import functools
import importlib
import re
import sys
import threading
import types
import typing
import warnings
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Mapping as AbcMapping
from collections.abc import Sequence as AbcSequence
from dataclasses import dataclass
from typing import Any, Literal

from pulumi import _types as sdk_types
from pulumi.runtime import rpc

from sandbox.provider import UNKNOWN, ResourceError

_IMPORT_LOCK = threading.RLock()
_TOKEN = re.compile(r"^([\w-]+):([^:]+):([^:]+)$")
_SDK_PACKAGES: Mapping[str, str] = {"kubernetes": "pulumi_kubernetes"}


@dataclass(frozen=True)
class Problem:
    """One disagreement between a value and its declared type. ``path`` is ``rules[0].fromPort`` style."""

    path: str
    message: str


@dataclass(frozen=True)
class Declared:
    """What an SDK declares of one resource type, by Pulumi (camelCase) property name."""

    inputs: Mapping[str, Any]
    required: frozenset[str]
    outputs: Mapping[str, Any]
    always: frozenset[str]
    """Outputs whose declared type does not admit ``None``."""


@functools.cache
def declared(token: str) -> Declared:
    """The declared inputs and outputs of a resource type.

    Raises :class:`ResourceError` for a token no installed SDK knows.
    """
    with _IMPORT_LOCK:
        resource = resource_class(token)
        args = args_class(resource)
        hints = sdk_types._raw_return_hints(resource)
        return Declared(
            inputs=sdk_types.input_type_types(args),
            required=sdk_types._required_property_names(args),
            outputs=sdk_types.resource_types(resource),
            always=frozenset(name for name, hint in hints.items() if not _admits_none(hint)),
        )


def input_problems(token: str, inputs: Mapping[str, Any]) -> list[Problem]:
    """Every disagreement between ``inputs`` and the declared inputs of ``token``."""
    known = declared(token)
    return list(_object_problems(inputs, known.inputs, known.required, ""))


def check_inputs(token: str, inputs: Mapping[str, Any]) -> None:
    """Raise :class:`ResourceError` naming the first problem (and how many more there are)."""
    _raise_first(input_problems(token, inputs))


def output_problems(token: str, outputs: Mapping[str, Any]) -> list[Problem]:
    """Every disagreement between ``outputs`` and the declared outputs of ``token``; none of them is required."""
    return list(_object_problems(outputs, declared(token).outputs, frozenset(), ""))


def fits(value: Any, declared_type: Any) -> bool:
    """Whether a JSON value belongs to a declared type."""
    return next(_problems(value, declared_type, ""), None) is None


def _raise_first(problems: Sequence[Problem]) -> None:
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ResourceError(f"{problems[0].message}{more}", path=problems[0].path)


def resource_class(token: str) -> type:
    """The SDK's class of a resource type. :class:`ResourceError` for a token that no installed SDK knows."""
    match = _TOKEN.match(token)
    if match is None:
        raise ResourceError(f"{token!r} is not a resource type token (package:module:Type)")
    package, module, _ = match.groups()
    sdk = _SDK_PACKAGES.get(package, f"pulumi_{package.replace('-', '_')}")
    try:
        importlib.import_module(sdk)
    except ImportError as error:
        raise ResourceError(f"the SDK of package {package!r} ({sdk}) is not installed") from error
    for registered in rpc._RESOURCE_MODULES.get(f"{package}:{module}", []):
        info: Mapping[str, Any] = getattr(registered, "mod_info", {})
        class_name = info.get("classes", {}).get(token)
        if class_name is not None:
            with warnings.catch_warnings():  # the package's own, about types that the program does not use
                warnings.simplefilter("ignore", DeprecationWarning)
                found: type = getattr(importlib.import_module(info["fqn"]), class_name)
            return found
    raise ResourceError(f"{sdk} has no resource type {token!r}")


def args_class(resource: type) -> type:
    """The class of a resource's arguments.

    ``XInitArgs`` comes first: it exists just where ``XArgs`` is the name of a nested type.
    """
    module = sys.modules[resource.__module__]
    for suffix in ("InitArgs", "Args"):
        args = getattr(module, resource.__name__ + suffix, None)
        if args is not None:
            found: type = args
            return found
    raise ResourceError(f"{resource.__module__} declares no arguments for {resource.__name__}")


def _admits_none(hint: Any) -> bool:
    return any(type(None) in typing.get_args(arg) for arg in typing.get_args(hint))


@functools.cache
def _members(declared_type: Any) -> tuple[Any, ...]:
    """The alternatives of a union that a JSON value can take: no Output, Awaitable, TypedDict or None."""
    if typing.get_origin(declared_type) not in (typing.Union, types.UnionType):
        return (declared_type,)
    found: list[Any] = []
    for arg in typing.get_args(declared_type):
        if arg is not type(None) and not sdk_types._is_plumbing_arg(arg):
            found.extend(_members(arg))
    return tuple(found) or (Any,)


@functools.cache
def _nested(cls: type) -> tuple[Mapping[str, Any], frozenset[str]]:
    if sdk_types.is_input_type(cls):
        return sdk_types.input_type_types(cls), sdk_types._required_property_names(cls)
    return sdk_types.output_type_types(cls), frozenset()


def _problems(value: Any, declared_type: Any, path: str) -> Iterator[Problem]:
    if value is UNKNOWN or value is None:
        return
    members = _members(declared_type)
    attempts = [list(_member_problems(value, member, path)) for member in members]
    if all(attempts):
        yield from min(attempts, key=len)


def _member_problems(value: Any, member: Any, path: str) -> Iterator[Problem]:
    origin = typing.get_origin(member)
    if member is Any or isinstance(member, typing.TypeVar):
        return
    if origin is Literal:
        if value not in typing.get_args(member):
            yield Problem(path, f"must be {_one_of(typing.get_args(member))}, not {value!r}")
    elif member in (list, AbcSequence) or origin in (list, AbcSequence):
        yield from _list_problems(value, typing.get_args(member), path)
    elif member in (dict, AbcMapping) or origin in (dict, AbcMapping):
        yield from _map_problems(value, typing.get_args(member), path)
    elif not isinstance(member, type):
        return
    elif sdk_types.is_input_type(member) or sdk_types.is_output_type(member):
        if not isinstance(value, Mapping):
            yield _wrong(path, "an object", value)
        else:
            yield from _object_problems(value, *_nested(member), path)
    elif issubclass(member, enum.Enum):
        if value not in [item.value for item in member]:
            yield Problem(path, f"must be {_one_of([item.value for item in member])}, not {value!r}")
    else:
        yield from _scalar_problems(value, member, path)


def _scalar_problems(value: Any, member: type, path: str) -> Iterator[Problem]:
    if member is bool:
        if not isinstance(value, bool):
            yield _wrong(path, "a boolean", value)
    elif member is int:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or int(value) != value:
            yield _wrong(path, "an integer", value)
    elif member is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield _wrong(path, "a number", value)
    elif member is str and not isinstance(value, str):
        yield _wrong(path, "a string", value)


def _list_problems(value: Any, args: tuple[Any, ...], path: str) -> Iterator[Problem]:
    if not isinstance(value, list):
        yield _wrong(path, "a list", value)
        return
    for index, item in enumerate(value if args else ()):
        yield from _problems(item, args[0], f"{path}[{index}]")


def _map_problems(value: Any, args: tuple[Any, ...], path: str) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield _wrong(path, "a map", value)
        return
    for key, item in value.items() if len(args) == 2 else ():
        yield from _problems(item, args[1], _join(path, key))


def _object_problems(
    value: Mapping[str, Any], properties: Mapping[str, Any], required: frozenset[str], path: str
) -> Iterator[Problem]:
    for key, item in value.items():
        if key.startswith("__"):
            continue
        if key in properties:
            yield from _problems(item, properties[key], _join(path, key))
        else:
            near = difflib.get_close_matches(key, properties, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield Problem(_join(path, key), f"no such property{hint}")
    for key in sorted(required):
        if value.get(key) is None:
            yield Problem(_join(path, key), "required property is missing")


def _wrong(path: str, wanted: str, value: Any) -> Problem:
    kinds = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return Problem(path, f"must be {wanted}, not {kinds.get(type(value), type(value).__name__)} ({value!r:.60})")


def _one_of(values: Sequence[Any]) -> str:
    return " or ".join(repr(value) for value in values)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
