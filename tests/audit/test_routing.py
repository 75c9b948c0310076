"""Mesh routing: which proxies know a host, and where calls to it are led."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from audit.doors import CLOSED, NO_ROUTE, REDIRECT, Door, Doors
from audit.mtls import ClientModes
from audit.population import Actor, Population
from audit.requests import Request
from audit.routing import Routing
from audit.services import Hosts
from tests.audit.small import API, DB, HOST, OTHER, WEB, manifest, pod, registry

ROOT = "istio-system"
CANARY = pod("canary", version="v2")
ENTRANCE = Actor("entrance", "pod", ROOT, {"istio": "ingressgateway"}, account="entrance", proxy="gateway")
POPULATION = Population((WEB, API, DB, OTHER, CANARY, HOST, ENTRANCE))
GET = Request("GET", "/any-other-path")


def networking(kind: str, spec: Mapping[str, Any], name: str = "one", namespace: str = "shop") -> dict[str, Any]:
    return manifest(kind, "networking.istio.io/v1", spec, name, namespace)


def service(name: str, namespace: str = "shop", port: int = 80, target: int | str = 8080) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": port, "targetPort": target}]}
    return manifest("Service", "v1", spec, name, namespace)


SERVICES = (service("api"), service("web"), service("canary"), service("other", "far"))


def fqdn(name: str, namespace: str = "shop") -> str:
    return f"{name}.{namespace}.svc.cluster.local"


def sidecar(hosts: list[str], name: str = "web", labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    selector = {"workloadSelector": {"labels": labels}} if labels else {}
    return networking("Sidecar", {**selector, "egress": [{"hosts": hosts}], **spec}, name)


def routing(*objects: dict[str, Any], mode: str = "REGISTRY_ONLY") -> Routing:
    found = registry(*SERVICES, *objects)
    hosts = Hosts(found, POPULATION)
    return Routing(found, POPULATION, hosts, ClientModes(found, ROOT), ROOT, mode)


def led(
    *objects: dict[str, Any],
    to: str = "api",
    port: int = 8080,
    request: Request | None = GET,
    mode: str = "REGISTRY_ONLY",
) -> set[str]:
    found = routing(*objects, mode=mode).admitted(POPULATION.by_name[to], ("TCP", port), request)
    return set(POPULATION.names(found))


MESHED = {"web", "api", "other", "canary"}


def test_without_a_sidecar_every_host_is_known() -> None:
    assert led() == MESHED


def test_a_port_without_a_service_is_reached_by_nobody() -> None:
    assert led(port=8081) == set()
    assert led(port=8081, mode="ALLOW_ANY") == MESHED


@pytest.mark.parametrize(
    ("hosts", "known"),
    [
        (["shop/" + fqdn("api")], True),
        (["./" + fqdn("api")], True),
        (["*/" + fqdn("api")], True),
        (["./*"], True),
        (["*/*"], True),
        (["shop/*.shop.svc.cluster.local"], True),
        (["far/*"], False),
        (["far/" + fqdn("api")], False),
        (["~/*"], False),
        (["shop/" + fqdn("web")], False),
    ],
)
def test_hosts_of_a_sidecar(hosts: list[str], known: bool) -> None:
    assert ("web" in led(sidecar(hosts, labels={"app": "web"}))) is known


def test_the_narrowest_sidecar_holds() -> None:
    """The pod's own, its namespace's, the root namespace's; exactly one of them."""
    own = sidecar(["./*"], labels={"app": "web"})
    space = sidecar(["far/*"], "default")
    root = networking("Sidecar", {"egress": [{"hosts": ["far/*"]}]}, "root", ROOT)
    assert led(own, space, root) == {"web"}
    assert led(own, root) == {"web"}
    assert led(space) == {"other"}


def test_a_sidecar_that_lets_unknown_calls_pass() -> None:
    own = sidecar(["far/*"], labels={"app": "web"}, outboundTrafficPolicy={"mode": "ALLOW_ANY"})
    assert "web" in led(own)


def test_a_pod_behind_no_service_is_reached_by_nobody() -> None:
    assert led(to="db") == set()


def test_a_named_target_port() -> None:
    assert led(service("db", target="web"), to="db", port=80) == MESHED
    assert led(service("db", target="web"), to="db") == set()


def virtual(spec: Mapping[str, Any], name: str = "api") -> dict[str, Any]:
    return networking("VirtualService", {"hosts": [name], **spec}, name)


def destination(name: str, **fields: Any) -> dict[str, Any]:
    return {"destination": {"host": fqdn(name), "port": {"number": 80}, **fields}}


def test_a_route_replaces_the_service() -> None:
    moved = virtual({"http": [{"route": [destination("canary")]}]})
    assert led(moved) == set()
    assert led(moved, sidecar([f"./{fqdn('api')}"], labels={"app": "web"}), to="canary") == MESHED


def test_a_route_takes_the_requests_it_matches() -> None:
    split = virtual(
        {
            "http": [
                {"match": [{"uri": {"prefix": "/v2"}}], "route": [destination("canary")]},
                {"route": [destination("api")]},
            ]
        }
    )
    assert "web" in led(split, to="api")
    assert led(split, to="api", request=Request("GET", "/v2/x")) == set()
    only = sidecar([f"./{fqdn('api')}"], labels={"app": "web"})
    assert "web" in led(split, only, to="canary", request=Request("GET", "/v2/x"))
    assert "web" not in led(split, only, to="canary")


