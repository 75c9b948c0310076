"""The plan of a public API: what is published, how it is guarded and where it leads."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import ValidationError

from derive.edge.public_api import AUTHORIZER, LINK, ApiPlan, public_api
from derive.edge.site import site
from derive.shapes import Deployment
from model import ApiTokens, ArgoCd, Endpoint, Observability, PublicApi, Route, System, seconds
from model.base import hours
from tests.components.built import DEPLOYED, SHOP


def plan(deployment: Deployment = DEPLOYED) -> ApiPlan:
    found = public_api(deployment)
    assert found
    return found


def operations(deployment: Deployment = DEPLOYED) -> dict[str, Any]:
    paths = plan(deployment).document["paths"]
    return {f"{method.upper()} {path}": item for path, methods in paths.items() for method, item in methods.items()}


def changed(**system: Any) -> System:
    return System.model_validate({**dict(SHOP), **system})


def with_api(**api: Any) -> Deployment:
    environment = SHOP.environments["prod"]
    assert environment.api
    given = PublicApi.model_validate({**dict(environment.api), **api})
    return replace(DEPLOYED, environment=environment.model_copy(update={"api": given}))


def test_the_document_is_one_of_openapi() -> None:
    """API Gateway imports what it understands, and says nothing of the rest."""
    validate(json.loads(json.dumps(plan().document)))


def test_what_is_declared_is_published_and_nothing_else() -> None:
    assert list(operations()) == ["GET /api/v1/orders/{number}", "POST /api/v1/orders"]


def test_all_but_open_endpoints_ask_for_a_token_and_a_key() -> None:
    assert operations()["GET /api/v1/orders/{number}"]["security"] == [{"token": [], "api-key": []}]
    assert operations()["POST /api/v1/orders"]["security"] == []


def test_requests_are_checked_and_go_on_by_the_link() -> None:
    found = operations()["GET /api/v1/orders/{number}"]
    assert found["x-amazon-apigateway-integration"] == {
        "type": "HTTP_PROXY",
        "httpMethod": "GET",
        "uri": "https://api.shop.x.org/api/v1/orders/{number}",
        "connectionType": "VPC_LINK",
        "connectionId": LINK,
        "passthroughBehavior": "when_no_match",
        "timeoutInMillis": 11_000,
        "requestParameters": {"integration.request.path.number": "method.request.path.number"},
        "tlsConfig": {"insecureSkipVerification": True},
    }
    assert [(item["name"], item["in"], item["required"]) for item in found["parameters"]] == [
        ("number", "path", True),
        ("fields", "query", False),
    ]
    document = plan().document
    name = found["x-amazon-apigateway-request-validator"]
    assert document["x-amazon-apigateway-request-validators"][name] == {
        "validateRequestBody": True,
        "validateRequestParameters": True,
    }
    assert document["components"]["schemas"]["Order"] == {
        "type": "object",
        "properties": {"article": {"type": "string", "minLength": 1}, "count": {"type": "integer"}},
        "required": ["article", "count"],
    }


def test_the_authorizer_decides_for_a_while() -> None:
    scheme = plan().document["components"]["securitySchemes"]["token"]["x-amazon-apigateway-authorizer"]
    assert (scheme["type"], scheme["authorizerUri"], scheme["authorizerResultTtlInSeconds"]) == (
        "token",
        AUTHORIZER,
        300,
    )
    assert plan().authorizer.secret == "jwt-secret"


def test_an_issuer_that_publishes_its_keys_needs_no_secret() -> None:
    tokens = ApiTokens(issuer="i", audience="a", url="https://issuer.example/keys")
    found = plan(with_api(tokens=tokens)).authorizer
    assert found.secret is None
    assert found.environment["KEYS_URL"] == "https://issuer.example/keys"


def test_a_limit_of_the_minute_is_one_of_the_second() -> None:
    """Usage plans count by the second."""
    assert (plan().per_second, plan().burst) == (1.67, 20)


def test_other_routed_names_lead_inside() -> None:
    assert plan().inside == ("charts.shop.x.org",)


def test_without_an_api_or_a_site_there_is_neither() -> None:
    bare = SHOP.environments["prod"].model_copy(update={"api": None, "site": None})
    assert public_api(replace(DEPLOYED, environment=bare)) is None
    assert site(replace(DEPLOYED, environment=bare)) is None


def test_the_site_leads_to_the_api_by_its_name() -> None:
    found = site(DEPLOYED)
    assert found
    assert (found.host, found.api_host, found.api) == ("shop.x.org", "api.shop.x.org", ("/api/*", "/auth/*"))


GOOD = Endpoint(path="/api/v1/orders", summary="Orders")
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a path that is none": ({"endpoints": [{"path": "api", "summary": "x"}]}, "endpoint path 'api' must consist"),
    "everything below": ({"endpoints": [{"path": "/api/{all+}", "summary": "x"}]}, "must consist of"),
    "a body that is never sent": (
        {"endpoints": [{"path": "/a", "summary": "x", "takes": {"name": "A", "fields": {}}}]},
        "endpoint 'GET /a' takes a body, and GET has none",
    ),
    "one path twice": (
        {"endpoints": [GOOD, {"path": "/api/v1/orders", "method": "POST", "summary": "x"}]},
        "'/api/v1/orders' is published as '/api/v1/orders'",
    ),
    "two names for one place": (
        {"endpoints": [{"path": "/a/{x}", "summary": "x"}, {"path": "/a/{y}", "summary": "y"}]},
        "'/a/{y}' is published as '/a/{x}'",
    ),
    "two messages of a name": (
        {
            "endpoints": [
                {"path": "/a", "summary": "x", "answers": {"name": "A", "fields": {}}},
                {"path": "/b", "summary": "x", "answers": {"name": "A", "fields": {"b": "string"}}},
            ]
        },
        "two messages are called 'A'",
    ),
    "no algorithm": (
        {"endpoints": [GOOD], "tokens": {"issuer": "i", "audience": "a", "algorithms": ()}},
        "algorithms is empty",
    ),
    "decisions for ever": (
        {"endpoints": [GOOD], "tokens": {"issuer": "i", "audience": "a", "cache": hours(2)}},
        "between nothing and an hour",
    ),
    "a field that is not there": (
        {"endpoints": [{"path": "/a", "summary": "x", "answers": {"name": "A", "fields": {}, "optional": ["b"]}}]},
        "optional field 'b' is not in fields",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_an_api_is_refused_with(why: str) -> None:
    given, message = REFUSED[why]
    with pytest.raises(ValidationError, match=re.escape(message)):
        PublicApi.model_validate({"tokens": {"issuer": "i", "audience": "a"}, **given})


def test_an_api_that_leads_nowhere_is_refused() -> None:
    """It would import, and answer 404 to everybody."""
    elsewhere = Route(host="api", prefix="/other/", to="web")
    with pytest.raises(ValidationError, match="no route of host 'api' leads from '/api/v1/orders/"):
        changed(routes=(elsewhere,))
    with pytest.raises(ValidationError, match=r"api\.host 'api' has no route"):
        changed(routes=())
    slow = Route(host="api", prefix="/api/", to="web", timeout=seconds(29))
    with pytest.raises(ValidationError, match="answers within 29 s, but the API waits for less than 29 s"):
        changed(routes=(slow,))


def test_a_site_whose_api_is_missing_is_refused() -> None:
    environment = SHOP.environments["prod"].model_copy(update={"api": None})
    with pytest.raises(ValidationError, match=r"site\.api names paths of an API that is not there"):
        changed(environments={"prod": environment})


def test_parts_of_words_do_not_count_as_routes() -> None:
    """``/api/v1`` does not lead to ``/api/v10``."""
    with pytest.raises(ValidationError, match="leads from"):
        changed(routes=(Route(host="api", prefix="/api/v1/ord", to="web"),))


def test_signed_calls_for_the_platform_pass_without_a_token_or_a_key() -> None:
    """A Git server has neither; it is let in by one path, to the host that takes nothing else."""
    argo = ArgoCd(repository="https://git.example/shop/shop", path="helm/shop", webhook="argocd")
    platform = SHOP.platform.model_copy(update={"addons": (*SHOP.platform.addons, argo)})
    found = plan(replace(DEPLOYED, system=SHOP.model_copy(update={"platform": platform})))
    operation = found.document["paths"]["/api/webhook"]["post"]
    assert operation["security"] == []
    assert operation["x-amazon-apigateway-integration"]["uri"] == "https://argocd.shop.x.org/api/webhook"
    assert found.signed == ("/api/webhook",)
    assert "argocd.shop.x.org" not in found.inside, "the link needs no name"
    validate(json.loads(json.dumps(found.document)))


def test_the_platform_s_pages_have_names_that_lead_inside() -> None:
    """Without a record nobody finds Grafana behind the internal load balancer, from however near."""
    platform = SHOP.platform.model_copy(update={"observability": Observability(host="grafana")})
    found = plan(replace(DEPLOYED, system=SHOP.model_copy(update={"platform": platform})))
    assert "grafana.shop.x.org" in found.inside


def test_tokens_are_the_api_s_own_unless_another_issuer_is_named() -> None:
    """MH-ENV-03: an environment that is like another must not take that one's tokens."""
    api = SHOP.environments["prod"].api
    assert api
    tokens = {**dict(api.tokens), "issuer": None}
    assert plan(with_api(tokens=tokens)).authorizer.environment["ISSUER"] == "https://api.shop.x.org"
    with pytest.raises(ValidationError, match="another issuer's; name it, as issuer"):
        ApiTokens(audience="a", url="https://issuer.example/keys")
