"""Everything declared, arranged by what the settled rules ask: who makes a Secret, which pods run where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sandbox.kubernetes import helm, makers, pods
from sandbox.kubernetes.access import Body, strings
from sandbox.kubernetes.kinds import Key
from sandbox.kubernetes.makers import Keys
from sandbox.kubernetes.store import Entry, View

_ROOT_CA: Final = ("kube-root-ca.crt", frozenset({"ca.crt"}))
_MESH_CA: Final = ("istio-ca-root-cert", frozenset({"root-cert.pem"}))


@dataclass(frozen=True)
class Running:
    """An object that runs pods, and the pod."""

    entry: Entry
    path: str
    pod: Body

    @property
    def labels(self) -> Mapping[str, str]:
        return strings(self.pod, "metadata", "labels")


class Landscape:
    """Indexes over one view; ``nameless`` are kinds of which an object has a name that is not known yet."""

    def __init__(self, view: View, nameless: frozenset[tuple[str, str]] = frozenset()) -> None:
        self.view = view
        self._nameless = nameless
        self.charts = list(helm.installed(view))
        self.storage_classes = helm.storage_classes(view)
        self._running: dict[str, list[Running]] = defaultdict(list)
        self._operated: set[str] = {chart.namespace for chart in self.charts}
        self._operators: dict[str, list[str]] = defaultdict(list)
        self._made: dict[tuple[str, str, str], Keys] = {}
        for chart in self.charts:
            self._operators[chart.namespace] += [chart.release, chart.chart]
        for entry in view.everything():
            self._add(entry)
        self._made["ConfigMap", "", _ROOT_CA[0]] = _ROOT_CA[1]
        if any(chart.chart == "istiod" for chart in self.charts):
            self._made["ConfigMap", "", _MESH_CA[0]] = _MESH_CA[1]

    def _add(self, entry: Entry) -> None:
        key, kind = entry.key, (entry.key.group, entry.key.kind)
        if (found := pods.template(entry.body)) is not None:
            self._running[key.namespace].append(Running(entry, *found))
        if kind in makers.RUN_PODS:
            self._operated.add(key.namespace)
            self._operators[key.namespace].append(key.name)
        if kind == ("", "Secret"):
            self._made["Secret", key.namespace, key.name] = _data_keys(entry.body, "data", "stringData")
        if kind == ("", "ConfigMap"):
            self._made["ConfigMap", key.namespace, key.name] = _data_keys(entry.body, "data", "binaryData")
        for what, table in (("Secret", makers.SECRETS), ("ConfigMap", makers.CONFIG_MAPS)):
            for namespace, name, keys in table[kind](entry) if kind in table else ():
                self._made[what, namespace, name] = keys

    def running(self, namespace: str) -> list[Running]:
        """The objects that run pods in a namespace."""
        return self._running.get(namespace, [])

    def is_operated(self, namespace: str) -> bool:
        """Whether a chart or an operator runs pods in a namespace, of which nothing is known here."""
        return namespace in self._operated

    def may_exist(self, group: str, kind: str, namespace: str, name: str) -> bool:
        """Whether an object is there, or may be: one has no name yet, or it is named as a chart or operator names."""
        if self.view.get(Key(group, kind, namespace, name)) is not None or (group, kind) in self._nameless:
            return True
        return self._is_operators(namespace, name)

    def _is_operators(self, namespace: str, name: str) -> bool:
        prefixes = self._operators.get(namespace, ())
        return any(name == prefix or name.startswith(f"{prefix}-") for prefix in prefixes)

    def missing(self, kind: str, namespace: str, name: str, key: str | None) -> str:
        """Why a reference to a Secret or ConfigMap, or to a key of it, leads nowhere; empty when it leads somewhere."""
        for home in (namespace, ""):
            if (kind, home, name) in self._made:
                keys = self._made[kind, home, name]
                if key is None or keys is None or key in keys:
                    return ""
                known = ", ".join(sorted(keys)) or "none"
                return f"{kind} {name!r} has no key {key!r} (it has {known})"
        if self._nameless & {("", kind), *makers.SECRETS} or self._is_operators(namespace, name):
            return ""
        return f"{kind} {name!r} does not exist in namespace {namespace!r}"


def _data_keys(body: Body, *fields: str) -> Keys:
    values = [body.get(field, {}) for field in fields]
    if not all(isinstance(value, Mapping) for value in values):
        return None
    return frozenset(key for value in values for key in value)
