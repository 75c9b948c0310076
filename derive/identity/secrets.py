"""The Secrets that pods refer to: which keys they have, and which generated password fills each key.

A stack makes one random value per password name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from derive import naming
from derive.data import object_stores
from derive.services import configuration
from derive.shapes import SecretPlan
from derive.stores import kind_of, place_of
from model import Bucket, Loki, SecretKey, System
from model.stores import copies_of


def secret_plans(system: System, outside: Mapping[str, str]) -> tuple[SecretPlan, ...]:
    """Every Secret of the system's namespaces but the certificates. ``outside``: the databases not in the cluster."""
    plans: list[SecretPlan] = []
    for store in system.stores:
        if not isinstance(store, Bucket):
            plans.extend(kind_of(store).secrets(store, place_of(system, store, outside)))
    plans.extend(_bucket_secrets(system))
    taken = {plan.name for plan in plans}
    own = (configuration.secret(system, service) for service in system.services)
    return (*plans, *(plan for plan in own if plan), *_declared_secrets(system, taken))


def _declared_secrets(system: System, taken: set[str]) -> tuple[SecretPlan, ...]:
    """Secrets that environment variables name: each key a value of its own, the same in every namespace."""
    keys: dict[tuple[str, str], dict[bool, dict[str, str]]] = {}
    for service in system.services:
        space = naming.service_namespace(system, service)
        for value in service.env.values():
            if isinstance(value, SecretKey) and value.secret not in taken:
                found = keys.setdefault((value.secret, space), {True: {}, False: {}})
                found[value.issued][value.key] = f"{value.secret}-{value.key}"
    return tuple(
        SecretPlan(name=name, namespace=space, passwords=found[False], given=found[True])
        for (name, space), found in keys.items()
    )


def _bucket_secrets(system: System) -> Iterator[SecretPlan]:
    """The keys of each bucket elsewhere, in every namespace whose pods use it."""
    for bucket in system.stores:
        if not isinstance(bucket, Bucket) or bucket.at is None:
            continue
        copied = [store for store in system.stores if (copy := copies_of(store)) and copy.bucket == bucket.name]
        users = [naming.service_namespace(system, system.service(name)) for name in system.users(bucket.name)]
        logs = [addon.archive for addon in system.platform.addons if isinstance(addon, Loki) and addon.archive]
        archived = [system.platform.observability.namespace for log in logs if log.bucket == bucket.name]
        spaces = dict.fromkeys([*(naming.store_namespace(system, store) for store in copied), *users, *archived])
        yield from (object_stores.credentials(bucket.at, space) for space in spaces)
