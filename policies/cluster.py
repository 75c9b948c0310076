"""Kubernetes objects around pods: budgets, closed namespaces, doors, roles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pulumi_policy import PolicyResource, ResourceValidationArgs, StackValidationArgs
from pulumi_policy.proxy import UnknownValueError

from policies.documents import as_list
from policies.pods import TEMPLATES
from policies.rules import Violation, at, matches, resource_policy, stack_policy, texts

REPLICATED: Final = (
    "kubernetes:apps/v1:Deployment",
    "kubernetes:apps/v1:StatefulSet",
    "kubernetes:argoproj.io/v1alpha1:Rollout",
)
BUDGET: Final = "kubernetes:policy/v1:PodDisruptionBudget"
SCALERS: Final = (
    "kubernetes:autoscaling/v1:HorizontalPodAutoscaler",
    "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
)
CLOSERS: Final[Mapping[str, str]] = {
    "kubernetes:networking.k8s.io/v1:NetworkPolicy": "podSelector",
    "kubernetes:cilium.io/v2:CiliumNetworkPolicy": "endpointSelector",
}
"""Type of network policy -> its selector of pods."""

OPEN_NAMESPACES: Final = texts(
    "open", "Shell patterns of namespaces without a default deny: the cluster's own", ("kube-system",)
)
TYPES: Final = texts("types", "Types that any Service may have", ("ClusterIP",))
DOORS: Final = texts("allowed", "Shell patterns of namespace/name of Services that may have another type")
ROLES: Final = texts("allowed", "Shell patterns of names of roles that may do everything")


def _namespace(props: Mapping[str, Any]) -> str:
    return str(at(props, "metadata.namespace") or "default")


def _labels_fit(selector: Any, labels: Mapping[str, Any]) -> bool:
    """Whether a label selector selects these labels, as the API server would; an absent one selects nothing."""
    if not isinstance(selector, Mapping):
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression_fits(item, labels) for item in as_list(selector.get("matchExpressions")))


def _expression_fits(expression: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    operator, key = str(expression["operator"]), str(expression["key"])
    values = as_list(expression.get("values"))
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    return (key in labels) == (operator == "Exists")


def _known(resources: Iterator[PolicyResource]) -> Iterator[PolicyResource]:
    """Kubernetes objects whose place is known."""
    for item in resources:
        try:
            _namespace(item.props)
        except UnknownValueError:
            continue
        yield item


def _of(types: tuple[str, ...], namespace: str, args: StackValidationArgs) -> Iterator[PolicyResource]:
    found = (item for item in args.resources if item.resource_type in types)
    return (item for item in _known(found) if _namespace(item.props) == namespace)


def _replicas(workload: PolicyResource, args: StackValidationArgs) -> int:
    """The fewest pods that a workload is meant to have: an autoscaler's lower bound, or its own number."""
    name, kind = at(workload.props, "metadata.name"), workload.resource_type.rpartition(":")[2]
    for scaler in _of(SCALERS, _namespace(workload.props), args):
        target = at(scaler.props, "spec.scaleTargetRef") or {}
        if (target.get("kind"), target.get("name")) == (kind, name):
            return int(at(scaler.props, "spec.minReplicas") or 1)
    replicas = at(workload.props, "spec.replicas")
    return 1 if replicas is None else int(replicas)


def _budget(workload: PolicyResource, args: StackValidationArgs) -> Iterator[Violation]:
    replicas = _replicas(workload, args)
    if replicas < 2:
        return
    labels = at(workload.props, "spec.template.metadata.labels") or {}
    budgets = _of((BUDGET,), _namespace(workload.props), args)
    if not any(_labels_fit(at(budget.props, "spec.selector"), labels) for budget in budgets):
        yield Violation(
            "spec.template.metadata.labels",
            f"are selected by no PodDisruptionBudget, with {replicas} replicas",
            "add one, so that a drained node takes one pod at a time",
        )


def _default_deny(workload: PolicyResource, args: StackValidationArgs) -> Iterator[Violation]:
    """A policy that selects every pod of the namespace, for both directions, and lets nothing through."""
    namespace = _namespace(workload.props)
    if matches(namespace, OPEN_NAMESPACES.of(args)):
        return
    closed = {direction for policy in _of(tuple(CLOSERS), namespace, args) for direction in _closes(policy)}
    for direction in ("ingress", "egress"):
        if direction not in closed:
            yield Violation(
                "metadata.namespace",
                f"is '{namespace}', which has no default deny for {direction}",
                "add a network policy there that selects every pod and allows nothing",
            )


def _closes(policy: PolicyResource) -> Iterator[str]:
    """The directions that a policy closes for all pods of its namespace."""
    spec = policy.props.get("spec") or {}
    selector = spec.get(CLOSERS[policy.resource_type])
    if selector is None or any(selector.values()):
        return
    for direction in ("ingress", "egress"):
        if policy.resource_type.startswith("kubernetes:cilium"):
            if direction in spec and not any(spec[direction]):
                yield direction
        elif direction.capitalize() in as_list(spec.get("policyTypes")) and not spec.get(direction):
            yield direction


def _service(args: ResourceValidationArgs) -> Iterator[Violation]:
    name = f"{_namespace(args.props)}/{at(args.props, 'metadata.name') or args.name}"
    type_ = str(at(args.props, "spec.type") or "ClusterIP")
    if type_ not in TYPES.of(args) and not matches(name, DOORS.of(args)):
        remedy = f"use ClusterIP behind a gateway, or allow '{name}' (parameter 'allowed')"
        yield Violation("spec.type", f"is '{type_}'", remedy)
    if as_list(at(args.props, "spec.externalIPs")):
        yield Violation("spec.externalIPs", "is set", "remove it: it takes over other machines' addresses")


def _role(args: ResourceValidationArgs) -> Iterator[Violation]:
    if matches(str(at(args.props, "metadata.name") or args.name), ROLES.of(args)):
        return
    for index, rule in enumerate(as_list(args.props.get("rules"))):
        if "*" in as_list(rule.get("verbs")) and "*" in as_list(rule.get("resources")):
            yield Violation(f"rules[{index}]", "allows every verb on every resource", "name what is needed")


def _binding(args: ResourceValidationArgs) -> Iterator[Violation]:
    if matches(str(at(args.props, "metadata.name") or args.name), ROLES.of(args)):
        return
    if at(args.props, "roleRef.name") == "cluster-admin":
        yield Violation("roleRef.name", "is 'cluster-admin'", "bind a role with the rights that are needed")


_RBAC: Final = "kubernetes:rbac.authorization.k8s.io/v1"

POLICIES: Final = [
    stack_policy(
        "pod-disruption-budget",
        "A workload with more than one replica has a PodDisruptionBudget.",
        dict.fromkeys(REPLICATED, _budget),
    ),
    stack_policy(
        "namespace-default-deny",
        "In a namespace with workloads, what no policy allows is denied.",
        dict.fromkeys(TEMPLATES, _default_deny),
        (OPEN_NAMESPACES,),
    ),
    resource_policy(
        "service-type",
        "Services are reached from inside the cluster only.",
        {"kubernetes:core/v1:Service": _service},
        (TYPES, DOORS),
    ),
    resource_policy(
        "rbac-no-administrator",
        "No role may do everything.",
        {
            **{f"{_RBAC}:{kind}": _role for kind in ("ClusterRole", "Role")},
            **{f"{_RBAC}:{kind}": _binding for kind in ("ClusterRoleBinding", "RoleBinding")},
        },
        (ROLES,),
    ),
]
