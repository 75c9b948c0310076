"""A cluster whose control plane AWS manages: its version, add-ons and groups of nodes, and who may reach its API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Final

from derive.addons import ebs_csi, metrics_server
from derive.cloud import Grant
from derive.cluster.k3s import PoolPlan, pool_plan
from derive.network.networks import NetworkPlan
from derive.shapes import Deployment
from derive.versions import EKS
from model import DeclarationError, NetworkPolicies
from model.platform import Eks

NETWORK: Final = "vpc-cni"
NETWORK_ACCOUNT: Final = "aws-node"
NETWORK_POLICY: Final = "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"
SYSTEM: Final = "kube-system"
KUBELET: Final = 10250
"""The kubelet's port on a node, and that of pods which answer the API server."""


@dataclass(frozen=True)
class EksAddon:
    """An add-on that EKS installs and keeps at the version that fits the cluster's."""

    name: str
    account: str | None = None
    """The ServiceAccount in ``kube-system`` that has a role. Absent: its pods have no rights in AWS."""
    configuration: str | None = None
    """JSON."""
    early: bool = False
    """Whether nodes need it before they are ready; the others need nodes."""


@dataclass(frozen=True)
class EksPlan:
    """An EKS cluster."""

    name: str
    region: str
    version: str
    services: str
    """Range of the Services' addresses."""
    control: str
    """Name of the tier of the control plane's interfaces."""
    pools: tuple[PoolPlan, ...]
    addons: tuple[EksAddon, ...]
    grants: tuple[Grant, ...]
    """What the add-ons' own pods may do."""
    logs: tuple[str, ...]
    log_days: int
    public_ranges: tuple[str, ...]
    """Who may reach the API from outside the network. Empty: nobody."""
    encrypt_secrets: bool
    protect: bool

    @property
    def log_group(self) -> str:
        """Where EKS writes the control plane's logs, by its own rule."""
        return f"/aws/eks/{self.name}/cluster"


def eks_plan(deployment: Deployment, settings: Eks, network: NetworkPlan) -> EksPlan:
    """A control plane over the zones, a managed group for each pool.

    Raises DeclarationError for a single zone, which EKS does not take.
    """
    environment, platform = deployment.environment, deployment.system.platform
    if environment.zones < 2:
        raise DeclarationError(
            f"platform.cluster 'eks' of '{deployment.prefix}' needs two zones at least (EKS user guide, \"Subnet "
            f"requirements\"), environment '{deployment.name}' has one; set its zones to 2 or 3"
        )
    policies = isinstance(platform.cni, NetworkPolicies)
    addons = (
        EksAddon(NETWORK, NETWORK_ACCOUNT, _json(network_configuration(policies)), early=True),
        EksAddon("kube-proxy", early=True),
        EksAddon("coredns"),
        EksAddon(ebs_csi.NAME, ebs_csi.ACCOUNT),
        # Its own port, 10251, is none that the control plane reaches on nodes.
        EksAddon(metrics_server.NAME, configuration=_json({"containerPort": KUBELET})),
    )
    return EksPlan(
        name=deployment.prefix,
        region=deployment.facts.region,
        version=EKS,
        services=settings.services,
        control=network.control,
        pools=tuple(pool_plan(pool, environment, network) for pool in platform.pools),
        addons=addons,
        grants=(Grant(SYSTEM, NETWORK_ACCOUNT, managed=(NETWORK_POLICY,)),),
        logs=settings.logs,
        log_days=environment.log_days,
        public_ranges=tuple(cidr for cidr in deployment.facts.admin_ranges if not IPv4Network(cidr).is_private),
        encrypt_secrets=environment.envelope_encryption,
        protect=environment.protect,
    )


def network_configuration(policies: bool) -> dict[str, Any]:
    """Whole /28 prefixes for each node: a small machine carries as many pods as its memory does, not 17. ``policies``:
    whether the plug-in enforces NetworkPolicies itself."""
    return {"enableNetworkPolicy": str(policies).lower(), "env": {"ENABLE_PREFIX_DELEGATION": "true"}}


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
