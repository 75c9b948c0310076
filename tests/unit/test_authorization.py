"""Authorization policies admit the declared callers by identity, and nobody else."""

from __future__ import annotations

from derive.application import application
from model import Call, Route, Service
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed, derived, objects, shop

HOSTS = {name: f"{name}.database.internal" for name in ("userdb", "trainingdb", "scheduledb", "progressdb")}
GATEWAY = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"
SCRAPE = {"to": [{"operation": {"ports": ["9090"], "methods": ["GET"], "paths": ["/metrics"]}}]}


def account(*names: str) -> list[dict[str, object]]:
    return [{"source": {"principals": [f"cluster.local/ns/fitsync/sa/{name}" for name in names]}}]


def test_the_drawn_policies_admit_exactly_the_drawn_principals() -> None:
    """FS-SEC-02, FS-SEC-03."""
    policies = objects(application(deployed(SYSTEM), HOSTS), "AuthorizationPolicy")
    assert policies["deny-all"]["spec"] == {}
    assert policies["api-gateway-authz"]["spec"] == {
        "selector": {"matchLabels": {"app": "api-gateway"}},
        "action": "ALLOW",
        "rules": [
            {"from": [{"source": {"principals": [GATEWAY]}}], "to": [{"operation": {"ports": ["4000"]}}]},
            {"from": account("frontend"), "to": [{"operation": {"ports": ["4000"]}}]},
            SCRAPE,
        ],
    }
    assert policies["user-service-authz"]["spec"]["rules"] == [
        {
            "from": account(
                "api-gateway", "training-service", "schedule-service", "progress-service", "notification-service"
            ),
            "to": [{"operation": {"ports": ["3001"]}}],
        },
        SCRAPE,
    ]


def test_redis_admits_its_users_and_neither_frontend_nor_gateway() -> None:
    """FS-SEC-16."""
    rules = objects(application(deployed(SYSTEM), HOSTS), "AuthorizationPolicy")["redis-authz"]["spec"]["rules"]
    users = (
        "api-gateway",
        "user-service",
        "training-service",
        "schedule-service",
        "progress-service",
        "notification-service",
    )
    assert rules == [
        {"from": account(*users), "to": [{"operation": {"ports": ["6379"]}}]},
        {"to": [{"operation": {"ports": ["9121"], "methods": ["GET"], "paths": ["/metrics"]}}]},
    ]


def test_a_caller_s_methods_and_paths_are_its_own() -> None:
    """Two callers with different rights must not share a rule."""
    system = shop(
        services=(
            Service(name="web", port=3000),
            Service(name="batch", port=3002),
            Service(name="orders", port=3001, methods=("GET", "POST")),
        ),
        calls=(
            Call(caller="web", callee="orders"),
            Call(caller="batch", callee="orders", methods=("POST",), paths=("/api/v1/ingest",)),
        ),
        routes=(Route(host="orders", to="orders"),),
    )
    rules = objects(derived(system), "AuthorizationPolicy")["orders-authz"]["spec"]["rules"]
    assert rules == [
        {
            "from": [{"source": {"principals": [GATEWAY]}}],
            "to": [{"operation": {"ports": ["3001"], "methods": ["GET", "POST"]}}],
        },
        {
            "from": [{"source": {"principals": ["cluster.local/ns/shop/sa/web"]}}],
            "to": [{"operation": {"ports": ["3001"], "methods": ["GET", "POST"]}}],
        },
        {
            "from": [{"source": {"principals": ["cluster.local/ns/shop/sa/batch"]}}],
            "to": [{"operation": {"ports": ["3001"], "methods": ["POST"], "paths": ["/api/v1/ingest"]}}],
        },
    ]


def test_a_service_that_nobody_calls_admits_nobody() -> None:
    policy = objects(derived(shop()), "AuthorizationPolicy")["web-authz"]
    assert policy["spec"] == {"selector": {"matchLabels": {"app": "web"}}, "action": "ALLOW"}
