"""NGINX as the ingress: how it is installed, what it may reach, and what the rest of the platform knows of it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from derive.addons import addons
from derive.edge.doorman import HealthCheck, doorman
from derive.network.networks import network_plan
from derive.plan import system_plan
from manifests.base import Manifest
from model import DeclarationError, Headlamp, Nginx, NoMesh, Platform, Pool, Route, SingleVpc, System, Tier
from model.sources import CLOUDFLARE
from tests.unit.declared import HUB, deployed, derived, environment, shop
from tests.unit.fronted import NGINX, fronted

LABELS = {"app.kubernetes.io/name": "nginx-ingress"}


def chart(system: System) -> Manifest:
    plans = {plan.name: plan for plan in addons(deployed(system))}
    spec: Manifest = next(item["spec"] for item in plans["nginx-ingress"].objects if item["kind"] == "HelmChart")
    return spec


def controller(system: System) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(chart(system)["valuesContent"])["controller"]
    return values


def setting(kind: str, system: System) -> dict[str, Manifest]:
    return {
        item["metadata"]["name"]: item
        for plan in addons(deployed(system))
        for item in (*plan.objects, *plan.settings)
        if item["kind"] == kind
    }


def test_the_chart_comes_from_its_publisher_s_registry() -> None:
    """A repository beside the name of an image would make Helm look for it there."""
    found = chart(fronted())
    assert {key: found.get(key) for key in ("repo", "chart", "version", "targetNamespace")} == {
        "repo": None,
        "chart": "oci://ghcr.io/nginx/charts/nginx-ingress",
        "version": "2.4.4",
        "targetNamespace": "shop-ingress",
    }


def test_the_mesh_s_gateway_is_not_installed_beside_it() -> None:
    plans = {plan.name: plan for plan in addons(deployed(fronted()))}
    assert "istio-ingressgateway" not in plans
    assert "istiod" in plans["nginx-ingress"].requires, "pods made before the injector have no sidecar"
    assert "ingress-gateway" not in setting("CiliumNetworkPolicy", fronted())
    assert "istio-ingressgateway" in {plan.name for plan in addons(deployed(shop()))}


def test_it_answers_on_ports_of_the_nodes_that_run_it() -> None:
    assert controller(fronted())["service"] == {
        "type": "NodePort",
        "externalTrafficPolicy": "Local",
        "httpPort": {"nodePort": 30080},
        "httpsPort": {"nodePort": 30443},
        "customPorts": [{"name": "readiness", "port": 8081, "targetPort": 8081, "nodePort": 30081, "protocol": "TCP"}],
    }


def test_its_sidecar_leaves_alone_what_comes_from_outside() -> None:
    """Clients have no certificate of the mesh, whose STRICT mode would refuse them."""
    assert controller(fronted())["pod"] == {
        "annotations": {
            "sidecar.istio.io/proxyCPU": "100m",
            "sidecar.istio.io/proxyMemory": "128Mi",
            "sidecar.istio.io/proxyCPULimit": "500m",
            "sidecar.istio.io/proxyMemoryLimit": "256Mi",
            "traffic.sidecar.istio.io/excludeInboundPorts": "80,443,8081,9113",
        },
        "extraLabels": {"sidecar.istio.io/inject": "true"},
    }


def test_its_sidecar_knows_the_routed_services_by_address() -> None:
    """It must not read the requests: they name the public host, which is none of the mesh's."""
    system = fronted(platform={"addons": (Headlamp(host="dashboard"),)})
    assert setting("Sidecar", system)["nginx-ingress"]["spec"] == {
        "workloadSelector": {"labels": LABELS},
        "egress": [
            {
                "port": {"number": 3000, "protocol": "TCP", "name": "tcp-3000"},
                "hosts": ["shop/web.shop.svc.cluster.local"],
            },
            {
                "port": {"number": 3001, "protocol": "TCP", "name": "tcp-3001"},
                "hosts": ["back/orders.back.svc.cluster.local"],
            },
            {
                "port": {"number": 80, "protocol": "TCP", "name": "tcp-80"},
                "hosts": ["headlamp/headlamp.headlamp.svc.cluster.local"],
            },
            {
                "hosts": [
                    "istio-system/*",
                    "kube-system/kube-dns.kube-system.svc.cluster.local",
                    "default/kubernetes.default.svc.cluster.local",
                ]
            },
        ],
        "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
    }


