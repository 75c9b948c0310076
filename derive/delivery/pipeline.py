"""Who builds and deploys from outside: an account in the cluster, and roles of the cloud without keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from derive import cloud, naming
from derive.cloud import Allow
from derive.delivery.registry import RegistryPlan, registry
from derive.shapes import Deployment
from manifests import core, rbac
from manifests.base import Manifest
from model import GithubActions, Rolling, Service

GITHUB: Final = "token.actions.githubusercontent.com"
"""Issuer of the tokens of GitHub's workflows (GitHub docs, "OpenID Connect reference")."""
LOOKING: Final = ("arn:aws:iam::aws:policy/SecurityAudit", "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess")
"""Policies of AWS that show how everything is set up, and no data."""
CHANGING: Final = "arn:aws:iam::aws:policy/PowerUserAccess"
"""AWS' policy of everything but IAM and the organization."""
PUSH: Final = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImages",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)
"""ECR user guide, "IAM permissions for pushing an image"; and to read what was pushed, with its scan."""
IDENTITIES: Final = (
    "iam:AddRoleToInstanceProfile",
    "iam:AttachRolePolicy",
    "iam:CreateInstanceProfile",
    "iam:CreateRole",
    "iam:DeleteInstanceProfile",
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:GetInstanceProfile",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListInstanceProfilesForRole",
    "iam:ListRolePolicies",
    "iam:PassRole",
    "iam:PutRolePolicy",
    "iam:RemoveRoleFromInstanceProfile",
    "iam:TagInstanceProfile",
    "iam:TagRole",
    "iam:UntagInstanceProfile",
    "iam:UntagRole",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateRole",
)
ISSUERS: Final = (
    "iam:AddClientIDToOpenIDConnectProvider",
    "iam:CreateOpenIDConnectProvider",
    "iam:DeleteOpenIDConnectProvider",
    "iam:GetOpenIDConnectProvider",
    "iam:RemoveClientIDFromOpenIDConnectProvider",
    "iam:TagOpenIDConnectProvider",
    "iam:UntagOpenIDConnectProvider",
    "iam:UpdateOpenIDConnectProviderThumbprint",
)


@dataclass(frozen=True)
class SignIn:
    """A role that workflows take, and which of them may."""

    name: str
    subjects: tuple[str, ...]
    """The tokens' ``sub``, word for word."""
    statements: tuple[Allow, ...]
    managed: tuple[str, ...] = ()
    """ARNs of policies that AWS keeps."""


@dataclass(frozen=True)
class PipelinePlan:
    """An issuer of tokens that the account trusts, and the roles behind it."""

    issuer: str
    roles: tuple[SignIn, ...]


def pipeline(deployment: Deployment) -> PipelinePlan | None:
    """Nothing where no workflows sign in, or where another environment owns the account."""
    declared = deployment.system.platform.pipeline
    if not isinstance(declared, GithubActions) or not deployment.environment.owns_account:
        return None
    merged = (f"repo:{declared.repository}:ref:refs/heads/{declared.branch}",)
    proposed = (f"repo:{declared.repository}:pull_request",)
    repositories = registry(deployment)
    build = (SignIn("build", merged, _push(repositories)),) if repositories else ()
    plan = SignIn("plan", proposed, (*_state(declared, change=False), *_images()), LOOKING)
    own = (*_state(declared, change=True), *_identities(deployment.system.name))
    return PipelinePlan(GITHUB, (*build, plan, SignIn("apply", merged, own, (CHANGING,))))


def _push(plan: RegistryPlan) -> tuple[Allow, ...]:
    names = tuple(cloud.repository_arn(name) for name in plan.repositories)
    return (Allow(("ecr:GetAuthorizationToken",), ("*",)), Allow(PUSH, names))


def _images() -> tuple[Allow, ...]:
    """The parameters that name AWS' own machine images, which a preview asks for."""
    return (Allow(("ssm:GetParameter", "ssm:GetParameters"), ("arn:aws:ssm:*::parameter/aws/service/*",)),)


def _state(declared: GithubActions, change: bool) -> Iterator[Allow]:
    """Pulumi's backend in a bucket: it reads, or also writes, locks and removes what is below ``.pulumi``."""
    if declared.state_bucket:
        arn = f"arn:aws:s3:::{declared.state_bucket}"
        yield Allow(("s3:ListBucket", "s3:GetBucketLocation"), (arn,))
        writing = ("s3:PutObject", "s3:DeleteObject") if change else ()
        yield Allow(("s3:GetObject", *writing), (f"{arn}/.pulumi/*",))
    if declared.state_key:
        named = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": declared.state_key}}
        using = ("kms:Encrypt",) if change else ()
        yield Allow(("kms:Decrypt", *using), ("arn:aws:kms:*:*:key/*",), named)


def _identities(system: str) -> tuple[Allow, ...]:
    """Roles with the names that the system's stacks give theirs, and the issuers of tokens."""
    own = tuple(f"arn:aws:iam::*:{kind}/{system}-*" for kind in ("role", "instance-profile"))
    return (Allow(IDENTITIES, own), Allow(ISSUERS, ("arn:aws:iam::*:oidc-provider/*",)))


def account_objects(deployment: Deployment) -> list[Manifest]:
    """The pipeline's ServiceAccount and, in every namespace with services, the right to give these another image.

    Reading is for watching how it goes. The account gets no token by itself; ``kubectl create token`` issues one that
    expires. Empty where the pipeline has no account.
    """
    system = deployment.system
    name = system.platform.pipeline.account if system.platform.pipeline else None
    if name is None:
        return []
    spaces: dict[str, list[Service]] = defaultdict(list)
    for service in system.services:
        spaces[naming.service_namespace(system, service)].append(service)
    objects = [core.service_account(name, system.home)]
    for namespace, members in spaces.items():
        objects.append(rbac.role(name, namespace, _rules(members)))
        objects.append(rbac.role_binding(name, namespace, name, name, system.home))
    return objects


def _rules(services: list[Service]) -> list[Manifest]:
    kinds: Mapping[tuple[str, str], list[str]] = {
        ("apps", "deployments"): [item.name for item in services if _rolls(item)],
        ("argoproj.io", "rollouts"): [item.name for item in services if not _rolls(item) and not item.schedule],
        ("batch", "cronjobs"): [item.name for item in services if item.schedule],
    }
    changed = [rbac.rule((group,), (kind,), ("get", "patch"), names) for (group, kind), names in kinds.items() if names]
    watched = [rbac.rule((group,), (kind,), ("list", "watch")) for (group, kind), names in kinds.items() if names]
    seen = rbac.rule(("", "apps"), ("pods", "replicasets", "events"), ("get", "list", "watch"))
    return [*changed, *watched, seen]


def _rolls(service: Service) -> bool:
    return isinstance(service.release, Rolling) and not service.schedule
