"""The workflows on GitHub: what they may, in which order, and that GitHub understands them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from derive.delivery.workflows import workflows
from derive.shapes import Deployment
from model import DeclarationError
from stacks.settings import validated
from tests.unit.declared import deployed, shop


def deployment(environment: str = "prod") -> Deployment:
    values = {"system": "myhealth", "environment": environment, "region": "us-east-1", "image_tags": {"default": "1"}}
    return validated(values, f"myhealth-{environment}").deployment()


def workflow(name: str, environment: str = "prod") -> dict[str, Any]:
    found = workflows(deployment(environment), f"myhealth-{environment}")
    read: dict[str, Any] = yaml.safe_load(found[f".github/workflows/{name}.yaml"])
    return read


def scripts(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_an_image_is_scanned_before_it_is_pushed_under_its_commit() -> None:
    """MH-CD-08: what has a known hole must not be in the registry, and a tag must name what it was built of."""
    job = workflow("images")["jobs"]["image"]
    build, scan, push = scripts(job)
    assert build.startswith("docker build")
    assert "trivy" in scan
    assert "--exit-code 1" in scan
    assert push.endswith('docker push "$IMAGE"')
    images = {step["env"]["IMAGE"].rpartition(":")[2] for step in job["steps"] if "env" in step}
    assert images == {"${{ github.sha }}"}
    named = {item["repository"] for item in job["strategy"]["matrix"]["include"]}
    assert named == {f"myhealth/{name}" for name in ("oura-collector", "data-processor", "api-service")}


def test_charts_are_validated_and_stacks_previewed_before_they_are_merged() -> None:
    jobs = workflow("myhealth-prod")["jobs"]
    (validated_by,) = scripts(jobs["chart"])
    assert "helm template helm/myhealth --values helm/myhealth/values-prod.yaml" in validated_by
    assert "kubeconform" in validated_by
    assert jobs["plan"]["needs"] == ["chart"]
    assert scripts(jobs["plan"])[-1] == "pulumi preview --diff --non-interactive --stack myhealth-prod"
    assert "chart" not in workflow("myhealth-dev", "dev")["jobs"], "nothing deploys a chart there"


def test_a_stack_is_updated_after_its_images_and_their_commit_is_named_to_argo_cd_first() -> None:
    """Argo CD would put the images of its values back as soon as the stack has changed them."""
    found = workflow("myhealth-prod")
    assert found["on"]["workflow_run"] == {"workflows": ["images"], "types": ["completed"], "branches": ["main"]}
    apply = found["jobs"]["apply"]
    assert apply["needs"] == ["release"]
    assert "conclusion == 'success'" in apply["if"]
    assert scripts(apply)[-1] == "pulumi up --yes --non-interactive --stack myhealth-prod"
    assert "values-prod.yaml" in scripts(found["jobs"]["release"])[0]
    assert "needs" not in workflow("myhealth-dev", "dev")["jobs"]["apply"]


def test_each_job_takes_the_role_that_is_meant_for_it_and_no_key() -> None:
    jobs = {**workflow("images")["jobs"], **workflow("myhealth-prod")["jobs"]}
    taken = {
        name: step["with"]["role-to-assume"]
        for name, job in jobs.items()
        for step in job["steps"]
        if "role-to-assume" in step.get("with", {})
    }
    assert taken == {
        "image": "${{ vars.BUILD_ROLE }}",
        "plan": "${{ vars.PLAN_ROLE }}",
        "apply": "${{ vars.APPLY_ROLE }}",
    }
    assert "secrets." not in "".join(workflows(deployment(), "myhealth-prod").values())


def test_a_fork_runs_nothing_on_machines_that_reach_the_cluster() -> None:
    for environment in ("dev", "prod"):
        plan = workflow(f"myhealth-{environment}", environment)["jobs"]["plan"]
        assert plan["runs-on"] == "self-hosted"
        assert "head.repo.full_name == github.repository" in plan["if"]


def test_without_github_there_are_none() -> None:
    with pytest.raises(DeclarationError, match=r"^system 'shop' has no workflows on GitHub$"):
        workflows(deployed(shop()), "dev")


def test_without_a_bucket_the_state_is_where_pulumi_keeps_it() -> None:
    there = deployment()
    pipeline = there.system.platform.pipeline
    assert pipeline
    platform = there.system.platform.model_copy(update={"pipeline": pipeline.model_copy(update={"state_bucket": None})})
    found = workflows(replace(there, system=there.system.model_copy(update={"platform": platform})), "myhealth-prod")
    assert "pulumi login\n" in found[".github/workflows/myhealth-prod.yaml"]


@pytest.mark.skipif(not shutil.which("actionlint"), reason="actionlint is not installed")
def test_github_understands_them(tmp_path: Path) -> None:
    """An expression or a key that GitHub does not know stops a workflow only once it is pushed."""
    (tmp_path / ".git").mkdir()
    for environment in ("dev", "prod"):
        for path, text in workflows(deployment(environment), f"myhealth-{environment}").items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
    told = subprocess.run(["actionlint"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (0, "")
