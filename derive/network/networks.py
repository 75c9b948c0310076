"""The networks of a deployment: a hub with spokes, or a VPC of its own for each environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, ip_network

from derive import naming
from derive.edge.doorman import IngressPorts, doorman
from derive.limits import balancer
from derive.network import firewall
from derive.network.addresses import ENTRY_ADDRESS, AddressPlan, address_plan
from derive.shapes import Deployment
from model import (
    DeclarationError,
    Email,
    ExistingCluster,
    Flux,
    HubAndSpoke,
    K3s,
    NetworkPolicies,
    SingleVpc,
    System,
    Tier,
)
from model.environment import Environment
from model.network import Network
from model.sources import source_ranges

HUB_TIERS = (
    Tier(name="public", offset=1, egress="internet"),
    Tier(name="private", offset=2, egress="nat"),
)
"""The hub: its edge in public subnets; bastion and Transit Gateway attachment in private ones."""
HUB_STRIDE = 10


@dataclass(frozen=True)
class EdgePlan:
    """One environment's load balancer in front of its ingress."""

    environment: str
    name: str
    """At most 32 characters."""
    hosts: tuple[str, ...]
    internal: bool = False


@dataclass(frozen=True)
class HubPlan:
    """The shared network."""

    addresses: AddressPlan
    spokes: dict[str, str]
    """Range of each environment's VPC."""
    domain: str
    edges: tuple[EdgePlan, ...]
    groups: tuple[firewall.Group, ...]


@dataclass(frozen=True)
class NetworkPlan:
    """One environment's network: a spoke of the hub, or a VPC with an edge of its own."""

    addresses: AddressPlan
    public: str
    control: str
    data: str | None
    """Names of the tiers that hold the NAT gateways, the control plane and the database machines."""
    entry: dict[str, str]
    """Fixed address of the cluster's internal entry by subnet name."""
    ingress: IngressPorts
    nat_zones: int
    groups: tuple[firewall.Group, ...]
    hub_cidr: str | None
    """Absent: there is no hub."""
    edge: EdgePlan | None
    """The edge inside this VPC. Absent: it stands in the hub."""

    machines: tuple[str, ...]
    """Names of the tiers that hold nodes of the cluster."""
    exposed: bool = False
    """Whether the servers have public addresses, and neither edge nor entry stands before them."""
    endpoints: tuple[str, ...] = ()
    """AWS services with interface endpoints in the control plane's tier."""
    balanced: Mapping[str, str] = field(default_factory=dict)
    """Tag by tier that says which load balancers stand in it, for whoever makes them in the cluster."""

    @property
    def managed(self) -> str:
        """Name of the tier of managed databases."""
        return self.data or self.control

    @property
    def cluster_cidrs(self) -> tuple[str, ...]:
        return tuple(cidr for tier in self.machines for cidr in self.addresses.cidrs(tier))

    @property
    def data_cidrs(self) -> tuple[str, ...]:
        return self.addresses.cidrs(self.data) if self.data else ()


def zone_names(region: str, count: int) -> tuple[str, ...]:
    return tuple(f"{region}{letter}" for letter in "abcdef"[:count])


def hub_and_spoke(system: System) -> HubAndSpoke:
    """The system's network, refused when it has no hub."""
    if not isinstance(system.network, HubAndSpoke):
        raise DeclarationError(f"system '{system.name}' has no hub: its network is '{system.network.kind}'")
    return system.network


def public_hosts(system: System, domain: str) -> tuple[str, ...]:
    """Host names of the routes under an environment's domain, in declared order."""
    return tuple(dict.fromkeys(naming.host(route.host, domain) for route in system.routes))


def hub_addresses(network: HubAndSpoke, region: str) -> AddressPlan:
    return address_plan(network.hub, HUB_TIERS, zone_names(region, network.hub_zones), HUB_STRIDE)


def environment_addresses(network: Network, environment: Environment, region: str) -> AddressPlan:
    return address_plan(environment.cidr, network.tiers, zone_names(region, environment.zones), network.stride)


