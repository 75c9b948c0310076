"""What a stack's configuration says, read and checked once. Nothing else reads Pulumi's configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Literal

import pulumi
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, SecretStr, ValidationError, field_validator

import systems
from derive.data.database_state import DatabaseState
from derive.shapes import Deployment, Facts, LayerOwner
from model import (
    DeclarationError,
    Eks,
    ExistingCluster,
    InCluster,
    K3s,
    NetworkPolicies,
    OnEc2,
    OnRds,
    Platform,
    PostgreSQL,
    Rolling,
    SingleVpc,
    System,
    Vault,
)
from model.base import Region, did_you_mean, reason
from model.gitops import LayerName
from model.platform import Cluster
from model.stores import Placement, Store
from stacks.changes import CHANGEABLE, alike, merged, own, place_of

HUB = "hub"
"""The environment's name of the shared network."""
SECRETS = "secrets"
"""The key under which operators give what others issued."""


class SettingsError(pulumi.RunError):
    """A setting that cannot hold. The message names the key and the stack's file."""


class VpnPeerSetting(BaseModel):
    """The far end of a site-to-site VPN."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    address: IPv4Address
    asn: int = Field(65000, ge=1, le=4294967294)
    ranges: tuple[IPv4Network, ...] = ()


class Settings(BaseModel):
    """The stack's configuration. What is absent takes the default given here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str = "fitsync"
    environment: str
    """An environment of the system, or ``hub``."""
    region: Region
    hub_stack: str = HUB
    image_tags: dict[str, str] = Field(default_factory=dict)
    """Tag by service; ``default`` is the tag of every service that has none of its own."""
    cluster: Literal["k3s", "eks", "existing"] | None = None
    """Who runs the cluster. Absent: as declared. What is above it stays the same."""
    registry: str = ""
    secrets: dict[str, SecretStr] = Field(default_factory=dict)
    """What others issued and only the operators know: tokens and addresses that the add-ons ask for by name."""
    releases: dict[str, int | str] = Field(default_factory=dict)
    """By service: the stage that its release may reach, or ``abort``. Absent: all stages, one after the other."""
    databases: dict[str, str] = Field(default_factory=dict)
    """Placement by database: ``ec2``, ``rds`` or ``cluster``. Absent: as declared."""
    database_states: dict[str, DatabaseState] = Field(default_factory=dict)
    """By database on machines: promotions and restores, see docs/runbooks/postgresql.md. Absent: none yet."""
    rotations: dict[str, PositiveInt] = Field(default_factory=dict)
    """By generated value: raised by one, it is made anew. Absent: the first, see docs/runbooks/rotate-a-secret.md."""
    domain: str = ""
    """The system's public domain. Empty: as declared."""
    environments: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By environment: what differs from its declaration, in the same shape; replicas, machine sizes, the domain. One
    that is not declared says by ``like`` which declared one it begins with.
    The hub needs the ranges, zones and domains of its spokes, too: such a difference belongs into Pulumi.yaml."""
    cloudflare_account: str = Field("", pattern=r"^([0-9a-f]{32})?$")
    """Id of the account whose R2 buckets the system uses. Absent: it uses none."""
    vault_auto_unseal: bool | None = None
    """Whether a KMS key unseals Vault's members when they start. Absent: as declared."""
    changes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """What else differs from the declaration, in its shape: members of lists are named (``services.frontend.image``).
    A service that is not declared says by ``like`` which declared one it begins with. The hub does not read it."""
    storage_class: str | None = None
    """The class of the cluster's volumes. Absent: that of the platform's driver, or the cluster's default."""
    layers: dict[LayerName, LayerOwner] = Field(default_factory=dict)
    """By layer of the repository that Flux follows: who applies it. Absent: the stack."""
    server_snapshots: dict[str, str] = Field(default_factory=dict)
    """By number of a server with a volume that outlives it: what the volume is made of, see
    docs/runbooks/restore-a-server.md. Absent: it begins empty."""
    admin_ranges: tuple[IPv4Network, ...] = ()
    vpn_peers: tuple[VpnPeerSetting, ...] = ()
    ssh_key: str | None = Field(None, pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp256) [A-Za-z0-9+/=]+( .*)?$")
    """Public key of the administrators of servers with public addresses. Absent: the stack makes one."""

    @field_validator("admin_ranges")
    @classmethod
    def _not_the_world(cls, ranges: tuple[IPv4Network, ...]) -> tuple[IPv4Network, ...]:
        if any(network.prefixlen == 0 for network in ranges):
            raise ValueError("0.0.0.0/0 is everybody; name the administrators' networks")
        return ranges

    @property
    def declaration(self) -> System:
        """The declared system as this stack's configuration and region have it."""
        system = self._with_new_services(self._with_new_environments(systems.load(self.system)))
        for part in self.changes:
            if part not in CHANGEABLE:
                raise DeclarationError(
                    f"changes names '{part}', which it cannot change{did_you_mean(part, CHANGEABLE)}"
                )
        wanted: dict[str, Any] = dict(self.changes)
        for part, changes in (("environments", self.environments), ("services", self.changes.get("services"))):
            if changes:
                wanted[part] = {name: own(change) for name, change in changes.items()}
        if self.domain:
            wanted["domain"] = self.domain
        system = system.model_copy(update={"platform": self._platform(system), "stores": self._stores(system)})
        declared = system.model_dump(include=set(wanted))
        adjusted = {part: merged(declared[part], change, f"changes.{part}") for part, change in wanted.items()}
        try:
            return System.model_validate({**dict(system), **adjusted}).in_region(self.region)
        except ValidationError as error:
            first = error.errors()[0]
            place = place_of(first["loc"], adjusted)
            raise DeclarationError(f"{place}: {reason(first)}" if place else reason(first)) from error

    def _with_new_environments(self, system: System) -> System:
        """With those that the configuration adds: each is like a declared one, but for what it says itself."""
        known = system.environments
        new = alike(self.environments, known, "environments", system.name)
        return system.model_copy(
            update={"environments": {**known, **{name: known[model] for name, model in new.items()}}}
        )

    def _with_new_services(self, system: System) -> System:
        """With those that the configuration adds: each is like a declared one, also in its calls."""
        known = {service.name: service for service in system.services}
        new = alike(self.changes.get("services", {}), known, "changes.services", system.name)
        services = (known[model].model_copy(update={"name": name}) for name, model in new.items())
        calls = (
            call.model_copy(update={role: name})
            for name, model in new.items()
            for call in system.calls
            for role in ("caller", "callee")
            if getattr(call, role) == model
        )
        return system.model_copy(update={"services": (*system.services, *services), "calls": (*system.calls, *calls)})

    def _stores(self, system: System) -> tuple[Store, ...]:
        """With the databases where the configuration places them."""
        kinds: dict[str, Placement] = {item.kind: item for item in (OnEc2(), OnRds(), InCluster())}

        def placed(store: Store) -> Store:
            wanted = kinds.get(self.databases.get(store.name, ""))
            if not isinstance(store, PostgreSQL) or wanted is None or wanted.kind == store.placement.kind:
                return store
            return store.model_copy(update={"placement": wanted})

        return tuple(placed(store) for store in system.stores)

    def _platform(self, system: System) -> Platform:
        platform = self._unsealing(system)
        if self.cluster in (None, platform.cluster.kind):
            return platform
        kinds: dict[str, Cluster] = {item.kind: item for item in (K3s(), Eks(), ExistingCluster())}
        # Whatever plug-in an existing cluster has, it enforces the standard policies.
        own = self.cluster != "existing"
        return platform.model_copy(
            update={"cluster": kinds[self.cluster], "cni": platform.cni if own else NetworkPolicies()}
        )

    def _unsealing(self, system: System) -> Platform:
        if self.vault_auto_unseal is None:
            return system.platform
        if not any(isinstance(addon, Vault) for addon in system.platform.addons):
            raise DeclarationError(
                f"vaultAutoUnseal is set, but the platform of '{system.name}' has no Vault; remove it"
            )
        addons = tuple(
            addon.model_copy(update={"auto_unseal": self.vault_auto_unseal}) if isinstance(addon, Vault) else addon
            for addon in system.platform.addons
        )
        return system.platform.model_copy(update={"addons": addons})

    def given(self, wanted: Set[str], stack: str) -> dict[str, str]:
        """The secrets that the platform asks for: all of them, and none that nothing asks for."""
        place = f"secrets in Pulumi.{stack}.yaml"
        for name in sorted(wanted - self.secrets.keys()):
            raise SettingsError(
                f"{place} has no '{name}'; set it with 'pulumi config set --secret --path {SECRETS}.{name} VALUE'"
            )
        for name in sorted(self.secrets.keys() - wanted):
            raise SettingsError(f"{place} names '{name}', which nothing asks for{did_you_mean(name, wanted)}")
        return {name: value.get_secret_value() for name, value in self.secrets.items()}

    def check_rotations(self, generated: Set[str], stack: str) -> None:
        """Refuse to rotate what the stack does not generate."""
        for name in sorted(self.rotations.keys() - generated):
            raise SettingsError(
                f"rotations in Pulumi.{stack}.yaml names '{name}', which this stack does not generate"
                f"{did_you_mean(name, generated)}"
            )

    def deployment(self) -> Deployment:
        """The environment of the system that this stack deploys."""
        system = self.declaration
        tags = dict(self.image_tags)
        return Deployment(
            system=system,
            name=self.environment,
            environment=system.environments[self.environment],
            facts=Facts(
                region=self.region,
                default_tag=tags.pop("default", Facts.default_tag),
                tags=tags,
                registry=self.registry,
                releases={name: 0 if stage == "abort" else int(stage) for name, stage in self.releases.items()},
                placements=self.databases,
                database_states=self.database_states,
                rotations=self.rotations,
                given=frozenset(self.secrets),
                cloudflare_account=self.cloudflare_account,
                storage_class=self.storage_class,
                layers=self.layers,
                server_snapshots=self.server_snapshots,
                admin_ranges=tuple(str(network) for network in self.admin_ranges),
            ),
        )


