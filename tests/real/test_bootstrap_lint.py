"""Everything that is rendered passes the linters of the programs that will read it."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from derive.bootstrap import k3s, postgres
from derive.bootstrap.machine import MachineFile, program
from derive.bootstrap.scram import scram_verifier

VERIFIER = scram_verifier("not-used-anywhere", b"0123456789abcdef")
SERVER = k3s.K3sNode(
    cluster="fitsync-prod",
    role="server",
    region="eu-central-1",
    version="v1.36.2+k3s1",
    secret_arn="arn:aws:secretsmanager:eu-central-1:123456789012:secret:k3s-AbCdEf",
    marker_parameter="/fitsync/prod/k3s/initialised",
    snapshot_bucket="fitsync-prod-snapshots",
)
EDGE = replace(
    SERVER,
    packaged=True,
    traefik=True,
    volume="vol-0123456789abcdef0",
    node_name="fitsync-prod-0",
    public_address="198.51.100.7",
)
AGENT = k3s.K3sNode(
    cluster="fitsync-prod",
    role="agent",
    region="eu-central-1",
    version="v1.36.2+k3s1",
    secret_arn=SERVER.secret_arn,
    marker_parameter=SERVER.marker_parameter,
    autoscaled=True,
    private_images=True,
    startup_taints=(k3s.CILIUM_NOT_READY, k3s.ISTIO_CNI_NOT_READY),
)
HOST = postgres.PostgresHost(
    name="userdb-0",
    region="eu-central-1",
    role="standby",
    databases=(postgres.Database("userdb", "user-service"),),
    client_cidrs=("10.3.2.0/24",),
    peer_cidrs=("10.3.3.0/24",),
    primary_host="userdb.database.internal",
    volume_id="vol-0123456789abcdef0",
    volume_gib=100,
    memory_mib=4096,
    bundle_bucket="fitsync-prod-bootstrap",
    bundle_key="userdb-0.json",
    archive=postgres.Archive("fitsync-prod-archive", "userdb"),
)
SECRETS = postgres.PostgresSecrets(
    dict.fromkeys(HOST.login_roles, VERIFIER), "certificate", "key", "ca", "replication-password"
)
USER_DATA = {
    "server": k3s.user_data(SERVER),
    "edge": k3s.user_data(EDGE),
    "agent": k3s.user_data(AGENT),
    "postgres": postgres.user_data(HOST),
}
FILES = (
    *k3s.machine_files(SERVER),
    *k3s.machine_files(EDGE),
    *k3s.machine_files(AGENT),
    *postgres.machine_files(HOST),
    *postgres.bundle_files(HOST, SECRETS),
    program("k3s-restore", path=k3s.RESTORE),
)
SHELL = {file.path: file for file in FILES if "bash" in file.content.split("\n", 1)[0]}
PYTHON = {file.path: file for file in FILES if "python" in file.content.split("\n", 1)[0]}


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, text=True, capture_output=True, timeout=60, check=False)


def test_the_list_of_programs_is_not_empty() -> None:
    assert {Path(path).name for path in SHELL} >= {"k3s-first-boot", "k3s-join-mode", "pg-first-boot", "pg-start"}
    assert [Path(path).name for path in PYTHON] == ["lay-out-bundle"]


@pytest.mark.tool("shellcheck")
@pytest.mark.parametrize("path", sorted(SHELL))
def test_shellcheck_finds_nothing(path: str, tmp_path: Path) -> None:
    script = tmp_path / Path(path).name
    script.write_text(SHELL[path].content)
    checked = run("shellcheck", "--shell=bash", str(script), cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.tool("cloud-init")
@pytest.mark.parametrize("name", sorted(USER_DATA))
def test_cloud_init_accepts_the_user_data(name: str, tmp_path: Path) -> None:
    config = tmp_path / "user-data"
    config.write_text(USER_DATA[name])
    checked = run("cloud-init", "schema", "--config-file", str(config), cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Valid" in checked.stdout


@pytest.mark.tool("systemd-analyze")
@pytest.mark.parametrize("group", ["k3s", "postgres"])
def test_systemd_accepts_the_units(group: str, tmp_path: Path) -> None:
    files: tuple[MachineFile, ...] = k3s.machine_files(SERVER)
    if group == "postgres":
        files = (*postgres.machine_files(HOST), *postgres.bundle_files(HOST, SECRETS))
    units = [file for file in files if file.path.startswith("/etc/systemd/system/")]
    assert units
    for unit in units:
        (tmp_path / Path(unit.path).name).write_text(unit.content)
    checked = run("systemd-analyze", "verify", "--man=no", *sorted(p.name for p in tmp_path.iterdir()), cwd=tmp_path)
    # The commands themselves exist on the machine only; every other complaint counts.
    complaints = [line for line in checked.stderr.splitlines() if "is not executable: No such file" not in line]
    assert complaints == []


@pytest.mark.tool("systemd-analyze")
def test_the_backup_schedule_is_a_calendar_expression(tmp_path: Path) -> None:
    checked = run("systemd-analyze", "calendar", HOST.archive.schedule, cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr


def test_lay_out_bundle_compiles_for_the_machines_older_python() -> None:
    """Amazon Linux 2023's system Python is 3.9; `feature_version` refuses later syntax."""
    (program,) = PYTHON.values()
    ast.parse(program.content, program.path, feature_version=(3, 9))
