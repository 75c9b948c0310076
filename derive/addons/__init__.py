"""Add-ons: what is installed under a system, in which order, and which Secrets it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from derive import choices, naming
from derive.addons import (
    cilium,
    ebs_csi,
    fluent_bit,
    istio,
    kube_prometheus_stack,
    opensearch,
    postgres_exporter,
    traefik,
)
from derive.addons.additions import EARLY, additions
from derive.addons.chart import Addition, Release, limited
from derive.addons.delivery import deliver, gates
from derive.addons.layers import layered
from derive.addons.spaces import namespaces, plan_name
from derive.observability import fluent_bit as logs
from derive.shapes import AddonPlan, Deployment, SecretPlan
from manifests.base import Manifest
from model import Cilium, Flux, Istio, Traefik


def addons(deployment: Deployment) -> tuple[AddonPlan, ...]:
    """Every add-on in the order of its installation; ``requires`` names earlier ones only."""
    platform = deployment.system.platform
    gate = gates(platform)
    asked = additions(deployment)

    def plan(release: Release, *before: Manifest, settings: tuple[Manifest, ...] = ()) -> AddonPlan:
        made = deliver(_held(deployment, release), platform)
        requires = (*(item.name for item in gate), *made.requires)
        return replace(made, objects=(*before, *made.objects), requires=requires, settings=settings)

    def added(addition: Addition) -> AddonPlan:
        made = plan(addition.release, *addition.before, settings=addition.settings)
        space = plan_name(deployment, addition.namespace)
        return replace(made, requires=(*made.requires, space), grants=addition.grants)

    found = [*gate]
    if isinstance(platform.cni, Cilium):
        found.append(plan(cilium.release(deployment)))
    found.extend(ebs_csi.managed(deployment))
    found.extend(namespaces(deployment, tuple(asked.values())))
    found.extend(added(addition) for kind, addition in asked.items() if kind in EARLY)
    if isinstance(platform.mesh, Istio):
        *early, last = istio.releases(deployment, platform.mesh)
        found.extend(plan(release) for release in early)
        found.append(plan(last, settings=istio.mesh_defaults(deployment, platform.mesh)))
    found.append(plan(kube_prometheus_stack.release(deployment), settings=kube_prometheus_stack.service(deployment)))
    home = platform.observability.namespace
    found.extend(plan(postgres_exporter.release(target, home)) for target in postgres_exporter.targets(deployment))
    found.extend(_logs(deployment, plan))
    found.extend(added(addition) for kind, addition in asked.items() if kind not in EARLY)
    if isinstance(platform.ingress, Traefik):
        found.append(traefik.plan())
    if isinstance(platform.delivery, Flux):
        found = layered(deployment, platform.delivery, found)
    return tuple(_known(found))


def _held(deployment: Deployment, release: Release) -> Release:
    """The release as its namespace's quota wants it."""
    quota = deployment.system.quota
    if quota and quota.cpu_limit and release.source.namespace in choices.shared(deployment):
        return replace(release, values=limited(release.values))
    return release


def _logs(deployment: Deployment, plan: Callable[..., AddonPlan]) -> Iterator[AddonPlan]:
    """OpenSearch and what ships logs to it, unless Loki takes its place."""
    if not choices.opensearch(deployment):
        return
    system, prefix = deployment.system, opensearch.log_prefix(deployment)
    keeper = opensearch.keeper(prefix, deployment.environment.log_days, opensearch.members(deployment.environment))
    yield plan(opensearch.release(deployment), opensearch.KEEPER_ACCOUNT, settings=(keeper,))
    homes = dict.fromkeys(naming.service_namespace(system, service) for service in system.services)
    configuration = logs.config_map(homes, prefix)
    yield plan(fluent_bit.release(configuration), configuration)


def _known(plans: list[AddonPlan]) -> list[AddonPlan]:
    """Requirements on add-ons that this platform goes without (no Cilium, no mesh) fall away."""
    names = {plan.name for plan in plans}
    return [replace(plan, requires=tuple(name for name in plan.requires if name in names)) for plan in plans]


def addon_secrets(deployment: Deployment) -> tuple[SecretPlan, ...]:
    """The Secrets that add-ons refer to: each password is random, no chart's values hold one."""
    settings = deployment.system.platform.observability
    return (
        *kube_prometheus_stack.secrets(deployment),
        *(opensearch.secrets() if choices.opensearch(deployment) else ()),
        *(postgres_exporter.secret(target, settings.namespace) for target in postgres_exporter.targets(deployment)),
        *(secret for addition in additions(deployment).values() for secret in addition.secrets),
    )
