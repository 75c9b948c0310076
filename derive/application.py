"""The application half of a plan: every Kubernetes object of a system's own, in the order they are made.

Read the functions from top to bottom as the table of contents: namespaces, services, stores, edge, secrets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from derive import choices, images, labels, naming
from derive.addons import argo_cd, aws
from derive.cloud import Grant
from derive.cluster import placement
from derive.data import object_stores
from derive.data.databases import placed_on_ec2
from derive.delivery import pipeline
from derive.edge import certificates, doors, ingress
from derive.edge.doorman import doorman
from derive.edge.tools import tools
from derive.identity import rights, vaulted
from derive.mesh import authorization, egress, mtls, network_policies, timeouts, tokens, traffic, web_firewall
from derive.mesh.connections import links, pooler_labels
from derive.mesh.graph import Links
from derive.mesh.network_policies import Surroundings
from derive.network.networks import environment_addresses
from derive.services import configuration, migrations, namespaces, releases, scaling, variables, workloads
from derive.services import discovery as services
from derive.services.namespaces import Demand
from derive.shapes import Deployment, Part, SecretPlan
from derive.stores import grants, kind_of, place_of
from derive.stores.common import configuration_hash
from derive.stores.kind import Site, StorePlan
from manifests.base import Manifest
from model import (
    ArgoCd,
    Bucket,
    Cilium,
    DeclarationError,
    Istio,
    IstioGateway,
    PostgreSQL,
    Resources,
    Service,
    ServicePolicy,
)
from model.stores import Store


@dataclass(frozen=True)
class ApplicationPlan:
    """What the components register for the system itself. Parts of one list do not depend on one another."""

    namespaces: tuple[Part, ...]
    """One per namespace; its first object is the Namespace, unless that is shared with add-ons."""
    services: tuple[Part, ...]
    stores: tuple[Part, ...]
    edge: tuple[Part, ...]
    """The doors in and out, and the account of whoever deploys from outside."""
    secrets: tuple[SecretPlan, ...]
    delivery: tuple[Part, ...] = ()
    """What deploys the services from elsewhere: after all that they stand on is there."""
    vaulted: tuple[Part, ...] = ()
    """What fills Secrets from Vault: after ``secrets`` and one after the other, before whatever reads the Secrets."""
    grants: tuple[Grant, ...] = ()
    """What the stores' pods may do in the cloud. References in ``stores`` and here are filled in by the stack."""
    notes: tuple[str, ...] = ()
    """What the declaration says that another bound overrides; for people to read."""


@dataclass(frozen=True)
class _Context:
    """One deployment, read once."""

    deployment: Deployment
    outside: Mapping[str, str]
    links: Mapping[str, Links]
    around: Surroundings
    services: Mapping[str, Service]
    policies: Mapping[str, ServicePolicy]
    urls: Mapping[str, str]
    """Public address by routed service."""
    grants: tuple[Grant, ...]
    """What the pods of stores and services may do in the cloud."""

    def callees(self, found: Links) -> list[Service]:
        """The services that a workload calls, in declared order."""
        called = (connection.target.name for connection in found.outbound)
        return [self.services[name] for name in called if name in self.services]

    @property
    def mesh(self) -> Istio | None:
        mesh = self.deployment.system.platform.mesh
        return mesh if isinstance(mesh, Istio) else None


def application(deployment: Deployment, hosts: Mapping[str, str]) -> ApplicationPlan:
    """Derive the application. ``hosts``: DNS name of each database that is not in the cluster.

    Raises DeclarationError for what cannot hold: a moving image tag, a timeout that outlasts its waiter, a database
    outside the cluster without a name, a store of a kind that has no derivation.
    """
    system = deployment.system
    context = _context(deployment, hosts)
    notes = timeouts.check(system)
    members: dict[str, list[Links]] = defaultdict(list)
    for found in context.links.values():
        members[found.workload.namespace].append(found)
    members.setdefault(system.home, [])
    demands: dict[str, list[Demand]] = defaultdict(list)
    service_parts = tuple(_service(context, service, demands) for service in system.services)
    store_parts = tuple(part for store in system.stores for part in _store(context, store, demands))
    filled = vaulted.vaulted(deployment, vaulted.plans(deployment, context.outside))
    return ApplicationPlan(
        namespaces=tuple(_namespace(context, name, found, demands[name]) for name, found in members.items()),
        services=service_parts,
        stores=store_parts,
        edge=(*_edge(context), *_pipeline(context)),
        delivery=_delivery(context),
        secrets=(*filled.secrets, *certificates.own(deployment)),
        vaulted=filled.parts,
        grants=context.grants,
        notes=notes,
    )


