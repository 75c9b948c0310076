"""Alerts of a cluster without a mesh, on nodes that nobody adds to: they fire when they should, and only then."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from derive.observability import observability
from systems.neotool import SYSTEM
from tests.unit.declared import deployed

pytestmark = pytest.mark.tool("promtool")
DISK: Final = 'instance="node",mountpoint="/var/lib/rancher",fstype="xfs",device="/dev/nvme1n1"'
DOOR: Final = 'exported_service="production-web-3000@kubernetes",service="traefik",pod="traefik-1"'
VAULT: Final = 'up{namespace="production",pod="vault-0"}'


def series(*given: str) -> list[dict[str, str]]:
    """Each is a series, a space, and its values step by step, in Prometheus' own notation."""
    found = (text.partition("} ") for text in given)
    return [{"series": f"{name}}}", "values": values} for name, _, values in found]


CASES: Final[dict[str, tuple[list[dict[str, str]], str, str, bool]]] = {
    "a disk fills": (
        series(f"node_filesystem_avail_bytes{{{DISK}}} 10x40", f"node_filesystem_size_bytes{{{DISK}}} 100x40"),
        "20m",
        "NodeDiskFilling",
        True,
    ),
    "a disk has room": (
        series(f"node_filesystem_avail_bytes{{{DISK}}} 40x40", f"node_filesystem_size_bytes{{{DISK}}} 100x40"),
        "20m",
        "NodeDiskFilling",
        False,
    ),
    "one in ten requests fails": (
        series(
            f'traefik_service_requests_total{{{DOOR},code="200"}} 0+90x40',
            f'traefik_service_requests_total{{{DOOR},code="503"}} 0+10x40',
        ),
        "20m",
        "ErrorRateHigh",
        True,
    ),
    "clients make mistakes": (
        series(
            f'traefik_service_requests_total{{{DOOR},code="200"}} 0+90x40',
            f'traefik_service_requests_total{{{DOOR},code="404"}} 0+10x40',
        ),
        "20m",
        "ErrorRateHigh",
        False,
    ),
    "Vault is sealed after a restart": (series(f"{VAULT} 1x10 0x30"), "20m", "VaultSealed", True),
    "Vault misses one scrape": (series(f"{VAULT} 1x10 0x2 1x30"), "20m", "VaultSealed", False),
    "no logs were archived for days": (
        series('kube_cronjob_created{cronjob="log-archive"} 0x400'),
        "49h",
        "StoreBackupOverdue",
        True,
    ),
    "the dump of last night succeeded": (
        series('kube_cronjob_status_last_successful_time{cronjob="postgres-backup"} 10000x400'),
        "49h",
        "StoreBackupOverdue",
        False,
    ),
}


@cache
def rules() -> str:
    parts = observability(deployed(SYSTEM, "prod", cloudflare_account="0" * 32))
    (found,) = [item for part in parts for item in part.objects if item["kind"] == "PrometheusRule"]
    return yaml.safe_dump(found["spec"])


@pytest.mark.parametrize("case", CASES)
def test_alerts_fire_when_they_should_and_only_then(case: str, tmp_path: Path) -> None:
    given, moment, alert, fires = CASES[case]
    step = "10m" if moment.endswith("h") else "1m"
    (tmp_path / "rules.yml").write_text(rules())
    query = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    wanted = [{"expr": query, "eval_time": moment, "exp_samples": [{"labels": "{}", "value": int(fires)}]}]
    test: dict[str, Any] = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": step,
        "tests": [{"interval": step, "input_series": given, "promql_expr_test": wanted}],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        ["promtool", "test", "rules", str(tmp_path / "test.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
