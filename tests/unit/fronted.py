"""A system behind NGINX: three hosts, one of them shared by services of two namespaces, and a firewall."""

from __future__ import annotations

from typing import Any

from model import ApplicationFirewall, Call, Nginx, Platform, Route, Service, System, seconds
from tests.unit.declared import environment, shop

WEB = Service(name="web", port=3000, tier="frontend")
ORDERS = Service(name="orders", port=3001, metrics=9090, namespace="back")
ROUTES = (
    Route(host="@", to="web"),
    Route(host="api", to="orders", timeout=seconds(30)),
    Route(host="www", to="web"),
    Route(host="www", to="orders", prefix="/orders"),
)
NGINX = Nginx(namespace="shop-ingress", trusted="cloudflare")


def fronted(ingress: Nginx = NGINX, platform: dict[str, Any] | None = None, **changes: Any) -> System:
    fields: dict[str, Any] = {
        "services": (WEB, ORDERS),
        "calls": (Call(caller="web", callee="orders"),),
        "routes": ROUTES,
        "firewalls": (ApplicationFirewall(at="web"),),
        "platform": Platform(ingress=ingress, **(platform or {})),
        "environments": {"dev": environment(zones=2)},
    }
    return shop(**{**fields, **changes})
