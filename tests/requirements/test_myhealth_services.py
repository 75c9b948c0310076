"""myHealth's services: what runs, how often, with what, and how it grows."""

from __future__ import annotations

import pytest

from tests.requirements.myhealth import ACCOUNT, environment
from tests.requirements.registered import Manifest, Registered, containers
from tests.requirements.registered import environment as variables


def template(stack: Registered, name: str) -> Manifest:
    """The pod template of a service."""
    found: dict[str, Manifest] = {where: item for _, where, item in stack.pods()}
    return found[f"myhealth/{name}"]


def main(stack: Registered, name: str) -> Manifest:
    (container,) = template(stack, name)["spec"]["containers"]
    return dict(container)


@pytest.mark.rows("MH-SVC-01", "MH-MSH-07")
def test_the_collector_runs_every_five_minutes_never_twice_at_once_and_ends(myhealth: Registered) -> None:
    job = myhealth.spec("CronJob", "myhealth", "oura-collector")
    assert (job["schedule"], job["concurrencyPolicy"]) == ("*/5 * * * *", "Forbid")
    assert job["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 240
    assert template(myhealth, "oura-collector")["spec"]["restartPolicy"] == "Never"
    assert myhealth.charts["istiod"].values["env"]["ENABLE_NATIVE_SIDECARS"] == "true"


@pytest.mark.rows("MH-SVC-02", "MH-MSG-01", "MH-OBS-03")
def test_the_collector_knows_whom_it_asks_and_whom_it_tells(myhealth: Registered) -> None:
    container = main(myhealth, "oura-collector")
    told = variables(container)
    assert told["OURA_API_KEY"] == ("oura-api-key", "token")
    assert (told["PROCESSOR_URL"], told["LOG_LEVEL"]) == ("http://data-processor:8080", "info")
    assert container["resources"]["requests"] == {"cpu": "100m", "memory": "128Mi"}
    assert told["PUSHGATEWAY_URL"] == "http://prometheus-pushgateway.monitoring.svc.cluster.local:9091"
    assert myhealth.charts["prometheus-pushgateway"].namespace == "monitoring"
    (monitor,) = [item for name, item in myhealth.manifests("PodMonitor").items() if "pushgateway" in name]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["portNumber"], endpoint["honorLabels"]) == (9091, True)
    assert not {"sqs.Queue", "sns.Topic", "mq.Broker", "msk.Cluster", "elasticache.ReplicationGroup"} & myhealth.kinds


