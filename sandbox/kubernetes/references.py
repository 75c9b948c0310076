"""References between objects: whatever a pod, a route or a binding names must be there in the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sandbox.kubernetes import network, pods
from sandbox.kubernetes.access import Body, Problem, Problems, dig, enumerated, mapping, number, strings, text
from sandbox.kubernetes.kinds import Key
from sandbox.kubernetes.landscape import Landscape, Running
from sandbox.kubernetes.store import Entry
from sandbox.provider import has_unknown

_RBAC: Final = "rbac.authorization.k8s.io"
_BUILTIN_CLASSES: Final = frozenset({"", "local-path"})
"""The empty name means a volume without a class; K3s brings ``local-path``."""


def pod_problems(entry: Entry, landscape: Landscape) -> Problems:
    """What the pod of an object needs: account, Secrets, ConfigMaps, claims, classes."""
    found = pods.template(entry.body)
    if found is None:
        return
    spec, namespace = mapping(found[1], "spec"), entry.key.namespace
    path = f"{found[0]}.spec" if found[0] else "spec"
    account = text(spec, "serviceAccountName") or text(spec, "serviceAccount")
    needs = [("", "ServiceAccount", namespace, account, f"{path}.serviceAccountName")]
    needs.append(
        ("scheduling.k8s.io", "PriorityClass", "", text(spec, "priorityClassName"), f"{path}.priorityClassName")
    )
    needs.append(("node.k8s.io", "RuntimeClass", "", text(spec, "runtimeClassName"), f"{path}.runtimeClassName"))
    for at, volume in enumerated(spec, path, "volumes"):
        claim = text(volume, "persistentVolumeClaim", "claimName")
        needs.append(("", "PersistentVolumeClaim", namespace, claim, f"{at}.persistentVolumeClaim.claimName"))
    if (entry.key.group, entry.key.kind) == ("apps", "StatefulSet"):
        service = text(entry.body, "spec", "serviceName")
        needs.append(("", "Service", namespace, service, "spec.serviceName"))
    for group, kind, home, name, at in needs:
        if name and name != "default" and not landscape.may_exist(group, kind, home, name):
            yield Problem(at, f"{kind} {name!r} does not exist" + (f" in namespace {home!r}" if home else ""))
    for at, kind, name, key in _data_references(spec, path):
        if problem := landscape.missing(kind, namespace, name, key):
            yield Problem(at, problem)


def _data_references(spec: Body, path: str) -> Iterator[tuple[str, str, str, str | None]]:
    """Path, kind, name and key of every Secret and ConfigMap that a pod cannot start without."""
    for at, container in pods.containers(spec, path):
        for env_at, entry in enumerated(container, at, "env"):
            for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                yield from _reference(mapping(entry, "valueFrom", field), f"{env_at}.valueFrom.{field}", kind)
        for env_at, entry in enumerated(container, at, "envFrom"):
            for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
                yield from _reference(mapping(entry, field), f"{env_at}.{field}", kind)
    for at, volume in enumerated(spec, path, "volumes"):
        yield from _source(volume, at)
        for source_at, source in enumerated(volume, at, "projected", "sources"):
            yield from _source(source, source_at)
    for name in pods.pull_secrets(spec):
        yield f"{path}.imagePullSecrets", "Secret", name, None


def _reference(value: Body, path: str, kind: str) -> Iterator[tuple[str, str, str, str | None]]:
    name = text(value, "name")
    if name and value.get("optional") is not True:
        yield path, kind, name, text(value, "key")


def _source(volume: Body, path: str) -> Iterator[tuple[str, str, str, str | None]]:
    """A volume (or projection) of a Secret or ConfigMap, with the keys that it picks."""
    for field, kind in (("secret", "Secret"), ("configMap", "ConfigMap")):
        source = mapping(volume, field)
        name = text(source, "secretName") or text(source, "name")
        if not name or source.get("optional") is True:
            continue
        yield f"{path}.{field}", kind, name, None
        for at, item in enumerated(source, f"{path}.{field}", "items"):
            yield at, kind, name, text(item, "key")


def object_problems(entry: Entry, landscape: Landscape) -> Problems:
    """What objects other than pods name: roles, Services behind an Ingress, classes of claims."""
    key, body = entry.key, entry.body
    if key.group == _RBAC and key.kind in ("RoleBinding", "ClusterRoleBinding"):
        yield from _role_problems(entry, landscape)
    if (key.group, key.kind) == ("networking.k8s.io", "Ingress"):
        for name in dict.fromkeys(network.ingress_services(body)):
            if not landscape.may_exist("", "Service", key.namespace, name):
                yield Problem("spec.rules", f"Service {name!r} does not exist in namespace {key.namespace!r}")
    if (key.group, key.kind) == ("", "PersistentVolumeClaim"):
        yield from _class_problems(body, "", landscape)
    for at, claim in enumerated(body, "", "spec", "volumeClaimTemplates"):
        yield from _class_problems(claim, f"{at}.", landscape)


def _role_problems(entry: Entry, landscape: Landscape) -> Problems:
    kind, name = text(entry.body, "roleRef", "kind"), text(entry.body, "roleRef", "name")
    if not kind or not name or name.startswith("system:"):
        return
    home = entry.key.namespace if kind == "Role" else ""
    if landscape.may_exist(_RBAC, kind, home, name) or (kind == "ClusterRole" and landscape.charts):
        return
    yield Problem("roleRef", f"{kind} {name!r} does not exist")


def _class_problems(claim: Body, prefix: str, landscape: Landscape) -> Problems:
    name = text(claim, "spec", "storageClassName")
    if name is None or name in _BUILTIN_CLASSES | landscape.storage_classes:
        return
    if landscape.may_exist("storage.k8s.io", "StorageClass", "", name):
        return
    yield Problem(f"{prefix}spec.storageClassName", f"StorageClass {name!r} does not exist")


def service_problems(entry: Entry, landscape: Landscape) -> Problems:
    """A Service finds pods, and the ports it sends to by name are ports of theirs."""
    key, selector = entry.key, strings(entry.body, "spec", "selector")
    if (key.group, key.kind) != ("", "Service") or not selector or has_unknown(dig(entry.body, "spec", "selector")):
        return
    chosen = [one for one in landscape.running(key.namespace) if _selects(selector, one)]
    if not chosen:
        if not landscape.is_operated(key.namespace):
            yield Problem("spec.selector", f"no pod in namespace {key.namespace!r} has the labels {selector}")
        return
    for at, port in enumerated(entry.body, "", "spec", "ports"):
        name = text(port, "targetPort")
        lacking = [str(one.entry.key) for one in chosen if name and name not in _port_names(one)]
        if lacking:
            yield Problem(f"{at}.targetPort", f"{lacking[0]} has no container port named {name!r}")


def _selects(selector: dict[str, str], running: Running) -> bool:
    labels = running.labels
    return has_unknown(running.pod.get("metadata")) or all(labels.get(key) == value for key, value in selector.items())


def _port_names(running: Running) -> set[str]:
    found = pods.containers(mapping(running.pod, "spec"))
    return {name for _, one in found for _, port in enumerated(one, "", "ports") if (name := text(port, "name"))}


def scale_target(body: Body, namespace: str) -> Key | None:
    """The object that an autoscaler's ``scaleTargetRef`` names."""
    reference = mapping(body, "spec", "scaleTargetRef")
    name, kind = text(reference, "name"), text(reference, "kind") or "Deployment"
    group = (text(reference, "apiVersion") or "apps/v1").rpartition("/")[0]
    return Key(group, kind, namespace, name) if name else None


def replica_limit(body: Body) -> int | None:
    """The most replicas that an autoscaler asks for (KEDA's default is 100)."""
    if body.get("kind") == "ScaledObject":
        return number(body, "spec", "maxReplicaCount") or 100
    return number(body, "spec", "maxReplicas")
