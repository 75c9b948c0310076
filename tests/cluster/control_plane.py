"""A Kubernetes control plane on this machine's loopback: etcd, kube-apiserver, kube-controller-manager."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import requests
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.cluster import programs
from tests.cluster.api import Api, local_session
from tests.ports import free_ports

READY_SECONDS: Final = 60


@contextmanager
def control_plane(place: Path, arguments: Sequence[str] = ()) -> Iterator[Api]:
    """A fresh control plane with its files in the folder ``place``; ``arguments`` are added to the API server's."""
    client, peer, server = (f"127.0.0.1:{port}" for port in free_ports(3))
    token = secrets.token_hex(16)
    _write_accounts(place, token)
    certificate = place / "certificates" / "apiserver.crt"
    api = Api(f"https://{server}", token, certificate)
    kubeconfig = _write_kubeconfig(place, api)
    built = programs.folder()
    with ExitStack() as stack:
        command = ["etcd", *_etcd(place, f"http://{client}", f"http://{peer}")]
        stack.enter_context(
            _process(place, command, lambda: local_session().get(f"http://{client}/health", timeout=5).ok)
        )
        command = [f"{built}/kube-apiserver", *_apiserver(place, f"http://{client}", server), *arguments]
        stack.enter_context(_process(place, command, lambda: certificate.is_file() and api.ready()))
        command = [f"{built}/kube-controller-manager", *_manager(place, kubeconfig)]
        stack.enter_context(_process(place, command, lambda: bool(api.list("v1", "ServiceAccount", "default"))))
        yield api


def _etcd(place: Path, client: str, peer: str) -> list[str]:
    return [
        f"--data-dir={place / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]


def _apiserver(place: Path, etcd: str, address: str) -> list[str]:
    """Privileged containers are allowed as K3s allows them: what refuses them is Pod Security."""
    host, _, port = address.partition(":")
    return [
        f"--etcd-servers={etcd}",
        f"--bind-address={host}",
        f"--advertise-address={host}",
        f"--secure-port={port}",
        "--endpoint-reconciler-type=none",
        f"--cert-dir={place / 'certificates'}",
        f"--token-auth-file={place / 'tokens.csv'}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={place / 'accounts.pub'}",
        f"--service-account-signing-key-file={place / 'accounts.key'}",
    ]


def _manager(place: Path, kubeconfig: Path) -> list[str]:
    """Without the controller that would call the test's node dead, as no kubelet renews its lease."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--service-account-private-key-file={place / 'accounts.key'}",
        "--controllers=*,-node-lifecycle-controller",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]


def _write_accounts(place: Path, token: str) -> None:
    """The administrator's token, and the key pair that signs the tokens of service accounts."""
    (place / "tokens.csv").write_text(f"{token},administrator,administrator,system:masters\n")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (place / "accounts.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (place / "accounts.pub").write_bytes(public)


def _write_kubeconfig(place: Path, api: Api) -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": api.url, "certificate-authority": str(api.certificate)}}],
        "users": [{"name": "test", "user": {"token": api.token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    path = place / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


@contextmanager
def _process(place: Path, command: Sequence[str], ready: Callable[[], bool]) -> Iterator[None]:
    """A server, once it is ready, in a process group of its own: Ctrl-C reaches the test first, which then ends it."""
    name = Path(command[0]).name
    log = place / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not _holds(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise RuntimeError(f"{name} was not ready after {READY_SECONDS} s or ended; its last lines:\n{tail}")
            time.sleep(0.1)
        yield
    finally:
        process.kill()  # there is nothing to save
        process.wait()


def _holds(ready: Callable[[], bool]) -> bool:
    try:
        return ready()
    except requests.RequestException:
        return False
