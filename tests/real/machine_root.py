"""A root directory in which a machine's programs run; stand-ins answer for AWS and systemd."""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from derive.bootstrap import k3s, machine

VERSION = "v1.36.2+k3s1"
SERVER = k3s.K3sNode(
    cluster="gym",
    role="server",
    region="eu-central-1",
    version=VERSION,
    secret_arn="arn:aws:secretsmanager:eu-central-1:123456789012:secret:gym-AbCdEf",
    marker_parameter="/gym/k3s/initialised",
)
CURL = """#!/bin/sh
out=/dev/stdout previous=
for word; do
  [ "$previous" != -o ] || out=$word
  case $word in http*) url=$word ;; esac
  previous=$word
done
echo "curl $url" >>/log
case $url in
  */latest/api/token) printf session ;;
  */meta-data/instance-id) printf i-0123456789abcdef0 ;;
  */meta-data/local-hostname) printf i-0123456789abcdef0.eu-central-1.compute.internal ;;
  */placement/availability-zone) printf eu-central-1b ;;
  */sha256sum-*) cat /fixtures/sums >"$out" ;;
  */k3s | */k3s-arm64) cat /fixtures/k3s >"$out" ;;
  */cacerts) exit "$(cat /fixtures/api)" ;;
  */healthz) printf ok ;;
  *) exit 22 ;;
esac
"""

AWS = """#!/bin/sh
echo "aws $*" >>/log
case "$1 $2" in
  "secretsmanager get-secret-value") cat /fixtures/secret ;;
  "ssm get-parameter") cat /fixtures/marker; grep -qv "An error occurred" /fixtures/marker ;;
  "ssm put-parameter") ;;
  *) exit 1 ;;
esac
"""

K3S = f"""#!/bin/sh
case "$0 $*" in
  *" --version") echo "k3s version {VERSION} (0000000)" ;;
  *"/kubectl get --raw /readyz") printf ok ;;
  *) exit 1 ;;
esac
"""

ENTER = """
set -e
mount --bind /usr "$1/usr"
mount --bind "$1/local" "$1/usr/local"
mount --rbind /dev "$1/dev"
mount --rbind /proc "$1/proc"
root=$1
shift
exec chroot "$root" /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin PROBE_PAUSE=0 "$@"
"""


def namespaces_work() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


def needs_namespaces(reason: str = "needs root and mount namespaces") -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which("unshare") is None or not namespaces_work(), reason=reason)


class Root:
    """A directory that programs see as `/`: this system's /usr, everything else their own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("usr", "dev", "proc", "run", "tmp", "var/lib", "etc", "opt", "local/bin", "fixtures"):
            (path / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (path / name).symlink_to(f"usr/{name}")
        for name in ("passwd", "group", "nsswitch.conf"):
            shutil.copy(f"/etc/{name}", path / "etc" / name)
        if Path("/etc/alternatives").is_dir():  # Debian's awk is a link into it
            shutil.copytree("/etc/alternatives", path / "etc/alternatives", symlinks=True)

    def stand_in(self, name: str, text: str = '#!/bin/sh\necho "${0##*/} $*" >>/log\n') -> None:
        file = self.path / "local/bin" / name
        file.write_text(text)
        file.chmod(0o755)

    def install(self, files: tuple[machine.MachineFile, ...]) -> None:
        for file in files:
            target = self.path / file.path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.content)
            target.chmod(int(file.mode, 8))

    def fixture(self, name: str, text: str) -> None:
        (self.path / "fixtures" / name).write_text(text)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["unshare", "--mount", "bash", "-c", ENTER, "enter", str(self.path), *command],
            text=True, capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    def read(self, path: str) -> str:
        return (self.path / path.lstrip("/")).read_text()

    def log(self) -> list[str]:
        return self.read("/log").splitlines()


def chain() -> dict[str, str]:
    """Stand-ins for the cluster's CA files; server-ca.crt is a real bundle of a CA and its root."""
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("server-ca", "root")]
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in names]
    pems = [
        x509.CertificateBuilder(names[1], name, key.public_key(), x509.random_serial_number(), now, now)
        .sign(keys[1], hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
        for name, key in zip(names, keys, strict=True)
    ]
    return {**{name: f"content of {name}\n" for name in k3s.TLS_FILES}, "server-ca.crt": "".join(pems)}


TLS = chain()
SERVER_SECRET = k3s.server_secret(TLS, "s" * 32, "a" * 32, {"cilium.yaml": "kind: HelmChart\n"})


def node(path: Path, declared: k3s.K3sNode, secret: str) -> Root:
    root = Root(path)
    root.install(k3s.machine_files(declared))
    root.stand_in("curl", CURL)
    root.stand_in("aws", AWS)
    for name in ("systemctl", "sysctl", "journalctl"):
        root.stand_in(name)
    root.fixture("secret", secret)
    root.fixture("marker", "An error occurred (ParameterNotFound)\n")
    root.fixture("api", "7")
    root.fixture("k3s", K3S)
    digest = hashlib.sha256(K3S.encode()).hexdigest()
    root.fixture("sums", f"{'0' * 64}  k3s-images.txt\n{digest}  k3s\n{digest}  k3s-arm64\n")
    return root
