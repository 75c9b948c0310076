"""A single server in the cluster: what its container is told, done on this system's PostgreSQL as the image does it.

The image's entrypoint makes the cluster by ``initdb`` with the declared arguments, starts it on its socket only, makes
the database, runs what lies in /docker-entrypoint-initdb.d, and appends ``host all all all <method>`` to pg_hba.conf
before the server opens its port (docker-library/postgres, docker-entrypoint.sh).
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from derive.application import ApplicationPlan
from manifests.base import Manifest
from tests.ports import free_port
from tests.real.bootstrap_site import BIN, temporary_site
from tests.real.system_user import as_postgres
from tests.unit.declared import objects

SECRET = {
    "username": "user_service",
    "password": "owner-password-1",
    "exporter-password": "exporter-password-1",
    "superuser-password": "superuser-password-1",
    "access-key-id": "key-1",
    "secret-access-key": "key-2",
}


def environment(container: Manifest, secrets: Mapping[str, str] = SECRET) -> dict[str, str]:
    """The container's variables, its Secret's values filled in."""
    return {
        entry["name"]: entry["value"] if "value" in entry else secrets[entry["valueFrom"]["secretKeyRef"]["key"]]
        for entry in container["env"]
    }


@dataclass
class Pod:
    """The database's containers on this system; ``folder`` takes the place of the claim and of the socket's folder."""

    folder: Path
    server: Manifest
    exporter: Manifest
    env: dict[str, str]

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            as_postgres(*command), env=self.env, cwd=self.folder,
            text=True, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done

    def control(self, action: str, listen: str) -> None:
        declared = shlex.join(self.server["args"][1:])
        options = f"{declared} -c listen_addresses={listen} -c unix_socket_directories={self.folder}"
        self.run("pg_ctl", "-D", self.env["PGDATA"], "-w", "-l", f"{self.folder}/log", "-o", options, action)

    def login(self, user: str, password: str, database: str, statement: str, check: bool = True) -> str:
        """Over TCP; what came, or the SQLSTATE or message of the refusal."""
        target = f"host=127.0.0.1 user={user} password={password} dbname={database}"
        done = self.run("psql", "-XAtq", "-v", "VERBOSITY=sqlstate", target, "-c", statement, check=check)
        return done.stdout.strip() or done.stderr.strip()


@contextmanager
def started(plan: ApplicationPlan, name: str, secrets: Mapping[str, str] = SECRET) -> Iterator[Pod]:
    """The server of one database, on an empty volume."""
    containers = objects(plan, "StatefulSet")[name]["spec"]["template"]["spec"]["containers"]
    with temporary_site() as site:
        folder = site.root / "pod"
        folder.mkdir(mode=0o700)
        subprocess.run(["chown", "postgres:postgres", str(folder)], check=True)
        env = environment(containers[0], secrets)
        env |= {
            "PGDATA": str(folder / Path(env["PGDATA"]).name),
            "PGPORT": str(free_port()),
            "PGHOST": str(folder),
            "PATH": f"{BIN}:/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
        }
        made = Pod(folder, containers[0], containers[1], env)
        _first_start(made, objects(plan, "ConfigMap")[f"{name}-first-start"]["data"])
        yield made
        made.control("stop", "127.0.0.1")


def _first_start(pod: Pod, scripts: Mapping[str, str]) -> None:
    """The entrypoint's steps on an empty volume."""
    passwords = pod.folder / "password"
    passwords.write_text(pod.env["POSTGRES_PASSWORD"] + "\n")
    passwords.chmod(0o644)
    user, database = pod.env["POSTGRES_USER"], pod.env["POSTGRES_DB"]
    declared = shlex.split(pod.env["POSTGRES_INITDB_ARGS"])
    pod.run("initdb", "-D", pod.env["PGDATA"], f"--username={user}", f"--pwfile={passwords}", *declared)
    pod.control("start", "")
    pod.run("psql", "-X", "-U", user, "-d", "postgres", "-c", f'CREATE DATABASE "{database}"')
    for name, text in scripts.items():
        script = pod.folder / name
        script.write_text(text)
        script.chmod(0o644)
        pod.run("bash", "-euo", "pipefail", "-c", f'. "{script}"')
    pod.control("stop", "")
    with (Path(pod.env["PGDATA"]) / "pg_hba.conf").open("a") as rules:
        rules.write(f"\nhost all all all {pod.env['POSTGRES_HOST_AUTH_METHOD']}\n")
    pod.control("start", "127.0.0.1")
