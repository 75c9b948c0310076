"""A managed database: AWS runs the server; a Job in the cluster makes its users and gives them their rights.

The master user, which may do everything, is the Job's alone. The owner changes the schema, a writer reads and writes
rows, a reader reads them: also those of tables that the owner makes later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from derive import images, labels
from derive.mesh.graph import Exit, Links
from derive.services.workloads import requirements
from derive.shapes import SecretPlan
from derive.stores import common
from derive.stores.kind import Member, Place, Site, StorePlan, credentials_name
from derive.stores.postgres_server import MONITORING
from manifests import apps, core, pods
from manifests.base import Manifest
from model import OnRds, PostgreSQL, Resources

MASTER: Final = "master"
"""Name of the user that RDS makes with the instance; ``postgres`` and ``admin`` are among those that it refuses for
some engines."""
Right = Literal["owner", "writer", "reader"]
RESOURCES: Final = Resources(cpu="20m", memory="32Mi", cpu_limit="200m", memory_limit="64Mi")
SCRIPT: Final = "roles.sql"
DIRECTORY: Final = "/etc/roles"
USER: Final = 70
"""The uid of ``postgres`` in the image."""
DEADLINE: Final = 900
"""Seconds: a new instance may answer minutes after AWS has said that it is there."""


@dataclass(frozen=True)
class User:
    """A database user, and the name of its generated password."""

    name: str
    password: str
    right: Right


def roles_name(store: PostgreSQL) -> str:
    """Of the Job."""
    return f"{store.name}-roles"


def master_password(database: str) -> str:
    """Name of the generated password of the user that RDS makes."""
    return f"{database}-{MASTER}"


def stored_name(store: PostgreSQL) -> str:
    """The account's secret that holds the passwords of all users."""
    own = store.placement.secret if isinstance(store.placement, OnRds) else None
    return own or f"{store.name}-credentials"


def user(store: PostgreSQL, right: Right) -> User:
    """The user with a right; named after the database, so that two databases of one server would not share it."""
    return User(f"{store.name.replace('-', '_')}_{right}", f"{store.name}-{right}", right)


def migrations_user(service: str) -> str:
    """Whose credentials the owner's are, where a service brings the schema."""
    return f"{service}-migrations"


def right_of(store: PostgreSQL, service: str) -> Right:
    return store.rights.get(service, "owner")


def users(store: PostgreSQL) -> tuple[User, ...]:
    """The owner, then whoever has less."""
    rights: tuple[Right, ...] = ("owner", "writer", "reader")
    return tuple(user(store, right) for right in rights if right == "owner" or right in store.rights.values())


def members(store: PostgreSQL, place: Place) -> tuple[Member, ...]:
    """The Job that makes the users."""
    if place.host is None:
        return ()
    exits = (Exit(store.name, "database", (place.host,), store.port, "TCP"),)
    return (Member(roles_name(store), exits=exits),)


def secrets(store: PostgreSQL, place: Place) -> tuple[SecretPlan, ...]:
    """Every service's own credentials beside it, and those of the Job."""
    found = [
        SecretPlan(
            name=credentials_name(store.name, service),
            namespace=place.spaces[service],
            literals={"username": user(store, right_of(store, service)).name},
            passwords={"password": user(store, right_of(store, service)).password},
            stored=stored_name(store),
        )
        for service in place.users
    ]
    found += [_owner(store, place, service) for service in place.migrating]
    own = {MASTER: master_password(store.name), MONITORING: f"{store.name}-{MONITORING}"}
    own |= {item.right: item.password for item in users(store)}
    jobs = credentials_name(store.name, roles_name(store))
    return (*found, SecretPlan(jobs, place.namespace, passwords=own, stored=stored_name(store)))


def _owner(store: PostgreSQL, place: Place, service: str) -> SecretPlan:
    owner = user(store, "owner")
    return SecretPlan(
        name=credentials_name(store.name, migrations_user(service)),
        namespace=place.spaces[service],
        literals={"username": owner.name},
        passwords={"password": owner.password},
        stored=stored_name(store),
    )


