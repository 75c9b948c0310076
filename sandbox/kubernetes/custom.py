"""Custom resources: is their kind served, is it namespaced, and do they fit the schema of their definition."""

from __future__ import annotations

import difflib
import functools
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from sandbox.kubernetes import addons, helm
from sandbox.kubernetes.access import Body, Problem, Problems, dig, enumerated, mapping, text
from sandbox.kubernetes.kinds import ObjectType
from sandbox.kubernetes.schema import custom_validators, explain
from sandbox.kubernetes.store import View
from sandbox.provider import UNKNOWN, has_unknown

_GROUP_LINE: Final = re.compile(r"^  group: ['\"]?([a-z0-9.-]+)", re.MULTILINE)
_KIND: Final = re.compile(r"[A-Z][A-Za-z0-9]*")


class Definitions:
    """CustomResourceDefinitions in a folder of YAML files; a file is read when a kind of its groups is needed."""

    def __init__(self, folder: Path | None) -> None:
        self._files: dict[str, list[Path]] = {}
        self._loaded: dict[Path, dict[tuple[str, str], Body]] = {}
        self._lock = threading.Lock()
        for path in sorted(folder.glob("*.y*ml")) if folder else ():
            for group in set(_GROUP_LINE.findall(path.read_text())):
                self._files.setdefault(group, []).append(path)

    def find(self, group: str, kind: str) -> Body | None:
        """The definition of a kind."""
        with self._lock:
            for path in self._files.get(group, ()):
                if path not in self._loaded:
                    self._loaded[path] = _read(path)
                if (group, kind) in self._loaded[path]:
                    return self._loaded[path][group, kind]
        return None


@functools.cache
def definitions(folder: Path | None) -> Definitions:
    """The definitions of a folder, read once per process (1 MB of YAML takes 0.2 s)."""
    return Definitions(folder)


def _read(path: Path) -> dict[tuple[str, str], Body]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    documents = yaml.load_all(path.read_text(), Loader=loader)
    return {
        (str(dig(one, "spec", "group")), str(dig(one, "spec", "names", "kind"))): one
        for one in documents
        if isinstance(one, dict) and one.get("kind") == "CustomResourceDefinition"
    }


class CustomKinds:
    """What is known of kinds that are not built in. Definitions declared as resources come before the folder's."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = definitions(folder)
        self._validators: dict[int, tuple[Body, Mapping[str, tuple[Any, Any]]]] = {}
        self._lock = threading.Lock()

    def definition(self, type_: ObjectType, view: View) -> Body | None:
        """The CustomResourceDefinition of a kind, when there is one."""
        return _declared(type_, view) or self._folder.find(type_.group, type_.kind)

    def namespaced(self, type_: ObjectType, view: View) -> bool:
        """Whether objects of the kind live in a namespace."""
        definition = self.definition(type_, view)
        if definition is not None:
            return text(definition, "spec", "scope") != "Cluster"
        group = addons.GROUPS.get(type_.group)
        return group is None or type_.kind not in group.cluster.split()

    def problems(self, type_: ObjectType, body: Body, view: View) -> Problems:
        """What a kind's definition has against an object; without one, what any object must have."""
        definition = self.definition(type_, view)
        if definition is None:
            yield from _outline_problems(type_, body)
            return
        validators = self._of(definition)
        if type_.version not in validators:
            versions = ", ".join(f"{type_.group}/{version}" for version in validators)
            yield Problem("apiVersion", f"{type_.kind} is served as {versions}, not as {type_.api_version}")
            return
        yield from explain(validators[type_.version][has_unknown(body)], body)

    def _of(self, definition: Body) -> Mapping[str, tuple[Any, Any]]:
        """The validators of each served version; building them takes 20-40 ms, so they are kept with their source."""
        with self._lock:
            kept = self._validators.get(id(definition))
            if kept is None:
                built = {
                    str(version["name"]): custom_validators(mapping(version, "schema", "openAPIV3Schema"))
                    for _, version in enumerated(definition, "", "spec", "versions")
                    if version.get("served") is not False
                }
                kept = self._validators[id(definition)] = (definition, built)
            return kept[1]


def _declared(type_: ObjectType, view: View) -> Body | None:
    for entry in view.of_kind("apiextensions.k8s.io", "CustomResourceDefinition"):
        spec = mapping(entry.body, "spec")
        if (text(spec, "group"), text(spec, "names", "kind")) == (type_.group, type_.kind):
            return entry.body
    return None


def _outline_problems(type_: ObjectType, body: Body) -> Problems:
    """Checks that need no schema: the kind is one that the group has, and the object has an object's fields."""
    if not _KIND.fullmatch(type_.kind):
        yield Problem("kind", f"{type_.kind!r} is not a kind (CamelCase)")
    group = addons.GROUPS.get(type_.group)
    if group is not None:
        kinds = group.kinds()
        if type_.kind not in kinds:
            close = difflib.get_close_matches(type_.kind, kinds, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            yield Problem(
                "kind",
                f"{type_.group} has no kind {type_.kind!r}{hint}",
                "" if close else "declare its CustomResourceDefinition",
            )
        elif type_.version not in group.versions.split():
            versions = ", ".join(f"{type_.group}/{version}" for version in group.versions.split())
            yield Problem("apiVersion", f"{type_.kind} is served as {versions}, not as {type_.api_version}")
    if body.get("spec", {}) is not UNKNOWN and not isinstance(body.get("spec", {}), Mapping):
        yield Problem("spec", "is not an object")


def served_problems(type_: ObjectType, view: View) -> Problems:
    """A custom resource needs its definition: declared, or installed by an add-on that is there before it."""
    group = addons.GROUPS.get(type_.group)
    if (group is not None and not group.charts) or _declared(type_, view) is not None:
        return
    idle: list[str] = []
    for chart in helm.installed(view):
        if addons.provides(chart.chart, type_.group, type_.kind):
            if _switched_on(chart):
                return
            idle.append(chart.chart)
    needs = f"{type_.kind} needs the CustomResourceDefinitions of {type_.group}"
    if idle:
        path = addons.SWITCHES[idle[0]][0].path
        yield Problem("", f"{needs}; chart {idle[0]!r} is there but does not install them: set {path} to true")
    elif group is not None:
        yield Problem("", f"{needs}; install chart {addons.recommended(type_.group, type_.kind)!r} before it")
    else:
        yield Problem("", f"{needs}; declare them before it")


def _switched_on(chart: helm.Installed) -> bool:
    """Whether a chart's values let it install its definitions; values that are not known yet may."""
    switches = addons.SWITCHES.get(chart.chart, ())
    settings = [(switch.default, dig(chart.values, *switch.path.split("."))) for switch in switches]
    return not switches or any(
        default if value is None else value is True or value is UNKNOWN for default, value in settings
    )
