"""What the API server checks of a pod's spec beyond its schema, and what would keep the pod from starting."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from sandbox.kubernetes import names, quantity
from sandbox.kubernetes.access import Body, Problem, Problems, dig, enumerated, items, mapping, number, strings, text
from sandbox.kubernetes.kinds import object_type
from sandbox.provider import UNKNOWN

_TEMPLATES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("", "Pod"): (),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("batch", "Job"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("argoproj.io", "Rollout"): ("spec", "template"),
}
_NATIVE_RESOURCES: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_ENV_NAME: Final = re.compile(r"[ -<>-~]+")
"""Printable ASCII but '=' (RelaxedEnvironmentVariableValidation, Kubernetes >= 1.34)."""
_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_RESTARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "Job": ("OnFailure", "Never"),
    "CronJob": ("OnFailure", "Never"),
    **dict.fromkeys(("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Rollout"), ("Always",)),
}


def template(body: Body) -> tuple[str, Body] | None:
    """The path and value of the pod (metadata and spec) that an object runs; None for what runs no pods."""
    type_ = object_type(body)
    steps = _TEMPLATES.get((type_.group, type_.kind))
    found = None if steps is None else dig(body, *steps)
    return (".".join(steps or ()), found) if isinstance(found, Mapping) else None


def containers(spec: Body, path: str = "") -> Iterator[tuple[str, Body]]:
    """Init and ordinary containers with their paths."""
    yield from enumerated(spec, path, "initContainers")
    yield from enumerated(spec, path, "containers")


def problems(body: Body) -> Problems:
    """Everything wrong with the pod that an object runs."""
    found = template(body)
    if found is None:
        return
    where, pod = found
    prefix = f"{where}." if where else ""
    if where:
        yield from names.labels_problems(strings(pod, "metadata", "labels"), f"{prefix}metadata.labels")
    spec, path = mapping(pod, "spec"), f"{prefix}spec"
    if "containers" in spec and spec["containers"] == []:
        yield Problem(f"{path}.containers", "a pod needs at least one container")
    yield from _restart_problems(object_type(body).kind, spec, path)
    yield from _unique((text(one, "name") for _, one in containers(spec)), f"{path}.containers", "container")
    yield from names.labels_problems(strings(spec, "nodeSelector"), f"{path}.nodeSelector")
    yield from _volume_problems(spec, path)
    claims = {
        text(claim, "metadata", "name") or "" for _, claim in enumerated(body, "", "spec", "volumeClaimTemplates")
    }
    volumes = None if _some_unknown(spec, "volumes") else claims | _names(spec, "volumes")
    for at, container in containers(spec, path):
        yield from _container_problems(container, at)
        yield from _mount_problems(container, at, volumes)
        if spec.get("hostNetwork") is True:
            for port_at, port in enumerated(container, at, "ports"):
                if number(port, "hostPort") not in (None, number(port, "containerPort")):
                    yield Problem(f"{port_at}.hostPort", "must equal containerPort when hostNetwork is on")


def _some_unknown(spec: Body, name: str) -> bool:
    found = spec.get(name, [])
    return found is UNKNOWN or any(one is UNKNOWN or dig(one, "name") is UNKNOWN for one in found or ())


def _names(value: Body, *path: str) -> set[str]:
    return {name for _, one in enumerated(value, "", *path) if (name := text(one, "name"))}


def _unique(found: Iterable[str | None], path: str, what: str) -> Problems:
    for name, count in Counter(one for one in found if one).items():
        if count > 1:
            yield Problem(path, f"{what} {name!r} occurs {count} times")
        if what != "mount path" and (problem := names.label_problem(name)):
            yield Problem(path, f"{what} {problem}")


def _restart_problems(kind: str, spec: Body, path: str) -> Problems:
    allowed = _RESTARTS.get(kind)
    policy = spec.get("restartPolicy", "Always")
    if allowed and isinstance(policy, str) and policy not in allowed:
        yield Problem(f"{path}.restartPolicy", f"{policy!r} is not allowed in a {kind}", f"use {' or '.join(allowed)}")


def _volume_problems(spec: Body, path: str) -> Problems:
    yield from _unique((text(one, "name") for _, one in enumerated(spec, "", "volumes")), f"{path}.volumes", "volume")
    for at, volume in enumerated(spec, path, "volumes"):
        sources = sorted(volume.keys() - {"name"})
        if len(sources) > 1:
            yield Problem(at, f"has {len(sources)} sources ({', '.join(sources)}); a volume has one")
        size = dig(volume, "emptyDir", "sizeLimit")
        if isinstance(size, str | int) and quantity.parse(size) is None:
            yield Problem(f"{at}.emptyDir.sizeLimit", f"{size!r} is not a quantity (like 500Mi)")


def _mount_problems(container: Body, path: str, volumes: set[str] | None) -> Problems:
    for at, mount in enumerated(container, path, "volumeMounts"):
        name = text(mount, "name")
        if volumes is not None and name and name not in volumes:
            yield Problem(f"{at}.name", f"the pod has no volume {name!r}")
    mounts = (text(one, "mountPath") for _, one in enumerated(container, "", "volumeMounts"))
    yield from _unique(mounts, f"{path}.volumeMounts", "mount path")


def _container_problems(container: Body, path: str) -> Problems:
    if container.get("image", "") == "":
        yield Problem(f"{path}.image", "is required")
    yield from _env_problems(container, path)
    yield from _port_problems(container, path)
    yield from resource_problems(mapping(container, "resources"), f"{path}.resources")
    for probe in _PROBES:
        if probe in container:
            yield from _handler_problems(container, mapping(container, probe), f"{path}.{probe}")
    for probe in ("livenessProbe", "startupProbe"):
        if (number(container, probe, "successThreshold") or 1) != 1:
            yield Problem(f"{path}.{probe}.successThreshold", "must be 1")
    for hook in ("preStop", "postStart"):
        if handler := mapping(container, "lifecycle", hook):
            yield from _handler_problems(container, handler, f"{path}.lifecycle.{hook}")
    security = mapping(container, "securityContext")
    if security.get("allowPrivilegeEscalation") is False and security.get("privileged") is True:
        yield Problem(f"{path}.securityContext", "privileged needs allowPrivilegeEscalation")


def _env_problems(container: Body, path: str) -> Problems:
    for at, entry in enumerated(container, path, "env"):
        name = text(entry, "name")
        if name is not None and not _ENV_NAME.fullmatch(name):
            yield Problem(f"{at}.name", f"{name!r} is not an environment variable's name (printable ASCII without '=')")
        if "valueFrom" in entry and entry.get("value", "") != "":
            yield Problem(at, "has both value and valueFrom")
        sources = mapping(entry, "valueFrom")
        if "valueFrom" in entry and entry["valueFrom"] is not UNKNOWN and len(sources) != 1:
            yield Problem(f"{at}.valueFrom", f"has {len(sources)} sources; it takes one")


def _port_problems(container: Body, path: str) -> Problems:
    found = [text(port, "name") for _, port in enumerated(container, "", "ports")]
    for name, count in Counter(name for name in found if name).items():
        if problem := names.port_name_problem(name):
            yield Problem(f"{path}.ports", problem)
        if count > 1:
            yield Problem(f"{path}.ports", f"port name {name!r} occurs {count} times")


def _handler_problems(container: Body, handler: Body, path: str) -> Problems:
    kinds = [kind for kind in _HANDLERS if kind in handler]
    if len(kinds) != 1:
        yield Problem(path, f"has {len(kinds)} handlers; it takes one of exec, httpGet, tcpSocket, grpc")
    for kind in ("httpGet", "tcpSocket"):
        port = dig(handler, kind, "port")
        if isinstance(port, int) and not 1 <= port <= 65535:
            yield Problem(f"{path}.{kind}.port", f"{port} is not in 1-65535")
        if isinstance(port, str) and port not in _names(container, "ports") and not _some_unknown(container, "ports"):
            yield Problem(f"{path}.{kind}.port", f"the container has no port named {port!r}")


def resource_problems(resources: Body, path: str) -> Problems:
    """Quantities of requests and limits, and requests within limits."""
    limits = mapping(resources, "limits")
    for side in ("requests", "limits"):
        for name, value in mapping(resources, side).items():
            at = f"{path}.{side}.{name}"
            parsed = quantity.parse(value)
            if value is UNKNOWN:
                continue
            if parsed is None:
                yield Problem(at, f"{value!r} is not a quantity (like 500m or 256Mi)")
            elif parsed < 0:
                yield Problem(at, f"{value!r} is negative")
            elif name not in _NATIVE_RESOURCES and "/" not in name and not name.startswith("hugepages-"):
                yield Problem(at, f"{name!r} is not a container resource (cpu, memory or domain/name)")
            elif side == "requests" and (limit := quantity.parse(limits.get(name))) is not None and parsed > limit:
                yield Problem(at, f"{value} is more than the limit {limits[name]}")


def pull_secrets(spec: Body) -> list[str]:
    """Names of the Secrets that pull a pod's images."""
    return [name for one in items(spec, "imagePullSecrets") if (name := text(one, "name"))]
