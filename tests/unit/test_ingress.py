"""The doors of a system: hosts, redirects, certificates and routes."""

from __future__ import annotations

import pytest

from derive.application import application
from derive.shapes import SecretPlan
from model import DeclarationError, ExtraPort, NoMesh, Platform, Route, Service
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed, derived, objects, shop

HOSTS = {name: f"{name}.database.internal" for name in ("userdb", "trainingdb", "scheduledb", "progressdb")}


def server(name: str, host: str, certificate: str) -> list[dict[str, object]]:
    return [
        {
            "port": {"number": 80, "name": f"http-{name}", "protocol": "HTTP"},
            "hosts": [host],
            "tls": {"httpsRedirect": True},
        },
        {
            "port": {"number": 443, "name": f"https-{name}", "protocol": "HTTPS"},
            "hosts": [host],
            "tls": {"mode": "SIMPLE", "credentialName": certificate},
        },
    ]


@pytest.mark.parametrize(("env", "domain"), [("prod", "fitsync.com"), ("dev", "dev.fitsync.com")])
def test_four_servers_per_environment(env: str, domain: str) -> None:
    """FS-MSH-01, FS-MSH-02."""
    plan = application(deployed(SYSTEM, env), HOSTS)
    assert objects(plan, "Gateway")["fitsync-gateway"]["spec"] == {
        "selector": {"istio": "ingressgateway"},
        "servers": [
            *server("frontend", f"app.{domain}", "frontend-tls-cert"),
            *server("api", f"api.{domain}", "api-tls-cert"),
        ],
    }


def test_the_two_routes_of_fitsync() -> None:
    """FS-MSH-04, FS-MSH-05, FS-MSH-08: nothing else is bound to the gateway."""
    found = objects(application(deployed(SYSTEM, "prod"), HOSTS), "VirtualService")
    bound = {name: item["spec"] for name, item in found.items() if "gateways" in item["spec"]}
    assert bound == {
        "frontend": {
            "hosts": ["app.fitsync.com"],
            "gateways": ["fitsync-gateway"],
            "http": [
                {
                    "match": [{"uri": {"prefix": "/"}}],
                    "route": [
                        {"destination": {"host": "frontend.fitsync.svc.cluster.local", "port": {"number": 3000}}}
                    ],
                }
            ],
        },
        "api-gateway": {
            "hosts": ["api.fitsync.com"],
            "gateways": ["fitsync-gateway"],
            "http": [
                {
                    "match": [{"uri": {"prefix": "/api"}}],
                    "route": [
                        {"destination": {"host": "api-gateway.fitsync.svc.cluster.local", "port": {"number": 4000}}}
                    ],
                    "timeout": "30s",
                    "retries": {
                        "attempts": 3,
                        "perTryTimeout": "10s",
                        "retryOn": "5xx,reset,connect-failure,refused-stream",
                    },
                }
            ],
        },
    }


def test_certificates_are_where_the_gateway_s_pods_are() -> None:
    """FS-MSH-03: Istio finds them in no other namespace."""
    plans = application(deployed(SYSTEM, "prod"), HOSTS).secrets
    assert [plan for plan in plans if plan.certificate] == [
        SecretPlan(name="frontend-tls-cert", namespace="istio-system", certificate=("app.fitsync.com",)),
        SecretPlan(name="api-tls-cert", namespace="istio-system", certificate=("api.fitsync.com",)),
    ]


def test_longer_prefixes_come_first() -> None:
    """The first match wins: '/' before '/admin' would swallow it."""
    system = shop(routes=(Route(host="www", to="web"), Route(host="www", to="web", prefix="/admin")))
    http = objects(derived(system), "VirtualService")["web"]["spec"]["http"]
    assert [route["match"][0]["uri"]["prefix"] for route in http] == ["/admin", "/"]


def test_several_hosts_of_a_service_have_routes_of_their_own() -> None:
    system = shop(routes=(Route(host="@", to="web"), Route(host="www", to="web")))
    plan = derived(system)
    found = {name: item["spec"]["hosts"] for name, item in objects(plan, "VirtualService").items()}
    assert found == {"web-apex": ["dev.shop.example"], "web-www": ["www.dev.shop.example"]}
    assert [
        item["tls"].get("credentialName") for item in objects(plan, "Gateway")["shop-gateway"]["spec"]["servers"]
    ] == [
        None,
        "shop-tls-cert",
        None,
        "www-tls-cert",
    ]


def test_a_route_into_another_namespace_names_the_gateway_s() -> None:
    system = shop(services=(Service(name="web", port=3000, namespace="front"),), routes=(Route(host="www", to="web"),))
    route = objects(derived(system), "VirtualService")["web"]
    assert route["metadata"]["namespace"] == "front"
    assert route["spec"]["gateways"] == ["shop/shop-gateway"]


def test_two_certificates_for_one_host_are_refused() -> None:
    system = shop(
        routes=(
            Route(host="www", to="web", certificate="one-tls-cert"),
            Route(host="www", to="web", prefix="/x", certificate="two-tls-cert"),
        )
    )
    with pytest.raises(DeclarationError) as refusal:
        derived(system)
    assert str(refusal.value) == (
        "routes of host 'www' name two certificates, 'one-tls-cert' and 'two-tls-cert'; name one"
    )


def test_routes_without_a_mesh_are_refused() -> None:
    with pytest.raises(DeclarationError) as refusal:
        derived(shop(routes=(Route(host="www", to="web"),), platform=Platform(mesh=NoMesh())))
    assert str(refusal.value) == (
        "system 'shop' has public names but no mesh, whose ingress gateway serves them; "
        "set platform.mesh to Istio, platform.ingress to Nginx or Traefik, or remove the routes and hosts"
    )


def test_a_route_to_a_port_that_answers_no_requests_is_refused() -> None:
    extra = (ExtraPort(name="grpc", port=3002, protocol="grpc"), ExtraPort(name="raw", port=3003, protocol="tcp"))
    services = (Service(name="web", port=3000, extra_ports=extra),)
    assert shop(services=services, routes=(Route(host="www", to="web", port=3002),)).routes[0].port == 3002
    with pytest.raises(ValueError, match="'web' answers no requests on 3003; it does on: 3000, 3002"):
        shop(services=services, routes=(Route(host="www", to="web", port=3003),))


def test_a_route_to_what_serves_no_port_is_refused() -> None:
    system = shop(services=(Service(name="job"),), routes=(Route(host="www", to="job"),))
    with pytest.raises(DeclarationError) as refusal:
        derived(system)
    assert str(refusal.value) == "service 'job' serves no port; give services['job'] a port"
