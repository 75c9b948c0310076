"""From a commit to the cluster: where images are kept, and who may build and deploy them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from model.base import Declared, Name, days


class Registry(Declared):
    """A private repository (ECR) for the image of each service, scanned at every push and encrypted.

    Made by the environment that owns the account. Tags stay with their image, so that what was tested is what runs.
    """

    keep: int = Field(10, ge=1)
    """Images that each repository keeps; older ones are deleted."""
    moving_tags: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9._*-]{1,128}$")], ...] = Field((), max_length=5)
    """Tags that may be given to another image, ``*`` standing for any text. Of every other tag a push is refused."""


class _Pipeline(Declared):
    """What builds and deploys from outside."""

    account: Name | None = None
    """The ServiceAccount, in the system's own namespace, by which it gives the services another image and may do
    nothing else. Absent: it has none."""


class Deployer(_Pipeline):
    """A pipeline of whatever kind that needs the cluster only."""

    kind: Literal["deployer"] = "deployer"
    account: Name = "ci-deployer"


class GithubActions(_Pipeline):
    """Workflows of one GitHub repository, which sign in to AWS by their tokens and hold no keys.

    Three roles, made by the environment that owns the account: ``build`` pushes images from the branch, ``plan`` looks
    at what there is for pull requests, ``apply`` changes it from the branch.
    """

    kind: Literal["github-actions"] = "github-actions"
    repository: str = Field(pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$")
    """``<owner>/<name>``."""
    branch: str = Field("main", pattern=r"^[A-Za-z0-9._/-]+$")
    """What is merged there is built and applied."""
    folder: str = Field("services/{service}", pattern=r"^[A-Za-z0-9._{}/-]+$")
    """Where a service's Dockerfile is; ``{service}`` stands for its name."""
    runner: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]+$")
    """Label of the machines that preview and apply, which must reach the cluster's API. Absent: GitHub's own, which
    reach public ones only."""
    state_bucket: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """The bucket of the stacks' state, which ``plan`` reads and ``apply`` writes. Absent: it is kept elsewhere."""
    state_key: str | None = Field(None, pattern=r"^alias/[a-zA-Z0-9/_-]+$")
    """The KMS key that encrypts secrets in that state, by its alias. Absent: a passphrase does."""


class AccountWatch(Declared):
    """What sees all that is done in an account, which has it once: CloudTrail in every region, AWS Config for every
    kind of resource, GuardDuty. Made by the environment that owns the account."""

    keep: timedelta = days(365)
    """How long the bucket keeps what CloudTrail and Config deliver."""


Pipeline = Annotated[Deployer | GithubActions, Field(discriminator="kind")]
