"""How a release reaches the cluster. One function per kind of delivery; the platform's declaration chooses.

``helm-chart``: a HelmChart object, which the controller inside K3s installs by a Job. The object is accepted long
before the chart works, so a second Job waits for the installation and for the release's workloads. The engine waits
for Jobs, hence nothing that follows (a custom resource whose kind the chart defines, an object that the chart's webhook
must admit) is sent too early.

``flux``: a HelmRelease, which Flux installs, upgrades and, when that fails, undoes. The engine waits for its condition
``Ready``.
``helm-release``: whoever runs the update installs the chart, and waits for its workloads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from derive.addons import flux
from derive.addons.chart import Release
from derive.quantities import duration
from derive.shapes import AddonPlan, ChartPlan
from derive.versions import KUBECTL_IMAGE, ChartVersion
from derive.yaml_text import plain, yaml_text
from manifests import core
from manifests.base import Manifest, manifest
from model import DeclarationError, Flux, minutes
from model.platform import K3s, Platform

CONTROLLER_NAMESPACE: Final = "kube-system"
"""Where K3s' Helm controller looks for HelmChart objects and runs its Jobs."""
HELM_CHART: Final = "helm-chart"
HELM_RELEASE: Final = "helm-release"
GATE: Final = "addon-gate"
BEFORE_NETWORK: Final = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6444"}
"""K3s' API on every node's loopback (docs.k3s.io, requirements, local ports): needs no pod network and no Service."""
DRIFT: Final = {
    "mode": "enabled",
    "ignore": [
        {"paths": ["/webhooks"], "target": {"kind": f"{kind}WebhookConfiguration"}}
        for kind in ("Mutating", "Validating")
    ],
}
"""What is deleted or changed by hand comes back with the next look at the chart. Into webhooks, those that serve them
write their authority, and that they may refuse."""
WAIT: Final = minutes(20)
"""Longest wait of one step: pulling the largest chart's images over one NAT gateway, with a margin."""


def deliver(release: Release, platform: Platform) -> AddonPlan:
    """The release as objects of the platform's delivery.

    Raises DeclarationError for a delivery that installs no charts by objects.
    """
    delivery = kind_of(platform)
    if isinstance(delivery, Flux) and not release.by_cluster:
        requires = (*release.requires, flux.NAME, flux.SOURCES)
        return AddonPlan(release.name, (_flux_release(release, delivery),), requires)
    maker = _helm_chart if isinstance(delivery, Flux) else _KINDS.get(delivery)
    if maker is None:
        raise DeclarationError(
            f"platform.delivery '{delivery}' cannot install add-on '{release.name}'; possible are: 'helm-chart', "
            "'helm-release' and Flux(...)"
        )
    return maker(release)


def kind_of(platform: Platform) -> str | Flux:
    """The declared delivery, unless that is the controller inside K3s and there is none."""
    if platform.delivery == HELM_CHART and not isinstance(platform.cluster, K3s):
        return HELM_RELEASE
    return platform.delivery


def gates(platform: Platform) -> tuple[AddonPlan, ...]:
    """What the delivery itself needs in the cluster: for whoever waits for the controller inside K3s."""
    return () if kind_of(platform) == HELM_RELEASE else (gate_account(),)


def gate_account() -> AddonPlan:
    """The account of the waiting Jobs: it reads what they wait for and nothing else, no Secrets."""
    rules = [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list", "watch"]},
        {
            "apiGroups": ["apps"],
            "resources": ["deployments", "daemonsets", "statefulsets"],
            "verbs": ["get", "list", "watch"],
        },
    ]
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": GATE, "namespace": CONTROLLER_NAMESPACE}
    return AddonPlan(
        name=GATE,
        objects=(
            core.service_account(GATE, CONTROLLER_NAMESPACE),
            manifest(f"{rbac}/v1", "ClusterRole", GATE, None, rules=rules),
            manifest(
                f"{rbac}/v1",
                "ClusterRoleBinding",
                GATE,
                None,
                roleRef={"apiGroup": rbac, "kind": "ClusterRole", "name": GATE},
                subjects=[subject],
            ),
        ),
    )


def _helm_release(release: Release) -> AddonPlan:
    source = release.source
    where = _where(source)
    chart = ChartPlan(
        name=release.name,
        chart=where["chart"],
        repo=where.get("repo"),
        version=source.version,
        namespace=source.namespace,
        values=plain(release.values),
        timeout=int(WAIT.total_seconds()),
    )
    return AddonPlan(name=release.name, objects=(), requires=release.requires, chart=chart)


