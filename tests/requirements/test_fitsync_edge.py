"""FitSync, edge and DNS: names, doors, and where TLS ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.requirements.fitsync import DOMAINS, PORTS
from tests.requirements.registered import Registered, containers


@pytest.mark.rows("FS-EDG-01")
def test_public_names_resolve_to_the_edge_of_their_environment(hub: Registered) -> None:
    zone = hub.one("route53.Zone", name="fitsync.com")
    assert not zone.inputs.get("vpcs"), "a private zone answers nobody outside"
    found = {}
    for record in hub.all("route53.Record", zoneId=zone.id, type="A"):
        (alias,) = record.inputs["aliases"]
        (balancer,) = [item for item in hub.all("lb.LoadBalancer") if item.outputs["dnsName"] == alias["name"]]
        assert balancer.outputs["zoneId"] == alias["zoneId"]
        found[record.inputs["name"]] = balancer.inputs["name"]
    assert found == {
        f"{host}.{domain}": f"fitsync-{name}-edge" for name, domain in DOMAINS.items() for host in ("app", "api")
    }


def services(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The ``service`` blocks of a chart's values."""
    for key, value in values.items() if isinstance(values, dict) else ():
        if key == "service" and isinstance(value, dict):
            yield path, value
        yield from services(value, f"{path}.{key}".strip("."))


def doors(values: Any, path: str = "") -> Iterator[str]:
    """Places of a chart's values that would open another door."""
    for key, value in values.items() if isinstance(values, dict) else ():
        place = f"{path}.{key}".strip(".")
        opened = value.get("enabled", False) if isinstance(value, dict) else value
        if key in ("ingress", "route", "gatewayAPI", "hostPort", "nodePort", "hostNetwork") and opened:
            yield place
        yield from doors(value, place)


@pytest.mark.rows("FS-EDG-02", "FS-OPS-02")
def test_the_ingress_gateway_is_the_only_door(spoke: Registered) -> None:
    assert {item["spec"]["type"] for item in spoke.manifests("Service").values()} == {"ClusterIP"}
    assert not spoke.kinds & {"Ingress", "IngressRoute", "HTTPRoute", "TCPRoute", "TLSRoute"}
    found = {
        f"{name}.{path}".strip("."): service.get("type", "ClusterIP")
        for name, chart in spoke.charts.items()
        for path, service in services(chart.values)
    }
    assert found.pop("istio-ingressgateway") == "LoadBalancer"
    assert {
        "kube-prometheus-stack.grafana",
        "kube-prometheus-stack.prometheus",
        "kube-prometheus-stack.alertmanager",
        "opensearch",
    } <= set(found)
    assert set(found.values()) == {"ClusterIP"}
    assert not {name: list(doors(chart.values)) for name, chart in spoke.charts.items() if list(doors(chart.values))}
    quota = spoke.spec("ResourceQuota", "fitsync", "fitsync-quota")["hard"]
    assert (quota["services.nodeports"], quota["services.loadbalancers"]) == ("0", "0")


@pytest.mark.rows("FS-EDG-02")
def test_no_pod_opens_a_port_of_its_node(spoke: Registered) -> None:
    for _, name, template in spoke.pods():
        if name.partition("/")[0] != "kube-system":
            assert not template["spec"].get("hostNetwork", False), name
        ports = [port for container in containers(template) for port in container.get("ports", ())]
        assert not [port for port in ports if port.get("hostPort")], name
    assert {f"fitsync/{name}" for name in PORTS} <= {name for _, name, _ in spoke.pods()}


@pytest.mark.rows("FS-EDG-03")
def test_the_edge_passes_tls_through(hub: Registered, spoke: Registered) -> None:
    """TCP all the way to the gateway: no listener holds a certificate or reads what passes."""
    for stack in (hub, spoke):
        listeners = [item.inputs for item in stack.all("lb.Listener")]
        assert {item["protocol"] for item in listeners} == {"TCP"}
        assert not [item for item in listeners if item.get("certificateArn") or item.get("sslPolicy")]
        assert {item.inputs["protocol"] for item in stack.all("lb.TargetGroup")} == {"TCP"}
        assert {item.inputs["loadBalancerType"] for item in stack.all("lb.LoadBalancer")} == {"network"}
    servers = spoke.spec("Gateway", "fitsync", "fitsync-gateway")["servers"]
    secure = [server["tls"]["mode"] for server in servers if server["port"]["number"] == 443]
    assert secure == ["SIMPLE", "SIMPLE"]
