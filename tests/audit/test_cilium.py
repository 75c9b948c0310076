"""Cilium's semantics, from its documentation and its source, one trap at a time."""

from __future__ import annotations

from typing import Any

import pytest

from audit.errors import AuditError
from tests.audit.small import (
    ALL,
    API,
    API_SERVER,
    DB,
    HOST,
    NODE,
    OTHER,
    PODS,
    RESOLVER,
    SHOP,
    WEB,
    WORLD,
    Policed,
    app,
    cilium,
)

PORT_80 = [{"ports": [{"port": "80", "protocol": "TCP"}]}]


def test_without_a_policy_everybody_passes() -> None:
    assert Policed().into(API) == Policed().out_to(API) == ALL


def test_an_empty_rule_admits_nobody_but_closes_the_direction() -> None:
    """``ingress: - {}`` is Cilium's default deny, not 'allow all' as in Istio."""
    policed = Policed(cilium({"ingress": [{}]}))
    assert policed.into(API) == set()
    assert policed.out_to(API) == ALL


def test_an_empty_list_of_rules_closes_nothing() -> None:
    """``ingress: []`` leaves the direction open."""
    assert Policed(cilium({"ingress": []})).into(API) == ALL


def test_ports_alone_admit_everybody_on_them() -> None:
    policed = Policed(cilium({"ingress": [{"toPorts": PORT_80}]}))
    assert policed.into(API) == ALL
    assert policed.into(API, ("TCP", 81)) == set()
    assert policed.into(API, ("UDP", 80)) == set()


def test_a_selector_without_a_namespace_stays_in_its_own() -> None:
    """C-14: the gateway of another namespace is not meant by its labels alone."""
    assert Policed(cilium({"ingress": [{"fromEndpoints": [{}]}]})).into(API) == SHOP
    assert Policed(cilium({"ingress": [{"fromEndpoints": [app("other")]}]})).into(API) == set()


@pytest.mark.parametrize(
    "selector",
    [
        {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "far"}},
        {"matchLabels": {"io.kubernetes.pod.namespace": "far", "any:app": "other"}},
        {"matchLabels": {"k8s:io.cilium.k8s.namespace.labels.team": "far"}},
        {
            "matchExpressions": [
                {"key": "k8s:io.kubernetes.pod.namespace", "operator": "NotIn", "values": ["shop", "kube-system"]}
            ]
        },
        {"matchLabels": {"io.kubernetes.pod.namespace": "far", "io.cilium.k8s.policy.serviceaccount": "other"}},
    ],
)
def test_a_selector_with_a_namespace_leaves_its_own(selector: dict[str, Any]) -> None:
    assert Policed(cilium({"ingress": [{"fromEndpoints": [selector]}]})).into(API) == {"other"}


def test_an_empty_list_of_peers_admits_nobody() -> None:
    assert Policed(cilium({"ingress": [{"fromEndpoints": [], "toPorts": PORT_80}]})).into(API) == set()


def test_a_policy_holds_for_the_pods_it_selects_only() -> None:
    policed = Policed(cilium({"ingress": [{}]}, selector=app("api")))
    assert policed.into(API) == set()
    assert policed.into(WEB) == ALL


def test_a_policy_never_holds_in_another_namespace() -> None:
    assert Policed(cilium({"ingress": [{}]})).into(OTHER) == ALL


def test_a_clusterwide_policy_holds_everywhere() -> None:
    policed = Policed(cilium({"ingress": [{"fromEndpoints": [app("web")]}]}, namespace=""))
    assert policed.into(OTHER) == {"web"}


def test_rules_of_several_policies_add_up() -> None:
    one = cilium({"ingress": [{"fromEndpoints": [app("web")]}]})
    other = cilium({"ingress": [{"fromEndpoints": [app("db")]}]}) | {"metadata": {"name": "b", "namespace": "shop"}}
    assert Policed(one, other).into(API) == {"web", "db"}


def test_a_denial_wins_over_every_allowance() -> None:
    spec = {"ingress": [{"fromEntities": ["all"]}], "ingressDeny": [{"fromEndpoints": [app("db")]}]}
    assert Policed(cilium(spec)).into(API) == ALL - {"db"}


def test_a_policy_may_leave_the_default_open() -> None:
    """``enableDefaultDeny: {ingress: false}`` adds rules without closing."""
    spec = {"ingressDeny": [{"fromEndpoints": [app("db")]}], "enableDefaultDeny": {"ingress": False}}
    assert Policed(cilium(spec)).into(API) == ALL - {"db"}


