"""The cluster under an environment, whoever runs it: the same contract for every kind."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as kubernetes

from components.cluster.contract import Cluster
from components.cluster.eks import EksCluster, EksClusterArgs
from components.cluster.entry import ClusterEntryArgs
from components.cluster.existing import ExistingCluster, ExistingClusterArgs
from components.cluster.k3s import K3sCluster, K3sClusterArgs
from components.identity.cloud import Cloud
from components.mesh.objects import Target
from components.storage.bucket import PrivateBucket
from derive.cluster.eks import EksPlan
from derive.cluster.k3s import K3sPlan
from derive.limits import balancer
from derive.network.firewall import CONTROL, ENTRY, nodes_of
from derive.plan import KUBECONFIG
from stacks.common import Stack, machine_image
from stacks.network import Site


def existing(stack: Stack, given: Mapping[str, pulumi.Output[str]]) -> Cluster:
    """The one that the stack's settings lead to."""
    return ExistingCluster(f"{stack.name}-cluster", ExistingClusterArgs(given[KUBECONFIG]))


def own(stack: Stack, site: Site, bucket: PrivateBucket, ssh_key: str | None, known: Cloud) -> Cluster:
    """One in a network of our own."""
    plan = stack.plan.cluster
    if isinstance(plan, EksPlan):
        options = pulumi.ResourceOptions(provider=stack.provider, depends_on=site.ready)
        return EksCluster(f"{stack.name}-cluster", _eks(stack, plan, site, known), options)
    if isinstance(plan, K3sPlan):
        return K3sCluster(f"{stack.name}-cluster", _k3s(stack, plan, site, bucket, ssh_key, known), stack.options)
    raise AssertionError("an existing cluster is in no network of ours")


def _nodes(stack: Stack, site: Site) -> dict[str, pulumi.Input[str]]:
    return {tier: site.groups.ids[nodes_of(tier)] for tier in stack.plan.network.machines}


def _eks(stack: Stack, plan: EksPlan, site: Site, known: Cloud) -> EksClusterArgs:
    network = stack.plan.network
    entry = ClusterEntryArgs(
        load_balancer=balancer(f"{plan.name}-entry"),
        vpc_id=site.vpc.vpc_id,
        region=plan.region,
        subnets={subnet: site.vpc.subnets[subnet].id for subnet in network.entry},
        addresses=network.entry,
        security_group=site.groups.ids.get(ENTRY, ""),
        ingress=site.entry_ingress,
    )
    return EksClusterArgs(
        plan=plan,
        vpc=site.vpc,
        node_groups=_nodes(stack, site),
        control_group=site.groups.ids[CONTROL],
        ingress_target_groups=site.ingress_target_groups,
        tags=stack.tags,
        grants=stack.plan.grants,
        cloud=known,
        entry=entry if network.entry else None,
    )


def _k3s(
    stack: Stack, plan: K3sPlan, site: Site, bucket: PrivateBucket, ssh_key: str | None, known: Cloud
) -> K3sClusterArgs:
    return K3sClusterArgs(
        plan=plan,
        vpc=site.vpc,
        node_groups=_nodes(stack, site),
        entry_group=site.groups.ids.get(ENTRY),
        entry_addresses=stack.plan.network.entry,
        image=machine_image(stack.provider, plan.settings.machines),
        snapshot_bucket=bucket.bucket,
        snapshot_bucket_arn=bucket.arn,
        resolving_vpcs=site.resolving_vpcs,
        entry_ingress=site.entry_ingress,
        ingress_target_groups=site.ingress_target_groups,
        tags=stack.tags,
        before_machines=site.ready,
        grants=stack.plan.grants,
        cloud=known,
        ssh_key=ssh_key,
        snapshots=stack.deployment.facts.server_snapshots,
        snapshot_days=stack.deployment.environment.snapshot_days,
        protect=stack.deployment.environment.protect,
    )


def target(stack: Stack, cluster: Cluster, known: Cloud) -> Target:
    """Where objects go, and what the references in them stand for."""
    provider = kubernetes.Provider(
        "cluster",
        kubeconfig=cluster.kubeconfig,
        cluster_identifier=stack.name,
        enable_server_side_apply=True,
        delete_unreachable=True,
    )
    return Target(provider=provider, lifetime=cluster.lifetime, cloud={**known, **cluster.roles})
