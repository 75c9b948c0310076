"""Orion's mesh: who calls whom, what leaves, and by which way."""

from __future__ import annotations

import pytest

from tests.requirements.registered import Registered

SERVICES = {"gateway": 3000, "auth": 3001, "user": 3002, "notification": 3003}
EGRESS = "istio-egressgateway.istio-system.svc.cluster.local"


def principal(service: str) -> str:
    return f"cluster.local/ns/orion-{service}/sa/{service}"


@pytest.mark.rows("OR-MSH-01", "OR-MSH-02", "OR-SVC-01")
def test_the_service_namespaces_inject_sidecars_and_mutual_tls_is_strict(orion: Registered) -> None:
    spaces = orion.manifests("Namespace")
    for service in SERVICES:
        assert spaces[f"orion-{service}"]["metadata"]["labels"]["istio-injection"] == "enabled"
    assert orion.spec("PeerAuthentication", "istio-system", "default")["mtls"] == {"mode": "STRICT"}


@pytest.mark.rows("OR-MSH-03")
def test_sidecars_have_the_declared_size(orion: Registered) -> None:
    for service in SERVICES:
        template = orion.workload(f"orion-{service}", service)["spec"]["template"]
        found = {key.rpartition("/")[2]: value for key, value in template["metadata"]["annotations"].items()}
        assert (found["proxyCPU"], found["proxyCPULimit"]) == ("100m", "200m")
        assert (found["proxyMemory"], found["proxyMemoryLimit"]) == ("128Mi", "256Mi")


@pytest.mark.rows("OR-MSH-04", "OR-MSH-05")
def test_every_service_has_its_balance_and_its_breaker(orion: Registered) -> None:
    balances = {
        "gateway": {"simple": "LEAST_REQUEST"},
        "auth": {"simple": "ROUND_ROBIN"},
        "user": {"simple": "LEAST_REQUEST"},
        "notification": {"consistentHash": {"useSourceIp": True}},
    }
    for service, balance in balances.items():
        policy = orion.spec("DestinationRule", f"orion-{service}", service)["trafficPolicy"]
        assert policy["loadBalancer"] == balance
        assert policy["connectionPool"] == {"tcp": {"maxConnections": 100}, "http": {"http1MaxPendingRequests": 50}}
        assert policy["outlierDetection"] == {
            "consecutive5xxErrors": 5,
            "interval": "10s",
            "baseEjectionTime": "30s",
            "maxEjectionPercent": 50,
        }


@pytest.mark.rows("OR-MSH-06")
def test_auth_is_retried_and_user_has_a_timeout(orion: Registered) -> None:
    (auth,) = orion.spec("VirtualService", "orion-auth", "auth")["http"]
    assert auth["retries"] == {"attempts": 3, "perTryTimeout": "2s", "retryOn": "5xx,reset,connect-failure"}
    assert auth["route"][0]["destination"]["port"] == {"number": 3001}
    (user,) = orion.spec("VirtualService", "orion-user", "user")["http"]
    assert (user["timeout"], user["route"][0]["destination"]["port"]) == ("10s", {"number": 3002})


@pytest.mark.rows("OR-MSH-08")
def test_nothing_is_known_outside_but_the_vendors(orion: Registered) -> None:
    known: dict[str, set[int]] = {}
    for name, item in orion.manifests("ServiceEntry").items():
        if name.startswith("orion-system/"):
            for host in item["spec"]["hosts"]:
                known.setdefault(host, set()).update(
                    port.get("targetPort", port["number"]) for port in item["spec"]["ports"]
                )
    mail = {"smtp.sendgrid.net": {587, 465}, "smtp.mailgun.org": {587, 465}}
    web = {
        "accounts.google.com",
        "oauth2.googleapis.com",
        "github.com",
        "api.github.com",
        "api.stripe.com",
        "api.twilio.com",
        "api.sendgrid.com",
        "api.mailgun.net",
        "*.us-east-1.amazonaws.com",
        "*.datadoghq.com",
        "sentry.io",
        "*.sentry.io",
    }
    assert known == {**mail, **{host: {443} for host in web}}


@pytest.mark.rows("OR-MSH-08", "OR-MSH-09")
def test_a_vendor_of_many_names_is_called_by_the_egress_gateway_too(orion: Registered) -> None:
    """The gateway resolves the name that the service's own handshake holds, and none outside the vendor's domain."""
    patches = orion.spec("EnvoyFilter", "istio-system", "egress-patterns")["configPatches"]
    inner = {
        item["patch"]["value"]["name"]: item["patch"]["value"] for item in patches if item["applyTo"] == "LISTENER"
    }
    for host in ("*.us-east-1.amazonaws.com", "*.datadoghq.com", "*.sentry.io"):
        name = host.replace("*", "any").replace(".", "-")
        (inwards,) = orion.spec("VirtualService", "orion-system", f"{name}-egress")["tls"]
        assert inwards["match"] == [{"gateways": ["mesh"], "port": 443, "sniHosts": [host]}]
        assert inwards["route"][0]["destination"]["host"] == EGRESS
        (chain,) = inner[f"{name}-443"]["filter_chains"]
        assert chain["filter_chain_match"] == {"server_names": [host]}


