"""Which service answers for a store's costs."""

from __future__ import annotations

from model import PostgreSQL, System


def owners(system: System) -> dict[str, str | None]:
    """Store -> its owner; None for a store that is shared.

    A database is its declared owner's, else the first service's that uses it, as the declaration has it. Any other
    store is a service's where that one alone uses it.
    """
    found: dict[str, str | None] = {}
    for store in system.stores:
        users = system.users(store.name)
        if isinstance(store, PostgreSQL):
            found[store.name] = store.owner or (users[0] if users else None)
        else:
            found[store.name] = users[0] if len(users) == 1 else None
    return found
