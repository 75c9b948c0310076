"""The public API: its document in OpenAPI, from which API Gateway makes it, and what stands around it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from derive import choices, naming
from derive.edge.tools import Tool, tools
from derive.shapes import Deployment
from manifests.base import Manifest
from model import Acme, ApiTokens, CertManager, Endpoint, Message, PublicApi, WebFirewall
from model.base import seconds
from model.edge import API_LIMIT, leads_to

LINK: Final = "${vpc-link}"
AUTHORIZER: Final = "${authorizer}"
"""Places in the document for what exists only once deployed: the link's id, and the address by which API Gateway calls
the authorizer."""
KEY_SCHEME: Final = "api-key"
TOKEN_SCHEME: Final = "token"
VALIDATOR: Final = "everything"
BEARER: Final = r"^[Bb]earer [-_.A-Za-z0-9]+$"
"""What does not look like a token is refused without asking the authorizer."""
MARGIN: Final = seconds(1)
"""By which the API outlasts a route, so that the mesh's own answer is the one that clients see."""
MINUTE: Final = 60
_ERRORS: Final = {
    "400": "The request is not what the document says",
    "401": "There is no token, or it lets nobody in",
    "403": "The API key is unknown",
    "429": "The API key asked too often",
}
_OPEN_ERRORS: Final = ("400", "429")


@dataclass(frozen=True)
class AuthorizerPlan:
    """The function that verifies tokens."""

    environment: Mapping[str, str]
    secret: str | None
    """The stored secret that it reads. Absent: it asks the issuer."""
    cache: int
    """Seconds for which API Gateway keeps a decision."""
    package: str = "functions.authorizer"
    libraries: tuple[str, ...] = ("jwt", "ecdsa", "six")
    timeout: int = 5
    """Seconds. A request that waits longer for a decision has failed anyway."""
    memory: int = 256
    """MB: one verification takes some 10 ms with the processor's share that comes with it."""


@dataclass(frozen=True)
class ApiPlan:
    """An API of API Gateway in front of an internal load balancer."""

    name: str
    host: str
    zone: str
    """The public DNS zone, which is there already."""
    stage: str
    document: Mapping[str, Any]
    """OpenAPI 3.0 with API Gateway's extensions, and :data:`LINK` and :data:`AUTHORIZER` in place of what is not yet
    known."""
    per_second: float
    burst: int
    key: str
    """The stored secret, and the generated password, that is the clients' key."""
    authorizer: AuthorizerPlan
    firewall: WebFirewall | None
    log_days: int
    inside: tuple[str, ...]
    """Routed hosts and the platform's pages, which are no part of the API: their names lead to the internal load
    balancer."""
    signed: tuple[str, ...] = ()
    """Paths whose callers sign what they send, whatever is in it."""


def public_api(deployment: Deployment) -> ApiPlan | None:
    """None: the environment publishes its routes themselves."""
    environment, system = deployment.environment, deployment.system
    api = environment.api
    if api is None:
        return None
    host, behind = naming.host(api.host, environment.domain), tools(deployment)
    pages = [tool.host for tool in behind if not tool.path]
    routed = dict.fromkeys([*(naming.public_host(route, environment) for route in system.routes), *pages])
    return ApiPlan(
        name=f"{deployment.prefix}-api",
        host=host,
        zone=system.domain,
        stage=deployment.name,
        document=document(deployment, api, host),
        per_second=round(api.per_minute / MINUTE, 2),
        burst=api.burst,
        key=api.key,
        authorizer=_authorizer(deployment, api),
        firewall=api.firewall,
        signed=tuple(tool.path for tool in behind if tool.path),
        log_days=environment.log_days,
        inside=tuple(name for name in routed if name != host),
    )


def issuer(deployment: Deployment, api: PublicApi) -> str:
    """Who signs the tokens of the API's users."""
    return api.tokens.issuer or f"https://{naming.host(api.host, deployment.environment.domain)}"


def _authorizer(deployment: Deployment, api: PublicApi) -> AuthorizerPlan:
    tokens = api.tokens
    environment = {
        "ISSUER": issuer(deployment, api),
        "AUDIENCE": tokens.audience,
        "ALGORITHMS": ",".join(tokens.algorithms),
        **({"KEYS_URL": tokens.url} if tokens.url else {}),
    }
    secret = None if tokens.url else tokens.secret
    return AuthorizerPlan(environment, secret, cache=int(tokens.cache.total_seconds()))


