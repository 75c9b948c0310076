"""What the rest of a stack knows of a cluster, whoever runs it."""

from __future__ import annotations

from typing import Protocol

import pulumi

from components.cluster.public import PublicAddresses
from components.identity.cloud import Cloud


class Cluster(Protocol):
    """A cluster that objects can go to. What is above it is the same for every kind."""

    kubeconfig: pulumi.Output[str]
    """Secret, and known only when the API answers."""
    url: pulumi.Output[str]
    """The API's address."""
    lifetime: pulumi.Resource | None
    """With this the cluster's objects go, too. Absent: the cluster stays, and they are deleted one by one."""
    roles: Cloud
    """The role of each ServiceAccount that has one. Empty: granted pods use their machine's."""
    public: PublicAddresses | None
    """The servers' public addresses. Absent: they have none."""
