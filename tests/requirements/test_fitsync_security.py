"""FitSync, security: who may call whom, in the mesh and in the network, each of the two on its own."""

from __future__ import annotations

import pytest

from tests.requirements.fitsync import BACKENDS, CALLS, DATABASES, INTERNAL, PORTS, callers
from tests.requirements.policies import (
    DNS,
    GATEWAY,
    INGRESS,
    ISTIOD,
    PROMETHEUS,
    Admission,
    Permission,
    account,
    apps,
    authorization,
    network,
)
from tests.requirements.registered import Registered

PUBLISHED = ("frontend", "api-gateway")
DECLARED = {(caller, callee) for caller, callees in CALLS.items() for callee in callees}
SCRAPE: Admission = ("GET /metrics", 9090)


@pytest.mark.rows("FS-SEC-01")
def test_mutual_tls_is_strict_for_every_port_of_a_service(spoke: Registered) -> None:
    found = spoke.manifests("PeerAuthentication", "fitsync")
    assert found.pop("fitsync-mtls")["spec"] == {"mtls": {"mode": "STRICT"}}
    for item in found.values():
        assert item["spec"]["mtls"] == {"mode": "STRICT"}
        assert not set(item["spec"]["portLevelMtls"]) & {str(port) for port in (*PORTS.values(), 6379)}


@pytest.mark.rows("FS-SEC-02")
def test_nothing_is_admitted_by_default(spoke: Registered) -> None:
    assert spoke.spec("AuthorizationPolicy", "fitsync", "deny-all") == {}


@pytest.mark.rows("FS-SEC-03")
@pytest.mark.parametrize(
    ("service", "port", "principals"),
    [
        (
            "api-gateway",
            "4000",
            {
                "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account",
                "cluster.local/ns/fitsync/sa/frontend",
            },
        ),
        (
            "user-service",
            "3001",
            {
                "cluster.local/ns/fitsync/sa/api-gateway",
                "cluster.local/ns/fitsync/sa/training-service",
                "cluster.local/ns/fitsync/sa/schedule-service",
                "cluster.local/ns/fitsync/sa/progress-service",
                "cluster.local/ns/fitsync/sa/notification-service",
            },
        ),
    ],
)
def test_the_drawn_policies_admit_the_drawn_principals(
    spoke: Registered, service: str, port: str, principals: set[str]
) -> None:
    spec = spoke.spec("AuthorizationPolicy", "fitsync", f"{service}-authz")
    assert (spec["action"], spec["selector"]) == ("ALLOW", {"matchLabels": {"app": service}})
    named = [rule for rule in spec["rules"] if "from" in rule]
    found = {name for rule in named for item in rule["from"] for name in item["source"]["principals"]}
    assert found == principals
    assert all(rule["to"] == [{"operation": {"ports": [port]}}] for rule in named)
    assert len(spec["rules"]) - len(named) == 1, "beside them the measurements only"


@pytest.mark.rows("FS-SEC-04", "FS-SEC-05", "FS-SEC-16", "FS-SEC-17")
def test_authorization_admits_the_list_of_calls_and_nothing_else(spoke: Registered) -> None:
    expected: dict[str, set[Admission]] = {"*": set()}
    for service, port in PORTS.items():
        expected[service] = {(account("fitsync", name), port) for name in callers(service)}
        expected[service] |= {(INGRESS, port)} if service in PUBLISHED else set()
        expected[service] |= {SCRAPE} if service != "frontend" else set()
    expected["redis"] = {(account("fitsync", name), 6379) for name in BACKENDS} | {("GET /metrics", 9121)}
    assert authorization(spoke) == expected


@pytest.mark.rows("FS-SEC-04", "FS-SEC-05")
def test_authorization_by_the_identities_that_pods_really_have(spoke: Registered) -> None:
    """A policy for an account that no pod runs under admits nobody."""
    found = authorization(spoke)
    principals = {
        name: account("fitsync", spoke.spec("Deployment", "fitsync", name)["template"]["spec"]["serviceAccountName"])
        for name in PORTS
    }
    pairs = {
        (caller, callee)
        for callee, port in PORTS.items()
        for caller, principal in principals.items()
        if (principal, port) in found[callee]
    }
    assert pairs == DECLARED


