"""A system whose platform has every add-on that can be asked for."""

from __future__ import annotations

from typing import Any

import yaml

from derive.addons import addons
from derive.addons.additions import additions
from derive.shapes import Deployment
from manifests.base import Manifest
from model import (
    Acme,
    Alloy,
    ArgoCd,
    ArgoRollouts,
    CertManager,
    ClusterAutoscaler,
    EbsCsi,
    Email,
    ExternalDns,
    ExternalSecrets,
    Headlamp,
    Istio,
    Jaeger,
    Kiali,
    Loki,
    Metric,
    MetricsServer,
    Nodes,
    Observability,
    PagerDuty,
    Platform,
    Pool,
    PrometheusAdapter,
    Scale,
    Service,
    Slack,
    System,
    Tempo,
    Vault,
    Velero,
    VerticalPodAutoscaler,
)
from model.addons import AddonChoice
from tests.unit.declared import deployed, environment, shop

RATE = Metric(name="http_requests_per_second", target="100", query="sum by (namespace, pod) (rate(requests[1m]))")
POOLS = (
    Pool(name="agents"),
    Pool(name="watching", labels={"tier": "watching"}, taints=("tier=watching:NoSchedule",)),
)
RECEIVERS = (
    Slack(name="team", channel="#operations"),
    Email(name="mail", to="ops@shop.example", sender="a@shop.example", server="smtp.shop.example:587", user="a"),
    PagerDuty(name="duty", severities=("critical",)),
)
EVERYTHING: tuple[AddonChoice, ...] = (
    # In no order: the derivation has one of its own.
    Velero(),
    Kiali(),
    Alloy(),
    Loki(store="bucket", pool="watching"),
    Tempo(pool="watching"),
    Headlamp(host="dashboard"),
    PrometheusAdapter(pool="watching"),
    ClusterAutoscaler(max_nodes_total=20),
    VerticalPodAutoscaler(),
    MetricsServer(),
    ExternalDns(),
    ExternalSecrets(store="vault"),
    Vault(namespace="shop-system"),
    ArgoRollouts(),
    ArgoCd(repository="https://git.example/shop/shop", path="helm/shop"),
    CertManager(issuer=Acme(email="ops@shop.example", staging=("test",)), namespace="shop-ingress"),
    EbsCsi(own_key=True),
)


def equipped(choices: tuple[AddonChoice, ...] = EVERYTHING, **platform: Any) -> System:
    """Three zones; metrics, logs and traces in ``shop-monitoring`` on a pool of their own."""
    traced = any(isinstance(choice, Tempo | Jaeger) for choice in choices)
    table: dict[str, Any] = {
        "zones": 3,
        "servers": Nodes(instance="t3.medium", count=3),
        "autoscale": True,
        "pools": {
            "agents": Nodes(instance="t3.large", count=3, maximum=9),
            "watching": Nodes(instance="t3.large", count=2),
        },
    }
    without = tuple(choice.kind for choice in choices if choice.kind in ("velero", "kiali", "tempo"))
    parts: dict[str, Any] = {
        "pools": POOLS,
        "mesh": Istio(traces=10 if traced else None, egress_gateway=True),
        "observability": Observability(namespace="shop-monitoring", pool="watching", receivers=RECEIVERS),
        "addons": choices,
    }
    return shop(
        services=(
            Service(name="web", port=3000, tier="frontend", scale=Scale(maximum=4, metrics=(RATE,))),
            Service(name="orders", port=3001, metrics=9090),
        ),
        platform=Platform(**{**parts, **platform}),
        environments={
            "dev": environment(**table),
            "test": environment(cidr="10.2.0.0/16", without=without, **table),
        },
    )


def charts(deployment: Deployment) -> dict[str, Manifest]:
    """The HelmChart objects by release."""
    return {
        item["metadata"]["name"]: item["spec"]
        for plan in addons(deployment)
        for item in plan.objects
        if item["kind"] == "HelmChart"
    }


def values(kind: str, system: System, env: str = "dev") -> dict[str, Any]:
    """The values of an add-on that was asked for, as the chart gets them."""
    found: dict[str, Any] = yaml.safe_load(
        yaml.safe_dump(_plain(additions(deployed(system, env))[kind].release.values), sort_keys=False)
    )
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
