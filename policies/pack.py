"""The policies of the pack, family by family."""

from __future__ import annotations

from typing import Final

from pulumi_policy import Policy

from policies import buckets, cluster, databases, encryption, identity, machines, network, pods, protection, tagging

NAME: Final = "wheelhouse"
POLICIES: Final[list[Policy]] = [
    *encryption.POLICIES,
    *buckets.POLICIES,
    *machines.POLICIES,
    *network.POLICIES,
    *identity.POLICIES,
    *databases.POLICIES,
    *tagging.POLICIES,
    *protection.POLICIES,
    *pods.POLICIES,
    *cluster.POLICIES,
]
