"""Orion's edge: names, certificates, the load balancer, and what NGINX does with requests."""

from __future__ import annotations

import pytest

from tests.requirements.registered import Manifest, Registered

HOSTS = {
    "*.orion.com": ("orion-gateway", "gateway", 3000),
    "api.orion.com": ("orion-gateway", "gateway", 3000),
    "admin.orion.com": ("orion-system", "admin-ui", 3004),
    "grafana.orion.com": ("orion-monitoring", "kube-prometheus-stack-grafana", 80),
}
CHART_SERVICES = {"kube-prometheus-stack-grafana", "headlamp"}


def ingresses(stack: Registered) -> dict[str, tuple[str, Manifest]]:
    """Host -> namespace and Ingress."""
    found = {}
    for name, item in stack.manifests("Ingress").items():
        for rule in item["spec"]["rules"]:
            found[rule["host"]] = (name.partition("/")[0], item)
    return found


def entries(stack: Registered) -> dict[str, str]:
    found: dict[str, str] = stack.charts["nginx-ingress"].values["controller"]["config"]["entries"]
    return found


@pytest.mark.rows("OR-EDG-01", "OR-EDG-02", "OR-EDG-03")
@pytest.mark.parametrize("host", HOSTS)
def test_each_host_leads_to_a_service_of_its_own_namespace(orion: Registered, host: str) -> None:
    namespace, service, port = HOSTS[host]
    found, item = ingresses(orion)[host]
    (rule,) = item["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    backend = path["backend"]["service"]
    assert (found, backend["name"], backend["port"]["number"], path["path"]) == (namespace, service, port, "/")
    if service not in CHART_SERVICES:
        offered = orion.spec("Service", namespace, service)["ports"]
        assert port in [entry["port"] for entry in offered]


@pytest.mark.rows("OR-EDG-04")
def test_certificates_are_let_s_encrypt_s_and_the_wildcard_is_proven_by_dns(orion: Registered) -> None:
    assert entries(orion)["ssl-protocols"] == "TLSv1.3"
    acme = orion.manifests("ClusterIssuer")["platform"]["spec"]["acme"]
    assert acme["server"] == "https://acme-v02.api.letsencrypt.org/directory"
    (solver,) = acme["solvers"]
    assert solver["dns01"]["cloudflare"]["apiTokenSecretRef"]["name"] in orion.manifests("Secret", "orion-ingress")
    wildcard = orion.spec("Certificate", "orion-gateway", "wildcard-tls-cert")
    assert wildcard["dnsNames"] == ["*.orion.com"]
    assert wildcard["issuerRef"]["name"] == "platform"
    for host, (namespace, item) in ingresses(orion).items():
        (tls,) = item["spec"]["tls"]
        certificate = orion.spec("Certificate", namespace, tls["secretName"])
        assert host in certificate["dnsNames"]


@pytest.mark.rows("OR-EDG-05")
def test_a_public_load_balancer_checks_nginx(orion: Registered) -> None:
    balancer = orion.one("lb.LoadBalancer", internal=False)
    listened = {item.inputs["port"] for item in orion.all("lb.Listener", loadBalancerArn=balancer.outputs["arn"])}
    assert listened == {80, 443}
    groups = {item.inputs["port"]: item.inputs["healthCheck"] for item in orion.all("lb.TargetGroup")}
    for port in (30080, 30443):
        check = groups[port]
        assert (check["interval"], check["timeout"]) == (10, 5)
        assert (check["healthyThreshold"], check["unhealthyThreshold"]) == (2, 3)
        assert check["path"] == "/nginx-ready"


@pytest.mark.rows("OR-EDG-06")
def test_nginx_runs_three_times_and_takes_turns(orion: Registered) -> None:
    assert orion.charts["nginx-ingress"].values["controller"]["replicaCount"] == 3
    assert entries(orion)["lb-method"] == "round_robin"


@pytest.mark.rows("OR-EDG-07")
def test_nginx_limits_buffers_compresses_and_answers_cors(orion: Registered) -> None:
    http, server = entries(orion)["http-snippets"], entries(orion)["server-snippets"]
    assert "limit_req_zone $binary_remote_addr zone=clients:10m rate=50r/s;" in http
    assert "limit_req zone=clients " in server
    assert "proxy_request_buffering on;" in http
    assert "gzip on;" in http
    assert r"~^https://([a-z0-9-]+\.)*orion\.com$" in http
    assert "add_header Access-Control-Allow-Origin $edge_allowed_origin always;" in server


@pytest.mark.rows("OR-EDG-08")
def test_the_gateway_is_told_where_paths_lead(orion: Registered) -> None:
    told = orion.manifest("ConfigMap", "orion-gateway", "gateway-config")["data"]
    routes = dict(value.split("=") for value in told.values() if "=" in value)
    assert routes == {
        "/api/auth": "http://auth.orion-auth:3001",
        "/api/user": "http://user.orion-user:3002",
        "/api/notification": "http://notification.orion-notification:3003",
        "/api/analytics": "http://analytics.orion-analytics:3004",
    }
    assert "/health" in told.values()


@pytest.mark.rows("OR-EDG-09")
def test_metrics_are_refused_at_the_edge(orion: Registered) -> None:
    server = entries(orion)["server-snippets"]
    assert "location = /metrics { return 404; }" in server
    assert "location ^~ /metrics/ { return 404; }" in server


@pytest.mark.rows("OR-EDG-10")
def test_names_are_published_at_cloudflare_and_lead_to_the_load_balancer(orion: Registered) -> None:
    chart = orion.charts["external-dns"]
    assert chart.values["provider"] == {"name": "cloudflare"}
    assert "--cloudflare-proxied" in chart.values["extraArgs"]
    assert "ingress" in chart.values["sources"]
    assert chart.values["domainFilters"] == ["orion.com"]
    balancer = orion.one("lb.LoadBalancer", internal=False).outputs["dnsName"]
    for _, item in ingresses(orion).values():
        assert item["metadata"]["annotations"]["external-dns.alpha.kubernetes.io/target"] == balancer


@pytest.mark.rows("OR-EDG-11")
def test_nginx_takes_cloudflare_s_word_on_the_visitor(orion: Registered) -> None:
    assert entries(orion)["real-ip-header"] == "CF-Connecting-IP"
    assert "173.245.48.0/20" in entries(orion)["set-real-ip-from"].split(",")
    assert "0.0.0.0/0" not in entries(orion)["set-real-ip-from"]


@pytest.mark.rows("OR-EDG-12")
def test_another_region_is_another_stack(orion: Registered) -> None:
    """Whose load balancer's name joins Cloudflare's pool: the stack tells it."""
    assert orion.outputs["loadBalancerDns"] == orion.one("lb.LoadBalancer", internal=False).outputs["dnsName"]
    zones = {item.inputs["availabilityZone"] for item in orion.all("ec2.Subnet")}
    assert zones == {"us-east-1a", "us-east-1b", "us-east-1c"}
