"""A cluster that is there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import yaml

from components.cluster.public import PublicAddresses
from components.identity.cloud import Cloud


@dataclass(frozen=True)
class ExistingClusterArgs:
    """The way to the cluster."""

    kubeconfig: pulumi.Input[str]


class ExistingCluster(pulumi.ComponentResource):
    """A cluster that others run: nothing is made but what goes into it. Costs nothing here.

    Outputs: the kubeconfig, secret, as the stack's settings give it, and the API's address in it.
    """

    kubeconfig: pulumi.Output[str]
    url: pulumi.Output[str]
    lifetime: pulumi.Resource | None
    roles: Cloud
    public: PublicAddresses | None = None

    def __init__(self, name: str, args: ExistingClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:cluster:ExistingCluster", name, None, opts)
        self.kubeconfig = pulumi.Output.secret(args.kubeconfig)
        self.url = pulumi.Output.unsecret(self.kubeconfig.apply(server))
        self.lifetime = None
        self.roles = {}
        self.register_outputs({"url": self.url})


def server(kubeconfig: str) -> str:
    """The address of the API in the current context. Raises ValueError for what is no kubeconfig."""
    try:
        document: dict[str, Any] = yaml.safe_load(kubeconfig)
        contexts = {item["name"]: item["context"] for item in document["contexts"]}
        clusters = {item["name"]: item["cluster"] for item in document["clusters"]}
        return str(clusters[contexts[document["current-context"]]["cluster"]]["server"])
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ValueError("it is no kubeconfig with a current context") from error
