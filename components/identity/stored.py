"""Secrets in AWS Secrets Manager, under a key of their own."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
import pulumi_aws as aws
import pulumi_tls as tls
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from components.identity.rotation import Rotation, RotationArgs
from components.storage.key import EncryptionKey, EncryptionKeyArgs
from derive.identity.stored import StoredSecret

RSA_BITS: Final = 2048
RECOVERY_DAYS: Final = 30
"""How long a deleted secret can be restored; the longest that Secrets Manager allows."""


@dataclass(frozen=True)
class StoredSecretsArgs:
    """What is stored."""

    secrets: Sequence[StoredSecret]
    passwords: Mapping[str, pulumi.Output[str]]
    given: Mapping[str, pulumi.Output[str]]
    region: str
    databases: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    """ARNs of managed databases by name, whose master's passwords may be rotated."""
    log_days: int = 30
    protect: bool = False
    """Whether deleted secrets can be restored; otherwise their names are free at once."""


class StoredSecrets(pulumi.ComponentResource):
    """A secret for each entry, encrypted with one key that AWS rotates.

    Costs: the key and each secret by the month, reading and rotating by the request. Outputs: ARN of each
    secret by its name, and of the key.
    """

    arns: dict[str, pulumi.Output[str]]
    key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: StoredSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:identity:StoredSecrets", name, None, opts)
        self._name, self._args = name, args
        self._children = pulumi.ResourceOptions(parent=self)
        key = EncryptionKey(f"{name}-key", EncryptionKeyArgs(f"{name}", protect=args.protect), self._children)
        self.key_arn, self.arns = key.arn, {}
        for item in args.secrets:
            secret = aws.secretsmanager.Secret(
                f"{name}-{item.name}",
                name=item.path,
                description=item.description,
                kms_key_id=key.arn,
                recovery_window_in_days=RECOVERY_DAYS if args.protect else 0,
                tags={"Name": item.path},
                opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
            )
            # What a rotation has written since is not put back.
            version = aws.secretsmanager.SecretVersion(
                f"{name}-{item.name}-first",
                secret_id=secret.id,
                secret_string=self._content(item),
                opts=pulumi.ResourceOptions(
                    parent=self, ignore_changes=["secretString"] if item.signs or item.changed else None
                ),
            )
            self.arns[item.name] = version.secret_id
            if item.rotation:
                rotated = RotationArgs(
                    secret_arn=version.secret_id,
                    key_arn=key.arn,
                    plan=item.rotation,
                    database_arn=args.databases[item.rotation.database] if item.rotation.database else None,
                    region=args.region,
                    log_days=args.log_days,
                )
                Rotation(f"{name}-{item.name}", rotated, self._children)
        self.register_outputs({"arns": self.arns, "key_arn": self.key_arn})

    def _content(self, item: StoredSecret) -> pulumi.Output[str]:
        fields: dict[str, pulumi.Output[str]] = {key: self._args.passwords[of] for key, of in item.passwords.items()}
        fields |= {key: self._args.given[of] for key, of in item.given.items()}
        if item.signs:
            pair = tls.PrivateKey(
                f"{self._name}-{item.name}-pair", algorithm="RSA", rsa_bits=RSA_BITS, opts=self._children
            )
            fields |= {"private-key": pair.private_key_pem, "jwks": pair.public_key_pem.apply(key_set)}
        return pulumi.Output.secret(pulumi.Output.all(**fields).apply(lambda known: json.dumps(known, sort_keys=True)))


def key_set(pem: str) -> str:
    """The JSON Web Key Set of an RSA public key (RFC 7517); its id is its thumbprint (RFC 7638)."""
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, RSAPublicKey):
        raise ValueError("the key that signs tokens is no RSA key")
    numbers = key.public_numbers()
    members = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    entry: dict[str, Any] = {**members, "kid": _text(digest), "alg": "RS256", "use": "sig"}
    return json.dumps({"keys": [entry]}, sort_keys=True)


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