@pytest.mark.parametrize(
    ("entity", "admitted"),
    [
        ("world", {"world", "db.example"}),
        ("cluster", PODS | {"node", "api-server"}),
        ("all", ALL),
        ("remote-node", {"node", "api-server"}),
        ("kube-apiserver", {"api-server"}),
        ("none", set()),
    ],
)
def test_entities(entity: str, admitted: set[str]) -> None:
    assert Policed(cilium({"ingress": [{"fromEntities": [entity]}]})).into(API) == admitted


def test_addresses_never_match_pods_or_nodes() -> None:
    """C-15: what Cilium manages is known by identity; a CIDR reaches what is outside."""
    spec = {"egress": [{"toCIDR": ["0.0.0.0/0"]}]}
    policed = Policed(cilium(spec))
    assert policed.out_to(WORLD) & SHOP == policed.out_to(HOST) & SHOP == SHOP
    assert policed.out_to(API) & SHOP == policed.out_to(NODE) & SHOP == policed.out_to(API_SERVER) & SHOP == set()


def test_exceptions_of_an_address_range() -> None:
    policed = Policed(cilium({"egress": [{"toCIDRSet": [{"cidr": "10.0.0.0/8", "except": ["10.9.0.0/16"]}]}]}))
    assert policed.out_to(HOST) & SHOP == set()


def dns(pattern: str = "*") -> dict[str, Any]:
    resolver = {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "kube-system", "k8s:k8s-app": "kube-dns"}}
    ports = {"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": pattern}]}}
    return {"toEndpoints": [resolver], "toPorts": [ports]}


NAMED = {"toFQDNs": [{"matchName": "db.example"}], "toPorts": [{"ports": [{"port": "5432", "protocol": "TCP"}]}]}


def test_a_name_is_reached_through_the_dns_proxy() -> None:
    policed = Policed(cilium({"egress": [NAMED, dns()]}, selector=app("api")))
    assert "api" in policed.out_to(HOST, ("TCP", 5432))
    assert "api" not in policed.out_to(HOST, ("TCP", 5433))
    assert "api" not in policed.out_to(WORLD, ("TCP", 5432))
    assert "api" in policed.out_to(RESOLVER, ("UDP", 53))


@pytest.mark.parametrize("rules", [[NAMED], [NAMED, dns("*.elsewhere.example")]])
def test_a_name_whose_answer_nobody_sees_stays_unknown(rules: list[dict[str, Any]]) -> None:
    """``toFQDNs`` without a DNS rule never learns an address: the connection is dropped."""
    assert "api" not in Policed(cilium({"egress": rules}, selector=app("api"))).out_to(HOST, ("TCP", 5432))


def test_ports_by_name_range_and_any_protocol() -> None:
    ports = [{"port": "web", "protocol": "TCP"}, {"port": "90", "endPort": 95, "protocol": "ANY"}]
    policed = Policed(cilium({"ingress": [{"fromEndpoints": [app("web")], "toPorts": [{"ports": ports}]}]}))
    assert policed.into(API, ("TCP", 80)) == policed.into(API, ("UDP", 93)) == {"web"}
    assert policed.into(API, ("TCP", 96)) == policed.into(API, ("UDP", 80)) == set()


def test_icmp_alone_admits_no_connection() -> None:
    spec = {"ingress": [{"fromEndpoints": [app("web")], "icmps": [{"fields": [{"type": 8}]}]}]}
    assert Policed(cilium(spec)).into(API) == set()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"ingress": [{"fromRequires": [app("web")]}]}, "does not know 'fromRequires'"),
        ({"ingress": [{"fromEntities": ["moon"]}]}, "entity 'moon' is unknown"),
        ({"ingress": [{"toPorts": [{"ports": [], "rules": {"http": [{}]}}]}]}, "layer 7"),
        ({"ingress": [{"fromEndpoints": [{"matchExpressions": [{"key": "a", "operator": "Like"}]}]}]}, "'Like'"),
    ],
)
def test_what_the_audit_does_not_know_is_an_error(spec: dict[str, Any], message: str) -> None:
    """A rule that is silently left out would make the audit's verdict worthless."""
    with pytest.raises(AuditError, match=message):
        Policed(cilium(spec))


def test_an_expression_that_excludes_holds_within_the_namespace() -> None:
    selector = {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}
    assert Policed(cilium({"ingress": [{"fromEndpoints": [selector]}]})).into(API) == {"web", "db"}
    assert DB.name in SHOP
