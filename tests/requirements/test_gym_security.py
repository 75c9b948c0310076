"""Gym's security: identities, who may ask for what, and what the gateway lets in at all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.requirements.gym import COLOURS, GRPC, IDENTITY, PORTS, STORES, callers, served, workload
from tests.requirements.policies import INGRESS, account
from tests.requirements.registered import Registered

PAGES = {"GET", "HEAD", "POST"}
METHODS = {
    "frontend": PAGES,
    "admin-panel": PAGES,
    "backend-main": {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"},
    "backend-stream": {"GET", "HEAD", "POST", "OPTIONS"},
}
Call = tuple[str, int, frozenset[str], frozenset[str]]
"""Principal, port, methods, paths; no methods or no paths: all."""


def admitted(stack: Registered, name: str) -> set[Call]:
    """Every call that a workload's own policy lets in; ``*`` is a caller without an identity."""
    spec = stack.spec("AuthorizationPolicy", "gym", f"{name}-authz")
    assert (spec["action"], spec["selector"]["matchLabels"]) == ("ALLOW", {"app": name})
    found: set[Call] = set()
    for rule in spec.get("rules", ()):
        assert rule.keys() <= {"from", "to"}
        ((operation,),) = ([item["operation"] for item in rule["to"]],)
        assert operation.keys() <= {"ports", "methods", "paths"}
        sources = [name for item in rule.get("from", [{"source": {"principals": ["*"]}}]) for name in _principals(item)]
        for source in sources:
            for port in operation["ports"]:
                methods, paths = frozenset(operation.get("methods", ())), frozenset(operation.get("paths", ()))
                found.add((source, int(port), methods, paths))
    return found


def _principals(item: dict[str, Any]) -> list[str]:
    assert item["source"].keys() == {"principals"}
    found: list[str] = item["source"]["principals"]
    return found


@pytest.mark.rows("GY-SEC-01")
def test_mutual_tls_is_strict_for_all_ports_of_the_services(gym: Registered) -> None:
    assert gym.spec("PeerAuthentication", "istio-system", "default") == {"mtls": {"mode": "STRICT"}}
    assert gym.spec("PeerAuthentication", "gym", "gym-mtls") == {"mtls": {"mode": "STRICT"}}
    others = {name for name in gym.manifests("PeerAuthentication", "gym") if name != "gym-mtls"}
    assert others == {"mysql-mtls", "redis-mtls"}


@pytest.mark.rows("GY-SEC-02")
def test_the_stores_take_plain_clients_too_and_say_so(gym: Registered) -> None:
    for name in STORES:
        assert gym.spec("PeerAuthentication", "gym", f"{name}-mtls") == {
            "selector": {"matchLabels": {"app": name}},
            "mtls": {"mode": "PERMISSIVE"},
        }


@pytest.mark.rows("GY-SEC-03", "GY-SEC-04", "GY-SEC-05")
def test_services_admit_their_callers_and_the_gateway_with_their_methods(gym: Registered) -> None:
    for name, port in PORTS.items():
        methods = frozenset(METHODS[name])
        wanted = {(INGRESS, port, methods, frozenset[str]())}
        wanted |= {
            (account("gym", caller), number, methods, frozenset[str]())
            for caller in callers(name)
            for number in served(name)
        }
        if name in COLOURS:
            tester = account("gym", f"{name}-smoke-test")
            wanted.add((tester, port, frozenset({"GET"}), frozenset({"/health"})))
        assert admitted(gym, name) == wanted
        assert not {"TRACE", "CONNECT"} & METHODS[name]


@pytest.mark.rows("GY-SEC-03", "GY-SEC-04")
def test_stores_admit_the_backends_by_identity(gym: Registered) -> None:
    """And whoever asks the exporter for its metrics: the network lets in Prometheus alone."""
    anything, exporters = frozenset[str](), {"mysql": 9104, "redis": 9121}
    for name, port in STORES.items():
        users = [*sorted(callers(name)), *(["mysql-backup"] if name == "mysql" else [])]
        assert admitted(gym, name) == {
            *((account("gym", user), port, anything, anything) for user in users),
            ("*", exporters[name], frozenset({"GET"}), frozenset({"/metrics"})),
        }


