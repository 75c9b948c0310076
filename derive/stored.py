"""What stands in AWS Secrets Manager: one secret for each thing that somebody outside the cluster reads, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from derive.shapes import Deployment


@dataclass(frozen=True)
class StoredSecret:
    """A JSON object of texts. Beside what is named here it has what its maker adds."""

    name: str
    """Without the system's and the environment's: ``api-key``."""
    path: str
    """In the account: ``<system>/<environment>/<name>``."""
    description: str
    passwords: Mapping[str, str] = field(default_factory=dict)
    """Field -> name of a generated password."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Field -> name of a value of the stack's settings."""
    signs: bool = False
    """Whether it holds a key that signs tokens (``private-key``, PEM) and the public half (``jwks``, a set of keys)."""


def path(deployment: Deployment, name: str) -> str:
    """A secret's name in the account, which environments may share."""
    return f"{deployment.system.name}/{deployment.name}/{name}"


def stored(deployment: Deployment) -> tuple[StoredSecret, ...]:
    """What the environment's API needs: the clients' key, and the keys that sign tokens."""
    api = deployment.environment.api
    if api is None:
        return ()
    key = StoredSecret(api.key, path(deployment, api.key), "Key of the API's clients", passwords={api.key: api.key})
    if api.tokens.url:
        return (key,)
    signing = StoredSecret(
        api.tokens.secret, path(deployment, api.tokens.secret), "Signs the tokens of the API's users", signs=True
    )
    return (key, signing)
