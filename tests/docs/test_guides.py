"""The guides do what they say: their files and changes, in a copy of the project, in the sandbox."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.docs.guide import apply
from tests.e2e.bench import PASSPHRASE, copy_project
from tests.platforms import Platforms

ROOT: Final = Path(__file__).resolve().parents[2]
GUIDES: Final = ROOT / "docs" / "guides"
GOLDEN: Final = ROOT / "tests" / "golden"
PREFIXES: Final = {
    "acm": ("acm",),
    "apigateway": ("apigateway",),
    "autoscaling": ("autoscaling",),
    "budgets": ("budgets",),
    "cfg": ("config",),
    "cloudfront": ("cloudfront",),
    "cloudtrail": ("cloudtrail",),
    "cloudwatch": ("logs",),
    "dlm": ("dlm",),
    "ebs": ("ec2", "kms"),
    "ec2": ("ec2", "ssm"),
    "ec2transitgateway": ("ec2",),
    "ecr": ("ecr",),
    "eks": ("eks",),
    "guardduty": ("guardduty",),
    "iam": ("iam",),
    "kms": ("kms",),
    "lambda": ("lambda",),
    "lb": ("elasticloadbalancing",),
    "rds": ("rds",),
    "route53": ("route53",),
    "s3": ("s3",),
    "secretsmanager": ("secretsmanager",),
    "ssm": ("ssm",),
    "vpc": ("ec2",),
    "wafv2": ("wafv2",),
}
"""Module of the provider -> prefixes of the IAM actions that its resources here take."""


def document(name: str) -> str:
    return (GUIDES / name).read_text()


def run(project: Path, *arguments: str) -> str:
    """Standard output of a command that succeeds."""
    done = subprocess.run(
        [sys.executable, "-m", "wheelhouse", *arguments],
        cwd=project,
        env={"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE, "PATH": os.defpath, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(240)
def test_a_service_and_a_kind_of_store_are_added(platforms: Platforms, tmp_path: Path) -> None:
    """A guide whose code is refused, or makes something else than it says, costs a newcomer the first hour."""
    project = copy_project(tmp_path / "project")
    apply(document("adding-a-service.md"), project)
    apply(document("adding-a-store.md"), project)
    platforms.bench("dev").copy(project / ".wheelhouse" / "stacks", ("hub", "dev"))
    (result,) = json.loads(run(project, "preview", "dev", "--json"))["stacks"]
    made = {step["urn"].split("::", 2)[2] for step in result["steps"] if step["op"] == "create"}
    for name in ("billing-service", "pages"):
        assert f"wheelhouse:mesh:MicroService::{name}" in made
        for kind in ("apps/v1:Deployment", "core/v1:Service", "core/v1:ServiceAccount"):
            assert any(f"kubernetes:{kind}::fitsync/{name}" in urn for urn in made), (kind, name)
    assert all("billing-service" in urn or "pages" in urn for urn in made), "nothing else is made"


@pytest.mark.timeout(240)
def test_a_system_is_added(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    apply(document("adding-a-system.md"), project)
    run(project, "up", "shop-dev")
    assert "shop-dev is as declared" in run(project, "audit", "shop-dev")
    assert "would change" in run(project, "preview", "shop-prod")


def modules(*stacks: str) -> set[str]:
    """The modules of the AWS provider that some stacks register something of."""
    text = "".join((GOLDEN / f"{name}.txt").read_text() for name in stacks)
    return set(re.findall(r"^ *aws:(\w+)/", text, re.MULTILINE))


def test_the_permissions_are_those_of_the_services_in_use() -> None:
    """A missing permission stops an update halfway; one too many is a hole."""
    own = modules("fitsync-hub", "fitsync-dev", "fitsync-prod")
    others = modules("gym-prod", "myhealth-prod", "neotool-prod", "orion-prod")
    needed = {prefix for module in own for prefix in PREFIXES[module]}
    further = {prefix for module in others for prefix in PREFIXES[module]} - needed
    guide = document("deploying.md")
    first, second = guide.split("Other declarations use more:")
    assert set(re.findall(r"^\| `([a-z0-9]+)` \|", first, re.MULTILINE)) == needed
    rows = re.findall(r"^\| ((?:`[a-z0-9]+`(?:, )?)+) \|", second, re.MULTILINE)
    assert {prefix for row in rows for prefix in re.findall(r"`([a-z0-9]+)`", row)} == further
    assert set(re.findall(r'"([a-z0-9]+):\*"', guide)) == needed
    assert set(PREFIXES) == own | others, "a module that nothing uses"


def test_the_costs_are_those_of_the_golden_files() -> None:
    """Figures that nobody updates are worse than none."""
    stated = dict(re.findall(r"^\| (hub|dev|prod) \| ([0-9,]+) \|", document("deploying.md"), re.MULTILINE))
    for stack, figure in stated.items():
        text = (GOLDEN / f"cost-fitsync-{stack}.txt").read_text()
        total = re.search(r"^ +([0-9.]+)  total$", text, re.MULTILINE)
        assert total
        assert round(float(total[1])) == int(figure.replace(",", ""))
    assert stated.keys() == {"hub", "dev", "prod"}
