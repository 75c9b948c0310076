"""Stand-in database machines: the rendered programs and files on this system's PostgreSQL.

Only these differ from a machine: the layout's directories, the port, and the `aws` in PATH: a folder instead of S3, or
the real AWS CLI with another endpoint.
"""

from __future__ import annotations

import datetime
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from derive.bootstrap.machine import settings_file
from derive.bootstrap.postgres import (
    MAJORS,
    Archive,
    Database,
    Layout,
    PostgresHost,
    PostgresSecrets,
    bundle,
    machine_files,
    settings,
)
from derive.bootstrap.scram import scram_verifier
from tests.ports import free_port
from tests.real.system_user import as_postgres

BINARIES = [Path(f"/usr/lib/postgresql/{major}/bin") for major in sorted(MAJORS, reverse=True)]
BIN = next((path for path in BINARIES if (path / "initdb").exists()), None)
AWS = shutil.which("aws", path="/usr/bin:/usr/local/bin")
HAS_USER = os.geteuid() == 0 and "postgres" in {entry.pw_name for entry in pwd.getpwall()}

NEEDS_POSTGRESQL = [
    pytest.mark.tool("postgres"),
    pytest.mark.skipif(BIN is None, reason="no PostgreSQL server of a supported version below /usr/lib/postgresql"),
    pytest.mark.skipif(not HAS_USER, reason="needs root and the system user postgres"),
]

PASSWORDS = {
    "user-service": "app-password-0001",
    "other": "app-password-0002",
    "monitoring": "monitor-password-1",
    "replicator": "replica-password-1",
}


IN_MEMORY = 4 << 30
"""Free bytes from which on the servers' files are kept in memory, where they need not wait for a disk."""
LOOPBACK = ("127.0.0.0/8", "::1/128")


