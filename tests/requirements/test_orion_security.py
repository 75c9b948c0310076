"""Orion's policies: who reaches whom on the network, what a namespace may hold, and what stands at the edge."""

from __future__ import annotations

import pytest

from tests.requirements.orion import (
    DNS,
    EGRESS,
    INTERNET,
    ISTIOD,
    NGINX,
    PROMETHEUS,
    SERVICES,
    SPACES,
    pod,
    store,
    stranger,
    template,
)
from tests.requirements.registered import Registered, containers
from tests.requirements.standard import lets_in, lets_out, passes

CLOSED = (*SPACES, "orion-data")
USERS = ("auth", "user", "notification")
CLOUDFLARE = {"173.245.48.0/20", "104.16.0.0/13", "162.158.0.0/15", "172.64.0.0/13", "131.0.72.0/22"}


@pytest.mark.rows("OR-SEC-01")
def test_a_firewall_with_the_owasp_rules_blocks_in_front_of_the_gateway(orion: Registered) -> None:
    spec = orion.spec("WasmPlugin", "orion-gateway", "gateway-firewall")
    assert spec["selector"]["matchLabels"] == {"app": "gateway"}
    rules = spec["pluginConfig"]["directives_map"]["default"]
    assert "SecRuleEngine On" in rules
    assert any("@owasp_crs" in rule for rule in rules)
    assert spec.get("failStrategy", "FAIL_CLOSE") == "FAIL_CLOSE"
    volumes = {volume["name"]: volume for volume in template(orion, "gateway")["spec"]["volumes"]}
    assert "coraza" in volumes["web-firewall"]["image"]["reference"]


@pytest.mark.rows("OR-SEC-02")
def test_every_pod_is_closed_both_ways(orion: Registered) -> None:
    for space in CLOSED:
        assert orion.spec("NetworkPolicy", space, "default-deny") == {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [],
            "egress": [],
        }


@pytest.mark.rows("OR-SEC-03")
def test_nginx_and_nobody_elsewhere_reaches_the_gateway(orion: Registered) -> None:
    assert passes(orion, NGINX, pod("gateway"), 3000)
    for other in (stranger(), stranger("orion-ingress"), pod("auth"), pod("admin-ui", "orion-system"), store("redis")):
        assert not lets_in(orion, other, pod("gateway"), 3000)


@pytest.mark.rows("OR-SEC-04", "OR-SVC-10")
def test_the_gateway_and_nobody_else_reaches_the_services(orion: Registered) -> None:
    for service, port in {**SERVICES, "analytics": 3004}.items():
        if service == "gateway":
            continue
        assert passes(orion, pod("gateway"), pod(service), port)
        for other in (stranger(), stranger("orion-gateway"), NGINX, store("pgbouncer")):
            assert not lets_in(orion, other, pod(service), port)


@pytest.mark.rows("OR-SEC-05", "OR-SEC-15")
def test_the_database_tier_is_for_the_services_behind_the_gateway(orion: Registered) -> None:
    for service in USERS:
        assert passes(orion, pod(service), store("pgbouncer"), 5432)
    for other in (pod("gateway"), pod("analytics"), stranger()):
        for name in ("pgbouncer", "orion"):
            assert not lets_in(orion, other, store(name), 5432)
    for name, port in (("pgbouncer", 5432), ("orion", 5432), ("redis", 6379), ("rabbitmq", 5672)):
        assert not lets_out(orion, pod("gateway"), store(name), port)


@pytest.mark.rows("OR-SEC-06")
def test_redis_and_rabbitmq_are_for_their_users(orion: Registered) -> None:
    for service in USERS:
        assert passes(orion, pod(service), store("redis"), 6379)
        assert passes(orion, pod(service), store("rabbitmq"), 5672) is (service != "auth")
    for name, port in (("redis", 6379), ("rabbitmq", 5672)):
        assert not lets_in(orion, stranger(), store(name), port)
        assert not lets_in(orion, pod("gateway"), store(name), port)


@pytest.mark.rows("OR-SEC-07")
def test_prometheus_alone_reads_metrics(orion: Registered) -> None:
    for service in SERVICES:
        assert passes(orion, PROMETHEUS, pod(service), 9090)
        for other in (stranger(), stranger("orion-monitoring"), NGINX):
            assert not lets_in(orion, other, pod(service), 9090)


