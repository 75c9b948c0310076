"""Gym's mesh: one host, four paths, how calls behave, and how versions take over."""

from __future__ import annotations

from typing import Any

import pytest

from tests.requirements.gym import CANARIES, COLOURS, GRPC, HOSTS, PATHS, PORTS, STORES, inside
from tests.requirements.registered import Registered

TIMEOUTS = {"frontend": "30s", "admin-panel": "30s", "backend-main": "15s", "backend-stream": "60s"}
POOLS = {"frontend": 100, "admin-panel": 100, "backend-main": 200, "backend-stream": 200}


def door(stack: Registered, name: str) -> Any:
    """The only route from outside to a service."""
    spec = stack.spec("VirtualService", "gym", name)
    assert (spec["hosts"], spec["gateways"]) == ([HOSTS[stack.stack]], ["gym-gateway"])
    (route,) = spec["http"]
    return route


def inner(stack: Registered, name: str) -> list[Any]:
    """The routes to a service inside the mesh, of all its ports."""
    found = stack.manifests("VirtualService", "gym").get(f"{name}-internal", {"spec": {"http": []}})
    return list(found["spec"]["http"])


def rule(stack: Registered, name: str) -> Any:
    spec = stack.spec("DestinationRule", "gym", name)
    assert spec["host"] == inside(name)
    return spec["trafficPolicy"]


@pytest.mark.rows("GY-MSH-01", "GY-MSH-02", "GY-BYD-08")
def test_the_gateway_redirects_on_80_and_terminates_tls_on_443(gym: Registered) -> None:
    host = [HOSTS[gym.stack]]
    assert gym.spec("Gateway", "gym", "gym-gateway") == {
        "selector": {"istio": "ingressgateway"},
        "servers": [
            {
                "hosts": host,
                "port": {"number": 80, "name": "http-gym", "protocol": "HTTP"},
                "tls": {"httpsRedirect": True},
            },
            {
                "hosts": host,
                "port": {"number": 443, "name": "https-gym", "protocol": "HTTPS"},
                "tls": {"mode": "SIMPLE", "credentialName": "gym-tls-cert"},
            },
        ],
    }
    secret = gym.manifest("Secret", "istio-system", "gym-tls-cert")
    assert (secret["type"], set(secret["stringData"])) == ("kubernetes.io/tls", {"tls.crt", "tls.key"})


@pytest.mark.rows("GY-MSH-03", "GY-MSH-04", "GY-MSH-05", "GY-MSH-06", "GY-MSH-19")
def test_each_path_leads_to_its_service(gym: Registered) -> None:
    """Istio puts a route that catches everything after all others of a host (istio: SortVHostRoutes)."""
    for name, path in PATHS.items():
        route = door(gym, name)
        assert route["match"] == [{"uri": {"prefix": path}}]
        for to in route["route"]:
            assert to["destination"]["host"] == inside(name)
            assert to["destination"]["port"] == {"number": PORTS[name]}
    outside = [item for item in gym.manifests("VirtualService").values() if "gateways" in item["spec"]]
    assert len(outside) == len(PATHS)


@pytest.mark.rows("GY-MSH-19")
def test_hosts_differ_between_environments(gyms: dict[str, Registered]) -> None:
    assert [stack.spec("VirtualService", "gym", "frontend")["hosts"] for stack in gyms.values()] == [
        ["dev.gym.example.com"],
        ["gym.example.com"],
    ]


@pytest.mark.rows("GY-MSH-07", "GY-MSH-08")
def test_timeouts_and_retries(gym: Registered) -> None:
    for name, timeout in TIMEOUTS.items():
        assert door(gym, name)["timeout"] == timeout
        assert {route["timeout"] for route in inner(gym, name)} <= {timeout}, "of any that is reached inside the mesh"
    for name in ("frontend", "admin-panel", "backend-main"):
        retries = door(gym, name)["retries"]
        assert (retries["attempts"], retries["perTryTimeout"]) == (3, "2s")
        assert {"5xx", "reset", "connect-failure"} <= set(retries["retryOn"].split(","))
    main, stream = inner(gym, "backend-main"), inner(gym, "backend-stream")
    assert [len(routes) for routes in (main, stream)] == [2, 2]
    assert {(route["retries"]["attempts"], route["retries"]["perTryTimeout"]) for route in main} == {(3, "2s")}


@pytest.mark.rows("GY-MSH-09")
def test_a_long_poll_is_repeated_only_where_no_connection_came_about(gym: Registered) -> None:
    wanted = {"attempts": 3, "retryOn": "connect-failure,refused-stream"}
    assert door(gym, "backend-stream")["retries"] == wanted
    assert all(route["retries"] == wanted for route in inner(gym, "backend-stream"))


