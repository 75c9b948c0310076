"""A database with replicas and an archive, as the audit sees it: members, pooler, Jobs, and who watches them."""

from __future__ import annotations

from typing import Any

import pytest

from audit.scope import Scope
from model import NetworkPolicies, Platform
from tests.audit.planned import REGION, judged, planned
from tests.unit.replicated import STORE, replicated

REPLICAS = (f"{STORE}-2", f"{STORE}-3")
JOBS = (f"{STORE}-backup-full", f"{STORE}-backup-incremental")


@pytest.mark.parametrize("platform", [Platform(), Platform(cni=NetworkPolicies())], ids=["cilium", "standard"])
def test_nobody_else_reaches_a_member_or_the_bucket(platform: Platform) -> None:
    """Whoever reaches pgBackRest's port reads every file of the database."""
    system = replicated().model_copy(update={"platform": platform})
    found = judged(planned(system), Scope(system, "dev", REGION))
    assert [item.text for item in found.differences] == []
    possible = {
        (item.caller, item.port) for item in found.connections if item.callee == STORE and item.caller != "prometheus"
    }
    assert possible == {
        *((name, "5432") for name in (*REPLICAS, "pgbouncer")),
        *((name, "8432") for name in JOBS),
    }


@pytest.mark.parametrize(
    ("kind", "widened"),
    [("CiliumNetworkPolicy", "ingress policy"), ("AuthorizationPolicy", "authorization")],
)
def test_a_wider_rule_is_found(kind: str, widened: str) -> None:
    """The Jobs' rule, with the port of SQL beside pgBackRest's."""
    document = planned(replicated())
    for resource in document["deployment"]["resources"]:
        body = resource["outputs"]
        if body.get("kind") == kind and body["metadata"]["name"].rsplit("-", 1)[0] == STORE:
            _widen(body["spec"])
    found = judged(document, Scope(replicated(), "dev", REGION))
    assert {(item.layer, item.kind) for item in found.differences} == {(widened, "open")}
    assert {name for item in found.differences for name in item.callers} == set(JOBS)


def _widen(spec: dict[str, Any]) -> None:
    if "ingress" in spec:
        (ports,) = [
            rule["toPorts"][0]["ports"] for rule in spec["ingress"] if rule["toPorts"][0]["ports"][0]["port"] == "8432"
        ]
        ports.append({"port": "5432", "protocol": "TCP"})
    else:
        (rule,) = [rule for rule in spec["rules"] if rule["to"][0]["operation"]["ports"] == ["8432"]]
        rule["to"][0]["operation"]["ports"].append("5432")
