"""The ingress of a platform: who answers at its public addresses, and whose connections it takes."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from model.base import DeclarationError, Declared, Name


def _range(value: str) -> str:
    try:
        IPv4Network(value)
    except ValueError as error:
        raise DeclarationError(f"'{value}' is not an IPv4 range: {error}") from error
    return value


Sources = Literal["cloudflare"] | tuple[Annotated[str, AfterValidator(_range)], ...]
"""Ranges of addresses, or those that a content delivery network publishes."""


class Identity(Declared):
    """Who issues the JSON Web Tokens that requests from outside may bring. A token that is not valid is refused."""

    issuer: str = Field(pattern=r"^https://")
    keys: str = Field(pattern=r"^https://[^/]+/")
    """URL of its keys. The mesh's control plane fetches them."""

    @property
    def host(self) -> str:
        """Where the keys are."""
        return self.keys.split("/")[2]


class RateLimit(Declared):
    """How many requests a pod of the gateway takes: what is beyond is answered with 429."""

    per_second: int = Field(ge=1)
    burst: int = Field(ge=1)
    """What it takes at once after a pause."""

    @model_validator(mode="after")
    def _a_burst_is_more(self) -> RateLimit:
        if self.burst < self.per_second:
            raise DeclarationError(
                f"a burst of {self.burst} requests is less than {self.per_second} per second; raise RateLimit.burst"
            )
        return self


class IstioGateway(Declared):
    """The mesh's own ingress gateway."""

    kind: Literal["istio"] = "istio"
    account: Name = "istio-ingressgateway-service-account"
    limit: RateLimit | None = None
    """Absent: it takes what it can."""
    identity: Identity | None = None
    """Absent: it looks at no token."""


class Nginx(Declared):
    """F5 NGINX Ingress Controller, with a sidecar of the mesh where there is one. It answers on ports of the nodes."""

    kind: Literal["nginx"] = "nginx"
    namespace: Name = "ingress-nginx"
    pool: Name | None = None
    """The pool that runs it. Absent: whichever workers are open to all."""
    replicas: int | None = Field(None, ge=1)
    """Absent: two where the environment has a second zone, else one."""
    rate: int = Field(50, ge=1)
    """Requests per second that one client may make; what is beyond twice as many at once is refused."""
    trusted: Sources | None = None
    """Proxies in front whose word on the client's address (``CF-Connecting-IP``) is taken. Absent: nobody's."""


class Traefik(Declared):
    """The Traefik that K3s brings along. It answers on ports 80 and 443 of every node, by K3s' own load balancer for
    Services."""

    kind: Literal["traefik"] = "traefik"


Ingress = Annotated[IstioGateway | Nginx | Traefik, Field(discriminator="kind")]
