"""What of the platform itself has a public name, where the declaration gives it one: served by the ingress like a
route, from a host of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from derive import choices, naming, versions
from derive.shapes import Deployment
from model import ArgoCd, DeclarationError, Grafana, Headlamp

GRAFANA: Final = "grafana"
ARGO_CD: Final = "argocd"
ARGO_CD_PORT: Final = 8080
WEBHOOK: Final = "/api/webhook"
"""Where Argo CD takes calls of Git's servers (Argo CD documentation, "Git Webhook Configuration")."""


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
    path: str | None = None
    """The one path that is served, to programs that sign what they send. Absent: all, to people."""

    @property
    def certificate(self) -> str:
        """Name of its TLS Secret."""
        return f"{self.name}-tls-cert"


def tools(deployment: Deployment) -> tuple[Tool, ...]:
    """Those that have a host, and where a webhook is taken. Raises DeclarationError for a host of a route's."""
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
    argo = choices.choice(deployment, ArgoCd)
    if argo and argo.webhook:
        home = argo.namespace or versions.ARGO_CD.namespace
        found.append(
            Tool(
                ARGO_CD,
                f"{argo.webhook}.{domain}",
                home,
                f"{ARGO_CD}-server",
                80,
                {naming.APP: f"{ARGO_CD}-server"},
                ARGO_CD_PORT,
                WEBHOOK,
            )
        )
    taken = {naming.public_host(route, deployment.environment) for route in system.routes}
    for tool in found:
        if tool.host in taken:
            raise DeclarationError(
                f"host '{tool.host}' leads to '{tool.name}' and, by a route of '{system.name}', to a service; "
                "give one of them another"
            )
        taken.add(tool.host)
    return tuple(found)
