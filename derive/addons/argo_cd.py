"""Argo CD: deploys the system's chart from Git, within a project that admits nothing else."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from derive import naming, versions
from derive.addons import alertmanager
from derive.addons.chart import OUTSIDE_MESH, Addition, Measured, Release, housed, resources
from derive.addons.flows import API_SERVER, Flow, Hosts, Pods, Rule
from derive.cluster.placement import placement
from derive.edge.doorman import doorman
from derive.edge.tools import ARGO_CD, ARGO_CD_PORT, tools
from derive.shapes import Deployment, SecretPlan
from manifests.base import Manifest, manifest
from model import ArgoCd, Slack

NAME: Final = ARGO_CD
API: Final = "argoproj.io/v1alpha1"
CLUSTER: Final = "https://kubernetes.default.svc"
"""The cluster that Argo CD itself runs in."""
WEBHOOK: Final = "argocd-webhook"
"""The Secret with what GitHub signs its calls with."""
NOTIFICATIONS: Final = "argocd-notifications-secret"
"""Where the notifications' controller looks; one key per receiver."""
OWN: Final = {"app.kubernetes.io/part-of": "argocd"}
"""Argo CD reads no Secret without it."""
SERVER, REPOSITORIES, CONTROLLER, CACHE, NOTIFIER, CACHE_SECRET = (
    {naming.APP: f"{NAME}-{part}"}
    for part in (
        "server",
        "repo-server",
        "application-controller",
        "redis",
        "notifications-controller",
        "redis-secret-init",
    )
)
"""Labels of its parts."""
MANIFESTS_PORT: Final = 8081
CACHE_PORT: Final = 6379
TOLD: Final = {
    "on-sync-succeeded": "app.status.operationState.phase in ['Succeeded'] and app.status.health.status in ['Healthy']",
    "on-sync-failed": "app.status.operationState.phase in ['Error', 'Failed']",
    "on-health-degraded": "app.status.health.status == 'Degraded'",
}
"""Trigger to its condition."""
TEXT: Final = (
    "{{.app.metadata.name}}: {{.app.status.operationState.phase}}, {{.app.status.health.status}}, "
    "revision {{.app.status.sync.revision}}"
)


def addition(deployment: Deployment, choice: ArgoCd) -> Addition:
    source = housed(versions.ARGO_CD, choice.namespace)
    receivers = tuple(item for item in deployment.system.platform.observability.receivers if isinstance(item, Slack))
    return Addition(
        release=Release(
            name=NAME,
            source=source,
            values=values(deployment, choice, receivers),
            requires=("cilium",),
            ready=(f"deployment/{NAME}-server", f"statefulset/{NAME}-application-controller"),
        ),
        rules=_rules(deployment, choice, receivers),
        secrets=(
            SecretPlan(WEBHOOK, source.namespace, passwords={"github": WEBHOOK}, labels=OWN),
            *([_told(receivers, source.namespace)] if receivers else []),
        ),
        measured=(Measured(CONTROLLER, 8082), Measured(SERVER, 8083), Measured(REPOSITORIES, 8084)),
    )


def _told(receivers: tuple[Slack, ...], namespace: str) -> SecretPlan:
    return SecretPlan(NOTIFICATIONS, namespace, given={item.name: item.name for item in receivers}, labels=OWN)


def _rules(deployment: Deployment, choice: ArgoCd, receivers: tuple[Slack, ...]) -> tuple[Rule, ...]:
    cache, manifests = Flow((Pods(CACHE),), (CACHE_PORT,)), Flow((Pods(REPOSITORIES),), (MANIFESTS_PORT,))
    git = urlsplit(choice.repository)
    asked = Flow((Pods(SERVER), Pods(CONTROLLER), Pods(NOTIFIER)), (MANIFESTS_PORT,))
    cached = Flow((Pods(SERVER), Pods(CONTROLLER), Pods(REPOSITORIES)), (CACHE_PORT,))
    door = doorman(deployment.system.platform)
    called = (Flow((Pods(door.labels, door.namespace),), (ARGO_CD_PORT,)),) if choice.webhook else ()
    rules = (
        Rule("argocd-server", SERVER, called, (API_SERVER, cache, manifests)),
        Rule("argocd-application-controller", CONTROLLER, (), (API_SERVER, cache, manifests)),
        Rule(
            "argocd-repo-server",
            REPOSITORIES,
            (asked,),
            (API_SERVER, cache, Flow(Hosts((git.hostname or "",)), (git.port or 443,))),
        ),
        Rule("argocd-redis", CACHE, (cached,), ()),
        # The chart's hook, which makes the cache's password.
        Rule("argocd-redis-secret-init", CACHE_SECRET, (), (API_SERVER,)),
    )
    told = tuple(alertmanager.way(item) for item in receivers)
    notifier = Rule("argocd-notifications", NOTIFIER, (), (API_SERVER, manifests, *dict.fromkeys(told)))
    return (*rules, notifier) if receivers else rules


def home(choice: ArgoCd) -> str:
    """Its namespace, in which it looks for Applications."""
    return housed(versions.ARGO_CD, choice.namespace).namespace


