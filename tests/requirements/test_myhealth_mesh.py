"""myHealth's mesh and policies: who is let in, who is let out, and what tokens must say."""

from __future__ import annotations

import json

import pytest

from tests.requirements.myhealth import API, environment
from tests.requirements.registered import Registered

GATEWAY = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"
HOME = "cluster.local/ns/myhealth/sa"


@pytest.mark.rows("MH-ADD-01", "MH-MSH-08")
def test_istio_is_of_one_version_and_writes_access_logs_as_json(myhealth: Registered) -> None:
    names = ("istio-base", "istiod", "istio-cni", "istio-ingressgateway", "istio-egressgateway")
    found = [myhealth.charts[name] for name in names]
    assert [chart.chart for chart in found] == ["base", "istiod", "cni", "gateway", "gateway"]
    (version,) = {chart.version for chart in found}
    assert tuple(map(int, version.split(".")[:2])) >= (1, 29)
    values = myhealth.charts["istiod"].values
    assert values["pilot"]["cni"]["enabled"] is True
    mesh = values["meshConfig"]
    assert (mesh["accessLogFile"], mesh["accessLogEncoding"]) == ("/dev/stdout", "JSON")
    telemetry = myhealth.spec("Telemetry", "istio-system", "mesh-default")
    if environment(myhealth) == "prod":
        assert telemetry["tracing"][0]["randomSamplingPercentage"] == 10
        assert mesh["extensionProviders"][0]["opentelemetry"]["service"].startswith("jaeger.")
    else:
        assert "tracing" not in telemetry


