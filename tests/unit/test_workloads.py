"""Pods run as declared: image, environment, probes, hardening and sidecar."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest

from derive.application import application
from model import (
    Call,
    DeclarationError,
    ExtraPort,
    PostgreSQL,
    Redis,
    Route,
    Schedule,
    SecretKey,
    Service,
    minutes,
)
from systems.fitsync import SYSTEM
from tests.unit.declared import container, deployed, derived, environment, objects, shop, variables

HOSTS = {name: f"{name}.database.internal" for name in ("userdb", "trainingdb", "scheduledb", "progressdb")}
COMMON = {
    "app.kubernetes.io/part-of": "fitsync",
    "app.kubernetes.io/instance": "fitsync-dev",
    "app.kubernetes.io/managed-by": "pulumi",
}


def test_the_user_service_s_deployment_and_service() -> None:
    """FS-SVC-02, FS-SVC-05 to FS-SVC-07, FS-SVC-09, FS-SVC-10, FS-MSH-12, FS-BYD-06: the whole objects."""
    plan = application(deployed(SYSTEM, tags={"user-service": "2.4.1"}), HOSTS)
    labels = {"app": "user-service", "tier": "application"}
    assert objects(plan, "Service")["user-service"] == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "user-service",
            "namespace": "fitsync",
            "labels": {**COMMON, **labels, "monitoring": "enabled"},
        },
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": "user-service"},
            "ports": [
                {"name": "http", "port": 3001, "targetPort": 3001, "protocol": "TCP"},
                {"name": "metrics", "port": 9090, "targetPort": 9090, "protocol": "TCP", "appProtocol": "http"},
            ],
        },
    }
    found = objects(plan, "Deployment")["user-service"]
    template = found["spec"].pop("template")
    assert found == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "user-service", "namespace": "fitsync", "labels": {**COMMON, **labels}},
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 5,
            "progressDeadlineSeconds": 300,
            "selector": {"matchLabels": {"app": "user-service"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        },
    }
    assert template["metadata"] == {
        "labels": {**labels, "version": "v1", "metrics-port": "9090"},
        "annotations": {
            "sidecar.istio.io/inject": "true",
            "sidecar.istio.io/proxyCPU": "100m",
            "sidecar.istio.io/proxyMemory": "128Mi",
            "sidecar.istio.io/proxyCPULimit": "500m",
            "sidecar.istio.io/proxyMemoryLimit": "256Mi",
        },
    }
    (server,) = template["spec"].pop("containers")
    assert template["spec"] == {
        "serviceAccountName": "user-service",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            {
                "name": "userdb-ca",
                "secret": {"secretName": "userdb-credentials", "items": [{"key": "ca.crt", "path": "ca.crt"}]},
            },
        ],
    }
    server.pop("env")
    probe = {"httpGet": {"path": "/health", "port": 3001}, "timeoutSeconds": 1, "failureThreshold": 3}
    assert server == {
        "name": "user-service",
        "image": "fitsync/user-service:2.4.1",
        "imagePullPolicy": "IfNotPresent",
        "ports": [
            {"name": "http", "containerPort": 3001, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 9090, "protocol": "TCP"},
        ],
        "resources": {
            "requests": {"cpu": "250m", "memory": "256Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": str(PurePosixPath("/", "tmp"))},
            {"name": "userdb-ca", "mountPath": "/etc/database/userdb", "readOnly": True},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
        "livenessProbe": {**probe, "initialDelaySeconds": 30, "periodSeconds": 10, "successThreshold": 1},
        "readinessProbe": {**probe, "initialDelaySeconds": 10, "periodSeconds": 5, "successThreshold": 1},
    }


def test_the_schedule_service_is_told_all_it_needs_and_no_more() -> None:
    """FS-SVC-07, FS-SVC-08, FS-MSG-01, FS-MSG-03, FS-MSG-04, FS-DAT-05, C-25."""
    assert variables(application(deployed(SYSTEM), HOSTS), "schedule-service") == {
        "ENVIRONMENT": "production",
        "PORT": "8003",
        "METRICS_PORT": "9090",
        "DB_HOST": "scheduledb.database.internal",
        "DB_PORT": "5432",
        "DB_NAME": "scheduledb",
        "DB_USER": ("scheduledb-credentials", "username"),
        "DB_PASSWORD": ("scheduledb-credentials", "password"),
        "DB_SSLMODE": "verify-full",
        "DB_SSLROOTCERT": "/etc/database/scheduledb/ca.crt",
        "REDIS_HOST": "redis.fitsync.svc.cluster.local",
        "REDIS_PORT": "6379",
        "REDIS_PASSWORD": ("redis-credentials", "password"),
        "PROFILE_CACHE_TTL": "900",
        "USER_SERVICE_URL": "http://user-service.fitsync.svc.cluster.local:3001",
        "TRAINING_SERVICE_URL": "http://training-service.fitsync.svc.cluster.local:3002",
        "EVENTS_PUBLISH": "booking.created,booking.cancelled,booking.completed",
        "JWT_SECRET": ("jwt-secrets", "jwt-secret"),
    }


def test_the_frontend_is_told_the_public_address_of_its_api() -> None:
    """FS-SVC-08: a browser cannot resolve cluster names."""
    assert variables(application(deployed(SYSTEM, "prod"), HOSTS), "frontend") == {
        "NODE_ENV": "production",
        "PORT": "3000",
        "API_GATEWAY_URL": "http://api-gateway.fitsync.svc.cluster.local:4000",
        "API_GATEWAY_PUBLIC_URL": "https://api.fitsync.com/api",
    }


def test_in_the_cluster_the_database_is_a_service_and_the_mesh_encrypts() -> None:
    """FS-DAT-12."""
    found = variables(application(deployed(SYSTEM, placements={**dict.fromkeys(HOSTS, "cluster")}), {}), "user-service")
    assert (found["DB_HOST"], found["DB_SSLMODE"]) == ("userdb.fitsync.svc.cluster.local", "disable")
    assert "DB_SSLROOTCERT" not in found


def test_several_stores_of_a_kind_have_names_of_their_own() -> None:
    """Two databases under DB_HOST would overwrite each other."""
    system = shop(
        stores=(PostgreSQL(name="one"), PostgreSQL(name="two"), Redis(name="cache")),
        services=(Service(name="orders", port=3001, uses=("one", "two", "cache")),),
    )
    found = variables(derived(system), "orders")
    assert found["ONE_DB_HOST"] == "one.database.internal"
    assert found["TWO_DB_PASSWORD"] == ("two-credentials", "password")
    assert found["REDIS_HOST"] == "cache.shop.svc.cluster.local"
    assert "DB_HOST" not in found


def test_what_the_declaration_sets_wins() -> None:
    own: dict[str, str | SecretKey] = {"NODE_ENV": "test", "TOKEN": SecretKey(secret="tokens", key="one")}
    found = variables(derived(shop(services=(Service(name="orders", port=3001, env=own),))), "orders")
    assert found == {"NODE_ENV": "test", "PORT": "3001", "TOKEN": ("tokens", "one")}


def test_other_protocols_are_told_as_addresses() -> None:
    system = shop(
        services=(
            Service(name="web", port=3000),
            Service(name="orders", port=3001, protocol="grpc", extra_ports=(ExtraPort(name="admin", port=3002),)),
        ),
        calls=(Call(caller="web", callee="orders"),),
    )
    plan = derived(system)
    found = variables(plan, "web")
    assert found["ORDERS_ADDRESS"] == "orders.shop.svc.cluster.local:3001"
    assert found["ORDERS_ADMIN_ADDRESS"] == "orders.shop.svc.cluster.local:3002"
    assert [(port["name"], port["port"]) for port in objects(plan, "Service")["orders"]["spec"]["ports"]] == [
        ("grpc", 3001),
        ("admin", 3002),
    ]


def test_a_scheduled_service_is_a_cron_job_that_nobody_calls() -> None:
    job = Service(name="nightly", schedule=Schedule(cron="0 3 * * *", deadline=minutes(30)))
    plan = derived(shop(services=(job,)))
    assert objects(plan, "Deployment") == objects(plan, "Service") == {}
    spec = objects(plan, "CronJob")["nightly"]["spec"]
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("0 3 * * *", "Forbid")
    run = spec["jobTemplate"]["spec"]
    assert (run["activeDeadlineSeconds"], run["template"]["spec"]["restartPolicy"]) == (1800, "Never")
    assert "livenessProbe" not in run["template"]["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("facts", "image"),
    [
        ({}, "shop/orders:1.0.0"),
        ({"default_tag": "7"}, "shop/orders:7"),
        ({"tags": {"orders": "abc"}, "registry": "r.example/team"}, "r.example/team/shop/orders:abc"),
    ],
)
def test_images_take_their_tag_and_registry_from_the_stack(facts: dict[str, Any], image: str) -> None:
    """FS-CIC-02."""
    assert container(derived(shop(), **facts), "orders")["image"] == image


def test_a_moving_tag_is_asked_for_at_every_start() -> None:
    found = container(derived(shop(), default_tag="latest"), "orders")
    assert (found["image"], found["imagePullPolicy"]) == ("shop/orders:latest", "Always")


def test_a_moving_tag_is_refused_where_the_environment_accepts_none() -> None:
    """FS-BYD-08, C-24."""
    system = shop(environments={"prod": environment(moving_tags=False)})
    with pytest.raises(DeclarationError) as refusal:
        derived(system, "prod", tags={"orders": "latest"})
    assert str(refusal.value) == (
        "service 'orders' has the moving tag 'latest', which environment 'prod' refuses; "
        "set an exact tag for 'orders' in the stack's settings"
    )


def test_a_prefix_is_part_of_the_public_address() -> None:
    system = shop(calls=(Call(caller="web", callee="orders"),), routes=(Route(host="api", prefix="/v1", to="orders"),))
    assert variables(derived(system), "web")["ORDERS_PUBLIC_URL"] == "https://api.dev.shop.example/v1"