def test_nobody_runs_as_root() -> None:
    found = controller(fronted())
    for key in ("securityContext", "initContainerSecurityContext"):
        assert {name: found[key][name] for name in ("runAsNonRoot", "runAsUser", "allowPrivilegeEscalation")} == {
            "runAsNonRoot": True,
            "runAsUser": 101,
            "allowPrivilegeEscalation": False,
        }
    namespace = setting("Namespace", fronted())["shop-ingress"]["metadata"]["labels"]
    assert namespace["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize(
    ("ingress", "zones", "replicas"), [(NGINX, 2, 2), (NGINX, 1, 1), (Nginx(replicas=3), 1, 3)], ids=str
)
def test_one_replica_stays_while_nodes_are_replaced(ingress: Nginx, zones: int, replicas: int) -> None:
    found = controller(fronted(ingress, environments={"dev": environment(zones=zones)}))
    assert found["replicaCount"] == replicas
    budget = {"enabled": True, "maxUnavailable": 1} if replicas > 1 else None
    assert found.get("podDisruptionBudget") == budget


def test_it_runs_on_the_pool_that_is_named() -> None:
    pools = (Pool(name="agents"), Pool(name="doors", labels={"tier": "doors"}, taints=("tier=doors:NoSchedule",)))
    sizes = environment().pools["agents"]
    table = {"dev": environment(pools={"agents": sizes, "doors": sizes})}
    found = controller(fronted(Nginx(pool="doors"), platform={"pools": pools}, environments=table))
    assert found["nodeSelector"] == {"tier": "doors"}
    assert found["tolerations"] == [{"key": "tier", "operator": "Equal", "value": "doors", "effect": "NoSchedule"}]


def test_a_pool_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"platform\.ingress\.pool 'dors' is no pool of the platform"):
        fronted(Nginx(pool="dors"))


def test_what_holds_for_every_host() -> None:
    found = controller(fronted())["config"]["entries"]
    snippets = {key: found.pop(key) for key in ("http-snippets", "server-snippets")}
    assert found == {
        "ssl-protocols": "TLSv1.3",
        "ssl-redirect": "true",
        "http2": "true",
        "server-tokens": "false",
        "hsts": "true",
        "hsts-max-age": "31536000",
        "hsts-include-subdomains": "true",
        "lb-method": "round_robin",
        "set-real-ip-from": ",".join(CLOUDFLARE),
        "real-ip-header": "CF-Connecting-IP",
    }
    http, server = (snippets[key].splitlines() for key in ("http-snippets", "server-snippets"))
    assert "gzip on;" in http
    assert "proxy_request_buffering on;" in http
    assert "limit_req_zone $binary_remote_addr zone=clients:10m rate=50r/s;" in http
    origin = (
        'map $http_origin $edge_origin { default ""; "~^https://([a-z0-9-]+\\.)*dev\\.shop\\.example$" $http_origin; }'
    )
    assert origin in http
    assert server == [
        "limit_req zone=clients burst=100 nodelay;",
        "limit_req_status 429;",
        "add_header X-Content-Type-Options $edge_content_type_options always;",
        "add_header X-Frame-Options $edge_frame_options always;",
        "add_header Access-Control-Allow-Origin $edge_allowed_origin always;",
        "add_header Access-Control-Allow-Methods $edge_allowed_methods always;",
        "add_header Access-Control-Allow-Headers $edge_allowed_headers always;",
        "add_header Vary Origin always;",
        "if ($edge_preflight) { return 204; }",
        "location = /metrics { return 404; }",
        "location ^~ /metrics/ { return 404; }",
    ]


def test_nobody_s_word_on_the_client_s_address_is_taken_unless_declared() -> None:
    """Anybody could send the header, and be whoever he likes."""
    assert not {"real-ip-header", "set-real-ip-from"} & controller(fronted(Nginx()))["config"]["entries"].keys()


def test_a_route_to_metrics_is_refused() -> None:
    with pytest.raises(DeclarationError) as caught:
        addons(deployed(fronted(routes=(Route(host="@", to="web", prefix="/metrics"),))))
    assert str(caught.value) == (
        "a route to 'web' publishes '/metrics', which the ingress refuses: metrics are read inside; "
        "give it another prefix"
    )


def test_without_a_mesh_it_has_no_sidecar() -> None:
    bare = fronted(platform={"mesh": NoMesh()}, firewalls=())
    assert controller(bare)["pod"] == {"annotations": {}, "extraLabels": {"sidecar.istio.io/inject": "false"}}
    assert setting("Sidecar", bare) == {}


