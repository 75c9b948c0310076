"""EKS: a control plane that AWS runs, managed groups of nodes, and roles for the pods' accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws
import yaml

from components.cluster.entry import ClusterEntry, ClusterEntryArgs
from components.cluster.managed_nodes import ManagedNodes, ManagedNodesArgs
from components.cluster.nodes import PULL_IMAGES
from components.cluster.public import PublicAddresses
from components.identity.accounts import AccountRoles, AccountRolesArgs
from components.identity.cloud import Cloud
from components.identity.role import ServiceRole, ServiceRoleArgs
from components.network.bastion import SESSION_MANAGER
from components.network.vpc import Vpc
from components.storage.key import EncryptionKey, EncryptionKeyArgs
from derive.cloud import Grant, Reference
from derive.cluster.eks import SYSTEM, EksAddon, EksPlan

CLUSTER_POLICY = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
NODE_POLICIES = (
    "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy",
    PULL_IMAGES,
    SESSION_MANAGER,
)
ADMINISTRATOR = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


@dataclass(frozen=True)
class EksClusterArgs:
    """The plan and the network under it."""

    plan: EksPlan
    vpc: Vpc
    node_groups: Mapping[str, pulumi.Input[str]]
    """Security group of the nodes by tier."""
    control_group: pulumi.Input[str]
    ingress_target_groups: Sequence[pulumi.Input[str]]
    """Target groups of an edge in the same network."""
    tags: Mapping[str, str]
    grants: Sequence[Grant] = ()
    """What pods may do in the cloud, each by a role of its own."""
    cloud: Cloud = field(default_factory=dict)
    """What the references in grants stand for."""
    entry: ClusterEntryArgs | None = None
    """The way in from an edge in another network. Absent: the edge reaches the nodes itself."""


class EksCluster(pulumi.ComponentResource):
    """An EKS cluster: log group, roles, key, control plane, OIDC provider, add-ons, managed groups of nodes.

    The API is reached inside the network, and from outside only by the plan's ranges. Whoever runs the first update
    administers the cluster; people do so by the role ``operators``, which IAM gives them.
    Costs: the control plane by the hour, the nodes, the log's volume; a key by the month where Secrets have one.
    Outputs: a kubeconfig that asks the AWS CLI for a token, hence holds no secret, the API's URL, the pods' roles.
    """

    kubeconfig: pulumi.Output[str]
    url: pulumi.Output[str]
    lifetime: pulumi.Resource | None
    roles: Cloud
    public: PublicAddresses | None = None
    name: pulumi.Output[str]
    operators: pulumi.Output[str]

    def __init__(self, name: str, args: EksClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:cluster:EksCluster", name, None, opts)
        self._name, self._args = name, args
        self._children = pulumi.ResourceOptions(parent=self)
        cluster = self._create_control_plane()
        self.name, self.url = cluster.name, cluster.endpoint
        accounts = AccountRoles(
            f"{name.removesuffix('-cluster')}-sa",
            AccountRolesArgs(
                issuer=cluster.identities[0].oidcs[0].issuer,
                grants=args.grants,
                cloud=args.cloud,
                cluster=args.plan.name,
            ),
            self._children,
        )
        self.roles = accounts.roles
        self.operators = self._create_operators(cluster)
        early = [self._create_addon(cluster, addon) for addon in args.plan.addons if addon.early]
        nodes = self._create_nodes(cluster, early)
        late = [self._create_addon(cluster, addon, nodes) for addon in args.plan.addons if not addon.early]
        self.lifetime = cluster
        ready = [cluster.endpoint, cluster.certificate_authority.data, *(addon.arn for addon in (*early, *late))]
        self.kubeconfig = pulumi.Output.secret(
            pulumi.Output.all(*ready).apply(
                lambda values: kubeconfig(args.plan.name, args.plan.region, str(values[0]), str(values[1]))
            )
        )
        self.register_outputs({"kubeconfig": self.kubeconfig, "url": self.url})

    def _create_control_plane(self) -> aws.eks.Cluster:
        args, plan = self._args, self._args.plan
        logs = aws.cloudwatch.LogGroup(
            f"{self._name}-logs", name=plan.log_group, retention_in_days=plan.log_days, opts=self._children
        )
        role = ServiceRole(
            f"{self._name}-control-plane",
            ServiceRoleArgs(service="eks.amazonaws.com", managed=[CLUSTER_POLICY]),
            self._children,
        )
        return aws.eks.Cluster(
            f"{self._name}-control-plane",
            name=plan.name,
            version=plan.version,
            role_arn=role.arn,
            enabled_cluster_log_types=list(plan.logs),
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=True
            ),
            # Add-ons of the plan only, each a resource of its own.
            bootstrap_self_managed_addons=False,
            kubernetes_network_config=aws.eks.ClusterKubernetesNetworkConfigArgs(
                service_ipv4_cidr=plan.services, ip_family="ipv4"
            ),
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=args.vpc.ids(plan.control),
                security_group_ids=[args.control_group],
                endpoint_private_access=True,
                endpoint_public_access=bool(plan.public_ranges),
                public_access_cidrs=list(plan.public_ranges) or None,
            ),
            encryption_config=self._encryption(),
            tags={"Name": plan.name},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[logs, role]),
        )

    def _encryption(self) -> aws.eks.ClusterEncryptionConfigArgs | None:
        plan = self._args.plan
        if not plan.encrypt_secrets:
            return None
        key = EncryptionKey(
            f"{self._name}-secrets", EncryptionKeyArgs(f"{plan.name}: Secrets", protect=plan.protect), self._children
        )
        return aws.eks.ClusterEncryptionConfigArgs(
            resources=["secrets"], provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=key.arn)
        )

    def _create_operators(self, cluster: aws.eks.Cluster) -> pulumi.Output[str]:
        """The role by which people administer the cluster: IAM of the account says who may take it."""
        role = ServiceRole(f"{self._name}-operators", ServiceRoleArgs(), pulumi.ResourceOptions(parent=self))
        entry = aws.eks.AccessEntry(
            f"{self._name}-operators", cluster_name=cluster.name, principal_arn=role.arn, opts=self._children
        )
        aws.eks.AccessPolicyAssociation(
            f"{self._name}-operators",
            cluster_name=cluster.name,
            principal_arn=entry.principal_arn,
            policy_arn=ADMINISTRATOR,
            access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
            opts=self._children,
        )
        return role.arn

    def _create_addon(
        self, cluster: aws.eks.Cluster, addon: EksAddon, after: Sequence[pulumi.Resource] = ()
    ) -> aws.eks.Addon:
        role = self.roles[Reference("role-arn", f"{SYSTEM}/{addon.account}")] if addon.account else None
        return aws.eks.Addon(
            f"{self._name}-{addon.name}",
            cluster_name=cluster.name,
            addon_name=addon.name,
            configuration_values=addon.configuration,
            service_account_role_arn=role,
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )

    def _create_nodes(self, cluster: aws.eks.Cluster, early: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        args, plan = self._args, self._args.plan
        role = ServiceRole(
            f"{self._name}-nodes",
            ServiceRoleArgs(service="ec2.amazonaws.com", managed=NODE_POLICIES),
            self._children,
        )
        doors = list(args.ingress_target_groups)
        if args.entry:
            entry = ClusterEntry(f"{self._name}-entry", args.entry, self._children)
            doors += entry.target_groups.values()
        return [
            ManagedNodes(
                f"{self._name}-{pool.name}",
                ManagedNodesArgs(
                    cluster=cluster.name,
                    pool=pool,
                    role=role.arn,
                    security_group=args.node_groups[pool.tier],
                    subnets=[args.vpc.subnets[subnet].id for subnet in pool.subnets],
                    target_groups=doors if pool.ingress else [],
                    tags=args.tags,
                ),
                pulumi.ResourceOptions(parent=self, depends_on=[role, *early]),
            )
            for pool in plan.pools
        ]


def kubeconfig(cluster: str, region: str, url: str, authority: str) -> str:
    """A kubeconfig whose user is whoever has the AWS credentials: the AWS CLI is asked for a token at every use."""
    command = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["--region", region, "eks", "get-token", "--cluster-name", cluster, "--output", "json"],
        "interactiveMode": "Never",
    }
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": cluster,
            "clusters": [{"name": cluster, "cluster": {"server": url, "certificate-authority-data": authority}}],
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": "aws"}}],
            "users": [{"name": "aws", "user": {"exec": command}}],
        },
        sort_keys=False,
    )
