"""A database's pods on this system: every container as it is derived, its command, environment, ConfigMaps and Secrets.

Only these differ: paths lie below a folder of the pod, each pod has an address of its own in 127.0.0.0/8, Services'
names are the addresses that their selectors would find, and the bucket is a local S3.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from derive.application import ApplicationPlan
from manifests.base import Manifest
from tests.real.bootstrap_site import BIN, Authority
from tests.real.system_user import as_postgres
from tests.unit.declared import objects
from tests.unit.replicated import STORE

REGION = "eu-central-1"
BUCKET = "company-backups-1"
SECRETS = {
    "username": "orders",
    "password": "owner-password-1",
    "exporter-password": "exporter-password-1",
    "replication-password": "replication-password-1",
}
SPACE = "shop.svc.cluster.local"


class _Server(ThreadedWSGIServer):
    """Takes leave as TLS wants it; pgBackRest takes anything else for a cut answer."""

    def shutdown_request(self, request: Any) -> None:
        with suppress(OSError):
            request.unwrap()
        super().shutdown_request(request)


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the requests are pgBackRest's affair."""


@contextmanager
def local_s3(authority: Authority, folder: Path) -> Iterator[int]:
    """An S3 on a port of this system, over TLS, which pgBackRest insists on."""
    certificate, key = authority.issue("localhost")
    (folder / "ca.crt").write_text(authority.certificate)
    (folder / "s3.crt").write_text(certificate)
    (folder / "s3.key").write_text(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "s3.crt", folder / "s3.key")
    application = DomainDispatcherApplication(create_backend_app)
    server = _Server("127.0.0.1", 0, application, handler=_Quiet, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        s3 = boto3.client(
            "s3", endpoint_url=f"https://localhost:{server.server_port}", verify=str(folder / "ca.crt"),
            region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b",
            config=Config(s3={"addressing_style": "path"}),
        )  # fmt: skip
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(10)


@dataclass
class World:
    """The pods, and what the plan that is deployed says of them."""

    root: Path
    plan: ApplicationPlan
    authority: Authority
    s3_port: int
    processes: dict[str, list[subprocess.Popen[bytes]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._network = f"127.{100 + os.getpid() % 100}.{next(_WORLDS)}"

    @property
    def members(self) -> dict[str, Manifest]:
        """Pod specs by StatefulSet, the primary's first."""
        return {
            name: item["spec"]["template"]
            for name, item in objects(self.plan, "StatefulSet").items()
            if name.startswith(STORE)
        }

    def part(self, name: str) -> str:
        return str(self.members[name]["metadata"]["labels"]["role"])

    def address(self, name: str) -> str:
        """Of a member's pod; Jobs have the last one."""
        number = name.removeprefix(STORE).strip("-") if name.startswith(STORE) else "254"
        return f"{self._network}.{number or 1}"

    def serving(self, service: str) -> list[str]:
        """What the Service's selector finds."""
        wanted = objects(self.plan, "Service")[service]["spec"]["selector"].items()
        return [self.address(name) for name, pod in self.members.items() if wanted <= pod["metadata"]["labels"].items()]

    @property
    def primary(self) -> str:
        return next(name for name in self.members if self.part(name) == "primary")

    def replicas(self) -> list[str]:
        return [name for name in self.members if self.part(name) == "replica"]

    def folder(self, name: str) -> Path:
        made = self.root / name
        if not made.exists():
            for part in ("data", "run", "locks", "tool"):
                (made / part).mkdir(parents=True, mode=0o700)
            subprocess.run(["chown", "-R", "postgres:postgres", str(made)], check=True)
        return made

    def here(self, text: str, name: str, paths: Mapping[str, str]) -> str:
        """Names as addresses, and the pod's paths below its folder."""
        for member in self.members:
            text = text.replace(f"{member}-0.{STORE}-headless.{SPACE}", self.address(member))
        for service in (f"{STORE}-replicas", STORE):
            text = text.replace(f"{service}.{SPACE}", ",".join(self.serving(service)))
        text = text.replace("listen_addresses = '*'", f"listen_addresses = '{self.address(name)}'")
        text = text.replace("tls-server-address=*", f"tls-server-address={self.address(name)}")
        text = text.replace("${bucket:backups}", BUCKET)
        text = re.sub(r"lock-path=.*", f"lock-path={self.folder(name)}/locks", text)
        for path in sorted(paths, key=len, reverse=True):
            text = re.sub(rf"(?<![\w/.-]){re.escape(path)}", paths[path], text)
        return text

    def mounted(self, name: str, pod: Manifest, container: Manifest) -> dict[str, str]:
        """Every mount path of the container and the folder that stands for it, its files written."""
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        folder = self.folder(name)
        places = {
            mount["mountPath"]: f"{folder}/{_PLACES.get(mount['name'], mount['name'])}"
            for mount in container.get("volumeMounts", [])
            if mount["name"] not in _KEPT
        }
        for mount in container.get("volumeMounts", []):
            volume = volumes.get(mount["name"], {})
            files: dict[str, str] = {}
            if "configMap" in volume:
                data = objects(self.plan, "ConfigMap")[volume["configMap"]["name"]]["data"]
                files = {key: self.here(text, name, self._paths(name) | places) for key, text in data.items()}
            elif "secret" in volume:
                files = self._certificate(name)
            for key, text in files.items():
                path = Path(places[mount["mountPath"]], key)
                path.parent.mkdir(exist_ok=True, mode=0o755)
                path.write_text(text)
                shutil.chown(path, "postgres", "postgres")
                path.chmod(0o600)
        return self._paths(name) | places

    def _paths(self, name: str) -> dict[str, str]:
        """The Jobs' configuration names the primary's paths."""
        folder = self.folder(name if name in self.members else self.primary)
        return {path: f"{folder}/{place}" for path, place in _PATHS.items()}

    def _certificate(self, name: str) -> dict[str, str]:
        """Of the server, in whose place its address stands, or of the Jobs."""
        certificate, key = self.authority.issue(self.address(name) if name in self.members else f"{STORE}-backup")
        return {"tls.crt": certificate, "tls.key": key, "ca.crt": self.authority.certificate}

    def environment(self, name: str, container: Manifest, paths: Mapping[str, str]) -> dict[str, str]:
        told = {
            entry["name"]: entry["value"] if "value" in entry else SECRETS[entry["valueFrom"]["secretKeyRef"]["key"]]
            for entry in container.get("env", [])
        }
        return {
            **{key: self.here(value, name, paths) for key, value in told.items()},
            "PATH": f"{BIN}:/usr/sbin:/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "PGBACKREST_REPO1_S3_KEY_TYPE": "shared",
            "PGBACKREST_REPO1_S3_KEY": "a",
            "PGBACKREST_REPO1_S3_KEY_SECRET": "b",
            "PGBACKREST_REPO1_S3_URI_STYLE": "path",
            "PGBACKREST_REPO1_STORAGE_HOST": "127.0.0.1",
            "PGBACKREST_REPO1_STORAGE_PORT": str(self.s3_port),
            "PGBACKREST_REPO1_STORAGE_VERIFY_TLS": "n",
        }

    def start_process(self, name: str, pod: Manifest, container: Manifest) -> subprocess.Popen[bytes]:
        paths = self.mounted(name, pod, container)
        command = [self.here(word, name, paths) for word in container["command"]]
        with self.log(name).open("ab") as log:
            return subprocess.Popen(
                as_postgres(*command), stdout=log, stderr=log,
                env=self.environment(name, container, paths), cwd=self.folder(name),
            )  # fmt: skip

    def log(self, name: str) -> Path:
        return self.folder(name) / "log"

    def complete(self, name: str, pod: Manifest, container: Manifest) -> None:
        """A container that ends: an init container, or a Job's."""
        process = self.start_process(name, pod, container)
        assert process.wait(120) == 0, self.log(name).read_text()[-4000:]

    def prepare(self, name: str) -> None:
        """The member's init containers, one after the other."""
        pod = self.members[name]
        for container in pod["spec"]["initContainers"]:
            self.complete(name, pod, container)

    def start(self, *names: str) -> None:
        """Prepare and start members, and wait until each is ready by its own probe."""
        for name in names:
            self.prepare(name)
            self.serve(name)

    def serve(self, name: str) -> None:
        pod = self.members[name]
        containers = {container["name"]: container for container in pod["spec"]["containers"]}
        self.processes[name] = [self.start_process(name, pod, containers["postgres"])]
        if self.part(name) == "primary" and "pgbackrest" in containers:
            self.processes[name].append(self.start_process(name, pod, containers["pgbackrest"]))
        probe = containers["postgres"]["readinessProbe"]["exec"]["command"]
        until(lambda: self._ready(name, probe, containers["postgres"]), f"{name} is not ready")

    def _ready(self, name: str, probe: list[str], container: Manifest) -> bool:
        environment = self.environment(name, container, self._paths(name))
        command = as_postgres(*probe)
        return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0

    def stop(self, *names: str, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: as a pod is stopped. SIGQUIT: at once."""
        for name in names:
            server, *others = self.processes.pop(name, [])
            server.send_signal(how)
            for other in others:
                other.terminate()
            for process in (server, *others):
                process.wait(30)

    def job(self, kind: str) -> float:
        """Run a backup's Job; seconds that it took."""
        spec = objects(self.plan, "CronJob")[f"{STORE}-backup-{kind}"]["spec"]["jobTemplate"]["spec"]
        begun = time.monotonic()
        pod = spec["template"]
        self.complete("jobs", pod, pod["spec"]["containers"][0])
        return time.monotonic() - begun

    def archived(self) -> None:
        """Close the WAL segment, and wait until the archive has it."""
        self.sql(self.primary, "SELECT pg_switch_wal()")
        waiting = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
        until(lambda: self.sql(self.primary, waiting) == "0", "the archive takes nothing")

    def lose(self, *names: str) -> None:
        """A member and its volume."""
        self.stop(*(name for name in names if name in self.processes), how=signal.SIGQUIT)
        for name in names:
            shutil.rmtree(self.folder(name))

    def sql(self, name: str, statement: str) -> str:
        """What the superuser gets in the pod."""
        done = self.psql(f"host={self.folder(name)}/run user=postgres dbname={STORE}", statement, name)
        assert done.returncode == 0, done.stderr + self.log(name).read_text()[-2000:]
        return done.stdout.strip()

    def login(self, host: str, statement: str, user: str = "orders", database: str = STORE, port: int | None = None
              ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        passwords = {"orders": "password", "monitoring": "exporter-password", "replicator": "replication-password"}
        password = SECRETS[passwords.get(user, "password")]
        target = f"host={host} user={user} password={password} dbname={database} connect_timeout=30"
        return self.psql(target + (f" port={port}" if port else ""), statement, self.primary)

    def psql(self, target: str, statement: str, name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            as_postgres(
                "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=sqlstate", target, "-c", statement
            ),
            cwd=self.root, env=self.client(name), text=True, capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    def client(self, name: str) -> dict[str, str]:
        container = self.members[name]["spec"]["containers"][0]
        told: dict[str, Any] = {entry["name"]: entry.get("value") for entry in container["env"]}
        return {"PATH": f"{BIN}:/usr/bin:/bin", "PGPORT": told["PGPORT"], "LC_ALL": "C.UTF-8"}


_WORLDS = count(1)
_KEPT = ("tmp", "shm")
"""Volumes in whose place this system has a folder at the same path."""
_PLACES = {"postgres-storage": "data", "pgbackrest": "tool"}
_PATHS = {
    "/var/lib/postgresql/data": "data",
    "/var/run/postgresql": "run",
    "/etc/postgresql": "config",
    "/docker-entrypoint-initdb.d": "init",
    "/opt/pgbackrest": "tool",
    "/etc/pgbackrest-tls": "pgbackrest-tls",
}


def until(condition: Any, what: str, seconds: float = 90, logs: Iterable[Path] = ()) -> None:
    """``logs``: shown when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "\n".join([what, *(log.read_text()[-2000:] for log in logs)])
        time.sleep(0.1)


@contextmanager
def temporary_world(plan: ApplicationPlan, archive: bool = True) -> Iterator[World]:
    """``archive``: whether there is a bucket."""
    memory = Path("/dev") / "shm"
    # A short name: a socket's path is limited to 107 bytes.
    root = Path(tempfile.mkdtemp(prefix="pgm-", dir=memory if memory.is_dir() else None))
    root.chmod(0o755)
    authority = Authority()
    with local_s3(authority, root) if archive else nullcontext(0) as port:
        world = World(root, plan, authority, port)
        try:
            yield world
        finally:
            world.stop(*list(world.processes), how=signal.SIGQUIT)
            shutil.rmtree(root)
