"""Calls inside the mesh behave as declared, and each sidecar knows its own destinations only."""

from __future__ import annotations

import json

import pytest

from derive.application import application
from model import (
    Call,
    DeclarationError,
    External,
    Istio,
    Jaeger,
    Platform,
    PostgreSQL,
    Redis,
    Retry,
    Route,
    Service,
    ServicePolicy,
    seconds,
)
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed, derived, objects, shop

HOSTS = {name: f"{name}.database.internal" for name in ("userdb", "trainingdb", "scheduledb", "progressdb")}


def test_the_namespace_s_rule_and_the_user_service_s_own() -> None:
    """FS-MSH-09 to FS-MSH-11: a field under a name that Istio does not read would eject nobody."""
    rules = objects(application(deployed(SYSTEM), HOSTS), "DestinationRule")
    assert {name: item["spec"] for name, item in rules.items()} == {
        "fitsync-mtls": {
            "host": "*.fitsync.svc.cluster.local",
            "trafficPolicy": {
                "tls": {"mode": "ISTIO_MUTUAL"},
                "loadBalancer": {"simple": "ROUND_ROBIN"},
                "connectionPool": {
                    "tcp": {"maxConnections": 100},
                    "http": {"http1MaxPendingRequests": 50, "http2MaxRequests": 100, "maxRequestsPerConnection": 2},
                },
                "outlierDetection": {
                    "consecutive5xxErrors": 5,
                    "interval": "30s",
                    "baseEjectionTime": "30s",
                    "maxEjectionPercent": 50,
                },
            },
        },
        "user-service": {
            "host": "user-service.fitsync.svc.cluster.local",
            "trafficPolicy": {
                "tls": {"mode": "ISTIO_MUTUAL"},
                "connectionPool": {"http": {"http1MaxPendingRequests": 100, "maxRequestsPerConnection": 1}},
                "outlierDetection": {"consecutive5xxErrors": 3, "interval": "10s", "baseEjectionTime": "30s"},
            },
        },
    }


@pytest.mark.parametrize(
    ("name", "port"),
    [
        ("user-service", 3001),
        ("training-service", 3002),
        ("schedule-service", 8003),
        ("progress-service", 8004),
        ("notification-service", 3005),
    ],
)
def test_internal_services_have_a_timeout_and_no_gateway(name: str, port: int) -> None:
    """FS-MSH-06, FS-MSH-07."""
    host = f"{name}.fitsync.svc.cluster.local"
    assert objects(application(deployed(SYSTEM), HOSTS), "VirtualService")[name]["spec"] == {
        "hosts": [host],
        "http": [{"route": [{"destination": {"host": host, "port": {"number": port}}}], "timeout": "10s"}],
    }


def test_a_sidecar_knows_its_service_s_destinations_only() -> None:
    """Four databases on one port: a sidecar that knew all would send every connection to one of them."""
    plan = application(deployed(SYSTEM), HOSTS)
    assert objects(plan, "Sidecar")["user-service"]["spec"] == {
        "workloadSelector": {"labels": {"app": "user-service"}},
        "egress": [
            {
                "hosts": [
                    "istio-system/*",
                    "kube-system/kube-dns.kube-system.svc.cluster.local",
                    "fitsync/redis.fitsync.svc.cluster.local",
                    "./userdb.database.internal",
                ]
            }
        ],
        "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
    }
    assert objects(plan, "ServiceEntry")["userdb"]["spec"] == {
        "hosts": ["userdb.database.internal"],
        "exportTo": ["."],
        "location": "MESH_EXTERNAL",
        "resolution": "DNS",
        "ports": [{"number": 5432, "name": "tcp-postgres", "protocol": "TCP"}],
    }
    assert set(objects(plan, "ServiceEntry")) == set(HOSTS)


def test_two_databases_on_one_port_get_addresses_of_their_own() -> None:
    """Plain TCP on one port is told apart by address only, which the sidecar's DNS then hands out."""
    stores = (PostgreSQL(name="one"), PostgreSQL(name="two"))

    def configuration(*uses: str) -> str | None:
        plan = derived(shop(stores=stores, services=(Service(name="orders", port=3001, uses=uses),)))
        template = objects(plan, "Deployment")["orders"]["spec"]["template"]
        found: str | None = template["metadata"]["annotations"].get("proxy.istio.io/config")
        return found

    assert configuration("one") is None
    assert json.loads(configuration("one", "two") or "") == {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}


def test_a_routed_service_keeps_its_name_for_the_route() -> None:
    """Two VirtualServices of one name in a namespace would overwrite each other."""
    system = shop(
        routes=(Route(host="orders", to="orders", timeout=seconds(10)),),
        policies=(ServicePolicy(to="orders", timeout=seconds(5), retry=Retry(attempts=2, per_try=seconds(1))),),
    )
    found = objects(derived(system), "VirtualService")
    assert set(found) == {"orders", "orders-internal"}
    assert found["orders-internal"]["spec"]["http"][0]["retries"] == {
        "attempts": 2,
        "perTryTimeout": "1s",
        "retryOn": "5xx,reset,connect-failure,refused-stream",
    }


def test_a_timeout_for_plain_tcp_is_refused() -> None:
    system = shop(stores=(Redis(name="cache"),), policies=(ServicePolicy(to="cache", timeout=seconds(5)),))
    with pytest.raises(DeclarationError) as refusal:
        derived(system)
    assert str(refusal.value) == (
        "policy to 'cache' has a timeout or retries, but 'cache' speaks tcp, whose requests the mesh cannot tell "
        "apart; drop them from policies to 'cache'"
    )


def test_traces_are_let_through_to_the_collector() -> None:
    platform = Platform(mesh=Istio(traces=5), addons=(Jaeger(),))
    plan = derived(shop(platform=platform, calls=(Call(caller="web", callee="orders"),)))
    assert "tracing/jaeger.tracing.svc.cluster.local" in objects(plan, "Sidecar")["web"]["spec"]["egress"][0]["hosts"]
    egress = objects(plan, "CiliumNetworkPolicy")["web-policy"]["spec"]["egress"]
    assert egress[-1]["toPorts"] == [{"ports": [{"port": "4317", "protocol": "TCP"}]}]


def test_a_wildcard_host_is_not_resolved() -> None:
    """Istio refuses to resolve a wildcard by DNS."""
    system = shop(externals=(External(name="cdn", hosts=("*.cdn.example.com",), used_by=("orders",)),))
    assert objects(derived(system), "ServiceEntry")["cdn"]["spec"] == {
        "hosts": ["*.cdn.example.com"],
        "exportTo": ["."],
        "location": "MESH_EXTERNAL",
        "resolution": "NONE",
        "ports": [{"number": 443, "name": "tls", "protocol": "TLS"}],
    }
