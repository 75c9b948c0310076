"""The table of contents of a deployment: every derivation in its order."""

from __future__ import annotations

from dataclasses import dataclass

from derive import choices
from derive.addons import addon_secrets, addons
from derive.application import ApplicationPlan, application
from derive.buckets import BucketPlan, buckets
from derive.cloud import Grant, Reference, references
from derive.cluster import ClusterPlan, cluster_plan
from derive.databases import DatabasePlan, databases
from derive.naming import public_host
from derive.network import NetworkPlan, network_plan
from derive.observability import observability
from derive.pipeline import PipelinePlan, pipeline
from derive.recovery import Objectives, objectives
from derive.registry import RegistryPlan, registry
from derive.rotation import restarted
from derive.shapes import AddonPlan, Deployment, Part, SecretPlan
from derive.stores.postgres import owner_of
from model import DeclarationError, PostgreSQL
from model.platform import K3s


@dataclass(frozen=True)
class Door:
    """A public address of the system."""

    host: str
    prefix: str


@dataclass(frozen=True)
class SystemPlan:
    """One environment of one system, derived in full."""

    network: NetworkPlan
    private_zone: str
    databases: tuple[DatabasePlan, ...]
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

    @property
    def passwords(self) -> frozenset[str]:
        """Names of every generated value that a Secret asks for."""
        return frozenset(name for secret in self.secrets for name in secret.generated)

    @property
    def given(self) -> frozenset[str]:
        """Names of every value that a Secret expects from the stack's settings."""
        return frozenset(name for secret in self.secrets for name in secret.given.values())

    @property
    def grants(self) -> tuple[Grant, ...]:
        """What the pods of add-ons and stores may do in the cloud."""
        return (*(grant for addon in self.addons for grant in addon.grants), *self.application.grants)

    @property
    def references(self) -> frozenset[Reference]:
        """Every cloud resource that manifests or rights of add-ons and stores name."""
        return _references(self.addons, self.application)


def _references(addons: tuple[AddonPlan, ...], app: ApplicationPlan) -> frozenset[Reference]:
    named = ([addon.objects, addon.settings, addon.grants] for addon in addons)
    return references([*named, [part.objects for part in app.stores], app.grants])


def system_plan(deployment: Deployment) -> SystemPlan:
    """Derive one environment. Raises DeclarationError for what cannot hold, before anything is registered."""
    system, environment, facts = deployment.system, deployment.environment, deployment.facts
    cluster = system.platform.cluster
    if not isinstance(cluster, K3s):
        raise DeclarationError(f"platform.cluster '{cluster.kind}' of '{system.name}' cannot be deployed; use K3s()")
    network = network_plan(system, deployment.name, environment, facts.region, facts.admin_ranges)
    private_zone = system.network.private_zone
    relational = [store for store in system.stores if isinstance(store, PostgreSQL)]
    owners = {store.name: owner_of(store, system.users(store.name)) for store in relational}
    tier = databases(
        system.stores,
        owners,
        dict(facts.placements),
        environment.databases,
        network.addresses,
        network.data,
        private_zone,
        facts.database_states,
    )
    app = application(deployment, {plan.name: plan.fqdn for plan in tier})
    secrets = (*app.secrets, *addon_secrets(deployment))
    installed = addons(deployment)
    return SystemPlan(
        network=network,
        private_zone=private_zone,
        databases=tier,
        cluster=cluster_plan(
            deployment.prefix,
            system,
            environment,
            facts.region,
            network,
            cluster,
            choices.chosen(deployment),
        ),
        addons=installed,
        application=restarted(app, secrets, facts.rotations),
        observability=observability(deployment),
        secrets=secrets,
        doors=tuple(Door(public_host(route, environment), route.prefix) for route in system.routes),
        buckets=buckets(deployment, _references(installed, app)),
        registry=registry(deployment),
        pipeline=pipeline(deployment),
        recovery=objectives(system),
    )