@pytest.mark.rows("FS-SEC-05", "FS-SEC-16")
def test_the_ingress_gateway_is_refused_by_everything_internal(spoke: Registered) -> None:
    found = authorization(spoke)
    assert {name for name, admitted in found.items() if any(who == INGRESS for who, _ in admitted)} == set(PUBLISHED)
    gateway = spoke.charts["istio-ingressgateway"]
    assert account(gateway.namespace, gateway.values["serviceAccount"]["name"]) == INGRESS
    redis = {who for who, _ in found["redis"]}
    assert account("fitsync", "frontend") not in redis


@pytest.mark.rows("FS-SEC-06")
def test_each_service_runs_under_its_own_account(spoke: Registered) -> None:
    accounts = spoke.manifests("ServiceAccount", "fitsync")
    assert set(accounts) == {*PORTS, "redis"}
    for name in PORTS:
        assert spoke.spec("Deployment", "fitsync", name)["template"]["spec"]["serviceAccountName"] == name
    assert spoke.spec("StatefulSet", "fitsync", "redis")["template"]["spec"]["serviceAccountName"] == "redis"


def scrape(port: int | None) -> set[Permission]:
    """Prometheus on the metrics port of the application, and on that of its sidecar."""
    return {(PROMETHEUS, "TCP", each) for each in (port, 15020) if each}


def expected_ingress() -> dict[str, set[Permission]]:
    found: dict[str, set[Permission]] = {"*": set()}
    for service, port in PORTS.items():
        found[service] = apps(callers(service), port) | scrape(None if service == "frontend" else 9090)
        found[service] |= {(GATEWAY, "TCP", port)} if service in PUBLISHED else set()
    clients = {(f"fitsync/app={name},tier=application", "TCP", 6379) for name in BACKENDS}
    found["redis"] = clients | scrape(9121)
    return found


def expected_egress() -> dict[str, set[Permission]]:
    found: dict[str, set[Permission]] = {"*": set()}
    owned = {service: database for database, service in DATABASES.items()}
    for service, callees in CALLS.items():
        found[service] = {ISTIOD, *DNS}
        for callee in callees:
            found[service] |= apps([callee], PORTS[callee])
        found[service] |= apps(["redis"], 6379) if service in BACKENDS else set()
        if service in owned:
            found[service] |= {(f"fqdn:{owned[service]}.database.internal", "TCP", 5432)}
    found["redis"] = {ISTIOD, *DNS}
    return found


@pytest.mark.rows("FS-SEC-07", "FS-SEC-08", "FS-SEC-11", "FS-SEC-13", "FS-SEC-14")
def test_the_network_lets_in_the_list_of_calls_and_nothing_else(spoke: Registered) -> None:
    assert network(spoke, "fitsync", "ingress") == expected_ingress()


@pytest.mark.rows("FS-SEC-09", "FS-SEC-10", "FS-SEC-12", "FS-SEC-13", "FS-SEC-14", "FS-SEC-15")
def test_the_network_lets_out_the_list_of_calls_and_nothing_else(spoke: Registered) -> None:
    assert network(spoke, "fitsync", "egress") == expected_egress()


@pytest.mark.rows("FS-SEC-13", "FS-SEC-14")
def test_the_network_by_the_labels_that_pods_really_carry(spoke: Registered) -> None:
    """A policy for a label that no pod has guards nothing and lets nobody through."""
    labels = {
        name: spoke.spec("Deployment", "fitsync", name)["template"]["metadata"]["labels"]["app"] for name in PORTS
    }
    inbound, outbound = network(spoke, "fitsync", "ingress"), network(spoke, "fitsync", "egress")
    let_in = {
        (caller, callee)
        for callee, port in PORTS.items()
        for caller, label in labels.items()
        if (f"fitsync/app={label}", "TCP", port) in inbound[labels[callee]]
    }
    let_out = {
        (caller, callee)
        for callee, port in PORTS.items()
        for caller, label in labels.items()
        if (f"fitsync/app={labels[callee]}", "TCP", port) in outbound[label]
    }
    assert let_in == let_out == DECLARED


