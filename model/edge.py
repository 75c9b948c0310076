"""The public edge of a system in front of its ingress: an API that a gateway of the cloud publishes, and a site."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator, model_validator

from model.base import DeclarationError, Declared, Name, did_you_mean, minutes, rotation_period
from model.traffic import Route

PATH: Final = re.compile(r"^(/([a-z0-9][a-z0-9._-]*|\{[a-z][a-z0-9_]*\}))+$")
_PLACE: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")
API_LIMIT: Final = timedelta(seconds=29)
"""What Amazon API Gateway waits for an answer at most (API Gateway quotas, "Integration timeout")."""


FieldType = Literal["string", "integer", "number", "boolean", "array", "object"]


class Message(Declared):
    """A JSON object that an endpoint takes or answers."""

    name: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]{0,62}$")]
    """Names its schema in the API's document."""
    fields: Mapping[str, FieldType]
    """JSON type by field. A text of a required field must not be empty."""
    optional: tuple[str, ...] = ()
    """Fields that may be left out."""

    @model_validator(mode="after")
    def _optional_fields(self) -> Message:
        for name in self.optional:
            if name not in self.fields:
                raise DeclarationError(f"message '{self.name}': optional field '{name}' is not in fields; add it")
        return self


class Endpoint(Declared):
    """One published path and the one method it has. What is not declared is not published: there is no catch-all."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: str
    """Parts are words or ``{parameters}``: ``/api/v1/trends/{metric}``."""
    summary: str
    open: bool = False
    """Whether it needs neither a token nor an API key."""
    query: tuple[str, ...] = ()
    """Names of the query's parameters, all optional."""
    takes: Message | None = None
    """What a request's body must be. Absent: there is none."""
    answers: Message | None = None
    """What an answer is, for the document: answers are not checked."""

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the path's parameters."""
        return tuple(_PLACE.findall(self.path))

    @model_validator(mode="after")
    def _a_path(self) -> Endpoint:
        if not PATH.match(self.path):
            raise DeclarationError(
                f"endpoint path '{self.path}' must consist of /words and /{{parameters}}, e.g. /trends/{{metric}}"
            )
        if self.takes and self.method in ("GET", "DELETE"):
            raise DeclarationError(f"endpoint '{self.method} {self.path}' takes a body, and {self.method} has none")
        return self


class ApiTokens(Declared):
    """The JSON Web Tokens that the API asks for, checked by a function of the stack before a request goes on."""

    issuer: str | None = Field(None, min_length=1)
    """Absent: the API itself, at its address in the environment."""
    audience: str = Field(min_length=1)
    secret: Name = "jwt-secret"
    """The secret in the secret store whose field ``jwks`` holds the public keys; during a rotation also those of the
    version before."""
    rotate: timedelta | None = None
    """How often that pair of keys is made anew, by a function of the stack. Absent: by people."""
    served_by: Name | None = None
    """The routed service that publishes the public keys inside the mesh, whose ingress gateway then checks tokens, too.
    Absent: the function alone checks them."""
    keys_path: str = "/.well-known/jwks.json"
    """Where it does so."""
    roles: tuple[str, ...] = ()
    """One of these must be the token's ``role``. Empty: any, or none."""
    scopes: Mapping[str, tuple[str, ...]] = {}
    """By published path: one of these must be among the token's ``scope``. Empty: any token will do."""
    url: str | None = Field(None, pattern=r"^https://")
    """Where the issuer publishes its keys instead. Absent: they are in the secret."""
    algorithms: tuple[Literal["RS256", "ES256"], ...] = ("RS256",)
    cache: timedelta = minutes(5)
    """How long a decision on a token holds without asking the function again. At most an hour."""

    @field_validator("rotate")
    @classmethod
    def _whole_days(cls, value: timedelta | None) -> timedelta | None:
        return rotation_period(value)

    @model_validator(mode="after")
    def _bounded(self) -> ApiTokens:
        if self.url and not self.issuer:
            raise DeclarationError("tokens.url: the keys there are another issuer's; name it, as issuer")
        if self.rotate and self.url:
            raise DeclarationError("tokens.rotate: the keys are the issuer's, at tokens.url; declare one of the two")
        if not self.algorithms:
            raise DeclarationError("tokens.algorithms is empty: no token would do; name RS256 or ES256")
        if not timedelta() <= self.cache <= timedelta(hours=1):
            raise DeclarationError("tokens.cache must be between nothing and an hour (API Gateway, authorizer caching)")
        return self