def sql(store: PostgreSQL) -> str:
    """A psql script that may run again and again; passwords come from the environment."""
    found = [_role(item.name, item.right) for item in users(store)]
    found.append(_role(MONITORING, MONITORING))
    found.append(f"GRANT pg_monitor TO {MONITORING};")
    owner = user(store, "owner").name
    found += [
        # What belongs to the owner is the master's to hand out only as its member.
        f'GRANT "{owner}" TO CURRENT_USER;',
        f'GRANT CONNECT, CREATE, TEMPORARY ON DATABASE "{store.name}" TO "{owner}";',
        f'REVOKE ALL ON DATABASE "{store.name}" FROM PUBLIC;',
        "REVOKE ALL ON SCHEMA public FROM PUBLIC;",
        f'GRANT USAGE, CREATE ON SCHEMA public TO "{owner}";',
        f'GRANT CONNECT ON DATABASE "{store.name}" TO {MONITORING};',
    ]
    for item in users(store)[1:]:
        found += _rights(store, item, owner)
    return "\n".join(found) + "\n"


_ROLE: Final = """\
SELECT format('CREATE ROLE %I LOGIN', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \\gexec
ALTER ROLE :"role" PASSWORD :'password';"""


def _role(name: str, variable: str) -> str:
    return f"\\set role {name}\n\\getenv password {_variable(variable)}\n{_ROLE}"


def _variable(key: str) -> str:
    return f"{key.upper()}_PASSWORD"


def _rights(store: PostgreSQL, item: User, owner: str) -> list[str]:
    rows = "SELECT, INSERT, UPDATE, DELETE" if item.right == "writer" else "SELECT"
    counters = "USAGE, SELECT" if item.right == "writer" else "SELECT"
    later = f'ALTER DEFAULT PRIVILEGES FOR ROLE "{owner}" IN SCHEMA public'
    return [
        f'GRANT CONNECT ON DATABASE "{store.name}" TO "{item.name}";',
        f'GRANT USAGE ON SCHEMA public TO "{item.name}";',
        f'GRANT {rows} ON ALL TABLES IN SCHEMA public TO "{item.name}";',
        f'GRANT {counters} ON ALL SEQUENCES IN SCHEMA public TO "{item.name}";',
        f'{later} GRANT {rows} ON TABLES TO "{item.name}";',
        f'{later} GRANT {counters} ON SEQUENCES TO "{item.name}";',
    ]


def plans(store: PostgreSQL, place: Place, links: Mapping[str, Links], site: Site) -> dict[str, StorePlan]:
    """ServiceAccount, ConfigMap and Job."""
    name, namespace = roles_name(store), place.namespace
    own = links[name]
    script = {SCRIPT: sql(store)}
    template = pods.pod_template(
        labels.pod(name, own.workload.tier, None),
        {**site.annotations(own), **common.configuration_hash(script)},
        account=name,
        user=USER,
        containers=[_container(store, place, name)],
        volumes=[pods.config_volume("roles", name), pods.scratch("16Mi")],
        restart="OnFailure",
    )
    job = apps.job(name, namespace, DEADLINE, template, labels.workload(name, own.workload.tier))
    objects = (core.service_account(name, namespace), core.config_map(name, namespace, script), job)
    return {name: StorePlan(objects, 1, (RESOURCES,), 0)}


def _container(store: PostgreSQL, place: Place, name: str) -> Manifest:
    credentials = credentials_name(store.name, name)
    keys = (*(item.right for item in users(store)), MONITORING)
    return pods.container(
        "roles",
        images.postgres_image(store),
        requirements(RESOURCES),
        env=[
            pods.value("PGHOST", place.host or ""),
            pods.value("PGPORT", str(store.port)),
            pods.value("PGDATABASE", store.name),
            pods.value("PGUSER", MASTER),
            pods.value("PGSSLMODE", "require"),
            pods.secret_value("PGPASSWORD", credentials, MASTER),
            *(pods.secret_value(_variable(key), credentials, key) for key in keys),
        ],
        mounts=[pods.mount("roles", DIRECTORY, read_only=True), pods.scratch_mount()],
        command=["psql", "-X", "--set=ON_ERROR_STOP=1", f"--file={DIRECTORY}/{SCRIPT}"],
    )
