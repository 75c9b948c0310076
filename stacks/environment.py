"""An environment: its network, cluster, databases, add-ons and services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

import pulumi

from components.cluster.contract import Cluster
from components.data.managed import ManagedDatabases, ManagedDatabasesArgs
from components.data.postgres import PostgresTier, PostgresTierArgs, password_names
from components.identity.authority import Authority, AuthorityArgs
from components.identity.passwords import Passwords
from components.mesh.objects import Target
from components.mesh.parts import Addon, AddonArgs, MeshNamespace, MicroService, Objects, PartArgs
from components.mesh.secrets import Secrets, SecretsArgs
from components.storage.bucket import PrivateBucket
from derive.addons import argo_cd, grafana
from derive.addons.flux import DEPLOY_KEY
from derive.data.buckets import BACKUPS
from derive.delivery import gitops
from derive.identity.stored import regenerated
from derive.network.firewall import DATABASES, MANAGED
from derive.plan import SystemPlan, system_plan
from derive.shapes import STACK_CA, Deployment, Part, SecretPlan
from derive.stores.postgres_managed import master_password
from model import DeclarationError, System
from model.gitops import LAYERS, LayerName
from stacks import clusters
from stacks.account import budget, deliver, logs, watch
from stacks.cloud import buckets, cloud
from stacks.common import Stack, account, machine_image, tags
from stacks.edge import publish, store
from stacks.network import Site, single, spoke
from stacks.outputs import EnvironmentOutputs, HubOutputs, together
from stacks.settings import Settings, SettingsError

Values = Mapping[str, pulumi.Output[str]]
"""What operators gave, by name."""


def deploy(settings: Settings) -> None:
    """Register one environment and export what others need of it."""
    deployment = settings.deployment()
    plan = _planned(deployment)
    generated = (plan.passwords | set(password_names(plan.databases)) | _masters(plan)) - {STACK_CA}
    settings.check_rotations(generated, pulumi.get_stack())
    given = {
        name: pulumi.Output.secret(value) for name, value in settings.given(plan.given, pulumi.get_stack()).items()
    }
    if plan.own_network is None:
        _on_existing(settings, deployment, plan, generated, given)
    else:
        _on_aws(settings, deployment, plan, generated, given)


def _on_existing(
    settings: Settings, deployment: Deployment, plan: SystemPlan, generated: Set[str], given: Values
) -> None:
    """On a cluster that is there already: nothing but what goes into it."""
    stack = Stack(deployment, plan, account(settings), tags(settings))
    authority, passwords = _identities(stack, generated, settings)
    cluster = clusters.existing(stack, given)
    values = {**passwords.values, STACK_CA: authority.certificate}
    target = clusters.target(stack, cluster, {})
    filled = _platform(stack, target, SecretsArgs(plan.secrets, values, authority, target, given), [])
    replace(_outputs(stack, cluster), flux_deploy_public_key=filled.public_keys.get(DEPLOY_KEY)).export()


def _on_aws(settings: Settings, deployment: Deployment, plan: SystemPlan, generated: Set[str], given: Values) -> None:
    """In a network of our own, with a cluster and databases in it."""
    hub = HubOutputs.load(settings.hub_stack) if plan.network.hub_cidr else None
    provider = account(settings, pulumi.ResourceOptions(depends_on=hub.up) if hub else None)
    stack = Stack(deployment, plan, provider, tags(settings))
    site = spoke(stack, hub) if hub else single(stack)
    image = machine_image(stack.provider)
    made = buckets(stack)
    bucket = made[BACKUPS]
    authority, passwords = _identities(stack, generated, settings)
    tier = _databases(stack, site, bucket, image, authority, passwords) if plan.databases else None
    managed = _managed(stack, site, passwords) if plan.managed else None
    known = cloud(stack, made, managed.hosts if managed else {}, site.edge_dns_name)
    cluster = clusters.own(stack, site, bucket, settings.ssh_key, known)
    values = {**passwords.values, STACK_CA: authority.certificate}
    target = clusters.target(stack, cluster, known)
    outside: list[pulumi.Resource] = [item for item in (tier, managed) if item]
    hosts: dict[str, pulumi.Output[str] | str] = {**(tier.hosts if tier else {}), **(managed.hosts if managed else {})}
    delivery = deliver(stack)
    budget(stack)
    logs(stack)
    watch(stack)
    stored = store(stack, passwords.values, given, managed.arns if managed else {})
    api, shown = publish(stack, site, stored, passwords.values)
    filled = _platform(
        stack, target, SecretsArgs(plan.secrets, values, authority, target, given), outside, [stored] if stored else []
    )
    replace(
        _outputs(stack, cluster),
        vpc_id=site.vpc.vpc_id,
        edge_dns_name=site.edge_dns_name,
        flux_deploy_public_key=filled.public_keys.get(DEPLOY_KEY),
        node_ip=cluster.public.first if cluster.public else None,
        ssh_private_key=cluster.public.private_key if cluster.public else None,
        load_balancer_dns=site.edge_dns_name,
        database_hosts=pulumi.Output.from_input(hosts),
        backup_bucket=bucket.bucket,
        repositories=together(delivery.repositories),
        pipeline_roles=together(delivery.roles),
        api_url=api.url if api else None,
        site_url=shown.url if shown else None,
        site_bucket=shown.bucket if shown else None,
        site_distribution=shown.distribution_id if shown else None,
    ).export()


def _masters(plan: SystemPlan) -> set[str]:
    """Names of the passwords of those who make the managed databases' users."""
    return {master_password(database.name) for database in plan.managed}