def test_it_reaches_the_routed_services_and_they_admit_it_by_name() -> None:
    """OR-SEC-03: no other pod of its namespace gets in."""
    policies = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): item["spec"]
        for part in derived(fronted()).services
        for item in part.objects
        if item["kind"] in ("CiliumNetworkPolicy", "AuthorizationPolicy")
    }
    ports = [{"ports": [{"port": "3000", "protocol": "TCP"}]}]
    door = {"k8s:io.kubernetes.pod.namespace": "shop-ingress", **LABELS}
    assert policies["shop", "web-policy"]["ingress"][0] == {"fromEndpoints": [{"matchLabels": door}], "toPorts": ports}
    assert policies["shop", "web-authz"]["rules"] == [
        {
            "from": [{"source": {"principals": ["cluster.local/ns/shop-ingress/sa/nginx-ingress"]}}],
            "to": [{"operation": {"ports": ["3000"]}}],
        }
    ]
    own = setting("CiliumNetworkPolicy", fronted())["ingress-controller"]["spec"]
    assert own["ingress"][0] == {
        "fromEntities": ["all"],
        "toPorts": [{"ports": [{"port": str(port), "protocol": "TCP"} for port in (80, 443, 8081)]}],
    }
    reached = [
        (pods["matchLabels"].get("app"), port["port"])
        for rule in own["egress"]
        for pods in rule.get("toEndpoints", ())
        for entry in rule.get("toPorts", ())
        for port in entry["ports"]
        if "app" in pods["matchLabels"]
    ]
    assert reached == [("istiod", "15012"), ("web", "3000"), ("orders", "3001")]


def test_a_dashboard_hears_the_ingress_alone() -> None:
    system = fronted(platform={"addons": (Headlamp(host="dashboard"),)})
    inbound = setting("CiliumNetworkPolicy", system)["headlamp"]["spec"]["ingress"]
    door = {"k8s:io.kubernetes.pod.namespace": "shop-ingress", **LABELS}
    ports = [{"ports": [{"port": "4466", "protocol": "TCP"}]}]
    assert inbound == [{"fromEndpoints": [{"matchLabels": door}], "toPorts": ports}]


def network(**changes: Any) -> SingleVpc:
    tiers = (Tier(name="public", offset=1, egress="internet"), Tier(name="app", offset=10, egress="nat"))
    return SingleVpc(tiers=tiers, control="app", **changes)


@pytest.mark.parametrize("sources", ["cloudflare", CLOUDFLARE, ("203.0.113.0/24",), None], ids=str)
def test_the_edge_admits_declared_sources_only(sources: Any) -> None:
    """OR-SEC-14: who knows the load balancer's address must not pass by the network in front of it."""
    system = fronted(network=network(public_sources=sources))
    plan = network_plan(system, "dev", system.environments["dev"], "eu-west-1", ())
    edge = next(group for group in plan.groups if group.name == "edge")
    admitted = {None: ("0.0.0.0/0",), "cloudflare": CLOUDFLARE}.get(sources, sources)
    assert {(rule.port, rule.peer) for rule in edge.rules if rule.direction == "ingress"} == {
        (port, peer) for port in (80, 443) for peer in admitted
    }


def test_a_source_that_is_no_range_is_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        network(public_sources=("203.0.113.7/24",))
    assert "'203.0.113.7/24' is not an IPv4 range: 203.0.113.7/24 has host bits set" in str(caught.value)


def test_nodes_admit_the_edge_on_the_ingress_ports() -> None:
    system = fronted(network=network())
    plan = network_plan(system, "dev", system.environments["dev"], "eu-west-1", ())
    nodes = next(group for group in plan.groups if group.name == "app-nodes")
    assert {(rule.port, rule.peer) for rule in nodes.rules if rule.description == "Edge"} == {
        (port, "edge") for port in (30080, 30443, 30081)
    }
    assert plan.ingress == doorman(system.platform).ports
    assert plan.ingress.check == HealthCheck(interval=10, timeout=5, healthy=2, unhealthy=3)


def test_k3s_runs_no_load_balancer_for_an_ingress_that_needs_none() -> None:
    """It would bind port 80 of every node for whoever asks."""
    for system, wanted in ((fronted(network=HUB), False), (shop(platform=Platform()), True)):
        assert system_plan(deployed(system)).k3s.service_load_balancer is wanted
