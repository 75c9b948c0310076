"""FitSync, mesh and traffic: gateway, routes, connection limits, sidecars."""

from __future__ import annotations

import pytest

from tests.requirements.fitsync import DOMAINS, INTERNAL, PORTS
from tests.requirements.registered import Registered


def inside(name: str) -> str:
    return f"{name}.fitsync.svc.cluster.local"


def destination(name: str) -> list[dict[str, object]]:
    return [{"destination": {"host": inside(name), "port": {"number": PORTS[name]}}}]


@pytest.mark.rows("FS-MSH-01", "FS-MSH-02", "FS-EDG-03")
def test_the_gateway_redirects_and_terminates_tls_for_both_hosts(spoke: Registered) -> None:
    def server(host: str, name: str, tls: dict[str, object]) -> dict[str, object]:
        secure = name.startswith("https")
        port = {"number": 443 if secure else 80, "name": name, "protocol": "HTTPS" if secure else "HTTP"}
        return {"hosts": [f"{host}.{DOMAINS[spoke.stack]}"], "port": port, "tls": tls}

    redirect: dict[str, object] = {"httpsRedirect": True}
    assert spoke.spec("Gateway", "fitsync", "fitsync-gateway") == {
        "selector": {"istio": "ingressgateway"},
        "servers": [
            server("app", "http-frontend", redirect),
            server("app", "https-frontend", {"mode": "SIMPLE", "credentialName": "frontend-tls-cert"}),
            server("api", "http-api", redirect),
            server("api", "https-api", {"mode": "SIMPLE", "credentialName": "api-tls-cert"}),
        ],
    }


@pytest.mark.rows("FS-MSH-01")
def test_host_names_differ_between_environments(spokes: dict[str, Registered]) -> None:
    hosts = {
        name: {host for server in spec["servers"] for host in server["hosts"]}
        for name, stack in spokes.items()
        for spec in [stack.spec("Gateway", "fitsync", "fitsync-gateway")]
    }
    assert hosts == {
        "dev": {"app.dev.fitsync.com", "api.dev.fitsync.com"},
        "stage": {"app.stage.fitsync.com", "api.stage.fitsync.com"},
        "prod": {"app.fitsync.com", "api.fitsync.com"},
    }


@pytest.mark.rows("FS-MSH-04")
def test_the_app_host_leads_to_the_frontend(spoke: Registered) -> None:
    assert spoke.spec("VirtualService", "fitsync", "frontend") == {
        "hosts": [f"app.{DOMAINS[spoke.stack]}"],
        "gateways": ["fitsync-gateway"],
        "http": [{"match": [{"uri": {"prefix": "/"}}], "route": destination("frontend")}],
    }


@pytest.mark.rows("FS-MSH-05")
def test_the_api_host_leads_to_the_api_gateway_within_thirty_seconds(spoke: Registered) -> None:
    assert spoke.spec("VirtualService", "fitsync", "api-gateway") == {
        "hosts": [f"api.{DOMAINS[spoke.stack]}"],
        "gateways": ["fitsync-gateway"],
        "http": [
            {
                "match": [{"uri": {"prefix": "/api"}}],
                "route": destination("api-gateway"),
                "timeout": "30s",
                "retries": {
                    "attempts": 3,
                    "perTryTimeout": "10s",
                    "retryOn": "5xx,reset,connect-failure,refused-stream",
                },
            }
        ],
    }


@pytest.mark.rows("FS-MSH-06", "FS-MSH-07")
@pytest.mark.parametrize(
    "name", ["user-service", "training-service", "schedule-service", "progress-service", "notification-service"]
)
def test_internal_routes_give_up_after_ten_seconds_and_have_no_gateway(spoke: Registered, name: str) -> None:
    assert spoke.spec("VirtualService", "fitsync", name) == {
        "hosts": [inside(name)],
        "http": [{"route": destination(name), "timeout": "10s"}],
    }


@pytest.mark.rows("FS-MSH-08")
def test_only_frontend_and_api_gateway_are_published(spoke: Registered) -> None:
    published = {
        route["destination"]["host"]
        for item in spoke.manifests("VirtualService").values()
        if set(item["spec"].get("gateways", ["mesh"])) != {"mesh"}
        for kind in ("http", "tls", "tcp")
        for rule in item["spec"].get(kind, ())
        for route in rule["route"]
    }
    assert published == {inside("frontend"), inside("api-gateway")}
    assert set(spoke.manifests("Gateway")) == {"fitsync/fitsync-gateway"}
    assert set(spoke.manifests("VirtualService", "fitsync")) == {"frontend", "api-gateway", *INTERNAL}


@pytest.mark.rows("FS-MSH-09", "FS-MSH-10")
def test_every_call_is_mutual_tls_with_limits_and_ejection(spoke: Registered) -> None:
    assert spoke.spec("DestinationRule", "fitsync", "fitsync-mtls") == {
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
    }


@pytest.mark.rows("FS-MSH-11")
def test_user_service_has_limits_of_its_own(spoke: Registered) -> None:
    assert spoke.spec("DestinationRule", "fitsync", "user-service") == {
        "host": inside("user-service"),
        "trafficPolicy": {
            "tls": {"mode": "ISTIO_MUTUAL"},
            "connectionPool": {"http": {"http1MaxPendingRequests": 100, "maxRequestsPerConnection": 1}},
            "outlierDetection": {"consecutive5xxErrors": 3, "interval": "10s", "baseEjectionTime": "30s"},
        },
    }
    assert set(spoke.manifests("DestinationRule")) == {"fitsync/fitsync-mtls", "fitsync/user-service"}


@pytest.mark.rows("FS-MSH-12")
def test_every_pod_of_the_application_gets_a_sidecar(spoke: Registered) -> None:
    """The namespace's label counts, unless a pod opts out; the annotation alone does nothing."""
    assert spoke.manifests("Namespace")["fitsync"]["metadata"]["labels"]["istio-injection"] == "enabled"
    found = {name: template for _, name, template in spoke.pods() if name.startswith("fitsync/")}
    assert set(found) == {f"fitsync/{name}" for name in (*PORTS, "redis")}
    for template in found.values():
        assert template["metadata"]["labels"].get("sidecar.istio.io/inject", "true") == "true"
        assert template["metadata"]["annotations"]["sidecar.istio.io/inject"] == "true"
        assert not template["spec"].get("hostNetwork", False), "Istio leaves out pods on the host's network"


@pytest.mark.rows("FS-MSH-13")
def test_every_port_says_its_protocol(spoke: Registered) -> None:
    found = {
        name: {
            port["port"]: port.get("appProtocol") or port["name"].partition("-")[0] for port in item["spec"]["ports"]
        }
        for name, item in spoke.manifests("Service", "fitsync").items()
    }
    metrics = {name: {9090: "http"} if name != "frontend" else {} for name in PORTS}
    services = {name: {port: "http", **metrics[name]} for name, port in PORTS.items()}
    assert found == {**services, "redis": {6379: "tcp", 9121: "http"}}
    assert spoke.spec("Service", "fitsync", "redis")["ports"][0]["name"] == "tcp-redis"
