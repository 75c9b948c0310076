"""Neotool's namespace: what it may hold, who reaches whom in it, and who may do what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from derive.quantities import memory_bytes, millicores
from tests.requirements.registered import Registered, containers, environment
from tests.requirements.standard import Pod, passes, pods, policies

HOME = "production"
APPLICATIONS = ("app-service", "security-service")
STRANGER: Pod = (HOME, {"app": "stranger"})
PROMETHEUS: Pod = (HOME, {"app.kubernetes.io/name": "prometheus"})
GRAFANA: Pod = (HOME, {"app.kubernetes.io/name": "grafana"})
TRAEFIK: Pod = ("kube-system", {"app.kubernetes.io/name": "traefik"})


def workloads(stack: Registered) -> Iterator[tuple[str, dict[str, Any]]]:
    for _, name, template in stack.pods():
        home, _, own = name.partition("/")
        if home == HOME:
            yield own, template


@pytest.mark.rows("NT-INF-01", "NT-BEY-06")
def test_the_namespace_exists_and_enforces_pod_security(neotool: Registered) -> None:
    labels = neotool.manifests("Namespace")[HOME]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] in ("baseline", "restricted")


@pytest.mark.rows("NT-INF-02", "NT-INF-03")
def test_the_quota_is_the_declared_one(neotool: Registered) -> None:
    (quota,) = neotool.manifests("ResourceQuota", HOME).values()
    hard = quota["spec"]["hard"]
    assert {key: hard[key] for key in ("requests.cpu", "limits.cpu", "requests.memory", "limits.memory", "pods")} == {
        "requests.cpu": "8",
        "limits.cpu": "12",
        "requests.memory": "16Gi",
        "limits.memory": "24Gi",
        "pods": "50",
    }
    assert hard["requests.storage"] == "340Gi"


@pytest.mark.rows("NT-INF-04")
def test_containers_that_declare_nothing_get_requests_and_limits(neotool: Registered) -> None:
    """The quota refuses pods without them, those of charts included."""
    (limits,) = neotool.manifests("LimitRange", HOME).values()
    (item,) = limits["spec"]["limits"]
    assert item == {
        "type": "Container",
        "defaultRequest": {"cpu": "50m", "memory": "64Mi"},
        "default": {"cpu": "500m", "memory": "512Mi"},
    }


CHART_CONTAINERS = {"kube-prometheus-stack": 6, "grafana": 3, "loki": 1, "vault": 1}
"""Containers of each chart's pods in the namespace that set no limit on CPU: Prometheus and Alertmanager with their
reloaders, the operator, kube-state-metrics; Grafana with two sidecars; Loki; Vault."""


@pytest.mark.rows("NT-INF-05")
def test_long_running_workloads_fit_the_quota(neotool: Registered) -> None:
    """What does not fit stays pending, and nobody is told why: charts and one Job beside them included."""
    (quota,) = neotool.manifests("ResourceQuota", HOME).values()
    (defaults,) = [item["spec"]["limits"][0]["default"] for item in neotool.manifests("LimitRange", HOME).values()]
    hard = quota["spec"]["hard"]
    total = dict.fromkeys(("requests.cpu", "limits.cpu", "requests.memory", "limits.memory"), 0)
    for kind in ("Deployment", "StatefulSet"):
        for item in neotool.manifests(kind, HOME).values():
            for container in item["spec"]["template"]["spec"]["containers"]:
                for side in ("requests", "limits"):
                    asked = container["resources"][side]
                    total[f"{side}.cpu"] += item["spec"]["replicas"] * millicores(asked["cpu"])
                    total[f"{side}.memory"] += item["spec"]["replicas"] * memory_bytes(asked["memory"])
    assert total["requests.cpu"] > 0
    releases = {item["spec"]["chart"]["spec"]["chart"] for item in neotool.manifests("HelmRelease", HOME).values()}
    assert releases == set(CHART_CONTAINERS)
    jobs = [
        millicores(container["resources"]["limits"]["cpu"])
        for name, template in workloads(neotool)
        if name in neotool.manifests("CronJob", HOME)
        for container in template["spec"]["containers"]
    ]
    total["limits.cpu"] += sum(CHART_CONTAINERS.values()) * millicores(defaults["cpu"]) + max(jobs)
    for name, amount in total.items():
        allowed = millicores(hard[name]) if name.endswith("cpu") else memory_bytes(hard[name])
        assert amount <= allowed, name


@pytest.mark.rows("NT-NPL-01")
def test_everything_is_denied_by_default(neotool: Registered) -> None:
    denials = [
        item["spec"] for item in neotool.manifests("NetworkPolicy", HOME).values() if item["spec"]["podSelector"] == {}
    ]
    assert denials == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [], "egress": []}]


@pytest.mark.rows("NT-NPL-02")
def test_pgbouncer_alone_reaches_postgresql_beside_the_backup(neotool: Registered) -> None:
    """With the database's own port, an application gets round the pool, and past its limits."""
    own = dict(pods(neotool, HOME))
    assert "postgres-allow-pgbouncer" in neotool.manifests("NetworkPolicy", HOME)
    reached = {name for name, pod in own.items() if passes(neotool, pod, own["postgres"], 5432)}
    assert reached == {"pgbouncer", "postgres-backup"}
    for outsider in (STRANGER, PROMETHEUS, GRAFANA, TRAEFIK, ("default", own["pgbouncer"][1])):
        assert not passes(neotool, outsider, own["postgres"], 5432)


