"""The add-ons' connections: planned as declared, and every one that is lost or too wide is seen."""

from __future__ import annotations

from typing import Any

import pytest

from model import (
    ExternalSecrets,
    ExtraPort,
    Headlamp,
    Jaeger,
    Kiali,
    NetworkPolicies,
    Nginx,
    Observability,
    Platform,
    Route,
    Service,
)
from tests.audit.planned import audited
from tests.unit.declared import shop
from tests.unit.equipped import equipped

ROUTED = {"routes": (Route(host="www", to="web"),)}
TOOLS = Observability(namespace="shop-monitoring", host="grafana", pool="watching")
TWO_PORTS: dict[str, Any] = {
    "services": (Service(name="web", port=3000, extra_ports=(ExtraPort(name="grpc", port=3002, protocol="grpc"),)),),
    "routes": (Route(host="www", to="web"), Route(host="www", prefix="/shop.v1.", to="web", port=3002)),
}
SYSTEMS = {
    "a door to a second port": shop(**TWO_PORTS),
    "a door to a second port, behind nginx": shop(**TWO_PORTS, platform=Platform(ingress=Nginx())),
    "a door to a second port, by address": shop(**TWO_PORTS, platform=Platform(cni=NetworkPolicies())),
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