def document(deployment: Deployment, api: PublicApi, host: str) -> dict[str, Any]:
    """What is published, and where each request goes. Every endpoint's request is checked against it."""
    published = [(endpoint, host, _patience(deployment, api, endpoint)) for endpoint in api.endpoints]
    published += [(endpoint, tool.host, API_LIMIT) for tool in tools(deployment) for endpoint in signed_calls(tool)]
    paths = {}
    for endpoint, behind, patience in published:
        operation = _operation(endpoint, _integration(deployment, endpoint, behind, patience))
        paths[endpoint.path] = {endpoint.method.lower(): operation}
    return {
        "openapi": "3.0.1",
        "info": {"title": f"{deployment.prefix}-api", "version": "1"},
        "servers": [{"url": f"https://{host}"}],
        "paths": paths,
        "components": {
            "schemas": {message.name: _schema(message) for message in _messages(api)},
            "securitySchemes": _schemes(api.tokens),
        },
        "x-amazon-apigateway-api-key-source": "HEADER",
        "x-amazon-apigateway-request-validators": {
            VALIDATOR: {"validateRequestBody": True, "validateRequestParameters": True}
        },
        "x-amazon-apigateway-request-validator": VALIDATOR,
    }


def signed_calls(tool: Tool) -> tuple[Endpoint, ...]:
    """What programs call that have neither a token nor a key: their signature is checked where the call ends."""
    if not tool.path:
        return ()
    return (Endpoint(method="POST", path=tool.path, summary=f"Signed calls for {tool.name}", open=True),)


def _schemes(tokens: ApiTokens) -> Manifest:
    return {
        KEY_SCHEME: {"type": "apiKey", "name": "x-api-key", "in": "header"},
        TOKEN_SCHEME: {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": {
                "type": "token",
                "authorizerUri": AUTHORIZER,
                "authorizerResultTtlInSeconds": int(tokens.cache.total_seconds()),
                "identityValidationExpression": BEARER,
            },
        },
    }


def _operation(endpoint: Endpoint, integration: Manifest) -> Manifest:
    answer: Manifest = {"description": "Done"}
    if endpoint.answers:
        answer["content"] = _content(endpoint.answers)
    errors = {code: text for code, text in _ERRORS.items() if not endpoint.open or code in _OPEN_ERRORS}
    parameters = [
        *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in endpoint.places),
        *({"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in endpoint.query),
    ]
    words = re.findall(r"[A-Za-z0-9]+", endpoint.path)
    return {
        "operationId": endpoint.method.lower() + "".join(word.capitalize() for word in words),
        "summary": endpoint.summary,
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": {"required": True, "content": _content(endpoint.takes)}} if endpoint.takes else {}),
        "responses": {"200": answer, **{code: {"description": text} for code, text in errors.items()}},
        "security": [] if endpoint.open else [{TOKEN_SCHEME: [], KEY_SCHEME: []}],
        "x-amazon-apigateway-request-validator": VALIDATOR,
        "x-amazon-apigateway-integration": integration,
    }


def _integration(deployment: Deployment, endpoint: Endpoint, host: str, patience: timedelta) -> Manifest:
    """To the ingress by its public name, which its certificate has and by which it tells routes apart.

    A certificate of the stack's own authority has no issuer that API Gateway knows; its name and its time are checked
    all the same, and nothing but our load balancer is at the link's other end.
    """
    taken = {f"integration.request.path.{name}": f"method.request.path.{name}" for name in endpoint.places}
    return {
        "type": "HTTP_PROXY",
        "httpMethod": endpoint.method,
        "uri": f"https://{host}{endpoint.path}",
        "connectionType": "VPC_LINK",
        "connectionId": LINK,
        "passthroughBehavior": "when_no_match",
        "timeoutInMillis": int(patience.total_seconds() * 1000),
        **({"requestParameters": taken} if taken else {}),
        **({} if _publicly_issued(deployment) else {"tlsConfig": {"insecureSkipVerification": True}}),
    }


def _patience(deployment: Deployment, api: PublicApi, endpoint: Endpoint) -> timedelta:
    """How long to wait for the route that the mesh takes: the longest prefix's."""
    reached = [route for route in deployment.system.routes if route.host == api.host]
    leading = [route for route in reached if leads_to(route.prefix, endpoint.path)]
    route = max(leading, key=lambda route: len(route.prefix))
    return min(route.timeout + MARGIN, API_LIMIT) if route.timeout else API_LIMIT


def _publicly_issued(deployment: Deployment) -> bool:
    """Whether the ingress shows a certificate of an authority that everybody trusts."""
    manager = choices.choice(deployment, CertManager)
    issuer = manager.issuer if manager else None
    return isinstance(issuer, Acme) and deployment.name not in issuer.staging


def _messages(api: PublicApi) -> Iterator[Message]:
    for endpoint in api.endpoints:
        yield from (message for message in (endpoint.takes, endpoint.answers) if message)


def _content(message: Message) -> Manifest:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{message.name}"}}}


def _schema(message: Message) -> Manifest:
    properties: dict[str, Manifest] = {}
    for name, kind in message.fields.items():
        properties[name] = {"type": kind}
        if kind == "string" and name not in message.optional:
            properties[name]["minLength"] = 1
        if kind == "array":
            properties[name]["items"] = {"type": "object"}
    required = [name for name in message.fields if name not in message.optional]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}
