"""The rules of each kind that need nothing but the object itself, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from sandbox.kubernetes import configuration, helm, names, network, pods, workloads
from sandbox.kubernetes.access import Body, Problems
from sandbox.kubernetes.kinds import ObjectType

Rule = Callable[[Body], Problems]
_RBAC: Final = "rbac.authorization.k8s.io"

RULES: Final[Mapping[tuple[str, str], Rule]] = {
    ("", "ConfigMap"): configuration.config_map_problems,
    ("", "Secret"): configuration.secret_problems,
    ("", "Namespace"): configuration.namespace_problems,
    ("", "LimitRange"): configuration.limit_range_problems,
    ("", "ResourceQuota"): configuration.resource_quota_problems,
    ("", "PersistentVolumeClaim"): workloads.claim_problems,
    ("", "Service"): network.service_problems,
    ("apps", "Deployment"): workloads.deployment_problems,
    ("apps", "DaemonSet"): workloads.selector_problems,
    ("apps", "ReplicaSet"): workloads.selector_problems,
    ("apps", "StatefulSet"): workloads.stateful_set_problems,
    ("argoproj.io", "Rollout"): workloads.rollout_problems,
    ("autoscaling", "HorizontalPodAutoscaler"): workloads.autoscaler_problems,
    ("batch", "CronJob"): workloads.cron_job_problems,
    ("helm.cattle.io", "HelmChart"): helm.helm_chart_problems,
    ("helm.cattle.io", "HelmChartConfig"): helm.helm_chart_config_problems,
    ("networking.k8s.io", "Ingress"): network.ingress_problems,
    ("networking.k8s.io", "NetworkPolicy"): network.network_policy_problems,
    ("policy", "PodDisruptionBudget"): workloads.budget_problems,
    (_RBAC, "Role"): configuration.role_problems,
    (_RBAC, "ClusterRole"): configuration.role_problems,
    (_RBAC, "RoleBinding"): configuration.binding_problems,
    (_RBAC, "ClusterRoleBinding"): configuration.binding_problems,
    ("scheduling.k8s.io", "PriorityClass"): configuration.priority_class_problems,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): configuration.definition_problems,
}


def problems(type_: ObjectType, body: Body) -> Problems:
    """Everything the API server would refuse in an object of the right shape."""
    yield from names.metadata_problems(type_, body)
    rule = RULES.get((type_.group, type_.kind))
    if rule is not None:
        yield from rule(body)
    yield from pods.problems(body)
