"""The shapes that derivations hand to components. All frozen; all plain data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from derive.cloud import Grant
from derive.data.database_state import DatabaseState
from model import Environment, System
from model.gitops import LayerName

LayerOwner = Literal["stack", "leaving", "git"]
"""``leaving``: the stack still applies it, and will leave it where it is when it is Git's."""


@dataclass(frozen=True)
class Facts:
    """What a stack's settings add to the declaration: the account's facts, not the system's."""

    region: str
    tags: Mapping[str, str] = field(default_factory=dict)
    """Image tag by service."""
    default_tag: str = "1.0.0"
    registry: str = ""
    """Prefix of every application image, without a trailing slash. Empty: the public default registry."""
    releases: Mapping[str, int] = field(default_factory=dict)
    """By service: the stage that its release may reach; 0: none, it was given up. Absent: all stages."""
    placements: Mapping[str, str] = field(default_factory=dict)
    """Placement (``ec2``, ``cluster``) by database where the stack overrides the declaration."""
    database_states: Mapping[str, DatabaseState] = field(default_factory=dict)
    """By database: promotions and restores. Absent: as first deployed."""
    rotations: Mapping[str, int] = field(default_factory=dict)
    """By generated password: how often it was made anew. Absent: it is the first."""
    given: frozenset[str] = frozenset()
    """Names of the secrets that operators gave in the stack's settings."""
    cloudflare_account: str = ""
    """Id of the account at Cloudflare. Empty: nothing of the system is there."""
    storage_class: str | None = None
    """Of the cluster's volumes. Absent: that of the platform's driver, or the cluster's default."""
    layers: Mapping[LayerName, LayerOwner] = field(default_factory=dict)
    """By layer of a repository that Flux follows: who applies it. Absent: the stack."""
    server_snapshots: Mapping[str, str] = field(default_factory=dict)
    """By number of a server with a volume that outlives it: the snapshot that the volume is made of. Absent: it begins
    empty."""
    admin_ranges: tuple[str, ...] = ()
    """CIDR ranges of the administrators' networks behind the VPN."""


@dataclass(frozen=True)
class Deployment:
    """One environment of one system, as every generator sees it."""

    system: System
    name: str
    """The environment's name."""
    environment: Environment
    facts: Facts

    @property
    def prefix(self) -> str:
        """``<system>-<environment>``: the prefix of every AWS name."""
        return f"{self.system.name}-{self.name}"


STACK_CA: Final = "stack-ca"
"""A password name with a meaning of its own: the stack fills it with the PEM of its own certificate authority."""
CA_FILE: Final = "ca.crt"
"""Key of that certificate in a Secret."""


@dataclass(frozen=True)
class SecretPlan:
    """A Kubernetes Secret. Values are literals that are not secret, or names of generated passwords."""

    name: str
    namespace: str
    literals: Mapping[str, str] = field(default_factory=dict)
    passwords: Mapping[str, str] = field(default_factory=dict)
    """Key of the Secret -> name of a generated password (one random value per name in a stack)."""
    certificate: tuple[str, ...] = ()
    """DNS names: the Secret is a ``kubernetes.io/tls`` certificate for them, issued by the stack."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """Key -> text with ``{password-name}`` placeholders that are filled with generated passwords."""
    key_pair: bool = False
    """Whether it holds an ED25519 key pair for SSH, which the stack makes: ``identity`` and ``identity.pub``."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Key -> name of a value that the operators give in the stack's settings: a token that another company issued."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """By which whoever reads it finds it."""
    stored: str | None = None
    """Name of the account's secret that holds its values beside those of others, each under the name of its generated
    value. Absent: one of its own, of its name. Only where Secrets come from the account's secret store."""
    fills: tuple[str, str] | None = None
    """Namespace and name of another Secret that gets its values by way of Vault. Absent: none."""

    @property
    def read_as(self) -> tuple[str, str]:
        """Namespace and name under which pods read its values."""
        return self.fills or (self.namespace, self.name)

    @property
    def generated(self) -> frozenset[str]:
        """Names of the generated passwords in it."""
        filled = (name for text in self.templates.values() for name in PLACE.findall(text))
        return frozenset((*self.passwords.values(), *filled))


PLACE: Final = re.compile(r"\{([a-z0-9-]+)\}")
"""A placeholder in a secret's template."""


@dataclass(frozen=True)
class Part:
    """A named group of Kubernetes objects that one component registers, in the order given."""

    name: str
    namespace: str
    objects: tuple[dict[str, Any], ...]
    moved: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """By kind and name of an object: paths of fields that a controller writes, and that stay as it leaves them."""


@dataclass(frozen=True)
class ChartPlan:
    """A Helm chart that whoever runs the update installs, and waits for."""

    name: str
    """Of the release."""
    chart: str
    repo: str | None
    """Absent: ``chart`` names a registry itself."""
    version: str
    namespace: str
    values: Mapping[str, Any]
    timeout: int
    """Seconds."""


@dataclass(frozen=True)
class AddonPlan:
    """An add-on: objects of its own (namespace, HelmChart, settings) and the add-ons it must follow."""

    name: str
    objects: tuple[dict[str, Any], ...]
    requires: tuple[str, ...] = ()
    settings: tuple[dict[str, Any], ...] = ()
    """Objects of kinds that the chart itself defines; registered after the chart."""
    grants: tuple[Grant, ...] = ()
    """What its pods may do in the cloud. References in ``objects`` and here are filled in by the stack."""
    layer: LayerName | None = None
    """The layer of a Git repository that it belongs to. Absent: to none, the stack applies it in any case."""
    chart: ChartPlan | None = None
    """Installed after ``objects``. Absent: an object asks the cluster to install it, or there is none."""
