"""Systems Manager, snapshot lifecycles and AWS Backup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context
from sandbox.aws.row import Call, Row


def _parameter_arn(context: Context) -> str:
    name = str(context.inputs["name"])
    return f"arn:aws:ssm:{context.region}:{context.account}:parameter{'' if name.startswith('/') else '/'}{name}"


def _parameter_updated(context: Context) -> None:
    given = context.inputs
    value = given.get("value") or given.get("insecureValue")
    context.call("PutParameter", Name=given["name"], Value=value, Type=given["type"], Overwrite=True)


def _plan(context: Context) -> dict[str, Any]:
    rules = []
    for rule in context.inputs["rules"]:
        made: dict[str, Any] = {"RuleName": rule["ruleName"], "TargetBackupVaultName": rule["targetVaultName"]}
        names = {
            "schedule": "ScheduleExpression",
            "scheduleExpressionTimezone": "ScheduleExpressionTimezone",
            "startWindow": "StartWindowMinutes",
            "completionWindow": "CompletionWindowMinutes",
            "enableContinuousBackup": "EnableContinuousBackup",
        }
        made |= {param: _whole(rule[prop]) for prop, param in names.items() if rule.get(prop) is not None}
        if rule.get("lifecycle"):
            made["Lifecycle"] = _lifecycle(rule["lifecycle"])
        copies = [
            {
                "DestinationBackupVaultArn": copy["destinationVaultArn"],
                **({"Lifecycle": _lifecycle(copy["lifecycle"])} if copy.get("lifecycle") else {}),
            }
            for copy in rule.get("copyActions") or ()
        ]
        rules.append(made | ({"CopyActions": copies} if copies else {}))
    return {"BackupPlanName": context.inputs["name"], "Rules": rules}


def _lifecycle(given: Mapping[str, Any]) -> dict[str, int]:
    names = {"coldStorageAfter": "MoveToColdStorageAfterDays", "deleteAfter": "DeleteAfterDays"}
    return {param: int(given[prop]) for prop, param in names.items() if given.get(prop) is not None}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) else value


ROWS: Final[Mapping[str, Row]] = {
    "aws:ssm/parameter:Parameter": Row(
        "ssm",
        "PutParameter",
        key={"Name": "{name}"},
        rename={"insecureValue": "Value"},
        ignore={"arn": "an output", "overwrite": "how the provider updates"},
        on_update=_parameter_updated,
        replace="name dataType",
        outputs={
            "arn": _parameter_arn,
            "version": lambda c: int(c.answer.get("Version", c.outputs.get("version", 0) + 1)),
            "tier": lambda c: c.inputs.get("tier", "Standard"),
            "dataType": lambda _: "text",
        },
        delete="DeleteParameter",
    ),
    "aws:ssm/document:Document": Row(
        "ssm",
        "CreateDocument",
        key={"Name": "{name}"},
        rename={"attachmentsSources": "Attachments"},
        args={"DocumentFormat": "JSON"},
        ignore={"permissions": "moto has no sharing"},
        calls=(
            Call("UpdateDocument", "content", args={"Name": "{name}", "DocumentVersion": "$LATEST"}, on_create=False),
        ),
        replace="name documentType documentFormat",
        arn="arn:aws:ssm:{region}:{account}:document/{name}",
        outputs={
            "owner": "{account}",
            "latestVersion": "@DocumentDescription.LatestVersion",
            "defaultVersion": "@DocumentDescription.DefaultVersion",
            "status": lambda _: "Active",
        },
        delete="DeleteDocument",
    ),
    "aws:ssm/association:Association": Row(
        "ssm",
        "CreateAssociation",
        id="{uuid}",
        store=True,
        rename={
            "outputLocation": "OutputLocation.S3Location",
            "outputLocation.s3BucketName": "OutputS3BucketName",
            "outputLocation.s3KeyPrefix": "OutputS3KeyPrefix",
            "outputLocation.s3Region": "OutputS3Region",
        },
        ignore={"waitForSuccessTimeoutSeconds": "how the provider waits"},
        replace="name",
        arn="arn:aws:ssm:{region}:{account}:association/{id}",
        outputs={"associationId": "{id}"},
        auto_name="",
    ),
    "aws:dlm/lifecyclePolicy:LifecyclePolicy": Row(
        "dlm",
        "CreateLifecyclePolicy",
        id="policy-{hex17}",
        store=True,
        args={"State": "ENABLED"},
        replace="defaultPolicy",
        arn="arn:aws:dlm:{region}:{account}:policy/{id}",
    ),
    "aws:backup/vault:Vault": Row(
        "backup",
        "CreateBackupVault",
        key={"BackupVaultName": "{name}"},
        rename={"kmsKeyArn": "EncryptionKeyArn"},
        ignore={"forceDestroy": "how the provider deletes"},
        replace="name kmsKeyArn",
        arn="arn:aws:backup:{region}:{account}:backup-vault:{name}",
        delete="DeleteBackupVault",
    ),
    "aws:backup/plan:Plan": Row(
        "backup",
        "CreateBackupPlan",
        id="BackupPlanId",
        key="BackupPlanId",
        args={"BackupPlan": _plan},
        ignore={"name": "part of BackupPlan", "rules": "part of BackupPlan"},
        outputs={"arn": "arn:aws:backup:{region}:{account}:backup-plan:{id}", "version": "@VersionId"},
        delete="DeleteBackupPlan",
    ),
    "aws:backup/selection:Selection": Row(
        "backup",
        "CreateBackupSelection",
        id="{uuid}",
        store=True,
        nest="BackupSelection",
        rename={
            "planId": "BackupPlanId",
            "name": "BackupSelection.SelectionName",
            "selectionTags": "BackupSelection.ListOfTags",
            "selectionTags.type": "ConditionType",
            "selectionTags.key": "ConditionKey",
            "selectionTags.value": "ConditionValue",
        },
        links={"planId": "aws:backup/plan:Plan"},
        replace="name planId iamRoleArn resources notResources selectionTags conditions",
    ),
}
