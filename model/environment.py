"""An environment: one row of the table that holds everything in which environments differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from model.base import DeclarationError, Declared, Host, Name, Percent
from model.edge import PublicApi, Site
from model.network import vpc_range
from model.observability import Dashboard
from model.stores import Gp3
from model.workloads import BlueGreen, Canary, Resources, Rolling


class Nodes(Declared):
    """A fixed or autoscaled group of machines."""

    instance: str
    count: int = Field(ge=1)
    maximum: int | None = None
    """Absent: the group does not grow."""
    spot: bool = False
    """Whether they are spare capacity, cheap until AWS takes it back, where the cluster manages its groups itself and
    drains what goes. Elsewhere they are not."""
    alternatives: tuple[str, ...] = ()
    """Further instance types of the same size that a group of spare capacity may take."""
    disk: Gp3 = Gp3(size=50)

    @model_validator(mode="after")
    def _can_grow(self) -> Nodes:
        if self.maximum is not None and self.maximum < self.count:
            raise DeclarationError(
                f"nodes: maximum {self.maximum} is below count {self.count}; raise it, or leave it out"
            )
        return self


class DatabaseHosts(Declared):
    """Size of each database machine, and whether it has a standby in another zone."""

    instance: str
    volume: Gp3
    standby: bool = False


class Budget(Declared):
    """What an environment may cost in a month, by the tags of its resources, and who hears when it costs more.

    AWS knows costs by tags that the account's owner has activated as cost allocation tags.
    """

    amount: int = Field(ge=1)
    """USD."""
    notify: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = Field(min_length=1, max_length=10)
    """E-mail addresses."""
    at: tuple[Percent, ...] = Field((80, 100), min_length=1)
    """Shares of the amount, in percent, that are told when they are spent."""


class ManagedDatabases(Declared):
    """Size of each managed database instance, and whether it has a standby in another zone."""

    instance: str = Field(pattern=r"^db\.")
    storage: int = Field(20, ge=20)
    """GiB to begin with."""
    maximum: int | None = None
    """GiB up to which the storage grows by itself. Absent: it does not."""
    standby: bool = False
    backup_days: int = Field(7, ge=1, le=35)

    @model_validator(mode="after")
    def _can_grow(self) -> ManagedDatabases:
        if self.maximum is not None and self.maximum < self.storage * 1.1:
            raise DeclarationError(
                f"managed_databases: maximum {self.maximum} leaves no room to grow from {self.storage} GiB; RDS asks "
                "for at least a tenth more (RDS user guide, storage autoscaling)"
            )
        return self


class ServiceChange(Declared):
    """What of a service differs in one environment."""

    resources: Resources | None = None
    """Absent: as declared with the service."""
    env: Mapping[str, str] = {}
    """Variables beside those of the service; of the same name, this one wins."""
    migrations: Mapping[str, str] = {}
    """In place of those of the service. Empty: as declared with it."""
    release: Rolling | BlueGreen | Canary | None = Field(None, discriminator="kind")
    """Absent: as declared with the service."""


class Environment(Declared):
    """Sizes, replicas, zones and protection of one deployment of the system."""

    cidr: str
    domain: Host
    zones: int = Field(1, ge=1, le=3)
    nat_per_zone: bool = False
    servers: Nodes | None = None
    """The control plane's machines, where it has any of its own: K3s. Absent: it never has."""
    pools: dict[Name, Nodes | None] = Field(default_factory=dict)
    """Size of each of the platform's pools of workers. None: the environment goes without the pool, and what names it
    runs on whichever workers are open to all."""
    databases: DatabaseHosts | None = None
    """Size of the database machines. Absent: no database stands on machines."""
    managed_databases: ManagedDatabases | None = None
    """Size of the managed databases. Absent: there are none."""
    envelope_encryption: bool = True
    """Whether a managed control plane encrypts Secrets with a KMS key of the stack, beside AWS' own encryption of its
    disks. K3s always encrypts them with a key of its own."""
    services: dict[Name, ServiceChange] = Field(default_factory=dict)
    """What of single services differs, beside their numbers. Absent: nothing."""
    dashboards: tuple[Dashboard, ...] | None = None
    """These pages and no others: neither those of the system nor those that are derived or come with a chart. Absent:
    all of them."""
    origins: tuple[Annotated[str, Field(pattern=r"^(https://[a-z0-9.-]+(:[0-9]+)?|@|[a-z0-9.-]+)$")], ...] = ()
    """Origins of the pages that may call the mesh's routes from a browser (CORS): ``https://...``, or hosts relative to
    the domain as in routes, ``@`` for itself. Empty: the services decide."""
    replicas: int = Field(1, ge=1)
    autoscale: bool = False
    """Whether declared autoscalers are made; otherwise ``replicas`` is fixed."""
    protect: bool = False
    """Whether stateful things are protected against deletion."""
    snapshot_days: int = 7
    flow_log_days: int = 30
    log_days: int = 7
    observability_volume: str = "20Gi"
    moving_tags: bool = True
    """Whether an image tag such as ``latest`` is accepted."""
    owns_account: bool = False
    """Whether its stack makes what an account has once: the registry of images, the pipelines' way in. Of environments
    that share an account, one does."""
    api: PublicApi | None = None
    """What is published of the routes, and how. Absent: every route is public."""
    site: Site | None = None
    """Absent: there is none."""
    budget: Budget | None = None
    """Absent: nobody is told what it costs."""
    without: tuple[Name, ...] = ()
    """Kinds of the platform's add-ons that this environment goes without; ``alertmanager`` is one, too."""

    @field_validator("cidr")
    @classmethod
    def _cidr(cls, value: str) -> str:
        return vpc_range("cidr", value)

    @property
    def sizes(self) -> dict[str, Nodes]:
        """Of the pools that the environment has."""
        return {name: nodes for name, nodes in self.pools.items() if nodes}

    @property
    def machines(self) -> int:
        """Nodes of the cluster to begin with."""
        return (self.servers.count if self.servers else 0) + sum(nodes.count for nodes in self.sizes.values())

    @model_validator(mode="after")
    def _standby_elsewhere(self) -> Environment:
        if self.databases and self.databases.standby and self.zones == 1:
            raise DeclarationError("databases.standby needs a zone other than the primary's; set zones to 2 or 3")
        return self