def node_range(deployment: Deployment) -> str:
    """Where the nodes and the API server are, as far as one knows: those of an existing cluster may be anywhere."""
    existing = isinstance(deployment.system.platform.cluster, ExistingCluster)
    return firewall.WORLD if existing else deployment.environment.cidr


def api_service(deployment: Deployment) -> str | None:
    """The address of the API server inside the cluster, the first of its Services' (Kubernetes documentation, "Service
    ClusterIP allocation"). Absent: an existing cluster has its own."""
    cluster = deployment.system.platform.cluster
    return None if isinstance(cluster, ExistingCluster) else str(ip_network(cluster.services)[1])


def machine_tiers(system: System) -> tuple[str, ...]:
    """The tiers that hold nodes of the cluster, in the order of the network."""
    control = system.network.control
    wanted = {control, *(pool.tier or control for pool in system.platform.pools)}
    return tuple(tier.name for tier in system.network.tiers if tier.name in wanted)


def ingress_tiers(system: System) -> tuple[str, ...]:
    """The tiers whose nodes the edge sends to."""
    wanted = {pool.tier or system.network.control for pool in system.platform.pools if pool.ingress}
    return tuple(tier.name for tier in system.network.tiers if tier.name in wanted)


def hub_plan(system: System, region: str) -> HubPlan:
    """The hub for all of the system's environments, whether they are up or not."""
    network = hub_and_spoke(system)
    clusters = tuple(
        cidr
        for environment in system.environments.values()
        for tier in machine_tiers(system)
        for cidr in environment_addresses(network, environment, region).cidrs(tier)
    )
    return HubPlan(
        addresses=hub_addresses(network, region),
        spokes={name: environment.cidr for name, environment in system.environments.items()},
        domain=system.domain,
        edges=tuple(_edge(system, name, environment) for name, environment in system.environments.items()),
        groups=(
            firewall.edge_group((firewall.HTTP, firewall.HTTPS), clusters),
            firewall.bastion_group(clusters),
        ),
    )


def _edge(system: System, name: str, environment: Environment) -> EdgePlan:
    return EdgePlan(
        name,
        balancer(f"{system.name}-{name}-edge"),
        public_hosts(system, environment.domain),
        isinstance(system.network, SingleVpc) and system.network.edge == "internal",
    )


def network_plan(
    system: System,
    name: str,
    environment: Environment,
    region: str,
    operators: tuple[str, ...],
    managed: tuple[int, ...] = (),
) -> NetworkPlan:
    """One environment's network. ``operators``: ranges of administrators that may reach the Kubernetes API.
    ``managed``: ports of the managed databases."""
    network = system.network
    if isinstance(network, SingleVpc) and network.edge == "nodes":
        return _exposed(system, network, environment, region, operators)
    addresses = environment_addresses(network, environment, region)
    data = addresses.cidrs(network.data) if network.data else ()
    around = _around(system, environment, region)
    own = isinstance(system.platform.cluster, K3s)
    # A managed control plane needs no way in of its own, and an edge in this VPC leads to the nodes.
    entered = own or isinstance(network, HubAndSpoke)
    cluster = _own_cluster if own else _managed_cluster
    clients = tuple(firewall.nodes_of(tier) for tier in machine_tiers(system))
    endpoints = network.endpoints if isinstance(network, SingleVpc) else ()
    return NetworkPlan(
        addresses=addresses,
        public=network.public,
        control=network.control,
        data=network.data,
        entry={s.name: s.address(ENTRY_ADDRESS) for s in addresses.tier(network.control)} if entered else {},
        ingress=doorman(system.platform).ports,
        nat_zones=environment.zones if environment.nat_per_zone else 1,
        groups=(
            *_edge_groups(system, environment, addresses),
            *(_reaching(group, managed) for group in cluster(system, around, operators, addresses, data)),
            *((firewall.database_group(_node_cidrs(system, addresses)),) if data else ()),
            *((firewall.managed_database_group(clients, managed),) if managed else ()),
            *((firewall.endpoints_group(environment.cidr),) if endpoints else ()),
        ),
        hub_cidr=network.hub if isinstance(network, HubAndSpoke) else None,
        edge=None if isinstance(network, HubAndSpoke) else _edge(system, name, environment),
        machines=machine_tiers(system),
        endpoints=endpoints,
        balanced={} if own else {network.public: PUBLIC_BALANCERS, network.control: INTERNAL_BALANCERS},
    )


