"""Pods: containers, probes, environment, volumes, and the template that holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from manifests.base import Manifest, compact, match_labels


def value(name: str, text: str) -> Manifest:
    """An environment variable with a literal value."""
    return {"name": name, "value": text}


def all_values(config_map: str | None = None, secret: str | None = None) -> list[Manifest]:
    """``envFrom``: every key of a ConfigMap and of a Secret as a variable of its name."""
    sources = (("configMapRef", config_map), ("secretRef", secret))
    return [{kind: {"name": name}} for kind, name in sources if name]


def secret_value(name: str, secret: str, key: str) -> Manifest:
    """An environment variable that is read from a Secret."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def field_value(name: str, path: str) -> Manifest:
    """An environment variable that is read from the pod's own fields."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def requirements(cpu: str, memory: str, cpu_limit: str, memory_limit: str) -> Manifest:
    return {
        "requests": {"cpu": cpu, "memory": memory},
        "limits": {"cpu": cpu_limit, "memory": memory_limit},
    }


def http_probe(
    path: str, port: int, delay: int, period: int, timeout: int = 1, failures: int = 3, successes: int = 1
) -> Manifest:
    """All times in seconds."""
    return {
        "httpGet": {"path": path, "port": port},
        "initialDelaySeconds": delay,
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
        "successThreshold": successes,
    }


def exec_probe(command: Sequence[str], period: int, timeout: int, failures: int = 3, delay: int = 0) -> Manifest:
    return {
        "exec": {"command": list(command)},
        "initialDelaySeconds": delay,
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }


def tcp_probe(port: int, failures: int = 3) -> Manifest:
    """Whether anything listens, asked every 10 seconds."""
    return {"tcpSocket": {"port": port}, "periodSeconds": 10, "failureThreshold": failures}


def pause(seconds: int) -> Manifest:
    """A container's lifecycle: the kubelet waits before it asks the container to stop."""
    return {"preStop": {"sleep": {"seconds": seconds}}}


def before_stop(command: Sequence[str]) -> Manifest:
    """A container's lifecycle: the kubelet waits for a command before it asks the container to stop."""
    return {"preStop": {"exec": {"command": list(command)}}}


def mount(name: str, path: str, sub_path: str | None = None, read_only: bool | None = None) -> Manifest:
    return compact(name=name, mountPath=path, subPath=sub_path, readOnly=read_only)


def empty_dir(name: str, size: str, in_memory: bool = False) -> Manifest:
    return {"name": name, "emptyDir": compact(sizeLimit=size, medium="Memory" if in_memory else None)}


_SCRATCH = "tmp"


def scratch(size: str) -> Manifest:
    """Room for temporary files beside a read-only root file system."""
    return empty_dir(_SCRATCH, size)


def scratch_mount() -> Manifest:
    return mount(_SCRATCH, f"/{_SCRATCH}")


def config_volume(name: str, config_map: str) -> Manifest:
    return {"name": name, "configMap": {"name": config_map}}


def secret_volume(name: str, secret: str, keys: Sequence[str], mode: int | None = None) -> Manifest:
    """Exactly ``keys`` of a Secret as files of the same names. ``mode`` absent: everybody in the pod may read them."""
    items = [{"key": key, "path": key} for key in keys]
    return {"name": name, "secret": compact(secretName=secret, items=items, defaultMode=mode)}


CONTAINER_SECURITY: Manifest = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
}
"""What Pod Security's 'restricted' profile asks of a container, and a root file system that nobody can change."""


def container(
    name: str,
    image: str,
    resources: Manifest,
    ports: Sequence[tuple[str, int]] = (),
    env: Sequence[Manifest] = (),
    mounts: Sequence[Manifest] = (),
    pull_policy: str = "IfNotPresent",
    **fields: Any,
) -> Manifest:
    """One hardened container. ``fields``: command, args, envFrom, lifecycle, the probes."""
    return compact(
        name=name,
        image=image,
        imagePullPolicy=pull_policy,
        ports=[{"name": port, "containerPort": number, "protocol": "TCP"} for port, number in ports] or None,
        env=list(env) or None,
        resources=resources,
        volumeMounts=list(mounts) or None,
        securityContext=CONTAINER_SECURITY,
        **fields,
    )


def spread(labels: Mapping[str, str]) -> list[Manifest]:
    """Prefer pods in different zones and on different nodes; a full zone never keeps a pod from starting."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": match_labels(labels),
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def pod_template(
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    account: str,
    user: int,
    containers: Sequence[Manifest],
    volumes: Sequence[Manifest] = (),
    spread_by: Mapping[str, str] | None = None,
    grace: int = 30,
    restart: str | None = None,
    init: Sequence[Manifest] = (),
) -> Manifest:
    """A pod that runs as ``user`` and its group, never as root, with the runtime's own seccomp profile.

    ``grace``: seconds between the request to stop and the kill. ``spread_by`` absent: placed anywhere.
    """
    return {
        "metadata": compact(labels=dict(labels), annotations=dict(annotations) or None),
        "spec": compact(
            serviceAccountName=account,
            automountServiceAccountToken=False,
            enableServiceLinks=False,
            restartPolicy=restart,
            terminationGracePeriodSeconds=grace,
            securityContext={
                "runAsNonRoot": True,
                "runAsUser": user,
                "runAsGroup": user,
                "fsGroup": user,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            topologySpreadConstraints=spread(spread_by) if spread_by else None,
            initContainers=list(init) or None,
            containers=list(containers),
            volumes=list(volumes) or None,
        ),
    }
