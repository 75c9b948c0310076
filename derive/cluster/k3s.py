"""A cluster on machines of our own: its names, its servers and agents, and what each node boots with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from derive.addons import cluster_autoscaler
from derive.bootstrap.k3s import K3sNode
from derive.limits import balancer
from derive.network.networks import NetworkPlan
from derive.versions import K3S
from model import Cilium, ClusterAutoscaler, DeclarationError, EbsCsi, NetworkPolicies, Nginx, System, Traefik
from model.addons import AddonChoice
from model.environment import Environment, Nodes
from model.platform import K3s, Pool

SERVER_ADDRESS: Final = 10
"""Number within its subnet of the first server that has an address of its own."""


@dataclass(frozen=True)
class PoolPlan:
    """One group of equal workers."""

    name: str
    tier: str
    subnets: tuple[str, ...]
    nodes: Nodes
    labels: Mapping[str, str]
    taints: tuple[str, ...]
    ingress: bool
    """Whether the edge sends to them."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of its Auto Scaling group, beside those of every machine."""


@dataclass(frozen=True)
class K3sPlan:
    """A K3s cluster on machines."""

    name: str
    region: str
    load_balancer: str
    """Name of the entry, at most 32 characters."""
    zone_name: str
    """The private DNS zone that holds the API's name."""
    server_subnets: tuple[str, ...]
    """Name of the subnet of each server; the first initialises the cluster."""
    control: str
    """Name of the tier of the servers."""
    servers: Nodes
    pools: tuple[PoolPlan, ...]
    settings: K3s
    cni: Cilium | NetworkPolicies
    service_load_balancer: bool = True
    """Whether K3s' own load balancer for Services runs: an ingress on ports of the nodes needs none."""
    local_storage: bool = True
    """Whether K3s' own storage class stays; two classes that are the default would be one too many."""
    traefik: bool = False
    """Whether K3s' own Traefik stays."""
    private_images: bool = False
    """Whether nodes with pods of the system pull from a registry of the account's own."""
    addresses: tuple[str, ...] = ()
    """Fixed private address of each server, where servers have public ones. Empty: an entry stands before them."""
    zones: tuple[str, ...] = ()
    """Availability zone of each of those servers."""

    @property
    def api_host(self) -> str:
        return f"api.{self.zone_name}"

    @property
    def marker(self) -> str:
        """SSM parameter that records the first start."""
        return f"/{self.name}/k3s/initialized"

    @property
    def kube_proxy(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """kube-proxy's arguments, and the kernel modules that they ask for."""
        if isinstance(self.cni, Cilium) or self.cni.proxy == "iptables":
            return (), ()
        scheduler = self.cni.scheduler
        return (
            (f"proxy-mode={self.cni.proxy}", f"ipvs-scheduler={scheduler}"),
            ("ip_vs", *dict.fromkeys(("ip_vs_rr", f"ip_vs_{scheduler}")), "nf_conntrack"),
        )

    def server(
        self, index: int, secret_arn: str, snapshot_bucket: str, volume: str = "", public_address: str = ""
    ) -> K3sNode:
        """What server ``index`` boots with. ``volume``: id of the volume that holds its state and outlives it."""
        return K3sNode(
            cluster=self.name,
            role="server",
            region=self.region,
            version=K3S,
            secret_arn=secret_arn,
            marker_parameter=self.marker,
            index=index,
            cluster_cidr=self.settings.pods,
            service_cidr=self.settings.services,
            api_host=self.api_host,
            snapshot_bucket=snapshot_bucket,
            kube_proxy_replacement=isinstance(self.cni, Cilium),
            own_network=isinstance(self.cni, NetworkPolicies),
            kube_proxy_args=self.kube_proxy[0],
            kernel_modules=self.kube_proxy[1],
            local_storage=self.local_storage,
            service_load_balancer=self.service_load_balancer,
            aws_cloud_provider=False,
            dedicated_servers=bool(self.pools),
            traefik=self.traefik,
            private_images=self.private_images and not self.pools,
            packaged=self.settings.machines == "ubuntu-24.04",
            volume=volume,
            node_name=f"{self.name}-{index}" if volume else "",
            public_address=public_address,
        )

    def agent(self, pool: PoolPlan, secret_arn: str) -> K3sNode:
        """What every agent of a pool boots with."""
        return K3sNode(
            cluster=self.name,
            role="agent",
            region=self.region,
            version=K3S,
            secret_arn=secret_arn,
            marker_parameter=self.marker,
            api_host=self.api_host,
            aws_cloud_provider=False,
            kube_proxy_args=self.kube_proxy[0],
            kernel_modules=self.kube_proxy[1],
            private_images=self.private_images,
            packaged=self.settings.machines == "ubuntu-24.04",
            labels=pool.labels,
            taints=pool.taints,
            autoscaled=pool.nodes.maximum is not None,
        )


def k3s_plan(
    prefix: str,
    system: System,
    environment: Environment,
    region: str,
    network: NetworkPlan,
    settings: K3s,
    addons: Sequence[AddonChoice],
) -> K3sPlan:
    """Servers spread over the zones, workers in all of them. ``addons``: those that the environment has.

    Raises DeclarationError for no servers, and for an even number of them: etcd's majority of four bears no more losses
    than that of three (etcd documentation, "Fault tolerance"), and of two it bears none.
    """
    servers = environment.servers
    if servers is None:
        raise DeclarationError(f"'{prefix}' has no machines for its control plane; give the environment servers")
    if servers.count % 2 == 0:
        raise DeclarationError(
            f"servers.count is {servers.count}; etcd needs an odd number to keep a majority: "
            f"use {servers.count - 1} or {servers.count + 1}"
        )
    autoscaled = any(isinstance(addon, ClusterAutoscaler) for addon in addons)

    def tags(pool: Pool) -> dict[str, str]:
        return cluster_autoscaler.tags(prefix, pool.labels, pool.taints) if autoscaled else {}

    subnets = network.addresses.tier(network.control)
    stands = [subnets[index % len(subnets)] for index in range(servers.count)]
    return K3sPlan(
        name=prefix,
        region=region,
        load_balancer=balancer(f"{prefix}-entry"),
        zone_name=f"{prefix}.internal",
        server_subnets=tuple(subnet.name for subnet in stands),
        control=network.control,
        servers=servers,
        pools=tuple(pool_plan(pool, environment, network, tags(pool)) for pool in system.platform.pools),
        settings=settings,
        cni=system.platform.cni,
        service_load_balancer=not isinstance(system.platform.ingress, Nginx),
        local_storage=not any(isinstance(addon, EbsCsi) for addon in addons),
        private_images=system.platform.registry is not None,
        traefik=isinstance(system.platform.ingress, Traefik),
        addresses=tuple(subnet.address(SERVER_ADDRESS + index // len(subnets)) for index, subnet in enumerate(stands))
        if network.exposed
        else (),
        zones=tuple(subnet.zone for subnet in stands),
    )


def pool_plan(
    pool: Pool, environment: Environment, network: NetworkPlan, tags: Mapping[str, str] | None = None
) -> PoolPlan:
    """A pool stands in every zone, but in no more of them than it has machines at most: a volume stays in its zone, and
    the machine that takes a lost one's place must come up there, too."""
    tier, nodes = pool.tier or network.control, environment.sizes[pool.name]
    return PoolPlan(
        name=pool.name,
        tier=tier,
        subnets=tuple(subnet.name for subnet in network.addresses.tier(tier))[: nodes.maximum or nodes.count],
        nodes=nodes,
        labels=pool.labels,
        taints=pool.taints,
        ingress=pool.ingress,
        tags=tags or {},
    )
