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
CONTROL: Final = "control-plane"
ENDPOINTS: Final = "endpoints"
MANAGED: Final = "managed-databases"
WEBHOOKS: Final = {
    443: "Aggregated APIs and webhooks",
    10250: "Kubelet, and pods that answer on its port",
    15017: "Webhook of Istio",
}
"""What a managed control plane, which is no node, calls on nodes and their pods."""
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
    protocol: Literal["tcp", "udp"] = "tcp"

    @property
    def key(self) -> str:
        """Names the rule among those of its group; stable when others are added."""
        number = "all" if self.port is None else f"{'udp-' if self.protocol == 'udp' else ''}{self.port}"
        return f"{self.direction}-{number}-{self.peer}".replace("/", "-")


@dataclass(frozen=True)
class Group:
    """A security group and all of its rules."""

    name: str
    description: str
    rules: tuple[Rule, ...]


def edge_group(
    world_ports: tuple[int, ...],
    cluster_cidrs: tuple[str, ...],
    sources: tuple[str, ...] = (WORLD,),
    public: bool = True,
) -> Group:
    """The edge's load balancers: two ports from the world, or from the declared ``sources`` of it, onwards to the
    clusters only (FS-NET-13, FS-NET-14)."""
    who = "Public clients" if public else "Clients inside the network"
    inbound = tuple(Rule("ingress", cidr, port, who) for cidr in sources for port in world_ports)
    outbound = tuple(Rule("egress", cidr, None, "Ingress gateway") for cidr in cluster_cidrs)
    return Group(EDGE, "Public edge load balancers" if public else "Internal edge load balancer", inbound + outbound)


def bastion_group(cluster_cidrs: tuple[str, ...]) -> Group:
    """The bastion: no inbound rule at all, Session Manager brings people in (FS-NET-09)."""
    nodes = tuple(
        Rule("egress", cidr, port, "Nodes of the spokes") for cidr in cluster_cidrs for port in (SSH, KUBERNETES)
    )
    return Group(
        "bastion", "Bastion, entered by Session Manager", (Rule("egress", WORLD, HTTPS, "Session Manager"), *nodes)
    )


def entry_group(edge: tuple[str, ...], operators: tuple[str, ...], cluster: tuple[str, ...], api: bool = True) -> Group:
    """The spoke's internal load balancer: the edge on its ports; operators and nodes on the Kubernetes API, where that
    is behind it."""
    inbound = tuple(Rule("ingress", cidr, port, "Edge") for cidr in edge for port in (HTTP, HTTPS))
    callers = (*operators, *cluster) if api else ()
    called = tuple(Rule("ingress", cidr, KUBERNETES, "Kubernetes API") for cidr in callers)
    outbound = tuple(Rule("egress", cidr, None, "Nodes of the cluster") for cidr in cluster)
    return Group(ENTRY, "Internal load balancer in front of the cluster", inbound + called + outbound)


NODES: Final = "-nodes"
"""What names of groups of nodes end in."""


def nodes_of(tier: str) -> str:
    """Name of the group of a tier's nodes."""
    return f"{tier}{NODES}"


