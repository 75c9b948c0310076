"""K3s on EC2, highly available where the plan has three servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components.cluster.certificates import ClusterCertificates, ClusterCertificatesArgs
from components.cluster.entry import API, ApiName, ClusterEntry, ClusterEntryArgs
from components.cluster.nodes import PULL_IMAGES, NodeGroup, NodeGroupArgs
from components.cluster.public import PublicAddresses, PublicAddressesArgs
from components.cluster.server import PublicServer, PublicServerArgs
from components.data.snapshots import Snapshots, SnapshotsArgs
from components.edge.forward import Forward
from components.identity.cloud import Cloud, statements
from components.identity.role import ServiceRole, ServiceRoleArgs, Statement
from components.network.bastion import SESSION_MANAGER
from components.network.vpc import Vpc
from derive.bootstrap import k3s, k3s_policies
from derive.cloud import Grant
from derive.cluster.k3s import K3sPlan, PoolPlan


@dataclass(frozen=True)
class K3sClusterArgs:
    """The plan and the network under it."""

    plan: K3sPlan
    vpc: Vpc
    node_groups: Mapping[str, pulumi.Input[str]]
    """Security group of the nodes by tier."""
    entry_group: pulumi.Input[str] | None
    """Absent: no entry stands before the servers, which have public addresses."""
    entry_addresses: Mapping[str, str]
    image: pulumi.Input[str]
    snapshot_bucket: pulumi.Input[str]
    snapshot_bucket_arn: pulumi.Input[str]
    resolving_vpcs: Sequence[pulumi.Input[str]]
    """Further VPCs in which the API's name resolves."""
    entry_ingress: Sequence[Forward]
    """What the entry forwards of the public edge's traffic; empty where the edge reaches the nodes itself."""
    ingress_target_groups: Sequence[pulumi.Input[str]]
    """Target groups of such an edge."""
    tags: Mapping[str, str]
    before_machines: Sequence[pulumi.Resource] = ()
    """What a machine boots through: routes to packages and to others, and its rules. The entry, which takes longest
    after the machines, does not wait for it."""
    grants: Sequence[Grant] = ()
    """What pods may do in the cloud, by the workers' role."""
    cloud: Cloud = field(default_factory=dict)
    """What the references in grants stand for."""
    ssh_key: str | None = None
    """Public key of the administrators of servers with public addresses. Absent: one is made."""
    snapshots: Mapping[str, str] = field(default_factory=dict)
    """By number of such a server: what its volume is made of."""
    snapshot_days: int = 7
    protect: bool = False
    """Whether the volumes of such servers are protected against deletion."""


