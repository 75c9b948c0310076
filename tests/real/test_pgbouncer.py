"""The derived pooler, as Debian's PgBouncer, in front of a database machine: SCRAM at both ends, TLS to the server."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from derive.shapes import CA_FILE
from derive.stores.pgbouncer import USER_LIST, USERS, Server, configuration
from model import Pooler
from tests.ports import free_port
from tests.real.bootstrap_site import NEEDS_POSTGRESQL, Machine, temporary_site
from tests.real.fitsync_tier import started
from tests.real.poolers import serving

pytestmark = [*NEEDS_POSTGRESQL, pytest.mark.tool("pgbouncer")]
DATABASE, OWNER = "userdb", "user-service"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with temporary_site() as site:
        yield started(site.machine("pooled", standbys=()))


@pytest.fixture(scope="module")
def pooler(machine: Machine) -> Iterator[Pooler]:
    with running(
        machine, Pooler(name="pooler", port=free_port(), pool_size=2, max_clients=20), "localhost"
    ) as declared:
        yield declared


@contextmanager
def running(machine: Machine, declared: Pooler, host: str) -> Iterator[Pooler]:
    """The declared pooler; only folders and the listening address differ."""
    folder = machine.root / declared.name
    folder.mkdir()
    users = f'"{OWNER}" "{machine.passwords[OWNER]}"\n"exporter" "exporter-password"\n'
    (folder / USER_LIST).write_text(users)
    (folder / CA_FILE).write_text(machine.secrets.ca_certificate)
    text = configuration(DATABASE, declared, Server(host, machine.port, verified=True))
    text = text.replace(USERS, str(folder)).replace("listen_addr = *", "listen_addr = 127.0.0.1")
    with serving(text, folder, declared.port, machine.environment):
        yield declared


def ask(machine: Machine, port: int, statement: str, check: bool = True, **changes: str
        ) -> subprocess.CompletedProcess[str]:  # fmt: skip
    parameters = {"host": "127.0.0.1", "user": OWNER, "dbname": DATABASE, "password": machine.passwords[OWNER]}
    target = " ".join(f"{name}={value}" for name, value in (parameters | {"port": str(port)} | changes).items())
    return machine.run("psql", "-XAtq", target, "-c", statement, check=check)


def test_a_client_reaches_its_database_over_tls(machine: Machine, pooler: Pooler) -> None:
    """A pooler that cannot log in with what it has of the client lets nobody through."""
    seen = ask(machine, pooler.port, "SELECT current_user, ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    assert seen.stdout.strip() == f"{OWNER}|t|TLSv1.3"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"password": "wrong-password-00"}, "authentication failed"),
        ({"user": "other", "password": "app-password-0002"}, "failed"),
        ({"user": "monitoring", "password": "monitor-password-1"}, "failed"),
        ({"user": "postgres", "password": "anything"}, "failed"),
        ({"dbname": "otherdb"}, "no such database"),
        ({"dbname": "postgres"}, "no such database"),
        ({"dbname": "pgbouncer"}, "not allowed"),
    ],
)
def test_everything_else_is_refused(machine: Machine, pooler: Pooler, changes: dict[str, str], message: str) -> None:
    """Another role's password, another database, the pooler's own console."""
    refused = ask(machine, pooler.port, "SELECT 1", check=False, **changes)
    assert refused.returncode != 0
    assert message in refused.stderr


def test_the_exporter_sees_the_pools_and_cannot_stop_them(machine: Machine, pooler: Pooler) -> None:
    def console(statement: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        login = {"dbname": "pgbouncer", "user": "exporter", "password": "exporter-password"}
        return ask(machine, pooler.port, statement, check=check, **login)

    ask(machine, pooler.port, "SELECT 1")
    assert f"{DATABASE}|{OWNER}|" in console("SHOW POOLS").stdout
    for statement in ("SHOW STATS", "SHOW LISTS", "SHOW DATABASES", "SHOW CONFIG"):
        console(statement)
    for statement in ("SHUTDOWN", "PAUSE", "RELOAD"):
        assert "admin access needed" in console(statement, check=False).stderr


@contextmanager
def session(machine: Machine, port: int) -> Iterator[Callable[[str], str]]:
    """A client that stays; what it is given answers with one line."""
    target = f"host=127.0.0.1 port={port} user={OWNER} dbname={DATABASE} password={machine.passwords[OWNER]}"
    client = subprocess.Popen(
        ["psql", "-XAtq", target], text=True, env=machine.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    def line(statement: str) -> str:
        assert client.stdin
        assert client.stdout
        client.stdin.write(f"{statement};\n")
        client.stdin.flush()
        return client.stdout.readline().strip()

    try:
        yield line
    finally:
        client.communicate(timeout=10)


def test_many_clients_share_few_connections(machine: Machine, pooler: Pooler) -> None:
    """In transaction mode a client that is between two transactions holds no connection to the server."""
    with ExitStack() as stack:
        clients = [stack.enter_context(session(machine, pooler.port)) for _ in range(8)]
        served = {client("SELECT pg_backend_pid()") for _ in range(2) for client in clients}
        assert 1 <= len(served) <= pooler.pool_size
        users = machine.sql("SELECT usename FROM pg_stat_activity WHERE client_addr IS NOT NULL").splitlines()
        assert users.count(OWNER) <= pooler.pool_size


def test_clients_beyond_the_limit_are_told_so(machine: Machine) -> None:
    declared = Pooler(name="small", port=free_port(), max_clients=1)
    with running(machine, declared, "localhost"):
        with session(machine, declared.port) as client:
            assert client("SELECT 1") == "1"
            assert "no more connections allowed" in ask(machine, declared.port, "SELECT 1", check=False).stderr
        assert ask(machine, declared.port, "SELECT 1").stdout == "1\n"


def test_a_server_under_another_name_gets_no_password(machine: Machine) -> None:
    """The certificate names localhost; by its address the server could be anybody."""
    with running(machine, Pooler(name="astray", port=free_port()), "127.0.0.1") as astray:
        refused = ask(machine, astray.port, "SELECT 1", check=False, connect_timeout="2")
        assert refused.returncode != 0
        assert "not present in server certificate" in (machine.root / "astray/log").read_text()


def test_plain_authentication_is_towards_clients_only(machine: Machine) -> None:
    """Drivers without SCRAM reach a server that takes nothing else."""
    declared = Pooler(name="plain", port=free_port(), authentication="plain")
    with running(machine, declared, "localhost") as plain:
        assert ask(machine, plain.port, "SELECT 1").stdout == "1\n"
        assert "failed" in ask(machine, plain.port, "SELECT 1", check=False, password="wrong").stderr
