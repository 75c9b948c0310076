"""Security groups: who may open connections to what, at the level of the machines' interfaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

HTTP: Final = 80
HTTPS: Final = 443
SSH: Final = 22
KUBERNETES: Final = 6443
POSTGRESQL: Final = 5432
REDIS: Final = 6379
WORLD: Final = "0.0.0.0/0"
EDGE: Final = "edge"
ENTRY: Final = "entry"
DATABASES: Final = "db-postgresql-sg"
S3: Final = "s3"
"""The prefix list of the S3 gateway endpoint."""


OUTWARD: Final = {HTTPS: "Registries and AWS APIs"}


@dataclass(frozen=True)
class Rule:
    """One rule. ``port`` absent: every protocol and port. ``peer``: a CIDR, :data:`S3`, or the name of a group."""

    direction: Literal["ingress", "egress"]
    peer: str
    port: int | None
    description: str

    @property
    def key(self) -> str:
        """Names the rule among those of its group; stable when others are added."""
        return f"{self.direction}-{'all' if self.port is None else self.port}-{self.peer}".replace("/", "-")


@dataclass(frozen=True)
class Group:
    """A security group and all of its rules."""

    name: str
    description: str
    rules: tuple[Rule, ...]


def edge_group(
    world_ports: tuple[int, ...], cluster_cidrs: tuple[str, ...], sources: tuple[str, ...] = (WORLD,)
) -> Group:
    """The public load balancers: two ports from the world, or from the declared ``sources`` of it, onwards to the
    clusters only (FS-NET-13, FS-NET-14)."""
    inbound = tuple(Rule("ingress", cidr, port, "Public clients") for cidr in sources for port in world_ports)
    outbound = tuple(Rule("egress", cidr, None, "Ingress gateway") for cidr in cluster_cidrs)
    return Group(EDGE, "Public edge load balancers", inbound + outbound)


def bastion_group(cluster_cidrs: tuple[str, ...]) -> Group:
    """The bastion: no inbound rule at all, Session Manager brings people in (FS-NET-09)."""
    nodes = tuple(
        Rule("egress", cidr, port, "Nodes of the spokes") for cidr in cluster_cidrs for port in (SSH, KUBERNETES)
    )
    return Group(
        "bastion", "Bastion, entered by Session Manager", (Rule("egress", WORLD, HTTPS, "Session Manager"), *nodes)
    )


def entry_group(edge: tuple[str, ...], operators: tuple[str, ...], cluster: tuple[str, ...]) -> Group:
    """The spoke's internal load balancer: the edge on its ports, operators and nodes on the Kubernetes API."""
    inbound = tuple(Rule("ingress", cidr, port, "Edge") for cidr in edge for port in (HTTP, HTTPS))
    api = tuple(Rule("ingress", cidr, KUBERNETES, "Kubernetes API") for cidr in (*operators, *cluster))
    outbound = tuple(Rule("egress", cidr, None, "Nodes of the cluster") for cidr in cluster)
    return Group(ENTRY, "Internal load balancer in front of the cluster", inbound + api + outbound)


def nodes_of(tier: str) -> str:
    """Name of the group of a tier's nodes."""
    return f"{tier}-nodes"


def node_group(
    tier: str,
    edge: tuple[str, ...],
    doors: tuple[int, ...],
    bastion: tuple[str, ...],
    admitted: tuple[str, ...],
    cluster: tuple[str, ...],
    databases: tuple[str, ...],
    outward: tuple[int, ...] = (HTTPS,),
    operators: tuple[str, ...] = (),
) -> Group:
    """The cluster's nodes in one tier (FS-NET-15, FS-NET-16). ``doors``: the ingress gateway's ports on them.

    ``edge``: ranges, or a group's name; ``admitted``: the nodes that may speak to them. ``outward``: ports on which
    their pods may ask anybody outside. ``operators``: administrators' ranges, where the nodes have public addresses.
    """
    inbound = (
        *(Rule("ingress", cidr, None, "Nodes and pods of the cluster") for cidr in admitted),
        *(Rule("ingress", cidr, port, "Edge") for cidr in edge for port in doors),
        *(Rule("ingress", cidr, port, "Bastion") for cidr in bastion for port in (SSH, KUBERNETES)),
        *(Rule("ingress", cidr, port, "Administrators") for cidr in operators for port in (SSH, KUBERNETES)),
    )
    outbound = (
        *(Rule("egress", cidr, None, "Databases") for cidr in databases),
        *(Rule("egress", cidr, None, "Nodes and pods of the cluster") for cidr in cluster),
        *(Rule("egress", WORLD, port, OUTWARD.get(port, "Declared externals")) for port in outward),
    )
    return Group(nodes_of(tier), f"Nodes of the cluster in tier {tier}", inbound + outbound)


def database_group(clients: tuple[str, ...]) -> Group:
    """Database machines: PostgreSQL and Redis from the cluster, replication among themselves, S3 (FS-NET-17, 18)."""
    inbound = (
        *(Rule("ingress", cidr, port, "Cluster") for cidr in clients for port in (POSTGRESQL, REDIS)),
        Rule("ingress", DATABASES, POSTGRESQL, "Replication"),
    )
    outbound = (
        Rule("egress", DATABASES, POSTGRESQL, "Replication"),
        Rule("egress", S3, HTTPS, "Packages, bootstrap and archives through the gateway endpoint"),
    )
    return Group(DATABASES, "Database machines", inbound + outbound)
