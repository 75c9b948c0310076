"""Which provider serves which Pulumi package in the sandbox: the one place that wires them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.provider import Package, Provider, Saved


def packages() -> Mapping[str, Package]:
    """The sandbox's providers by package name.

    Providers are imported when they are first needed: a simulated AWS account takes about a second, and
    `wheelhouse outputs` needs none. AWS is one account for all stacks; a cluster belongs to its provider.
    Runs that are given the same packages go on in the same account, so that it is rebuilt once per command.
    """
    return {
        "aws": Package(make=_aws, shared=True, reset=_Account().reset),
        "kubernetes": Package(
            make=_kubernetes,
            replace_on=frozenset({"kubeconfig", "cluster", "context"}),
            identity="clusterIdentifier",
        ),
        "random": Package(make=_random),
        "tls": Package(make=_tls),
    }


def _aws(config: Mapping[str, Any]) -> Provider:
    from sandbox.aws import AwsProvider

    return AwsProvider(config)


class _Account:
    """The AWS account of one command: emptied before its first run, and whenever it is not what was saved."""

    def __init__(self) -> None:
        self._used = False

    def reset(self, saved: Sequence[Saved]) -> None:
        from sandbox.aws.cloud import Cloud

        cloud = Cloud.shared()
        if not (self._used and cloud.index.holds(saved)):
            cloud.reset()
        self._used = True


def _kubernetes(config: Mapping[str, Any]) -> Provider:
    from sandbox.kubernetes import KubernetesProvider

    return KubernetesProvider(config)


def _random(config: Mapping[str, Any]) -> Provider:
    from sandbox.local.random import RandomProvider

    return RandomProvider(config)


def _tls(config: Mapping[str, Any]) -> Provider:
    from sandbox.local.tls import TlsProvider

    return TlsProvider(config)