@pytest.mark.rows("GY-SEC-04", "GY-SEC-09")
def test_the_namespace_is_closed_by_default(gym: Registered) -> None:
    assert gym.spec("AuthorizationPolicy", "gym", "deny-all") == {}
    closed = gym.spec("CiliumNetworkPolicy", "gym", "default-deny")
    assert (closed["endpointSelector"], closed["ingress"], closed["egress"]) == ({}, [{}], [{}])
    found = gym.manifests("AuthorizationPolicy", "gym")
    helpers = {f"{name}-smoke-test" for name in COLOURS} | {"mysql-backup"}
    assert set(found) == {"deny-all", *(f"{name}-authz" for name in {*PORTS, *STORES, *helpers})}
    for helper in helpers:
        assert "rules" not in found[f"{helper}-authz"]["spec"], "nobody calls it"


@pytest.mark.rows("GY-SEC-06")
def test_the_gateway_takes_a_hundred_requests_a_second(gym: Registered) -> None:
    spec = gym.spec("EnvoyFilter", "istio-system", "ingress-limit")
    assert spec["workloadSelector"] == {"labels": {"istio": "ingressgateway"}}
    (patch,) = spec["configPatches"]
    assert (patch["applyTo"], patch["match"]["context"]) == ("HTTP_FILTER", "GATEWAY")
    limit = patch["patch"]["value"]["typed_config"]
    assert limit["token_bucket"] == {"max_tokens": 200, "tokens_per_fill": 100, "fill_interval": "1s"}
    whole = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    assert (limit["filter_enabled"], limit["filter_enforced"]) == (whole, whole)


@pytest.mark.rows("GY-SEC-07")
def test_the_gateway_refuses_bad_tokens_and_asks_for_none(gym: Registered) -> None:
    spec = gym.spec("RequestAuthentication", "istio-system", "ingress-tokens")
    assert spec["selector"] == {"matchLabels": {"istio": "ingressgateway"}}
    (rule,) = spec["jwtRules"]
    assert rule["issuer"] == f"https://{IDENTITY}/"
    assert rule["jwksUri"] == f"https://{IDENTITY}/.well-known/jwks.json"
    assert list(gym.manifests("AuthorizationPolicy", "istio-system")) == [], "no rule asks for a token"
    # istiod fetches the keys, and may.
    assert "PILOT_JWT_ENABLE_REMOTE_JWKS" not in gym.charts["istiod"].values["env"]
    allowed = gym.spec("CiliumNetworkPolicy", "istio-system", "istiod")["egress"]
    assert [{"matchName": IDENTITY}] in [rule.get("toFQDNs") for rule in allowed]


@pytest.mark.rows("GY-SEC-08")
def test_every_workload_has_an_account_of_its_own(gym: Registered) -> None:
    accounts = gym.manifests("ServiceAccount", "gym")
    for name in (*PORTS, *STORES):
        assert name in accounts
        assert workload(gym, name)["spec"]["template"]["spec"]["serviceAccountName"] == name
    assert set(GRPC) <= set(accounts)


@pytest.mark.rows("GY-SEC-10")
def test_certificates_hold_for_a_day_and_come_from_the_mesh_itself(gym: Registered) -> None:
    values = gym.charts["istiod"].values
    assert values["env"]["DEFAULT_WORKLOAD_CERT_TTL"] == "24h0m0s"
    assert values["meshConfig"]["defaultConfig"]["proxyMetadata"] == {"SECRET_TTL": "24h0m0s"}
    assert "caAddress" not in str(gym.charts["istiod"].spec["valuesContent"])
