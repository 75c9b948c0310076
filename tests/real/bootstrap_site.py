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
import socket
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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

BINARIES = [Path(f"/usr/lib/postgresql/{major}/bin") for major in sorted(MAJORS, reverse=True)]
BIN = next((path for path in BINARIES if (path / "initdb").exists()), None)
AWS = shutil.which("aws", path="/usr/bin:/usr/local/bin")
HAS_USER = os.geteuid() == 0 and "postgres" in {entry.pw_name for entry in pwd.getpwall()}

PASSWORDS = {
    "user-service": "app-password-0001",
    "other": "app-password-0002",
    "monitoring": "monitor-password-1",
    "replicator": "replica-password-1",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def certificates() -> tuple[str, str, str]:
    """(server certificate for localhost, its key, the CA), PEM."""
    now = datetime.datetime.now(datetime.UTC)

    def build(name: str, key: ec.EllipticCurvePrivateKey, issuer: str) -> x509.CertificateBuilder:
        subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer))
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))

    authority, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = build("test ca", authority, "test ca").add_extension(x509.BasicConstraints(True, None), True)
    leaf = build("localhost", server, "test ca")
    leaf = leaf.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    pem = serialization.Encoding.PEM
    key_pem = server.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    signed = [builder.sign(authority, hashes.SHA256()).public_bytes(pem).decode() for builder in (leaf, root)]
    return signed[0], key_pem.decode(), signed[1]


@dataclass
class Machine:
    """One stand-in machine: its directories, its settings, its server process."""

    root: Path
    host: PostgresHost
    secrets: PostgresSecrets
    environment: dict[str, str]
    port: int
    server: subprocess.Popen[bytes] | None = None

    def run(self, *command: str, user: str | None = "postgres", check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, user=user, group=user, extra_groups=[], env=self.environment, cwd=self.root,
            text=True, capture_output=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done

    def program(self, name: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(f"{self.host.layout.programs}/{name}", *arguments, check=check)

    def sql(self, statement: str, database: str = "postgres") -> str:
        layout = self.host.layout
        return self.run(
            "psql", "-XAtq", "-h", layout.socket, "-p", str(self.port), "-d", database, "-c", statement
        ).stdout.strip()

    def login(self, role: str, database: str, statement: str = "SELECT 1", *, sslmode: str = "verify-full",
              password: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:  # fmt: skip
        target = (
            f"host=localhost port={self.port} user={role} dbname={database} sslmode={sslmode} "
            f"sslrootcert={self.host.layout.config}/tls/ca.crt password={password or PASSWORDS[role]}"
        )
        return self.run("psql", "-XAtq", target, "-c", statement, check=check)

    def start(self, data: Path | None = None, port: int | None = None) -> None:
        port = port or self.port
        command = ["postgres", "-c", f"config_file={self.host.layout.config}/postgresql.conf", "-c", f"port={port}"]
        if data is not None:
            command += ["-c", f"data_directory={data}"]
        with (self.root / "server.log").open("ab") as log:
            self.server = subprocess.Popen(
                command, user="postgres", group="postgres", extra_groups=[], env=self.environment, cwd=self.root,
                stdout=log, stderr=log,
            )  # fmt: skip
        self.wait("SELECT 1", "1")

    def wait(self, statement: str, expected: str) -> None:
        """Until the statement gives the expected answer, at most 40 s; the server's log explains a failure."""
        layout, deadline, answer = self.host.layout, time.monotonic() + 40, ""
        while time.monotonic() < deadline:
            done = self.run(
                "psql",
                "-XAtq",
                "-h",
                layout.socket,
                "-p",
                str(self.port),
                "-d",
                "postgres",
                "-c",
                statement,
                check=False,
            )
            answer = done.stdout.strip() + done.stderr.strip()
            if done.returncode == 0 and done.stdout.strip() == expected:
                return
            if self.server is None or self.server.poll() is not None:
                break
            time.sleep(0.2)
        raise AssertionError(f"{statement}: {answer}\n{(self.root / 'server.log').read_text()[-4000:]}")

    def stop(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            self.server.wait(30)
            self.server = None

    def refresh(self, store: Path) -> list[str]:
        """Upload the bundle and let the machine fetch it; the changed files."""
        (store / "bundles" / self.host.bundle_key).write_text(bundle(self.host, self.secrets))
        done = self.run(f"{self.host.layout.programs}/fetch-bundle", user="root")
        return [Path(line).name for line in done.stdout.split()]


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


class Site:
    """A store, certificates, and machines that use them."""

    def __init__(self, root: Path) -> None:
        self.root, self.machines = root, list[Machine]()
        self.certificate, self.key, self.ca = certificates()
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
        """A machine with fetched bundle and empty volume."""
        root = self.root / name
        layout = Layout(*(str(root / part) for part in ("pg", "etc", "programs", "run", "units")))
        for part in (layout.mount, layout.config, layout.programs, layout.socket, layout.units):
            Path(part).mkdir(parents=True, mode=0o755)
        for part in (str(root), layout.mount, layout.socket):
            shutil.chown(part, "postgres", "postgres")
        Path(layout.mount).chmod(0o700)
        host = PostgresHost(
            name=name, region="eu-central-1", role="primary",
            databases=(Database("userdb", "user-service"), Database("otherdb", "other", extensions=("pgcrypto",))),
            client_cidrs=("127.0.0.0/8", "::1/128"), peer_cidrs=("127.0.0.0/8", "::1/128"),
            volume_id="vol-0123456789abcdef0", volume_gib=20, memory_mib=1024, standbys=("replica-1",),
            bundle_bucket="bundles", bundle_key=f"{name}.json", archive=Archive("archive", "userdb"),
            major=int(str(BIN).split("/")[4]), layout=layout,
        )  # fmt: skip
        host = replace(host, **changes)
        verifiers = {role: scram_verifier(text, role.encode().ljust(16)) for role, text in PASSWORDS.items()}
        secrets = PostgresSecrets(verifiers, self.certificate, self.key, self.ca, PASSWORDS["replicator"])
        machine = Machine(root, host, secrets, self.environment(root), free_port())
        machine.environment["PGPORT"] = str(machine.port)
        (root / "host.env").write_text(settings_file(settings(host)).content)
        for file in machine_files(host):
            if Path(file.path).name in ("lay-out-bundle", "fetch-bundle"):
                target = Path(layout.programs, Path(file.path).name)
                target.write_text(file.content)
                target.chmod(0o755)
        machine.refresh(self.store)
        self.machines.append(machine)
        return machine