def _helm_chart(release: Release) -> AddonPlan:
    source = release.source
    spec: dict[str, Any] = {
        **_where(source),
        "version": source.version,
        "targetNamespace": source.namespace,
        "createNamespace": False,
        # In place: the default uninstalls what failed to upgrade, and with Cilium or a gateway every connection.
        "failurePolicy": "retry",
        "timeout": _go_duration(release.timeout),
        "valuesContent": yaml_text(release.values),
    }
    if release.bootstrap:
        spec["bootstrap"] = True
    chart = manifest("helm.cattle.io/v1", "HelmChart", release.name, CONTROLLER_NAMESPACE, spec=spec)
    return AddonPlan(name=release.name, objects=(chart, _gate(release)), requires=release.requires)


def _flux_release(release: Release, delivery: Flux) -> Manifest:
    """In the release's own namespace, under its own name: Flux would prefix the name of one that targets another."""
    source = release.source
    waits: dict[str, Any] = {} if release.awaited else {"disableWait": True}
    remedied = {"crds": "CreateReplace", "remediation": {"retries": delivery.retries}, **waits}
    interval = duration(delivery.releases)
    chart = {
        "chart": source.chart,
        "version": source.version,
        "interval": interval,
        "sourceRef": {
            "kind": "HelmRepository",
            "name": flux.repository_name(source.repo),
            "namespace": flux.NAMESPACE,
        },
    }
    annotations = {"pulumi.com/waitFor": "condition=Ready", "pulumi.com/timeoutSeconds": str(int(WAIT.total_seconds()))}
    return manifest(
        "helm.toolkit.fluxcd.io/v2",
        "HelmRelease",
        release.name,
        source.namespace,
        annotations=annotations,
        spec={
            "interval": interval,
            "timeout": duration(release.timeout),
            "releaseName": release.name,
            "chart": {"spec": chart},
            "install": remedied,
            "upgrade": remedied,
            "driftDetection": DRIFT,
            "values": plain(release.values),
        },
    )


def _where(source: ChartVersion) -> dict[str, str]:
    """A chart in a registry of images is named in full, and has no repository beside."""
    if source.repo.startswith("oci://"):
        return {"chart": f"{source.repo}/{source.chart}"}
    return {"repo": source.repo, "chart": source.chart}


def _gate(release: Release) -> Manifest:
    """A Job whose containers wait one after the other: for the installing Job, its end, then each workload."""
    job = f"job/helm-install-{release.name}"
    limit = f"--timeout={int(WAIT.total_seconds())}s"
    steps = [
        ("created", ["wait", "--for=create", limit, "--namespace", CONTROLLER_NAMESPACE, job]),
        ("installed", ["wait", "--for=condition=complete", limit, "--namespace", CONTROLLER_NAMESPACE, job]),
        *(
            (f"ready-{index}", ["rollout", "status", limit, "--namespace", release.source.namespace, workload])
            for index, workload in enumerate(release.ready)
        ),
    ]
    containers = [_step(name, arguments, release) for name, arguments in steps]
    pod: dict[str, Any] = {
        "serviceAccountName": GATE,
        "automountServiceAccountToken": True,
        "restartPolicy": "OnFailure",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": containers[:-1],
        "containers": containers[-1:],
    }
    if release.bootstrap:
        pod |= {"hostNetwork": True, "tolerations": [{"operator": "Exists"}]}
    annotations = {"pulumi.com/timeoutSeconds": str(int(WAIT.total_seconds()))}
    return manifest(
        "batch/v1",
        "Job",
        f"await-{release.name}",
        CONTROLLER_NAMESPACE,
        annotations=annotations,
        spec={"backoffLimit": 6, "template": {"spec": pod}},
    )


def _step(name: str, arguments: list[str], release: Release) -> Manifest:
    environment = BEFORE_NETWORK if release.bootstrap else {}
    return {
        "name": name,
        "image": KUBECTL_IMAGE,
        "args": arguments,
        # A new chart version is a new Job: the wait is repeated after every upgrade.
        "env": [
            {"name": key, "value": value}
            for key, value in {**environment, "CHART_VERSION": release.source.version}.items()
        ],
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"cpu": "200m", "memory": "128Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _go_duration(value: timedelta) -> str:
    return f"{int(value.total_seconds())}s"


_KINDS: Final[Mapping[str, Callable[[Release], AddonPlan]]] = {HELM_CHART: _helm_chart, HELM_RELEASE: _helm_release}