@pytest.mark.parametrize(
    "route",
    [
        {"directResponse": {"status": 503}},
        {"redirect": {"uri": "/"}},
        {"fault": {"abort": {"percentage": {"value": 100}}}, "route": [destination("api")]},
        {"route": [destination("api") | {"weight": 0}]},
        {"route": [destination("api", subset="v9")]},
    ],
)
def test_a_route_that_reaches_nobody(route: dict[str, Any]) -> None:
    assert led(virtual({"http": [route]})) == set()


def test_a_subset_reaches_the_pods_that_carry_its_labels() -> None:
    rule = {"host": fqdn("canary"), "subsets": [{"name": "new", "labels": {"version": "v2"}}]}
    found = (networking("DestinationRule", rule), virtual({"http": [{"route": [destination("canary", subset="new")]}]}))
    assert "web" in led(*found, to="canary")


def test_a_match_on_a_header_may_or_may_not_hold() -> None:
    header = {"match": [{"headers": {"x-test": {"exact": "1"}}}], "route": [destination("canary")]}
    both = virtual({"http": [header, {"route": [destination("api")]}]})
    assert "web" in led(both, to="api")
    assert "web" in led(both, to="canary")


def entry(**spec: Any) -> dict[str, Any]:
    ports = [{"number": 5432, "name": "tcp", "protocol": "TCP"}]
    return networking("ServiceEntry", {"hosts": ["db.example"], "ports": ports, **spec})


def test_what_is_outside_needs_an_entry() -> None:
    assert led(to="db.example", port=5432, request=None) == set()
    assert led(entry(), to="db.example", port=5432, request=None) == MESHED
    assert led(entry(), to="db.example", port=5433, request=None) == set()


def test_an_entry_may_stay_in_its_namespace() -> None:
    own = entry(exportTo=["."])
    assert led(own, to="db.example", port=5432, request=None) == MESHED - {"other"}


# -- the doors -------------------------------------------------------------------------------------

SECRET = manifest("Secret", "v1", {}, "cert", ROOT)
GATEWAY = networking(
    "Gateway",
    {
        "selector": {"istio": "ingressgateway"},
        "servers": [
            {"port": {"number": 80, "protocol": "HTTP"}, "hosts": ["a.example"], "tls": {"httpsRedirect": True}},
            {
                "port": {"number": 443, "protocol": "HTTPS"},
                "hosts": ["a.example"],
                "tls": {"mode": "SIMPLE", "credentialName": "cert"},
            },
        ],
    },
    "door",
)


def published(prefix: str = "/", name: str = "api", gateways: tuple[str, ...] = ("door",)) -> dict[str, Any]:
    route = {"match": [{"uri": {"prefix": prefix}}], "route": [destination(name)]}
    spec = {"hosts": ["a.example"], "gateways": list(gateways), "http": [route]}
    return networking("VirtualService", spec, f"{name}-public")


def answer(*objects: dict[str, Any], host: str = "a.example", port: int = 443, path: str = "/") -> str:
    found = registry(*SERVICES, *objects)
    hosts = Hosts(found, POPULATION)
    routes = Routing(found, POPULATION, hosts, ClientModes(found, ROOT), ROOT, "REGISTRY_ONLY")
    return Doors(found, POPULATION, routes, 1 << POPULATION.by_name["entrance"]).answer(Door(host, port, path)).what


def test_a_door_leads_to_its_route() -> None:
    assert answer(GATEWAY, SECRET, published()) == "api:8080"
    assert answer(GATEWAY, SECRET, published(), port=80) == REDIRECT
    assert answer(GATEWAY, SECRET, published(), port=8443) == CLOSED
    assert answer(GATEWAY, SECRET, published(), host="b.example") == CLOSED


def test_a_door_without_a_route_answers_nothing() -> None:
    assert answer(GATEWAY, SECRET) == NO_ROUTE
    assert answer(GATEWAY, SECRET, published("/api")) == NO_ROUTE
    assert answer(GATEWAY, SECRET, published(gateways=("elsewhere",))) == NO_ROUTE
    assert answer(GATEWAY, SECRET, published(gateways=("far/door",))) == NO_ROUTE


def test_a_door_needs_its_certificate_where_the_gateway_is() -> None:
    """C-9: a Secret in the application's namespace is never found."""
    elsewhere = manifest("Secret", "v1", {}, "cert", "shop")
    assert answer(GATEWAY, elsewhere, published()).startswith("no certificate: Secret cert")


def test_a_gateway_that_selects_no_pod_opens_nothing() -> None:
    lost = networking("Gateway", {**GATEWAY["spec"], "selector": {"istio": "elsewhere"}}, "door")
    assert answer(lost, SECRET, published()) == CLOSED


def test_routes_of_one_host_are_merged_and_the_general_one_goes_last() -> None:
    found = (GATEWAY, SECRET, published("/", "api"), published("/web", "web"))
    assert answer(*found, path="/web/x") == "web:8080"
    assert answer(*found, path="/x") == "api:8080"


def test_plain_http_that_is_not_redirected_says_so() -> None:
    server = {"port": {"number": 80, "protocol": "HTTP"}, "hosts": ["*"]}
    open_ = networking("Gateway", {"selector": {"istio": "ingressgateway"}, "servers": [server]}, "door")
    assert answer(open_, published(), port=80) == "api:8080 in plain text"