def _exposed(
    system: System, network: SingleVpc, environment: Environment, region: str, operators: tuple[str, ...]
) -> NetworkPlan:
    """A network whose servers are their own edge: what the world may reach, it reaches on the nodes."""
    addresses = environment_addresses(network, environment, region)
    clusters = {tier: addresses.cidrs(tier) for tier in machine_tiers(system)}
    data = addresses.cidrs(network.data) if network.data else ()
    ingress = doorman(system.platform).ports
    if set(ingress.ports) != set(ingress.ports.values()):
        raise DeclarationError(
            f"network.edge is 'nodes', but ingress '{system.platform.ingress.kind}' does not answer on ports 80 and "
            "443 of the nodes; set platform.ingress to Traefik(), or network.edge to 'public'"
        )
    admitted = (firewall.WORLD,) if network.public_sources is None else source_ranges(network.public_sources)
    every = tuple(cidr for cidrs in clusters.values() for cidr in cidrs)
    groups = tuple(
        firewall.node_group(
            tier,
            admitted if tier == network.control else (),
            tuple(ingress.ports),
            (),
            every,
            every,
            data,
            outward_ports(system),
            operators if tier == network.control else (),
            firewall.K3S if isinstance(system.platform.cni, NetworkPolicies) else (firewall.EVERYTHING,),
        )
        for tier in clusters
    )
    return NetworkPlan(
        addresses=addresses,
        public=network.public,
        control=network.control,
        data=network.data,
        entry={},
        ingress=ingress,
        nat_zones=environment.zones if environment.nat_per_zone else 1,
        groups=(*groups, *((firewall.database_group(every),) if data else ())),
        hub_cidr=None,
        edge=None,
        machines=tuple(clusters),
        exposed=True,
    )


PUBLIC_BALANCERS = "kubernetes.io/role/elb"
INTERNAL_BALANCERS = "kubernetes.io/role/internal-elb"
"""Tags by which load balancers of a cluster find their subnets (EKS user guide, "Subnet requirements")."""


@dataclass(frozen=True)
class _Around:
    """Who enters a cluster: the edge as the entry sees it (one inside the VPC does not pass there) and as the nodes do,
    and the bastion."""

    edge: tuple[str, ...]
    senders: tuple[str, ...]
    bastion: tuple[str, ...]


def _around(system: System, environment: Environment, region: str) -> _Around:
    network = system.network
    if isinstance(network, HubAndSpoke):
        hub = hub_addresses(network, region)
        return _Around(hub.cidrs("public"), hub.cidrs("public"), hub.cidrs("private"))
    # Nodes see the clients' addresses, not the edge's: only by its group can they tell what it sends.
    return _Around((), (firewall.EDGE,), ())


def _edge_groups(system: System, environment: Environment, addresses: AddressPlan) -> tuple[firewall.Group, ...]:
    """Of the edge inside this VPC; there is none where it stands in the hub."""
    network = system.network
    if isinstance(network, HubAndSpoke):
        return ()
    if isinstance(system.platform.cluster, K3s):
        doors = tuple(cidr for tier in ingress_tiers(system) for cidr in addresses.cidrs(tier))
    else:
        doors = tuple(firewall.nodes_of(tier) for tier in ingress_tiers(system))
    public = network.edge == "public"
    admitted = (firewall.WORLD,) if network.public_sources is None else source_ranges(network.public_sources)
    inside = (environment.cidr,)
    ports = (firewall.HTTP, firewall.HTTPS)
    return (firewall.edge_group(ports, doors, admitted if public else inside, public),)


def _node_cidrs(system: System, addresses: AddressPlan) -> tuple[str, ...]:
    return tuple(cidr for tier in machine_tiers(system) for cidr in addresses.cidrs(tier))


