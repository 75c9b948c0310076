"""The add-ons' connections: planned as declared, and every one that is lost or too wide is seen."""

from __future__ import annotations

import pytest

from model import ExternalSecrets, Headlamp, Jaeger, Kiali, NetworkPolicies, Nginx, Observability, Route
from tests.audit.planned import audited
from tests.unit.equipped import equipped

ROUTED = {"routes": (Route(host="www", to="web"),)}
TOOLS = Observability(namespace="shop-monitoring", host="grafana", pool="watching")
SYSTEMS = {
    "everything": equipped(),
    "policies by address": equipped(cni=NetworkPolicies()),
    "jaeger": equipped((Jaeger(), Kiali())),
    "aws' secrets": equipped((ExternalSecrets(),)),
    "tools behind the mesh's gateway": equipped((Headlamp(host="dashboard"),), observability=TOOLS),
    "tools behind nginx": equipped((Headlamp(host="dashboard"),), observability=TOOLS, ingress=Nginx()),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_add_ons_reach_what_they_need_and_nothing_else(name: str) -> None:
    report = audited(SYSTEMS[name])
    assert [item.text for item in report.differences] == []
    assert report.notes == []
