"""myHealth's public edge: the API, its names, its guards; in production the site before it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.requirements.myhealth import (
    API,
    document,
    environment,
    listed,
    methods,
    policies_of,
    statements,
    values,
    versioned,
)
from tests.requirements.registered import Registered

PATHS = {
    "POST /auth/login",
    "GET /api/v1/dashboard",
    "GET /api/v1/sleep",
    "GET /api/v1/activity",
    "GET /api/v1/readiness",
    "GET /health",
}
TRENDS = {"dev": "GET /api/v1/trends", "prod": "GET /api/v1/trends/{metric}"}
SITE = "myhealth.eric-n.com"


def zone(stack: Registered) -> set[str]:
    """Ids of the zones that records are in."""
    return {item.inputs["zoneId"] for item in stack.all("route53.Record")}


def alias(stack: Registered, name: str) -> dict[str, Any]:
    (found,) = stack.one("route53.Record", name=name, type="A").inputs["aliases"]
    assert isinstance(found, dict)
    return found


WEBHOOK = "/api/webhook"
"""Production's alone, where Argo CD is told of pushes: MH-CD-07."""


@pytest.mark.rows("MH-EDG-01")
def test_a_rest_api_with_a_stage_answers_under_the_environments_name(myhealth: Registered) -> None:
    api, stage = myhealth.one("apigateway.RestApi"), myhealth.one("apigateway.Stage")
    domain = myhealth.one("apigateway.DomainName")
    assert domain.inputs["domainName"] == API[environment(myhealth)]
    assert domain.inputs["securityPolicy"] == "TLS_1_2"
    assert stage.inputs["restApi"] == api.id
    mapping = myhealth.one("apigateway.BasePathMapping").inputs
    assert (mapping["restApi"], mapping["stageName"], mapping["domainName"]) == (
        api.id,
        stage.inputs["stageName"],
        domain.id,
    )
    assert "basePath" not in mapping


@pytest.mark.rows("MH-EDG-02")
def test_names_stand_in_the_zone_that_is_there_and_certificates_are_proved_in_it(myhealth: Registered) -> None:
    """A zone of the stack's own would be one that nobody is led to."""
    assert not [item for item in myhealth.all("route53.Zone") if not item.inputs.get("vpcs")]
    hosts = {"dev": {API["dev"]}, "prod": {API["prod"], SITE}}[environment(myhealth)]
    certificates = {item.inputs["domainName"]: item for item in myhealth.all("acm.Certificate")}
    assert set(certificates) == hosts
    issued = {item.inputs["certificateArn"] for item in myhealth.all("acm.CertificateValidation")}
    assert issued == {item.id for item in certificates.values()}
    assert all(item.inputs["validationMethod"] == "DNS" for item in certificates.values())
    domain = myhealth.one("apigateway.DomainName")
    assert domain.inputs["regionalCertificateArn"] == certificates[API[environment(myhealth)]].id
    assert alias(myhealth, API[environment(myhealth)])["name"] == domain.outputs["regionalDomainName"]
    assert len(zone(myhealth)) == 1


@pytest.mark.rows("MH-EDG-02", "MH-EDG-12")
def test_the_site_has_its_name_and_asks_for_tls(myhealth_prod: Registered) -> None:
    site = myhealth_prod.one("cloudfront.Distribution")
    assert site.inputs["aliases"] == [SITE]
    viewer = site.inputs["viewerCertificate"]
    assert viewer["minimumProtocolVersion"] == "TLSv1.2_2021"
    certificate = myhealth_prod.one("acm.Certificate", domainName=SITE)
    assert viewer["acmCertificateArn"] == certificate.id
    assert certificate.inputs["region"] == "us-east-1"
    assert alias(myhealth_prod, SITE)["name"] == site.outputs["domainName"]
    behaviours = [site.inputs["defaultCacheBehavior"], *site.inputs["orderedCacheBehaviors"]]
    assert {item["viewerProtocolPolicy"] for item in behaviours} <= {"redirect-to-https", "https-only"}


