"""Pages of the platform for people, where the declaration gives them a name: served by the ingress like a route, from
the root of a host of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from derive import choices, naming, versions
from derive.shapes import Deployment
from model import DeclarationError, Grafana, Headlamp

GRAFANA: Final = "grafana"


@dataclass(frozen=True)
class Tool:
    """A chart's Service, and the pods behind it."""

    name: str
    host: str
    """The public name."""
    namespace: str
    service: str
    port: int
    """The Service's."""
    labels: Mapping[str, str]
    target: int
    """The pods'."""

    @property
    def certificate(self) -> str:
        """Name of its TLS Secret."""
        return f"{self.name}-tls-cert"


def tools(deployment: Deployment) -> tuple[Tool, ...]:
    """Those that have a host. Raises DeclarationError for a host that a route has, too."""
    system, domain = deployment.system, deployment.environment.domain
    settings = system.platform.observability
    found = []
    if settings.host:
        host = f"{settings.host}.{domain}"
        service = GRAFANA if choices.choice(deployment, Grafana) else naming.GRAFANA_SERVICE
        found.append(Tool(GRAFANA, host, settings.namespace, service, 80, naming.GRAFANA_LABELS, 3000))
    dashboard = choices.choice(deployment, Headlamp)
    if dashboard and dashboard.host:
        home = dashboard.namespace or versions.HEADLAMP.namespace
        name = "headlamp"
        found.append(Tool(name, f"{dashboard.host}.{domain}", home, name, 80, {naming.APP: name}, 4466))
    taken = {naming.public_host(route, deployment.environment) for route in system.routes}
    for tool in found:
        if tool.host in taken:
            raise DeclarationError(
                f"host '{tool.host}' leads to '{tool.name}' and, by a route of '{system.name}', to a service; "
                "give one of them another"
            )
        taken.add(tool.host)
    return tuple(found)
