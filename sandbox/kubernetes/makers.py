"""Secrets and ConfigMaps that controllers make out of other objects, with the keys that are known of them.

Sources: the projects' documentation of External Secrets, cert-manager, RabbitMQ's operators, CloudNativePG,
Strimzi, Sealed Secrets, the Vault Secrets Operator and trust-manager (August 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from sandbox.kubernetes.access import Body, dig, enumerated, items, mapping, text
from sandbox.kubernetes.store import Entry
from sandbox.provider import UNKNOWN

Keys: TypeAlias = frozenset[str] | None
"""The keys that an object holds; None when they cannot be told."""
Made: TypeAlias = Iterator[tuple[str, str, Keys]]
"""Namespace (empty for every namespace), name and keys."""

_TLS: Final = frozenset({"tls.crt", "tls.key", "ca.crt"})
_KEYSTORES: Final = {"jks": ("keystore.jks", "truststore.jks"), "pkcs12": ("keystore.p12", "truststore.p12")}


def external_secret_keys(spec: Body) -> Keys:
    """The keys that an ExternalSecret's spec writes."""
    template = mapping(spec, "target", "template")
    if "templateFrom" in template or dig(spec, "target") is UNKNOWN:
        return None
    templated = frozenset(mapping(template, "data"))
    if templated and template.get("mergePolicy", "Replace") == "Replace":
        return templated
    if items(spec, "dataFrom") or dig(spec, "data") is UNKNOWN:
        return None
    return templated | {key for _, one in enumerated(spec, "", "data") if (key := text(one, "secretKey"))}


def _external_secret(entry: Entry) -> Made:
    spec = mapping(entry.body, "spec")
    name = text(spec, "target", "name") or entry.key.name
    yield entry.key.namespace, name, external_secret_keys(spec)


def _cluster_external_secret(entry: Entry) -> Made:
    """It goes to the namespaces that its selectors choose; which those are is not followed."""
    spec = mapping(entry.body, "spec")
    inner = mapping(spec, "externalSecretSpec")
    name = text(inner, "target", "name") or text(spec, "externalSecretName") or entry.key.name
    yield "", name, external_secret_keys(inner)


def _certificate(entry: Entry) -> Made:
    spec = mapping(entry.body, "spec")
    stores = {key for store, keys in _KEYSTORES.items() if mapping(spec, "keystores", store) for key in keys}
    if name := text(spec, "secretName"):
        yield entry.key.namespace, name, _TLS | stores if "additionalOutputFormats" not in spec else None


def _suffixed(*suffixes: str) -> Callable[[Entry], Made]:
    def make(entry: Entry) -> Made:
        for suffix in suffixes:
            yield entry.key.namespace, f"{entry.key.name}{suffix}", None

    return make


def _vault(entry: Entry) -> Made:
    if name := text(entry.body, "spec", "destination", "name"):
        yield entry.key.namespace, name, None


def _bundle(entry: Entry) -> Made:
    for side in ("configMap", "secret"):
        if target := mapping(entry.body, "spec", "target", side):
            yield "", entry.key.name, frozenset({key}) if (key := text(target, "key")) else None


SECRETS: Final[Mapping[tuple[str, str], Callable[[Entry], Made]]] = {
    ("external-secrets.io", "ExternalSecret"): _external_secret,
    ("external-secrets.io", "ClusterExternalSecret"): _cluster_external_secret,
    ("cert-manager.io", "Certificate"): _certificate,
    ("rabbitmq.com", "RabbitmqCluster"): _suffixed("-default-user", "-erlang-cookie"),
    ("rabbitmq.com", "User"): _suffixed("-user-credentials"),
    ("postgresql.cnpg.io", "Cluster"): _suffixed("-app", "-superuser", "-ca", "-server", "-replication"),
    ("kafka.strimzi.io", "Kafka"): _suffixed("-cluster-ca-cert", "-clients-ca-cert", "-cluster-ca", "-clients-ca"),
    ("kafka.strimzi.io", "KafkaUser"): _suffixed(""),
    ("bitnami.com", "SealedSecret"): _suffixed(""),
    ("secrets.hashicorp.com", "VaultStaticSecret"): _vault,
    ("secrets.hashicorp.com", "VaultDynamicSecret"): _vault,
    ("secrets.hashicorp.com", "VaultPKISecret"): _vault,
    ("trust.cert-manager.io", "Bundle"): _bundle,
}
CONFIG_MAPS: Final[Mapping[tuple[str, str], Callable[[Entry], Made]]] = {
    ("trust.cert-manager.io", "Bundle"): _bundle,
}

RUN_PODS: Final = frozenset(
    {
        *(("rabbitmq.com", "RabbitmqCluster"), ("postgresql.cnpg.io", "Cluster"), ("postgresql.cnpg.io", "Pooler")),
        *(("kafka.strimzi.io", "Kafka"), ("kafka.strimzi.io", "KafkaNodePool"), ("kafka.strimzi.io", "KafkaConnect")),
        *(("redis.redis.opstreelabs.in", kind) for kind in ("Redis", "RedisCluster", "RedisReplication")),
        *(("monitoring.coreos.com", kind) for kind in ("Prometheus", "Alertmanager", "ThanosRuler")),
        *(("gateway.networking.k8s.io", "Gateway"), ("opentelemetry.io", "OpenTelemetryCollector")),
    }
)
"""Custom kinds whose operators run pods, with labels of their own choosing, and make Services and accounts."""