def _context(deployment: Deployment, hosts: Mapping[str, str]) -> _Context:
    system = deployment.system
    outside = {}
    placements = dict(deployment.facts.placements)
    for store in system.stores:
        if isinstance(store, PostgreSQL) and (
            placed_on_ec2(store, placements) or placements.get(store.name, store.placement.kind) == "rds"
        ):
            if store.name not in hosts:
                raise DeclarationError(
                    f"database '{store.name}' is placed outside the cluster but has no host name; place it in the "
                    "cluster or let the network name its machine"
                )
            outside[store.name] = hosts[store.name]
    mesh = system.platform.mesh
    named = system.routes or tools(deployment)
    if named and isinstance(system.platform.ingress, IstioGateway) and not isinstance(mesh, Istio):
        raise DeclarationError(
            f"system '{system.name}' has public names but no mesh, whose ingress gateway serves them; "
            "set platform.mesh to Istio, platform.ingress to Nginx or Traefik, or remove the routes and hosts"
        )
    around = Surroundings(
        mesh=isinstance(mesh, Istio),
        monitoring=system.platform.observability.namespace,
        doorman=doorman(system.platform),
        collector=choices.collector(deployment),
        store_ranges=_store_ranges(deployment),
    )
    return _Context(
        deployment=deployment,
        outside=outside,
        links=links(system, outside, deployment.facts.region),
        around=around,
        services={service.name: service for service in system.services},
        policies={policy.to: policy for policy in system.policies},
        urls=ingress.urls(system, deployment.environment),
        grants=(*grants(system, outside, deployment.facts.region), *rights.grants(deployment)),
    )


def _store_ranges(deployment: Deployment) -> tuple[str, ...]:
    """The subnets of the databases, for policies that know no names: those without a way out, else all private ones."""
    system = deployment.system
    if isinstance(system.platform.cni, Cilium):
        return ()
    subnets = environment_addresses(system.network, deployment.environment, deployment.facts.region).subnets
    closed = tuple(subnet.cidr for subnet in subnets if subnet.egress == "none")
    return closed or tuple(subnet.cidr for subnet in subnets if subnet.egress != "internet")


def _part(context: _Context, name: str, namespace: str, objects: list[Manifest | None]) -> Part:
    common = labels.owned(context.deployment.system.name, context.deployment.name)
    found = [_with_role(context, item) for item in objects if item is not None]
    moved = releases.moved(found)
    return Part(name, namespace, labels.stamped(releases.forced(found, moved), common), moved)


def _with_role(context: _Context, item: Manifest) -> Manifest:
    """An account that is granted anything names its role, where accounts have roles."""
    namespace, name = item["metadata"].get("namespace", ""), item["metadata"]["name"]
    granted = any((grant.namespace, grant.account) == (namespace, name) for grant in context.grants)
    if item["kind"] != "ServiceAccount" or not granted:
        return item
    role = aws.identity(context.deployment, namespace, name)
    annotations = {**item["metadata"].get("annotations", {}), **role}
    return {**item, "metadata": {**item["metadata"], "annotations": annotations}} if annotations else item


def _namespace(context: _Context, name: str, members: list[Links], demands: list[Demand]) -> Part:
    """Namespace, quota, defaults, default deny; with a mesh also its mTLS, deny-all, defaults and exits."""
    cilium = isinstance(context.deployment.system.platform.cni, Cilium)
    deny = network_policies.cilium_default_deny if cilium else network_policies.standard_default_deny
    both, quota = name in choices.shared(context.deployment), context.deployment.system.quota
    objects: list[Manifest | None] = [
        None if both else namespaces.namespace(name, context.mesh is not None),
        None if both and quota is None else namespaces.quota(name, demands, quota),
        namespaces.limits(name, context.deployment.system.defaults),
        namespaces.viewers(name, context.deployment.system.viewers),
        deny(name),
    ]
    if context.mesh:
        objects += mtls.peer_authentications(name, context.mesh, members)
        objects.append(authorization.deny_all(name))
        objects.append(traffic.default_sidecar(name))
        objects.append(traffic.default_rule(name, context.mesh))
        objects += traffic.service_entries(name, members)
    return _part(context, name, name, objects)


