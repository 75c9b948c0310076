"""The ``kubernetes`` package: one cluster per provider resource, held in memory and rebuilt from the state.

``check`` judges an object as it is declared, against everything declared or live so far, so a preview refuses
what an update would. ``create`` and ``update`` look again at what is live, so a missing dependency shows as in
a cluster. :meth:`KubernetesProvider.finish` looks at the whole once all is declared.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from sandbox import typecheck
from sandbox.kubernetes import admission, helm, immutable, outputs, schema, semantics, settled
from sandbox.kubernetes.access import Problem, Problems, dig, mapping, refuse, text
from sandbox.kubernetes.custom import CustomKinds
from sandbox.kubernetes.kinds import CLUSTER_SCOPED, RELEASE_TYPE, Key, ObjectType, parse_token
from sandbox.kubernetes.store import Entry, Overlay, Store, View, own_objects
from sandbox.local.base import Typecheck
from sandbox.provider import UNKNOWN, Desired, Diff, Made, ResourceError, Saved, has_unknown

AUTONAMED: Final = "pulumi.com/autonamed"
_RELEASE: Final = ObjectType("helm.sh", "v3", "Release")
_SECRET_TYPE: Final = "kubernetes:core/v1:Secret"
_FUNCTION_REMEDY: Final = "declare the objects one by one, or install the chart with a HelmChart custom resource"
_UNDERSCORED: Final = "x_kubernetes_"


class KubernetesProvider:
    """One cluster.

    ``config`` is the provider's own (``namespace``, ``enableConfigMapMutable``, ``enableSecretMutable`` count; a
    kubeconfig is only data here). ``crds_dir``, or the environment variable ``CRDS_DIR``, may name a folder of
    CustomResourceDefinitions by whose schemas custom resources are checked.
    """

    package = "kubernetes"

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        *,
        version: str = schema.DEFAULT_VERSION,
        crds_dir: Path | None = None,
        check_types: Typecheck = typecheck.check_inputs,
    ) -> None:
        config = config or {}
        folder = crds_dir or (Path(os.environ["CRDS_DIR"]) if os.environ.get("CRDS_DIR") else None)
        self._schemas = schema.builtin(version)
        self._custom = CustomKinds(folder)
        self._check_types = check_types
        self._namespace = text(config, "namespace") or "default"
        kinds = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}
        self._mutable = frozenset(kind for kind, name in kinds.items() if config.get(name) in (True, "true"))
        self._lock = threading.RLock()
        self._live = own_objects()
        self._declared = Store()
        self._nameless: set[tuple[str, str]] = set()

    # -- the engine's questions ----------------------------------------------------------------

    def check(self, desired: Desired, old: Saved | None) -> dict[str, Any]:
        if desired.type == RELEASE_TYPE:
            return self._check_release(desired, old)
        type_ = parse_token(desired.type)
        inputs = _integral(desired.inputs)
        refuse(self._type_problems(type_, inputs))
        with self._lock:
            view = Overlay(self._declared, self._live)
            builtin = self._is_builtin(type_)
            inputs["metadata"] = self._identity(type_, desired, inputs, old, view)
            body = _object(inputs)
            key = self._key(type_, body)
            refuse(self._object_problems(type_, body, view))
            if old is not None:
                self._refuse_changes(type_, _object(old.inputs), body, view)
            if key is None:
                self._nameless.add((type_.group, type_.kind))
                return inputs
            self._refuse_duplicate(key, {desired.urn, old.urn if old else desired.urn}, view)
            refuse(admission.problems(type_, key, body, view, builtin=builtin))
            self._declared.put(Entry(key, desired.urn, body))
        return inputs

    def diff(self, old: Saved, desired: Desired) -> Diff:
        names = sorted(old.inputs.keys() | desired.inputs.keys())
        changed = tuple(name for name in names if _differs(old.inputs.get(name), desired.inputs.get(name)))
        if desired.type == RELEASE_TYPE:
            return Diff(changed, tuple(name for name in changed if name in ("name", "namespace")))
        before, after = _object(old.inputs), _object(desired.inputs)
        fields = immutable.replacing_fields(parse_token(desired.type), before, after, self._mutable)
        replace = tuple(dict.fromkeys(path.partition(".")[0] for path in fields))
        same_place = all(
            dig(before, "metadata", name) == dig(after, "metadata", name) for name in ("name", "namespace")
        )
        return Diff(changed, replace, delete_before_replace=bool(replace) and same_place)

    def create(self, desired: Desired) -> Made:
        with self._lock:
            key, body = self._admitted(desired)
            if (found := self._live.get(key)) is not None:
                raise ResourceError(f"{key} already exists", remedy=_owner_remedy(found))
            return self._keep(key, desired, body, None)

    def update(self, old: Saved, desired: Desired) -> Made:
        with self._lock:
            key, body = self._admitted(desired)
            found = self._live.get(key)
            if found is None:
                raise ResourceError(f"{key} is no longer in the cluster", remedy="refresh the stack")
            return self._keep(key, desired, body, old.outputs)

    def delete(self, old: Saved) -> None:
        """A namespace goes with its content, a CustomResourceDefinition with the objects of its kind."""
        with self._lock:
            key = self._saved_key(old)
            entry = self._live.get(key)
            if entry is None:
                return
            self._live.remove(key)
            if (key.group, key.kind) == ("", "Namespace"):
                gone = [one.key for one in self._live.everything() if one.key.namespace == key.name]
            elif key.kind == "CustomResourceDefinition":
                spec = mapping(entry.body, "spec")
                group, kind = text(spec, "group") or "", text(spec, "names", "kind") or ""
                gone = [one.key for one in self._live.of_kind(group, kind)]
            else:
                return
            for one in gone:
                self._live.remove(one)

    def read(self, type_: str, id_: str, inputs: Mapping[str, Any]) -> Made:
        kind = _RELEASE if type_ == RELEASE_TYPE else parse_token(type_)
        namespace, _, name = id_.rpartition("/")
        with self._lock:
            view = Overlay(self._declared, self._live)
            if not namespace and self._namespaced(kind, view):
                namespace = self._namespace
            key = Key(kind.group, kind.kind, namespace, name)
            found = self._live.get(key)
            if found is None:
                raise ResourceError(f"{key} does not exist", path="id")
            self._declared.put(found)
            return Made(key.id, dict(found.body if type_ != RELEASE_TYPE else mapping(found.body, "spec")))

    def invoke(self, token: str, args: Mapping[str, Any]) -> dict[str, Any]:
        raise ResourceError(f"the sandbox does not render with {token}", remedy=_FUNCTION_REMEDY)

    def restore(self, saved: Iterable[Saved]) -> None:
        with self._lock:
            self._live, self._declared, self._nameless = own_objects(), Store(), set()
            for one in saved:
                self._live.put(Entry(self._saved_key(one), one.urn, _saved_body(one)))

    def secret_outputs(self, type_: str) -> frozenset[str]:
        return frozenset({"data", "stringData"}) if type_ == _SECRET_TYPE else frozenset()

    # -- beyond the engine's questions ---------------------------------------------------------

    def finish(self) -> list[ResourceError]:
        """What is wrong with the whole, once everything is declared; in a preview as in an update."""
        with self._lock:
            view = Overlay(self._declared, own_objects())
            return list(settled.findings(view, frozenset(self._nameless)))

    def objects(self) -> list[dict[str, Any]]:
        """Every live object that a program declared."""
        with self._lock:
            return [dict(entry.body) for entry in self._live.everything() if entry.urn]

    # -- parts of the answers ------------------------------------------------------------------

    def _is_builtin(self, type_: ObjectType) -> bool:
        return self._schemas.serves(type_)

    def _namespaced(self, type_: ObjectType, view: View) -> bool:
        if type_ == _RELEASE:
            return True
        if self._is_builtin(type_):
            return (type_.group, type_.kind) not in CLUSTER_SCOPED
        return self._custom.namespaced(type_, view)

    def _type_problems(self, type_: ObjectType, inputs: Mapping[str, Any]) -> Problems:
        for name, expected in (("apiVersion", type_.api_version), ("kind", type_.kind)):
            if inputs.get(name, expected) != expected:
                yield Problem(name, f"{inputs[name]!r} is not the {expected!r} of the resource's type")
        if self._schemas.kinds(type_.group) and not self._is_builtin(type_):
            versions = self._schemas.versions(type_.group, type_.kind)
            use = f"use {' or '.join(versions)}" if versions else f"{type_.group or 'core'} has no such kind"
            served = f"Kubernetes {self._schemas.version} does not serve {type_.api_version} {type_.kind}"
            yield Problem("apiVersion", served, use)

    def _identity(
        self, type_: ObjectType, desired: Desired, inputs: Mapping[str, Any], old: Saved | None, view: View
    ) -> Any:
        """The metadata with the namespace and the name that the real provider would fill in."""
        given = inputs.get("metadata", {})
        if not isinstance(given, Mapping):
            return given
        metadata = dict(given)
        if self._namespaced(type_, view):
            metadata.setdefault("namespace", self._namespace)
        elif metadata.get("namespace") not in (None, UNKNOWN):
            refuse([Problem("metadata.namespace", f"a {type_.kind} has no namespace")])
        if metadata.get("name") is None and metadata.get("generateName") is None:
            before = mapping(old.inputs if old else None, "metadata")
            kept = text(before, "name") if AUTONAMED in mapping(before, "annotations") else None
            metadata["name"] = kept or f"{desired.name}-{hashlib.sha256(desired.urn.encode()).hexdigest()[:8]}"
            annotations = metadata.get("annotations")
            if annotations is not UNKNOWN:
                metadata["annotations"] = {**(annotations or {}), AUTONAMED: "true"}
        return metadata

    def _object_problems(self, type_: ObjectType, body: Mapping[str, Any], view: View) -> list[Problem]:
        """Shape first; the rules assume it, so they are asked only of an object that has it."""
        if self._is_builtin(type_):
            shape = list(self._schemas.problems(type_, body))
        else:
            shape = [*self._custom.problems(type_, body, view), *self._schemas.metadata_problems(body)]
        return shape or list(semantics.problems(type_, body))

    def _refuse_changes(
        self, type_: ObjectType, before: Mapping[str, Any], after: Mapping[str, Any], view: View
    ) -> None:
        if not any(immutable.replacing_fields(type_, before, after, self._mutable)):
            refuse(immutable.refused_changes(type_, before, after, view))

    def _refuse_duplicate(self, key: Key, urns: set[str], view: View) -> None:
        found = view.get(key)
        if found is not None and found.urn not in urns:
            owner = f"is already declared by {found.urn}" if found.urn else "is already in every cluster"
            raise ResourceError(f"{key} {owner}", path="metadata.name", remedy=_owner_remedy(found))

    def _key(self, type_: ObjectType, body: Mapping[str, Any]) -> Key | None:
        """The key of an object; None while a part of it is unknown."""
        name, namespace = dig(body, "metadata", "name"), dig(body, "metadata", "namespace") or ""
        known = isinstance(name, str) and isinstance(namespace, str)
        return Key(type_.group, type_.kind, namespace, name) if known else None

    def _saved_key(self, saved: Saved) -> Key:
        type_ = _RELEASE if saved.type == RELEASE_TYPE else parse_token(saved.type)
        namespace, _, name = saved.id.rpartition("/")
        return Key(type_.group, type_.kind, namespace, name)

    def _admitted(self, desired: Desired) -> tuple[Key, dict[str, Any]]:
        """The key and body of an object that the live cluster admits."""
        if desired.type == RELEASE_TYPE:
            key = Key(_RELEASE.group, _RELEASE.kind, desired.inputs["namespace"], desired.inputs["name"])
            refuse(_release_namespace_problems(desired.inputs, self._live))
            return key, dict(desired.inputs)
        type_, body = parse_token(desired.type), _object(desired.inputs)
        found = self._key(type_, body)
        if found is None:
            raise ResourceError("is required", path="metadata.name")
        refuse(admission.problems(type_, found, body, self._live, builtin=self._is_builtin(type_)))
        return found, body

    def _keep(self, key: Key, desired: Desired, body: dict[str, Any], old: Mapping[str, Any] | None) -> Made:
        if desired.type == RELEASE_TYPE:
            made = outputs.release(key, body, old)
            self._live.put(Entry(key, desired.urn, _release_body(key, made)))
        else:
            made = outputs.complete(key, body, old, self._live)
            self._live.put(Entry(key, desired.urn, made))
        return Made(key.id, made)

    def _check_release(self, desired: Desired, old: Saved | None) -> dict[str, Any]:
        self._check_types(desired.type, desired.inputs)
        inputs = _integral(desired.inputs)
        inputs.setdefault("namespace", self._namespace)
        kept = text(old.inputs, "name") if old else None
        inputs.setdefault("name", kept or f"{desired.name}-{hashlib.sha256(desired.urn.encode()).hexdigest()[:8]}")
        refuse(helm.release_problems(inputs))
        with self._lock:
            view = Overlay(self._declared, self._live)
            refuse(_release_namespace_problems(inputs, view))
            if not isinstance(inputs["name"], str) or not isinstance(inputs["namespace"], str):
                self._nameless.add((_RELEASE.group, _RELEASE.kind))
                return inputs
            key = Key(_RELEASE.group, _RELEASE.kind, inputs["namespace"], inputs["name"])
            self._refuse_duplicate(key, {desired.urn, old.urn if old else desired.urn}, view)
            self._declared.put(Entry(key, desired.urn, _release_body(key, inputs)))
        return inputs


def _release_namespace_problems(inputs: Mapping[str, Any], view: View) -> Problems:
    namespace = text(inputs, "namespace")
    creates = inputs.get("createNamespace") in (True, UNKNOWN)
    if namespace and not creates and not admission.namespace_exists(namespace, view):
        remedy = "declare it before the release, or set createNamespace"
        yield Problem("namespace", f"namespace {namespace!r} does not exist", remedy)


def _release_body(key: Key, inputs: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": key.name, "namespace": key.namespace}
    return {"apiVersion": "helm.sh/v3", "kind": "Release", "metadata": metadata, "spec": dict(inputs)}


def _saved_body(saved: Saved) -> dict[str, Any]:
    if saved.type == RELEASE_TYPE:
        namespace, _, name = saved.id.rpartition("/")
        return _release_body(Key(_RELEASE.group, _RELEASE.kind, namespace, name), {**saved.inputs, **saved.outputs})
    return _object({**saved.inputs, **saved.outputs})


def _owner_remedy(found: Entry) -> str:
    if not found.urn:
        return "read it with .get() instead of declaring it"
    return "give one of them another name; if the resource was renamed, give it an alias"


def _object(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs as the API server reads them: the SDK writes ``x-kubernetes-*`` and ``$ref`` with underscores."""
    if inputs.get("kind") != "CustomResourceDefinition":
        return dict(inputs)
    body: dict[str, Any] = _dashed(inputs)
    return body


def _dashed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_dashed_key(key): _dashed(item) for key, item in value.items()}
    return [_dashed(item) for item in value] if isinstance(value, list) else value


def _dashed_key(key: str) -> str:
    if key.startswith(_UNDERSCORED):
        return key.replace("_", "-")
    return {"_ref": "$ref", "_schema": "$schema"}.get(key, key)


def _integral(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers as integers: protobuf has no others than doubles."""
    return {name: _whole(value) for name, value in inputs.items()}


def _whole(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _integral(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _differs(old: Any, new: Any) -> bool:
    return has_unknown(new) or bool(old != new)
