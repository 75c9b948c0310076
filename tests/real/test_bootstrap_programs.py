"""The machines' programs, run in a root directory of their own; stand-ins answer for AWS and systemd."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from derive.bootstrap import k3s, machine, postgres
from tests.real.machine_root import (
    K3S,
    SERVER,
    SERVER_SECRET,
    TLS,
    Root,
    needs_namespaces,
    node,
)

HOST = postgres.PostgresHost(
    name="userdb",
    region="eu-central-1",
    role="primary",
    databases=(postgres.Database("userdb", "user-service"),),
    client_cidrs=("10.3.2.0/24",),
    volume_id="vol-0123456789abcdef0",
    volume_gib=100,
    memory_mib=4096,
    bundle_bucket="bootstrap",
    bundle_key="userdb.json",
    archive=postgres.Archive("archive", "userdb"),
)


@needs_namespaces()
def test_the_first_server_starts_the_cluster_with_our_ca_and_records_it(tmp_path: Path) -> None:
    root = node(tmp_path, SERVER, SERVER_SECRET)
    booted = root.run("/opt/wheelhouse/k3s-first-boot")
    assert booted.returncode == 0, booted.stderr
    assert yaml.safe_load(root.read("/etc/rancher/k3s/config.yaml.d/20-join.yaml")) == {"cluster-init": True}
    assert yaml.safe_load(root.read("/etc/rancher/k3s/config.yaml.d/10-machine.yaml")) == {
        "node-name": "i-0123456789abcdef0.eu-central-1.compute.internal",
        "kubelet-arg+": ["provider-id=aws:///eu-central-1b/i-0123456789abcdef0"],
        "node-label+": ["topology.kubernetes.io/region=eu-central-1", "topology.kubernetes.io/zone=eu-central-1b"],
    }
    assert root.read("/var/lib/rancher/k3s/server/tls/etcd/peer-ca.key") == "content of etcd/peer-ca.key\n"
    assert root.read("/var/lib/rancher/k3s/server/manifests/cilium.yaml") == "kind: HelmChart\n"
    for secret in ("/etc/rancher/k3s/token", "/var/lib/rancher/k3s/server/tls/service.key"):
        assert (root.path / secret[1:]).stat().st_mode & 0o777 == 0o600
    assert (root.path / "var/lib/rancher/k3s/server").stat().st_mode & 0o777 == 0o700
    assert list((root.path / "run").iterdir()) == [], "the fetched secret must not stay behind"
    log = root.log()
    assert "systemctl start --no-block k3s.service" in log
    assert any(line.startswith("aws ssm put-parameter --name /gym/k3s/initialised") for line in log)
    assert log.index("systemctl start --no-block k3s.service") < next(
        number for number, line in enumerate(log) if "put-parameter" in line
    )
    assert not any("s" * 32 in line for line in log), "no token on a command line"


@needs_namespaces()
def test_a_server_brings_the_state_back_and_the_others_join_it(tmp_path: Path) -> None:
    """K3s resets no server that is to join another one, and takes none back with its old state."""
    root = node(tmp_path, SERVER, SERVER_SECRET)
    root.fixture("marker", "started by i-0\n")
    assert root.run("/opt/wheelhouse/k3s-first-boot").returncode == 0
    joining = {"server": f"https://{SERVER.api_host}:6443"}
    assert yaml.safe_load(root.read("/etc/rancher/k3s/config.yaml.d/20-join.yaml")) == joining
    root.stand_in("k3s")
    (root.path / "log").unlink()
    restored = root.run(k3s.RESTORE, "etcd-snapshot-1")
    assert restored.returncode == 0, restored.stderr
    assert root.log() == [
        "systemctl stop k3s.service",
        "k3s server --cluster-reset --cluster-reset-restore-path=etcd-snapshot-1",
        "systemctl start k3s.service",
    ]
    assert yaml.safe_load(root.read("/etc/rancher/k3s/config.yaml.d/20-join.yaml")) == {"cluster-init": True}

    state = root.path / "var/lib/rancher/k3s/server/db/etcd"
    state.mkdir(parents=True)
    assert root.run(k3s.RESTORE, "--rejoin").returncode == 0
    assert yaml.safe_load(root.read("/etc/rancher/k3s/config.yaml.d/20-join.yaml")) == joining
    assert not state.exists()
    assert (root.path / "var/lib/rancher/k3s/server/tls/server-ca.crt").exists(), "the cluster's identity stays"


@needs_namespaces()
def test_a_failed_restore_starts_nothing(tmp_path: Path) -> None:
    """A server that starts with half a state would be taken for the restored one."""
    root = node(tmp_path, SERVER, SERVER_SECRET)
    assert root.run("/opt/wheelhouse/k3s-first-boot").returncode == 0
    root.stand_in("k3s", "#!/bin/sh\nexit 1\n")
    (root.path / "log").unlink()
    assert root.run(k3s.RESTORE, "missing").returncode == 1
    assert root.log() == ["systemctl stop k3s.service"]
    assert root.run(k3s.RESTORE).returncode == 2


@needs_namespaces()
def test_a_repeated_boot_keeps_the_first_decision(tmp_path: Path) -> None:
    root = node(tmp_path, SERVER, SERVER_SECRET)
    assert root.run("/opt/wheelhouse/k3s-first-boot").returncode == 0
    root.fixture("marker", "started by i-0\n")
    (root.path / "log").unlink()
    assert root.run("/opt/wheelhouse/k3s-first-boot").returncode == 0
    assert yaml.safe_load(root.read("/etc/rancher/k3s/config.yaml.d/20-join.yaml")) == {"cluster-init": True}
    assert not any("/k3s-io/" in line for line in root.log()), "the installed version must not be fetched again"


@needs_namespaces()
def test_an_agent_only_joins_and_never_touches_marker_or_ca(tmp_path: Path) -> None:
    agent = replace(SERVER, role="agent")
    root = node(tmp_path, agent, k3s.agent_secret(TLS["server-ca.crt"], "a" * 32))
    booted = root.run("/opt/wheelhouse/k3s-first-boot")
    assert booted.returncode == 0, booted.stderr
    assert not (root.path / "etc/rancher/k3s/config.yaml.d/20-join.yaml").exists()
    assert root.read("/etc/rancher/k3s/token").endswith("::node:" + "a" * 32)
    assert not (root.path / "var/lib/rancher").exists()
    assert not any("ssm" in line for line in root.log())


@needs_namespaces()
def test_an_agent_cannot_be_given_control_plane_files(tmp_path: Path) -> None:
    root = node(tmp_path, replace(SERVER, role="agent"), SERVER_SECRET)
    booted = root.run("/opt/wheelhouse/k3s-first-boot")
    assert booted.returncode != 0
    assert "outside the allowed directories" in booted.stderr
    assert not (root.path / "etc/rancher/k3s/token").exists(), "nothing is written when something is refused"


@needs_namespaces()
@pytest.mark.parametrize("pinned", ["", "f" * 64])
def test_a_binary_with_another_checksum_is_not_installed(pinned: str, tmp_path: Path) -> None:
    root = node(tmp_path, replace(SERVER, artifacts=k3s.ArtifactSource(sha256=pinned)), SERVER_SECRET)
    root.fixture("k3s", K3S + ("# tampered\n" if not pinned else ""))
    assert root.run("/opt/wheelhouse/k3s-first-boot").returncode != 0
    assert not (root.path / "local/bin/k3s").exists()
    assert not any(line.startswith("systemctl start") for line in root.log())


NO_MARKER = "An error occurred (ParameterNotFound)\n"


@needs_namespaces()
@pytest.mark.parametrize(
    ("index", "marker", "api", "expected"),
    [
        (0, NO_MARKER, "7", "init"),
        (0, NO_MARKER, "28", "init"),
        (0, NO_MARKER, "0", "join"),
        (0, NO_MARKER, "60", "refused"),  # somebody else's certificate at the API's name
        (0, "started by i-0\n", "7", "join"),  # a replaced server 0: a second cluster would lose the first one's data
        (0, "An error occurred (AccessDeniedException)\n", "7", "refused"),
        (1, NO_MARKER, "7", "join"),
    ],
)
def test_only_server_0_of_a_cluster_never_started_initialises(
    index: int, marker: str, api: str, expected: str, tmp_path: Path
) -> None:
    root = node(tmp_path, replace(SERVER, index=index), SERVER_SECRET)
    root.fixture("marker", marker)
    root.fixture("api", api)
    settings = ". /etc/wheelhouse/host.env; export INDEX MARKER API_HOST; /opt/wheelhouse/k3s-join-mode /ca.crt"
    decided = root.run("bash", "-c", settings)
    assert (decided.stdout.strip() if decided.returncode == 0 else "refused") == expected, decided.stderr


@needs_namespaces()
@pytest.mark.parametrize("was_standby", [False, True])
def test_a_database_machine_mounts_before_it_starts_and_promotes_a_former_standby(
    was_standby: bool, tmp_path: Path
) -> None:
    """A primary that starts on a standby's data must take a new timeline, not continue the old one."""
    root = Root(tmp_path)
    secrets = postgres.PostgresSecrets(dict.fromkeys(HOST.login_roles, VERIFIER), "certificate", "key", "ca")
    root.install((*postgres.machine_files(HOST), *postgres.bundle_files(HOST, secrets)))
    (root.path / "etc/fstab").touch()
    recording = '#!/bin/sh\necho "${0##*/} $*" >>/log\n'
    for name in ("systemctl", "mount", "xfs_growfs", "chown", "pg_isready"):
        root.stand_in(name, recording)
    root.stand_in("mountpoint", "#!/bin/sh\nexit 1\n")
    root.stand_in("lsblk", "#!/bin/sh\necho '/dev/nvme0n1 vol000'\necho '/dev/nvme1n1 vol0123456789abcdef0'\n")
    root.stand_in("blkid", "#!/bin/sh\necho 11111111-2222-3333-4444-555555555555\n")
    root.stand_in("runuser", '#!/bin/sh\nshift 3\nexec "$@"\n')
    root.stand_in("psql", recording + "case $* in *pg_is_in_recovery*) echo f ;; esac\n")
    for name in ("format-if-blank", "pg-prepare-data", "pg-apply-sql"):
        (root.path / "opt/wheelhouse" / name).write_text(recording)
    if was_standby:
        (root.path / "var/lib/pgsql/data").mkdir(parents=True)
        (root.path / "var/lib/pgsql/data/standby.signal").touch()
    started = root.run("/opt/wheelhouse/pg-start")
    assert started.returncode == 0, started.stderr
    entry = "UUID=11111111-2222-3333-4444-555555555555 /var/lib/pgsql xfs noatime,nofail"
    assert root.read("/etc/fstab").startswith(entry)
    steps = [
        "format-if-blank /dev/nvme1n1",
        "mount /var/lib/pgsql",
        "xfs_growfs /var/lib/pgsql",
        "pg-prepare-data ",
        "systemctl enable --now postgresql.service",
        "pg-apply-sql ",
        "systemctl enable --now pg-refresh.timer pg-base-backup.timer",
    ]
    assert [line for line in root.log() if line in steps] == steps
    assert any("pg_promote" in line for line in root.log()) is was_standby