@pytest.mark.rows("OR-MSH-09")
def test_vendors_are_called_by_the_egress_gateway(orion: Registered) -> None:
    for host in ("api.twilio.com", "accounts.google.com", "github.com", "api.stripe.com"):
        spec = orion.spec("VirtualService", "orion-system", f"{host.replace('.', '-')}-egress")
        (inwards,) = spec["tls"]
        assert inwards["match"] == [{"gateways": ["mesh"], "port": 443, "sniHosts": [host]}]
        assert inwards["route"][0]["destination"]["host"] == EGRESS
    originated = orion.spec("DestinationRule", "istio-system", "api-sendgrid-com")
    (level,) = originated["trafficPolicy"]["portLevelSettings"]
    assert (originated["host"], level["tls"]["mode"]) == ("api.sendgrid.com", "SIMPLE")


@pytest.mark.rows("OR-MSH-10")
def test_egress_is_logged_limited_watched_and_allowed_by_name(orion: Registered) -> None:
    (logging,) = orion.spec("Telemetry", "istio-system", "mesh-default")["accessLogging"]
    assert logging["providers"] == [{"name": "envoy"}]
    limits = orion.spec("EnvoyFilter", "istio-system", "egress-limit")
    assert limits["workloadSelector"]["labels"] == {"istio": "egressgateway"}
    buckets = [patch["patch"]["value"]["typed_config"]["token_bucket"] for patch in limits["configPatches"]]
    assert {(bucket["tokens_per_fill"], bucket["fill_interval"]) for bucket in buckets} == {(100, "1s")}
    rules = orion.spec("AuthorizationPolicy", "istio-system", "egress-gateway")["rules"]
    named = {name for rule in rules for name in rule["from"][0]["source"]["principals"]}
    assert named == {principal(service) for service in SERVICES}
    hosts = {host: rule["from"][0]["source"]["principals"] for rule in rules for host in rule["when"][0]["values"]}
    assert hosts["api.stripe.com"] == [principal("user")]
    assert hosts["github.com"] == [principal("auth")]


@pytest.mark.rows("OR-MSH-10", "OR-MSH-15")
def test_an_unusual_rate_alerts_and_bytes_are_recorded_by_destination(orion: Registered) -> None:
    groups = orion.spec("PrometheusRule", "orion-system", "orion-alerts")["groups"]
    (rules,) = [group["rules"] for group in groups if group["name"] == "orion-egress"]
    recorded = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
    assert "istio_tcp_sent_bytes_total" in recorded["egress:sent_bytes:rate5m"]
    assert "sum by (destination_service)" in recorded["egress:sent_bytes:rate5m"]
    (alert,) = [rule for rule in rules if "alert" in rule]
    assert "> 3 * avg_over_time(egress:sent:rate5m[1h])" in alert["expr"]


@pytest.mark.rows("OR-MSH-11")
def test_only_the_gateway_calls_the_services_behind_it(orion: Registered) -> None:
    for service, port in SERVICES.items():
        if service == "gateway":
            continue
        rules = orion.spec("AuthorizationPolicy", f"orion-{service}", f"{service}-authz")["rules"]
        allowed = [rule for rule in rules if str(port) in rule["to"][0]["operation"]["ports"]]
        assert [rule["from"][0]["source"]["principals"] for rule in allowed] == [[principal("gateway")]]


@pytest.mark.rows("OR-MSH-12")
def test_the_gateway_asks_for_tokens_of_auth(orion: Registered) -> None:
    (rule,) = orion.spec("RequestAuthentication", "orion-gateway", "gateway-tokens")["jwtRules"]
    assert rule["issuer"] == "https://auth.orion.com"
    assert rule["jwksUri"] == "http://auth.orion-auth.svc.cluster.local:3001/.well-known/jwks.json"
    (denied,) = orion.spec("AuthorizationPolicy", "orion-gateway", "gateway-tokens")["rules"]
    assert denied["to"][0]["operation"]["notPaths"] == ["/api/auth/login", "/api/auth/register", "/health"]


@pytest.mark.rows("OR-MSH-07")
def test_requests_are_traced_and_somebody_takes_the_spans(orion: Registered) -> None:
    (tracing,) = orion.spec("Telemetry", "istio-system", "mesh-default")["tracing"]
    assert tracing["randomSamplingPercentage"] == 10
    assert tracing["providers"] == [{"name": "otel-tracing"}]
    (provider,) = orion.charts["istiod"].values["meshConfig"]["extensionProviders"]
    assert provider["opentelemetry"] == {"service": "tempo.orion-monitoring.svc.cluster.local", "port": 4317}
    assert orion.charts["tempo"].namespace == "orion-monitoring"


@pytest.mark.rows("OR-MSH-08")
def test_what_is_not_registered_is_not_called(orion: Registered) -> None:
    assert orion.charts["istiod"].values["meshConfig"]["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}


@pytest.mark.rows("OR-MSH-13")
def test_the_ingress_controller_is_of_the_mesh(orion: Registered) -> None:
    pod = orion.charts["nginx-ingress"].values["controller"]["pod"]
    assert pod["extraLabels"] == {"sidecar.istio.io/inject": "true"}
    rules = orion.spec("AuthorizationPolicy", "orion-gateway", "gateway-authz")["rules"]
    admitted = [rule["from"][0]["source"].get("principals") for rule in rules if "from" in rule]
    assert ["cluster.local/ns/orion-ingress/sa/nginx-ingress"] in admitted