@pytest.mark.rows("MH-EDG-03")
def test_every_request_reaches_the_ingress_by_the_link_and_the_internal_balancer(myhealth: Registered) -> None:
    link, balancer = myhealth.one("apigateway.VpcLink"), myhealth.one("lb.LoadBalancer")
    assert link.inputs["targetArn"] == balancer.id
    assert (balancer.inputs["internal"], balancer.inputs["loadBalancerType"]) == (True, "network")
    private = {item.id for item in myhealth.all("ec2.Subnet") if item.inputs["tags"]["Tier"] == "private"}
    assert set(balancer.inputs["subnets"]) == private
    for method in methods(myhealth):
        found = method.integration
        assert (found["type"], found["connectionType"], found["connectionId"]) == ("HTTP_PROXY", "VPC_LINK", link.id)
        assert found["httpMethod"] == method.verb
        if method.path != WEBHOOK:
            assert found["uri"] == f"https://{API[environment(myhealth)]}{method.path}"


@pytest.mark.rows("MH-EDG-03")
def test_the_balancer_leads_to_the_gateways_ports_on_the_nodes(myhealth: Registered) -> None:
    """Whatever else is said of the link, requests end where the gateway's Service listens."""
    groups = {int(item.inputs["name"].rpartition("-")[2]): item for item in myhealth.all("lb.TargetGroup")}
    listeners = {item.inputs["port"]: item for item in myhealth.all("lb.Listener")}
    assert set(groups) == set(listeners) == {80, 443}
    for port, listener in listeners.items():
        (action,) = listener.inputs["defaultActions"]
        assert action["targetGroupArn"] == groups[port].id
    attached = {item.inputs["lbTargetGroupArn"] for item in myhealth.all("autoscaling.Attachment")}
    assert {group.id for group in groups.values()} <= attached
    nodes = {item.inputs["port"] for item in groups.values()}
    gateway = values(myhealth, "istio-ingressgateway")
    assert nodes <= {item["nodePort"] for item in gateway["service"]["ports"]}


@pytest.mark.rows("MH-EDG-04")
def test_the_published_paths_are_these(myhealth: Registered) -> None:
    found = [f"{method.verb} {method.path}" for method in methods(myhealth)]
    told = {f"POST {WEBHOOK}"} if environment(myhealth) == "prod" else set()
    assert set(found) == PATHS | {TRENDS[environment(myhealth)]} | told
    assert len(found) == len({method.path for method in methods(myhealth)}), "one method each"
    assert not any("+" in path or path in ("/", "/*") for path in document(myhealth)["paths"])
    assert not myhealth.all("apigateway.Resource"), "none beside the document"


@pytest.mark.rows("MH-EDG-05")
def test_metrics_are_published_nowhere(myhealth: Registered) -> None:
    assert not any("metrics" in path for path in document(myhealth)["paths"])
    for name, item in myhealth.manifests("VirtualService").items():
        spec = item["spec"]
        if any(gateway != "mesh" and "egress" not in gateway for gateway in spec.get("gateways", ["mesh"])):
            hosts = [host for host in spec["hosts"] if host.startswith("api.")]
            uris = [match["uri"] for route in spec["http"] for match in route.get("match", ())]
            prefixes = [uri["prefix"] for uri in uris if "prefix" in uri]
            assert not hosts or (prefixes and not any("/metrics".startswith(prefix) for prefix in prefixes)), name