@needs_namespaces()
def test_what_pods_keep_lies_on_the_volume_too(tmp_path: Path) -> None:
    """A dump that fills the machine's own disk has the kubelet evict every pod."""
    root = node(tmp_path, replace(SERVER, volume="vol-0123456789abcdef0", node_name="gym-0"), SERVER_SECRET)
    (root.path / "etc/fstab").touch()
    (root.path / "opt/wheelhouse/format-if-blank").write_text("#!/bin/sh\n")
    for name in ("mount", "xfs_growfs"):
        root.stand_in(name)
    root.stand_in("mountpoint", "#!/bin/sh\nexit 1\n")
    root.stand_in("lsblk", "#!/bin/sh\necho '/dev/nvme1n1 vol0123456789abcdef0'\n")
    ident = "11111111-2222-3333-4444-555555555555"
    root.stand_in("blkid", f"#!/bin/sh\necho {ident}\n")
    for _ in range(2):
        booted = root.run("/opt/wheelhouse/k3s-volume", "vol-0123456789abcdef0")
        assert booted.returncode == 0, booted.stderr
    assert root.read("/etc/fstab").splitlines() == [
        f"UUID={ident} /var/lib/rancher xfs noatime,nofail,x-systemd.device-timeout=300 0 2",
        "/var/lib/rancher/kubelet /var/lib/kubelet none bind,nofail 0 0",
    ]
    mounts = [line for line in root.log() if line.startswith("mount ")]
    assert mounts[:2] == ["mount /var/lib/rancher", "mount /var/lib/kubelet"]


