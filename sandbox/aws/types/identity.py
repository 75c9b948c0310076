"""IAM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context
from sandbox.aws.row import Call, Row

_ROLE: Final = {"role": "aws:iam/role:Role"}
_USER: Final = {"user": "aws:iam/user:User"}


def _role_policies(context: Context) -> None:
    for policy in context.inputs.get("inlinePolicies") or ():
        if policy.get("name"):
            context.call(
                "PutRolePolicy", RoleName=context.id, PolicyName=policy["name"], PolicyDocument=policy["policy"]
            )
    for arn in context.inputs.get("managedPolicyArns") or ():
        context.call("AttachRolePolicy", RoleName=context.id, PolicyArn=arn)


def _role_updated(context: Context) -> None:
    _drop(context, context.old)
    _role_policies(context)


def _role_deleted(context: Context) -> None:
    _drop(context, context.inputs)


def _drop(context: Context, given: Mapping[str, Any]) -> None:
    for policy in given.get("inlinePolicies") or ():
        if policy.get("name"):
            context.call("DeleteRolePolicy", RoleName=context.id, PolicyName=policy["name"])
    for arn in given.get("managedPolicyArns") or ():
        context.call("DetachRolePolicy", RoleName=context.id, PolicyArn=arn)


def _policy_updated(context: Context) -> None:
    """A managed policy keeps five versions: the oldest makes room."""
    versions = context.call("ListPolicyVersions", PolicyArn=context.id)["Versions"]
    spare = [version["VersionId"] for version in versions if not version["IsDefaultVersion"]]
    if len(versions) >= 5:
        context.call("DeletePolicyVersion", PolicyArn=context.id, VersionId=min(spare, key=lambda v: int(v[1:])))
    context.call(
        "CreatePolicyVersion", PolicyArn=context.id, PolicyDocument=context.inputs["policy"], SetAsDefault=True
    )


def _policy_deleted(context: Context) -> None:
    for version in context.call("ListPolicyVersions", PolicyArn=context.id)["Versions"]:
        if not version["IsDefaultVersion"]:
            context.call("DeletePolicyVersion", PolicyArn=context.id, VersionId=version["VersionId"])


def _profile_role(context: Context) -> None:
    if context.old.get("role"):
        context.call("RemoveRoleFromInstanceProfile", InstanceProfileName=context.id, RoleName=context.old["role"])
    if context.inputs.get("role"):
        context.call("AddRoleToInstanceProfile", InstanceProfileName=context.id, RoleName=context.inputs["role"])


def _profile_updated(context: Context) -> None:
    if context.changed("role"):
        _profile_role(context)


def _profile_deleted(context: Context) -> None:
    if context.inputs.get("role"):
        context.call("RemoveRoleFromInstanceProfile", InstanceProfileName=context.id, RoleName=context.inputs["role"])


def _inline(owner: str, param: str) -> Row:
    kind = owner.title()
    return Row(
        "iam",
        f"Put{kind}Policy",
        id=f"{{{owner}}}:{{name}}",
        rename={"name": "PolicyName", "policy": "PolicyDocument", owner: param},
        links={owner: f"aws:iam/{owner}:{kind}"},
        upsert=True,
        replace=f"name {owner}",
        delete=f"Delete{kind}Policy",
        delete_args={param: f"{{{owner}}}", "PolicyName": "{name}"},
    )


def _attachment(owner: str, param: str) -> Row:
    kind = owner.title()
    return Row(
        "iam",
        f"Attach{kind}Policy",
        id=f"{{{owner}}}/{{policyArn}}",
        rename={owner: param},
        links={owner: f"aws:iam/{owner}:{kind}"},
        replace=f"{owner} policyArn",
        delete=f"Detach{kind}Policy",
        delete_args={param: f"{{{owner}}}", "PolicyArn": "{policyArn}"},
    )


def _linked_role_name(context: Context) -> str:
    return context.id.rsplit("/", maxsplit=1)[-1]


ROWS: Final[Mapping[str, Row]] = {
    "aws:iam/role:Role": Row(
        "iam",
        "CreateRole",
        id="Role.RoleName",
        key="RoleName",
        name_max=64,
        rename={"assumeRolePolicy": "AssumeRolePolicyDocument", "name": "RoleName"},
        ignore={
            "forceDetachPolicies": "how the provider deletes",
            "inlinePolicies": "one call each",
            "managedPolicyArns": "one call each",
        },
        calls=(
            Call(
                "UpdateAssumeRolePolicy",
                "assumeRolePolicy",
                rename={"assumeRolePolicy": "PolicyDocument"},
                on_create=False,
            ),
            Call("UpdateRole", "description maxSessionDuration", on_create=False),
        ),
        after_create=_role_policies,
        on_update=_role_updated,
        before_delete=_role_deleted,
        replace="name path",
        read=("GetRole", {"RoleName": "{id}"}, "Role"),
        outputs={
            "arn": "@Arn",
            "uniqueId": "@RoleId",
            "path": lambda c: c.inputs.get("path", "/"),
            "maxSessionDuration": lambda c: c.inputs.get("maxSessionDuration", 3600),
        },
        delete="DeleteRole",
    ),
    "aws:iam/policy:Policy": Row(
        "iam",
        "CreatePolicy",
        id="Policy.Arn",
        key="PolicyArn",
        name_max=128,
        rename={"policy": "PolicyDocument", "name": "PolicyName"},
        ignore={"delayAfterPolicyCreationInMs": "how the provider waits"},
        on_update=_policy_updated,
        before_delete=_policy_deleted,
        replace="name path description",
        outputs={"arn": "{id}", "policyId": "@Policy.PolicyId", "path": lambda c: c.inputs.get("path", "/")},
        delete="DeletePolicy",
    ),
    "aws:iam/user:User": Row(
        "iam",
        "CreateUser",
        id="User.UserName",
        key="UserName",
        rename={"name": "UserName"},
        ignore={"forceDestroy": "how the provider deletes"},
        replace="name path",
        outputs={"arn": lambda c: c.outputs.get("arn") or c.view["User"]["Arn"], "uniqueId": "@User.UserId"},
        delete="DeleteUser",
    ),
    "aws:iam/accessKey:AccessKey": Row(
        "iam",
        "CreateAccessKey",
        id="AccessKey.AccessKeyId",
        key={"UserName": "{user}", "AccessKeyId": "{id}"},
        rename={"user": "UserName"},
        links=_USER,
        replace="user pgpKey",
        outputs={"secret": "@AccessKey.SecretAccessKey", "status": lambda _: "Active"},
        delete="DeleteAccessKey",
    ),
    "aws:iam/rolePolicy:RolePolicy": _inline("role", "RoleName"),
    "aws:iam/userPolicy:UserPolicy": _inline("user", "UserName"),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": _attachment("role", "RoleName"),
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": _attachment("user", "UserName"),
    "aws:iam/instanceProfile:InstanceProfile": Row(
        "iam",
        "CreateInstanceProfile",
        id="InstanceProfile.InstanceProfileName",
        key="InstanceProfileName",
        name_max=128,
        rename={"name": "InstanceProfileName"},
        ignore={"role": "added by a second call"},
        links=_ROLE,
        after_create=_profile_role,
        on_update=_profile_updated,
        before_delete=_profile_deleted,
        replace="name path",
        read=("GetInstanceProfile", {"InstanceProfileName": "{id}"}, "InstanceProfile"),
        outputs={"arn": "@Arn", "uniqueId": "@InstanceProfileId", "path": lambda c: c.inputs.get("path", "/")},
        delete="DeleteInstanceProfile",
    ),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": Row(
        "iam",
        "CreateOpenIDConnectProvider",
        id="OpenIDConnectProviderArn",
        key="OpenIDConnectProviderArn",
        rename={"url": "Url", "clientIdLists": "ClientIDList", "thumbprintLists": "ThumbprintList"},
        args={"ThumbprintList": []},
        calls=(Call("UpdateOpenIDConnectProviderThumbprint", "thumbprintLists", on_create=False),),
        replace="url",
        outputs={"arn": "{id}"},
        delete="DeleteOpenIDConnectProvider",
    ),
    "aws:iam/serviceLinkedRole:ServiceLinkedRole": Row(
        "iam",
        "CreateServiceLinkedRole",
        id="Role.Arn",
        rename={"awsServiceName": "AWSServiceName"},
        replace="awsServiceName customSuffix",
        outputs={"arn": "{id}", "name": _linked_role_name, "path": "@Role.Path", "uniqueId": "@Role.RoleId"},
        delete="DeleteServiceLinkedRole",
        delete_args={"RoleName": "{name}"},
        auto_name="",
    ),
}
