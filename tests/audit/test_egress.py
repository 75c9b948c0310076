"""Calls that leave by the egress gateway: every rule between a service and a host is missed when it is lost or wide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from audit.errors import AuditError
from audit.findings import Difference
from audit.scope import Scope
from model import External, Istio, NetworkPolicies, Platform, Service, System
from tests.audit.planned import REGION, audited, judged, planned
from tests.unit.declared import shop

Spec = dict[str, Any]
SYSTEM = shop(
    services=(Service(name="web", port=3000), Service(name="orders", port=3001), Service(name="mails", port=3002)),
    externals=(
        External(name="pay", hosts=("api.pay.example",), used_by=("orders",), through_gateway=True),
        External(name="maps", hosts=("maps.example", "m.example"), used_by=("web", "mails"), through_gateway=True),
        External(name="logs", hosts=("*.logs.example",), used_by=("web",), through_gateway=True),
        External(
            name="mail",
            hosts=("smtp.example",),
            port=587,
            further_ports=(465,),
            protocol="TCP",
            used_by=("mails",),
            through_gateway=True,
        ),
        External(
            name="mail-api",
            hosts=("api.mail.example",),
            protocol="HTTPS",
            originate=True,
            used_by=("mails",),
            through_gateway=True,
        ),
    ),
    platform=Platform(mesh=Istio(egress_gateway=True, egress_limit=10)),
)


def changed(kind: str, name: str, change: Callable[[Spec], None], system: System = SYSTEM) -> list[Difference]:
    """What the audit says when one object is another."""
    document = planned(system)
    (found,) = [
        item["outputs"]
        for item in document["deployment"]["resources"]
        if item["type"].endswith(f":{kind}") and item["id"].endswith(f"/{name}")
    ]
    change(found["spec"])
    return judged(document, Scope(system, "dev", REGION)).differences


@pytest.mark.parametrize("platform", [{}, {"cni": NetworkPolicies()}], ids=["by name", "by address"])
def test_what_is_planned_is_as_declared(platform: dict[str, Any]) -> None:
    mesh = Istio(egress_gateway=True, egress_limit=10)
    system = SYSTEM.model_copy(update={"platform": Platform(mesh=mesh, **platform)})
    assert [item.text for item in audited(system).differences] == []


def _anybody(spec: Spec) -> None:
    del spec["rules"][0]["from"]


def _any_host(spec: Spec) -> None:
    del spec["rules"][0]["when"]


def _one_more(spec: Spec) -> None:
    spec["rules"][0]["from"][0]["source"]["principals"].append("cluster.local/ns/shop/sa/web")


def _another_host(spec: Spec) -> None:
    spec["rules"][0]["when"][0]["values"] = ["api.other.example"]


@pytest.mark.parametrize(
    ("change", "kind", "callers", "callees"),
    [
        (_anybody, "open", {"web", "mails"}, {"pay"}),
        (_any_host, "open", {"orders"}, {"maps: maps.example", "maps: m.example"}),
        (_one_more, "open", {"web"}, {"pay"}),
        (_another_host, "closed", {"orders"}, {"pay"}),
    ],
)
def test_the_gateway_s_policy_is_held_to_callers_and_hosts(
    change: Callable[[Spec], None], kind: str, callers: set[str], callees: set[str]
) -> None:
    """The network and the sidecars cannot tell one host behind the gateway from another."""
    found = [item for item in changed("AuthorizationPolicy", "egress-gateway", change) if item.layer == "authorization"]
    told = {(item.kind, item.callee) for item in found if callers & set(item.callers)}
    assert {(kind, callee) for callee in callees} <= told


def _plain(spec: Spec) -> None:
    spec["servers"][0]["tls"] = {"mode": "PASSTHROUGH"}


def _unencrypted(spec: Spec) -> None:
    spec["trafficPolicy"]["tls"]["mode"] = "DISABLE"


def _straight(spec: Spec) -> None:
    spec["tls"][0]["route"] = [{"destination": {"host": "api.pay.example", "port": {"number": 443}}}]


@pytest.mark.parametrize(
    ("kind", "name", "change", "layer"),
    [
        ("DestinationRule", "istio-egressgateway", _unencrypted, "mutual TLS"),
        ("VirtualService", "api-pay-example-egress", _straight, "authorization"),
    ],
)
def test_a_hop_without_identity_is_a_difference(
    kind: str, name: str, change: Callable[[Spec], None], layer: str
) -> None:
    assert layer in {item.layer for item in changed(kind, name, change)}


def test_a_server_that_does_not_ask_for_identity_is_a_difference() -> None:
    """Every server of the port must be lost for the port to be open; here there is one on port 80."""
    assert "mutual TLS" in {item.layer for item in changed("Gateway", "mail-api-egress", _plain)}


PASSED = shop(
    services=(Service(name="web", port=3000), Service(name="orders", port=3001), Service(name="mails", port=3002)),
    externals=(
        External(name="pay", hosts=("api.pay.example", "*.pay.test"), used_by=("orders",), through_gateway=True),
    ),
    platform=Platform(mesh=Istio(egress_gateway=True, egress_tls="PASSTHROUGH")),
)


@pytest.mark.parametrize("platform", [{}, {"cni": NetworkPolicies()}], ids=["by name", "by address"])
def test_a_gateway_that_knows_no_callers_is_held_by_the_network(platform: dict[str, Any]) -> None:
    """Nothing but network policies stops a pod that speaks TLS to a gateway that passes it through."""
    found = PASSED.model_copy(update={"platform": PASSED.platform.model_copy(update=platform)})
    assert [item.text for item in audited(found).differences] == []
    standard = bool(platform)
    kind, name = ("NetworkPolicy" if standard else "CiliumNetworkPolicy"), "egress-gateway"
    told = changed(kind, name, _admits_anybody if standard else _admits_anybody_by_name, found)
    assert "ingress policy" in {item.layer for item in told if item.kind == "open" and "web" in item.callers}


def _admits_anybody(spec: Spec) -> None:
    for rule in spec["ingress"]:
        rule.pop("from", None)


def _admits_anybody_by_name(spec: Spec) -> None:
    for rule in spec["ingress"]:
        if rule.pop("fromEndpoints", None):
            rule["fromEntities"] = ["cluster"]


def test_a_host_that_is_not_declared_does_not_pass() -> None:
    """The name in the handshake is all that the gateway goes by."""
    told = changed("AuthorizationPolicy", "egress-gateway", _another_host, PASSED)
    assert [item for item in told if item.kind == "closed" and item.callee.startswith("pay: ")]


def test_a_gateway_that_opens_what_it_should_pass_through_is_a_difference() -> None:
    told = changed(
        "Gateway", "pay-egress", lambda spec: spec["servers"][0].update(tls={"mode": "ISTIO_MUTUAL"}), PASSED
    )
    assert "mutual TLS" in {item.layer for item in told}


def _part(spec: Spec, kind: str, name: str = "any-logs-example-443") -> Spec:
    found: Spec
    (found,) = [
        patch["patch"]["value"]
        for patch in spec["configPatches"]
        if patch["applyTo"] == kind and patch["patch"]["value"]["name"] == name
    ]
    return found


def _any_name(spec: Spec) -> None:
    del _part(spec, "LISTENER")["filter_chains"][0]["filter_chain_match"]


def _another_pattern(spec: Spec) -> None:
    _part(spec, "LISTENER")["filter_chains"][0]["filter_chain_match"]["server_names"] = ["*.pay.example"]


def _not_diverted(spec: Spec) -> None:
    spec["configPatches"].pop()


def _unresolved(spec: Spec) -> None:
    _part(spec, "CLUSTER", "by-name").pop("cluster_type")


@pytest.mark.parametrize(
    ("change", "kind", "callee"),
    [
        (_any_name, "open", "pay"),
        (_another_pattern, "open", "pay"),
        (_another_pattern, "closed", "logs"),
        (_not_diverted, "closed", "logs"),
        (_unresolved, "closed", "logs"),
    ],
)
def test_a_pattern_leads_to_its_own_hosts_and_no_further(
    change: Callable[[Spec], None], kind: str, callee: str
) -> None:
    """Beyond the gateway the network lets everything pass; the names inside are all that holds a pattern."""
    found = changed("EnvoyFilter", "egress-patterns", change)
    assert (kind, callee, True) in {(item.kind, item.callee, "web" in item.callers) for item in found}


def test_a_diversion_of_every_host_is_not_judged() -> None:
    def everywhere(spec: Spec) -> None:
        del spec["configPatches"][-1]["match"]["listener"]["filterChain"]["sni"]

    with pytest.raises(AuditError, match="diverts every host's connections; name one by sni and portNumber"):
        changed("EnvoyFilter", "egress-patterns", everywhere)
