"""FitSync, services: workloads, images, resources, probes, environment, labels."""

from __future__ import annotations

from typing import Any

import pytest

from tests.requirements.fitsync import BACKENDS, CALLS, DATABASES, DOMAINS, PORTS, PYTHON, REPLICAS
from tests.requirements.registered import Manifest, Registered, environment

ADDRESSES = {name: f"http://{name}.fitsync.svc.cluster.local:{port}" for name, port in PORTS.items()}


def deployment(stack: Registered, name: str) -> Any:
    return stack.spec("Deployment", "fitsync", name)


def container(stack: Registered, name: str) -> Manifest:
    """The service's only declared container."""
    (found,) = deployment(stack, name)["template"]["spec"]["containers"]
    assert found["name"] == name
    return dict(found)


@pytest.mark.rows("FS-SVC-01", "FS-SVC-02", "FS-SVC-03", "FS-SVC-10")
@pytest.mark.parametrize(("name", "port"), PORTS.items())
def test_each_service_is_a_deployment_behind_a_cluster_address(spoke: Registered, name: str, port: int) -> None:
    found = container(spoke, name)
    assert found["image"] == f"fitsync/{name}:1.0.0"
    assert environment(found)["PORT"] == str(port)
    assert {"name": "http", "containerPort": port, "protocol": "TCP"} in found["ports"]
    service = spoke.spec("Service", "fitsync", name)
    assert service["type"] == "ClusterIP"
    assert service["ports"][0] == {"name": "http", "port": port, "targetPort": port, "protocol": "TCP"}
    labels = deployment(spoke, name)["template"]["metadata"]["labels"]
    assert service["selector"] == {"app": name} == deployment(spoke, name)["selector"]["matchLabels"]
    assert labels["app"] == name


@pytest.mark.rows("FS-SVC-01", "FS-SVC-02", "FS-SVC-03")
def test_there_is_no_other_service(spoke: Registered) -> None:
    assert set(spoke.manifests("Deployment", "fitsync")) == set(PORTS)
    assert set(spoke.manifests("Service", "fitsync")) == {*PORTS, "redis"}


def replicas(stack: Registered, name: str) -> int:
    """Pods of a service: the Deployment's number, or its autoscaler's least, with which the Deployment begins."""
    scaled = stack.manifests("HorizontalPodAutoscaler", "fitsync").get(name)
    fixed = deployment(stack, name).get("replicas")
    assert scaled is None or scaled["spec"]["minReplicas"] == fixed
    return int(fixed)


@pytest.mark.rows("FS-SVC-04", "FS-AVL-01")
def test_each_environment_runs_its_number_of_replicas(spoke: Registered) -> None:
    wanted = {"dev": 1, "stage": 2, "prod": 3}[spoke.stack]
    assert {name: replicas(spoke, name) for name in PORTS} == dict.fromkeys(PORTS, wanted)
    assert REPLICAS[spoke.stack] == wanted


@pytest.mark.rows("FS-SVC-05")
def test_requests_and_limits(spoke: Registered) -> None:
    wanted = {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}}
    assert {name: container(spoke, name)["resources"] for name in PORTS} == dict.fromkeys(PORTS, wanted)


@pytest.mark.rows("FS-SVC-06", "FS-AVL-02")
@pytest.mark.parametrize(("name", "port"), PORTS.items())
def test_probes_ask_the_services_own_port(spoke: Registered, name: str, port: int) -> None:
    found = container(spoke, name)
    for probe, delay, period in (("livenessProbe", 30, 10), ("readinessProbe", 10, 5)):
        asked = found[probe]
        assert asked["httpGet"] == {"path": "/health", "port": port}
        assert (asked["initialDelaySeconds"], asked["periodSeconds"]) == (delay, period)


@pytest.mark.rows("FS-SVC-07")
def test_the_environment_of_user_service(spoke: Registered) -> None:
    found = environment(container(spoke, "user-service"))
    assert {
        "NODE_ENV": "production",
        "PORT": "3001",
        "DB_HOST": "userdb.database.internal",
        "REDIS_HOST": "redis.fitsync.svc.cluster.local",
        "JWT_SECRET": ("jwt-secrets", "jwt-secret"),
    }.items() <= found.items()


@pytest.mark.rows("FS-SVC-07")
def test_each_runtime_is_told_that_it_is_in_production(spoke: Registered) -> None:
    for name in PORTS:
        found = environment(container(spoke, name))
        told = {key: found[key] for key in ("NODE_ENV", "ENVIRONMENT") if key in found}
        assert told == {"ENVIRONMENT" if name in PYTHON else "NODE_ENV": "production"}, name


@pytest.mark.rows("FS-SVC-08")
@pytest.mark.parametrize("name", PORTS)
def test_each_service_is_told_the_addresses_of_those_that_it_calls_and_no_other(spoke: Registered, name: str) -> None:
    found = environment(container(spoke, name))
    told = {value for value in found.values() if isinstance(value, str) and value.startswith("http://")}
    assert told == {ADDRESSES[callee] for callee in CALLS[name]}


@pytest.mark.rows("FS-SVC-08")
def test_the_frontend_knows_the_public_address(spoke: Registered) -> None:
    found = environment(container(spoke, "frontend"))
    assert f"https://api.{DOMAINS[spoke.stack]}/api" in found.values()


@pytest.mark.rows("FS-SVC-09")
@pytest.mark.parametrize("name", PORTS)
def test_labels_and_metrics_port(spoke: Registered, name: str) -> None:
    service = spoke.manifest("Service", "fitsync", name)
    pod = deployment(spoke, name)["template"]["metadata"]["labels"]
    tier = "application" if name in BACKENDS else "frontend"
    labels = service["metadata"]["labels"]
    assert (labels["app"], labels["tier"]) == (name, tier)
    assert (pod["app"], pod["tier"], pod["version"]) == (name, tier, "v1")
    ports = {port["name"]: (port["port"], port["targetPort"]) for port in service["spec"]["ports"]}
    if name in BACKENDS:
        assert labels["monitoring"] == "enabled"
        assert ports["metrics"] == (9090, 9090)
        opened = container(spoke, name)["ports"]
        assert {"name": "metrics", "containerPort": 9090, "protocol": "TCP"} in opened
    else:
        assert "monitoring" not in labels
        assert set(ports) == {"http"}


@pytest.mark.rows("FS-DAT-05")
def test_each_service_is_given_its_own_database_and_no_other(spoke: Registered) -> None:
    owned = {service: database for database, service in DATABASES.items()}
    for name in PORTS:
        found = environment(container(spoke, name))
        texts = {value if isinstance(value, str) else value[0] for value in found.values()}
        seen = {database for database in DATABASES if any(database in text for text in texts)}
        assert seen == ({owned[name]} if name in owned else set()), name
        if name in owned:
            assert found["DB_HOST"] == f"{owned[name]}.database.internal"
            assert found["DB_PORT"] == "5432"