KEYS = {
    "system": "system",
    "environment": "environment",
    "hubStack": "hub_stack",
    "imageTags": "image_tags",
    "cluster": "cluster",
    "registry": "registry",
    "secrets": "secrets",
    "releases": "releases",
    "databases": "databases",
    "databaseStates": "database_states",
    "rotations": "rotations",
    "domain": "domain",
    "environments": "environments",
    "cloudflareAccount": "cloudflare_account",
    "vaultAutoUnseal": "vault_auto_unseal",
    "changes": "changes",
    "storageClass": "storage_class",
    "layers": "layers",
    "serverSnapshots": "server_snapshots",
    "adminRanges": "admin_ranges",
    "vpnPeers": "vpn_peers",
    "sshKey": "ssh_key",
}
"""Configuration key -> setting. The keys are declared in Pulumi.yaml."""
OBJECTS = frozenset(
    {
        "secrets",
        "imageTags",
        "releases",
        "databases",
        "databaseStates",
        "rotations",
        "environments",
        "changes",
        "layers",
        "serverSnapshots",
        "adminRanges",
        "vpnPeers",
    }
)
"""Those whose values are maps or lists."""


def load() -> Settings:
    """Read the stack's configuration. Raises SettingsError with one message that names key, file and remedy."""
    # Not by pulumi.Config, which hides secrets in outputs: all is checked before anything is registered.
    configuration = {**pulumi.runtime.config.get_config_env(), **pulumi.runtime.config.CONFIG.get()}
    return read(configuration, pulumi.get_project(), pulumi.get_stack())