Member = tuple[int | None, Literal["tcp", "udp"], str]
"""Port, protocol, and what for."""
EVERYTHING: Final[Member] = (None, "tcp", "Nodes and pods of the cluster")
K3S: Final[tuple[Member, ...]] = (
    (10250, "tcp", "Kubelet"),
    (8472, "udp", "VXLAN of the pod network"),
    (KUBERNETES, "tcp", "Kubernetes API"),
    (2379, "tcp", "etcd, clients"),
    (2380, "tcp", "etcd, members"),
    (9100, "tcp", "Node exporter"),
)
"""What nodes with K3s' own network ask of one another (K3s documentation, "Requirements", inbound rules)."""


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
    between: tuple[Member, ...] = (EVERYTHING,),
) -> Group:
    """The cluster's nodes in one tier (FS-NET-15, FS-NET-16). ``doors``: the ingress gateway's ports on them.

    ``edge``: ranges, or a group's name; ``admitted``: the nodes that may speak to them, on the ports ``between`` nodes.
    ``outward``: ports on which their pods may ask anybody outside. ``operators``: administrators' ranges, where the
    nodes have public addresses.
    """
    inbound = (
        *(Rule("ingress", cidr, port, text, protocol) for cidr in admitted for port, protocol, text in between),
        *(Rule("ingress", cidr, port, "Edge") for cidr in edge for port in doors),
        *(Rule("ingress", cidr, port, "Bastion") for cidr in bastion for port in (SSH, KUBERNETES)),
        *(Rule("ingress", cidr, port, "Administrators") for cidr in operators for port in (SSH, KUBERNETES)),
    )
    outbound = (
        *to_databases(databases),
        *(Rule("egress", cidr, port, text, protocol) for cidr in cluster for port, protocol, text in between),
        *(Rule("egress", WORLD, port, OUTWARD.get(port, "Declared externals")) for port in outward),
    )
    return Group(nodes_of(tier), f"Nodes of the cluster in tier {tier}", inbound + outbound)


def control_plane_group(nodes: tuple[str, ...], operators: tuple[str, ...]) -> Group:
    """A managed control plane: its API for nodes and operators, its calls of kubelets and webhooks."""
    inbound = tuple(Rule("ingress", peer, HTTPS, "Kubernetes API") for peer in (*nodes, *operators))
    outbound = tuple(Rule("egress", peer, port, text) for peer in nodes for port, text in WEBHOOKS.items())
    return Group(CONTROL, "Managed control plane of the cluster", inbound + outbound)


def managed_node_group(
    tier: str,
    edge: tuple[str, ...],
    doors: tuple[int, ...],
    admitted: tuple[str, ...],
    cluster: tuple[str, ...],
    outward: tuple[int, ...],
) -> Group:
    """The nodes of a managed control plane in one tier, and their pods: whatever they speak with has a group.

    ``admitted`` and ``cluster``: groups of the nodes that speak to them, and that they speak to.
    """
    inbound = (
        *(Rule("ingress", peer, None, "Nodes and pods of the cluster") for peer in admitted),
        *(Rule("ingress", CONTROL, port, text) for port, text in WEBHOOKS.items()),
        *(Rule("ingress", peer, port, "Edge") for peer in edge for port in doors),
    )
    outbound = (
        *(Rule("egress", peer, None, "Nodes and pods of the cluster") for peer in cluster),
        Rule("egress", CONTROL, HTTPS, "Kubernetes API"),
        *(Rule("egress", WORLD, port, OUTWARD.get(port, "Declared externals")) for port in outward),
    )
    return Group(nodes_of(tier), f"Nodes of the cluster in tier {tier}", inbound + outbound)


def endpoints_group(vpc: str) -> Group:
    """Interface endpoints of AWS services: whoever is in the VPC, and nobody else."""
    return Group(ENDPOINTS, "Interface endpoints", (Rule("ingress", vpc, HTTPS, "Machines and pods of the network"),))


def managed_database_group(clients: tuple[str, ...], ports: tuple[int, ...]) -> Group:
    """Managed databases: the cluster's nodes, whose pods have their groups or addresses; nothing outwards."""
    inbound = tuple(Rule("ingress", peer, port, "Cluster") for peer in clients for port in ports)
    return Group(MANAGED, "Managed databases", inbound)


def to_databases(cidrs: tuple[str, ...]) -> tuple[Rule, ...]:
    """What nodes need to reach database machines."""
    return tuple(Rule("egress", cidr, None, "Databases") for cidr in cidrs)


def to_managed(port: int) -> Rule:
    """What nodes need to reach managed databases."""
    return Rule("egress", MANAGED, port, "Managed databases")


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