def _own_cluster(
    system: System, around: _Around, operators: tuple[str, ...], addresses: AddressPlan, data: tuple[str, ...]
) -> tuple[firewall.Group, ...]:
    """A cluster on machines alone: its entry, and its nodes by their subnets."""
    clusters = {tier: addresses.cidrs(tier) for tier in machine_tiers(system)}
    nodes = tuple(cidr for cidrs in clusters.values() for cidr in cidrs)
    return (
        firewall.entry_group(around.edge, (*around.bastion, *operators), nodes),
        *_node_groups(system, clusters, doorman(system.platform).ports, around.senders, around.bastion, data),
    )


def _managed_cluster(
    system: System, around: _Around, operators: tuple[str, ...], addresses: AddressPlan, data: tuple[str, ...]
) -> tuple[firewall.Group, ...]:
    """A managed control plane and its nodes, by their groups; an entry only for an edge that stands in the hub."""
    tiers = machine_tiers(system)
    nodes = tuple(firewall.nodes_of(tier) for tier in tiers)
    private = tuple(cidr for cidr in operators if IPv4Network(cidr).is_private)
    hub = isinstance(system.network, HubAndSpoke)
    senders = (*around.senders, firewall.ENTRY) if hub else around.senders
    found = [firewall.control_plane_group(nodes, (*around.bastion, *private))]
    if hub:
        found.append(firewall.entry_group(around.edge, (), nodes, api=False))
    opened = _opened(doorman(system.platform).ports)
    outward = outward_ports(system)
    for tier in system.network.tiers:
        if tier.name in tiers:
            admitted = {*(tier.admits if tier.admits is not None else tiers), tier.name}
            peers = tuple(firewall.nodes_of(name) for name in tiers if name in admitted)
            edge = senders if tier.name in ingress_tiers(system) else ()
            made = firewall.managed_node_group(tier.name, edge, opened, peers, nodes, outward)
            found.append(replace(made, rules=(*made.rules, *firewall.to_databases(data))))
    return tuple(found)


def _opened(ingress: IngressPorts) -> tuple[int, ...]:
    return tuple(dict.fromkeys((*ingress.ports.values(), ingress.health)))


def _reaching(group: firewall.Group, managed: tuple[int, ...]) -> firewall.Group:
    """The group of nodes with a way to the managed databases."""
    if not group.name.endswith(firewall.NODES):
        return group
    return replace(group, rules=(*group.rules, *(firewall.to_managed(port) for port in managed)))


def outward_ports(system: System) -> tuple[int, ...]:
    """HTTPS, the ports of the declared externals, and those of the mail servers that alerts go to."""
    receivers = system.platform.observability.receivers
    mail = {int(item.server.rpartition(":")[2]) for item in receivers if isinstance(item, Email)}
    declared = {port for external in system.externals for port in external.ports}
    cluster = system.platform.cluster
    # Ubuntu's archives, whose packages are signed.
    packages = {firewall.HTTP} if isinstance(cluster, K3s) and cluster.machines == "ubuntu-24.04" else set()
    delivery = system.platform.delivery
    git = {delivery.port} if isinstance(delivery, Flux) else set()
    return (firewall.HTTPS, *sorted((declared | mail | packages | git) - {firewall.HTTPS}))


def _node_groups(
    system: System,
    clusters: Mapping[str, tuple[str, ...]],
    ingress: IngressPorts,
    edge: tuple[str, ...],
    bastion: tuple[str, ...],
    data: tuple[str, ...],
) -> tuple[firewall.Group, ...]:
    """A group per tier that holds nodes. All nodes may speak to all; a tier answers the tiers that it admits."""
    every = tuple(cidr for cidrs in clusters.values() for cidr in cidrs)
    doors = ingress_tiers(system)
    opened = _opened(ingress)
    groups = []
    outward = outward_ports(system)
    for tier in system.network.tiers:
        if tier.name not in clusters:
            continue
        admitted = {*(tier.admits if tier.admits is not None else clusters), tier.name}
        peers = tuple(cidr for name, cidrs in clusters.items() if name in admitted for cidr in cidrs)
        outside = edge if tier.name in doors else ()
        groups.append(firewall.node_group(tier.name, outside, opened, bastion, peers, every, data, outward))
    return tuple(groups)
