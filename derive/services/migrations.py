"""The schema of a service's database: run by a container of its own before the service starts, as the owner.

Several pods may start at once: whoever has the lock runs the files, the others wait, then find nothing left to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from derive import images
from derive.services import configuration
from derive.services.workloads import requirements
from derive.stores import place_of, postgres_managed
from derive.stores.kind import credentials_name
from manifests import pods
from manifests.base import Manifest
from model import DeclarationError, PostgreSQL, Resources, Service, System

NAME: Final = "migrations"
DIRECTORY: Final = "/etc/migrations"
RESOURCES: Final = Resources(cpu="20m", memory="32Mi", cpu_limit="200m", memory_limit="64Mi")
LOCK: Final = "SELECT pg_advisory_lock(hashtext('migrations'));"
RUN: Final = f"""\
{{ printf '%s\\n' "{LOCK}"; cat {DIRECTORY}/*.sql; }} | psql -X -q --set=ON_ERROR_STOP=1
"""
"""One session: the lock ends with it."""


@dataclass(frozen=True)
class Migration:
    """What a pod needs for it. Empty: nothing is to be run."""

    init: list[Manifest] = field(default_factory=list)
    volumes: list[Manifest] = field(default_factory=list)


def migration(system: System, service: Service, outside: Mapping[str, str]) -> Migration:
    """Raises DeclarationError for a service that uses no managed database, or several."""
    if not service.migrations:
        return Migration()
    used = [system.store(name) for name in service.uses]
    managed = [store for store in used if isinstance(store, PostgreSQL) and place_of(system, store, outside).managed]
    if len(managed) != 1:
        raise DeclarationError(
            f"services['{service.name}'].migrations are for one managed database, but the service uses {len(managed)}; "
            "remove them, or name one such database in its uses"
        )
    store = managed[0]
    credentials = credentials_name(store.name, postgres_managed.migrations_user(service.name))
    container = pods.container(
        NAME,
        images.postgres_image(store),
        requirements(RESOURCES),
        env=[
            pods.value("PGHOST", outside[store.name]),
            pods.value("PGPORT", str(store.port)),
            pods.value("PGDATABASE", store.name),
            pods.value("PGSSLMODE", "require"),
            pods.secret_value("PGUSER", credentials, "username"),
            pods.secret_value("PGPASSWORD", credentials, "password"),
        ],
        mounts=[pods.mount(NAME, DIRECTORY, read_only=True), pods.scratch_mount()],
        command=["sh", "-ec", RUN],
    )
    return Migration([container], [pods.config_volume(NAME, configuration.migrations_name(service))])