@pytest.mark.rows("OR-SEC-08")
def test_services_resolve_names_and_do_not_reach_the_internet(orion: Registered) -> None:
    for service in SERVICES:
        for protocol in ("UDP", "TCP"):
            assert lets_out(orion, pod(service), DNS, 53, protocol)
        assert passes(orion, pod(service), ISTIOD, 15012)
        for port in (80, 443, 587, 465, 5432):
            assert not lets_out(orion, pod(service), INTERNET, port)


@pytest.mark.rows("OR-SEC-09", "OR-MSH-09")
def test_services_leave_by_the_egress_gateway_and_do_not_reach_one_another(orion: Registered) -> None:
    for service in SERVICES:
        assert passes(orion, pod(service), EGRESS, 443)
    for caller in USERS:
        for callee in USERS:
            if caller != callee:
                assert not lets_out(orion, pod(caller), pod(callee), SERVICES[callee])
                assert not lets_in(orion, pod(caller), pod(callee), SERVICES[callee])
    assert not lets_in(orion, stranger(), EGRESS, 443)


@pytest.mark.rows("OR-SEC-10")
def test_members_of_the_data_tier_talk_to_one_another(orion: Registered) -> None:
    for caller, callee, ports in (
        ("pgbouncer", "orion", (5432,)),
        ("orion", "orion", (5432,)),
        ("redis", "redis", (6379,)),
        ("rabbitmq", "rabbitmq", (4369, 25672)),
    ):
        for port in ports:
            assert passes(orion, store(caller), store(callee), port)
    for name in ("pgbouncer", "orion", "redis", "rabbitmq"):
        assert lets_out(orion, store(name), DNS, 53, "UDP")


@pytest.mark.rows("OR-SEC-11")
def test_the_system_s_namespace_holds_what_its_components_need(orion: Registered) -> None:
    for kind in ("ServiceAccount", "Secret", "ConfigMap", "Role", "RoleBinding"):
        assert orion.manifests(kind, "orion-system"), kind


@pytest.mark.rows("OR-SEC-12", "OR-SEC-13")
def test_quotas_are_as_declared_and_every_container_says_what_they_count(orion: Registered) -> None:
    for space in CLOSED:
        (quota,) = orion.manifests("ResourceQuota", space).values()
        hard = quota["spec"]["hard"]
        assert {key: hard[key] for key in ("requests.cpu", "requests.memory", "pods", "persistentvolumeclaims")} == {
            "requests.cpu": "20",
            "requests.memory": "40Gi",
            "pods": "50",
            "persistentvolumeclaims": "10",
        }
        (defaults,) = orion.manifests("LimitRange", space).values()
        (limits,) = defaults["spec"]["limits"]
        assert limits["defaultRequest"].keys() == limits["default"].keys() == {"cpu", "memory"}
    for _, name, found in orion.pods():
        if name.partition("/")[0] in CLOSED:
            for item in containers(found):
                for side in ("requests", "limits"):
                    assert item["resources"][side].keys() >= {"cpu", "memory"}, (name, item["name"])


@pytest.mark.rows("OR-SEC-14")
def test_the_edge_hears_cloudflare_only(orion: Registered) -> None:
    (balancer,) = orion.all("lb.LoadBalancer", internal=False)
    (group,) = balancer.inputs["securityGroups"]
    rules = [item.inputs for item in orion.all("vpc.SecurityGroupIngressRule", securityGroupId=group)]
    sources = {rule.get("cidrIpv4") for rule in rules if rule["fromPort"] == 443}
    assert sources >= CLOUDFLARE
    assert not {rule.get("cidrIpv4") for rule in rules} & {"0.0.0.0/0", None}
    assert not any(rule.get("cidrIpv6") for rule in rules)


@pytest.mark.rows("OR-SEC-16")
def test_the_edge_adds_security_headers_where_the_application_set_none(orion: Registered) -> None:
    entries = orion.charts["nginx-ingress"].values["controller"]["config"]["entries"]
    assert (entries["hsts"], entries["hsts-max-age"]) == ("true", "31536000")
    for header in ("X-Content-Type-Options", "X-Frame-Options"):
        assert f"add_header {header} " in entries["server-snippets"]
