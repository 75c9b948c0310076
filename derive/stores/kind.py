"""What a kind of store is to the other derivations: its pods, Secrets and objects, and what its users are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, TypeVar

from derive import cloud
from derive.cloud import Grant, bucket
from derive.data.database_state import DatabaseState
from derive.data.object_stores import ObjectStore
from derive.mesh.graph import Exit, Links
from derive.shapes import SecretPlan
from manifests.base import Manifest
from model import Bucket, Resources, Topic
from model.stores import Store

EXPORTER_PASSWORD: Final = "exporter-password"
"""Key of a store's Secret, in its own namespace, for the exporter beside it."""


@dataclass(frozen=True)
class Place:
    """Where a store stands, and who uses it."""

    host: str | None
    """Its DNS name outside the cluster. Absent: it runs in the cluster."""
    namespace: str
    """Of its pods, if it has any."""
    users: tuple[str, ...]
    """Services, in declared order."""
    spaces: Mapping[str, str]
    """Namespace by user."""
    region: str = ""
    """Empty where nobody asks for an address outside."""
    system: str = ""
    topics: tuple[Topic, ...] = ()
    """What is published on it."""
    buckets: Mapping[str, Bucket] = field(default_factory=dict)
    """Those that are declared, by name."""

    migrating: tuple[str, ...] = ()
    """Services that bring its schema."""

    @property
    def managed(self) -> bool:
        """Whether AWS runs it, and names it when it is there."""
        return self.host is not None and bool(cloud.references(self.host))


@dataclass(frozen=True)
class Member:
    """Pods of a store under one name and account: the store itself, or a helper beside it."""

    name: str
    ports: tuple[int, ...] = ()
    """What others reach."""
    front: bool = False
    """Whether the store's users connect here."""
    peers: tuple[int, ...] = ()
    """What its pods reach of one another."""
    among: tuple[str, ...] = ()
    """Names of the Services by which its pods know one another. Empty: those that everybody knows them by."""
    reaches: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Ports of the store's other members that it reaches, by name."""
    metrics: int | None = None
    exits: tuple[Exit, ...] = ()
    in_mesh: bool = True
    mtls: Literal["STRICT", "PERMISSIVE"] | None = None
    """Absent: as in the mesh."""
    services: tuple[str, ...] = ()
    """Names of further Services that lead to some of its pods."""
    granted: bool = False
    """Whether its pods have rights in the cloud, and ask for them."""
    admits: Mapping[str, str] = field(default_factory=dict)
    """Labels that the store's users bear, and by which they are let in. Empty: they are let in by their names."""


@dataclass(frozen=True)
class Site:
    """What the platform offers to the pods of a store."""

    annotations: Callable[[Links], dict[str, str]]
    storage_class: str | None
    """Absent: the cluster's default class."""
    region: str = ""
    states: Mapping[str, DatabaseState] = field(default_factory=dict)
    """What operators have done, by database."""
    object_store: Callable[[str], ObjectStore] = lambda name: ObjectStore(bucket(name), "")
    """A bucket of the stack, by name."""


@dataclass(frozen=True)
class StorePlan:
    """One member's objects, and what its pods ask for."""

    objects: tuple[Manifest, ...]
    members: int
    containers: tuple[Resources, ...]
    claims: int


S = TypeVar("S", bound=Store)


@dataclass(frozen=True)
class StoreKind(Generic[S]):
    """One kind of store. Every function is pure."""

    family: str
    """Prefix of the variables of a service that uses a single store of the kind."""
    members: Callable[[S, Place], tuple[Member, ...]]
    """What of it runs in the cluster."""
    secrets: Callable[[S, Place], Iterable[SecretPlan]]
    variables: Callable[[S, Place, str, str], Iterable[Manifest]]
    """What a user is told: a service, and the prefix of the names."""
    plans: Callable[[S, Place, Mapping[str, Links], Site], Mapping[str, StorePlan]]
    """By member's name. Raises DeclarationError for what such a store cannot be."""
    trusted: Callable[[S, Place], bool] = lambda store, place: False
    """Whether its users need the stack's own authority to know it."""
    grants: Callable[[S, Place], tuple[Grant, ...]] = lambda store, place: ()
    """What its pods may do in the cloud."""


def credentials_name(store: str, user: str | None = None) -> str:
    """Name of the Secret with a store's credentials: in every namespace that uses the store, where its users share
    them; in the user's own namespace, where each ``user`` has its own."""
    return f"{user}-{store}-credentials" if user else f"{store}-credentials"


def credentials_spaces(place: Place) -> tuple[tuple[str, bool], ...]:
    """Each namespace that holds the credentials, and whether it is the home of the store's own pods."""
    home = () if place.host else (place.namespace,)
    return tuple((space, space in home) for space in dict.fromkeys((*home, *place.spaces.values())))
