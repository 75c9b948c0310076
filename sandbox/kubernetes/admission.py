"""The rules that look at other objects before one is admitted: its namespace, its kind's definition, its key."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.kubernetes import custom, helm, pods, podsecurity
from sandbox.kubernetes.access import Body, Problem, Problems, dig, enumerated, number, text
from sandbox.kubernetes.kinds import Key, ObjectType
from sandbox.kubernetes.store import View
from sandbox.provider import UNKNOWN


def namespace_exists(name: str, view: View) -> bool:
    """Whether a namespace is there, or is made by a chart that goes into it."""
    if view.get(Key("", "Namespace", "", name)) is not None:
        return True
    return any(chart.creates_namespace and chart.namespace == name for chart in helm.installed(view))


def problems(type_: ObjectType, key: Key, body: Body, view: View, *, builtin: bool) -> Problems:
    """What keeps an object from being admitted into a cluster that holds ``view``."""
    if not builtin:
        yield from custom.served_problems(type_, view)
    for path, name in _namespaces(key, body):
        if not namespace_exists(name, view):
            yield Problem(path, f"namespace {name!r} does not exist", "declare it and let the object depend on it")
    yield from pod_security_problems(key.namespace, body, view)
    if (type_.group, type_.kind) == ("", "Service"):
        yield from _node_port_problems(key, body, view)


def _namespaces(key: Key, body: Body) -> Iterator[tuple[str, str]]:
    """The namespaces that must be there: the object's own, and the one that its chart goes into."""
    if key.namespace:
        yield "metadata.namespace", key.namespace
    if (key.group, key.kind) != ("helm.cattle.io", "HelmChart"):
        return
    target, creates = text(body, "spec", "targetNamespace"), dig(body, "spec", "createNamespace")
    if target and creates is not True and creates is not UNKNOWN:
        yield "spec.targetNamespace", target


def pod_security_problems(namespace: str, body: Body, view: View) -> Problems:
    """What the pods of an object do that their namespace's enforced Pod Security level forbids."""
    found, home = pods.template(body), view.get(Key("", "Namespace", "", namespace))
    if found is None or home is None:
        return
    level, version = podsecurity.enforced(home.body)
    if violations := podsecurity.violations(level, found[1]):
        yield Problem(found[0], f'violates PodSecurity "{level}:{version}": {", ".join(violations)}')


def _node_port_problems(key: Key, body: Body, view: View) -> Problems:
    """A node port belongs to one Service of the cluster."""
    wanted = [(at, value) for at, port in enumerated(body, "", "spec", "ports") if (value := number(port, "nodePort"))]
    if not wanted:
        return
    taken = {
        number(port, "nodePort"): entry.key
        for entry in view.of_kind("", "Service")
        if entry.key != key
        for _, port in enumerated(entry.body, "", "spec", "ports")
    }
    for at, value in wanted:
        if value in taken:
            yield Problem(f"{at}.nodePort", f"{value} is taken by {taken[value]}")
