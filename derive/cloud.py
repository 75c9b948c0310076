"""What add-ons need of the cloud, as plain data: rights, and references to resources that exist only once deployed.

A reference is text inside a manifest or an ARN, e.g. ``${bucket:backups}``; the stack puts the resource's own name in
its place when it registers the object. What is referred to has a symbolic name: the bucket ``backups`` is the one that
every stack has; any other bucket is declared, or made like a key because something refers to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

METADATA: Final = "169.254.169.254/32"
"""The machines' metadata service, which gives out their roles' credentials (EC2 user guide)."""
METADATA_PORT: Final = 80
Kind = Literal[
    "registry", "bucket", "bucket-arn", "database-host", "key-arn", "repository-arn", "role-arn", "edge-host"
]
REFERENCE: Final = re.compile(
    r"\$\{(registry|bucket|bucket-arn|database-host|key-arn|repository-arn|role-arn|edge-host):([a-z0-9._-]+(?:/[a-z0-9._-]+)*)\}"
)


@dataclass(frozen=True, order=True)
class Reference:
    """``bucket``: its name. ``role-arn``: of the role of ``<namespace>/<account>``, where accounts have their own.
    ``database-host``: the name that AWS gives to a managed database. ``edge-host``: of the public load balancer."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"${{{self.kind}:{self.name}}}"


@dataclass(frozen=True)
class Allow:
    """A statement. Resources are ARNs, in which references may stand."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Grant:
    """What the pods of one ServiceAccount may do in the account.

    Where accounts have roles (EKS), a role of its own. On machines of our own, part of the workers' role: such pods ask
    the metadata service, one hop further than the machine itself, and network policies keep all others from it.
    """

    namespace: str
    account: str
    statements: tuple[Allow, ...] = ()
    managed: tuple[str, ...] = ()
    """ARNs of policies that AWS keeps."""


def bucket(name: str) -> str:
    return str(Reference("bucket", name))


def bucket_arn(name: str) -> str:
    return str(Reference("bucket-arn", name))


def key_arn(name: str) -> str:
    return str(Reference("key-arn", name))


def repository_arn(name: str) -> str:
    return str(Reference("repository-arn", name))


def role_arn(namespace: str, account: str) -> str:
    return str(Reference("role-arn", f"{namespace}/{account}"))


def registry(region: str) -> str:
    """The account's own registry of images."""
    return str(Reference("registry", region))


def database_host(name: str) -> str:
    return str(Reference("database-host", name))


def edge_host() -> str:
    """The DNS name of the load balancer in front of the ingress."""
    return str(Reference("edge-host", "public"))


def objects(name: str, prefix: str = "") -> tuple[Allow, ...]:
    """To read, write and delete the objects of a bucket (below ``prefix``), large ones in parts."""
    return (
        Allow(("s3:ListBucket", "s3:GetBucketLocation"), (bucket_arn(name),)),
        Allow(
            (
                "s3:GetObject",
                "s3:PutObject",
                "s3:DeleteObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ),
            (f"{bucket_arn(name)}/{prefix}*",),
        ),
    )


def references(value: Any) -> frozenset[Reference]:
    """Every reference in plain data."""
    return frozenset(_reference(found) for text in _texts(value) for found in REFERENCE.finditer(text))


def filled(value: Any, resolve: Callable[[Reference], str]) -> Any:
    """The same data with each reference replaced."""
    if isinstance(value, str):
        return REFERENCE.sub(lambda found: resolve(_reference(found)), value)
    if isinstance(value, Mapping):
        return {key: filled(item, resolve) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item, resolve) for item in value]
    return value


def _reference(found: re.Match[str]) -> Reference:
    return Reference(cast(Kind, found[1]), found[2])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Grant):
        yield from _texts([statement.resources for statement in value.statements])
