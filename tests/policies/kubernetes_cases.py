"""Examples for the policies on Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.state import Resource
from tests.policies.analyzer import resource
from tests.policies.case import Case

DEPLOYMENT: Final = "kubernetes:apps/v1:Deployment"
STATEFUL: Final = "kubernetes:apps/v1:StatefulSet"
CRON: Final = "kubernetes:batch/v1:CronJob"
JOB: Final = "kubernetes:batch/v1:Job"
SERVICE: Final = "kubernetes:core/v1:Service"
SCALER: Final = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
BUDGET: Final = "kubernetes:policy/v1:PodDisruptionBudget"
NETWORK_POLICY: Final = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
CILIUM_POLICY: Final = "kubernetes:cilium.io/v2:CiliumNetworkPolicy"
RBAC: Final = "kubernetes:rbac.authorization.k8s.io/v1"

POD: Final = "spec.template.spec"
FIRST: Final = f"{DEPLOYMENT} 'web': {POD}.containers[0]"
LABELS: Final = {"app": "web"}


def placed(type_: str, namespace: str, name: str, **content: Any) -> Resource:
    return resource(type_, {"metadata": {"name": name, "namespace": namespace}, **content}, name)


def workload(pod: Mapping[str, Any], type_: str = DEPLOYMENT, name: str = "web", **spec: Any) -> Resource:
    template = {"metadata": {"labels": LABELS}, "spec": pod}
    return placed(type_, "shop", name, spec={**spec, "template": template})


def container(security: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"containers": [{"name": "main", "securityContext": dict(security or {}), **more}]}


def _security(name: str, good: Mapping[str, Any], bad: Mapping[str, Any], *says: str) -> Case:
    place = f"{FIRST}.securityContext."
    return Case(name, [workload(container(good))], [workload(container(bad))], [place + text for text in says])


PROBE: Final = {"httpGet": {"path": "/health", "port": 80}}
PODS: Final = [
    Case(
        "pod-resources",
        [
            workload(
                container(
                    resources={"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
                )
            )
        ],
        [workload(container(resources={"requests": {"cpu": "1", "memory": "1Gi"}}))],
        [
            f"{FIRST}.resources.limits.cpu is missing; state what the container needs.",
            f"{FIRST}.resources.limits.memory is missing; state what the container needs.",
        ],
    ),
    Case(
        "pod-resources",
        [workload(container(resources={"limits": {"memory": "1Gi"}}))],
        [workload({"initContainers": [{"name": "first"}]}, JOB)],
        [f"{JOB} 'web': {POD}.initContainers[0].resources.limits.memory is missing; state what the container needs."],
        {"resources": ["limits.memory"]},
        "as configured, and containers that run before the others",
    ),
    Case(
        "pod-probes",
        [
            workload(container(livenessProbe=PROBE, readinessProbe=PROBE)),
            workload({"containers": [{"name": "main"}]}, JOB, "once"),
        ],
        [workload({"containers": [{"name": "main", "livenessProbe": PROBE}, {"name": "beside"}]})],
        [
            f"{DEPLOYMENT} 'web': {POD}.containers[1].livenessProbe is missing; "
            "say how Kubernetes learns that it hangs.",
            f"{DEPLOYMENT} 'web': {POD}.containers[*].readinessProbe is missing; "
            "say how Kubernetes learns that the pod can serve.",
        ],
    ),
    Case(
        "pod-probes",
        [workload({"initContainers": [{"name": "first"}], **container(livenessProbe=PROBE, readinessProbe=PROBE)})],
        [
            workload(
                {
                    "initContainers": [{"name": "sidecar", "restartPolicy": "Always"}],
                    **container(livenessProbe=PROBE, readinessProbe=PROBE),
                }
            )
        ],
        [
            f"{DEPLOYMENT} 'web': {POD}.initContainers[0].livenessProbe is missing; "
            "say how Kubernetes learns that it hangs."
        ],
        about="a sidecar among the init containers runs on",
    ),
    Case(
        "pod-non-root",
        [
            workload(container({"runAsNonRoot": True})),
            workload({"securityContext": {"runAsNonRoot": True}, **container()}, name="by-pod"),
        ],
        [workload({"securityContext": {"runAsNonRoot": True}, **container({"runAsNonRoot": False, "runAsUser": 0})})],
        [
            f"{FIRST}.securityContext.runAsNonRoot is not true; set it to true, here or for the pod.",
            f"{FIRST}.securityContext.runAsUser is 0; choose another user.",
        ],
    ),
    _security(
        "pod-no-escalation",
        {"allowPrivilegeEscalation": False},
        {},
        "allowPrivilegeEscalation is not false; set it to false.",
    ),
    _security(
        "pod-capabilities",
        {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
        {"capabilities": {"drop": ["MKNOD"], "add": ["SYS_ADMIN"]}},
        "capabilities.drop does not hold 'ALL'; drop ALL and add back what is needed.",
        "capabilities.add holds 'SYS_ADMIN'; remove it, or allow it (parameter 'capabilities').",
    ),
    _security(
        "pod-seccomp",
        {"seccompProfile": {"type": "RuntimeDefault"}},
        {"seccompProfile": {"type": "Unconfined"}},
        "seccompProfile.type is neither 'RuntimeDefault' nor 'Localhost'; "
        "set it to 'RuntimeDefault', here or for the pod.",
    ),
    _security(
        "pod-read-only-root",
        {"readOnlyRootFilesystem": True},
        {},
        "readOnlyRootFilesystem is not true; set it to true and mount what is written.",
    ),
    Case(
        "pod-image-pinned",
        [
            workload(container(image="registry:5000/shop/web:1.2")),
            workload(container(image="shop/web@sha256:0a"), name="by-digest"),
        ],
        [
            workload(container(image="registry:5000/shop/web")),
            workload(container(image="shop/web:latest"), name="newest"),
        ],
        [
            f"{FIRST}.image is 'registry:5000/shop/web'; name a version or a digest.",
            f"{DEPLOYMENT} 'newest': {POD}.containers[0].image is 'shop/web:latest'; name a version or a digest.",
        ],
    ),
    Case(
        "pod-host",
        [
            workload(container(ports=[{"containerPort": 80}])),
            workload({"hostNetwork": True, **container({"privileged": True})}, name="agent-1"),
        ],
        [
            workload(
                {
                    "hostNetwork": True,
                    "hostPID": True,
                    "volumes": [{"hostPath": {"path": "/var/run"}}],
                    **container({"privileged": True}),
                }
            ),
            workload(container(ports=[{"containerPort": 80, "hostPort": 8080}]), name="door"),
        ],
        [
            f"{DEPLOYMENT} 'web': {POD}.hostNetwork is true; do without, or allow 'shop/web' (parameter 'allowed').",
            f"{DEPLOYMENT} 'web': {POD}.hostPID is true; do without, or allow 'shop/web' (parameter 'allowed').",
            f"{DEPLOYMENT} 'web': {POD}.volumes[0].hostPath is '/var/run'; "
            "do without, or allow 'shop/web' (parameter 'allowed').",
            f"{FIRST}.securityContext.privileged is true; do without, or allow 'shop/web' (parameter 'allowed').",
            f"{DEPLOYMENT} 'door': {POD}.containers[0].ports[0].hostPort is 8080; "
            "do without, or allow 'shop/door' (parameter 'allowed').",
        ],
        {"allowed": ["shop/agent-*"]},
    ),
    Case(
        "pod-service-account",
        [workload({"serviceAccountName": "web"})],
        [
            workload({"serviceAccountName": "default"}),
            placed(CRON, "shop", "tidy", spec={"jobTemplate": {"spec": {"template": {"spec": {"containers": [{}]}}}}}),
        ],
        [
            f"{DEPLOYMENT} 'web': {POD}.serviceAccountName is 'default'; "
            "give the workload a ServiceAccount of its own.",
            f"{CRON} 'tidy': spec.jobTemplate.spec.template.spec.serviceAccountName is missing; "
            "give the workload a ServiceAccount of its own.",
        ],
    ),
]

PLAIN: Final = {"containers": [{"name": "main"}]}


def budget(namespace: str, **selector: Any) -> Resource:
    return placed(BUDGET, namespace, "web", spec={"maxUnavailable": 1, "selector": selector})


def scaler(least: int) -> Resource:
    target = {"kind": "Deployment", "name": "web"}
    return placed(SCALER, "shop", "web", spec={"scaleTargetRef": target, "minReplicas": least, "maxReplicas": 5})


def _unbudgeted(replicas: int, type_: str = DEPLOYMENT) -> str:
    return (
        f"{type_} 'web': spec.template.metadata.labels are selected by no PodDisruptionBudget, "
        f"with {replicas} replicas; add one, so that a drained node takes one pod at a time."
    )


BUDGETS: Final = [
    Case(
        "pod-disruption-budget",
        [workload(PLAIN, replicas=2), budget("shop", matchLabels=LABELS), workload(PLAIN, name="single")],
        [workload(PLAIN, replicas=2), budget("shop", matchLabels={"app": "other"})],
        [_unbudgeted(2)],
    ),
    Case(
        "pod-disruption-budget",
        [workload(PLAIN), scaler(3), budget("shop", matchExpressions=[{"key": "app", "operator": "Exists"}])],
        [workload(PLAIN), scaler(3), budget("elsewhere", matchLabels=LABELS)],
        [_unbudgeted(3)],
        about="an autoscaler decides the number; a budget of another namespace does not count",
    ),
    Case(
        "pod-disruption-budget",
        [
            workload(PLAIN, STATEFUL, replicas=3),
            budget("shop", matchExpressions=[{"key": "app", "operator": "In", "values": ["web", "api"]}]),
        ],
        [
            workload(PLAIN, STATEFUL, replicas=3),
            budget("shop", matchExpressions=[{"key": "app", "operator": "NotIn", "values": ["web"]}]),
        ],
        [_unbudgeted(3, STATEFUL)],
        about="selectors by expression",
    ),
]


def denies(type_: str = NETWORK_POLICY, namespace: str = "shop", **spec: Any) -> Resource:
    return placed(type_, namespace, "default-deny", spec=spec)


def _open(*directions: str) -> list[str]:
    return [
        f"{DEPLOYMENT} 'web': metadata.namespace is 'shop', which has no default deny for {direction}; "
        "add a network policy there that selects every pod and allows nothing."
        for direction in directions
    ]


CLOSED: Final = denies(podSelector={}, policyTypes=["Ingress", "Egress"])
DENIALS: Final = [
    Case("namespace-default-deny", [workload(PLAIN), CLOSED], [workload(PLAIN)], _open("ingress", "egress")),
    Case(
        "namespace-default-deny",
        [workload(PLAIN), denies(CILIUM_POLICY, endpointSelector={}, ingress=[{}], egress=[{}])],
        [workload(PLAIN), denies(CILIUM_POLICY, endpointSelector={}, ingress=[{"fromEntities": ["all"]}], egress=[{}])],
        _open("ingress"),
        about="Cilium's notation, with a rule that lets everyone in",
    ),
    Case(
        "namespace-default-deny",
        [workload(PLAIN)],
        [
            placed(DEPLOYMENT, "kube-system", "web", spec={"template": {"spec": PLAIN}}),
            denies(podSelector={"matchLabels": LABELS}, policyTypes=["Ingress", "Egress"], namespace="kube-system"),
        ],
        [text.replace("'shop'", "'kube-system'") for text in _open("ingress", "egress")],
        {"open": ["shop"]},
        "a policy for some pods only, and another list of open namespaces",
    ),
]

DOORS: Final = [
    Case(
        "service-type",
        [placed(SERVICE, "shop", "web", spec={}), placed(SERVICE, "ingress", "gateway", spec={"type": "LoadBalancer"})],
        [placed(SERVICE, "shop", "web", spec={"type": "NodePort", "externalIPs": ["198.51.100.7"]})],
        [
            f"{SERVICE} 'web': spec.type is 'NodePort'; "
            "use ClusterIP behind a gateway, or allow 'shop/web' (parameter 'allowed').",
            f"{SERVICE} 'web': spec.externalIPs is set; remove it: it takes over other machines' addresses.",
        ],
        {"allowed": ["ingress/*"]},
    ),
    Case(
        "rbac-no-administrator",
        [
            placed(f"{RBAC}:Role", "shop", "reader", rules=[{"verbs": ["get"], "resources": ["*"]}]),
            placed(f"{RBAC}:ClusterRoleBinding", "", "deployer", roleRef={"name": "cluster-admin"}),
        ],
        [
            placed(f"{RBAC}:ClusterRole", "", "all", rules=[{"verbs": ["*"], "resources": ["*"]}]),
            placed(f"{RBAC}:RoleBinding", "shop", "boss", roleRef={"name": "cluster-admin"}),
        ],
        [
            f"{RBAC}:ClusterRole 'all': rules[0] allows every verb on every resource; name what is needed.",
            f"{RBAC}:RoleBinding 'boss': roleRef.name is 'cluster-admin'; bind a role with the rights that are needed.",
        ],
        {"allowed": ["deployer"]},
    ),
]

CASES: Final = [*PODS, *BUDGETS, *DENIALS, *DOORS]
