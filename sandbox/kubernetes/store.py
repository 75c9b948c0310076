"""The objects of a cluster, by key, with the two looks at them that the rules need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sandbox.kubernetes.kinds import Key

NAMESPACES: Final = ("default", "kube-system", "kube-public", "kube-node-lease")
"""Namespaces that every cluster has."""

_CLUSTER_ROLES: Final = ("cluster-admin", "admin", "edit", "view")
_PRIORITY_CLASSES: Final = ("system-cluster-critical", "system-node-critical")


@dataclass(frozen=True)
class Entry:
    """One object: who declared it (empty for the cluster's own) and its body with apiVersion, kind, metadata."""

    key: Key
    urn: str
    body: Mapping[str, Any]


class View(Protocol):
    """A look at a set of objects."""

    def get(self, key: Key) -> Entry | None: ...

    def of_kind(self, group: str, kind: str) -> Iterator[Entry]: ...

    def everything(self) -> Iterator[Entry]: ...


class Store:
    """Objects by key. Not locked: the provider holds its lock around every use."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], dict[Key, Entry]] = defaultdict(dict)

    def get(self, key: Key) -> Entry | None:
        return self._kinds[key.group, key.kind].get(key)

    def of_kind(self, group: str, kind: str) -> Iterator[Entry]:
        yield from list(self._kinds[group, kind].values())

    def everything(self) -> Iterator[Entry]:
        for entries in list(self._kinds.values()):
            yield from list(entries.values())

    def put(self, entry: Entry) -> None:
        self._kinds[entry.key.group, entry.key.kind][entry.key] = entry

    def remove(self, key: Key) -> None:
        self._kinds[key.group, key.kind].pop(key, None)


class Overlay:
    """Two views as one; where both have an object, the first one's is seen."""

    def __init__(self, above: View, below: View) -> None:
        self._above, self._below = above, below

    def get(self, key: Key) -> Entry | None:
        return self._above.get(key) or self._below.get(key)

    def of_kind(self, group: str, kind: str) -> Iterator[Entry]:
        merged = {entry.key: entry for entry in self._below.of_kind(group, kind)}
        merged |= {entry.key: entry for entry in self._above.of_kind(group, kind)}
        yield from merged.values()

    def everything(self) -> Iterator[Entry]:
        merged = {entry.key: entry for entry in self._below.everything()}
        merged |= {entry.key: entry for entry in self._above.everything()}
        yield from merged.values()


def own_objects() -> Store:
    """What a new cluster holds before anyone declares anything."""
    store = Store()

    def put(api: str, kind: str, namespace: str, name: str, **rest: Any) -> None:
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        key = Key(api.rpartition("/")[0], kind, namespace, name)
        store.put(Entry(key, "", {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}))

    for name in NAMESPACES:
        put("v1", "Namespace", "", name, status={"phase": "Active"})
    for name in _CLUSTER_ROLES:
        put("rbac.authorization.k8s.io/v1", "ClusterRole", "", name)
    for name in _PRIORITY_CLASSES:
        put("scheduling.k8s.io/v1", "PriorityClass", "", name)
    spec = {
        "clusterIP": "10.43.0.1",
        "type": "ClusterIP",
        "ports": [{"name": "https", "port": 443, "targetPort": 6443}],
    }
    put("v1", "Service", "default", "kubernetes", spec=spec)
    return store
