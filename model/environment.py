"""An environment: one row of the table that holds everything in which environments differ."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from model.base import DeclarationError, Declared, Host, Name, Percent
from model.edge import PublicApi, Site
from model.network import vpc_range
from model.stores import Gp3


class Nodes(Declared):
    """A fixed or autoscaled group of machines."""

    instance: str
    count: int = Field(ge=1)
    maximum: int | None = None
    """Absent: the group does not grow."""
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


class Environment(Declared):
    """Sizes, replicas, zones and protection of one deployment of the system."""

    cidr: str
    domain: Host
    zones: int = Field(1, ge=1, le=3)
    nat_per_zone: bool = False
    servers: Nodes
    pools: dict[Name, Nodes]
    """Size of each of the platform's pools of workers."""
    databases: DatabaseHosts | None = None
    """Size of the database machines. Absent: no database stands on machines."""
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
    def machines(self) -> int:
        """Nodes of the cluster to begin with."""
        return self.servers.count + sum(nodes.count for nodes in self.pools.values())

    @model_validator(mode="after")
    def _standby_elsewhere(self) -> Environment:
        if self.databases and self.databases.standby and self.zones == 1:
            raise DeclarationError("databases.standby needs a zone other than the primary's; set zones to 2 or 3")
        return self