@pytest.mark.rows("MH-MSH-01", "MH-MSH-05")
def test_all_speak_mutual_tls_and_only_declared_hosts_are_known(myhealth: Registered) -> None:
    modes = {name: item["spec"]["mtls"]["mode"] for name, item in myhealth.manifests("PeerAuthentication").items()}
    assert set(modes.values()) == {"STRICT"}
    assert myhealth.manifests("Namespace")["myhealth"]["metadata"]["labels"]["istio-injection"] == "enabled"
    assert myhealth.charts["istiod"].values["meshConfig"]["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}
    entries = {
        host: item["spec"] for item in myhealth.manifests("ServiceEntry").values() for host in item["spec"]["hosts"]
    }
    assert [port["number"] for port in entries["api.ouraring.com"]["ports"]] == [443]
    assert entries["api.ouraring.com"]["location"] == "MESH_EXTERNAL"


@pytest.mark.rows("MH-MSH-02", "MH-MSH-03", "MH-MSH-11")
def test_the_api_s_host_leads_to_its_service_in_time(myhealth: Registered) -> None:
    host = API[environment(myhealth)]
    gateway = myhealth.spec("Gateway", "myhealth", "myhealth-gateway")
    hosts = {name for server in gateway["servers"] for name in server["hosts"]}
    assert host in hosts
    assert not any("*" in name for name in hosts)
    (routes,) = [
        item["spec"] for item in myhealth.manifests("VirtualService").values() if item["spec"]["hosts"] == [host]
    ]
    assert {route["match"][0]["uri"]["prefix"] for route in routes["http"]} == {"/auth/login", "/api/v1/", "/health"}
    origins = {"dev": {"https://dev.myhealth.eric-n.com", "https://grafana.dev.myhealth.eric-n.com"}}
    for route in routes["http"]:
        assert {item["destination"]["host"].split(".")[0] for item in route["route"]} == {"api-service"}
        assert {item["destination"]["port"]["number"] for item in route["route"]} == {8080}
        retries = route["retries"]
        assert (route["timeout"], retries["attempts"], retries["perTryTimeout"]) == ("10s", 3, "3s")
        assert retries["retryOn"] == "5xx,reset,connect-failure"
        allowed = {origin["exact"] for origin in route["corsPolicy"]["allowOrigins"]}
        assert allowed == origins.get(environment(myhealth), {"https://myhealth.eric-n.com"})


@pytest.mark.rows("MH-MSH-04")
def test_prod_breaks_circuits_and_splits_the_api_s_traffic(myhealth_prod: Registered) -> None:
    for name in ("api-service", "data-processor"):
        policy = myhealth_prod.spec("DestinationRule", "myhealth", name)["trafficPolicy"]
        outliers = policy["outlierDetection"]
        assert (outliers["consecutive5xxErrors"], outliers["interval"]) == (5, "30s")
        assert (outliers["baseEjectionTime"], outliers["maxEjectionPercent"]) == ("30s", 50)
        pool = policy["connectionPool"]
        assert (pool["tcp"]["maxConnections"], pool["http"]["http1MaxPendingRequests"]) == (100, 50)
    subsets = {item["name"] for item in myhealth_prod.spec("DestinationRule", "myhealth", "api-service")["subsets"]}
    assert subsets == {"stable", "canary"}
    (routes,) = [
        item["spec"]["http"]
        for item in myhealth_prod.manifests("VirtualService").values()
        if item["spec"]["hosts"] == [API["prod"]]
    ]
    for route in routes:
        assert {item["destination"]["subset"]: item["weight"] for item in route["route"]} == {
            "stable": 100,
            "canary": 0,
        }
    assert "myhealth/api-service" in myhealth_prod.manifests("Rollout")


@pytest.mark.rows("MH-MSH-10", "MH-ADD-06")
def test_grafana_is_reached_through_the_mesh_and_no_other_ingress_is_there(myhealth: Registered) -> None:
    host = API[environment(myhealth)].replace("api.", "grafana.", 1)
    (route,) = [
        item["spec"] for item in myhealth.manifests("VirtualService").values() if item["spec"]["hosts"] == [host]
    ]
    assert route["gateways"] == ["myhealth/myhealth-gateway"]
    assert not myhealth.all("Ingress")
    charts = {chart.chart for chart in myhealth.charts.values()}
    assert not {"ingress-nginx", "nginx-ingress", "traefik"} & charts
    if environment(myhealth) == "dev":
        assert not {"argo-cd", "jaeger", "kiali-server"} & charts
        assert myhealth.charts["kube-prometheus-stack"].values["alertmanager"] == {"enabled": False}
    else:
        assert {"argo-cd", "jaeger", "kiali-server"} <= charts


@pytest.mark.rows("MH-SEC-01", "MH-SEC-02", "MH-SEC-03", "MH-SEC-04", "MH-SEC-05")
def test_the_network_lets_pass_what_is_declared_and_nothing_else(myhealth: Registered) -> None:
    policies = {name: item["spec"] for name, item in myhealth.manifests("NetworkPolicy", "myhealth").items()}
    deny = policies["default-deny"]
    assert (deny["podSelector"], set(deny["policyTypes"])) == ({}, {"Ingress", "Egress"})
    assert not deny.get("ingress")
    assert not deny.get("egress")

    def callers(name: str, port: int) -> set[str]:
        rules = policies[f"{name}-policy"]["ingress"]
        peers = [peer for rule in rules if port in {item["port"] for item in rule["ports"]} for peer in rule["from"]]
        labels = [peer["podSelector"]["matchLabels"] for peer in peers]
        return {str(found.get("app") or found.get("istio")) for found in labels}

    def outside(name: str) -> dict[int, set[str]]:
        found: dict[int, set[str]] = {}
        for rule in policies[f"{name}-policy"]["egress"]:
            for peer in rule["to"]:
                if "ipBlock" in peer:
                    for port in rule["ports"]:
                        found.setdefault(port["port"], set()).add(peer["ipBlock"]["cidr"])
        return found

    assert callers("api-service", 8080) == {"ingressgateway"}
    assert callers("data-processor", 8080) == {"oura-collector", "api-service"}
    private = {
        item.inputs["cidrBlock"] for item in myhealth.all("ec2.Subnet") if item.inputs["tags"]["Tier"] == "private"
    }
    assert outside("data-processor") == outside("api-service") == {5432: private}
    assert outside("oura-collector") == {}
    text = json.dumps(policies["oura-collector-policy"]["egress"])
    assert '"istio": "egressgateway"' in text
    for name in ("oura-collector", "data-processor", "api-service"):
        ports = {port["port"] for rule in policies[f"{name}-policy"]["egress"] for port in rule["ports"]}
        assert {53, 15012} <= ports


@pytest.mark.rows("MH-SEC-07", "MH-SEC-08", "MH-SEC-11")
def test_the_mesh_admits_by_account_and_purpose(myhealth: Registered) -> None:
    assert any(item["spec"] in ({}, None) for item in myhealth.manifests("AuthorizationPolicy", "myhealth").values())
    rules = myhealth.spec("AuthorizationPolicy", "myhealth", "data-processor-authz")["rules"]
    admitted = {
        rule["from"][0]["source"]["principals"][0]: rule["to"][0]["operation"] for rule in rules if "from" in rule
    }
    assert admitted[f"{HOME}/oura-collector"]["paths"] == ["/api/v1/ingest"]
    assert admitted[f"{HOME}/oura-collector"]["methods"] == ["POST"]
    assert admitted[f"{HOME}/api-service"]["paths"] == ["/api/v1/metrics/*"]
    assert admitted[f"{HOME}/api-service"]["methods"] == ["GET"]
    assert set(admitted) == {f"{HOME}/oura-collector", f"{HOME}/api-service"}
    api = myhealth.spec("AuthorizationPolicy", "myhealth", "api-service-authz")["rules"]
    assert {name for rule in api if "from" in rule for name in rule["from"][0]["source"]["principals"]} == {GATEWAY}
    accounts = {"oura-collector", "data-processor", "api-service"}
    assert accounts <= set(myhealth.manifests("ServiceAccount", "myhealth"))
    bound = {
        subject["name"]
        for item in myhealth.manifests("ClusterRoleBinding").values()
        for subject in item["subjects"]
        if subject.get("namespace") == "myhealth"
    }
    assert not bound & accounts


@pytest.mark.rows("MH-SEC-09", "MH-SEC-10")
def test_the_ingress_gateway_asks_for_tokens_and_prod_for_roles_and_scopes(myhealth: Registered) -> None:
    (asked,) = myhealth.manifests("RequestAuthentication", "istio-system").values()
    (issuer,) = asked["spec"]["jwtRules"]
    assert issuer["issuer"] == f"https://{API[environment(myhealth)]}"
    assert issuer["jwksUri"].endswith("/.well-known/jwks.json")
    spec = myhealth.spec("AuthorizationPolicy", "istio-system", "api-tokens")
    assert (spec["action"], spec["selector"]["matchLabels"]) == ("DENY", {"istio": "ingressgateway"})
    first, *others = spec["rules"]
    assert first["from"] == [{"source": {"notRequestPrincipals": ["*"]}}]
    assert set(first["to"][0]["operation"]["notPaths"]) == {"/auth/login", "/health"}
    wanted = {(when["key"], value) for rule in others for when in rule["when"] for value in when["notValues"]}
    if environment(myhealth) == "dev":
        assert not wanted
        return
    assert {value for key, value in wanted if key == "request.auth.claims[role]"} == {"admin", "user"}
    assert {"read:sleep", "write:profile"} <= {value for key, value in wanted if key == "request.auth.claims[scope]"}
