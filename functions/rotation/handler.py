"""The function's entry: one step of Secrets Manager's rotation of one secret.

Secrets Manager asks for four steps, one request each, and again after an error. Every step may therefore run twice: the
new version is made once, under the request's token, and takes over only when what it is for has taken it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Protocol

from functions.rotation.database import MasterPassword
from functions.rotation.signing import SigningKey

CURRENT = "AWSCURRENT"
PENDING = "AWSPENDING"

Content = dict[str, str]
"""Fields of a secret."""


class Kind(Protocol):
    """What a secret is for."""

    def renewed(self, content: Content) -> Content:
        """The fields with new values in place of those that are rotated."""

    def put(self, content: Content) -> None:
        """Tell whoever checks them."""

    def check(self, content: Content) -> None:
        """Raise what is not good yet."""


def handler(event: Mapping[str, Any], context: object) -> None:
    """Answer Secrets Manager. As the environment says: ``DATABASE``, the ARN of an instance of RDS, and ``FIELD``, the
    one with its master's password; or ``KEY``, the ARN of a KMS key that makes pairs of keys."""
    import boto3

    kind: Kind
    if "DATABASE" in os.environ:
        kind = MasterPassword(boto3.client("rds"), os.environ["DATABASE"], os.environ["FIELD"])
    else:
        kind = SigningKey(boto3.client("kms"), os.environ["KEY"])
    step(event, boto3.client("secretsmanager"), kind)


def step(event: Mapping[str, Any], secrets: Any, kind: Kind) -> None:
    """One of the four. Raises ValueError for a version that Secrets Manager does not have, or a step it has not."""
    secret, token, name = event["SecretId"], event["ClientRequestToken"], event["Step"]
    stages = secrets.describe_secret(SecretId=secret)["VersionIdsToStages"]
    if token not in stages:
        raise ValueError(f"version {token} of {secret} is not there to be rotated")
    if CURRENT in stages[token]:
        return
    if name == "createSecret":
        _create(secrets, secret, token, kind)
    elif name == "setSecret":
        kind.put(_read(secrets, secret, PENDING, token))
    elif name == "testSecret":
        kind.check(_read(secrets, secret, PENDING, token))
    elif name == "finishSecret":
        current = next(version for version, known in stages.items() if CURRENT in known)
        secrets.update_secret_version_stage(
            SecretId=secret, VersionStage=CURRENT, MoveToVersionId=token, RemoveFromVersionId=current
        )
    else:
        raise ValueError(f"'{name}' is no step of a rotation")


def _create(secrets: Any, secret: str, token: str, kind: Kind) -> None:
    try:
        _read(secrets, secret, PENDING, token)
    except secrets.exceptions.ResourceNotFoundException:
        text = json.dumps(kind.renewed(_read(secrets, secret, CURRENT)), sort_keys=True)
        secrets.put_secret_value(SecretId=secret, ClientRequestToken=token, SecretString=text, VersionStages=[PENDING])


def _read(secrets: Any, secret: str, stage: str, token: str | None = None) -> Content:
    version = {"VersionId": token} if token else {}
    found = json.loads(secrets.get_secret_value(SecretId=secret, VersionStage=stage, **version)["SecretString"])
    return {str(key): str(value) for key, value in found.items()}