class WebFirewall(Declared):
    """AWS WAF before the API: AWS's managed rules, and how often one address may ask."""

    requests: int = Field(100, ge=10)
    """Of one address within the window; WAF counts no fewer than 10."""
    window: Literal[60, 120, 300, 600] = 60
    """Seconds."""
    managed: tuple[str, ...] = ("AWSManagedRulesCommonRuleSet",)
    """Names of AWS's rule groups, in the order in which they are asked."""


class PublicApi(Declared):
    """A REST API of Amazon API Gateway; its requests reach the ingress by a VPC link and an internal load balancer.

    Nothing else leads there: with an API the environment's load balancer has no public address.
    """

    host: Name = "api"
    """A name relative to the environment's domain, as in routes; a route must lead from it."""
    endpoints: tuple[Endpoint, ...] = Field(min_length=1)
    tokens: ApiTokens
    key: Name = "api-key"
    """The secret in the secret store that is the clients' API key."""
    per_minute: int = Field(100, ge=1)
    """Requests of one API key."""
    burst: int = Field(20, ge=1)
    """Requests of one API key at once."""
    firewall: WebFirewall | None = None
    """Absent: the API's own limits are all."""

    @model_validator(mode="after")
    def _published_once(self) -> PublicApi:
        seen: dict[str, str] = {}
        messages: dict[str, Message] = {}
        for endpoint in self.endpoints:
            shape = _PLACE.sub("{}", endpoint.path)
            if shape in seen:
                raise DeclarationError(f"api.endpoints: '{endpoint.path}' is published as '{seen[shape]}'; keep one")
            seen[shape] = endpoint.path
            for message in (endpoint.takes, endpoint.answers):
                if message and messages.setdefault(message.name, message) != message:
                    raise DeclarationError(f"api.endpoints: two messages are called '{message.name}'; rename one")
        for path in self.tokens.scopes:
            if path not in seen.values():
                raise DeclarationError(
                    f"api.tokens.scopes names '{path}', which is not published{did_you_mean(path, seen.values())}"
                )
        return self


class Site(Declared):
    """A single-page app: a private bucket behind CloudFront, with the API below the same name. Who builds the app puts
    its files there."""

    host: str = "@"
    """A name relative to the environment's domain; ``@`` is the domain itself."""
    assets: str = Field("/assets/*", pattern=r"^/[a-z0-9._/-]*\*$")
    """Files whose names change with their contents: kept for long by everybody. All others are asked for each time."""
    api: tuple[Annotated[str, Field(pattern=r"^/[a-z0-9._/-]*\*$")], ...] = ("/api/*", "/auth/*")
    """Paths that lead to the API, so that the browser needs no permission of another origin."""


def unpublishable(api: PublicApi | None, site: Site | None, routes: Sequence[Route]) -> Iterator[str]:
    """What of an environment's edge leads nowhere, and the remedy."""
    if site and site.api and not api:
        yield "site.api names paths of an API that is not there; add api, or set site.api to ()"
    if not api:
        return
    reached = [route for route in routes if route.host == api.host]
    if not reached:
        yield f"api.host '{api.host}' has no route; add Route(host='{api.host}', ...) to the system's routes"
        return
    for endpoint in api.endpoints:
        if not any(leads_to(route.prefix, endpoint.path) for route in reached):
            yield f"api.endpoints: no route of host '{api.host}' leads from '{endpoint.path}'; add one"
    for route in reached:
        if route.timeout and route.timeout >= API_LIMIT:
            yield (
                f"route '{route.prefix}' of host '{api.host}' answers within {route.timeout.total_seconds():g} s, but "
                f"the API waits for less than {API_LIMIT.total_seconds():g} s; shorten its timeout"
            )


def leads_to(prefix: str, path: str) -> bool:
    """Whether a route's prefix leads a path on. Of whole words only, though the mesh would take parts of them."""
    return path == prefix or path.startswith(prefix if prefix.endswith("/") else f"{prefix}/")
