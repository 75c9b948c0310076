"""AuthorizationPolicy, from its reference, one trap at a time."""

from __future__ import annotations

from typing import Any

import pytest

from audit.authorization import Authorization
from audit.errors import AuditError
from audit.requests import Request
from tests.audit.small import ALL, API, DB, OTHER, WEB, manifest, population, registry

POPULATION = population()
MESHED = {"web", "api", "other"}
GET = Request("GET", "/any-other-path")


def policy(spec: dict[str, Any], name: str = "policy", namespace: str = "shop") -> dict[str, Any]:
    return manifest("AuthorizationPolicy", "security.istio.io/v1", spec, name, namespace)


def asked(
    *policies: dict[str, Any],
    callee: str = "api",
    port: int = 80,
    request: Request | None = GET,
    identified: set[str] | None = None,
) -> set[str]:
    """Who passes. ``identified``: who arrives with mutual TLS; all pods with a sidecar unless told otherwise."""
    known = MESHED if identified is None else identified
    mask = sum(1 << POPULATION.by_name[name] for name in known)
    found = Authorization(registry(*policies), POPULATION, "istio-system")
    return set(POPULATION.names(found.admitted(POPULATION.by_name[callee], ("TCP", port), request, mask)))


def source(**fields: list[str]) -> dict[str, Any]:
    return {"from": [{"source": fields}]}


def operation(**fields: list[str]) -> dict[str, Any]:
    return {"to": [{"operation": fields}]}


WEB_ONLY = source(principals=["cluster.local/ns/shop/sa/web"])
DENY_ALL = policy({}, "deny-all")


def test_without_a_policy_everything_passes() -> None:
    assert asked() == ALL


def test_an_empty_policy_allows_nothing() -> None:
    """``spec: {}``: an ALLOW policy of no rules, for every pod of the namespace, and of no other."""
    assert asked(DENY_ALL) == set()
    assert asked(DENY_ALL, callee="other") == ALL


def test_an_empty_rule_allows_everything() -> None:
    assert asked(DENY_ALL, policy({"rules": [{}]})) == ALL


def test_an_empty_denial_denies_nothing_and_an_empty_rule_of_it_everything() -> None:
    assert asked(policy({"action": "DENY"})) == ALL
    assert asked(policy({"action": "DENY", "rules": [{}]})) == set()


def test_allowances_add_up_and_a_denial_wins() -> None:
    by_namespace = policy({"rules": [source(namespaces=["far"])]}, "namespace")
    denial = policy({"action": "DENY", "rules": [source(principals=["cluster.local/ns/far/sa/other"])]}, "denial")
    assert asked(policy({"rules": [WEB_ONLY]}), by_namespace) == {"web", "other"}
    assert asked(policy({"rules": [WEB_ONLY]}), by_namespace, denial) == {"web"}


def test_an_identity_needs_mutual_tls() -> None:
    """A pod without a sidecar, or whose call arrives in plain text, has no principal and no namespace."""
    assert asked(policy({"rules": [WEB_ONLY]}), identified=set()) == set()
    assert asked(policy({"rules": [source(namespaces=["shop"])]})) == {"web", "api"}
    assert DB.name not in asked(policy({"rules": [source(principals=["*"])]}))


def test_who_is_not_named_includes_who_has_no_name() -> None:
    denial = policy({"action": "DENY", "rules": [source(notPrincipals=["cluster.local/ns/shop/sa/web"])]})
    assert asked(denial) == {"web"}


@pytest.mark.parametrize(
    ("pattern", "admitted"),
    [
        ("cluster.local/ns/shop/*", {"web", "api"}),
        ("*/sa/other", {"other"}),
        ("*", MESHED),
        ("cluster.local/ns/shop/sa/we", set()),
    ],
)
def test_patterns_of_principals(pattern: str, admitted: set[str]) -> None:
    assert asked(policy({"rules": [source(principals=[pattern])]})) == admitted


def test_fields_of_a_source_all_hold_and_sources_are_alternatives() -> None:
    both = {"source": {"principals": ["cluster.local/ns/shop/sa/web"], "namespaces": ["far"]}}
    far = {"source": {"namespaces": ["far"]}}
    assert asked(policy({"rules": [{"from": [both]}]})) == set()
    assert asked(policy({"rules": [{"from": [both, far]}]})) == {"other"}


def test_a_policy_selects_pods_by_their_labels() -> None:
    own = policy({"selector": {"matchLabels": {"app": "api"}}})
    assert asked(own) == set()
    assert asked(own, callee="web") == ALL


def test_the_root_namespace_holds_for_the_whole_mesh() -> None:
    assert asked(policy({}, namespace="istio-system"), callee="other") == set()


def test_ports_methods_and_paths() -> None:
    allowed = policy({"rules": [operation(ports=["80"], methods=["GET"], paths=["/metrics", "/api/*"])]})
    assert asked(allowed, request=Request("GET", "/metrics")) == ALL
    assert asked(allowed, request=Request("GET", "/api/x")) == ALL
    assert asked(allowed, request=Request("POST", "/metrics")) == set()
    assert asked(allowed, request=Request("GET", "/metricsx")) == set()
    assert asked(allowed, port=81, request=Request("GET", "/metrics")) == set()


def test_templates_and_exclusions_of_paths() -> None:
    allowed = policy({"rules": [operation(paths=["/users/{*}/posts"], notMethods=["DELETE"])]})
    assert asked(allowed, request=Request("GET", "/users/7/posts")) == ALL
    assert asked(allowed, request=Request("DELETE", "/users/7/posts")) == set()
    assert asked(allowed, request=Request("GET", "/users/7/8/posts")) == set()


def test_of_opaque_traffic_requests_are_neither_allowed_nor_spared() -> None:
    """A method or a path cannot match what is no HTTP: an allowance of it admits nobody, a denial refuses all."""
    assert asked(policy({"rules": [operation(methods=["GET"])]}), request=None) == set()
    assert asked(policy({"action": "DENY", "rules": [operation(methods=["GET"])]}), request=None) == set()
    assert asked(policy({"rules": [operation(ports=["80"])]}), request=None) == ALL


def test_conditions() -> None:
    by_port = {"when": [{"key": "destination.port", "values": ["81"]}]}
    by_principal = {"when": [{"key": "source.principal", "notValues": ["cluster.local/ns/shop/sa/web"]}]}
    by_token = {"when": [{"key": "request.auth.claims[role]", "values": ["admin"]}]}
    assert asked(policy({"rules": [by_port]})) == set()
    assert asked(policy({"rules": [by_principal]})) == ALL - {"web"}
    assert asked(policy({"rules": [by_token]})) == ALL, "a caller may have the token"
    assert asked(policy({"action": "DENY", "rules": [by_token]})) == ALL, "a caller may not have it"


def test_audit_and_custom_refuse_nobody() -> None:
    assert asked(policy({"action": "AUDIT", "rules": [WEB_ONLY]})) == ALL


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"action": "PERHAPS"}, "'PERHAPS' is unknown"),
        ({"rules": [source(colours=["red"])]}, "does not know 'colours'"),
        ({"rules": [operation(verbs=["get"])]}, "does not know 'verbs'"),
        ({"targetRefs": [{"kind": "Gateway", "name": "waypoint"}]}, "waypoints"),
    ],
)
def test_what_the_audit_does_not_know_is_an_error(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(AuditError, match=message):
        asked(policy(spec))


def test_the_actors_of_these_tests() -> None:
    """A sidecar more or less would change what the tests above say."""
    assert {actor.name for actor in (WEB, API, OTHER) if actor.proxy == "sidecar"} == MESHED
