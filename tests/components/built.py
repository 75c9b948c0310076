"""Every component once, with small arguments: what the tests of the components share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from components.cluster.certificates import ClusterCertificates, ClusterCertificatesArgs
from components.cluster.k3s import K3sCluster, K3sClusterArgs
from components.data.postgres import PostgresTier, PostgresTierArgs, password_names
from components.data.snapshots import Snapshots, SnapshotsArgs
from components.delivery.registry import Registry, RegistryArgs
from components.delivery.workflows import Workflows, WorkflowsArgs
from components.edge.authorizer import SecretSource
from components.edge.forward import to_nodes
from components.edge.load_balancer import PORTS, Edge, EdgeArgs, EdgeTargets, EdgeTargetsArgs, to_spoke
from components.edge.public_api import Balancer, PublicApi, PublicApiArgs
from components.edge.site import Site, SiteArgs
from components.functions.function import Function, FunctionArgs, Inside
from components.identity.authority import Authority, AuthorityArgs
from components.identity.passwords import Passwords
from components.identity.role import ServiceRole, ServiceRoleArgs, Statement
from components.mesh.objects import Target
from components.mesh.secrets import Secrets, SecretsArgs
from components.network.bastion import Bastion, BastionArgs
from components.network.security_groups import SecurityGroups, SecurityGroupsArgs
from components.network.transit import SpokeArgs, SpokeAttachment, Transit, TransitArgs, VpnPeer
from components.network.vpc import Vpc, VpcArgs
from components.operations.budget import CostBudget, CostBudgetArgs
from components.operations.watch import AccountWatch, AccountWatchArgs
from components.storage.bucket import PrivateBucket, PrivateBucketArgs
from components.storage.key import EncryptionKey, EncryptionKeyArgs
from components.storage.replication import BucketReplica, BucketReplicaArgs
from derive.cloud import Allow, Grant, Reference
from derive.data.database_state import DatabaseState
from derive.delivery.pipeline import SignIn
from derive.edge.doorman import doorman
from derive.edge.public_api import public_api
from derive.edge.site import site
from derive.network.firewall import S3
from derive.network.networks import hub_plan
from derive.plan import SystemPlan, system_plan
from derive.shapes import Deployment, Facts, SecretPlan
from model import (
    ApiTokens,
    Endpoint,
    Environment,
    Message,
    Nginx,
    Nodes,
    Platform,
    Route,
    Service,
    SingleVpc,
    System,
    Tier,
    WebFirewall,
    seconds,
)
from model import PublicApi as DeclaredApi
from model import Site as DeclaredSite
from systems.fitsync import SYSTEM

REGION: Final = "eu-west-1"


def plan(environment: str, states: Mapping[str, DatabaseState] | None = None) -> SystemPlan:
    """FitSync's own plan of an environment. ``states``: of its databases, where not as first deployed."""
    facts = Facts(region=REGION, database_states=states or {})
    return system_plan(Deployment(SYSTEM, environment, SYSTEM.environments[environment], facts))


def vpc(environment: str) -> Vpc:
    network = plan(environment).network
    return Vpc("net", VpcArgs(network.addresses, REGION, network.nat_zones, 14))


def hub() -> Vpc:
    return Vpc("hub", VpcArgs(hub_plan(SYSTEM, REGION).addresses, REGION))


def service_role() -> None:
    ServiceRole(
        "worker",
        ServiceRoleArgs(
            service="ec2.amazonaws.com",
            statements=[Statement(["s3:PutObject", "s3:GetObject"], ["arn:aws:s3:::bucket/*"])],
            managed=["arn:aws:iam::aws:policy/ReadOnlyAccess"],
            instance_profile=True,
        ),
    )


def authority() -> Authority:
    made = Authority("shop", AuthorityArgs("shop platform"))
    pulumi.export("authority", made.certificate)
    return made


def passwords() -> None:
    pulumi.export("passwords", Passwords("shop", ["b", "a", "b"], {"a": 2}).values)


def security_groups() -> None:
    network = vpc("dev")
    groups = plan("dev").network.groups
    SecurityGroups("groups", SecurityGroupsArgs(network.vpc_id, groups, {S3: network.s3_prefix_list}))


def transit() -> None:
    peers = [VpnPeer("office", "198.51.100.10", 65010, ["192.168.100.0/24"])]
    subnets = ["private-a", "private-b"]
    Transit("transit", TransitArgs(hub(), subnets, {"dev": "10.1.0.0/16", "prod": "10.3.0.0/16"}, peers))


def spoke() -> None:
    SpokeAttachment(
        "spoke",
        SpokeArgs(
            vpc=vpc("prod"),
            subnets=["k8s-a", "k8s-b", "k8s-c"],
            gateway_id="gateway",
            hub_table="hub-table",
            spoke_table="spoke-table",
            destinations=["10.0.0.0/16", "192.168.100.0/24"],
        ),
    )