@pytest.mark.rows("MH-EDG-06")
def test_an_authorizer_guards_all_but_signing_in_and_health(myhealth: Registered) -> None:
    scheme = document(myhealth)["components"]["securitySchemes"]["token"]
    assert (scheme["in"], scheme["name"], scheme["x-amazon-apigateway-authtype"]) == (
        "header",
        "Authorization",
        "custom",
    )
    authorizer = scheme["x-amazon-apigateway-authorizer"]
    assert (authorizer["type"], authorizer["authorizerResultTtlInSeconds"]) == ("token", 300)
    function = myhealth.one("lambda.Function", handler="functions.authorizer.handler.handler")
    assert authorizer["authorizerUri"] == function.outputs["invokeArn"]
    for method in methods(myhealth):
        assert ("token" in method.guards) == (method.path not in ("/auth/login", "/health", WEBHOOK)), method.path
    permission = myhealth.one("lambda.Permission", principal="apigateway.amazonaws.com").inputs
    assert (permission["action"], permission["function"]) == ("lambda:InvokeFunction", function.inputs["name"])
    assert permission["sourceArn"] == f"{myhealth.one('apigateway.RestApi').outputs['executionArn']}/authorizers/*"


@pytest.mark.rows("MH-EDG-07")
def test_the_authorizer_reads_the_one_secret_and_holds_no_key(myhealth: Registered) -> None:
    function = myhealth.one("lambda.Function", handler="functions.authorizer.handler.handler")
    assert (function.inputs["runtime"], function.inputs["timeout"], function.inputs["memorySize"]) == (
        "python3.13",
        5,
        256,
    )
    assert function.inputs["code"]
    secret = myhealth.one("secretsmanager.Secret", name=f"myhealth/{environment(myhealth)}/jwt-secret")
    (role,) = [item for item in myhealth.all("iam.Role") if item.outputs["arn"] == function.inputs["role"]]
    reading = [
        item
        for item in policies_of(myhealth, role)
        if any("secretsmanager" in action for action in listed(item["Action"]))
    ]
    assert [(listed(item["Action"]), listed(item["Resource"])) for item in reading] == [
        (["secretsmanager:GetSecretValue"], [secret.id])
    ]
    variables = function.inputs["environment"]["variables"]
    assert variables["KEYS_SECRET"] == secret.id
    assert "PRIVATE KEY" not in json.dumps(variables)
    assert set(variables) == {"ISSUER", "AUDIENCE", "ALGORITHMS", "KEYS_SECRET"}


@pytest.mark.rows("MH-EDG-07")
def test_the_secret_holds_public_keys_for_the_authorizer(myhealth: Registered) -> None:
    secret = myhealth.one("secretsmanager.Secret", name=f"myhealth/{environment(myhealth)}/jwt-secret")
    content = json.loads(myhealth.one("secretsmanager.SecretVersion", secretId=secret.id).inputs["secretString"])
    (key,) = json.loads(content["jwks"])["keys"]
    assert (key["kty"], key["alg"]) == ("RSA", "RS256")
    assert not {"d", "p", "q"} & set(key), "the private half"
    assert "PRIVATE KEY" in content["private-key"]


@pytest.mark.rows("MH-EDG-08")
def test_requests_are_validated(myhealth: Registered) -> None:
    found = document(myhealth)
    validators = found["x-amazon-apigateway-request-validators"]
    for method in methods(myhealth):
        chosen = validators[method.operation["x-amazon-apigateway-request-validator"]]
        assert chosen == {"validateRequestBody": True, "validateRequestParameters": True}
    (login,) = [method for method in methods(myhealth) if method.path == "/auth/login"]
    body = login.operation["requestBody"]
    reference = body["content"]["application/json"]["schema"]["$ref"]
    model = found["components"]["schemas"][reference.rpartition("/")[2]]
    assert (body["required"], model["type"]) == (True, "object")
    fields = {"dev": {"api_key"}, "prod": {"email", "password"}}[environment(myhealth)]
    assert set(model["required"]) == fields


