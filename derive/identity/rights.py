"""What services may do in the cloud by themselves: read, or also write, single secrets of the account's store."""

from __future__ import annotations

from typing import Final

from derive import naming
from derive.cloud import Allow, Grant
from derive.identity.stored import path
from derive.shapes import Deployment
from model import External, Istio, System

READ: Final = ("secretsmanager:GetSecretValue",)
WRITE: Final = (*READ, "secretsmanager:PutSecretValue")
NAME: Final = "aws-secrets"


def grants(deployment: Deployment) -> tuple[Grant, ...]:
    """A service's account and the secrets that it names, with the keys that encrypt them, for these only."""
    system, region = deployment.system, deployment.facts.region
    found = []
    for service in system.services:
        allowed: list[Allow] = []
        for name, right in service.secrets.items():
            # Secrets Manager ends an ARN with six characters of its own.
            secret = f"arn:aws:secretsmanager:{region}:*:secret:{path(deployment, name)}-??????"
            through = {
                "kms:ViaService": f"secretsmanager.{region}.amazonaws.com",
                "kms:EncryptionContext:SecretARN": secret,
            }
            use = ("kms:Decrypt", "kms:GenerateDataKey") if right == "write" else ("kms:Decrypt",)
            allowed.append(Allow(WRITE if right == "write" else READ, (secret,)))
            allowed.append(Allow(use, (f"arn:aws:kms:{region}:*:key/*",), {"StringLike": through}))
        if allowed:
            found.append(Grant(naming.service_namespace(system, service), service.name, tuple(allowed)))
    return tuple(found)


def ways(system: System, region: str) -> tuple[External, ...]:
    """Where those services call AWS, and by which way: the mesh's, if it has one. None where that is said already."""
    users = tuple(service.name for service in system.services if service.secrets)
    if not users or any(external.name == NAME for external in system.externals):
        return ()
    mesh = system.platform.mesh
    hosts = (f"secretsmanager.{region}.amazonaws.com", f"sts.{region}.amazonaws.com")
    gateway = isinstance(mesh, Istio) and mesh.egress_gateway
    return (External(name=NAME, hosts=hosts, used_by=users, through_gateway=gateway),)
