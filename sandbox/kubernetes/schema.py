"""Strict schema validation: built-in kinds from kubernetes-validate's data, custom kinds from their CRDs.

Validators are built once per kind and kept. An unknown field is an error, as with the API server's
``fieldValidation=Strict``. During a preview :data:`~sandbox.provider.UNKNOWN` satisfies every rule. CEL rules of
CRDs (``x-kubernetes-validations``) are not evaluated.
"""

from __future__ import annotations

import difflib
import functools
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from typing import Any, Final

import jsonschema
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource

from sandbox.kubernetes import constraints
from sandbox.kubernetes.access import Problem, Problems
from sandbox.kubernetes.kinds import ObjectType
from sandbox.kubernetes.patterns import translated
from sandbox.provider import UNKNOWN, has_unknown

DEFAULT_VERSION: Final = "1.36"
"""The Kubernetes minor version of the K3s release in use."""

_BASE: Final = "https://kubernetes.io/api/_definitions.json"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_EMBEDDED: Final = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
"""What every object has; metadata is checked by the schema of ObjectMeta."""

_INT_OR_STRING: Final = [{"type": "integer"}, {"type": "string"}]
"""What generators write beside ``x-kubernetes-int-or-string``; it says the same."""

_MOST: Final = 8
"""Problems told of one object; more would hide the first."""

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


def _tolerant(keyword: Keyword, deep: bool) -> Keyword:
    """The same keyword, satisfied by an unknown value; ``deep``: by any that holds one."""

    def check(validator: Any, expected: Any, instance: Any, schema: Any) -> Iterator[ValidationError] | None:
        if instance is UNKNOWN or (deep and has_unknown(instance)):
            return None
        return keyword(validator, expected, instance, schema)

    return check


_STRICT: Final = jsonschema.Draft202012Validator
_ALTERNATIVES: Final = frozenset({"oneOf", "anyOf", "not", "enum", "const"})
_extend: Final[Any] = jsonschema.validators.extend  # typeshed leaves it untyped
_PREVIEW: Final = _extend(
    _STRICT, {name: _tolerant(check, name in _ALTERNATIVES) for name, check in _STRICT.VALIDATORS.items()}
)


class BuiltinSchemas:
    """The schemas of one Kubernetes version, with :mod:`constraints` worked in. Safe to share between threads."""

    def __init__(self, version: str = DEFAULT_VERSION) -> None:
        self.version = version
        folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
        document = json.loads((folder / "_definitions.json").read_text())
        self.definitions: dict[str, Any] = document["$defs"]
        _constrain(self.definitions)
        self._registry: Any = Resource.from_contents(document) @ Registry()
        self._names = {
            ObjectType(entry["group"], entry["version"], entry["kind"]): name
            for name, definition in self.definitions.items()
            for entry in definition.get("x-kubernetes-group-version-kind", ())
            if name.endswith(f".{entry['kind']}")
        }
        self._lock = threading.Lock()
        self._validators: dict[tuple[str, bool], Any] = {}

    def serves(self, type_: ObjectType) -> bool:
        """Whether this version of Kubernetes has the kind in that version of its group."""
        return type_ in self._names

    def versions(self, group: str, kind: str) -> list[str]:
        """The apiVersions under which a kind is served."""
        return sorted(t.api_version for t in self._names if (t.group, t.kind) == (group, kind))

    def kinds(self, group: str) -> list[str]:
        """The kinds of a group; empty for a group that is not built in."""
        return sorted({t.kind for t in self._names if t.group == group})

    def problems(self, type_: ObjectType, body: Mapping[str, Any]) -> Problems:
        """What the schema of a built-in kind has against an object."""
        return self.definition_problems(self._names[type_], body)

    def definition_problems(self, name: str, value: Any) -> Problems:
        """What one named definition (``io.k8s.api.core.v1.PodTemplateSpec``) has against a value."""
        yield from explain(self._validator(name, has_unknown(value)), value)

    def metadata_problems(self, body: Mapping[str, Any]) -> Problems:
        """What the schema of ObjectMeta has against an object's metadata."""
        for problem in self.definition_problems(_META, body.get("metadata", {})):
            yield problem.under("metadata")

    def _validator(self, name: str, preview: bool) -> Any:
        with self._lock:
            key = (name, preview)
            if key not in self._validators:
                kind = _PREVIEW if preview else _STRICT
                self._validators[key] = kind({"$ref": f"{_BASE}#/$defs/{name}"}, registry=self._registry)
            return self._validators[key]


@functools.cache
def builtin(version: str = DEFAULT_VERSION) -> BuiltinSchemas:
    """The schemas of a version, loaded once per process (1.6 MB of JSON, 20 ms)."""
    return BuiltinSchemas(version)


