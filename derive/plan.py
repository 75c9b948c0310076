"""The table of contents of a deployment: every derivation in its order."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace

from derive import choices
from derive.addons import addon_secrets, addons, cloudwatch_logs
from derive.addons.filled import filled
from derive.application import ApplicationPlan, application
from derive.cloud import Grant, Reference, database_host, references
from derive.cluster.eks import EksPlan, eks_plan
from derive.cluster.k3s import K3sPlan, k3s_plan
from derive.data.buckets import BucketPlan, buckets
from derive.data.databases import DatabasePlan, ManagedDatabasePlan, databases, managed_databases
from derive.data.recovery import Objectives, objectives
from derive.delivery.pipeline import PipelinePlan, pipeline
from derive.delivery.registry import RegistryPlan, registry
from derive.edge.public_api import ApiPlan, public_api
from derive.edge.site import SitePlan, site
from derive.fitting import fitted
from derive.identity.rotation import restarted
from derive.identity.stored import StoredSecret, kept
from derive.naming import public_host
from derive.network.networks import NetworkPlan, network_plan
from derive.observability import observability
from derive.shapes import AddonPlan, Deployment, Part, SecretPlan
from derive.stores.postgres import owner_of
from manifests.base import Manifest
from model import CloudWatchLogs, DeclarationError, Eks, ExistingCluster, PostgreSQL


@dataclass(frozen=True)
class Door:
    """A public address of the system."""

    host: str
    prefix: str


@dataclass(frozen=True)
class ExistingPlan:
    """A cluster that is there already, and gives its pods no rights in AWS."""

    name: str


ClusterPlan = K3sPlan | EksPlan | ExistingPlan


@dataclass(frozen=True)
class SystemPlan:
    """One environment of one system, derived in full."""

    own_network: NetworkPlan | None
    """Absent: the cluster is there already, and its network with it."""
    private_zone: str
    databases: tuple[DatabasePlan, ...]
    managed: tuple[ManagedDatabasePlan, ...]
    cluster: ClusterPlan
    addons: tuple[AddonPlan, ...]
    application: ApplicationPlan
    observability: tuple[Part, ...]
    secrets: tuple[SecretPlan, ...]
    doors: tuple[Door, ...]
    buckets: tuple[BucketPlan, ...]
    registry: RegistryPlan | None
    pipeline: PipelinePlan | None
    recovery: Objectives
    api: ApiPlan | None
    site: SitePlan | None
    stored: tuple[StoredSecret, ...]
    log_groups: tuple[str, ...]
    """Of CloudWatch Logs, which keep what they get for the environment's ``log_days``."""

    @property
    def network(self) -> NetworkPlan:
        """The network of whoever has one."""
        if self.own_network is None:
            raise AssertionError("an existing cluster has a network of its own, of which nothing is known here")
        return self.own_network

    @property
    def k3s(self) -> K3sPlan:
        """The cluster, where it stands on machines of our own alone."""
        if not isinstance(self.cluster, K3sPlan):
            raise AssertionError(f"'{self.cluster.name}' is no K3s cluster")
        return self.cluster

    @property
    def passwords(self) -> frozenset[str]:
        """Names of every generated value that a Secret or the account's secret store asks for."""
        kept = (name for secret in self.stored for name in secret.passwords.values())
        return frozenset((*kept, *(name for secret in self.secrets for name in secret.generated)))

    @property
    def given(self) -> frozenset[str]:
        """Names of every value that is expected from the stack's settings."""
        access = {KUBECONFIG} if isinstance(self.cluster, ExistingPlan) else set()
        kept = {name for secret in self.stored for name in secret.given.values()}
        return frozenset(access | kept | {name for secret in self.secrets for name in secret.given.values()})

    @property
    def grants(self) -> tuple[Grant, ...]:
        """What the pods of add-ons and stores may do in the cloud."""
        own = self.cluster.grants if isinstance(self.cluster, EksPlan) else ()
        return (*own, *(grant for addon in self.addons for grant in addon.grants), *self.application.grants)

    @property
    def references(self) -> frozenset[Reference]:
        """Every cloud resource that manifests or rights name."""
        return _references(self.addons, self.application, self.observability)


def _references(
    addons: tuple[AddonPlan, ...], app: ApplicationPlan, observability: tuple[Part, ...]
) -> frozenset[Reference]:
    installed = ([addon.objects, addon.settings, addon.chart and addon.chart.values, addon.grants] for addon in addons)
    parts = (*app.namespaces, *app.stores, *app.services, *app.edge, *observability)
    return references([*installed, [part.objects for part in parts], app.grants])