@pytest.mark.rows("MH-SVC-03")
def test_images_come_from_the_account_s_registry_by_a_fixed_tag(myhealth: Registered) -> None:
    for name in ("oura-collector", "data-processor", "api-service"):
        assert main(myhealth, name)["image"] == (f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/myhealth/{name}:3f9c2d1")


@pytest.mark.rows("MH-SVC-04", "MH-SVC-05", "MH-SVC-06")
def test_two_services_answer_inside_the_cluster(myhealth: Registered) -> None:
    for name in ("data-processor", "api-service"):
        service = myhealth.spec("Service", "myhealth", name)
        assert service.get("type", "ClusterIP") == "ClusterIP"
        assert 8080 in {port["port"] for port in service["ports"]}
        container = main(myhealth, name)
        for probe in ("readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["path"] == "/health"


@pytest.mark.rows("MH-SVC-07", "MH-SVC-08")
def test_services_know_their_database_and_the_api_its_key(myhealth: Registered) -> None:
    host = myhealth.one("rds.Instance").outputs["address"]
    for name in ("data-processor", "api-service"):
        told = variables(main(myhealth, name))
        assert (told["DB_HOST"], told["DB_PORT"], told["DB_NAME"]) == (host, "5432", "myhealth")
        assert told["DB_PASSWORD"] == (f"{name}-myhealth-credentials", "password")
    told = variables(main(myhealth, "api-service"))
    assert (told["JWT_PRIVATE_KEY"], told["JWT_EXPIRY"]) == (("jwt-secret", "private-key"), "24h")
    assert told.get("DEFAULT_USER_ID") == ("1" if environment(myhealth) == "dev" else None)


@pytest.mark.rows("MH-SVC-09")
def test_dev_asks_for_less_than_prod(myhealth: Registered) -> None:
    wanted = {"dev": ("100m", "128Mi", "256Mi"), "prod": ("250m", "256Mi", "512Mi")}[environment(myhealth)]
    for name in ("data-processor", "api-service"):
        asked = main(myhealth, name)["resources"]
        assert (asked["requests"]["cpu"], asked["requests"]["memory"], asked["limits"]["memory"]) == wanted


@pytest.mark.rows("MH-SVC-04", "MH-SVC-05", "MH-SCL-01", "MH-SCL-02", "MH-SCL-03")
def test_pods_grow_by_cpu_and_by_requests(myhealth: Registered) -> None:
    found = {name: item["spec"] for name, item in myhealth.manifests("HorizontalPodAutoscaler", "myhealth").items()}
    sizes = {name: (spec["minReplicas"], spec["maxReplicas"]) for name, spec in found.items()}
    assert sizes == {"data-processor": (2, 5), "api-service": (3, 10)}
    (cpu,) = found["data-processor"]["metrics"]
    assert cpu["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    (requests,) = found["api-service"]["metrics"]
    assert requests["pods"] == {
        "metric": {"name": "http_requests_per_second"},
        "target": {"type": "AverageValue", "averageValue": "100"},
    }
    adapter = myhealth.charts["prometheus-adapter"].values
    assert [rule["name"]["as"] for rule in adapter["rules"]["custom"]] == ["http_requests_per_second"]
    assert adapter["prometheus"]["url"].endswith("kube-prometheus-stack-prometheus.monitoring.svc.cluster.local")


@pytest.mark.rows("MH-SCL-04", "MH-BEY-05")
def test_nodes_can_be_drained_and_releases_lose_nobody(myhealth: Registered) -> None:
    for name in ("data-processor", "api-service"):
        budget = myhealth.spec("PodDisruptionBudget", "myhealth", name)
        assert budget["maxUnavailable"] == 1
        pods = template(myhealth, name)["spec"]
        keys = {item["topologyKey"] for item in pods["topologySpreadConstraints"]}
        assert "topology.kubernetes.io/zone" in keys
        assert pods["terminationGracePeriodSeconds"] > 10
    rolling = myhealth.spec("Deployment", "myhealth", "data-processor")["strategy"]["rollingUpdate"]
    assert rolling["maxUnavailable"] in (0, 1)


@pytest.mark.rows("MH-BEY-03", "MH-BEY-04", "MH-SEC-06")
def test_pods_are_hardened_and_bounded(myhealth: Registered) -> None:
    labels = myhealth.manifests("Namespace")["myhealth"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for _, name, item in myhealth.pods():
        if not name.startswith("myhealth/"):
            continue
        assert item["spec"]["automountServiceAccountToken"] is False
        assert item["spec"]["securityContext"]["runAsNonRoot"] is True
        assert item["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(item):
            security = container["securityContext"]
            assert (security["allowPrivilegeEscalation"], security["capabilities"]) == (False, {"drop": ["ALL"]})
            assert container["resources"]["requests"]["memory"]
            assert container["resources"]["limits"]["memory"]


@pytest.mark.rows("MH-OPS-03")
def test_the_namespace_is_bounded_and_fits_full_scale(myhealth: Registered) -> None:
    (quota,) = myhealth.manifests("ResourceQuota", "myhealth").values()
    assert int(quota["spec"]["hard"]["pods"]) >= 16
    (limits,) = myhealth.manifests("LimitRange", "myhealth").values()
    (container,) = [item for item in limits["spec"]["limits"] if item["type"] == "Container"]
    assert container["default"]
    assert container["defaultRequest"]