@pytest.mark.rows("MH-EDG-09")
def test_each_client_has_a_key_and_a_hundred_requests_a_minute(myhealth: Registered) -> None:
    api, stage = myhealth.one("apigateway.RestApi"), myhealth.one("apigateway.Stage")
    plan, key = myhealth.one("apigateway.UsagePlan"), myhealth.one("apigateway.ApiKey")
    assert plan.inputs["throttleSettings"] == {"rateLimit": 1.67, "burstLimit": 20}
    assert plan.inputs["apiStages"] == [{"apiId": api.id, "stage": stage.inputs["stageName"]}]
    tied = myhealth.one("apigateway.UsagePlanKey").inputs
    assert (tied["usagePlanId"], tied["keyId"], tied["keyType"]) == (plan.id, key.id, "API_KEY")
    schemes = document(myhealth)["components"]["securitySchemes"]
    assert schemes["api-key"] == {"type": "apiKey", "name": "x-api-key", "in": "header"}
    assert all("api-key" in method.guards for method in versioned(myhealth))
    assert 20 <= len(key.inputs["value"]) <= 128


@pytest.mark.rows("MH-EDG-10")
def test_the_api_logs_who_asked_for_what_but_no_bodies(myhealth: Registered) -> None:
    stage = myhealth.one("apigateway.Stage").inputs["accessLogSettings"]
    group = myhealth.one("cloudwatch.LogGroup", name=f"/aws/apigateway/{myhealth.stack}-api")
    assert stage["destinationArn"] == group.outputs["arn"]
    assert group.inputs["retentionInDays"] == {"dev": 7, "prod": 30}[environment(myhealth)]
    assert "$context.requestId" in json.loads(stage["format"]).values()
    settings = myhealth.one("apigateway.MethodSettings").inputs
    assert settings["methodPath"] == "*/*"
    assert settings["settings"]["loggingLevel"] in ("INFO", "ERROR")
    assert (settings["settings"]["metricsEnabled"], settings["settings"]["dataTraceEnabled"]) == (True, False)
    writer = myhealth.one("apigateway.Account").inputs["cloudwatchRoleArn"]
    (role,) = [item for item in myhealth.all("iam.Role") if item.outputs["arn"] == writer]
    assert statements(role.inputs["assumeRolePolicy"])[0]["Principal"] == {"Service": "apigateway.amazonaws.com"}


@pytest.mark.rows("MH-EDG-11")
def test_a_firewall_stands_before_production(myhealth_prod: Registered, myhealth_dev: Registered) -> None:
    acl = myhealth_prod.one("wafv2.WebAcl")
    assert acl.inputs["scope"] == "REGIONAL"
    rules = {rule["name"]: rule for rule in acl.inputs["rules"]}
    managed = rules["AWSManagedRulesCommonRuleSet"]
    assert managed["statement"]["managedRuleGroupStatement"] == {
        "vendorName": "AWS",
        "name": "AWSManagedRulesCommonRuleSet",
    }
    assert managed["overrideAction"] == {"none": {}}
    assert rules["rate"]["action"] == {"block": {}}
    assert rules["rate"]["statement"]["rateBasedStatement"] == {
        "limit": 100,
        "evaluationWindowSec": 60,
        "aggregateKeyType": "IP",
    }
    before = myhealth_prod.one("wafv2.WebAclAssociation").inputs
    assert before["resourceArn"] == myhealth_prod.one("apigateway.Stage").outputs["arn"]
    assert before["webAclArn"] == acl.outputs["arn"]
    assert not {kind for kind in myhealth_dev.kinds if kind.startswith("wafv2.")}


@pytest.mark.rows("MH-EDG-12", "MH-BEY-06")
def test_the_sites_bucket_is_read_by_its_distribution_alone(myhealth_prod: Registered) -> None:
    site = myhealth_prod.one("cloudfront.Distribution")
    (files,) = [item for item in site.inputs["origins"] if item["originId"] == "files"]
    access = myhealth_prod.one("cloudfront.OriginAccessControl")
    assert files["originAccessControlId"] == access.id
    assert (access.inputs["originAccessControlOriginType"], access.inputs["signingBehavior"]) == ("s3", "always")
    (bucket,) = [
        item
        for item in myhealth_prod.all("s3.Bucket")
        if item.outputs["bucketRegionalDomainName"] == files["domainName"]
    ]
    found = statements(myhealth_prod.one("s3.BucketPolicy", bucket=bucket.id).inputs["policy"])
    allowed = [item for item in found if item["Effect"] == "Allow"]
    assert [(item["Principal"], item["Action"], item["Condition"]) for item in allowed] == [
        (
            {"Service": "cloudfront.amazonaws.com"},
            "s3:GetObject",
            {"StringEquals": {"AWS:SourceArn": site.outputs["arn"]}},
        )
    ]
    block = myhealth_prod.one("s3.BucketPublicAccessBlock", bucket=bucket.id).inputs
    assert all(
        block[key] for key in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    )
    assert not {kind for kind in myhealth_prod.kinds if "Website" in kind}


