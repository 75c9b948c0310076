"""Secrets that come from the platform's Vault: who may read which, and how the stack's values get into Vault. ADR 0016.

A value that the stack makes (or is given) stands in a Secret of External Secrets' own namespace, and is written to
Vault from there. What others issued may be in the stack's settings, or is written to Vault by hand. The Secret that
pods read is filled from Vault, by an account of its namespace that reads that namespace's values and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from derive import choices, labels, naming, quantities, versions
from derive.addons import alertmanager
from derive.addons.chart import housed
from derive.identity import secrets
from derive.shapes import CA_FILE, STACK_CA, Deployment, Part, SecretPlan
from manifests import core, external_secrets
from manifests.base import Manifest
from model import ExternalSecrets, Vault, minutes

STORE: Final = "vault"
"""Each namespace's SecretStore."""
READER: Final = "vault-reader"
"""The account, of each namespace, that reads its values."""
WRITER: Final = "vault-writer"
"""The account, role, policy and SecretStore that write values, in External Secrets' namespace."""
CA: Final = "vault-ca"
ENGINE: Final = "secret"
"""Where the key-value engine is mounted."""
FILLED: Final = {
    "pulumi.com/waitFor": "condition=Ready",
    "pulumi.com/timeoutSeconds": str(int(minutes(20).total_seconds())),
}
"""At the first deployment, the time in which an operator initialises Vault. What reads Secrets starts after it."""


@dataclass(frozen=True)
class Role:
    """What an account may do in Vault: a policy and a role of the Kubernetes login, both of this name."""

    name: str
    account: str
    namespace: str
    paths: tuple[tuple[str, tuple[str, ...]], ...]
    """Path and capabilities."""


@dataclass(frozen=True)
class Vaulted:
    """What becomes of the Secrets of a system."""

    secrets: tuple[SecretPlan, ...]
    """What the stack makes itself: certificates, and the sources of what comes from Vault."""
    parts: tuple[Part, ...] = ()
    """What writes the values, then what reads them: each part after the one before."""


def vault_of(deployment: Deployment) -> Vault | None:
    """The Vault that the system's Secrets come from. Absent: the stack makes them itself."""
    reader = choices.choice(deployment, ExternalSecrets)
    return choices.choice(deployment, Vault) if reader and reader.store == "vault" else None


def address(deployment: Deployment, vault: Vault) -> str:
    """By which clients in the cluster know it."""
    scheme = "https" if vault.tls else "http"
    return f"{scheme}://{naming.fqdn('vault', _home(vault))}:{naming.VAULT_PORT}"


def roles(deployment: Deployment) -> tuple[Role, ...]:
    """A reader for each namespace with Secrets (were every store in the cluster), and the writer."""
    if vault_of(deployment) is None:
        return ()
    spaces = dict.fromkeys(plan.namespace for plan in plans(deployment, {}))
    every = f"{deployment.system.name}/{deployment.name}/*"
    writer = Role(
        WRITER,
        WRITER,
        _source_namespace(deployment),
        (
            (f"{ENGINE}/data/{every}", ("create", "read", "update")),
            (f"{ENGINE}/metadata/{every}", ("create", "read", "update")),
        ),
    )
    readers = (
        Role(space, READER, space, ((f"{ENGINE}/data/{_path(deployment, space)}/*", ("read",)),)) for space in spaces
    )
    return (*readers, writer)


def plans(deployment: Deployment, outside: Mapping[str, str]) -> tuple[SecretPlan, ...]:
    """Every Secret of the system, and what the receivers of alerts keep: their pods can wait for Vault.

    ``outside``: the databases that are not in the cluster.
    """
    platform = deployment.system.platform
    told = vault_of(deployment) is not None and choices.alertmanager(deployment)
    return (
        *secrets.secret_plans(deployment.system, outside),
        *(alertmanager.secrets(platform.observability) if told else ()),
    )


