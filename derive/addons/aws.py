"""How add-ons' pods come to their rights in AWS, and the ways that this takes."""

from __future__ import annotations

from typing import Final

from derive import cloud
from derive.addons.flows import Addresses, Flow, Hosts
from derive.shapes import Deployment
from model import Eks

METADATA: Final = Flow(Addresses((cloud.METADATA,)), (cloud.METADATA_PORT,))
"""Instance metadata: the only pods that may ask it are those that are granted something."""


def identity(deployment: Deployment, namespace: str, account: str) -> dict[str, str]:
    """Annotations of a ServiceAccount: the role that EKS lets it assume. On machines of our own, the pods use the
    machines' role and need none."""
    if isinstance(deployment.system.platform.cluster, Eks):
        return {"eks.amazonaws.com/role-arn": cloud.role_arn(namespace, account)}
    return {}


def flows(deployment: Deployment, *services: str) -> tuple[Flow, ...]:
    """To the services' endpoints of the region (inside the network where it has its own), and to credentials."""
    region = deployment.facts.region
    own_role = isinstance(deployment.system.platform.cluster, Eks)
    names = [f"{service}.{region}.amazonaws.com" for service in (*services, *(("sts",) if own_role else ()))]
    if "s3" in services:
        # Buckets are host names of their own.
        names.append(f"*.s3.{region}.amazonaws.com")
    calls = Flow(Hosts(tuple(names), inside=True), (443,))
    return (calls,) if own_role else (calls, METADATA)
