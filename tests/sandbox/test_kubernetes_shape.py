"""Shape, names and pods: what is refused, in which words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.kubernetes_objects import (
    BUDGET,
    CLAIM,
    CONFIG,
    CRON_JOB,
    ROLE,
    Cluster,
    container,
    namespace,
    put,
    service,
    spoilt,
    workload,
)

POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"
SHOWN = f"{POD}.containers[0]"


@pytest.fixture
def cluster() -> Cluster:
    return Cluster().apply_all(namespace())


SHAPE = [
    spoilt(workload(), "spec.replica", 2, "spec: unknown field 'replica'; did you mean 'replicas'?"),
    spoilt(workload(), "spec.replicas", "2", "spec.replicas: '2' is not of type integer"),
    spoilt(workload(), "spec.replicas", -1, "spec.replicas: -1 is not in 0-2147483647"),
    spoilt(workload(), "spec.template", None, "spec: template is required"),
    spoilt(
        workload(),
        f"{CONTAINER}.imagePullPolicy",
        "Sometimes",
        f"{SHOWN}.imagePullPolicy: 'Sometimes' is not one of Always, IfNotPresent, Never",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.ports.0.containerPort",
        99999,
        f"{SHOWN}.ports[0].containerPort: 99999 is not in 1-65535",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.ports.0.protocol",
        "HTTP",
        f"{SHOWN}.ports[0].protocol: 'HTTP' is not one of TCP, UDP, SCTP",
    ),
    spoilt(
        workload(),
        f"{POD}.restartPolicy",
        "Sometimes",
        f"{POD}.restartPolicy: 'Sometimes' is not one of Always, OnFailure, Never",
    ),
    spoilt(
        service(),
        "spec.type",
        "Public",
        "spec.type: 'Public' is not one of ClusterIP, NodePort, LoadBalancer, ExternalName",
    ),
    spoilt(service(), "spec.ports.0.port", 0, "spec.ports[0].port: 0 is not in 1-65535"),
    spoilt(
        CLAIM,
        "spec.accessModes",
        ["ReadWrite"],
        "spec.accessModes[0]: 'ReadWrite' is not one of ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod",
    ),
    spoilt(
        BUDGET,
        "spec.selector",
        {"matchExpressions": [{"key": "app", "operator": "Equals", "values": ["x"]}]},
        "spec.selector.matchExpressions[0].operator: 'Equals' is not one of In, NotIn, Exists, DoesNotExist",
    ),
    spoilt(workload(), "metadata.label", {}, "metadata: unknown field 'label'; did you mean 'labels'?"),
]
NAMES = [
    spoilt(
        CONFIG,
        "metadata.name",
        "My_Config",
        "metadata.name: 'My_Config' is not an RFC 1123 subdomain (lower-case letters, digits, '-' and '.')",
    ),
    spoilt(
        service(),
        "metadata.name",
        "1web",
        "metadata.name: '1web' is not an RFC 1035 label (at most 63, starting with a letter)",
    ),
    spoilt(
        namespace(),
        "metadata.name",
        "a.b",
        "metadata.name: 'a.b' is not an RFC 1123 label (lower-case letters, digits and '-', alphanumeric at both ends)",
    ),
    spoilt(
        CRON_JOB,
        "metadata.name",
        "x" * 53,
        f"metadata.name: '{'x' * 53}' has 53 characters; a CronJob has at most 52 (its Jobs' names add 11 characters)",
    ),
    spoilt(ROLE, "metadata.name", "a/b", "metadata.name: 'a/b' contains '/' or '%', or is '.' or '..'"),
    spoilt(
        CONFIG,
        "metadata.labels",
        {"team": "a b"},
        "metadata.labels: value 'a b' is not a label value (letters, digits, '-', '_', '.', alphanumeric at both ends)",
    ),
    spoilt(
        CONFIG,
        "metadata.labels",
        {"team": "x" * 64},
        f"metadata.labels: value '{'x' * 64}' has 64 characters; a label value has at most 63",
    ),
    spoilt(
        CONFIG,
        "metadata.labels",
        {"-team": "a"},
        "metadata.labels: key '-team': the name part is 1-63 letters, digits, '-', '_' and '.', starting and ending "
        "alphanumeric",
    ),
    spoilt(
        CONFIG,
        "metadata.annotations",
        {"Bad_Prefix!/x": "a"},
        "metadata.annotations: key 'bad_prefix!/x': prefix 'bad_prefix!' is not an RFC 1123 subdomain (lower-case "
        "letters, digits, '-' and '.')",
    ),
    spoilt(
        CONFIG,
        "metadata.annotations",
        {"a": "x" * 262144},
        "metadata.annotations: 262145 bytes are more than the 262144 allowed",
    ),
]
PODS = [
    spoilt(workload(), f"{POD}.containers", [], f"{POD}.containers: a pod needs at least one container"),
    spoilt(
        workload(),
        f"{POD}.containers",
        [container(), container()],
        f"{POD}.containers: container 'app' occurs 2 times",
    ),
    spoilt(workload(), f"{CONTAINER}.image", "", f"{SHOWN}.image: is required"),
    spoilt(
        workload(),
        f"{CONTAINER}.ports.0.name",
        "a-very-long-port-name",
        f"{SHOWN}.ports: port name 'a-very-long-port-name' has 21 characters; at most 15 are allowed",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.ports",
        [{"name": "http", "containerPort": 80}, {"name": "http", "containerPort": 81}],
        f"{SHOWN}.ports: port name 'http' occurs 2 times",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.env",
        [{"name": "A=B", "value": "x"}],
        f"{SHOWN}.env[0].name: 'A=B' is not an environment variable's name (printable ASCII without '=')",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.env",
        [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        f"{SHOWN}.env[0]: has both value and valueFrom",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.env",
        [{"name": "A", "valueFrom": {}}],
        f"{SHOWN}.env[0].valueFrom: has 0 sources; it takes one",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.resources.requests.cpu",
        "100x",
        f"{SHOWN}.resources.requests.cpu: '100x' is not a quantity (like 500m or 256Mi)",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.resources.requests.memory",
        "1Gi",
        f"{SHOWN}.resources.requests.memory: 1Gi is more than the limit 256Mi",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.resources.requests.cpu",
        "-1",
        f"{SHOWN}.resources.requests.cpu: '-1' is negative",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.resources.limits.ram",
        "1Gi",
        f"{SHOWN}.resources.limits.ram: 'ram' is not a container resource (cpu, memory or domain/name)",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.livenessProbe",
        {"periodSeconds": 5},
        f"{SHOWN}.livenessProbe: has 0 handlers; it takes one of exec, httpGet, tcpSocket, grpc",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.readinessProbe",
        {"httpGet": {"port": "admin"}},
        f"{SHOWN}.readinessProbe.httpGet.port: the container has no port named 'admin'",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.readinessProbe",
        {"tcpSocket": {"port": 70000}},
        f"{SHOWN}.readinessProbe.tcpSocket.port: 70000 is not in 1-65535",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.livenessProbe",
        {"successThreshold": 2, "tcpSocket": {"port": "http"}},
        f"{SHOWN}.livenessProbe.successThreshold: must be 1",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.volumeMounts",
        [{"name": "data", "mountPath": "/data"}],
        f"{SHOWN}.volumeMounts[0].name: the pod has no volume 'data'",
    ),
    spoilt(
        workload(volumes=[{"name": "data", "emptyDir": {}}]),
        f"{CONTAINER}.volumeMounts",
        [{"name": "data", "mountPath": "/data"}, {"name": "data", "mountPath": "/data"}],
        f"{SHOWN}.volumeMounts: mount path '/data' occurs 2 times",
    ),
    spoilt(
        workload(),
        f"{POD}.volumes",
        [{"name": "data", "emptyDir": {}, "configMap": {"name": "x"}}],
        f"{POD}.volumes[0]: has 2 sources (configMap, emptyDir); a volume has one",
    ),
    spoilt(
        workload(),
        f"{POD}.volumes",
        [{"name": "data", "emptyDir": {"sizeLimit": "1GB"}}],
        f"{POD}.volumes[0].emptyDir.sizeLimit: '1GB' is not a quantity (like 500Mi)",
    ),
    spoilt(
        workload(hostNetwork=True),
        f"{CONTAINER}.ports.0.hostPort",
        9090,
        f"{SHOWN}.ports[0].hostPort: must equal containerPort when hostNetwork is on",
    ),
    spoilt(workload(), f"{POD}.restartPolicy", "Never", f"{POD}.restartPolicy: 'Never' is not allowed in a Deployment"),
    spoilt(
        CRON_JOB,
        "spec.jobTemplate.spec.template.spec.restartPolicy",
        None,
        "spec.jobTemplate.spec.template.spec.restartPolicy: 'Always' is not allowed in a CronJob",
    ),
    spoilt(
        workload(),
        f"{CONTAINER}.securityContext",
        {"privileged": True, "allowPrivilegeEscalation": False},
        f"{SHOWN}.securityContext: privileged needs allowPrivilegeEscalation",
    ),
]


@pytest.mark.parametrize(("body", "message"), [*SHAPE, *NAMES, *PODS])
def test_refusals(cluster: Cluster, body: dict[str, Any], message: str) -> None:
    """The exact words: they name the field, what is wrong and, where it helps, what was meant."""
    assert cluster.refusal(body) == message


def test_several_problems_are_told_at_once(cluster: Cluster) -> None:
    """Else a user would fix one per run."""
    body = put(put(service(), "spec.ports.0.port", 0), "spec.type", "Public")
    assert cluster.refusal(body) == (
        "2 problems: spec.ports[0].port: 0 is not in 1-65535; "
        "spec.type: 'Public' is not one of ClusterIP, NodePort, LoadBalancer, ExternalName"
    )