def _service(context: _Context, service: Service, demands: dict[str, list[Demand]]) -> Part:
    """Identity, workload, Service, scaling, network policy; with a mesh also authorization and traffic."""
    deployment = context.deployment
    found = context.links[service.name]
    bounds = scaling.replicas(service, deployment.name, deployment.environment)
    namespace = found.workload.namespace
    template = _template(context, service, bounds.maximum > 1)
    runs = workloads.workload(service, found, template, bounds.minimum, _strategy(context, service))
    target = {"apiVersion": runs["apiVersion"], "kind": runs["kind"], "name": service.name}
    pods = bounds.maximum + scaling.surplus(service, bounds)
    demands[namespace].append(Demand(pods, _with_sidecar(context, found, (scaling.largest(service),))))
    tester = context.links.get(releases.tester_name(service.name))
    if tester:
        demands[namespace].append(Demand(1, _with_sidecar(context, tester, (releases.TESTER_RESOURCES,))))
    objects: list[Manifest | None] = [
        workloads.account(service.name, namespace),
        *configuration.config_maps(service, namespace),
        _policy(context)(naming.policy_name(service), found, context.around),
        *_mesh_objects(context, found),
        services.service(service, found),
        releases.preview_service(service, found),
        *(_tester(context, service, tester) if tester else ()),
        *([releases.error_analysis(service, found, context.around.monitoring)] if context.mesh else ()),
        runs,
        scaling.horizontal(service, found, bounds, target),
        scaling.disruption_budget(found, bounds),
        scaling.vertical(service, found, bounds, target),
    ]
    bound = placement.placed(objects, deployment.system.platform, service.pool)
    return _part(context, service.name, namespace, bound)


def _template(context: _Context, service: Service, spread: bool) -> Manifest:
    deployment = context.deployment
    system = deployment.system
    found = context.links[service.name]
    volumes, mounts = variables.ca_mounts(system, service, context.outside)
    own = configuration.settings(service)
    schema = migrations.migration(system, service, context.outside)
    annotations = workloads.sidecar_annotations(
        system.platform.mesh, resolve=traffic.shares_a_port(found), granted=found.granted
    )
    guarded = _guarded(context, service.name)
    annotations |= web_firewall.mounted() if guarded else {}
    contents = workloads.Contents(
        image=images.application_image(service, deployment),
        env=variables.variables(
            system,
            service,
            context.callees(found),
            context.outside,
            context.urls,
            partial(object_stores.object_store, deployment),
        ),
        sources=own.sources,
        init=schema.init,
        volumes=[*volumes, *own.volumes, *schema.volumes, *([web_firewall.volume()] if guarded else [])],
        mounts=[*mounts, *own.mounts],
        annotations=annotations
        | (
            configuration_hash({**service.config, **service.migrations}) if service.config or service.migrations else {}
        ),
        labels=pooler_labels(system, service),
    )
    return workloads.pod_template(service, found, contents, spread)


def _strategy(context: _Context, service: Service) -> Manifest | None:
    found = context.links[service.name]
    routes = ingress.canary_routes(context.deployment.system, found)
    stage = context.deployment.facts.releases.get(service.name)
    return releases.strategy(service, found, routes, context.mesh is not None, stage)


def _tester(context: _Context, service: Service, found: Links) -> list[Manifest | None]:
    """The smoke test of a new version, and what binds it."""
    name = f"{found.workload.name}-policy"
    annotations = workloads.sidecar_annotations(context.deployment.system.platform.mesh)
    return [
        _policy(context)(name, found, context.around),
        *_mesh_objects(context, found),
        *releases.tester(service, found, annotations),
    ]


def _policy(context: _Context) -> Callable[[str, Links, Surroundings], Manifest]:
    if isinstance(context.deployment.system.platform.cni, Cilium):
        return network_policies.cilium_service_policy
    return network_policies.standard_policy