@pytest.mark.rows("NT-NPL-03")
def test_only_pods_with_the_label_reach_pgbouncer(neotool: Registered) -> None:
    own = dict(pods(neotool, HOME))
    (rule,) = [
        rule
        for rule in neotool.spec("NetworkPolicy", HOME, "pgbouncer-allow-apps")["ingress"]
        if {"port": 6432, "protocol": "TCP"} in rule["ports"]
    ]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"access-pgbouncer": "true"}}}]
    reached = {name for name, pod in own.items() if passes(neotool, pod, own["pgbouncer"], 6432)}
    assert reached == set(APPLICATIONS)
    assert {name for name, (_, labels) in own.items() if labels.get("access-pgbouncer") == "true"} == reached
    assert not passes(neotool, ("default", {"access-pgbouncer": "true"}), own["pgbouncer"], 6432)


@pytest.mark.rows("NT-NPL-04")
def test_what_the_platform_needs_is_allowed(neotool: Registered) -> None:
    vault: Pod = (HOME, {"app.kubernetes.io/name": "vault"})
    loki: Pod = (HOME, {"app.kubernetes.io/name": "loki"})
    external: Pod = ("external-secrets", {"app.kubernetes.io/name": "external-secrets"})
    agent: Pod = ("kube-system", {"app.kubernetes.io/name": "alloy"})
    own = dict(pods(neotool, HOME))
    assert passes(neotool, external, vault, 8200)
    assert passes(neotool, PROMETHEUS, own["postgres"], 9187)
    assert passes(neotool, agent, loki, 3100)
    assert passes(neotool, GRAFANA, PROMETHEUS, 9090)
    assert passes(neotool, GRAFANA, loki, 3100)
    assert not passes(neotool, STRANGER, vault, 8200)
    assert not passes(neotool, STRANGER, loki, 3100)


@pytest.mark.rows("NT-NPL-05")
def test_what_the_applications_need_is_allowed(neotool: Registered) -> None:
    own = dict(pods(neotool, HOME))
    assert {name for name, pod in own.items() if passes(neotool, pod, own["kafka"], 9092)} == {
        *APPLICATIONS,
        "kafka-exporter",
    }
    assert not passes(neotool, STRANGER, own["kafka"], 9092)
    assert passes(neotool, TRAEFIK, own["web"], 3000)
    assert passes(neotool, TRAEFIK, own["apollo-router"], 4000)
    assert passes(neotool, own["web"], own["apollo-router"], 4000)
    for name in APPLICATIONS:
        assert passes(neotool, own["apollo-router"], own[name], 8080)
        assert not passes(neotool, TRAEFIK, own[name], 8080)
        assert not passes(neotool, own["web"], own[name], 8080)


@pytest.mark.rows("NT-NPL-01")
def test_every_workload_has_a_policy_of_its_own(neotool: Registered) -> None:
    """A pod that nothing but the denial holds can do nothing; one that nothing holds can do everything."""
    for name, pod in pods(neotool, HOME):
        for direction in ("Ingress", "Egress"):
            assert len(policies(neotool, pod, direction)) == 2, name


@pytest.mark.rows("NT-SEC-01")
def test_every_workload_runs_under_an_account_of_its_own(neotool: Registered) -> None:
    accounts = set(neotool.manifests("ServiceAccount", HOME))
    used = [template["spec"]["serviceAccountName"] for _, template in workloads(neotool)]
    # cert-manager's, whenever a name is proved.
    for solver in neotool.manifests("ClusterIssuer")["platform"]["spec"]["acme"]["solvers"]:
        used.append(solver["http01"]["ingress"]["podTemplate"]["spec"]["serviceAccountName"])
    assert "default" not in used
    assert len(set(used)) == len(used)
    assert set(used) <= accounts


@pytest.mark.rows("NT-SEC-02")
def test_rights_are_bound_in_the_namespace_and_none_is_total(neotool: Registered) -> None:
    assert neotool.manifests("RoleBinding", HOME)
    bound = [
        item["roleRef"]["name"]
        for kind in ("RoleBinding", "ClusterRoleBinding")
        for item in neotool.manifests(kind).values()
    ]
    assert not {"cluster-admin", "admin"} & set(bound)
    for kind in ("Role", "ClusterRole"):
        for item in neotool.manifests(kind).values():
            for rule in item["rules"]:
                assert not ("*" in rule["verbs"] and "*" in rule["resources"])


@pytest.mark.rows("NT-SEC-03", "NT-APP-04")
def test_secret_values_are_references(neotool: Registered) -> None:
    """Who may read a Deployment or a ConfigMap would otherwise read its passwords."""
    words = ("PASSWORD", "SECRET", "TOKEN", "KEY")
    seen = []
    for name, template in workloads(neotool):
        for container in containers(template):
            for variable, value in environment(container).items():
                if any(word in variable for word in words) and not variable.endswith(("_FILE", "_DIR")):
                    seen.append((name, variable))
                    assert isinstance(value, tuple), f"{name}: {variable} is in clear"
    assert {name for name, _ in seen} >= set(APPLICATIONS)
    synced = {
        item["spec"].get("target", {}).get("name", name)
        for name, item in neotool.manifests("ExternalSecret", HOME).items()
    }
    for name in APPLICATIONS:
        (template,) = [found for own, found in workloads(neotool) if own == name]
        used = {
            value[0] for value in environment(template["spec"]["containers"][0]).values() if isinstance(value, tuple)
        }
        assert used
        assert used <= synced


@pytest.mark.rows("NT-BEY-05")
def test_containers_run_as_nobody_in_particular(neotool: Registered) -> None:
    for name, template in workloads(neotool):
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        for container in containers(template):
            assert container["securityContext"]["allowPrivilegeEscalation"] is False, name


@pytest.mark.rows("NT-BEY-04")
def test_images_have_tags_that_stay(neotool: Registered) -> None:
    for name, template in workloads(neotool):
        for container in containers(template):
            _, _, tag = container["image"].rpartition("/")[2].partition(":")
            assert tag, name
            assert tag != "latest", name
