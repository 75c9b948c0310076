"""External Secrets: stores, what is read from them into Secrets, and what is written to them from Secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from manifests.base import Manifest, compact, manifest

API: Final = "external-secrets.io/v1"
PUSH: Final = "external-secrets.io/v1alpha1"
"""The only version of PushSecret that is served."""


def secret_store(name: str, namespace: str, provider: Mapping[str, Any]) -> Manifest:
    """A store for the ExternalSecrets and PushSecrets of its namespace alone."""
    return manifest(API, "SecretStore", name, namespace, spec={"provider": dict(provider)})


def cluster_secret_store(name: str, provider: Mapping[str, Any], refresh: int) -> Manifest:
    """A store for every namespace, whose connection is checked every ``refresh`` seconds."""
    spec = {"provider": dict(provider), "refreshInterval": refresh}
    return manifest(API, "ClusterSecretStore", name, None, spec=spec)


def external_secret(
    name: str,
    namespace: str,
    store: str,
    source: str,
    keys: Iterable[str],
    refresh: str,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """A Secret of the same name, each key filled with the property of that name at ``source``."""
    data = [{"secretKey": key, "remoteRef": {"key": source, "property": key}} for key in keys]
    spec = {
        "refreshInterval": refresh,
        "secretStoreRef": {"kind": "SecretStore", "name": store},
        "target": {"name": name, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
        "data": data,
    }
    return manifest(API, "ExternalSecret", name, namespace, annotations=annotations, spec=spec)


def copied(
    name: str,
    namespace: str,
    store: str,
    source: str,
    keys: Mapping[str, str],
    refresh: str,
    literals: Mapping[str, str],
    labels: Mapping[str, str],
) -> Manifest:
    """A Secret of the same name from a store of the whole cluster: each key filled with a property at ``source``,
    beside ``literals``, which are no secret."""
    data = [{"secretKey": key, "remoteRef": {"key": source, "property": property_}} for key, property_ in keys.items()]
    template = compact(
        mergePolicy="Merge", data=dict(literals) or None, metadata={"labels": dict(labels)} if labels else None
    )
    target = {"name": name, "creationPolicy": "Owner", "deletionPolicy": "Retain"}
    spec = {
        "refreshInterval": refresh,
        "secretStoreRef": {"kind": "ClusterSecretStore", "name": store},
        "target": {**target, **({"template": template} if literals or labels else {})},
        "data": data,
    }
    return manifest(API, "ExternalSecret", name, namespace, annotations=READY, spec=spec)


READY: Final = {"pulumi.com/waitFor": "condition=Ready", "pulumi.com/timeoutSeconds": "600"}
"""Whoever reads the Secret starts after it is there."""


def push_secret(
    name: str,
    namespace: str,
    store: str,
    source: str,
    target: str,
    keys: Iterable[str],
    refresh: str,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """Writes each key of the Secret ``source`` to the property of that name at ``target``, where it stays."""
    data = [{"match": {"secretKey": key, "remoteRef": {"remoteKey": target, "property": key}}} for key in keys]
    spec = {
        "refreshInterval": refresh,
        "updatePolicy": "Replace",
        "deletionPolicy": "None",
        "secretStoreRefs": [{"kind": "SecretStore", "name": store}],
        "selector": {"secret": {"name": source}},
        "data": data,
    }
    return manifest(PUSH, "PushSecret", name, namespace, annotations=annotations, spec=spec)
