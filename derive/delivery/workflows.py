"""The workflows of a repository on GitHub: images are scanned before they are pushed, charts validated and stacks
previewed before they are merged, stacks updated once their images are there. Where Argo CD deploys a chart, the commit
of the images is written into its values first, or it would put the former ones back.

What only a stack knows, the ARNs of the roles, is a variable of the repository, named in :data:`ROLES`.
"""

from __future__ import annotations

from typing import Any, Final

from derive import choices, images, versions
from derive.delivery.gitops import HEADER
from derive.shapes import Deployment
from derive.yaml_text import yaml_text
from model import ArgoCd, DeclarationError, GithubActions

FOLDER: Final = ".github/workflows"
BUILT: Final = "images"
ROLES: Final = {"build": "BUILD_ROLE", "plan": "PLAN_ROLE", "apply": "APPLY_ROLE"}
"""What a workflow does -> the repository's variable with its role, from the output ``pipelineRoles``."""
HOSTED: Final = "ubuntu-24.04"
SIGNED_IN: Final = {"contents": "read", "id-token": "write"}
_MERGED: Final = "github.event_name == 'workflow_run' && github.event.workflow_run.conclusion == 'success'"
_PROPOSED: Final = (
    "github.event_name == 'pull_request' && github.event.pull_request.head.repo.full_name == github.repository"
)
"""Not from a fork: its author must not run anything on machines that reach the cluster."""
_COMMIT: Final = "${{ github.event.workflow_run.head_sha }}"
Step = dict[str, Any]


def workflows(deployment: Deployment, stack: str) -> dict[str, str]:
    """Path -> text of the workflow that builds images and of the one that previews and updates ``stack``.

    Raises DeclarationError for a platform whose pipeline is not GitHub's.
    """
    pipeline = deployment.system.platform.pipeline
    if not isinstance(pipeline, GithubActions):
        raise DeclarationError(f"system '{deployment.system.name}' has no workflows on GitHub")
    found = {stack: _stack(deployment, pipeline, stack)}
    if deployment.system.platform.registry:
        found[BUILT] = _images(deployment, pipeline)
    return {f"{FOLDER}/{name}.yaml": HEADER + yaml_text(item) for name, item in sorted(found.items())}


def _images(deployment: Deployment, pipeline: GithubActions) -> dict[str, Any]:
    """Of every service, under the commit it is built of. What the scan finds is not pushed."""
    system = deployment.system
    built = [
        {"repository": images.repository(item, system.name), "folder": pipeline.folder.replace("{service}", item.name)}
        for item in system.services
    ]
    image = "${{ steps.registry.outputs.registry }}/${{ matrix.repository }}:${{ github.sha }}"
    scan = "docker run --rm --volume /var/run/docker.sock:/var/run/docker.sock"
    steps = [
        _checkout(),
        _signed_in(deployment, "build"),
        {"id": "registry", "uses": versions.ECR_LOGIN_ACTION},
        _run("Build", f'docker build --tag "$IMAGE" "{"${{ matrix.folder }}"}"', IMAGE=image),
        _run(
            "Scan",
            f'{scan} {versions.TRIVY_IMAGE} image --exit-code 1 --ignore-unfixed --severity HIGH,CRITICAL "$IMAGE"',
            IMAGE=image,
        ),
        # A repeated run finds its tag taken, and tags stay with their image.
        _run("Push", 'docker manifest inspect "$IMAGE" > /dev/null 2>&1 || docker push "$IMAGE"', IMAGE=image),
    ]
    return {
        "name": BUILT,
        "on": {"push": {"branches": [pipeline.branch]}},
        "permissions": SIGNED_IN,
        "jobs": {
            "image": {
                "runs-on": HOSTED,
                "timeout-minutes": 30,
                "strategy": {"matrix": {"include": built}},
                "steps": steps,
            }
        },
    }