VERIFIER = "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$" + "A" * 43 + "=:" + "A" * 43 + "="


def write(file: machine.MachineFile, directory: Path) -> str:
    target = directory / Path(file.path).name
    target.write_text(file.content)
    target.chmod(0o755)
    return str(target)


def lay_out(tmp_path: Path, *files: machine.MachineFile) -> subprocess.CompletedProcess[str]:
    program = write(machine.program("lay-out-bundle"), tmp_path)
    (tmp_path / "bundle.json").write_text(machine.bundle_json(files))
    allowed = str(tmp_path / "allowed")
    command = ["/usr/bin/python3", program, "--allow", allowed, str(tmp_path / "bundle.json")]
    return subprocess.run(command, text=True, capture_output=True, timeout=30, check=False, umask=0o077)


def owned(path: Path, content: str, mode: str = "0640") -> machine.MachineFile:
    return machine.MachineFile(str(path), content, mode, owner="root", group="root")


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files to their owners")


@needs_root
def test_a_bundle_is_laid_out_with_modes_and_reports_only_changes(tmp_path: Path) -> None:
    first, second = (owned(tmp_path / "allowed/deep" / name, name) for name in ("one", "two"))
    assert lay_out(tmp_path, first, second).stdout.split() == [first.path, second.path]
    assert Path(first.path).stat().st_mode & 0o777 == 0o640
    assert Path(first.path).parent.stat().st_mode & 0o777 == 0o755, "a service's user must be able to enter"
    assert lay_out(tmp_path, first, replace(second, content="new")).stdout.split() == [second.path]
    assert Path(second.path).read_text() == "new"


