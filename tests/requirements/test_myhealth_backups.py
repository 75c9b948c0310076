"""What myHealth gets back after a mistake, and the secrets that are made anew by themselves."""

from __future__ import annotations

import re

import pytest

from sandbox.state import Resource
from tests.conftest import ROOT
from tests.requirements.myhealth import ACCOUNT, environment, policies_of
from tests.requirements.registered import Registered

DAYS = {"db-credentials": 90, "jwt-secret": 180}
WRITES = {"secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"}


def rotations(stack: Registered) -> dict[str, tuple[Resource, Resource]]:
    """Secret's name -> its rotation and the function."""
    functions = {item.outputs["arn"]: item for item in stack.all("lambda.Function")}
    found = {}
    for item in stack.all("secretsmanager.SecretRotation"):
        secret = stack.by_id("secretsmanager.Secret", item.inputs["secretId"]).inputs["name"]
        name = secret.removeprefix(f"myhealth/{environment(stack)}/")
        found[name] = (item, functions[item.inputs["rotationLambdaArn"]])
    return found


@pytest.mark.rows("MH-CFG-03")
def test_two_secrets_are_rotated_each_by_a_function_that_may_write_it_alone(myhealth: Registered) -> None:
    found = rotations(myhealth)
    assert {name: item.inputs["rotationRules"] for name, (item, _) in found.items()} == {
        name: {"automaticallyAfterDays": days} for name, days in DAYS.items()
    }
    for item, function in found.values():
        (permission,) = myhealth.all("lambda.Permission", function=function.inputs["name"])
        assert permission.inputs["principal"] == "secretsmanager.amazonaws.com"
        assert (permission.inputs["action"], permission.inputs["sourceAccount"]) == ("lambda:InvokeFunction", ACCOUNT)
        (role,) = [role for role in myhealth.all("iam.Role") if role.outputs["arn"] == function.inputs["role"]]
        rights = [right for right in policies_of(myhealth, role) if WRITES & set(right["Action"])]
        assert [(set(right["Action"]) >= WRITES, right["Resource"]) for right in rights] == [
            (True, [item.inputs["secretId"]])
        ]


@pytest.mark.rows("MH-CFG-03")
def test_what_is_rotated_reaches_whoever_has_to_know_it(myhealth: Registered) -> None:
    """A new password that the database does not know would lock its users' maker out."""
    found = rotations(myhealth)
    database = myhealth.one("rds.Instance").outputs["arn"]
    _, function = found["db-credentials"]
    assert function.inputs["environment"]["variables"] == {"DATABASE": database, "FIELD": "myhealth-master"}
    (role,) = [role for role in myhealth.all("iam.Role") if role.outputs["arn"] == function.inputs["role"]]
    (right,) = [item for item in policies_of(myhealth, role) if "rds:ModifyDBInstance" in item["Action"]]
    assert right["Resource"] == [database]
    read = myhealth.manifest("ExternalSecret", "myhealth", "jwt-secret")["spec"]
    assert read["refreshInterval"] == "1h"
    assert found["jwt-secret"][1].inputs["environment"]["variables"].keys() == {"KEY"}


@pytest.mark.rows("MH-BKP-04")
def test_recovery_and_its_rehearsal_are_written_down(myhealth_prod: Registered) -> None:
    """In the runbooks that operators open, with the commands, and the outputs that the stack really has."""
    folder = ROOT / "docs" / "runbooks"
    database, cluster, secrets = (
        (folder / name).read_text() for name in ("managed-postgresql.md", "velero.md", "rotate-a-secret.md")
    )
    assert "aws rds restore-db-instance-to-point-in-time" in database
    assert "velero restore create" in cluster
    assert "backupBucket" in cluster
    assert myhealth_prod.outputs["backupBucket"]
    instance = myhealth_prod.one("rds.Instance").inputs
    assert {instance["identifier"], instance["finalSnapshotIdentifier"]} <= set(re.findall(r"`([^`\s]+)`", database))
    assert all("## Rehearse" in text for text in (database, cluster))
    named = {item.inputs["name"].rpartition("/")[2] for item in myhealth_prod.all("secretsmanager.Secret")}
    assert [name for name in sorted(named) if f"`{name}`" not in secrets] == []
