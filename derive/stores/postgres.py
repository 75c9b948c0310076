"""PostgreSQL: its users' side wherever it stands, and a server in the cluster, the alternative to machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from derive import naming
from derive.cloud import Grant
from derive.data import object_stores
from derive.mesh.graph import Exit, Links
from derive.shapes import CA_FILE, STACK_CA, SecretPlan
from derive.stores import (
    copies,
    pgbouncer,
    postgres_backup,
    postgres_dump,
    postgres_managed,
    postgres_members,
    postgres_server,
    postgres_single,
)
from derive.stores.kind import (
    EXPORTER_PASSWORD,
    Member,
    Place,
    Site,
    StoreKind,
    StorePlan,
    credentials_name,
    credentials_spaces,
)
from derive.stores.postgres_members import METRICS, REPLICATION_PASSWORD
from derive.stores.postgres_server import MONITORING
from derive.stores.postgres_single import SUPERUSER_PASSWORD, superuser_password
from manifests import pods
from manifests.base import Manifest
from model import PostgreSQL
from model.stores import copies_of

CA_DIRECTORY: Final = "/etc/database"


def members(store: PostgreSQL, place: Place) -> tuple[Member, ...]:
    """The server or servers, unless they stand elsewhere, what backs them up, and their pooler."""
    pooler = store.pooler
    found = () if place.host else _inside(store, place)
    if place.managed:
        found = postgres_managed.members(store, place)
    if pooler is None:
        return found
    reaches = {} if place.host else {store.name: (store.port,)}
    exits = (Exit(store.name, "database", (place.host,), store.port, "TCP"),) if place.host else ()
    door = Member(
        pooler.name,
        (pooler.port,),
        front=True,
        metrics=pgbouncer.METRICS,
        reaches=reaches,
        exits=exits,
        admits={pooler.label: "true"} if pooler.label else {},
    )
    return (*found, door)


def _inside(store: PostgreSQL, place: Place) -> tuple[Member, ...]:
    server = Member(store.name, (store.port,), front=store.pooler is None, metrics=METRICS)
    placement, dump = postgres_server.grown(store), copies_of(store)
    jobs = (copies.member(store.name, store.port, place, dump),) if dump else ()
    if placement is None:
        services = (postgres_server.headless(store),) if store.pooler else ()
        return (replace(server, services=services), *jobs)
    several = placement.members > 1
    server = replace(
        server,
        peers=(store.port,) if several else (),
        services=(postgres_server.headless(store), *((postgres_server.readers(store),) if several else ())),
        exits=(object_stores.leaving(None, place.region),) if placement.backup else (),
        granted=placement.backup is not None,
    )
    return (server, *(postgres_backup.members(store, place) if placement.backup else ()), *jobs)


def trusted(store: PostgreSQL, place: Place) -> bool:
    """A machine outside proves its name with the stack's own authority; a pooler checks that for its clients."""
    return place.host is not None and not place.managed and store.pooler is None


def owner_of(store: PostgreSQL, users: tuple[str, ...]) -> str:
    """The service that owns a database: the declared one, else the first that uses it, else the database itself."""
    return store.owner or (users[0] if users else store.name)


def role(owner: str) -> str:
    """The database role of an owner: a name without quotes in SQL."""
    return owner.replace("-", "_")


def owner_password(database: str) -> str:
    """Name of the generated password of the role that owns a database."""
    return f"{database}-owner"


def monitoring_password(database: str) -> str:
    """Name of the generated password of the role that an exporter logs in with."""
    return f"{database}-{MONITORING}"


def replication_password(database: str) -> str:
    """Name of the generated password of the role that replicas log in with."""
    return f"{database}-{postgres_server.REPLICATION}"


