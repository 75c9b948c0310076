"""Controllers and networking, kind by kind: what is refused, in which words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.kubernetes_objects import (
    AUTOSCALER,
    BINDING,
    BUDGET,
    CLAIM,
    CONFIG,
    CRON_JOB,
    DEFINITION,
    INGRESS,
    LIMITS,
    POLICY,
    PRIORITY,
    QUOTA,
    ROLE,
    SECRET,
    Cluster,
    helm_chart,
    namespace,
    service,
    spoilt,
    workload,
)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster().apply_all(namespace())


GOOD = [
    *(CLAIM, CRON_JOB, AUTOSCALER, BUDGET, POLICY, INGRESS, LIMITS, QUOTA, ROLE, BINDING, DEFINITION, CONFIG, SECRET),
    *(PRIORITY, service(), workload(), workload("StatefulSet"), workload("DaemonSet"), helm_chart("base")),
]


@pytest.mark.parametrize("body", GOOD, ids=lambda body: body["kind"])
def test_good_objects_are_admitted(cluster: Cluster, body: dict[str, Any]) -> None:
    """A rule that refuses what an API server takes makes the sandbox useless."""
    assert cluster.refusal(body) == ""


CONTROLLERS = [
    spoilt(
        workload(),
        "spec.selector.matchLabels",
        {"app": "other"},
        "spec.selector: does not match the template's labels {'app': 'web'}",
    ),
    spoilt(workload(), "spec.selector", {}, "spec.selector: a Deployment needs a selector that is not empty"),
    spoilt(
        workload(),
        "spec.strategy",
        {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}},
        "spec.strategy.rollingUpdate: is not allowed with type Recreate",
    ),
    spoilt(
        workload(),
        "spec.strategy",
        {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}},
        "spec.strategy.rollingUpdate: maxSurge and maxUnavailable cannot both be 0",
    ),
    spoilt(
        workload(),
        "spec.strategy",
        {"rollingUpdate": {"maxSurge": "many"}},
        "spec.strategy.rollingUpdate.maxSurge: 'many' is neither a number nor a percentage like 25%",
    ),
    spoilt(
        CRON_JOB,
        "spec.schedule",
        "* * * *",
        "spec.schedule: '* * * *' has 4 fields; a schedule has 5 (minute hour day month weekday)",
    ),
    spoilt(
        CRON_JOB,
        "spec.schedule",
        "61 * * * *",
        "spec.schedule: '61 * * * *': '61' is not a minute (0-59)",
    ),
    spoilt(CRON_JOB, "spec.schedule", "5 4-2 * * *", "spec.schedule: '5 4-2 * * *': '4-2' is not a hour (0-23)"),
    spoilt(
        CRON_JOB,
        "spec.schedule",
        "TZ=UTC 5 * * * *",
        "spec.schedule: 'TZ=UTC 5 * * * *' names a time zone; use spec.timeZone",
    ),
    spoilt(
        CRON_JOB,
        "spec.timeZone",
        "Mars/Olympus",
        "spec.timeZone: 'Mars/Olympus' is not an IANA time zone (like Europe/Berlin)",
    ),
    spoilt(AUTOSCALER, "spec.maxReplicas", 1, "spec.maxReplicas: 1 is less than minReplicas 2"),
    spoilt(
        AUTOSCALER,
        "spec.metrics",
        [{"type": "Resource"}],
        "spec.metrics[0]: type Resource needs resource",
    ),
    spoilt(
        AUTOSCALER,
        "spec.metrics.0.resource.target",
        {"type": "Utilization"},
        "spec.metrics[0].resource.target: type Utilization needs averageUtilization",
    ),
    spoilt(BUDGET, "spec.maxUnavailable", 1, "spec: minAvailable and maxUnavailable are mutually exclusive"),
    spoilt(
        BUDGET,
        "spec.minAvailable",
        "half",
        "spec.minAvailable: 'half' is neither a number nor a percentage like 25%",
    ),
    spoilt(
        BUDGET,
        "spec.selector",
        {"matchExpressions": [{"key": "app", "operator": "In"}]},
        "spec.selector.matchExpressions[0].values: operator In needs values",
    ),
    spoilt(CLAIM, "spec.resources", {}, "spec.resources.requests.storage: is required"),
    spoilt(
        CLAIM,
        "spec.resources.requests.storage",
        "big",
        "spec.resources.requests.storage: 'big' is not a positive quantity (like 20Gi)",
    ),
    spoilt(CLAIM, "spec.accessModes", [], "spec.accessModes: at least one is required"),
    spoilt(
        workload("StatefulSet"),
        "spec.volumeClaimTemplates",
        [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {}}}],
        "spec.volumeClaimTemplates[0].spec.resources.requests.storage: is required",
    ),
]
NETWORK = [
    spoilt(service(), "spec.ports", [], "spec.ports: at least one port is required"),
    spoilt(
        service(),
        "spec.ports",
        [{"port": 80}, {"name": "b", "port": 81}],
        "spec.ports[0].name: is required when a Service has more than one port",
    ),
    spoilt(
        service(),
        "spec.ports",
        [{"name": "a", "port": 80}, {"name": "b", "port": 80}],
        "spec.ports: port 80/TCP occurs 2 times",
    ),
    spoilt(
        service(),
        "spec.ports",
        [{"name": "a", "port": 80}, {"name": "a", "port": 81}],
        "spec.ports: port name 'a' occurs 2 times",
    ),
    spoilt(service(), "spec.ports.0.targetPort", 0, "spec.ports[0].targetPort: 0 is not in 1-65535"),
    spoilt(
        service(),
        "spec.ports.0.nodePort",
        30080,
        "spec.ports[0].nodePort: is not allowed with type ClusterIP",
    ),
    spoilt(
        service(type="NodePort"),
        "spec.ports.0.nodePort",
        8080,
        "spec.ports[0].nodePort: 8080 is not in 30000-32767",
    ),
    spoilt(service(), "spec.type", "ExternalName", "spec.externalName: is required for type ExternalName"),
    spoilt(
        service(type="LoadBalancer"),
        "spec.loadBalancerSourceRanges",
        ["10.0.0.1/8"],
        "spec.loadBalancerSourceRanges: '10.0.0.1/8' is not a CIDR block without host bits",
    ),
    spoilt(
        POLICY,
        "spec.egress.0.to.0.ipBlock.cidr",
        "10.0.0.1/8",
        "spec.egress[0].to[0].ipBlock.cidr: '10.0.0.1/8' is not a CIDR block without host bits",
    ),
    spoilt(
        POLICY,
        "spec.egress.0.to.0.ipBlock.except",
        ["11.0.0.0/16"],
        "spec.egress[0].to[0].ipBlock.except: '11.0.0.0/16' is not a block strictly inside 10.0.0.0/8",
    ),
    spoilt(
        POLICY,
        "spec.egress.0.to.0.podSelector",
        {},
        "spec.egress[0].to[0]: ipBlock cannot be combined with selectors",
    ),
    spoilt(POLICY, "spec.egress.0.to.0", {}, "spec.egress[0].to[0]: needs podSelector, namespaceSelector or ipBlock"),
    spoilt(
        POLICY, "spec.egress.0.ports.0.endPort", 7000, "spec.egress[0].ports[0].endPort: 7000 is less than port 8000"
    ),
    spoilt(
        POLICY,
        "spec.egress.0.ports.0.port",
        "http",
        "spec.egress[0].ports[0].endPort: needs port to be a number",
    ),
    spoilt(
        INGRESS,
        "spec.rules.0.http.paths.0.path",
        "x",
        "spec.rules[0].http.paths[0].path: 'x' does not start with '/'",
    ),
    spoilt(
        INGRESS,
        "spec.rules.0.http.paths.0.backend",
        {},
        "spec.rules[0].http.paths[0].backend: needs exactly one of service and resource",
    ),
    spoilt(
        INGRESS,
        "spec.rules.0.http.paths.0.backend.service.port",
        {"number": 80, "name": "http"},
        "spec.rules[0].http.paths[0].backend.service.port: needs exactly one of name and number",
    ),
    spoilt(INGRESS, "spec", {}, "spec: needs rules or defaultBackend"),
    spoilt(
        INGRESS,
        "spec.rules.0.host",
        "Example_com",
        "spec.rules[0].host: 'Example_com' is not an RFC 1123 subdomain (lower-case letters, digits, '-' and '.')",
    ),
]


@pytest.mark.parametrize(("body", "message"), [*CONTROLLERS, *NETWORK])
def test_refusals(cluster: Cluster, body: dict[str, Any], message: str) -> None:
    """The exact words: they name the field, what is wrong and, where it helps, what was meant."""
    assert cluster.refusal(body) == message