KUBECONFIG = "kubeconfig"
"""What leads to an existing cluster."""


def system_plan(deployment: Deployment) -> SystemPlan:
    """Derive one environment. Raises DeclarationError for what cannot hold, before anything is registered."""
    deployment = fitted(deployment)
    system, environment, facts = deployment.system, deployment.environment, deployment.facts
    managed = managed_databases(system.stores, facts.placements, environment)
    network = _network(deployment, managed)
    private_zone = system.network.private_zone
    relational = [store for store in system.stores if isinstance(store, PostgreSQL)]
    owners = {store.name: owner_of(store, system.users(store.name)) for store in relational}
    tier = databases(
        system.stores,
        owners,
        dict(facts.placements),
        environment.databases,
        network.addresses if network else None,
        network.data if network else None,
        private_zone,
        facts.database_states,
    )
    hosts = {plan.name: plan.fqdn for plan in tier} | {plan.name: database_host(plan.name) for plan in managed}
    app = application(deployment, hosts)
    secrets = (*app.secrets, *addon_secrets(deployment))
    keeping = kept(deployment, secrets)
    installed = filled(addons(deployment), keeping.reads)
    homes = {part.namespace for part in app.namespaces}
    app = replace(app, vaulted=(*app.vaulted, *_reads(keeping.reads, homes)))
    observed = observability(deployment)
    plan = SystemPlan(
        own_network=network,
        private_zone=private_zone,
        databases=tier,
        managed=managed,
        cluster=_cluster(deployment, network),
        addons=installed,
        application=restarted(app, secrets, facts.rotations),
        observability=observed,
        secrets=keeping.secrets,
        doors=tuple(Door(public_host(route, environment), route.prefix) for route in system.routes),
        buckets=buckets(deployment, _references(installed, app, observed)),
        registry=registry(deployment),
        pipeline=pipeline(deployment),
        recovery=objectives(system),
        api=public_api(deployment),
        site=site(deployment),
        stored=keeping.stored,
        log_groups=(cloudwatch_logs.group(deployment),) if choices.choice(deployment, CloudWatchLogs) else (),
    )
    _affordable(plan)
    return plan


def _reads(reads: tuple[Manifest, ...], homes: Set[str]) -> tuple[Part, ...]:
    """What copies secrets into the system's own namespaces; add-ons have theirs before they start."""
    own = tuple(item for item in reads if item["metadata"]["namespace"] in homes)
    return (Part("stored-secrets", own[0]["metadata"]["namespace"], own),) if own else ()


def _affordable(plan: SystemPlan) -> None:
    """An existing cluster has neither buckets and keys of ours nor rights to them."""
    if not isinstance(plan.cluster, ExistingPlan):
        return
    asked = sorted({f"{grant.namespace}/{grant.account}" for grant in plan.grants})
    asked += sorted(str(reference) for reference in plan.references)
    if asked:
        raise DeclarationError(
            f"'{asked[0]}' needs AWS, in which an existing cluster has no rights; leave the add-on out by the "
            "environment's 'without', or the backup out of the store"
        )
    if plan.api or plan.site:
        raise DeclarationError(
            "an API and a site need AWS, of which an existing cluster has no part; leave api and site out of the "
            "environment"
        )


def _network(deployment: Deployment, managed: tuple[ManagedDatabasePlan, ...]) -> NetworkPlan | None:
    """None where the cluster is there already, and its network with it."""
    system, facts = deployment.system, deployment.facts
    if isinstance(system.platform.cluster, ExistingCluster):
        if managed:
            raise DeclarationError(
                f"database '{managed[0].name}' is a managed one, but an existing cluster comes without a network for "
                f"it; set databases.{managed[0].name} to 'cluster'"
            )
        return None
    ports = tuple(dict.fromkeys(plan.port for plan in managed))
    return network_plan(system, deployment.name, deployment.environment, facts.region, facts.admin_ranges, ports)


def _cluster(deployment: Deployment, network: NetworkPlan | None) -> ClusterPlan:
    system, environment, facts = deployment.system, deployment.environment, deployment.facts
    cluster = system.platform.cluster
    if network is None or isinstance(cluster, ExistingCluster):
        return ExistingPlan(deployment.prefix)
    if isinstance(cluster, Eks):
        return eks_plan(deployment, cluster, network)
    chosen = choices.chosen(deployment)
    return k3s_plan(deployment.prefix, system, environment, facts.region, network, cluster, chosen)