class Authority:
    """A certificate authority for tests."""

    def __init__(self, name: str = "test ca") -> None:
        self._name, self._key = name, ec.generate_private_key(ec.SECP256R1())
        root = _certificate(name, name, self._key).add_extension(x509.BasicConstraints(True, None), True)
        self.certificate = root.sign(self._key, hashes.SHA256()).public_bytes(_PEM).decode()

    def issue(self, name: str) -> tuple[str, str]:
        """A server's certificate for a DNS name and its key, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        leaf = _certificate(name, self._name, key).add_extension(names, False).sign(self._key, hashes.SHA256())
        text = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return leaf.public_bytes(_PEM).decode(), text.decode()


_PEM = serialization.Encoding.PEM


def _certificate(name: str, by: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, by))
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))


@dataclass
class Machine:
    """One stand-in machine: its directories, its settings, its server process."""

    root: Path
    host: PostgresHost
    secrets: PostgresSecrets
    passwords: Mapping[str, str]
    name: str
    """The DNS name in its certificate."""
    environment: dict[str, str]
    port: int
    server: subprocess.Popen[bytes] | None = None

    @property
    def mount(self) -> Path:
        return Path(self.host.layout.mount)

    def run(self, *command: str, root: bool = False, check: bool = True, **changes: str
            ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """``changes``: environment variables of this run."""
        done = subprocess.run(
            command if root else as_postgres(*command), env=self.environment | changes, cwd=self.root,
            text=True, capture_output=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done

    def program(self, name: str, *arguments: str, check: bool = True, **changes: str
                ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        return self.run(f"{self.host.layout.programs}/{name}", *arguments, root=False, check=check, **changes)

    def psql(self, statement: str, database: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        target = f"host={self.host.layout.socket} port={self.port} dbname={database}"
        return self.run("psql", "-XAtq", target, "-c", statement, check=check)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What the superuser gets, on the machine itself."""
        return self.psql(statement, database).stdout.strip()

    def login(self, role: str, database: str, statement: str = "SELECT 1", *, check: bool = True, **changes: str
              ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Over the network, as a client does; ``changes``: connection parameters that differ."""
        parameters = {
            "host": self.name,
            "hostaddr": "127.0.0.1",
            "port": str(self.port),
            "user": role,
            "dbname": database,
            "sslmode": "verify-full",
            "sslrootcert": f"{self.host.layout.config}/tls/ca.crt",
            "password": self.passwords.get(role, "unknown-password-0"),
        } | changes
        target = " ".join(f"{name}={value}" for name, value in parameters.items())
        return self.run(
            "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=sqlstate", target, "-c", statement, check=check
        )

    def start(self, data: Path | None = None, **changes: str) -> None:
        """``data``: another data directory. ``changes``: environment variables of the server."""
        command = ["postgres", "-c", f"config_file={self.host.layout.config}/postgresql.conf"]
        command += ["-c", f"port={self.port}"]
        if data is not None:
            command += ["-c", f"data_directory={data}"]
        with (self.root / "server.log").open("ab") as log:
            self.server = subprocess.Popen(
                as_postgres(*command), env=self.environment | changes, cwd=self.root, stdout=log, stderr=log,
            )  # fmt: skip
        self.wait("SELECT 1", "1")

    def wait(self, statement: str, expected: str) -> None:
        """Until the statement gives the expected answer, at most 40 s; the server's log explains a failure."""
        deadline, answer = time.monotonic() + 40, ""
        while time.monotonic() < deadline:
            done = self.psql(statement, "postgres", check=False)
            answer = done.stdout.strip() + done.stderr.strip()
            if done.returncode == 0 and answer == expected:
                return
            if self.server is not None and self.server.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError(f"{statement}: {answer}\n{(self.root / 'server.log').read_text()[-4000:]}")

    def wait_archived(self) -> None:
        """Close the current WAL segment and wait until the archive holds all that was written."""
        self.sql("SELECT pg_switch_wal()")
        self.wait("SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'", "0")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: orderly. SIGQUIT: at once, as in a crash."""
        if self.server is not None:
            self.server.send_signal(how)
            self.server.wait(30)
            self.server = None

    def refresh(self, store: Path) -> list[str]:
        """Upload the bundle and let the machine fetch it; the changed files."""
        uploaded = store / self.host.bundle_bucket / self.host.bundle_key
        uploaded.parent.mkdir(parents=True, exist_ok=True)
        uploaded.write_text(bundle(self.host, self.secrets))
        done = self.program_as_root("fetch-bundle")
        return [Path(line).name for line in done.stdout.split()]

    def program_as_root(self, name: str) -> subprocess.CompletedProcess[str]:
        return self.run(f"{self.host.layout.programs}/{name}", root=True)


FOLDER = """#!/bin/sh
# Stands in for the AWS CLI: s3://bucket/key is a file below STORE_DIR.
[ -z "$STORE_DOWN" ] || { echo "Could not connect" >&2; exit 255; }
call="$1 $2" previous='' source='' target='' bucket='' key=''
for word; do
  source=$target target=$word
  case $previous in --bucket) bucket=$word ;; --key | --prefix) key=$word ;; esac
  previous=$word
done
place() { case $1 in s3://*) echo "$STORE_DIR/${1#s3://}" ;; *) echo "$1" ;; esac; }
case $call in
  "s3 cp")
    source=$(place "$source") target=$(place "$target")
    [ "$target" = - ] || mkdir -p "$(dirname "$target")"
    [ "$source" = - ] || exec <"$source" || exit 1
    [ "$target" = - ] || exec >"$target"
    cat
    ;;
  "s3api head-object") [ -f "$STORE_DIR/$bucket/$key" ] || { echo "An error occurred (404)" >&2; exit 254; } ;;
  "s3api list-objects-v2") find "$STORE_DIR/$bucket" -type f -printf '%P\\n' | grep "^$key" || echo None ;;
  *) exit 252 ;;
