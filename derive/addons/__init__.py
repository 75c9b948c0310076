"""Add-ons: what is installed under a system, in which order, and which Secrets it needs."""

from __future__ import annotations

from derive import naming
from derive.addons import (
    cilium,
    fluent_bit,
    istio,
    kube_prometheus_stack,
    opensearch,
    postgres_exporter,
)
from derive.addons.chart import Release
from derive.addons.delivery import deliver, gate_account
from derive.addons.spaces import namespaces
from derive.observability import fluent_bit as logs
from derive.shapes import AddonPlan, Deployment, SecretPlan
from model import Cilium, Istio


def addons(deployment: Deployment) -> tuple[AddonPlan, ...]:
    """Every add-on in the order of its installation; ``requires`` names earlier ones only."""
    system = deployment.system
    platform = system.platform
    gate = gate_account()

    def plan(release: Release, *before: dict[str, object], settings: tuple[dict[str, object], ...] = ()) -> AddonPlan:
        made = deliver(release, platform)
        return AddonPlan(made.name, (*before, *made.objects), (gate.name, *made.requires), settings)

    found = [gate]
    if isinstance(platform.cni, Cilium):
        found.append(plan(cilium.release(deployment)))
    found.extend(namespaces(deployment))
    if isinstance(platform.mesh, Istio):
        *early, last = istio.releases(deployment, platform.mesh)
        found.extend(plan(release) for release in early)
        found.append(plan(last, settings=istio.mesh_defaults(platform.mesh)))
    found.append(plan(kube_prometheus_stack.release(deployment)))
    found.extend(plan(postgres_exporter.release(target)) for target in postgres_exporter.targets(deployment))
    prefix = opensearch.log_prefix(deployment)
    keeper = opensearch.keeper(prefix, deployment.environment.log_days, opensearch.members(deployment.environment))
    found.append(plan(opensearch.release(deployment), settings=(keeper,)))
    homes = dict.fromkeys(naming.service_namespace(system, service) for service in system.services)
    configuration = logs.config_map(homes, prefix)
    found.append(plan(fluent_bit.release(configuration), configuration))
    return tuple(_known(found))


def _known(plans: list[AddonPlan]) -> list[AddonPlan]:
    """Requirements on add-ons that this platform goes without (no Cilium, no mesh) fall away."""
    names = {plan.name for plan in plans}
    return [
        AddonPlan(plan.name, plan.objects, tuple(name for name in plan.requires if name in names), plan.settings)
        for plan in plans
    ]


def addon_secrets(deployment: Deployment) -> tuple[SecretPlan, ...]:
    """The Secrets that add-ons refer to: each password is random, no chart's values hold one."""
    return (
        *kube_prometheus_stack.secrets(),
        *opensearch.secrets(),
        *(postgres_exporter.secret(target) for target in postgres_exporter.targets(deployment)),
    )
