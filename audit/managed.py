"""What AWS runs: its services' endpoints inside the network, and no way in from outside but a declared one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from audit.addresses import PRIVATE, common, ranges
from audit.findings import Difference
from audit.resources import Registry
from audit.scope import Scope
from model import SingleVpc

ENDPOINT: Final = "endpoint"
ADDRESS: Final = "public address"
ACL: Final = "network ACL"


def differences(registry: Registry, scope: Scope) -> Iterator[Difference]:
    """Of one environment."""
    yield from _endpoints(registry, scope)
    yield from _control_planes(registry, scope)
    for item in registry.of("aws:rds/instance:Instance"):
        if item.values.get("publiclyAccessible"):
            yield Difference(ADDRESS, "open", ("the internet",), item.name, "", detail="it has one")
    # No declaration has any, so every one stops or opens more than is declared.
    for item in registry.of("aws:ec2/networkAcl:NetworkAcl", "aws:ec2/networkAclRule:NetworkAclRule"):
        yield Difference(ACL, "changed", ("anybody",), item.name, "", detail="it is registered, and none is declared")


def _endpoints(registry: Registry, scope: Scope) -> Iterator[Difference]:
    """Those with a private name: without it, calls go to the public address."""
    network = scope.system.network
    declared = set(network.endpoints) if isinstance(network, SingleVpc) else set()
    found = {
        str(item.values.get("serviceName")).removeprefix(f"com.amazonaws.{scope.region}.")
        for item in registry.of("aws:ec2/vpcEndpoint:VpcEndpoint")
        if item.values.get("vpcEndpointType") == "Interface" and item.values.get("privateDnsEnabled")
    }
    for name in sorted(found - declared):
        yield Difference(ENDPOINT, "open", ("nodes",), name, "", detail="it is registered, and not declared")
    for name in sorted(declared - found):
        yield Difference(ENDPOINT, "closed", ("nodes",), name, "", detail="it is declared, and not registered")


def _control_planes(registry: Registry, scope: Scope) -> Iterator[Difference]:
    """Public addresses of operators reach the Kubernetes API of EKS; private ones need none of its public address."""
    declared = {cidr for cidr in scope.operators if not common(ranges(cidr), PRIVATE)}
    for item in registry.of("aws:eks/cluster:Cluster"):
        place = item.values.get("vpcConfig") or {}
        # AWS reads a public endpoint without ranges as one for everybody.
        open_to = set(place.get("publicAccessCidrs") or ["0.0.0.0/0"]) if place.get("endpointPublicAccess") else set()
        for cidr in sorted(open_to - declared):
            yield Difference(
                ADDRESS, "open", (cidr,), item.name, "TCP 443", detail="it admits them, and none are declared"
            )
        for cidr in sorted(declared - open_to):
            yield Difference(
                ADDRESS, "closed", (cidr,), item.name, "TCP 443", detail="they are declared, and not admitted"
            )