def _identities(stack: Stack, generated: Set[str], settings: Settings) -> tuple[Authority, Passwords]:
    """The stack's authority, and every generated value."""
    authority = Authority(f"{stack.name}-authority", AuthorityArgs(f"{stack.name} platform"), stack.options)
    rotations = regenerated(stack.plan.stored, settings.rotations)
    return authority, Passwords(f"{stack.name}-passwords", generated, rotations, stack.options)


def _outputs(stack: Stack, cluster: Cluster) -> EnvironmentOutputs:
    """What every kind of environment has to say."""
    doors = stack.plan.doors
    pages, hook = grafana.address(stack.deployment), argo_cd.webhook_url(stack.deployment)
    return EnvironmentOutputs(
        application_url=pulumi.Output.from_input(f"https://{doors[0].host}"),
        urls=pulumi.Output.from_input([f"https://{door.host}{door.prefix}" for door in doors]),
        cluster_endpoint=cluster.url,
        cluster_name=pulumi.Output.from_input(stack.plan.cluster.name),
        recovery_objectives=pulumi.Output.from_input(stack.plan.recovery),
        notes=pulumi.Output.from_input(list(stack.plan.application.notes)),
        kubeconfig=cluster.kubeconfig,
        grafana_url=pulumi.Output.from_input(pages) if pages else None,
        webhook_url=pulumi.Output.from_input(hook) if hook else None,
    )


def _managed(stack: Stack, site: Site, passwords: Passwords) -> ManagedDatabases:
    return ManagedDatabases(
        f"{stack.name}-data",
        ManagedDatabasesArgs(
            plans=stack.plan.managed,
            subnets=site.vpc.ids(stack.plan.network.managed),
            security_group=site.groups.ids[MANAGED],
            passwords=passwords.values,
            log_days=stack.deployment.environment.log_days,
        ),
        stack.options,
    )


def _planned(deployment: Deployment) -> SystemPlan:
    """The plan, or one message without a traceback when the declaration cannot hold."""
    try:
        return gitops.registered(deployment, system_plan(deployment))
    except DeclarationError as error:
        raise SettingsError(f"system '{deployment.system.name}', environment '{deployment.name}': {error}") from error


def _databases(
    stack: Stack,
    site: Site,
    bucket: PrivateBucket,
    image: pulumi.Output[str],
    authority: Authority,
    passwords: Passwords,
) -> PostgresTier:
    plan, environment = stack.plan, stack.deployment.environment
    return PostgresTier(
        f"{stack.name}-data",
        PostgresTierArgs(
            plans=plan.databases,
            region=stack.deployment.facts.region,
            vpc=site.vpc,
            security_group=site.groups.ids[DATABASES],
            zone_name=plan.private_zone,
            client_cidrs=plan.network.cluster_cidrs,
            peer_cidrs=plan.network.data_cidrs,
            image=image,
            bucket=bucket.bucket,
            bucket_arn=bucket.arn,
            authority=authority,
            passwords=passwords.values,
            snapshot_days=environment.snapshot_days,
            protect=environment.protect,
        ),
        pulumi.ResourceOptions(provider=stack.provider, depends_on=site.ready),
    )