def read(texts: Mapping[str, str], project: str, stack: str) -> Settings:
    """Settings from the configuration's texts by full key (``project:key``)."""
    for key in texts:
        owner, _, name = key.partition(":")
        if owner == project and name not in KEYS:
            raise SettingsError(f"{key} in Pulumi.{stack}.yaml is no setting{did_you_mean(name, KEYS)}")
    values: dict[str, Any] = {}
    for key, name in KEYS.items():
        text = texts.get(f"{project}:{key}")
        value = _parsed(text, f"{project}:{key}", stack) if text and key in OBJECTS else text
        if value not in (None, ""):
            values[name] = value
    region = texts.get("aws:region")
    if region is None:
        raise SettingsError(
            f"aws:region is not set in Pulumi.{stack}.yaml; set it with 'pulumi config set aws:region eu-west-1'"
        )
    return validated(values | {"region": region}, stack)


def _parsed(text: str, key: str, stack: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise SettingsError(f"{key} in Pulumi.{stack}.yaml cannot be read; write it as a map or a list") from error


def validated(values: Mapping[str, Any], stack: str) -> Settings:
    """Settings from plain values, checked against the declaration."""
    file = f"Pulumi.{stack}.yaml"
    try:
        settings = Settings.model_validate({"environment": stack, **values})
    except ValidationError as error:
        first = error.errors()[0]
        names = {name: key for key, name in KEYS.items()} | {"region": "aws:region"}
        place = ".".join(str(part) for part in (names.get(str(first["loc"][0]), first["loc"][0]), *first["loc"][1:]))
        raise SettingsError(f"{place} in {file}: {reason(first)}") from error
    try:
        _check(settings)
    except DeclarationError as error:
        raise SettingsError(f"{file}: {error}") from error
    return settings


def _check(settings: Settings) -> None:
    system = settings.declaration
    environments = (HUB, *system.environments)
    if settings.environment not in environments:
        raise DeclarationError(
            f"environment '{settings.environment}' is not declared in system '{system.name}'"
            f"{did_you_mean(settings.environment, environments)}"
        )
    services = {service.name for service in system.services} | {"default"}
    for name in settings.image_tags:
        if name not in services:
            raise DeclarationError(f"imageTags names '{name}', which is no service{did_you_mean(name, services)}")
    _check_releases(settings, system)
    databases = {store.name for store in system.stores if isinstance(store, PostgreSQL)}
    for key, names in (("databases", settings.databases), ("databaseStates", settings.database_states)):
        for name in names:
            if name not in databases:
                raise DeclarationError(f"{key} names '{name}', which is no database{did_you_mean(name, databases)}")
    for name, placement in settings.databases.items():
        if placement not in ("ec2", "rds", "cluster"):
            raise DeclarationError(f"databases.{name} is '{placement}'; it must be 'ec2', 'rds' or 'cluster'")
    _check_snapshots(settings, system)


def _check_snapshots(settings: Settings, system: System) -> None:
    """Only servers that are their own edge have a volume that outlives them."""
    environment, network = system.environments.get(settings.environment), system.network
    own = isinstance(network, SingleVpc) and network.edge == "nodes" and isinstance(system.platform.cluster, K3s)
    servers = environment.servers if environment and own else None
    known = {str(number) for number in range(servers.count if servers else 0)}
    for number in settings.server_snapshots:
        if number not in known:
            raise DeclarationError(
                f"serverSnapshots names server '{number}', which has no volume that outlives it"
                f"{did_you_mean(number, known)}"
            )


def _check_releases(settings: Settings, system: System) -> None:
    staged = {service.name: service.release for service in system.services if not isinstance(service.release, Rolling)}
    for name, stage in settings.releases.items():
        if name not in staged:
            raise DeclarationError(
                f"releases names '{name}', which is no service that is released in stages{did_you_mean(name, staged)}"
            )
        last = len(staged[name].stages)
        if stage != "abort" and str(stage) not in map(str, range(1, last + 1)):
            raise DeclarationError(f"releases.{name} is {stage}; it must be a stage from 1 to {last}, or 'abort'")