def vaulted(deployment: Deployment, plans: Sequence[SecretPlan]) -> Vaulted:
    """Every Secret but the certificates by way of Vault; without one, all stay what they are."""
    vault = vault_of(deployment)
    if vault is None:
        return Vaulted(tuple(plans))
    filled = [plan for plan in plans if not plan.certificate]
    home, spaces = _source_namespace(deployment), tuple(dict.fromkeys(plan.namespace for plan in filled))
    authorities = (
        SecretPlan(name=CA, namespace=space, passwords={CA_FILE: STACK_CA}) for space in (*spaces, home) if vault.tls
    )
    ways = [_way(deployment, plan, home) for plan in filled]
    common = labels.owned(deployment.system.name, deployment.name)
    writes = [*_stores(deployment, vault, spaces, home), *(write for write, _ in ways if write)]
    reads = [read for _, read in ways]
    return Vaulted(
        secrets=(
            *(plan for plan in plans if plan.certificate),
            *(
                replace(plan, name=_source(plan), namespace=home, fills=plan.read_as, given=_given(deployment, plan))
                for plan in filled
                if _pushed(deployment, plan)
            ),
            *authorities,
        ),
        parts=(
            Part("vault-writes", home, labels.stamped(writes, common)),
            Part("vault-reads", home, labels.stamped(reads, common)),
        ),
    )


def _stores(deployment: Deployment, vault: Vault, spaces: Iterable[str], home: str) -> Iterable[Manifest]:
    for space in spaces:
        yield core.service_account(READER, space)
        yield external_secrets.secret_store(STORE, space, _provider(deployment, vault, space, READER))
    yield core.service_account(WRITER, home)
    yield external_secrets.secret_store(WRITER, home, _provider(deployment, vault, WRITER, WRITER))


def _provider(deployment: Deployment, vault: Vault, role: str, account: str) -> dict[str, Any]:
    """External Secrets proves by a token of ``account`` that it acts for it."""
    authority = {"caProvider": {"type": "Secret", "name": CA, "key": CA_FILE}} if vault.tls else {}
    login = {"mountPath": "kubernetes", "role": role, "serviceAccountRef": {"name": account}}
    server = {"server": address(deployment, vault), "path": ENGINE, "version": "v2"}
    return {"vault": {**server, **authority, "auth": {"kubernetes": login}}}


def by_hand(deployment: Deployment) -> dict[str, tuple[str, ...]]:
    """Path in Vault -> keys that operators write there, because others issued the values and no setting has them."""
    if vault_of(deployment) is None:
        return {}
    found = {
        f"{ENGINE}/{_path(deployment, plan.namespace)}/{plan.name}": tuple(
            sorted(plan.given.keys() - _given(deployment, plan).keys())
        )
        for plan in plans(deployment, {})
    }
    return {path: keys for path, keys in found.items() if keys}


def _given(deployment: Deployment, plan: SecretPlan) -> dict[str, str]:
    return {key: name for key, name in plan.given.items() if name in deployment.facts.given}


def _pushed(deployment: Deployment, plan: SecretPlan) -> list[str]:
    """Keys whose values the stack knows."""
    return sorted({*plan.literals, *plan.passwords, *_given(deployment, plan), *plan.templates})


def _way(deployment: Deployment, plan: SecretPlan, home: str) -> tuple[Manifest | None, Manifest]:
    """To Vault, and from there to the Secret that pods read. Nothing goes there of what is all written by hand."""
    choice = choices.choice(deployment, ExternalSecrets) or ExternalSecrets()
    refresh = quantities.duration(choice.refresh)
    keys = sorted({*plan.literals, *plan.passwords, *plan.given, *plan.templates})
    target = f"{_path(deployment, plan.namespace)}/{plan.name}"
    rotations = deployment.facts.rotations
    mark = FILLED | labels.rotated(plan.generated, rotations)
    # Under a new name it is known not to have been written yet; under the old one it would be ready from the last time.
    again = sum(rotations.get(name, 0) for name in plan.generated)
    push = f"{_source(plan)}.{again}" if again else _source(plan)
    known = _pushed(deployment, plan)
    written = external_secrets.push_secret(push, home, WRITER, _source(plan), target, known, refresh, mark)
    return written if known else None, external_secrets.external_secret(
        plan.name, plan.namespace, STORE, target, keys, refresh, mark
    )


def _path(deployment: Deployment, namespace: str) -> str:
    return f"{deployment.system.name}/{deployment.name}/{namespace}"


def _source(plan: SecretPlan) -> str:
    """A namespace has no dots: no two Secrets have one source."""
    return f"{plan.namespace}.{plan.name}"


def _source_namespace(deployment: Deployment) -> str:
    choice = choices.choice(deployment, ExternalSecrets) or ExternalSecrets()
    return housed(versions.EXTERNAL_SECRETS, choice.namespace).namespace


def _home(vault: Vault) -> str:
    return housed(versions.VAULT, vault.namespace).namespace