def bastion() -> None:
    Bastion("bastion", BastionArgs("subnet", "group", "ami-1"))


def edge() -> None:
    made = Edge(
        "edge",
        EdgeArgs(
            "vpc",
            ["subnet-a", "subnet-b"],
            "group",
            "shop-dev-edge",
            [to_spoke(port) for port in PORTS],
            ["api.x.org"],
            "zone",
        ),
    )
    pulumi.export("edge", made.dns_name)


def nodes_edge() -> None:
    """In front of NGINX on the nodes of the same VPC."""
    forwards = to_nodes(doorman(Platform(ingress=Nginx())).ports)
    Edge("edge", EdgeArgs("vpc", ["subnet-a"], "group", "shop-dev-edge", forwards))


def edge_targets() -> None:
    addresses = {"k8s-a": "10.1.2.10", "k8s-b": "10.1.12.10"}
    EdgeTargets("targets", EdgeTargetsArgs({80: "http", 443: "https"}, addresses))


def bucket(protect: bool) -> None:
    PrivateBucket("backups", PrivateBucketArgs(expire={"archive/": 90}, noncurrent_days=7, protect=protect))


def replica() -> None:
    """A bucket for backups with its key, and the copy in another region."""
    own = EncryptionKey("objects", EncryptionKeyArgs("objects", for_s3=True, protect=True))
    kept = PrivateBucketArgs(glacier={"": 90}, key_arn=own.arn, protect=True)
    source = PrivateBucket("archive", kept)
    elsewhere = aws.Provider("elsewhere", region="eu-central-1")
    BucketReplica("copy", BucketReplicaArgs(source, own.arn, elsewhere, kept))


def registry(protect: bool) -> None:
    Registry("images", RegistryArgs(["shop/web", "shop/orders"], 10, ["latest"] if protect else [], protect))


def workflows() -> None:
    """A role that pushes to a repository, and one that looks."""
    push = SignIn(
        "build", ("repo:shop/web:ref:refs/heads/main",), (Allow(("ecr:PutImage",), ("${repository-arn:shop/web}",)),)
    )
    look = SignIn("plan", ("repo:shop/web:pull_request",), (), ("arn:aws:iam::aws:policy/SecurityAudit",))
    found = {Reference("repository-arn", "shop/web"): pulumi.Output.from_input("arn:web")}
    Workflows("pipeline", WorkflowsArgs("tokens.example", [push, look], found))


def budget() -> None:
    marks = {"System": "shop", "Environment": "prod"}
    CostBudget("costs", CostBudgetArgs(500, (80, 100), ("ops@shop.example",), marks))


def key() -> None:
    pulumi.export("key", EncryptionKey("volumes", EncryptionKeyArgs("Volumes of the shop", protect=True)).arn)


def function(inside: Inside | None = None) -> None:
    Function(
        "shop-authorizer",
        FunctionArgs(
            package="functions.authorizer",
            description="Says who gets in",
            libraries=("jwt", "ecdsa", "six"),
            environment={"ISSUER": "https://shop.example"},
            statements=[Statement(["secretsmanager:GetSecretValue"], ["arn:the-secret"])],
            inside=inside,
        ),
    )


SHOP: Final = System(
    name="shop",
    domain="x.org",
    services=(Service(name="web", port=8080), Service(name="charts", port=3000)),
    routes=(
        Route(host="api", prefix="/api/v1/", to="web", timeout=seconds(10)),
        Route(host="charts", to="charts"),
    ),
    network=SingleVpc(
        tiers=(Tier(name="public", offset=1, egress="internet"), Tier(name="private", offset=2, egress="nat")),
        control="private",
    ),
    environments={
        "prod": Environment(
            cidr="10.0.0.0/16",
            domain="shop.x.org",
            servers=Nodes(instance="t3.large", count=1),
            pools={"agents": Nodes(instance="t3.large", count=1)},
            api=DeclaredApi(
                endpoints=(
                    Endpoint(path="/api/v1/orders/{number}", summary="One order", query=("fields",)),
                    Endpoint(
                        path="/api/v1/orders",
                        method="POST",
                        summary="A new order",
                        takes=Message(name="Order", fields={"article": "string", "count": "integer"}),
                        open=True,
                    ),
                ),
                tokens=ApiTokens(issuer="https://shop.x.org", audience="shop"),
                firewall=WebFirewall(),
            ),
            site=DeclaredSite(),
            log_days=30,
        )
    },
)
"""A shop with an API and a site."""
DEPLOYED: Final = Deployment(SHOP, "prod", SHOP.environments["prod"], Facts(region=REGION))