def _mesh_objects(context: _Context, found: Links) -> list[Manifest | None]:
    """What the mesh is told of one workload."""
    if context.mesh is None:
        return []
    policy = context.policies.get(found.workload.name)
    if not found.in_mesh:
        return [traffic.destination_rule(found, policy)]
    name = found.workload.name
    return [
        authorization.authorization(found, context.around.doorman.principal),
        web_firewall.plugin(context.services[name], found) if _guarded(context, name) else None,
        *tokens.token_policies(context.deployment.system, found),
        traffic.sidecar(found, context.around.collector, context.around.monitoring),
        traffic.virtual_service(found, policy),
        traffic.destination_rule(found, policy),
    ]


def _guarded(context: _Context, name: str) -> bool:
    """Whether a web application firewall stands before the workload."""
    return any(firewall.at == name for firewall in context.deployment.system.firewalls)


def _with_sidecar(context: _Context, found: Links, containers: tuple[Resources, ...]) -> tuple[Resources, ...]:
    if context.mesh is None or not found.in_mesh:
        return containers
    sidecar = context.mesh.sidecar
    return (
        *containers,
        Resources(
            cpu=sidecar.cpu,
            memory=sidecar.memory,
            cpu_limit=sidecar.cpu_limit,
            memory_limit=sidecar.memory_limit,
        ),
    )


def _store(context: _Context, store: Store, demands: dict[str, list[Demand]]) -> Iterator[Part]:
    """What of a store runs in the cluster, member by member: policies first, then what the member consists of."""
    if isinstance(store, Bucket):
        return
    system = context.deployment.system
    platform = system.platform
    site = Site(
        annotations=lambda links: workloads.sidecar_annotations(
            platform.mesh, injected=links.in_mesh, granted=links.granted
        ),
        storage_class=choices.storage_class(context.deployment),
        region=context.deployment.facts.region,
        states=context.deployment.facts.database_states,
        object_store=partial(object_stores.object_store, context.deployment),
    )
    policy: Callable[[str, Links, Surroundings], Manifest] = (
        network_policies.cilium_store_policy if isinstance(platform.cni, Cilium) else network_policies.standard_policy
    )
    place = place_of(system, store, context.outside)
    plans: Mapping[str, StorePlan] = kind_of(store).plans(store, place, context.links, site)
    for name, plan in plans.items():
        found = context.links[name]
        containers = _with_sidecar(context, found, plan.containers)
        demands[place.namespace].append(Demand(plan.members, containers, claims=plan.claims))
        objects = [
            policy(naming.store_policy(store, name), found, context.around),
            *_mesh_objects(context, found),
            *plan.objects,
        ]
        yield _part(context, name, place.namespace, placement.placed(objects, platform, store.pool))


def _pipeline(context: _Context) -> tuple[Part, ...]:
    objects: list[Manifest | None] = [*pipeline.account_objects(context.deployment)]
    return (_part(context, "pipeline", context.deployment.system.home, objects),) if objects else ()


def _delivery(context: _Context) -> tuple[Part, ...]:
    """Argo CD's Application, and the project that bounds it."""
    deployment = context.deployment
    chosen = choices.choice(deployment, ArgoCd)
    if chosen is None:
        return ()
    return (_part(context, "delivery", argo_cd.home(chosen), [*argo_cd.followed(deployment, chosen)]),)


def _edge(context: _Context) -> tuple[Part, ...]:
    """The doors in (Gateway and routes, or Ingresses) and the doors out (externals behind the egress gateway)."""
    deployment = context.deployment
    system = deployment.system
    parts = []
    if system.routes or tools(deployment):
        issued = certificates.issued(deployment, context.around.doorman)
        parts.append(_part(context, "edge", system.home, [*doors.doors(deployment, context.links), *issued]))
    if egress.through_gateway(system):
        mesh = context.mesh
        if mesh is None or not mesh.egress_gateway:
            raise DeclarationError(
                f"external '{egress.through_gateway(system)[0].name}' leaves by the egress gateway, which the platform "
                "does not have; set platform.mesh.egress_gateway to True"
            )
        parts.append(_part(context, "egress", system.home, [*egress.gateway_objects(system, mesh)]))
    return tuple(parts)
