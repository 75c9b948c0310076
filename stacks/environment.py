"""An environment: a spoke of the network with its cluster, databases, add-ons and services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from components.cluster.k3s import K3sCluster, K3sClusterArgs
from components.data.postgres import PostgresTier, PostgresTierArgs, password_names
from components.edge.load_balancer import PORTS, EdgeTargets, EdgeTargetsArgs
from components.identity.authority import Authority, AuthorityArgs
from components.identity.passwords import Passwords
from components.mesh.objects import Target
from components.mesh.parts import Addon, AddonArgs, MeshNamespace, MicroService, Objects, PartArgs
from components.mesh.secrets import Secrets, SecretsArgs
from components.network.security_groups import SecurityGroups, SecurityGroupsArgs
from components.network.transit import SpokeArgs, SpokeAttachment
from components.network.vpc import Vpc, VpcArgs
from components.storage.bucket import PrivateBucket, PrivateBucketArgs
from derive.bootstrap.postgres_host import expiry_days
from derive.databases import ARCHIVE
from derive.firewall import S3
from derive.plan import SystemPlan, system_plan
from derive.secrets import DATABASE_CA
from derive.shapes import Deployment, Part
from model import DeclarationError
from stacks.common import account, machine_image, tags
from stacks.outputs import EnvironmentOutputs, HubOutputs
from stacks.settings import Settings, SettingsError


def deploy(settings: Settings) -> None:
    """Register one environment and export what others need of it."""
    deployment = settings.deployment()
    plan = _planned(deployment)
    hub = HubOutputs.load(settings.hub_stack)
    stack = _Stack(deployment, plan, account(settings), hub, tags(settings))
    network = _network(stack)
    image = machine_image(stack.provider)
    bucket = PrivateBucket(
        f"{stack.name}-backups",
        PrivateBucketArgs(
            expire={f"{ARCHIVE}/": expiry_days(deployment.environment.snapshot_days)},
            protect=deployment.environment.protect,
        ),
        stack.options,
    )
    authority = Authority(f"{stack.name}-authority", AuthorityArgs(f"{stack.name} platform"), stack.options)
    wanted = (plan.passwords | set(password_names(plan.databases))) - {DATABASE_CA}
    passwords = Passwords(f"{stack.name}-passwords", wanted, stack.options)
    tier = PostgresTier(
        f"{stack.name}-data",
        PostgresTierArgs(
            plans=plan.databases,
            region=deployment.facts.region,
            vpc=network.vpc,
            security_group=network.groups.ids["db-postgresql-sg"],
            zone_name=plan.private_zone,
            client_cidrs=plan.network.addresses.cidrs("k8s"),
            peer_cidrs=plan.network.addresses.cidrs("db"),
            image=image,
            bucket=bucket.bucket,
            bucket_arn=bucket.arn,
            authority=authority,
            passwords=passwords.values,
            snapshot_days=deployment.environment.snapshot_days,
            protect=deployment.environment.protect,
        ),
        pulumi.ResourceOptions(provider=stack.provider, depends_on=network.ready),
    )
    cluster = _cluster(stack, network, bucket, image)
    values = {**passwords.values, DATABASE_CA: authority.certificate}
    target = _target(stack, cluster)
    _platform(stack, target, SecretsArgs(plan.secrets, values, authority, target), tier)
    EnvironmentOutputs(
        application_url=pulumi.Output.from_input(f"https://{plan.doors[0].host}"),
        urls=pulumi.Output.from_input([f"https://{door.host}{door.prefix}" for door in plan.doors]),
        cluster_endpoint=cluster.url,
        vpc_id=network.vpc.vpc_id,
        edge_dns_name=hub.edge_dns_names.apply(lambda names: names[deployment.name]),
        database_hosts=pulumi.Output.from_input(tier.hosts),
        backup_bucket=bucket.bucket,
        notes=pulumi.Output.from_input(list(plan.application.notes)),
        kubeconfig=cluster.kubeconfig,
    ).export()


def _planned(deployment: Deployment) -> SystemPlan:
    """The plan, or one message without a traceback when the declaration cannot hold."""
    try:
        return system_plan(deployment)
    except DeclarationError as error:
        raise SettingsError(f"system '{deployment.system.name}', environment '{deployment.name}': {error}") from error


@dataclass(frozen=True)
class _Stack:
    """What every step of the composition needs."""

    deployment: Deployment
    plan: SystemPlan
    provider: aws.Provider
    hub: HubOutputs
    tags: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.deployment.prefix

    @property
    def options(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(provider=self.provider)


@dataclass(frozen=True)
class _Network:
    """The spoke."""

    vpc: Vpc
    groups: SecurityGroups
    attachment: SpokeAttachment

    @property
    def ready(self) -> list[pulumi.Resource]:
        """What must be there before a machine boots: its routes to packages and to the hub, and its rules."""
        return [self.vpc, self.attachment, self.groups]


def _network(stack: _Stack) -> _Network:
    plan, hub, facts = stack.plan.network, stack.hub, stack.deployment.facts
    vpc = Vpc(
        f"{stack.name}-network",
        VpcArgs(plan.addresses, facts.region, plan.nat_zones, stack.deployment.environment.flow_log_days),
        stack.options,
    )
    attachment = SpokeAttachment(
        f"{stack.name}-spoke",
        SpokeArgs(
            vpc=vpc,
            subnets=[subnet.name for subnet in plan.addresses.tier("k8s")],
            gateway_id=hub.transit_gateway_id,
            hub_table=hub.transit_hub_table,
            spoke_table=hub.transit_spoke_table,
            destinations=(plan.hub_cidr, *facts.admin_ranges),
        ),
        stack.options,
    )
    EdgeTargets(
        f"{stack.name}-edge",
        EdgeTargetsArgs(
            target_groups={port: _edge_group(hub, stack.deployment.name, port) for port in PORTS},
            addresses=plan.entry,
        ),
        pulumi.ResourceOptions(provider=stack.provider, depends_on=[attachment]),
    )
    groups = SecurityGroups(
        f"{stack.name}-groups", SecurityGroupsArgs(vpc.vpc_id, plan.groups, {S3: vpc.s3_prefix_list}), stack.options
    )
    return _Network(vpc, groups, attachment)


def _edge_group(hub: HubOutputs, environment: str, port: int) -> pulumi.Output[str]:
    return hub.edge_target_groups.apply(lambda groups: groups[f"{environment}-{port}"])


def _cluster(stack: _Stack, network: _Network, bucket: PrivateBucket, image: pulumi.Output[str]) -> K3sCluster:
    return K3sCluster(
        f"{stack.name}-cluster",
        K3sClusterArgs(
            plan=stack.plan.cluster,
            vpc=network.vpc,
            node_group=network.groups.ids["nodes"],
            entry_group=network.groups.ids["entry"],
            entry_addresses=stack.plan.network.entry,
            image=image,
            snapshot_bucket=bucket.bucket,
            snapshot_bucket_arn=bucket.arn,
            resolving_vpcs=[stack.hub.hub_vpc_id],
            tags=stack.tags,
        ),
        pulumi.ResourceOptions(provider=stack.provider, depends_on=network.ready),
    )


def _target(stack: _Stack, cluster: K3sCluster) -> Target:
    provider = kubernetes.Provider(
        "cluster",
        kubeconfig=cluster.kubeconfig,
        cluster_identifier=stack.name,
        enable_server_side_apply=True,
        delete_unreachable=True,
    )
    return Target(provider=provider, lifetime=cluster.first_server)


def _platform(stack: _Stack, target: Target, secrets: SecretsArgs, tier: PostgresTier) -> None:
    """Add-ons in their order, then namespaces, then what runs in them."""
    plan = stack.plan
    addons: dict[str, Addon] = {}
    for addon in plan.addons:
        before = [addons[name] for name in addon.requires]
        addons[addon.name] = Addon(addon.name, AddonArgs(addon, target), pulumi.ResourceOptions(depends_on=before))
    ready = pulumi.ResourceOptions(depends_on=list(addons.values()))
    namespaces = [MeshNamespace(part.name, PartArgs(part, target), ready) for part in plan.application.namespaces]
    filled = Secrets(f"{stack.name}-secrets", secrets, pulumi.ResourceOptions(depends_on=[*namespaces]))
    after = pulumi.ResourceOptions(depends_on=[*namespaces, filled, tier])
    stores = [MicroService(part.name, PartArgs(part, target), after) for part in plan.application.stores]
    services = pulumi.ResourceOptions(depends_on=[*namespaces, filled, tier, *stores])
    for part in plan.application.services:
        MicroService(part.name, PartArgs(part, target), services)
    _groups(target, [*plan.application.edge, *plan.observability], after)


def _groups(target: Target, parts: Sequence[Part], options: pulumi.ResourceOptions) -> None:
    for part in parts:
        Objects(part.name, PartArgs(part, target), options)
