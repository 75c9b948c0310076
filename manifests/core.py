"""Objects of the core API group: namespaces, accounts, services, configuration, quotas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from manifests.base import Manifest, compact, manifest


def namespace(name: str, labels: Mapping[str, str]) -> Manifest:
    return manifest("v1", "Namespace", name, None, labels)


def service_account(name: str, namespace: str, annotations: Mapping[str, str] | None = None) -> Manifest:
    """An identity that gets no API token unless a pod asks for one."""
    return manifest(
        "v1", "ServiceAccount", name, namespace, annotations=annotations, automountServiceAccountToken=False
    )


def service_port(name: str, port: int, app_protocol: str | None = None, target: int | str | None = None) -> Manifest:
    """A TCP port. ``target`` absent: the same number. ``app_protocol`` absent: the name's prefix tells the mesh."""
    return compact(name=name, port=port, targetPort=target or port, protocol="TCP", appProtocol=app_protocol)


def service(
    name: str,
    namespace: str,
    selector: Mapping[str, str],
    ports: Sequence[Manifest],
    labels: Mapping[str, str] | None = None,
    headless: bool = False,
) -> Manifest:
    """A Service that only the cluster reaches. ``headless``: names resolve to the pods themselves."""
    spec = compact(
        type="ClusterIP",
        clusterIP="None" if headless else None,
        publishNotReadyAddresses=True if headless else None,
        selector=dict(selector),
        ports=list(ports),
    )
    return manifest("v1", "Service", name, namespace, labels, spec=spec)


def config_map(name: str, namespace: str, data: Mapping[str, str]) -> Manifest:
    return manifest("v1", "ConfigMap", name, namespace, data=dict(data))


def resource_quota(name: str, namespace: str, hard: Mapping[str, str]) -> Manifest:
    return manifest("v1", "ResourceQuota", name, namespace, spec={"hard": dict(hard)})


def limit_range(name: str, namespace: str, requests: Mapping[str, str], limits: Mapping[str, str]) -> Manifest:
    """What a container gets that declares nothing itself."""
    limit = {"type": "Container", "defaultRequest": dict(requests), "default": dict(limits)}
    return manifest("v1", "LimitRange", name, namespace, spec={"limits": [limit]})