def secrets(store: PostgreSQL, place: Place) -> Iterable[SecretPlan]:
    """The owner's credentials; at home the exporter's and the replicas' too; for a pooler its list of users."""
    if place.managed:
        yield from postgres_managed.secrets(store, place)
        return
    owner = role(owner_of(store, place.users))
    placement = None if place.host else postgres_server.grown(store)
    single = not place.host and placement is None
    for space, at_home in credentials_spaces(place):
        yield SecretPlan(
            name=credentials_name(store.name),
            namespace=space,
            literals={"username": owner},
            passwords={"password": owner_password(store.name)}
            | ({CA_FILE: STACK_CA} if place.host else {})
            | ({EXPORTER_PASSWORD: monitoring_password(store.name)} if at_home else {})
            | ({REPLICATION_PASSWORD: replication_password(store.name)} if at_home and placement else {})
            | ({SUPERUSER_PASSWORD: superuser_password(store.name)} if at_home and single and store.pooler else {}),
        )
    if store.pooler:
        yield pgbouncer.users(store.pooler, place, owner, owner_password(store.name))
    if placement and placement.backup:
        yield from postgres_backup.secrets(store, place)


def ca_path(store: str) -> str:
    """Where a pod finds the authority of a database outside the cluster."""
    return f"{CA_DIRECTORY}/{store}/{CA_FILE}"


def variables(store: PostgreSQL, place: Place, service: str, prefix: str) -> Iterable[Manifest]:
    """In the cluster the sidecars encrypt; outside, the server proves its name with the stack's own authority."""
    pooler = store.pooler
    inside = naming.fqdn(pooler.name if pooler else store.name, place.namespace)
    yield pods.value(f"{prefix}_HOST", inside if pooler else place.host or inside)
    yield pods.value(f"{prefix}_PORT", str(pooler.port if pooler else store.port))
    yield pods.value(f"{prefix}_NAME", store.database_name)
    placement = None if place.host else postgres_server.grown(store)
    if placement and placement.members > 1:
        readers = inside if pooler else naming.fqdn(postgres_server.readers(store), place.namespace)
        name = store.database_name
        yield pods.value(f"{prefix}_READ_HOST", readers)
        yield pods.value(f"{prefix}_READ_NAME", pgbouncer.read_only(name) if pooler else name)
    credentials = credentials_name(store.name, service if place.managed else None)
    yield pods.secret_value(f"{prefix}_USER", credentials, "username")
    yield pods.secret_value(f"{prefix}_PASSWORD", credentials, "password")
    mode = "verify-full" if trusted(store, place) else "require" if place.managed else "disable"
    yield pods.value(f"{prefix}_SSLMODE", mode)
    if trusted(store, place):
        yield pods.value(f"{prefix}_SSLROOTCERT", ca_path(store.name))


def grants(store: PostgreSQL, place: Place) -> tuple[Grant, ...]:
    """What backups need of their bucket."""
    if place.host:
        return ()
    placement, dump = postgres_server.grown(store), copies_of(store)
    if dump:
        return copies.grants(store.name, dump, postgres_dump.file(store), place)
    return postgres_backup.grants(store, place, placement.backup) if placement and placement.backup else ()


def plans(store: PostgreSQL, place: Place, links: Mapping[str, Links], site: Site) -> dict[str, StorePlan]:
    """The server or servers, unless they stand elsewhere, what backs them up, and their pooler."""
    placement = None if place.host else postgres_server.grown(store)
    found: dict[str, StorePlan] = {}
    if placement:
        found |= postgres_members.plans(store, placement, place, role(owner_of(store, place.users)), links, site)
    elif place.managed:
        found |= postgres_managed.plans(store, place, links, site)
    elif not place.host:
        found[store.name] = postgres_single.plan(store, links[store.name], site)
    dump = None if place.host else copies_of(store)
    if dump:
        jobs = links[copies.name_of(store.name)]
        contents = postgres_dump.file(store), postgres_dump.room(store), postgres_dump.fetch(store, place)
        found[jobs.workload.name] = copies.plan(store.name, dump, *contents, jobs, site)
    if store.pooler:
        inside = naming.fqdn(store.name if placement else postgres_server.headless(store), place.namespace)
        server = pgbouncer.Server(place.host or inside, store.port, verified=place.host is not None)
        several = placement is not None and placement.members > 1
        readers = naming.fqdn(postgres_server.readers(store), place.namespace) if several else None
        own = links[store.pooler.name]
        found[store.pooler.name] = pgbouncer.plan(store, store.pooler, own, server, site.annotations(own), readers)
    return found


KIND: Final = StoreKind("DB", members, secrets, variables, plans, trusted, grants)
