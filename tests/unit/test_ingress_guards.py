"""What guards the mesh's ingress gateway, stores with a mode of their own, and refusals of what cannot hold."""

from __future__ import annotations

import re
from typing import Any

import pytest

from derive.addons import addons
from manifests.base import Manifest
from model import (
    Call,
    DeclarationError,
    Identity,
    Istio,
    IstioGateway,
    MySQL,
    NoMesh,
    Observability,
    Platform,
    RateLimit,
    Redis,
    Route,
    Service,
    System,
    Tokens,
    Traefik,
)
from tests.unit.declared import deployed, derived, objects, shop

ISSUER = Identity(issuer="https://id.example", keys="https://keys.id.example/jwks.json")


def guarded(**changes: Any) -> System:
    gateway = IstioGateway(limit=RateLimit(per_second=10, burst=20), identity=ISSUER)
    return shop(routes=(Route(host="@", to="web"),), platform=Platform(ingress=gateway), **changes)


def settings(system: System, kind: str) -> dict[str, Manifest]:
    """Objects of a kind that come with the add-ons, by name."""
    found = (item for addon in addons(deployed(system)) for item in (*addon.objects, *addon.settings))
    return {item["metadata"]["name"]: item for item in found if item["kind"] == kind}


def test_nothing_guards_a_gateway_unless_it_is_declared() -> None:
    plain = shop(routes=(Route(host="@", to="web"),))
    assert settings(plain, "RequestAuthentication") == {}
    assert settings(plain, "EnvoyFilter") == {}


def test_only_the_control_plane_may_fetch_the_keys() -> None:
    """A gateway that could would be a way out of the cluster; one that nobody can fetch refuses every token."""
    (rule,) = settings(guarded(), "RequestAuthentication")["ingress-tokens"]["spec"]["jwtRules"]
    assert (rule["issuer"], rule["jwksUri"]) == (ISSUER.issuer, ISSUER.keys)
    policies = settings(guarded(), "CiliumNetworkPolicy")
    names = [{"matchName": "keys.id.example"}]
    assert names in [rule.get("toFQDNs") for rule in policies["istiod"]["spec"]["egress"]]
    assert names not in [rule.get("toFQDNs") for rule in policies["ingress-gateway"]["spec"]["egress"]]


def test_the_gateway_reaches_the_port_that_is_routed_and_no_other() -> None:
    service = Service.model_validate(
        {"name": "web", "port": 3000, "extra_ports": [{"name": "grpc", "port": 3001, "protocol": "grpc"}]}
    )
    plan = derived(guarded(services=(service,)))
    (gateway, _) = objects(plan, "CiliumNetworkPolicy")["web-policy"]["spec"]["ingress"]
    assert [port["port"] for port in gateway["toPorts"][0]["ports"]] == ["3000"]
    (rule,) = objects(plan, "AuthorizationPolicy")["web-authz"]["spec"]["rules"]
    assert rule["to"][0]["operation"]["ports"] == ["3000"]


def using(*stores: MySQL | Redis) -> System:
    names = [store.name for store in stores]
    return shop(stores=stores, services=(Service(name="orders", port=3001, uses=tuple(names)),))


def test_a_store_with_a_mode_of_its_own_is_under_one_policy_alone() -> None:
    """Of two policies for the same pods Istio obeys the oldest one."""
    found = objects(derived(using(MySQL(name="books", mtls="PERMISSIVE"), Redis(name="cache"))), "PeerAuthentication")
    assert {name: item["spec"].get("selector") for name, item in found.items()} == {
        "shop-mtls": None,
        "books-mtls": {"matchLabels": {"app": "books"}},
        "shop-metrics-9121": {"matchLabels": {"metrics-port": "9121"}},
    }


def test_two_stores_that_differ_in_mode_but_not_in_their_exporters_port_are_refused() -> None:
    with pytest.raises(DeclarationError, match=r"^store 'one' has a mode of its own but shares the port "):
        derived(using(Redis(name="one", mtls="PERMISSIVE"), Redis(name="two")))


def test_a_strict_store_in_a_lenient_mesh_is_still_measured() -> None:
    system = using(Redis(name="cache", mtls="STRICT")).model_copy(
        update={"platform": Platform(mesh=Istio(mtls="PERMISSIVE"))}
    )
    assert objects(derived(system), "PeerAuthentication")["cache-mtls"]["spec"] == {
        "selector": {"matchLabels": {"app": "cache"}},
        "mtls": {"mode": "STRICT"},
        "portLevelMtls": {"9121": {"mode": "PERMISSIVE"}},
    }


def twice() -> System:
    tokens = Tokens(at="web", issuer="https://id.example", keys_from="orders")
    return guarded(tokens=(tokens,), calls=(Call(caller="web", callee="orders"),))


REFUSED = {
    "a burst below the rate": (
        lambda: RateLimit(per_second=10, burst=5),
        "a burst of 5 requests is less than 10 per second; raise RateLimit.burst",
    ),
    "tokens in two places": (twice, "tokens are checked at the ingress (platform.ingress.identity) and at services"),
    "a door outside the mesh": (
        lambda: Platform(ingress=Traefik()),
        "platform.ingress 'traefik' stands outside the mesh, whose services admit its members only; set "
        "platform.ingress to IstioGateway() or Nginx(), or platform.mesh to NoMesh()",
    ),
    "pictures of a mesh that is not there": (
        lambda: Platform(mesh=NoMesh(), observability=Observability(mesh_dashboards=True)),
        "platform.observability.mesh_dashboards show a mesh; set platform.mesh to Istio()",
    ),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_hold_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