def _constrain(definitions: dict[str, Any]) -> None:
    """Write the closed sets and ranges into the schemas; a field that is not there is a bug in the tables."""
    for path, values in constraints.ENUMS.items():
        _field(definitions, path)["enum"] = values.split(" ")
    for path, (least, most) in constraints.RANGES.items():
        _field(definitions, path).update(minimum=least, maximum=most)


def _field(definitions: dict[str, Any], path: str) -> dict[str, Any]:
    definition, _, field = path.rpartition(".")
    found: dict[str, Any] = definitions[f"io.k8s.{definition}"]["properties"][field]
    items: dict[str, Any] | None = found.get("items")
    return found if items is None else items


def custom_validators(schema: Mapping[str, Any]) -> tuple[Any, Any]:
    """The validators (strict, preview) of a CRD's ``openAPIV3Schema``."""
    strict = _closed(dict(schema))
    properties = strict.setdefault("properties", {})
    properties.update(_EMBEDDED)
    return _STRICT(strict), _PREVIEW(strict)


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """A structural schema as JSON Schema that refuses unknown fields.

    Fields under anyOf, oneOf, allOf and not only constrain, they declare nothing, so those stay open.
    """
    result = dict(schema)
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            result[keyword] = [_readable(branch) for branch in schema[keyword]]
    if "not" in schema:
        result["not"] = _readable(schema["not"])
    if "properties" in schema:
        result["properties"] = {name: _closed(value) for name, value in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), Mapping):
        result["additionalProperties"] = _closed(schema["additionalProperties"])
    if "items" in schema:
        result["items"] = _closed(schema["items"])
    preserves = schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("type") == "object" and "properties" in schema and not preserves:
        result.setdefault("additionalProperties", False)
    if "pattern" in schema:
        result["pattern"] = translated(schema["pattern"]) or ""
    if schema.get("x-kubernetes-embedded-resource"):
        result["properties"] = {**_EMBEDDED, **result.get("properties", {})}
    if schema.get("x-kubernetes-int-or-string"):
        result["type"] = ["integer", "string"]
        if result.get("anyOf") == _INT_OR_STRING:
            del result["anyOf"]
    if schema.get("nullable") and isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
    return result


def _readable(branch: Any) -> Any:
    """A constraining branch with its patterns in Python's form, at any depth."""
    if isinstance(branch, list):
        return [_readable(one) for one in branch]
    if not isinstance(branch, Mapping):
        return branch
    found = {key: _readable(value) for key, value in branch.items()}
    if isinstance(branch.get("pattern"), str):
        found["pattern"] = translated(branch["pattern"]) or ""
    return found


def explain(validator: Any, value: Any) -> Problems:
    """The errors of a validation in words, first by place; at most ``_MOST``."""
    found = sorted(validator.iter_errors(value), key=lambda error: [str(step) for step in error.absolute_path])
    for error in found[:_MOST]:
        yield _explain(error)


def _explain(error: ValidationError) -> Problem:
    while error.context and error.validator in ("oneOf", "anyOf", "allOf"):
        deeper = jsonschema.exceptions.best_match(iter(error.context))
        if deeper is None or (deeper.validator == "type" and not deeper.relative_path):
            break
        error = deeper
    path = ""
    for step in error.absolute_path:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return Problem(path, _message(error))


def _message(error: ValidationError) -> str:
    expected: Any = error.validator_value
    value: Any = error.instance
    schema: Any = error.schema
    match error.validator:
        case "additionalProperties" if not isinstance(expected, Mapping):
            return _unknown_fields(error)
        case "required":
            missing = [name for name in expected if name not in value]
            return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} required"
        case "type":
            names = [expected] if isinstance(expected, str) else [name for name in expected if name != "null"]
            return f"{value!r} is not of type {' or '.join(names)}"
        case "enum":
            return f"{value!r} is not one of {', '.join(str(one) or repr(one) for one in expected)}"
        case "minimum" | "maximum" if {"minimum", "maximum"} <= schema.keys():
            return f"{value} is not in {schema['minimum']}-{schema['maximum']}"
        case "minimum":
            return f"{value} is less than {expected}"
        case "maximum":
            return f"{value} is more than {expected}"
        case "pattern":
            return f"{value!r} does not match {expected}"
        case "oneOf" | "anyOf":
            return f"{value!r} has none of the forms allowed here"
        case _:
            return error.message


def _unknown_fields(error: ValidationError) -> str:
    schema: Any = error.schema
    instance: Any = error.instance
    known = list(schema.get("properties", {}))
    unknown = [name for name in instance if name not in known]
    close = difflib.get_close_matches(unknown[0], known, 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown field{'s' if len(unknown) > 1 else ''} {', '.join(map(repr, unknown))}{hint}"