def webhook_url(deployment: Deployment) -> str | None:
    """What Git's server calls: the API, where there is one, else the door itself."""
    tool = next((item for item in tools(deployment) if item.name == NAME), None)
    if tool is None:
        return None
    api = deployment.environment.api
    host = naming.host(api.host, deployment.environment.domain) if api else tool.host
    return f"https://{host}{tool.path}"


def followed(deployment: Deployment, choice: ArgoCd) -> tuple[Manifest, Manifest]:
    """What it deploys, and within which bounds."""
    return project(deployment, choice), application(deployment, choice)


def project(deployment: Deployment, choice: ArgoCd) -> Manifest:
    """One repository, one namespace, and nothing of the cluster itself."""
    system = deployment.system
    spec = {
        "description": f"{system.name}: its own chart, in its own namespace",
        "sourceRepos": [choice.repository],
        "destinations": [{"server": CLUSTER, "namespace": system.home}],
        "clusterResourceWhitelist": [],
        # Who may what is declared elsewhere, and a quota that its own chart raises is none.
        "namespaceResourceBlacklist": [
            {"group": "", "kind": kind} for kind in ("ResourceQuota", "LimitRange", "NetworkPolicy")
        ],
        "orphanedResources": {"warn": False},
    }
    return manifest(API, "AppProject", system.name, home(choice), spec=spec)


def application(deployment: Deployment, choice: ArgoCd) -> Manifest:
    system = deployment.system
    spec = {
        "project": system.name,
        "source": {
            "repoURL": choice.repository,
            "path": choice.path,
            "targetRevision": choice.branch,
            "helm": {"valueFiles": [choice.values.replace("{environment}", deployment.name)]},
        },
        "destination": {"server": CLUSTER, "namespace": system.home},
        "syncPolicy": {
            "automated": {"prune": True, "selfHeal": True},
            "syncOptions": ["ServerSideApply=true", "RespectIgnoreDifferences=true", "CreateNamespace=false"],
            "retry": {"limit": 5, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "3m"}},
        },
        # The autoscalers' own.
        "ignoreDifferences": [
            {"group": group, "kind": kind, "jsonPointers": ["/spec/replicas"]}
            for group, kind in (("apps", "Deployment"), ("argoproj.io", "Rollout"))
        ],
    }
    return manifest(API, "Application", f"{system.name}-{deployment.name}", home(choice), spec=spec)


def values(deployment: Deployment, choice: ArgoCd, receivers: tuple[Slack, ...]) -> dict[str, Any]:
    place = placement(deployment.system.platform, choice.pool)

    def part(cpu: str, memory: str, limit: str) -> dict[str, Any]:
        return {"podLabels": OUTSIDE_MESH, "resources": resources(cpu, memory, limit), **place}

    return {
        "fullnameOverride": NAME,
        # The chart's policies have the names of ours, and let everybody in.
        "global": {"networkPolicy": {"create": False}},
        # Kept when the chart goes: with the definitions, Kubernetes would delete every Application and what it deploys.
        "crds": {"install": True, "keep": True},
        "configs": {
            # A forwarded port is before it, and for the webhook alone the ingress, which ends the internet's TLS.
            "params": {"server.insecure": True},
            "cm": {"admin.enabled": True, "exec.enabled": False},
            "secret": {"githubSecret": f"${WEBHOOK}:github"},
            "rbac": {"policy.default": "role:readonly"},
        },
        "dex": {"enabled": False},
        "applicationSet": {"replicas": 0},
        "redis": part("25m", "64Mi", "256Mi"),
        "redisSecretInit": part("10m", "32Mi", "128Mi"),
        "server": part("50m", "128Mi", "512Mi") | _measured(),
        "controller": part("100m", "256Mi", "1Gi") | _measured(),
        "repoServer": part("50m", "128Mi", "1Gi") | _measured(),
        "notifications": {"enabled": bool(receivers), **part("10m", "64Mi", "256Mi"), **_notifications(receivers)},
    }


def _measured() -> dict[str, Any]:
    """The chart's Services of metrics; who reads them is declared by the platform."""
    return {"metrics": {"enabled": True, "serviceMonitor": {"enabled": False}}}


def _notifications(receivers: tuple[Slack, ...]) -> dict[str, Any]:
    """Incoming webhooks, which Discord takes in Slack's form, too; ``$name`` is the key of the Secret."""
    if not receivers:
        return {}
    told = [item.name for item in receivers]
    body = '{"text": "' + TEXT + '"}'
    return {
        "secret": {"create": False, "name": NOTIFICATIONS},
        "notifiers": {
            f"service.webhook.{name}": f"url: ${name}\nheaders:\n- name: Content-Type\n  value: application/json\n"
            for name in told
        },
        "templates": {"template.synchronised": _template(told, body)},
        "triggers": {f"trigger.{name}": _trigger(when) for name, when in TOLD.items()},
        "subscriptions": [{"recipients": told, "triggers": list(TOLD)}],
    }


def _template(receivers: list[str], body: str) -> str:
    lines = [f"message: '{TEXT}'", "webhook:"]
    for name in receivers:
        lines += [f"  {name}:", "    method: POST", f"    body: '{body}'"]
    return "\n".join(lines) + "\n"


def _trigger(when: str) -> str:
    return f'- when: "{when}"\n  oncePer: app.status.operationState.syncResult.revision\n  send: [synchronised]\n'
