"""The ingress of a platform: who answers at its public addresses, and whose connections it takes."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from model.base import DeclarationError, Declared, Name


def _range(value: str) -> str:
    try:
        IPv4Network(value)
    except ValueError as error:
        raise DeclarationError(f"'{value}' is not an IPv4 range: {error}") from error
    return value


Sources = Literal["cloudflare"] | tuple[Annotated[str, AfterValidator(_range)], ...]
"""Ranges of addresses, or those that a content delivery network publishes."""


class IstioGateway(Declared):
    """The mesh's own ingress gateway."""

    kind: Literal["istio"] = "istio"
    account: Name = "istio-ingressgateway-service-account"


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
