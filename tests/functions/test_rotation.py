"""Rotation: each step may run twice, nothing takes over before it works, and the new key is one that checks tokens."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from components.identity.stored import key_set
from functions.rotation.database import MasterPassword
from functions.rotation.handler import Kind, step
from functions.rotation.signing import SigningKey

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop/dev/s-abcdef"
DATABASE = "arn:aws:rds:us-east-1:123456789012:db:shop-dev-data-orders"


class Missing(Exception):
    pass


class Secrets:
    """Secrets Manager, with one secret of one version, and a second that is asked for."""

    class exceptions:
        ResourceNotFoundException = Missing

    def __init__(self, content: dict[str, str]) -> None:
        self.versions = {"old": json.dumps(content)}
        self.stages = {"old": ["AWSCURRENT"], "new": ["AWSPENDING"]}

    def describe_secret(self, SecretId: str) -> dict[str, Any]:
        return {"VersionIdsToStages": self.stages}

    def get_secret_value(self, SecretId: str, VersionStage: str, VersionId: str | None = None) -> dict[str, str]:
        version = next(name for name, stages in self.stages.items() if VersionStage in stages)
        if version not in self.versions:
            raise Missing
        return {"SecretString": self.versions[version]}

    def put_secret_value(
        self, SecretId: str, ClientRequestToken: str, SecretString: str, VersionStages: list[str]
    ) -> None:
        assert ClientRequestToken not in self.versions, "a version cannot be written twice"
        self.versions[ClientRequestToken] = SecretString

    def update_secret_version_stage(
        self, SecretId: str, VersionStage: str, MoveToVersionId: str, RemoveFromVersionId: str
    ) -> None:
        self.stages[RemoveFromVersionId].remove(VersionStage)
        self.stages[MoveToVersionId].append(VersionStage)


class Rds:
    def __init__(self, looks: int) -> None:
        self.looks, self.password = looks, ""

    def modify_db_instance(self, DBInstanceIdentifier: str, MasterUserPassword: str, ApplyImmediately: bool) -> None:
        assert (DBInstanceIdentifier, ApplyImmediately) == ("shop-dev-data-orders", True)
        self.password = MasterUserPassword

    def describe_db_instances(self, DBInstanceIdentifier: str) -> dict[str, Any]:
        self.looks -= 1
        pending = {"MasterUserPassword": "****"} if self.looks >= 0 else {}
        return {"DBInstances": [{"DBInstanceStatus": "available", "PendingModifiedValues": pending}]}


class Kms:
    def __init__(self) -> None:
        self.pair = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def generate_data_key_pair(self, KeyId: str, KeyPairSpec: str) -> dict[str, bytes]:
        assert KeyPairSpec == "RSA_2048"
        private = self.pair.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        public = self.pair.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {"PrivateKeyPlaintext": private, "PublicKey": public}


def run(secrets: Secrets, kind: Kind, *steps: str) -> None:
    for name in steps or ("createSecret", "createSecret", "setSecret", "testSecret", "finishSecret", "finishSecret"):
        step({"SecretId": SECRET, "ClientRequestToken": "new", "Step": name}, secrets, kind)


def test_a_database_takes_its_new_password_and_the_other_fields_stay() -> None:
    secrets, rds = Secrets({"orders-master": "old", "orders-owner": "kept"}), Rds(looks=2)
    run(secrets, MasterPassword(rds, DATABASE, "orders-master", lambda _: None))
    found = json.loads(secrets.versions["new"])
    assert found == {"orders-master": rds.password, "orders-owner": "kept"}
    assert len(rds.password) == 32
    assert "AWSCURRENT" in secrets.stages["new"]


def test_a_version_that_the_database_does_not_take_does_not_take_over() -> None:
    secrets = Secrets({"orders-master": "old"})
    kind = MasterPassword(Rds(looks=1000), DATABASE, "orders-master", lambda _: None)
    run(secrets, kind, "createSecret", "setSecret")
    with pytest.raises(TimeoutError, match="shop-dev-data-orders"):
        run(secrets, kind, "testSecret")
    assert secrets.stages["old"] == ["AWSCURRENT"]


def test_a_new_pair_signs_what_its_key_set_checks() -> None:
    """The set is read from bytes by hand: it must be the one that the stack itself would have made."""
    secrets, kms = Secrets({"private-key": "old", "jwks": "{}"}), Kms()
    run(secrets, SigningKey(kms, "arn:key"))
    found = json.loads(secrets.versions["new"])
    public = kms.pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert found["jwks"] == key_set(public)
    token = jwt.encode({"sub": "1"}, found["private-key"], algorithm="RS256")
    (key,) = jwt.PyJWKSet.from_json(found["jwks"]).keys
    assert jwt.decode(token, key.key, algorithms=["RS256"]) == {"sub": "1"}


def test_what_is_no_step_of_this_secret_is_refused() -> None:
    secrets = Secrets({"private-key": "old"})
    with pytest.raises(ValueError, match="is no step"):
        run(secrets, SigningKey(Kms(), "arn:key"), "deleteSecret")
    with pytest.raises(ValueError, match="is not there"):
        step({"SecretId": SECRET, "ClientRequestToken": "x", "Step": "setSecret"}, secrets, SigningKey(Kms(), "k"))