@needs_root
def test_a_bundle_cannot_write_outside_its_directories_not_even_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed/link").symlink_to(tmp_path)
    for path in (tmp_path / "outside", tmp_path / "allowed/link/outside", tmp_path / "allowed-too/outside"):
        refused = lay_out(tmp_path, owned(tmp_path / "allowed/good", "good"), owned(path, "bad"))
        assert refused.returncode != 0
        assert "refused" in refused.stderr
        assert not path.exists()
        assert not (tmp_path / "allowed/good").exists()


@pytest.mark.tool("mkfs.xfs", "blkid")
def test_only_a_blank_volume_is_formatted(tmp_path: Path) -> None:
    """A re-attached volume with data, or a foreign one, must survive the boot of its machine."""
    program, device = write(machine.program("format-if-blank"), tmp_path), tmp_path / "device"

    def attempt() -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, str(device)], text=True, capture_output=True, timeout=60, check=False)

    with device.open("wb") as stream:
        stream.truncate(512 << 20)
    assert attempt().returncode == 0
    header = device.read_bytes()[:4096]
    assert header.startswith(b"XFSB")
    assert attempt().returncode == 0
    assert device.read_bytes()[:4096] == header, "formatted twice"
    for content in (b"\0" * 5000 + b"somebody's data", b"\0" * 1080 + b"\x53\xef" + b"\0" * 5000):
        device.write_bytes(content.ljust(2 << 20, b"\0"))
        refused = attempt()
        assert refused.returncode != 0, refused.stdout
        assert device.read_bytes() == content.ljust(2 << 20, b"\0")


def test_the_secret_names_no_path_outside_the_servers_directories() -> None:
    paths = [entry["path"] for entry in json.loads(SERVER_SECRET)["files"]]
    assert all(path.startswith((f"{k3s.CONFIG}/", f"{k3s.SERVER}/")) for path in paths)
    assert len(paths) == len(k3s.TLS_FILES) + 4


ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


def credentials(folder: Path, image: str) -> subprocess.CompletedProcess[str]:
    """What the kubelet gets to pull an image with, from the plug-in as it calls it."""
    plugin, aws = folder / "ecr-credentials", folder / "bin" / "aws"
    aws.parent.mkdir()
    plugin.write_text(machine.program("ecr-credentials").content)
    aws.write_text('#!/bin/sh\n[ "$1 $2 $3" = "ecr get-login-password --region" ] && echo "password-of-$4"\n')
    for file in (plugin, aws):
        file.chmod(0o755)
    request = {"kind": "CredentialProviderRequest", "apiVersion": "credentialprovider.kubelet.k8s.io/v1"}
    return subprocess.run(
        [plugin],
        input=json.dumps({**request, "image": image}),
        env={"PATH": f"{aws.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_kubelet_gets_a_password_for_its_registry(tmp_path: Path) -> None:
    """The kubelet ignores an answer of another kind, and keeps one for all images of the registry."""
    found = credentials(tmp_path, f"{ECR}/orion/gateway:1.0")
    assert json.loads(found.stdout) == {
        "kind": "CredentialProviderResponse",
        "apiVersion": k3s.PRIVATE_IMAGES["providers"][0]["apiVersion"],
        "cacheKeyType": "Registry",
        "cacheDuration": "6h",
        "auth": {ECR: {"username": "AWS", "password": "password-of-us-east-1"}},
    }


@pytest.mark.parametrize("image", ["docker.io/orion/gateway:1.0", "123.dkr.ecr.example.com/a:1", "redis:7"])
def test_no_other_registry_gets_one(tmp_path: Path, image: str) -> None:
    """A password of ECR sent elsewhere would be somebody else's."""
    found = credentials(tmp_path, image)
    assert (found.returncode, found.stdout) == (1, "")
    assert "is no registry of ECR" in found.stderr
