"""The texts that make a PostgreSQL server ours: settings, client authentication, roles and databases, units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from derive.bootstrap.postgres_host import Database, PostgresHost, slot_name

_QUIET = """\
-- Verifiers must reach neither the log nor pg_stat_statements.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET pg_stat_statements.track_utility = off;
SET client_min_messages = 'warning';
"""

_ROLE = """\
SELECT format('CREATE ROLE %I', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \\gexec
ALTER ROLE :"role" WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS :replication
  CONNECTION LIMIT :limit PASSWORD :'verifier';
"""

_CLOSE = """\
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"monitoring";
"""

_DATABASE = """\
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'owner')
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \\gexec
ALTER DATABASE :"database" OWNER TO :"owner";
"""

_CONTENTS = """\
\\connect :"database"
SET client_min_messages = 'warning';
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO :"monitoring";
"""

_EXTENSION = 'CREATE EXTENSION IF NOT EXISTS :"extension";\n'

_SLOT = """\
SELECT pg_create_physical_replication_slot(:'slot', true)
  WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = :'slot');
"""

_OLD_SLOTS = """\
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
  WHERE slot_type = 'physical' AND NOT active AND slot_name LIKE 'standby\\_%'
  AND slot_name <> ALL (string_to_array(:'slots', ' '));
"""


def memory_settings(memory_mib: int) -> dict[str, str]:
    """A quarter of memory for PostgreSQL's own cache, the rest counted as the kernel's.

    (PostgreSQL documentation, "Resource Consumption".) The other two are the customary shares, bounded: 256 MB and
    8 MB on a machine of 4 GiB.
    """
    return {
        "shared_buffers": f"{memory_mib // 4}MB",
        "effective_cache_size": f"{memory_mib * 3 // 4}MB",
        "maintenance_work_mem": f"{min(max(memory_mib // 16, 64), 2048)}MB",
        "work_mem": f"{min(max(memory_mib // 512, 4), 64)}MB",
    }


def postgresql_settings(host: PostgresHost) -> dict[str, str]:
    """Every setting that differs from PostgreSQL's default, in the order of its documentation."""
    config, programs = host.layout.config, host.layout.programs
    tenth_of_volume = host.volume_gib * 1024 // 10
    values = {
        "data_directory": host.layout.data,
        "hba_file": f"{config}/pg_hba.conf",
        "ident_file": f"{config}/pg_ident.conf",
        "cluster_name": host.name,
        "listen_addresses": "*",
        "port": "5432",
        "max_connections": str(host.max_connections),
        "unix_socket_directories": host.layout.socket,
        "tcp_keepalives_idle": "60",
        "password_encryption": "scram-sha-256",
        "ssl": "on",
        "ssl_cert_file": f"{config}/tls/server.crt",
        "ssl_key_file": f"{config}/tls/server.key",
        "ssl_min_protocol_version": "TLSv1.2",
        **memory_settings(host.memory_mib),
        "shared_preload_libraries": "pg_stat_statements",
        "wal_level": "replica",
        "wal_compression": "on",
        "max_wal_size": f"{min(4096, tenth_of_volume)}MB",
        "checkpoint_completion_target": "0.9",
        "archive_mode": "on",
        "archive_command": f'{programs}/pg-archive "%p" "%f"',
        "archive_timeout": "60",
        "restore_command": f'{programs}/pg-fetch-wal "%f" "%p"',
        "max_wal_senders": "10",
        "max_replication_slots": "10",
        # A dead standby may hold back WAL up to a tenth of the volume, then its slot is given up, not the disk.
        "max_slot_wal_keep_size": f"{tenth_of_volume}MB",
        "random_page_cost": "1.1",
        "log_destination": "stderr",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_min_duration_statement": "500",
        "log_lock_waits": "on",
        "log_timezone": "UTC",
        "timezone": "UTC",
    }
    if host.role == "standby":
        values["primary_slot_name"] = host.slot
        values["primary_conninfo"] = (
            f"host={host.primary_host} user={host.replication_role} application_name={host.slot} "
            f"sslmode=verify-full sslrootcert={config}/tls/ca.crt passfile={config}/replication.pgpass "
            "channel_binding=require"
        )
    return values


def postgresql_conf(host: PostgresHost) -> str:
    """`postgresql.conf`."""
    return settings_file(postgresql_settings(host))


def settings_file(settings: Mapping[str, str]) -> str:
    """Settings as `postgresql.conf` has them."""
    return "".join(f"{name} = '{_escape(value)}'\n" for name, value in settings.items())