@pytest.mark.rows("GY-MSH-10", "GY-MSH-11", "GY-MSH-12")
def test_balance_pools_and_breakers_of_the_services(gym: Registered) -> None:
    for name, connections in POOLS.items():
        assert rule(gym, name) == {
            "tls": {"mode": "ISTIO_MUTUAL"},
            "loadBalancer": {"simple": "LEAST_REQUEST"},
            "connectionPool": {"tcp": {"maxConnections": connections}},
            "outlierDetection": {
                "consecutive5xxErrors": 5,
                "interval": "30s",
                "baseEjectionTime": "30s",
                "maxEjectionPercent": 50,
            },
        }


@pytest.mark.rows("GY-MSH-13", "GY-MSH-14", "GY-SEC-02")
def test_stores_have_pools_and_connect_timeouts_and_no_breaker(gym: Registered) -> None:
    for name, connections, timeout in (("mysql", 50, "30s"), ("redis", 100, "5s")):
        assert rule(gym, name) == {
            "tls": {"mode": "ISTIO_MUTUAL"},
            "loadBalancer": {"simple": "ROUND_ROBIN"},
            "connectionPool": {"tcp": {"maxConnections": connections, "connectTimeout": timeout}},
        }


@pytest.mark.rows("GY-MSH-15")
def test_every_pod_has_a_sidecar(gym: Registered) -> None:
    assert gym.manifests("Namespace")["gym"]["metadata"]["labels"]["istio-injection"] == "enabled"
    own = {name: template for _, name, template in gym.pods() if name.startswith("gym/")}
    assert set(own) == {f"gym/{name}" for name in (*PORTS, *STORES, "mysql-backup")}
    for template in own.values():
        assert template["metadata"]["annotations"]["sidecar.istio.io/inject"] == "true"


@pytest.mark.rows("GY-MSH-16")
def test_backends_are_released_as_canaries_by_weights(gym: Registered) -> None:
    for name in CANARIES:
        strategy = gym.spec("Rollout", "gym", name)["strategy"]["canary"]
        assert [step["setWeight"] for step in strategy["steps"] if "setWeight" in step] == [5, 25, 50, 100]
        routing = strategy["trafficRouting"]["istio"]
        assert routing["destinationRule"] == {
            "name": name,
            "stableSubsetName": "stable",
            "canarySubsetName": "canary",
        }
        subsets = gym.spec("DestinationRule", "gym", name)["subsets"]
        assert [item["name"] for item in subsets] == ["stable", "canary"]
        for moved in routing["virtualServices"]:
            routes = gym.spec("VirtualService", "gym", moved["name"])["http"]
            assert [route["name"] for route in routes] == moved["routes"]
            for route in routes:
                shares = {to["destination"]["subset"]: to["weight"] for to in route["route"]}
                assert shares == {"stable": 100, "canary": 0}
        leading = {
            key
            for key, item in gym.manifests("VirtualService", "gym").items()
            for route in item["spec"]["http"]
            for to in route["route"]
            if to["destination"]["host"] == inside(name)
        }
        assert {moved["name"] for moved in routing["virtualServices"]} == leading


@pytest.mark.rows("GY-MSH-17")
def test_user_interfaces_are_released_by_blue_and_green(gym: Registered) -> None:
    for name in COLOURS:
        strategy = gym.spec("Rollout", "gym", name)["strategy"]["blueGreen"]
        assert (strategy["activeService"], strategy["previewService"]) == (name, f"{name}-preview")
        for service in (name, f"{name}-preview"):
            assert gym.spec("Service", "gym", service)["selector"] == {"app": name}
        (tested,) = strategy["prePromotionAnalysis"]["templates"]
        assert tested["templateName"] in gym.manifests("AnalysisTemplate", "gym")


@pytest.mark.rows("GY-MSH-18")
def test_ports_declare_their_protocol(gym: Registered) -> None:
    for name, number in PORTS.items():
        ports = {port["port"]: port for port in gym.spec("Service", "gym", name)["ports"]}
        assert ports[number]["name"] == "http"
        if name in GRPC:
            assert ports[GRPC[name]]["name"] == "grpc"
    for name, number in STORES.items():
        ports = {port["port"]: port for port in gym.spec("Service", "gym", name)["ports"]}
        assert ports[number].get("appProtocol", "tcp") == "tcp"
        assert ports[number]["name"] in ("mysql", "tcp-redis")
