"""External Secrets: copies values from AWS Secrets Manager or Vault into Secrets of the cluster."""

from __future__ import annotations

from typing import Any, Final

from derive import naming, versions
from derive.addons import aws
from derive.addons.chart import OUTSIDE_MESH, Addition, Measured, Release, housed, resources
from derive.addons.flows import API_SERVER, Flow, Pods, Rule, webhook
from derive.addons.istio import replicas_over_zones
from derive.cloud import Allow, Grant
from derive.cluster.placement import placement
from derive.identity import stored, vaulted
from derive.shapes import Deployment
from manifests import external_secrets, pods
from manifests.base import Manifest
from model import Eks, ExternalSecrets

NAME: Final = "external-secrets"
STORE: Final = stored.NAMED
"""The ClusterSecretStore of AWS that ExternalSecrets name; of Vault, each namespace has its own store."""


def addition(deployment: Deployment, choice: ExternalSecrets) -> Addition:
    source = housed(versions.EXTERNAL_SECRETS, choice.namespace)
    vault = vaulted.vault_of(deployment)
    if vault:
        home = housed(versions.VAULT, vault.namespace).namespace
        ways: tuple[Flow, ...] = (Flow((Pods(naming.VAULT_LABELS, home),), (naming.VAULT_PORT,)),)
        stores: tuple[Manifest, ...] = ()
    else:
        ways, stores = aws.flows(deployment, "secretsmanager"), (_aws_store(deployment, choice),)
    parts = {part: {naming.APP: f"{NAME}{part}"} for part in ("", "-webhook", "-cert-controller")}
    return Addition(
        release=Release(
            name=NAME,
            source=source,
            values=values(deployment, choice),
            requires=("cilium",),
            ready=tuple(f"deployment/{NAME}{part}" for part in parts),
        ),
        rules=(
            Rule(NAME, parts[""], (), (API_SERVER, *ways)),
            Rule(f"{NAME}-webhook", parts["-webhook"], (webhook(10250),), (API_SERVER,)),
            Rule(f"{NAME}-cert-controller", parts["-cert-controller"], (), (API_SERVER,)),
        ),
        settings=stores,
        grants=() if vault else (Grant(source.namespace, NAME, _rights(deployment)),),
        measured=(Measured(parts[""], 8080),),
    )


def _rights(deployment: Deployment) -> tuple[Allow, ...]:
    secret = f"arn:aws:secretsmanager:{deployment.facts.region}:*:secret:{deployment.system.name}/{deployment.name}/*"
    region = deployment.facts.region
    context = {
        "kms:ViaService": f"secretsmanager.{region}.amazonaws.com",
        "kms:EncryptionContext:SecretARN": secret,
    }
    return (
        Allow(("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"), (secret,)),
        # Whichever key encrypts them, for these secrets only.
        Allow(("kms:Decrypt",), (f"arn:aws:kms:{region}:*:key/*",), {"StringLike": context}),
    )


def _aws_store(deployment: Deployment, choice: ExternalSecrets) -> Manifest:
    """``auth`` absent: the pod's own credentials, which are the machine's."""
    found: dict[str, Any] = {"service": "SecretsManager", "region": deployment.facts.region}
    if isinstance(deployment.system.platform.cluster, Eks):
        namespace = housed(versions.EXTERNAL_SECRETS, choice.namespace).namespace
        found["auth"] = {"jwt": {"serviceAccountRef": {"name": NAME, "namespace": namespace}}}
    return external_secrets.cluster_secret_store(STORE, {"aws": found}, int(choice.refresh.total_seconds()))


def values(deployment: Deployment, choice: ExternalSecrets) -> dict[str, Any]:
    replicas = replicas_over_zones(deployment.environment)
    place = placement(deployment.system.platform, choice.pool)
    namespace = housed(versions.EXTERNAL_SECRETS, choice.namespace).namespace

    def part(count: int, label: str) -> dict[str, Any]:
        spread = {"topologySpreadConstraints": pods.spread({naming.APP: label})} if count > 1 else {}
        size = resources("10m", "64Mi", "256Mi")
        return {"replicaCount": count, "resources": size, "podLabels": OUTSIDE_MESH, **spread, **place}

    return {
        "installCRDs": True,
        **part(replicas, NAME),
        # Replicas of one controller must agree on who acts.
        "leaderElect": replicas > 1,
        "serviceAccount": {"name": NAME, "annotations": aws.identity(deployment, namespace, NAME)},
        "webhook": part(replicas, f"{NAME}-webhook"),
        "certController": part(1, f"{NAME}-cert-controller"),
        "serviceMonitor": {"enabled": False},
    }
