"""Property values: the wire's protobuf structs, plain JSON for providers, and secrets in between.

In the engine a value is plain JSON in which :class:`~sandbox.provider.Secret` wraps what is secret and
:data:`~sandbox.provider.UNKNOWN` stands for what is not known yet. Assets, archives and resource
references stay the signed dicts that the Pulumi SDK sends.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from google.protobuf import struct_pb2

from sandbox.provider import UNKNOWN, ResourceError, Secret

# Type signatures of the Pulumi wire format; the same in every SDK and in state files.
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"
RESOURCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_TEXT: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

_SHORTEST_NEEDLE: Final = 8
"""Characters. A shorter secret is not searched for inside other values: it would match by accident."""


def from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Read a property bag off the wire."""
    return {key: from_value(struct.fields[key]) for key in sorted(struct.fields)}


def from_value(value: struct_pb2.Value) -> Any:
    """Read one value off the wire; whole numbers become ints."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value == UNKNOWN_TEXT else value.string_value
    if kind == "struct_value":
        return _from_object(value.struct_value)
    if kind == "list_value":
        return [from_value(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return value.bool_value if kind == "bool_value" else None


def _from_object(struct: struct_pb2.Struct) -> Any:
    bag = from_struct(struct)
    signature = bag.get(SIGNATURE)
    if signature == SECRET:
        return secret(bag.get("value"))
    if signature == OUTPUT:
        value = bag.get("value", UNKNOWN)
        return secret(value) if bag.get("secret") else value
    if signature in (ASSET, ARCHIVE):
        return {**bag, "hash": _asset_hash(bag)}
    return bag


def secret(value: Any) -> Any:
    """Wrap once."""
    return value if isinstance(value, Secret) else Secret(value)


def _asset_hash(asset: Mapping[str, Any]) -> str:
    """sha256 of an asset's content, so that a changed file is a changed property."""
    digest = hashlib.sha256()
    if "path" in asset:
        for path in _files(Path(asset["path"])):
            digest.update(str(path).encode())
            try:
                digest.update(path.read_bytes())
            except OSError as error:
                raise ResourceError(f"asset {path} cannot be read: {error.strerror}") from error
    else:
        digest.update(repr(sorted((key, repr(value)) for key, value in asset.items() if key != "hash")).encode())
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    return sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]


def to_struct(bag: Mapping[str, Any]) -> struct_pb2.Struct:
    """Write a property bag for the SDK: secrets signed, unknowns as the SDK's own marker."""
    struct = struct_pb2.Struct()
    for key, value in bag.items():
        _fill(struct.fields[key], value)
    return struct


def _fill(target: struct_pb2.Value, value: Any) -> None:
    if value is None:
        target.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif value is UNKNOWN:
        target.string_value = UNKNOWN_TEXT
    elif isinstance(value, Secret):
        _fill(target, {SIGNATURE: SECRET, "value": value.value})
    elif isinstance(value, Mapping):
        target.struct_value.SetInParent()
        for key, item in value.items():
            _fill(target.struct_value.fields[str(key)], item)
    elif isinstance(value, Iterable):
        target.list_value.SetInParent()
        for item in value:
            _fill(target.list_value.values.add(), item)
    else:
        raise ResourceError(f"a value of type {type(value).__name__} cannot be a property")


def plain(value: Any) -> Any:
    """A provider's view: no secrets, and a resource reference is the resource's id (a component's: its URN)."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, dict):
        if value.get(SIGNATURE) == RESOURCE:
            identity = plain(value.get("id", value.get("urn")))
            return UNKNOWN if identity == "" else identity
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def has_secret(value: Any) -> bool:
    """Whether anything in the value is secret."""
    if isinstance(value, dict):
        return any(has_secret(item) for item in value.values())
    if isinstance(value, list):
        return any(has_secret(item) for item in value)
    return isinstance(value, Secret)


def without_unknowns(value: Any) -> Any:
    """Drop unknown entries, as an update must never save one."""
    if isinstance(value, dict):
        return {key: without_unknowns(item) for key, item in value.items() if item is not UNKNOWN}
    if isinstance(value, list):
        return [without_unknowns(item) for item in value if item is not UNKNOWN]
    return Secret(without_unknowns(value.value)) if isinstance(value, Secret) else value


def rewrap(bag: dict[str, Any], source: Mapping[str, Any], secret_names: Iterable[str]) -> dict[str, Any]:
    """Mark as secret what came from the secrets of ``source``, and the properties named.

    What sits at the same path as a secret is secret (the whole property, where the shapes differ), and so
    is any text that contains a secret, as it is or in base64; but not what ``source`` has in the clear at the
    same path: a name stays a name although a user of the same name is secret.
    """
    needles = frozenset(_needles(source))
    names = frozenset(secret_names)
    result = {}
    for key, value in bag.items():
        if key in names:
            result[key] = secret(value)
            continue
        value = _wrap_like(value, source[key]) if key in source and has_secret(source[key]) else value
        result[key] = _wrap_needles(value, needles, source.get(key)) if needles else value
    return result


def _wrap_like(value: Any, pattern: Any) -> Any:
    if isinstance(pattern, Secret):
        return secret(value)
    if isinstance(pattern, dict) and isinstance(value, dict):
        return {key: _wrap_like(item, pattern[key]) if key in pattern else item for key, item in value.items()}
    if isinstance(pattern, list) and isinstance(value, list) and len(pattern) == len(value):
        return [_wrap_like(item, like) for item, like in zip(value, pattern, strict=True)]
    return secret(value) if has_secret(pattern) else value


def _needles(value: Any, inside: bool = False) -> Iterator[str]:
    if isinstance(value, Secret):
        yield from _needles(value.value, True)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _needles(item, inside)
    elif isinstance(value, list):
        for item in value:
            yield from _needles(item, inside)
    elif inside and isinstance(value, str) and len(value) >= _SHORTEST_NEEDLE:
        yield value
        yield base64.b64encode(value.encode()).decode()


def _wrap_needles(value: Any, needles: frozenset[str], given: Any) -> Any:
    if isinstance(value, str):
        return Secret(value) if value != given and any(needle in value for needle in needles) else value
    if isinstance(value, dict):
        known = given if isinstance(given, dict) else {}
        return {key: _wrap_needles(item, needles, known.get(key)) for key, item in value.items()}
    if isinstance(value, list):
        same = given if isinstance(given, list) and len(given) == len(value) else [None] * len(value)
        return [_wrap_needles(item, needles, like) for item, like in zip(value, same, strict=True)]
    return value
