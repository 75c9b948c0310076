"""IAM and KMS: nobody may do everything, nobody unknown may come in, keys are renewed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pulumi_policy import ResourceValidationArgs

from policies.documents import as_list, statements
from policies.rules import ADVISORY, ResourceCheck, Violation, is_true, items, resource_policy

DOCUMENTS: Final = (
    "aws:iam/policy:Policy",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/userPolicy:UserPolicy",
    "aws:iam/groupPolicy:GroupPolicy",
)
ATTACHMENTS: Final = (
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
    "aws:iam/policyAttachment:PolicyAttachment",
)
ROLE: Final = "aws:iam/role:Role"
ADMINISTRATOR: Final = ":policy/AdministratorAccess"
EVERYTHING: Final = ("*", "*:*")

Statement = Mapping[str, Any]


def _allows(statement: Statement) -> bool:
    return statement.get("Effect") == "Allow" and "*" in as_list(statement.get("Resource"))


def _everything(statement: Statement) -> bool:
    """Also NotAction: everything but a few actions is still everything else, of services yet to come too."""
    return _allows(statement) and (
        "NotAction" in statement or any(action in EVERYTHING for action in as_list(statement.get("Action")))
    )


def _whole_service(statement: Statement) -> bool:
    return _allows(statement) and any(
        str(action).endswith(":*") and action not in EVERYTHING for action in as_list(statement.get("Action"))
    )


def _documents(args: ResourceValidationArgs) -> Iterator[tuple[str, Any]]:
    """Every document of permissions in a resource, with its path."""
    if args.resource_type in DOCUMENTS:
        yield "policy", args.props.get("policy")
    for path, inline in items(args.props, "inlinePolicies"):
        yield f"{path}.policy", inline.get("policy")


def _no_statement(is_bad: Callable[[Statement], bool], problem: str) -> ResourceCheck:
    def check(args: ResourceValidationArgs) -> Iterator[Violation]:
        for path, document in _documents(args):
            for index, statement in enumerate(statements(document)):
                if is_bad(statement):
                    remedy = "name the actions and the resources that are needed"
                    yield Violation(f"{path}.Statement[{index}]", problem, remedy)

    return check


def _no_administrator(args: ResourceValidationArgs) -> Iterator[Violation]:
    for key in ("policyArn", "managedPolicyArns"):
        for arn in as_list(args.props.get(key)):
            if str(arn).endswith(ADMINISTRATOR):
                yield Violation(key, "attaches AdministratorAccess", "attach a policy with the actions that are needed")


def _role(args: ResourceValidationArgs) -> Iterator[Violation]:
    yield from _NO_EVERYTHING(args)
    yield from _no_administrator(args)


def _trust(args: ResourceValidationArgs) -> Iterator[Violation]:
    for index, statement in enumerate(statements(args.props.get("assumeRolePolicy"))):
        if statement.get("Effect") == "Allow" and "*" in _principals(statement) and not statement.get("Condition"):
            yield Violation(
                f"assumeRolePolicy.Statement[{index}].Principal",
                "is '*' without a condition",
                "name who may assume the role, or add a Condition that does",
            )


def _principals(statement: Statement) -> list[Any]:
    principal = statement.get("Principal")
    if isinstance(principal, Mapping):
        return [name for names in principal.values() for name in as_list(names)]
    return as_list(principal)


def _rotation(args: ResourceValidationArgs) -> Iterator[Violation]:
    """AWS rotates symmetric keys for encryption only."""
    spec = args.props.get("customerMasterKeySpec") or "SYMMETRIC_DEFAULT"
    usage = args.props.get("keyUsage") or "ENCRYPT_DECRYPT"
    if (spec, usage) == ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT") and not is_true(args.props.get("enableKeyRotation")):
        yield Violation(
            "enableKeyRotation", "is not true", "set it to true: AWS then renews the key material every year"
        )


_NO_EVERYTHING: Final = _no_statement(_everything, "allows every action on every resource")

POLICIES: Final = [
    resource_policy(
        "iam-no-administrator",
        "No policy allows Action '*' on Resource '*'.",
        {
            ROLE: _role,
            **dict.fromkeys(DOCUMENTS, _NO_EVERYTHING),
            **dict.fromkeys(ATTACHMENTS, _no_administrator),
        },
    ),
    resource_policy(
        "iam-no-whole-service",
        "No policy allows all actions of a service on Resource '*'.",
        {
            type_: _no_statement(_whole_service, "allows every action of a service on every resource")
            for type_ in (ROLE, *DOCUMENTS)
        },
        level=ADVISORY,
    ),
    resource_policy("iam-trust", "A role says who may assume it.", {ROLE: _trust}),
    resource_policy("kms-rotation", "Symmetric KMS keys are rotated.", {"aws:kms/key:Key": _rotation}),
]