class K3sCluster(pulumi.ComponentResource):
    """A K3s cluster: certificates, join secrets, servers one by one, autoscaled pools of agents; in front of the
    servers an internal entry, or, where they have public addresses, nothing.

    Behind an entry, each server is an Auto Scaling group of one, so that AWS replaces a lost machine in place, and the
    update waits for each server's health check behind the load balancer. That is the readiness gate, and it needs
    nothing on the operator's machine; servers with public addresses have one of their own. Join secrets are in Secrets
    Manager, never in user data.
    Costs: machines, an internal load balancer or public addresses, two secrets, one private zone.
    Outputs: a kubeconfig (secret, known only when the API answers), the API's URL, the first server, on
    which what runs in the cluster stands; with public addresses also the first of them and the key for SSH.
    """

    kubeconfig: pulumi.Output[str]
    url: pulumi.Output[str]
    lifetime: pulumi.Resource | None
    roles: Cloud
    public: PublicAddresses | None = None

    def __init__(self, name: str, args: K3sClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:cluster:K3sCluster", name, None, opts)
        self._name, self._args = name, args
        self._children = pulumi.ResourceOptions(parent=self)
        plan = args.plan
        self.roles = {}
        entry = self._create_entry(args.entry_group) if args.entry_group is not None else None
        if entry is None:
            self.public = self._create_addresses()
        self.url = entry.url if entry and entry.url else self._public.url
        certificates = ClusterCertificates(
            f"{name}-certificates",
            ClusterCertificatesArgs(plan.name, f"https://{plan.api_host}:{API}" if entry else self.url),
            self._children,
        )
        server_password, agent_password = self._password("server"), self._password("agent")
        rules = [] if entry else k3s_policies.files(k3s.SERVER)
        server_secret = self._secret(
            "server",
            pulumi.Output.all(certificates.files, server_password, agent_password).apply(
                lambda values: k3s.server_secret(values[0], values[1], values[2], {}, rules)
            ),
        )
        first: NodeGroup | PublicServer
        ready: pulumi.Output[str]
        if entry:
            servers = self._create_servers(entry, server_secret)
            first, ready = servers[0], servers[0].group_name
        else:
            exposed = self._create_public_servers(server_secret)
            first, ready = exposed[0], exposed[0].ready
        self.lifetime = first
        if plan.pools:
            agent_secret = self._secret(
                "agent",
                pulumi.Output.all(certificates.server_authority, agent_password).apply(
                    lambda values: k3s.agent_secret(values[0], values[1])
                ),
            )
            self._create_workers(entry, agent_secret, first)
        self.kubeconfig = pulumi.Output.secret(
            pulumi.Output.all(certificates.kubeconfig, self.url, ready).apply(lambda values: str(values[0]))
        )
        self.register_outputs({"kubeconfig": self.kubeconfig, "url": self.url})

    @property
    def _public(self) -> PublicAddresses:
        if self.public is None:
            raise AssertionError("servers without an entry have public addresses")
        return self.public

    def _create_entry(self, group: pulumi.Input[str]) -> ClusterEntry:
        args, plan = self._args, self._args.plan
        return ClusterEntry(
            f"{self._name}-entry",
            ClusterEntryArgs(
                load_balancer=plan.load_balancer,
                vpc_id=args.vpc.vpc_id,
                region=plan.region,
                subnets={subnet: args.vpc.subnets[subnet].id for subnet in args.entry_addresses},
                addresses=args.entry_addresses,
                security_group=group,
                api=ApiName(plan.api_host, plan.zone_name),
                ingress=args.entry_ingress,
                resolving_vpcs=args.resolving_vpcs,
            ),
            self._children,
        )

    def _create_addresses(self) -> PublicAddresses:
        args, plan = self._args, self._args.plan
        return PublicAddresses(
            f"{self._name}-addresses",
            PublicAddressesArgs(
                vpc_id=args.vpc.vpc_id,
                region=plan.region,
                zone_name=plan.zone_name,
                api_host=plan.api_host,
                private=plan.addresses,
                ssh_key=args.ssh_key,
            ),
            self._children,
        )

    def _password(self, role: str) -> pulumi.Output[str]:
        return random.RandomPassword(f"{self._name}-{role}-token", length=48, special=False, opts=self._children).result

    def _secret(self, role: str, value: pulumi.Output[str]) -> aws.secretsmanager.SecretVersion:
        secret = aws.secretsmanager.Secret(
            f"{self._name}-{role}-join",
            description=f"What a K3s {role} of {self._args.plan.name} joins with",
            tags={"Name": f"{self._name}-{role}-join"},
            opts=self._children,
        )
        hidden: pulumi.Output[str] = pulumi.Output.secret(value)
        return aws.secretsmanager.SecretVersion(
            f"{self._name}-{role}-join-value",
            secret_id=secret.arn,
            secret_string=hidden,
            opts=self._children,
        )

    def _role(self, role: str, allowed: Sequence[Statement], managed: Sequence[str] = ()) -> pulumi.Output[str]:
        component = ServiceRole(
            f"{self._name}-{role}",
            ServiceRoleArgs(
                service="ec2.amazonaws.com",
                managed=[SESSION_MANAGER, *managed],
                statements=allowed,
                instance_profile=True,
            ),
            self._children,
        )
        if component.profile is None:
            raise AssertionError("an instance profile was asked for")
        return component.profile

    def _server_profile(self, secret: aws.secretsmanager.SecretVersion) -> pulumi.Output[str]:
        """What servers may do: join, record the first start, keep snapshots; and what their pods may, if they work."""
        args, plan = self._args, self._args.plan
        bucket = pulumi.Output.from_input(args.snapshot_bucket_arn)
        granted, managed = ([], []) if plan.pools else self._granted()
        return self._role(
            "server",
            [
                Statement(["secretsmanager:GetSecretValue"], [secret.secret_id]),
                Statement(
                    ["ssm:GetParameter", "ssm:PutParameter"], [f"arn:aws:ssm:{plan.region}:*:parameter{plan.marker}"]
                ),
                Statement(["s3:ListBucket", "s3:GetBucketLocation"], [bucket]),
                Statement(
                    ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                    [pulumi.Output.concat(bucket, f"/{plan.name}/*")],
                ),
                *granted,
            ],
            managed,
        )

    def _granted(self) -> tuple[list[Statement], list[str]]:
        """What pods may do in the cloud, and the kubelet for them."""
        args = self._args
        granted = [statement for grant in args.grants for statement in statements(grant, args.cloud)]
        pulling = {PULL_IMAGES} if args.plan.private_images else set()
        return granted, sorted({arn for grant in args.grants for arn in grant.managed} | pulling)

    def _create_servers(self, entry: ClusterEntry, secret: aws.secretsmanager.SecretVersion) -> list[NodeGroup]:
        args, plan = self._args, self._args.plan
        profile = self._server_profile(secret)
        groups: list[NodeGroup] = []
        for index, subnet in enumerate(plan.server_subnets):
            user_data = pulumi.Output.all(secret.secret_id, args.snapshot_bucket).apply(
                partial(_server_data, plan, index)
            )
            groups.append(
                NodeGroup(
                    f"{self._name}-server-{index}",
                    NodeGroupArgs(
                        nodes=plan.servers,
                        minimum=1,
                        maximum=1,
                        image=args.image,
                        user_data=user_data,
                        profile=profile,
                        security_group=args.node_groups[plan.control],
                        subnets=[args.vpc.subnets[subnet].id],
                        target_groups=[entry.target_groups[API]],
                        tags=args.tags,
                        await_healthy=True,
                    ),
                    self._after(secret, *entry.listeners, *groups[-1:]),
                )
            )
        return groups

    def _create_public_servers(self, secret: aws.secretsmanager.SecretVersion) -> list[PublicServer]:
        args, plan = self._args, self._args.plan
        profile = self._server_profile(secret)
        servers: list[PublicServer] = []
        for index, subnet in enumerate(plan.server_subnets):
            servers.append(
                PublicServer(
                    f"{self._name}-server-{index}",
                    PublicServerArgs(
                        nodes=plan.servers,
                        zone=plan.zones[index],
                        subnet_id=args.vpc.subnets[subnet].id,
                        private_address=plan.addresses[index],
                        address=self._public.addresses[index],
                        image=args.image,
                        user_data=partial(_public_data, plan, index, secret.secret_id, args.snapshot_bucket),
                        profile=profile,
                        security_group=args.node_groups[plan.control],
                        key_name=self._public.key_name,
                        snapshots=self._name,
                        made_of=args.snapshots.get(str(index)),
                        tags={**args.tags, "OperatingSystem": plan.settings.machines},
                        protect=args.protect,
                        metadata_hops=2 if args.grants and not plan.pools else 1,
                    ),
                    self._after(secret, *servers[-1:]),
                )
            )
        Snapshots(f"{self._name}-snapshots", SnapshotsArgs(self._name, args.snapshot_days), self._children)
        return servers

    def _create_workers(
        self, entry: ClusterEntry | None, secret: aws.secretsmanager.SecretVersion, first: pulumi.Resource
    ) -> None:
        args, plan = self._args, self._args.plan
        granted, managed = self._granted()
        join = Statement(["secretsmanager:GetSecretValue"], [secret.secret_id])
        profile = self._role("agent", [join, *granted], managed)
        inside = [entry.target_groups[item.port] for item in args.entry_ingress] if entry else []
        doors = [*inside, *args.ingress_target_groups]
        for pool in plan.pools:
            NodeGroup(
                f"{self._name}-{pool.name}",
                NodeGroupArgs(
                    nodes=pool.nodes,
                    minimum=pool.nodes.count,
                    maximum=pool.nodes.maximum or pool.nodes.count,
                    image=args.image,
                    user_data=secret.secret_id.apply(partial(_worker_data, plan, pool)),
                    profile=profile,
                    security_group=args.node_groups[pool.tier],
                    subnets=[args.vpc.subnets[subnet].id for subnet in pool.subnets],
                    target_groups=doors if pool.ingress else [],
                    tags={**args.tags, **pool.tags},
                    metadata_hops=2 if args.grants else 1,
                ),
                self._after(secret, first),
            )

    def _after(self, *resources: pulumi.Resource) -> pulumi.ResourceOptions:
        """A machine's options."""
        return pulumi.ResourceOptions(parent=self, depends_on=[*self._args.before_machines, *resources])


def _server_data(plan: K3sPlan, index: int, values: Sequence[str]) -> str:
    """User data of a server, from its secret's ARN and the snapshots' bucket."""
    secret_arn, bucket = values
    return k3s.user_data(plan.server(index, secret_arn, bucket))


def _public_data(
    plan: K3sPlan,
    index: int,
    secret: pulumi.Output[str],
    bucket: pulumi.Input[str],
    volume: str,
    public_address: str,
) -> pulumi.Output[str]:
    """User data of a server with a public address and a volume that outlives it."""
    return pulumi.Output.all(secret, bucket).apply(
        lambda values: k3s.user_data(plan.server(index, values[0], values[1], volume, public_address))
    )


def _worker_data(plan: K3sPlan, pool: PoolPlan, secret_arn: str) -> str:
    """User data of a pool's machines, from their secret's ARN."""
    return k3s.user_data(plan.agent(pool, secret_arn))
