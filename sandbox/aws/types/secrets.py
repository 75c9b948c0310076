"""KMS, Secrets Manager and certificates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context
from sandbox.aws.row import Call, Row
from sandbox.provider import ResourceError


def _rotation(context: Context) -> None:
    operation = "EnableKeyRotation" if context.inputs.get("enableKeyRotation") else "DisableKeyRotation"
    context.call(operation, KeyId=context.id)


def _key_created(context: Context) -> None:
    if context.inputs.get("enableKeyRotation"):
        _rotation(context)


def _key_updated(context: Context) -> None:
    if context.changed("enableKeyRotation"):
        _rotation(context)


def _target_key_arn(context: Context) -> str:
    target = str(context.inputs["targetKeyId"])
    return target if target.startswith("arn:") else f"arn:aws:kms:{context.region}:{context.account}:key/{target}"


def _key_exists(context: Context) -> None:
    target = str(context.inputs["targetKeyId"])
    if context.cloud.index.by_key(_target_key_arn(context)) is None:
        raise ResourceError(f"there is no key {target}", path="targetKeyId")


def _secret_policy(context: Context) -> None:
    if context.inputs.get("policy"):
        context.call("PutResourcePolicy", SecretId=context.id, ResourcePolicy=context.inputs["policy"])


def _certificate_kind(context: Context) -> str:
    """Imported when it comes with its key, requested otherwise."""
    given = context.inputs
    if given.get("privateKey"):
        params: dict[str, Any] = {
            "Certificate": given["certificateBody"].encode(),
            "PrivateKey": given["privateKey"].encode(),
        }
        if given.get("certificateChain"):
            params["CertificateChain"] = given["certificateChain"].encode()
        return str(context.call("ImportCertificate", **params)["CertificateArn"])
    if not given.get("domainName"):
        raise ResourceError("give a domainName, or certificateBody with privateKey", path="domainName")
    params = {"DomainName": given["domainName"], "ValidationMethod": given.get("validationMethod", "DNS")}
    if given.get("subjectAlternativeNames"):
        params["SubjectAlternativeNames"] = list(given["subjectAlternativeNames"])
    if given.get("keyAlgorithm"):
        params["KeyAlgorithm"] = given["keyAlgorithm"]
    return str(context.call("RequestCertificate", **params)["CertificateArn"])


def _validation_options(context: Context) -> list[dict[str, str]]:
    options = []
    for option in context.view.get("DomainValidationOptions") or ():
        record = option.get("ResourceRecord") or {}
        options.append(
            {
                "domainName": option["DomainName"],
                "resourceRecordName": record.get("Name", ""),
                "resourceRecordType": record.get("Type", ""),
                "resourceRecordValue": record.get("Value", ""),
            }
        )
    return options


def _certificate_tags(context: Context) -> None:
    if context.tags:
        tags = [{"Key": key, "Value": value} for key, value in context.tags.items()]
        context.call("AddTagsToCertificate", CertificateArn=context.id, Tags=tags)


ROWS: Final[Mapping[str, Row]] = {
    "aws:kms/key:Key": Row(
        "kms",
        "CreateKey",
        id="KeyMetadata.KeyId",
        key="KeyId",
        rename={"customerMasterKeySpec": "KeySpec", "bypassPolicyLockoutSafetyCheck": "BypassPolicyLockoutSafetyCheck"},
        ignore={
            "enableKeyRotation": "set by a second call",
            "rotationPeriodInDays": "moto rotates yearly",
            "deletionWindowInDays": "used on deletion",
            "isEnabled": "a new key is enabled",
        },
        calls=(
            Call("UpdateKeyDescription", "description", on_create=False),
            Call("PutKeyPolicy", "policy", args={"KeyId": "{id}", "PolicyName": "default"}, on_create=False),
        ),
        after_create=_key_created,
        on_update=_key_updated,
        replace="customerMasterKeySpec keyUsage multiRegion customKeyStoreId xksKeyId",
        arn="arn:aws:kms:{region}:{account}:key/{id}",
        outputs={
            "keyId": "{id}",
            "policy": lambda c: c.call("GetKeyPolicy", KeyId=c.id, PolicyName="default")["Policy"],
        },
        delete="ScheduleKeyDeletion",
        delete_args={"KeyId": "{id}", "PendingWindowInDays": lambda c: int(c.inputs.get("deletionWindowInDays", 30))},
    ),
    "aws:kms/keyPolicy:KeyPolicy": Row(
        "kms",
        "PutKeyPolicy",
        id="{keyId}",
        key={"KeyId": "{keyId}", "PolicyName": "default"},
        args={"PolicyName": "default"},
        links={"keyId": "aws:kms/key:Key"},
        upsert=True,
        replace="keyId",
        delete="",
        auto_name="",
    ),
    "aws:kms/alias:Alias": Row(
        "kms",
        "CreateAlias",
        id="{name}",
        key={"AliasName": "{name}"},
        name_form="alias/{name}-{hex}",
        calls=(Call("UpdateAlias", "targetKeyId", on_create=False),),
        after_create=_key_exists,
        links={"targetKeyId": "aws:kms/key:Key"},
        replace="name",
        arn="arn:aws:kms:{region}:{account}:{name}",
        outputs={"targetKeyArn": _target_key_arn},
        delete="DeleteAlias",
    ),
    "aws:secretsmanager/secret:Secret": Row(
        "secretsmanager",
        "CreateSecret",
        id="ARN",
        key="SecretId",
        rename={"replicas": "AddReplicaRegions"},
        ignore={"recoveryWindowInDays": "used on deletion", "policy": "put by a second call"},
        after_create=_secret_policy,
        on_update=_secret_policy,
        calls=(Call("UpdateSecret", "description kmsKeyId", on_create=False),),
        replace="name",
        outputs={"arn": "{id}", "policy": lambda c: c.inputs.get("policy", "")},
        delete="DeleteSecret",
        delete_args={"SecretId": "{id}", "ForceDeleteWithoutRecovery": True},
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": Row(
        "secretsmanager",
        "PutSecretValue",
        id=lambda c: f"{c.inputs['secretId']}|{c.answer['VersionId']}",
        replace="secretId secretString secretBinary",
        outputs={
            "arn": "{secretId}",
            "secretArn": "{secretId}",
            "versionId": lambda c: c.id.partition("|")[2],
            "versionStages": lambda _: ["AWSCURRENT"],
        },
    ),
    "aws:secretsmanager/secretRotation:SecretRotation": Row(
        # moto would run the function.
        "secretsmanager",
        id="{secretId}",
        replace="secretId",
        outputs={"rotationEnabled": lambda _: True},
    ),
    "aws:secretsmanager/secretPolicy:SecretPolicy": Row(
        "secretsmanager",
        "PutResourcePolicy",
        id="{secretArn}",
        rename={"secretArn": "SecretId", "policy": "ResourcePolicy"},
        upsert=True,
        replace="secretArn",
        delete="DeleteResourcePolicy",
        delete_args={"SecretId": "{secretArn}"},
    ),
    "aws:acm/certificate:Certificate": Row(
        "acm",
        make=_certificate_kind,
        key="CertificateArn",
        after_create=_certificate_tags,
        replace="domainName subjectAlternativeNames validationMethod keyAlgorithm certificateAuthorityArn",
        read=("DescribeCertificate", {"CertificateArn": "{id}"}, "Certificate"),
        outputs={
            "arn": "{id}",
            "domainValidationOptions": _validation_options,
            "status": lambda c: c.view.get("Status", "PENDING_VALIDATION"),
            "type": lambda c: c.view.get("Type", "AMAZON_ISSUED"),
        },
        delete="DeleteCertificate",
        delete_args={"CertificateArn": "{id}"},
    ),
    "aws:acm/certificateValidation:CertificateValidation": Row(
        "acm",
        id="{certificateArn}",
        replace="certificateArn validationRecordFqdns",
    ),
}