def _platform(
    stack: Stack,
    target: Target,
    secrets: SecretsArgs,
    outside: Sequence[pulumi.Resource],
    stored: Sequence[pulumi.Resource] = (),
) -> Secrets:
    """Add-ons in their order, then namespaces, then what runs in them once the stores ``outside`` are there.

    ``stored``: what must be in the account's secret store before anything reads it.
    """
    plan = stack.plan
    targets = _targets(stack, target)
    installed, early = _install(stack, targets, target, secrets, stored)
    ready = pulumi.ResourceOptions(depends_on=installed)
    space = targets["infrastructure"]
    spaces = {part.name: MeshNamespace(part.name, PartArgs(part, space), ready) for part in plan.application.namespaces}
    namespaces = list(spaces.values())
    later = replace(secrets, plans=[item for item in secrets.plans if item not in early])
    filled = Secrets(f"{stack.name}-secrets", later, pulumi.ResourceOptions(depends_on=[*namespaces]))
    readable: list[pulumi.Resource] = [filled]
    for part in plan.application.vaulted:
        order = pulumi.ResourceOptions(depends_on=[*namespaces, *readable])
        readable.append(Objects(part.name, PartArgs(part, target), order))
    before = [*readable, *outside]
    after = pulumi.ResourceOptions(depends_on=[*namespaces, *before])
    stores = {
        part.name: MicroService(part.name, PartArgs(part, targets["data"]), _after(spaces, part, before))
        for part in plan.application.stores
    }
    unused = _unused(stack.deployment.system)
    running = [
        MicroService(
            part.name,
            PartArgs(part, targets["apps"]),
            _after(spaces, part, [*before, *(made for name, made in stores.items() if name not in unused[part.name])]),
        )
        for part in plan.application.services
    ]
    _groups(targets["apps"], plan.application.edge, after)
    _groups(targets["apps"], plan.application.delivery, pulumi.ResourceOptions(depends_on=[*running]))
    _groups(targets["observability"], plan.observability, after)
    return filled


def _unused(system: System) -> Mapping[str, Set[str]]:
    """By service, the stores that it need not wait for, because it uses others. What stands beside a store is none."""
    stores = {store.name for store in system.stores}
    return {service.name: stores.difference(service.uses) for service in system.services}


def _after(
    spaces: Mapping[str, MeshNamespace], part: Part, others: Sequence[pulumi.Resource]
) -> pulumi.ResourceOptions:
    """Of a part: its own namespaces first. To wait for all of them would cost each object of a large system the more,
    the more there are."""
    homes = {item["metadata"].get("namespace", "") for item in part.objects}
    return pulumi.ResourceOptions(depends_on=[*(made for name, made in spaces.items() if name in homes), *others])


def _install(
    stack: Stack,
    targets: Mapping[LayerName, Target],
    target: Target,
    secrets: SecretsArgs,
    stored: Sequence[pulumi.Resource],
) -> tuple[list[pulumi.Resource], list[SecretPlan]]:
    """The add-ons, and those Secrets that were made among them: whoever installs a chart and waits for its pods must
    have given them what they read."""
    plan = stack.plan
    spaces = {
        addon.name: {item["metadata"]["name"] for item in addon.objects if item["kind"] == "Namespace"}
        for addon in plan.addons
    }
    homes = [name for name, made in spaces.items() if made]
    known = set().union(*spaces.values())
    early = [item for item in secrets.plans if item.namespace in known] if any(a.chart for a in plan.addons) else []
    addons: dict[str, pulumi.Resource] = {}
    filled: list[pulumi.Resource] = []
    for addon in plan.addons:
        before = [*stored, *filled, *(addons[name] for name in addon.requires)]
        args = AddonArgs(addon, targets[addon.layer] if addon.layer else target)
        addons[addon.name] = Addon(addon.name, args, pulumi.ResourceOptions(depends_on=before))
        if early and addon.name == homes[-1]:
            options = pulumi.ResourceOptions(depends_on=[addons[name] for name in homes])
            filled.append(Secrets(f"{stack.name}-platform-secrets", replace(secrets, plans=early), options))
    return [*addons.values(), *filled], early


def _targets(stack: Stack, target: Target) -> dict[LayerName, Target]:
    """Where the objects of each layer go; those of a layer that leaves stay when the stack gives them up."""
    owners = {layer: gitops.owner_of(stack.deployment, layer) for layer in LAYERS}
    return {layer: replace(target, retained=owner == "leaving") for layer, owner in owners.items()}


def _groups(target: Target, parts: Sequence[Part], options: pulumi.ResourceOptions) -> None:
    for part in parts:
        Objects(part.name, PartArgs(part, target), options)
