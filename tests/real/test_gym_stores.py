"""Gym's stores as planned, on the servers of this system: what they are configured to, and who may do what.

Debian has MariaDB in MySQL's place. Left out are a setting of MySQL's X protocol and an option of its dump that MariaDB
does not know; grants, limits and statements are the same. The image's entrypoint makes the database and its owner, then
runs what lies in /docker-entrypoint-initdb.d (docker-library/mysql, docker-entrypoint.sh).
"""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import systems
from derive.application import ApplicationPlan, application
from derive.shapes import Deployment, Facts
from manifests.base import Manifest
from tests.ports import free_port
from tests.unit.declared import objects

MYSQL = pytest.mark.tool("mariadbd", "mariadb-install-db", "mariadb", "mariadb-dump")
REDIS = pytest.mark.tool("redis-server", "redis-cli")
SECRET = {
    "username": "gym",
    "password": "owner-password",
    "root-password": "root-password",
    "exporter-password": "exporter-password",
}
FOREIGN = ("mysqlx", "--set-gtid-purged")
"""What only MySQL knows."""


@pytest.fixture(scope="module")
def plan() -> ApplicationPlan:
    system = systems.load("gym")
    facts = Facts(region="eu-west-1")
    return application(Deployment(system, "prod", system.environments["prod"], facts), {})


def containers(plan: ApplicationPlan, name: str) -> list[Manifest]:
    found: list[Manifest] = objects(plan, "StatefulSet")[name]["spec"]["template"]["spec"]["containers"]
    return found


@contextmanager
def running(command: Sequence[str], log: Path, ready: Sequence[str]) -> Iterator[None]:
    """A server until it is told to stop, from when ``ready`` succeeds."""
    with log.open("ab") as output, subprocess.Popen(command, stdout=output, stderr=output) as server:
        try:
            deadline = time.monotonic() + 60
            while subprocess.run(ready, capture_output=True, check=False).returncode:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield
        finally:
            server.terminate()


@dataclass(frozen=True)
class Database:
    """A MySQL that runs as planned."""

    port: int
    socket: Path

    def ask(self, statement: str, user: str = "gym", password: str = SECRET["password"], database: str = "gym") -> str:
        """The answer in tab-separated lines. Raises AssertionError with the server's words for a refusal."""
        command = ["mariadb", "--batch", "--skip-column-names", f"--user={user}", f"--password={password}"]
        where = ["--host=127.0.0.1", f"--port={self.port}", "--protocol=tcp", database] if user != "root" else []
        return told([*command, *where], statement, self.socket)