esac
"""


def _layout(root: Path) -> Layout:
    return Layout(*(str(root / part) for part in ("pg", "etc", "programs", "run", "units")))


class Site:
    """A store, an authority, and machines that use them."""

    def __init__(self, root: Path) -> None:
        self.root, self.machines = root, list[Machine]()
        self.authority = Authority()
        self.store = root / "store"
        for bucket in ("bundles", "archive"):
            (self.store / bucket).mkdir(parents=True)
            shutil.chown(self.store / bucket, "postgres", "postgres")
        self.tools = root / "bin"
        self.tools.mkdir(mode=0o755)
        (self.tools / "aws").write_text(FOLDER)
        (self.tools / "aws").chmod(0o755)

    def environment(self, root: Path) -> dict[str, str]:
        return {
            "PATH": f"{self.root}/bin:{BIN}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOST_ENV": f"{root}/host.env",
            "WORK_DIR": str(root),
            "HOME": str(root),
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "STORE_DIR": str(self.store),
            "AWS_EC2_METADATA_DISABLED": "true",
            "RETRY_PAUSE": "0",
            "LC_ALL": "C.UTF-8",
        }

    def machine(self, name: str, **changes: Any) -> Machine:
        """A machine with two databases, fetched bundle and empty volume."""
        host = PostgresHost(
            name=name, region="eu-central-1", role="primary",
            databases=(Database("userdb", "user-service"), Database("otherdb", "other", extensions=("pgcrypto",))),
            client_cidrs=LOOPBACK, peer_cidrs=LOOPBACK,
            volume_id="vol-0123456789abcdef0", volume_gib=20, memory_mib=1024, standbys=("replica-1",),
            bundle_bucket="bundles", bundle_key=f"{name}.json", archive=Archive("archive", "userdb"),
        )  # fmt: skip
        return self.install(name, replace(host, **changes), "localhost", PASSWORDS)

    def install(self, place: str, host: PostgresHost, name: str, passwords: Mapping[str, str]) -> Machine:
        """A declared host on this system below ``place``, its bundle fetched. ``name``: in its certificate."""
        root = self.root / place
        layout = _layout(root)
        for part in (layout.mount, layout.config, layout.programs, layout.socket, layout.units):
            Path(part).mkdir(parents=True, mode=0o755)
        for part in (str(root), layout.mount, layout.socket):
            shutil.chown(part, "postgres", "postgres")
        Path(layout.mount).chmod(0o700)
        port = free_port()
        environment = self.environment(root) | {"PGPORT": str(port)}
        machine = Machine(root, host, self._secrets(name, passwords), passwords, name, environment, port)
        self.machines.append(machine)
        self.declare(machine, host, name)
        return machine

    def declare(self, machine: Machine, host: PostgresHost, name: str) -> None:
        """The machine with another declaration on the same volume, as after its replacement."""
        root, layout = machine.root, _layout(machine.root)
        machine.host = replace(host, layout=layout, major=int(str(BIN).split("/")[4]))
        machine.name, machine.secrets = name, self._secrets(name, machine.passwords)
        (root / "host.env").write_text(settings_file(settings(machine.host)).content)
        for file in machine_files(machine.host):
            if Path(file.path).name in ("lay-out-bundle", "fetch-bundle"):
                target = Path(layout.programs, Path(file.path).name)
                target.write_text(file.content)
                target.chmod(0o755)
        machine.refresh(self.store)

    def _secrets(self, name: str, passwords: Mapping[str, str]) -> PostgresSecrets:
        verifiers = {role: scram_verifier(text, role.encode().ljust(16)) for role, text in passwords.items()}
        return PostgresSecrets(
            verifiers, *self.authority.issue(name), self.authority.certificate, passwords["replicator"]
        )


@contextmanager
def temporary_site() -> Iterator[Site]:
    """A site of its own; its servers stop and its files go at the end."""
    memory = Path("/dev") / "shm"
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > IN_MEMORY
    # A short name: a socket's path is limited to 107 bytes.
    root = Path(tempfile.mkdtemp(prefix="pgtest-", dir=memory if roomy else None))
    root.chmod(0o755)
    site = Site(root)
    try:
        yield site
    finally:
        for machine in site.machines:
            machine.stop(signal.SIGQUIT)
        shutil.rmtree(root)
