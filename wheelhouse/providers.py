"""Which provider serves which Pulumi package in the sandbox: the one place that wires them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.provider import Package, Provider


def packages() -> Mapping[str, Package]:
    """The sandbox's providers by package name.

    Providers are imported when they are first needed: a simulated AWS account takes about a second, and
    `wheelhouse outputs` needs none. AWS is one account for all stacks; a cluster belongs to its provider.
    """
    return {
        "aws": Package(make=_aws, shared=True, reset=_reset_aws),
        "kubernetes": Package(make=_kubernetes, replace_on=frozenset({"kubeconfig", "cluster", "context"})),
        "random": Package(make=_random),
        "tls": Package(make=_tls),
    }


def _aws(config: Mapping[str, Any]) -> Provider:
    from sandbox.aws import AwsProvider

    return AwsProvider(config)


def _reset_aws() -> None:
    from sandbox.aws.cloud import Cloud

    Cloud.shared().reset()


def _kubernetes(config: Mapping[str, Any]) -> Provider:
    from sandbox.kubernetes import KubernetesProvider

    return KubernetesProvider(config)


def _random(config: Mapping[str, Any]) -> Provider:
    from sandbox.local.random import RandomProvider

    return RandomProvider(config)


def _tls(config: Mapping[str, Any]) -> Provider:
    from sandbox.local.tls import TlsProvider

    return TlsProvider(config)
