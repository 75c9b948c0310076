"""The platform's pages for people: a name, a certificate, a way through the policies, or nothing of it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from derive.plan import system_plan
from manifests.base import Manifest
from model import Acme, CertManager, DeclarationError, ExternalDns, Headlamp, Nginx, Observability, Platform, Route
from tests.unit.declared import deployed, derived, parts, shop
from tests.unit.equipped import charts
from tests.unit.fronted import fronted
from tests.unit.test_ingress_rules import certificates

WATCHED = Observability(namespace="watch", host="grafana")
PLATFORM: dict[str, Any] = {"observability": WATCHED, "addons": (Headlamp(host="dashboard"),)}
SERVICE = "kube-prometheus-stack-grafana"


def made(system: Any, kind: str) -> dict[str, Manifest]:
    found = [item for part in parts(derived(system)) for item in part.objects if item["kind"] == kind]
    return {f"{item['metadata']['namespace']}/{item['metadata']['name']}": item for item in found}


def policies(system: Any) -> dict[str, Manifest]:
    plan = system_plan(deployed(system))
    return {
        item["metadata"]["name"]: item["spec"]
        for addon in plan.addons
        for item in addon.settings
        if item["kind"] == "CiliumNetworkPolicy"
    }


def test_behind_nginx_a_tool_s_ingress_sits_beside_its_service() -> None:
    """OR-EDG-02, OR-EDG-03: an Ingress cannot name a Service of another namespace."""
    found = made(fronted(platform=PLATFORM), "Ingress")
    for place, host, service in (
        ("watch/grafana", "grafana.dev.shop.example", SERVICE),
        ("headlamp/headlamp", "dashboard.dev.shop.example", "headlamp"),
    ):
        spec = found[place]["spec"]
        (rule,) = spec["rules"]
        assert (rule["host"], spec["tls"][0]["hosts"]) == (host, [host])
        assert rule["http"]["paths"][0]["backend"]["service"] == {"name": service, "port": {"number": 80}}
        secret = next(item for item in derived(fronted(platform=PLATFORM)).secrets if item.certificate == (host,))
        assert (secret.namespace, secret.name) == (place.partition("/")[0], spec["tls"][0]["secretName"])


def test_the_mesh_s_gateway_serves_tools_too() -> None:
    system = shop(routes=(Route(host="@", to="web"),), platform=Platform(**PLATFORM))
    (gateway,) = made(system, "Gateway").values()
    assert "grafana.dev.shop.example" in {host for server in gateway["spec"]["servers"] for host in server["hosts"]}
    spec = made(system, "VirtualService")["watch/grafana"]["spec"]
    assert (spec["hosts"], spec["gateways"]) == (["grafana.dev.shop.example"], ["shop/shop-gateway"])
    (route,) = spec["http"][0]["route"]
    assert route["destination"] == {"host": f"{SERVICE}.watch.svc.cluster.local", "port": {"number": 80}}
    door = {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "istio-system", "istio": "ingressgateway"}}
    reached = policies(system)["grafana"]["ingress"]
    assert {"fromEndpoints": [door], "toPorts": [{"ports": [{"port": "3000", "protocol": "TCP"}]}]} in reached


def test_without_a_name_nobody_from_outside_reaches_them() -> None:
    system = fronted(platform={"observability": Observability(namespace="watch"), "addons": (Headlamp(),)})
    assert {"watch/grafana", "headlamp/headlamp"}.isdisjoint(made(system, "Ingress"))
    for name in ("grafana", "headlamp"):
        assert "nginx-ingress" not in str(policies(system)[name]["ingress"])


def test_cert_manager_issues_their_certificates_too() -> None:
    issuer = CertManager(issuer=Acme(email="ops@shop.example"))
    found = certificates(fronted(platform={"observability": WATCHED, "addons": (issuer,)}))
    assert found["watch", "grafana-tls-cert"]["dnsNames"] == ["grafana.dev.shop.example"]


@pytest.mark.parametrize(("ingress", "kind"), [(Nginx(), "Ingress"), (None, "Gateway")])
def test_what_external_dns_publishes_leads_to_the_edge(ingress: Nginx | None, kind: str) -> None:
    """OR-EDG-10: Kubernetes knows no address of an ingress on the nodes' ports; without one no record is made."""
    fields: dict[str, Any] = {**PLATFORM, "addons": (ExternalDns(),)}
    routes = (Route(host="@", to="web"),)
    for addons, wanted in (((ExternalDns(),), "${edge-host:public}"), ((), None)):
        fields["addons"] = addons
        platform = Platform(**fields) if ingress is None else Platform(**fields, ingress=ingress)
        found = made(shop(routes=routes, platform=platform), kind)
        assert found
        for item in found.values():
            assert item["metadata"].get("annotations", {}).get("external-dns.alpha.kubernetes.io/target") == wanted


@pytest.mark.parametrize(
    ("ingress", "sources"),
    [(Nginx(), ["service", "ingress"]), (None, ["service", "ingress", "istio-gateway", "istio-virtualservice"])],
)
def test_external_dns_reads_what_publishes(ingress: Nginx | None, sources: list[str]) -> None:
    """Behind another ingress the mesh's Gateways are ways out; a wildcard's own mark is a name that DNS takes."""
    fields: dict[str, Any] = {**PLATFORM, "addons": (ExternalDns(),)}
    platform = Platform(**fields) if ingress is None else Platform(**fields, ingress=ingress)
    found = yaml.safe_load(charts(deployed(shop(platform=platform)))["external-dns"]["valuesContent"])
    assert found["sources"] == sources
    assert "--txt-wildcard-replacement=wildcard" in found["extraArgs"]


def test_grafana_knows_its_own_address() -> None:
    """Links in alerts, and its answer after a sign-in, would lead to localhost."""
    values = charts(deployed(fronted(platform=PLATFORM)))["kube-prometheus-stack"]["valuesContent"]
    assert "root_url: https://grafana.dev.shop.example" in values


def test_a_host_that_a_route_has_is_refused() -> None:
    system = fronted(platform={"observability": Observability(namespace="watch", host="www")})
    with pytest.raises(DeclarationError) as refusal:
        derived(system)
    assert str(refusal.value) == (
        "host 'www.dev.shop.example' leads to 'grafana' and, by a route of 'shop', to a service; "
        "give one of them another"
    )
