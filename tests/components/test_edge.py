"""The public API, the site and the account's watch: what would let somebody in, or leave something unseen."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from tests.components.built import api, shown, watch
from tests.components.strict_monitor import Secret, StrictMonitor, plain, register


@cache
def published() -> StrictMonitor:
    return register(api)


@cache
def site() -> StrictMonitor:
    return register(shown)


@cache
def watched() -> StrictMonitor:
    return register(watch)


def statements(monitor: StrictMonitor, type_: str, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(plain(monitor.of(type_)[name].inputs["policy"]))["Statement"]
    return found


def body() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(published().one("aws:apigateway/restApi:RestApi").inputs["body"])
    return found


def test_the_document_leads_to_the_link_and_the_authorizer() -> None:
    """A place that nobody fills in would be an API that imports and answers every request with an error."""
    text = json.dumps(body())
    assert "${" not in text
    operation = body()["paths"]["/api/v1/orders/{number}"]["get"]
    assert operation["x-amazon-apigateway-integration"]["connectionId"] == "shop-api-link.id"
    scheme = body()["components"]["securitySchemes"]["token"]
    assert scheme["x-amazon-apigateway-authorizer"]["authorizerUri"] == "shop-api-authorizer-function.invokeArn"


def test_the_api_answers_under_its_own_name_only() -> None:
    """The generated name has neither the certificate's name nor, for its path, the stage's limits."""
    rest = published().one("aws:apigateway/restApi:RestApi").inputs
    assert rest["disableExecuteApiEndpoint"] is True
    domain = published().one("aws:apigateway/domainName:DomainName").inputs
    assert (domain["domainName"], domain["securityPolicy"]) == ("api.shop.x.org", "TLS_1_2")


def test_another_document_is_another_deployment() -> None:
    """Else the stage goes on serving the API that it was first made of."""
    triggers = published().one("aws:apigateway/deployment:Deployment").inputs["triggers"]
    assert len(triggers["document"]) == 64


def test_the_authorizer_reads_the_keys_secret_and_nothing_else() -> None:
    found = statements(published(), "aws:iam/rolePolicy:RolePolicy", "shop-api-authorizer-policy")
    assert [item["Resource"] for item in found] == [["shop-api-authorizer-log.arn:*"], ["arn:secret"], ["arn:key"]]
    assert found[2]["Condition"] == {"StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}}
    made = published().one("aws:lambda/function:Function").inputs
    assert made["environment"]["variables"] == {
        "ISSUER": "https://shop.x.org",
        "AUDIENCE": "shop",
        "ALGORITHMS": "RS256",
        "KEYS_SECRET": "arn:secret",
    }


def test_api_gateway_alone_may_ask_the_authorizer_and_for_this_api_only() -> None:
    permission = published().one("aws:lambda/permission:Permission").inputs
    assert permission["principal"] == "apigateway.amazonaws.com"
    assert permission["sourceArn"] == "shop-api-api.executionArn/authorizers/*"


def test_logs_hold_no_bodies_and_no_tokens() -> None:
    settings = published().one("aws:apigateway/methodSettings:MethodSettings").inputs["settings"]
    assert settings["dataTraceEnabled"] is False
    access = published().one("aws:apigateway/stage:Stage").inputs["accessLogSettings"]["format"]
    assert "requestId" in access
    assert not any(word in access for word in ("authorizationToken", "apiKey}", "querystring", "input."))


def test_taking_one_stack_away_leaves_the_accounts_logging_role() -> None:
    """The role is the region's: without it the other stacks' APIs would stop writing logs."""
    account = published().one("aws:apigateway/account:Account")
    assert account.inputs["cloudwatchRoleArn"] == "shop-api-logging-role.arn"
    stage = published().one("aws:apigateway/stage:Stage")
    assert "shop-api-account" in stage.dependencies


def test_the_clients_key_stays_secret() -> None:
    assert isinstance(published().one("aws:apigateway/apiKey:ApiKey").inputs["value"], Secret)


def test_names_inside_lead_to_the_balancer_and_the_apis_name_to_the_api() -> None:
    records = published().of("aws:route53/record:Record")
    assert records["shop-api-record"].inputs["aliases"][0]["name"] == "shop-api-domain.regionalDomainName"
    assert records["shop-api-charts"].inputs["name"] == "charts.shop.x.org"
    assert records["shop-api-charts"].inputs["aliases"][0]["name"] == "balancer.internal"


def test_the_firewall_counts_before_it_reads() -> None:
    rules = published().one("aws:wafv2/webAcl:WebAcl").inputs["rules"]
    assert [rule["name"] for rule in rules] == ["rate", "AWSManagedRulesCommonRuleSet"]
    rate = rules[0]["statement"]["rateBasedStatement"]
    assert (rate["limit"], rate["evaluationWindowSec"], rate["aggregateKeyType"]) == (100, 60, "IP")
    assert (
        published().one("aws:wafv2/webAclAssociation:WebAclAssociation").inputs["resourceArn"] == "shop-api-stage.arn"
    )


def test_the_bucket_is_read_by_this_distribution_only() -> None:
    """Any other distribution of any account could serve the files, were it not named."""
    (denied, reading) = statements(site(), "aws:s3/bucketPolicy:BucketPolicy", "shop-site-policy")
    assert denied["Effect"] == "Deny"
    assert reading["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert reading["Action"] == "s3:GetObject"
    assert reading["Condition"] == {"StringEquals": {"AWS:SourceArn": "shop-site-distribution.arn"}}
    assert len(site().of("aws:s3/bucketPolicy:BucketPolicy")) == 1


def test_cloudfront_can_decrypt_what_the_bucket_holds() -> None:
    """The account's own KMS key for S3 is none that CloudFront may use: every file would be refused."""
    (made,) = (
        site().of("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration").values()
    )
    assert made.inputs["rules"][0]["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}


def test_errors_of_the_api_stay_errors() -> None:
    """A page for every 403 and 404 would be one for the API's, too."""
    made = site().one("aws:cloudfront/distribution:Distribution").inputs
    assert "customErrorResponses" not in made
    assert made["defaultCacheBehavior"]["functionAssociations"][0]["eventType"] == "viewer-request"
    paths = {item["pathPattern"]: item for item in made["orderedCacheBehaviors"]}
    assert set(paths) == {"/assets/*", "/api/*", "/auth/*"}
    assert paths["/api/*"]["targetOriginId"] == "api"
    assert "functionAssociations" not in paths["/api/*"]
    assert paths["/api/*"]["cachePolicyId"] != paths["/assets/*"]["cachePolicyId"]


def test_the_certificate_is_where_cloudfront_reads_it() -> None:
    """From any other region CloudFront refuses it."""
    assert site().one("aws:acm/certificate:Certificate").inputs["region"] == "us-east-1"
    assert "region" not in published().one("aws:acm/certificate:Certificate").inputs


def test_only_the_trail_of_this_account_writes_its_bucket() -> None:
    found = statements(watched(), "aws:s3/bucketPolicy:BucketPolicy", "shop-watch-policy")
    trail = "arn:aws:cloudtrail:eu-west-1:123456789012:trail/shop-watch"
    assert found[0]["Effect"] == "Deny"
    assert all(item["Condition"]["StringEquals"]["aws:SourceArn"] == trail for item in found[1:])
    made = watched().one("aws:cloudtrail/trail:Trail")
    assert made.inputs["name"] == "shop-watch"
    assert "shop-watch-policy" in made.dependencies


def test_the_recorder_is_switched_on_once_it_can_deliver() -> None:
    """AWS refuses to start one without a channel; one that is never started records nothing."""
    status = watched().one("aws:cfg/recorderStatus:RecorderStatus")
    assert status.inputs["isEnabled"] is True
    assert "shop-watch-channel" in status.dependencies


def test_the_trails_key_encrypts_for_trails_of_this_account_only() -> None:
    found = statements(watched(), "aws:kms/keyPolicy:KeyPolicy", "shop-watch-key-policy")
    trails = "arn:aws:cloudtrail:*:123456789012:trail/*"
    encrypting = found[1]
    assert encrypting["Principal"] == {"Service": "cloudtrail.amazonaws.com"}
    assert encrypting["Condition"]["StringLike"]["aws:SourceArn"] == trails