def api() -> None:
    plan = public_api(DEPLOYED)
    assert plan
    made = PublicApi(
        "shop-api",
        PublicApiArgs(
            plan=plan,
            region=REGION,
            zone_id="zone",
            balancer=Balancer("arn:balancer", "balancer.internal", "balancer-zone"),
            keys=SecretSource("arn:secret", "arn:key"),
            client_key=pulumi.Output.secret("the-key-of-the-clients"),
        ),
    )
    pulumi.export("url", made.url)


def shown() -> None:
    plan = site(DEPLOYED)
    assert plan
    pulumi.export("site", Site("shop-site", SiteArgs(plan, "zone", 30)).url)


def watch() -> None:
    AccountWatch("shop-watch", AccountWatchArgs("123456789012", REGION, 365, protect=True))


def certificates() -> None:
    made = ClusterCertificates("pki", ClusterCertificatesArgs("shop-dev", "https://api.shop-dev.internal:6443"))
    pulumi.export("files", made.files)
    pulumi.export("kubeconfig", made.kubeconfig)


def cluster(environment: str, grants: tuple[Grant, ...] = ()) -> K3sCluster:
    whole = plan(environment)
    made = K3sCluster(
        "cluster",
        K3sClusterArgs(
            plan=whole.k3s,
            vpc=vpc(environment),
            node_groups={"k8s": "node-group"},
            entry_group="entry-group",
            entry_addresses=whole.network.entry,
            image="ami-1",
            snapshot_bucket="backups",
            snapshot_bucket_arn="arn:aws:s3:::backups",
            resolving_vpcs=["hub-vpc"],
            entry_ingress=to_nodes(doorman(SYSTEM.platform).ports),
            ingress_target_groups=[],
            tags={"Environment": environment},
            grants=grants,
            cloud={Reference("bucket-arn", "logs"): pulumi.Output.from_input("arn:aws:s3:::logs")},
        ),
    )
    pulumi.export("kubeconfig", made.kubeconfig)
    pulumi.export("url", made.url)
    return made


def tier(environment: str, states: Mapping[str, DatabaseState] | None = None) -> None:
    whole = plan(environment, states)
    PostgresTier(
        "data",
        PostgresTierArgs(
            plans=whole.databases,
            region=REGION,
            vpc=vpc(environment),
            security_group="db-group",
            zone_name=whole.private_zone,
            client_cidrs=whole.network.addresses.cidrs("k8s"),
            peer_cidrs=whole.network.addresses.cidrs("db"),
            image="ami-1",
            bucket="backups",
            bucket_arn="arn:aws:s3:::backups",
            authority=authority(),
            passwords=Passwords("shop", password_names(whole.databases), {}).values,
            snapshot_days=SYSTEM.environments[environment].snapshot_days,
            protect=SYSTEM.environments[environment].protect,
        ),
    )


def snapshots() -> None:
    Snapshots("daily", SnapshotsArgs("data", 7))


def target() -> Target:
    """A cluster that lives as long as a bastion."""
    machine = Bastion("lifetime", BastionArgs("subnet", "group", "ami-1"))
    return Target(kubernetes.Provider("cluster", kubeconfig="{}"), machine)


def secrets() -> None:
    values = Passwords("shop", ["userdb-owner", "cache"], {}).values
    plans = [
        SecretPlan("userdb", "shop", literals={"username": "user"}, passwords={"password": "userdb-owner"}),
        SecretPlan("cache", "shop", templates={"users.acl": "user app on >{cache} ~*"}),
        SecretPlan("web-tls", "shop", certificate=("app.shop.example",)),
    ]
    given = {"token": pulumi.Output.secret("given-by-the-operators")}
    plans.append(SecretPlan("dns", "shop", given={"token": "token"}))
    Secrets("secrets", SecretsArgs(plans, values, authority(), target(), given))


PROGRAMS: Final[dict[str, Callable[[], object]]] = {
    "service role": service_role,
    "authority": authority,
    "passwords": passwords,
    "security groups": security_groups,
    "transit": transit,
    "spoke": spoke,
    "bastion": bastion,
    "edge": edge,
    "edge to nodes": nodes_edge,
    "edge targets": edge_targets,
    "bucket": lambda: bucket(True),
    "key": key,
    "replica": replica,
    "function": function,
    "public API": api,
    "site": shown,
    "watch": watch,
    "registry": lambda: registry(True),
    "workflows": workflows,
    "budget": budget,
    "certificates": certificates,
    "cluster": lambda: cluster("prod"),
    "tier": lambda: tier("prod"),
    "snapshots": snapshots,
    "secrets": secrets,
}
"""Components by what they make."""