def pg_hba_conf(host: PostgresHost) -> str:
    """`pg_hba.conf`: over the network only with TLS and SCRAM, each role only to its database and from its networks.

    Whatever no line names is refused. On the machine itself the system user postgres is the superuser.
    """
    rows = ["local all postgres peer", "local replication postgres peer"]
    for database in host.databases:
        rows += [f'hostssl "{database.name}" "{database.owner}" {cidr} scram-sha-256' for cidr in host.client_cidrs]
    observed = ",".join(f'"{name}"' for name in ("postgres", *(database.name for database in host.databases)))
    rows += [f'hostssl {observed} "{host.monitoring_role}" {cidr} scram-sha-256' for cidr in host.client_cidrs]
    rows += [f'hostssl replication "{host.replication_role}" {cidr} scram-sha-256' for cidr in host.peer_cidrs]
    return "\n".join(rows) + "\n"


def bootstrap_sql(host: PostgresHost, verifiers: Mapping[str, str]) -> str:
    """The machine's roles, databases, grants and slots."""
    quoted = {role: f"'{verifier}'" for role, verifier in verifiers.items()}
    return server_sql(host.databases, host.monitoring_role, host.replication_role, host.standbys, quoted)


def server_sql(
    databases: Sequence[Database],
    monitoring: str,
    replication: str,
    standbys: Sequence[str],
    passwords: Mapping[str, str],
) -> str:
    """Roles, databases, grants and slots; a psql script for database postgres. Repeating it changes nothing.

    ``passwords``: by role, a password or its verifier as psql reads it: in quotes, or a command in backticks. Names are
    psql variables, so psql itself quotes them. What is no longer declared keeps its data: only replication slots are
    dropped, as they hold back WAL.
    """
    limits = {database.owner: database.connection_limit for database in databases}
    slots = [slot_name(name) for name in standbys]
    parts = [
        _QUIET,
        *(_role(owner, "NOREPLICATION", limit, passwords[owner]) for owner, limit in limits.items()),
        _role(monitoring, "NOREPLICATION", 10, passwords[monitoring]),
        _role(replication, "REPLICATION", 10, passwords[replication]),
        _with({"monitoring": monitoring}, 'GRANT pg_monitor TO :"monitoring";\n'),
        *(_with({"database": name}, _CLOSE) for name in ("postgres", "template1")),
        _with({"extension": "pg_stat_statements"}, _EXTENSION),
        *(_with({"slot": slot}, _SLOT) for slot in slots),
        _with({"slots": " ".join(slots)}, _OLD_SLOTS),
        *(_database(database) for database in databases),
    ]
    return "\n".join(parts)


def _role(name: str, replication: str, limit: int, password: str) -> str:
    values = {"role": name, "replication": replication, "limit": str(limit)}
    return f"{_with(values, '')}\\set verifier {password}\n{_ROLE}"


def _database(database: Database) -> str:
    extensions = dict.fromkeys(("pg_stat_statements", *database.extensions))
    created = _with({"database": database.name, "owner": database.owner}, _DATABASE + _CLOSE + _CONTENTS)
    return created + "".join(_with({"extension": extension}, _EXTENSION) for extension in extensions)


def _with(variables: Mapping[str, str], statements: str) -> str:
    """psql statements after the variables that they use; values are validated names, hence without quotes."""
    return "".join(f"\\set {name} '{value}'\n" for name, value in variables.items()) + statements


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def units(host: PostgresHost) -> dict[str, str]:
    """systemd units by file name. postgresql.service replaces the package's: it never starts without the volume."""
    layout = host.layout
    return {
        "postgresql.service": f"""[Unit]
Description=PostgreSQL {host.major}
Wants=network-online.target
After=network-online.target
RequiresMountsFor={layout.mount}
ConditionPathIsMountPoint={layout.mount}

[Service]
Type=notify
User=postgres
RuntimeDirectory=postgresql
ExecStart=/usr/bin/postgres -c config_file={layout.config}/postgresql.conf
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
KillSignal=SIGINT
TimeoutStartSec=infinity
TimeoutStopSec=300
Restart=on-failure
RestartSec=5
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
""",
        "pg-base-backup.service": _oneshot(
            "Base backup into the archive", f"{layout.programs}/pg-base-backup", "postgres"
        ),
        "pg-base-backup.timer": _timer(f"OnCalendar={host.archive.schedule}\nRandomizedDelaySec=900\nPersistent=true"),
        "pg-refresh.service": _oneshot("Apply the current bundle", f"{layout.programs}/pg-refresh", "root"),
        "pg-refresh.timer": _timer("OnBootSec=5min\nOnUnitActiveSec=15min"),
    }


def _oneshot(description: str, command: str, user: str) -> str:
    return f"""[Unit]
Description={description}
After=postgresql.service

[Service]
Type=oneshot
User={user}
ExecStart={command}
StandardOutput=journal+console
StandardError=journal+console
"""


def _timer(trigger: str) -> str:
    return f"[Timer]\n{trigger}\n\n[Install]\nWantedBy=timers.target\n"
