"""The Secrets that pods refer to: which keys they have, and which generated password fills each key.

A stack makes one random value per password name; the machines of a database get theirs by ``database_password``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from derive import naming
from derive.databases import MONITORING, owner_of
from derive.shapes import SecretPlan
from model import Pooler, PostgreSQL, Redis, SecretKey, System
from model.stores import Store

DATABASE_CA: Final = "database-ca"
"""A password name with a meaning of its own: the stack fills it with the PEM of the CA of its databases."""
CA_FILE: Final = "ca.crt"
EXPORTER_PASSWORD: Final = "exporter-password"
"""Key of a store's Secret, in its own namespace, for the exporter beside it."""
ACL_FILE: Final = "users.acl"
USER_LIST: Final = "userlist.txt"
"""PgBouncer's users and their passwords."""
POOLER_EXPORTER: Final = "exporter"
"""The user that reads PgBouncer's statistics."""


def credentials_name(store: str) -> str:
    """Name of the Secret with a store's credentials, in every namespace that uses the store."""
    return f"{store}-credentials"


def database_password(database: str) -> str:
    """Name of the generated password of the role that owns a database."""
    return f"{database}-owner"


def monitoring_password(database: str) -> str:
    """Name of the generated password of the role that an exporter logs in with."""
    return f"{database}-{MONITORING}"


def redis_password(store: str) -> str:
    """Name of the generated password of Redis' default user."""
    return f"{store}-default"


def redis_exporter_password(store: str) -> str:
    return f"{store}-exporter"


def pooler_users(pooler: str) -> str:
    """Name of the Secret with a pooler's user list."""
    return f"{pooler}-users"


def database_owner(system: System, store: PostgreSQL) -> str:
    """The service that owns a database; nobody uses it: the database's own name."""
    users = system.users(store.name)
    return owner_of(store, users) if store.owner or users else store.name


def database_role(store: PostgreSQL, users: tuple[str, ...]) -> str:
    """The role that owns a database; nobody uses it: the database's own name."""
    owner = owner_of(store, users) if store.owner or users else store.name
    return owner.replace("-", "_")


def secret_plans(system: System, outside: Mapping[str, str]) -> tuple[SecretPlan, ...]:
    """Every Secret of the system's namespaces but the certificates. ``outside``: the databases not in the cluster."""
    plans: list[SecretPlan] = []
    for store in system.stores:
        users = system.users(store.name)
        spaces = [naming.service_namespace(system, service) for service in system.services if service.name in users]
        if store.name not in outside:
            spaces.insert(0, naming.store_namespace(system, store))
        plans.extend(_store_secrets(store, users, dict.fromkeys(spaces), store.name in outside))
    plans.extend(
        _pooler_secret(system, store, store.pooler, store.name in outside)
        for store in system.stores
        if isinstance(store, PostgreSQL) and store.pooler
    )
    taken = {plan.name for plan in plans}
    return (*plans, *_declared_secrets(system, taken))


def _store_secrets(store: Store, users: tuple[str, ...], spaces: Iterable[str], outside: bool) -> Iterable[SecretPlan]:
    name = credentials_name(store.name)
    for position, space in enumerate(spaces):
        at_home = position == 0 and not outside
        if isinstance(store, PostgreSQL):
            yield SecretPlan(
                name=name,
                namespace=space,
                literals={"username": database_role(store, users)},
                passwords={"password": database_password(store.name)}
                | ({CA_FILE: DATABASE_CA} if outside else {})
                | ({EXPORTER_PASSWORD: monitoring_password(store.name)} if at_home else {}),
            )
        elif isinstance(store, Redis):
            yield SecretPlan(
                name=name,
                namespace=space,
                passwords={"password": redis_password(store.name)}
                | ({EXPORTER_PASSWORD: redis_exporter_password(store.name)} if at_home else {}),
                templates={ACL_FILE: redis_users(store.name)} if at_home else {},
            )


def _pooler_secret(system: System, store: PostgreSQL, pooler: Pooler, outside: bool) -> SecretPlan:
    """The owner with the password that the server knows too, and the exporter."""
    own, exporter = database_password(store.name), f"{pooler.name}-exporter"
    role = database_role(store, system.users(store.name))
    return SecretPlan(
        name=pooler_users(pooler.name),
        namespace=naming.store_namespace(system, store),
        passwords={EXPORTER_PASSWORD: exporter} | ({CA_FILE: DATABASE_CA} if outside else {}),
        templates={USER_LIST: f'"{role}" "{{{own}}}"\n"{POOLER_EXPORTER}" "{{{exporter}}}"\n'},
    )


def redis_users(store: str) -> str:
    """Redis' users: the application's may do all but administer the server; the exporter may look, not touch.

    ``info`` is what client libraries ask when they connect; ``@dangerous`` holds KEYS and FLUSHALL beside it.
    """
    application = f"user default reset on >{{{redis_password(store)}}} ~* &* +@all -@admin -@dangerous +info"
    watching = "+ping +info +config|get +slowlog|get +slowlog|len +latency|latest +latency|histogram +client|list"
    exporter = f"user exporter reset on >{{{redis_exporter_password(store)}}} {watching}"
    return f"{application}\n{exporter} +client|setname +select +cluster|info\n"


def _declared_secrets(system: System, taken: set[str]) -> tuple[SecretPlan, ...]:
    """Secrets that environment variables name: each key a random value of its own, the same in every namespace."""
    keys: dict[tuple[str, str], dict[str, str]] = {}
    for service in system.services:
        space = naming.service_namespace(system, service)
        for value in service.env.values():
            if isinstance(value, SecretKey) and value.secret not in taken:
                keys.setdefault((value.secret, space), {})[value.key] = f"{value.secret}-{value.key}"
    return tuple(SecretPlan(name=name, namespace=space, passwords=found) for (name, space), found in keys.items())
