"""Registered resources, read from saved stacks in the shape of ``pulumi stack export``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from audit.addresses import ranges
from audit.errors import AuditError

Values = Mapping[str, Any]
STACK: Final = "pulumi:pulumi:Stack"
STACK_REFERENCE: Final = "pulumi:pulumi:StackReference"
KUBERNETES: Final = "kubernetes:"
ADDRESSES: Final = frozenset({"cidrBlock", "cidrIpv4", "destinationCidrBlock", "privateIp", "privateIpv4Address"})
"""Properties of AWS resources that hold an address or a network."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One registered resource. ``values``: its outputs; its inputs where it has none yet."""

    type: str
    urn: str
    id: str
    inputs: Values
    values: Values

    @property
    def name(self) -> str:
        """The logical name."""
        return self.urn.split("::", 3)[-1]


@dataclass(frozen=True, slots=True)
class Object:
    """One Kubernetes object."""

    kind: str
    group: str
    """API group without its version; ``core`` for the legacy one."""
    name: str
    namespace: str
    labels: Mapping[str, str]
    body: Values

    @property
    def spec(self) -> Values:
        spec: Values = self.body.get("spec") or {}
        return spec

    @property
    def key(self) -> str:
        """``Kind namespace/name``, as messages name it."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def read(document: Values) -> list[Resource]:
    """The live resources of an exported stack. :class:`AuditError` when the document has another shape."""
    deployment = document.get("deployment")
    if not isinstance(deployment, Mapping):
        raise AuditError("there is no 'deployment' in it; give a file that 'pulumi stack export' or 'export' wrote")
    found = []
    for raw in deployment.get("resources") or ():
        if raw.get("delete"):
            continue
        inputs, outputs = raw.get("inputs") or {}, raw.get("outputs") or {}
        found.append(Resource(raw["type"], raw["urn"], str(raw.get("id", "")), inputs, outputs or inputs))
    return found


def read_whole(document: Values) -> list[Resource]:
    """The same, every address in it held to be one: what stands in for AWS may invent texts."""
    found = read(document)
    for resource in found:
        if resource.type.startswith("aws:"):
            _check(resource.urn, resource.values)
    return found


def _check(urn: str, value: Any) -> None:
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        if isinstance(item, Mapping | list):
            _check(urn, item)
        elif item and key in ADDRESSES:
            try:
                ranges(str(item))
            except AuditError as error:
                raise AuditError(f"{urn}: {key} {error}; give an export of what AWS or the sandbox made") from error


def referenced(document: Values) -> list[str]:
    """Names of the stacks that a stack reads by StackReference."""
    names = [str(item.values.get("name") or item.id) for item in read(document) if item.type == STACK_REFERENCE]
    return list(dict.fromkeys(name.rsplit("/", 1)[-1] for name in names))


class Registry:
    """The resources of the audited stack and of the stacks that it refers to.

    Kubernetes objects count from the audited stack only: every stack has a cluster of its own.
    """

    def __init__(self, stack: Sequence[Resource], others: Sequence[Sequence[Resource]] = ()) -> None:
        self._by_type: dict[str, list[Resource]] = defaultdict(list)
        self._objects: dict[str, list[Object]] = defaultdict(list)
        for resource in (*stack, *(item for other in others for item in other)):
            self._by_type[resource.type].append(resource)
        for resource in stack:
            if resource.type.startswith(KUBERNETES):
                item = _object(resource)
                self._objects[item.kind].append(item)
        self.types = frozenset(self._by_type)

    def of(self, *types: str) -> list[Resource]:
        """AWS resources of these types."""
        return [item for type_ in types for item in self._by_type.get(type_, ())]

    def objects(self, *kinds: str, group: str | None = None) -> list[Object]:
        """Kubernetes objects of these kinds, of one API group where a kind exists in several."""
        found = [item for kind in kinds for item in self._objects.get(kind, ())]
        return [item for item in found if group is None or item.group == group]

    def output(self, name: str) -> Any:
        """A stack output of any of the stacks; None when none has it."""
        for stack in self._by_type.get(STACK, ()):
            if name in stack.values:
                return stack.values[name]
        return None


def _object(resource: Resource) -> Object:
    body = resource.values
    metadata = body.get("metadata") or {}
    _, version, kind = resource.type.split(":", 2)
    return Object(
        kind=kind,
        group=version.rpartition("/")[0],
        name=str(metadata.get("name") or resource.name.rpartition("/")[2]),
        namespace=str(metadata.get("namespace") or ""),
        labels=metadata.get("labels") or {},
        body=body,
    )