@pytest.mark.rows("FS-SEC-07", "FS-SEC-08", "FS-SEC-11")
def test_the_drawn_network_policies_have_the_drawn_names(spoke: Registered) -> None:
    found = {
        name: item["spec"]["endpointSelector"].get("matchLabels", {}).get("app")
        for name, item in spoke.manifests("CiliumNetworkPolicy", "fitsync").items()
    }
    assert found == {
        "default-deny": None,
        "api-gateway-ingress": "api-gateway",
        "redis-policy": "redis",
        **{f"{name}-policy": name for name in ("frontend", *INTERNAL)},
    }


@pytest.mark.rows("FS-SEC-09")
def test_names_are_resolved_through_ciliums_dns_proxy(spoke: Registered) -> None:
    """Egress by name works only for names whose answers Cilium has seen."""
    for name, item in spoke.manifests("CiliumNetworkPolicy", "fitsync").items():
        rules = [rule for rule in item["spec"]["egress"] if rule.get("toPorts", [{}])[0].get("rules")]
        if item["spec"]["endpointSelector"]:
            (rule,) = rules
            assert rule["toPorts"][0]["rules"] == {"dns": [{"matchPattern": "*"}]}, name


@pytest.mark.rows("FS-SEC-11", "FS-SEC-16")
def test_redis_is_for_pods_of_the_application_tier(spoke: Registered) -> None:
    tiers = {
        name: spoke.spec("Deployment", "fitsync", name)["template"]["metadata"]["labels"]["tier"] for name in PORTS
    }
    assert tiers == {"frontend": "frontend", **dict.fromkeys(BACKENDS, "application")}
    rules = spoke.spec("CiliumNetworkPolicy", "fitsync", "redis-policy")["ingress"]
    (rule,) = [rule for rule in rules if rule["toPorts"][0]["ports"][0]["port"] == "6379"]
    assert all(item["matchLabels"] == {"tier": "application"} for item in rule["fromEndpoints"])


@pytest.mark.rows("FS-SEC-15", "FS-DAT-05")
def test_each_database_is_reached_by_its_service_and_its_exporter_only(spoke: Registered) -> None:
    reached: dict[str, set[str]] = {}
    for namespace in ("fitsync", "monitoring", "logging", "istio-system"):
        for workload, allowed in network(spoke, namespace, "egress").items():
            for name, _, port in allowed:
                assert not name.startswith("entity:world")
                if name.startswith("fqdn:"):
                    assert port == 5432
                    reached.setdefault(name, set()).add(f"{namespace}/{workload}")
    assert reached == {
        f"fqdn:{database}.database.internal": {
            f"fitsync/{service}",
            f"monitoring/prometheus-postgres-exporter,{database}",
        }
        for database, service in DATABASES.items()
    }


@pytest.mark.rows("FS-SEC-17")
def test_prometheus_reads_9090_and_that_opens_nothing_else(spoke: Registered) -> None:
    exceptions = {
        item["spec"]["selector"]["matchLabels"]["metrics-port"]: item["spec"]["portLevelMtls"]
        for item in spoke.manifests("PeerAuthentication", "fitsync").values()
        if "selector" in item["spec"]
    }
    assert exceptions == {port: {port: {"mode": "PERMISSIVE"}} for port in ("9090", "9121")}
    for name in BACKENDS:
        labels = spoke.spec("Deployment", "fitsync", name)["template"]["metadata"]["labels"]
        assert labels["metrics-port"] == "9090"
        ports = {who: port for who, port in authorization(spoke)[name] if not who.startswith("cluster.local/")}
        assert ports == {"GET /metrics": 9090}
        inbound = network(spoke, "fitsync", "ingress")[name]
        assert {who for who, _, port in inbound if port == 9090} == {PROMETHEUS}
    assert "metrics-port" not in spoke.spec("Deployment", "fitsync", "frontend")["template"]["metadata"]["labels"]
    sent = network(spoke, "monitoring", "egress")["prometheus"]
    assert {port for who, _, port in sent if who.startswith("fitsync/")} == {9090, 9121, 15020}
