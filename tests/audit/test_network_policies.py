"""The standard NetworkPolicy, from its API reference, one trap at a time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.audit.small import ALL, API, HOST, OTHER, SHOP, WEB, WORLD, Policed, app, standard


def test_a_policy_without_types_closes_ingress_alone() -> None:
    policed = Policed(standard({}))
    assert policed.into(API) == set()
    assert policed.out_to(OTHER) == ALL


def test_egress_rules_close_egress_though_no_type_says_so() -> None:
    assert Policed(standard({"egress": []})).out_to(OTHER) == ALL - SHOP


def test_egress_alone_leaves_ingress_open() -> None:
    policed = Policed(standard({"policyTypes": ["Egress"], "egress": [{}]}))
    assert policed.into(API) == ALL
    assert policed.out_to(OTHER) == ALL


def test_an_empty_rule_admits_everybody() -> None:
    """The opposite of Cilium's."""
    assert Policed(standard({"ingress": [{}]})).into(API) == ALL


def test_an_empty_list_of_peers_means_everybody() -> None:
    assert Policed(standard({"ingress": [{"from": []}]})).into(API) == ALL


def test_a_pod_selector_stays_in_the_namespace() -> None:
    assert Policed(standard({"ingress": [{"from": [{"podSelector": {}}]}]})).into(API) == SHOP
    assert Policed(standard({"ingress": [{"from": [{"podSelector": app("other")}]}]})).into(API) == set()


NAMESPACE = {"matchLabels": {"kubernetes.io/metadata.name": "far"}}


@pytest.mark.parametrize(
    ("peers", "admitted"),
    [
        ([{"namespaceSelector": NAMESPACE}], {"other"}),
        ([{"namespaceSelector": {"matchLabels": {"team": "far"}}}], {"other"}),
        ([{"namespaceSelector": NAMESPACE, "podSelector": app("web")}], set()),
        ([{"namespaceSelector": NAMESPACE}, {"podSelector": app("web")}], {"other", "web"}),
        ([{"namespaceSelector": {}}], {"web", "api", "db", "other", "dns"}),
    ],
)
def test_selectors_of_namespaces_and_pods_combine(peers: list[dict[str, Any]], admitted: set[str]) -> None:
    """In one entry both must hold; two entries are alternatives."""
    assert Policed(standard({"ingress": [{"from": peers}]})).into(API) == admitted


def test_addresses_and_their_exceptions() -> None:
    block = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}
    policed = Policed(standard({"policyTypes": ["Egress"], "egress": [{"to": [block]}]}))
    assert policed.out_to(WORLD) == ALL
    assert policed.out_to(HOST) == ALL - SHOP


def test_ports_by_number_name_range_and_protocol() -> None:
    ports = [{"port": "web"}, {"port": 90, "endPort": 95}, {"protocol": "UDP"}]
    policed = Policed(standard({"ingress": [{"from": [{"podSelector": app("web")}], "ports": ports}]}))
    assert policed.into(API, ("TCP", 80)) == policed.into(API, ("TCP", 92)) == policed.into(API, ("UDP", 1)) == {"web"}
    assert policed.into(API, ("TCP", 96)) == set()


def test_policies_of_both_kinds_add_up() -> None:
    one = standard({"podSelector": app("web"), "ingress": [{"from": [{"podSelector": app("api")}]}]})
    assert Policed(one).into(WEB) == {"api"}
    assert Policed(one).into(API) == ALL
