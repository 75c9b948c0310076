"""The texts that make a PostgreSQL server in the cluster ours: settings, client authentication, roles, preparation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Final

from derive import naming
from derive.bootstrap.postgres_config import memory_settings, server_sql, settings_file
from derive.bootstrap.postgres_host import Database, slot_name
from derive.data.database_state import DatabaseState
from derive.quantities import memory_bytes
from model import DeclarationError, InCluster, PostgreSQL
from model.base import did_you_mean

MONITORING: Final = "monitoring"
"""The role of the exporters, member of pg_monitor."""
REPLICATION: Final = "replicator"
CONFIGURATION: Final = "/etc/postgresql"
SOCKETS: Final = "/var/run/postgresql"
PGBACKREST: Final = "/opt/pgbackrest"
"""Where the database's container finds the program, which its image does not have."""
ARCHIVE_TIMEOUT: Final = 60
"""Seconds until an unfinished segment is archived: what a loss of all volumes costs at most."""
_MIB: Final = 2**20
_REWIND: Final = """
-- What pg_rewind reads of the new primary (PostgreSQL documentation, "pg_rewind").
\\connect postgres
GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean),
  pg_read_binary_file(text), pg_read_binary_file(text, bigint, bigint, boolean) TO {replication};
GRANT CONNECT ON DATABASE postgres TO {replication};
"""


@dataclass(frozen=True)
class Member:
    """One server and its part."""

    name: str
    """Of its StatefulSet, which has this one pod."""
    primary: bool

    @property
    def pod(self) -> str:
        return f"{self.name}-0"

    @property
    def slot(self) -> str:
        return slot_name(self.name)


def grown(store: PostgreSQL) -> InCluster | None:
    """Its placement, where it has replicas or an archive. Absent: it is the single server of development."""
    placement = store.placement
    if isinstance(placement, InCluster) and (placement.members > 1 or placement.backup):
        return placement
    return None


def servers(store: PostgreSQL, placement: InCluster, state: DatabaseState) -> tuple[Member, ...]:
    """The primary first, then its replicas.

    Raises DeclarationError for a primary that is no member, and for what only machines have.
    """
    names = (store.name, *(f"{store.name}-{number}" for number in range(2, placement.members + 1)))
    primary = state.primary or store.name
    if primary not in names:
        raise DeclarationError(
            f"databaseStates.{store.name} names '{primary}', which is no member of it{did_you_mean(primary, names)}"
        )
    if state.volumes or state.snapshot or state.source:
        raise DeclarationError(
            f"databaseStates.{store.name}: volumes, snapshot and source are for databases on machines; "
            "in the cluster use primary, history and restore"
        )
    if state.restore and placement.backup is None:
        raise DeclarationError(
            f"databaseStates.{store.name} restores from an archive, but '{store.name}' has none; "
            f"give stores['{store.name}'].placement a backup"
        )
    return tuple(sorted((Member(name, name == primary) for name in names), key=lambda member: not member.primary))


def headless(store: PostgreSQL) -> str:
    """The Service that gives each pod a name."""
    return f"{store.name}-headless"


def readers(store: PostgreSQL) -> str:
    """The Service of the replicas."""
    return f"{store.name}-replicas"


def pod_host(store: PostgreSQL, member: Member, namespace: str) -> str:
    return f"{member.pod}.{naming.fqdn(headless(store), namespace)}"


def data_directory(mount: str, state: DatabaseState) -> str:
    """Below the volume. A later history has a directory of its own, so that a restore overwrites nothing."""
    return f"{mount}/pgdata" + (f"-h{state.history}" if state.history > 1 else "")


def target(state: DatabaseState) -> str:
    """Where a restore ends, as pgBackRest reads it: ``latest``, a time, or nothing where there is none."""
    if state.restore in (None, "latest"):
        return state.restore or ""
    return datetime.fromisoformat(state.restore).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")


def settings(store: PostgreSQL, placement: InCluster, primary: str) -> str:
    """``postgresql.conf``, the same for every member. ``primary``: the host that replicas follow."""
    tenth = memory_bytes(placement.size) // _MIB // 10
    values = {
        "listen_addresses": "*",
        "port": str(store.port),
        "max_connections": "100",
        "unix_socket_directories": SOCKETS,
        "hba_file": f"{CONFIGURATION}/pg_hba.conf",
        "password_encryption": "scram-sha-256",
        "tcp_keepalives_idle": "60",
        **memory_settings(memory_bytes(store.resources.memory) // _MIB),
        "shared_preload_libraries": "pg_stat_statements",
        "wal_level": "replica",
        "wal_compression": "on",
        "max_wal_size": f"{min(4096, tenth)}MB",
        "checkpoint_completion_target": "0.9",
        "random_page_cost": "1.1",
        "log_destination": "stderr",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        # The audit trail: who came, and what they changed in the schema.
        "log_connections": "on",
        "log_statement": "ddl",
        "log_min_duration_statement": "500",
        "log_lock_waits": "on",
        "log_timezone": "UTC",
        "timezone": "UTC",
    }
    if placement.members > 1:
        values |= {
            "max_wal_senders": "10",
            "max_replication_slots": "10",
            # A lost replica may hold back WAL up to a tenth of the volume, then its slot is given up, not the disk.
            "max_slot_wal_keep_size": f"{tenth}MB",
            # What a former primary needs of its own log to go back to where another one took over.
            "wal_keep_size": f"{min(1024, tenth)}MB",
            "hot_standby": "on",
            "primary_conninfo": f"host={primary} port={store.port} user={REPLICATION}",
            "synchronous_commit": "on",
            "synchronous_standby_names": f"ANY {placement.synchronous} (*)" if placement.synchronous else "",
        }
    if placement.backup:
        program = f"{PGBACKREST}/pgbackrest --stanza={store.name}"
        values |= {
            "archive_mode": "on",
            "archive_command": f"{program} archive-push %p",
            "archive_timeout": str(ARCHIVE_TIMEOUT),
            "restore_command": f'{program} archive-get %f "%p"',
        }
    return settings_file(values)


def authentication(store: PostgreSQL, owner: str, several: bool) -> str:
    """``pg_hba.conf``: SCRAM, and each role only where it belongs. The superuser is whoever is in the pod.

    Addresses say nothing behind a sidecar; the network policy holds them.
    """
    rows = [
        "local all postgres peer",
        f'host "{store.database_name}" "{owner}" all scram-sha-256',
        *(
            f'host "{store.database_name}","postgres" "{MONITORING}" {address} scram-sha-256'
            for address in ("127.0.0.1/32", "::1/128")
        ),
    ]
    if several:
        rows += [f'host {database} "{REPLICATION}" all scram-sha-256' for database in ("replication", '"postgres"')]
    return "\n".join(rows) + "\n"


def roles(store: PostgreSQL, owner: str, replicas: Sequence[Member]) -> str:
    """``roles.sql``: applied at every start of the primary; passwords come from its environment."""
    passwords = {role: f'`printf %s "${variable}"`' for role, variable in _PASSWORDS.items()}
    database = Database(store.database_name, owner)
    names = [member.name for member in replicas]
    sql = server_sql((database,), MONITORING, REPLICATION, names, {**passwords, owner: '`printf %s "$OWNER_PASSWORD"`'})
    return sql + _REWIND.format(replication=REPLICATION)


_PASSWORDS: Final = {MONITORING: "MONITORING_PASSWORD", REPLICATION: "PGPASSWORD"}


def program(name: str) -> str:
    """A shell program of the pods."""
    return resources.files("derive.stores").joinpath("files", name).read_text(encoding="utf-8")