@pytest.mark.rows("MH-EDG-12")
def test_dev_has_no_site(myhealth_dev: Registered) -> None:
    assert not {kind for kind in myhealth_dev.kinds if kind.startswith("cloudfront.")}
    assert not [item for item in myhealth_dev.all("s3.Bucket") if "site" in item.name]


@pytest.mark.rows("MH-EDG-13")
def test_the_site_is_a_single_page_app(myhealth_prod: Registered) -> None:
    site = myhealth_prod.one("cloudfront.Distribution").inputs
    assert site["defaultRootObject"] == "index.html"
    router = myhealth_prod.one("cloudfront.Function")
    default = site["defaultCacheBehavior"]
    assert default["functionAssociations"] == [{"eventType": "viewer-request", "functionArn": router.outputs["arn"]}]
    assert "/index.html" in router.inputs["code"]
    assert default["cachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "AWS's CachingDisabled"
    (assets,) = [item for item in site["orderedCacheBehaviors"] if item["targetOriginId"] == "files"]
    policy = myhealth_prod.by_id("cloudfront.CachePolicy", assets["cachePolicyId"]).inputs
    assert policy["defaultTtl"] >= 24 * 3600
    assert assets["compress"] is True
    encodings = policy["parametersInCacheKeyAndForwardedToOrigin"]
    assert (encodings["enableAcceptEncodingGzip"], encodings["enableAcceptEncodingBrotli"]) == (True, True)


@pytest.mark.rows("MH-EDG-14")
def test_api_calls_pass_the_site_uncached(myhealth_prod: Registered) -> None:
    site = myhealth_prod.one("cloudfront.Distribution").inputs
    (origin,) = [item for item in site["origins"] if item["originId"] == "api"]
    assert origin["domainName"] == API["prod"]
    assert origin["customOriginConfig"]["originProtocolPolicy"] == "https-only"
    passed = {item["pathPattern"]: item for item in site["orderedCacheBehaviors"] if item["targetOriginId"] == "api"}
    assert set(passed) == {"/api/*", "/auth/*"}
    for item in passed.values():
        assert set(item["allowedMethods"]) == {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
        assert item["cachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
        assert item["originRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac", "all but the host"


@pytest.mark.rows("MH-EDG-15")
def test_the_api_is_imported_from_its_document(myhealth: Registered) -> None:
    found = document(myhealth)
    assert found["openapi"].startswith("3.0")
    assert found["info"]["title"]
    for method in methods(myhealth):
        assert method.operation["summary"]
        assert method.operation["responses"]["200"]


@pytest.mark.rows("MH-BEY-14")
def test_the_sites_answers_carry_security_headers(myhealth_prod: Registered) -> None:
    policy = myhealth_prod.one("cloudfront.ResponseHeadersPolicy")
    security = policy.inputs["securityHeadersConfig"]
    assert security["strictTransportSecurity"]["accessControlMaxAgeSec"] >= 31536000
    assert security["contentTypeOptions"]["override"] is True
    assert security["frameOptions"]["frameOption"] == "DENY"
    site = myhealth_prod.one("cloudfront.Distribution").inputs
    behaviours = [site["defaultCacheBehavior"], *site["orderedCacheBehaviors"]]
    assert {item["responseHeadersPolicyId"] for item in behaviours} == {policy.id}
