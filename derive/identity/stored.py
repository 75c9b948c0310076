"""What stands in AWS Secrets Manager: one secret for each thing that somebody outside the cluster reads, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Final

from derive import choices, labels, quantities
from derive.shapes import STACK_CA, Deployment, SecretPlan
from derive.stores import postgres_managed
from manifests import external_secrets
from manifests.base import Manifest
from model import DeclarationError, ExternalSecrets, OnRds, PostgreSQL
from model.stores import Placement

NAMED: Final = "platform"
"""The ClusterSecretStore of the account's secret store."""


@dataclass(frozen=True)
class RotationPlan:
    """What a function makes anew: the password of a managed database's master, or the pair of keys that signs."""

    days: int
    """Between two rotations."""
    database: str | None = None
    field: str | None = None
    """The one with the master's password."""
    package: str = "functions.rotation"
    timeout: int = 300
    """Seconds; RDS takes a password within a minute or two."""


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
    changed: bool = False
    """Whether somebody else writes it later: what is there is not put back."""
    signs: bool = False
    """Whether it holds a key that signs tokens (``private-key``, PEM) and the public half (``jwks``, a set of keys)."""
    rotation: RotationPlan | None = None


def path(deployment: Deployment, name: str) -> str:
    """A secret's name in the account, which environments may share."""
    return f"{deployment.system.name}/{deployment.name}/{name}"


@dataclass(frozen=True)
class Kept:
    """What becomes of the Secrets of an environment."""

    secrets: tuple[SecretPlan, ...]
    """What the stack makes in the cluster itself: certificates, and what is composed of several values."""
    stored: tuple[StoredSecret, ...]
    """What it keeps in the account."""
    reads: tuple[Manifest, ...] = ()
    """What copies from there into the cluster."""


def kept(deployment: Deployment, plans: Sequence[SecretPlan]) -> Kept:
    """Secrets by way of the account's secret store, where External Secrets reads that; otherwise they stay as they are.

    What others issued, and the stack's settings do not have, is a placeholder at first: whoever has it, writes it.
    """
    found = {item.name: item for item in stored(deployment)}
    choice = choices.choice(deployment, ExternalSecrets)
    if choice is None or choice.store != "aws":
        _refuse_rotation(deployment)
        return Kept(tuple(plans), tuple(found.values()))
    copied = [plan for plan in plans if not plan.certificate and not plan.templates and not _fixed(plan)]
    reads = []
    for plan in copied:
        name = plan.stored or plan.name
        known = found.get(name) or StoredSecret(name, path(deployment, name), f"Secret {name} of the cluster")
        found[name] = _with(known, plan, deployment.facts.given)
        reads.append(_read(plan, path(deployment, name), quantities.duration(choice.refresh)))
    for store in _rotated(deployment):
        name = postgres_managed.stored_name(store)
        of = RotationPlan(_days(store.placement), store.name, postgres_managed.master_password(store.name))
        found[name] = replace(found[name], rotation=of)
    rest = tuple(plan for plan in plans if plan not in copied)
    common = labels.owned(deployment.system.name, deployment.name)
    return Kept(rest, tuple(found.values()), labels.stamped(reads, common))


def regenerated(stored: Sequence[StoredSecret], rotations: Mapping[str, int]) -> dict[str, int]:
    """The rotations of generated values that operators ask for, and those that they bring about.

    What the stack writes to a secret holds its own password of the master, which a function may have replaced since: so
    that is made anew with any other of the secret, and the database and the secret agree again.
    """
    found = dict(rotations)
    for secret in stored:
        if secret.rotation and secret.rotation.field:
            asked = sum(rotations.get(name, 0) for name in set(secret.passwords.values()))
            if asked:
                found[secret.passwords[secret.rotation.field]] = asked
    return found


def _days(placement: Placement) -> int:
    """0: never."""
    return placement.rotate.days if isinstance(placement, OnRds) and placement.rotate else 0


def _rotated(deployment: Deployment) -> list[PostgreSQL]:
    """The managed databases whose master's password is rotated."""
    found = [store for store in deployment.system.stores if isinstance(store, PostgreSQL)]
    return [store for store in found if _days(store.placement)]


def _refuse_rotation(deployment: Deployment) -> None:
    """What is rotated stands in the account's secret store."""
    for store in _rotated(deployment):
        raise DeclarationError(
            f"store '{store.name}': placement.rotate needs the add-on ExternalSecrets(store='aws'), "
            "which reads its passwords from the account's secret store"
        )


def _fixed(plan: SecretPlan) -> bool:
    """Whether part of it is the stack's own to make: an authority, a pair of keys, or nothing secret at all."""
    return STACK_CA in plan.passwords.values() or plan.key_pair or not (plan.passwords or plan.given)


def _field(plan: SecretPlan, key: str, value: str) -> str:
    """In the account's secret: under the value's own name, where others stand beside it."""
    return value if plan.stored else key


def _with(known: StoredSecret, plan: SecretPlan, given: Set[str]) -> StoredSecret:
    """The account's secret with the values of one more Secret."""
    own = {} if known.signs else {_field(plan, key, name): name for key, name in plan.passwords.items()}
    issued = {} if known.signs else {_field(plan, key, name): name for key, name in plan.given.items()}
    placeholders = {key: name for key, name in issued.items() if name not in given}
    return replace(
        known,
        passwords={**known.passwords, **own, **placeholders},
        given={**known.given, **{key: name for key, name in issued.items() if name in given}},
        changed=known.changed or bool(placeholders),
    )


def _read(plan: SecretPlan, source: str, refresh: str) -> Manifest:
    keys = {key: _field(plan, key, name) for key, name in (*plan.passwords.items(), *plan.given.items())}
    return external_secrets.copied(plan.name, plan.namespace, NAMED, source, keys, refresh, plan.literals, plan.labels)


def stored(deployment: Deployment) -> tuple[StoredSecret, ...]:
    """What the environment's API needs: the clients' key, and the keys that sign tokens."""
    api = deployment.environment.api
    if api is None:
        return ()
    key = StoredSecret(api.key, path(deployment, api.key), "Key of the API's clients", passwords={api.key: api.key})
    if api.tokens.url:
        return (key,)
    signing = StoredSecret(
        api.tokens.secret,
        path(deployment, api.tokens.secret),
        "Signs the tokens of the API's users",
        signs=True,
        rotation=RotationPlan(api.tokens.rotate.days) if api.tokens.rotate else None,
    )
    return (key, signing)