def told(command: Sequence[str], statement: str, socket: Path) -> str:
    local = [] if "--protocol=tcp" in command else [f"--socket={socket}"]
    done = subprocess.run([*command, *local], input=statement, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def mysql(plan: ApplicationPlan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("mysql")
    data, config, socket, port = folder / "data", folder / "server.cnf", folder / "mysqld.sock", free_port()
    planned = objects(plan, "ConfigMap")["mysql-config"]["data"]["server.cnf"]
    assert "port = 3306\n" in planned
    lines = [line for line in planned.splitlines() if not line.startswith(FOREIGN)]
    config.write_text("\n".join(lines).replace("port = 3306", f"port = {port}") + "\n")
    user = pwd.getpwuid(os.getuid()).pw_name
    files = [f"--defaults-file={config}", f"--datadir={data}", f"--user={user}"]
    subprocess.run(
        ["mariadb-install-db", *files, "--auth-root-authentication-method=normal", "--skip-test-db"],
        capture_output=True,
        check=True,
    )
    served = [*files, f"--socket={socket}", f"--pid-file={folder}/pid", "--bind-address=127.0.0.1"]
    ready = ["mariadb-admin", "ping", "--silent", f"--socket={socket}", "--user=root"]
    with running(["mariadbd", *served], folder / "log", ready):
        script = objects(plan, "ConfigMap")["mysql-first-start"]["data"]["users.sh"]
        own = (
            "CREATE DATABASE gym; CREATE USER 'gym'@'%' IDENTIFIED BY 'owner-password'; "
            "GRANT ALL ON gym.* TO 'gym'@'%';"
        )
        shell = f'docker_process_sql() {{ mariadb --socket="{socket}" --user=root; }}\n{script}'
        told(["mariadb", "--user=root"], own, socket)
        subprocess.run(["bash", "-eu", "-c", shell], env={**os.environ, **_environment(plan)}, check=True)
        yield Database(port, socket)


def _environment(plan: ApplicationPlan) -> dict[str, str]:
    """The server container's variables, its Secret's values filled in."""
    return {
        entry["name"]: entry["value"] if "value" in entry else SECRET[entry["valueFrom"]["secretKeyRef"]["key"]]
        for entry in containers(plan, "mysql")[0]["env"]
    }


@MYSQL
def test_mysql_takes_a_thousand_connections_and_speaks_unicode(mysql: Database) -> None:
    """GY-DAT-04."""
    assert mysql.ask("SELECT @@max_connections, @@character_set_server, @@skip_name_resolve") == "1000\tutf8mb4\t1"


@MYSQL
def test_the_owner_has_its_database_and_no_other(mysql: Database) -> None:
    mysql.ask("CREATE TABLE bookings (id INT PRIMARY KEY); INSERT INTO bookings VALUES (1)")
    assert mysql.ask("SELECT COUNT(*) FROM bookings") == "1"
    for statement in ("SELECT user FROM mysql.user", "CREATE DATABASE other", "SET GLOBAL max_connections = 1"):
        with pytest.raises(AssertionError, match="denied"):
            mysql.ask(statement)


@MYSQL
def test_a_wrong_password_is_refused(mysql: Database) -> None:
    """GY-CFG-01."""
    for user in ("gym", "exporter"):
        with pytest.raises(AssertionError, match="Access denied"):
            mysql.ask("SELECT 1", user, "wrong")


@MYSQL
def test_the_exporter_sees_numbers_and_no_rows(mysql: Database) -> None:
    """GY-BYD-09: what mysqld_exporter asks at every scrape."""
    own = ("exporter", SECRET["exporter-password"])
    for statement in ("SHOW GLOBAL STATUS", "SHOW GLOBAL VARIABLES", "SHOW MASTER STATUS"):
        mysql.ask(statement, *own, database="performance_schema")
    with pytest.raises(AssertionError, match="denied"):
        mysql.ask("SELECT * FROM gym.bookings", *own, database="performance_schema")


@MYSQL
def test_a_dump_of_the_owner_brings_everything_back(plan: ApplicationPlan, mysql: Database, tmp_path: Path) -> None:
    """GY-BYD-06: the planned command, with the address of this server."""
    job = objects(plan, "CronJob")["mysql-backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (fetch,) = job["initContainers"]
    name, *options = fetch["command"]
    assert name == "mysqldump"
    replaced = {"--host": "127.0.0.1", "--port": str(mysql.port), "--result-file": str(tmp_path / "dump.sql")}
    kept = [
        f"{key}={replaced[key]}" if key in replaced else option
        for option in options
        for key in [option.partition("=")[0]]
        if key not in FOREIGN
    ]
    mysql.ask("CREATE TABLE members (name TEXT); INSERT INTO members VALUES ('Ada')")
    secret = {"MYSQL_PWD": SECRET["password"]}
    subprocess.run(["mariadb-dump", *kept], env={**os.environ, **secret}, check=True)
    mysql.ask("DROP TABLE members")
    mysql.ask((tmp_path / "dump.sql").read_text())
    assert mysql.ask("SELECT name FROM members") == "Ada"


@MYSQL
def test_the_runbook_restores_what_only_an_administrator_may(mysql: Database, tmp_path: Path) -> None:
    """GY-BYD-06: routines and triggers are in a dump, too."""
    text = (Path(__file__).parents[2] / "docs/runbooks/mysql.md").read_text()
    (restore,) = re.findall(r"-- sh -c '([^']+)'", text)
    dump = "DROP TABLE IF EXISTS visits; CREATE TABLE visits (id INT);\n"
    dump += "CREATE DEFINER=`gym`@`%` TRIGGER counted BEFORE INSERT ON visits FOR EACH ROW SET NEW.id = NEW.id + 1;\n"
    (tmp_path / "mysql").write_text(f'#!/bin/sh\nexec mariadb --socket="{mysql.socket}" "$@"\n')
    (tmp_path / "mysql").chmod(0o755)
    own = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "MYSQL_ROOT_PASSWORD": "", "MYSQL_DATABASE": "gym"}
    subprocess.run(["sh", "-c", restore], input=dump, text=True, env={**os.environ, **own}, check=True)
    mysql.ask("INSERT INTO visits VALUES (1)")
    assert mysql.ask("SELECT id, @@log_bin FROM visits") == "2\t0"


@dataclass(frozen=True)
class Cache:
    """A Redis that runs as planned."""

    command: list[str]
    log: Path
    port: int

    def ask(self, *words: str, user: str = "default", password: str = "app") -> str:
        login = ["--user", user, "--pass", password] if password else []
        command = ["redis-cli", "-p", str(self.port), "--no-auth-warning", *login, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    @contextmanager
    def up(self) -> Iterator[None]:
        ready = ["redis-cli", "-e", "-p", str(self.port), "--no-auth-warning", "--pass", "app", "ping"]
        with running(self.command, self.log, ready):
            yield


@pytest.fixture
def cache(plan: ApplicationPlan, tmp_path: Path) -> Cache:
    port = free_port()
    (users,) = [secret for secret in plan.secrets if secret.name == "redis-credentials"]
    text = users.templates["users.acl"].format_map({"redis-default": "app", "redis-exporter": "watch"})
    (tmp_path / "users.acl").write_text(text)
    planned = objects(plan, "ConfigMap")["redis-config"]["data"]["redis.conf"]
    placed = planned.replace("dir /data", f"dir {tmp_path}").replace("/etc/redis/users", str(tmp_path))
    (tmp_path / "redis.conf").write_text(placed.replace("port 6379", f"port {port}").replace("* -::*", "127.0.0.1"))
    return Cache(["redis-server", f"{tmp_path}/redis.conf"], tmp_path / "log", port)


@REDIS
def test_redis_asks_for_a_password_and_keeps_what_is_written(cache: Cache) -> None:
    """GY-BYD-10, GY-DAT-02: sessions outlive a restart."""
    with cache.up():
        assert "NOAUTH" in cache.ask("GET", "session", password="")
        assert cache.ask("SET", "session", "1") == "OK"
        assert cache.ask("PUBLISH", "events", "booked") == "0"
        assert "NOPERM" in cache.ask("CONFIG", "GET", "*")
        assert "NOPERM" in cache.ask("FLUSHALL")
    with cache.up():
        assert cache.ask("GET", "session") == "1"


@REDIS
def test_redis_exporter_looks_and_touches_nothing(cache: Cache) -> None:
    """GY-BYD-09."""
    with cache.up():
        watch = {"user": "exporter", "password": "watch"}
        assert "redis_version" in cache.ask("INFO", **watch)
        assert "maxmemory" in cache.ask("CONFIG", "GET", "maxmemory", **watch)
        assert "NOPERM" in cache.ask("GET", "session", **watch)
        assert "NOPERM" in cache.ask("SET", "session", "1", **watch)