def _stack(deployment: Deployment, pipeline: GithubActions, stack: str) -> dict[str, Any]:
    """Looking needs no more than to read; changing follows the images, and only one runs at a time."""
    jobs: dict[str, Any] = {}
    argo = choices.choice(deployment, ArgoCd)
    if argo:
        values = f"{argo.path}/{argo.values.replace('{environment}', deployment.name)}"
        check = f"docker run --rm --interactive {versions.KUBECONFORM_IMAGE} -strict -summary -ignore-missing-schemas"
        script = f"set -o pipefail\nhelm template {argo.path} --values {values} | {check}\n"
        jobs["chart"] = {"if": _PROPOSED, "runs-on": HOSTED, "steps": [_checkout(), _run("Validate the chart", script)]}
        jobs["release"] = _release(pipeline, values)
    where = pipeline.runner or HOSTED
    jobs["plan"] = {
        "if": _PROPOSED,
        **({"needs": ["chart"]} if argo else {}),
        "runs-on": where,
        "steps": [_checkout(), *_pulumi(deployment, pipeline, "plan", stack, "preview --diff")],
    }
    setting = f'pulumi config set --stack {stack} --path wheelhouse:imageTags.default "$COMMIT"'
    tag = _run("Name the images", setting, COMMIT=_COMMIT)
    login, *rest = _pulumi(deployment, pipeline, "apply", stack, "up --yes")
    *before, update = rest
    jobs["apply"] = {
        "if": _MERGED,
        **({"needs": ["release"]} if argo else {}),
        "runs-on": where,
        "concurrency": {"group": stack, "cancel-in-progress": False},
        "steps": [_checkout(_COMMIT), login, *before, tag, update],
    }
    return {
        "name": stack,
        "on": {
            "pull_request": {"branches": [pipeline.branch]},
            "workflow_run": {"workflows": [BUILT], "types": ["completed"], "branches": [pipeline.branch]},
        },
        "permissions": SIGNED_IN,
        "jobs": jobs,
    }


def _release(pipeline: GithubActions, values: str) -> dict[str, Any]:
    """Commits by a workflow's own token start no workflow."""
    script = (
        f"yq --inplace '.image.tag = strenv(COMMIT)' {values}\n"
        "git config user.name 'github-actions[bot]'\n"
        "git config user.email 'github-actions[bot]@users.noreply.github.com'\n"
        'git commit --all --message "Release $COMMIT"\n'
        f"git push origin HEAD:{pipeline.branch}\n"
    )
    checkout = {"uses": versions.CHECKOUT_ACTION, "with": {"ref": pipeline.branch}}
    return {
        "if": _MERGED,
        "runs-on": HOSTED,
        "permissions": {"contents": "write"},
        "steps": [checkout, _run("Name the images", script, COMMIT=_COMMIT)],
    }


def _pulumi(deployment: Deployment, pipeline: GithubActions, role: str, stack: str, command: str) -> list[Step]:
    backend = f" 's3://{pipeline.state_bucket}?region={deployment.facts.region}'" if pipeline.state_bucket else ""
    return [
        _signed_in(deployment, role),
        {"uses": versions.PULUMI_ACTION},
        _run("Install", f"make .venv/.installed\npulumi login{backend}\n"),
        _run(command.partition(" ")[0].capitalize(), f"pulumi {command} --non-interactive --stack {stack}"),
    ]


def _signed_in(deployment: Deployment, role: str) -> Step:
    taken = {"role-to-assume": f"${{{{ vars.{ROLES[role]} }}}}", "aws-region": deployment.facts.region}
    return {"uses": versions.AWS_ACTION, "with": taken}


def _checkout(ref: str | None = None) -> Step:
    return {"uses": versions.CHECKOUT_ACTION, "with": {**({"ref": ref} if ref else {}), "persist-credentials": False}}


def _run(name: str, script: str, **environment: str) -> Step:
    return {"name": name, **({"env": environment} if environment else {}), "run": script}
