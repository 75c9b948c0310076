"""The project's stacks under the Pulumi CLI: a copy of the project, a backend in a folder, nothing of the developer's.

The providers' plugins must be on PATH. Plugins that need no account can be put there; the published ones live in the
CLI's own folder, which is not looked into, and would find no credentials.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.bench import PASSPHRASE, PROJECT, Bench, copy_project

PROGRAMS: Final = (
    "pulumi",
    "pulumi-language-python",
    *(f"pulumi-resource-{package}" for package in ("aws", "kubernetes", "random", "tls")),
)


MISSING: Final = tuple(program for program in PROGRAMS if shutil.which(program) is None)
"""Not on PATH."""
needs_cli: Final = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {', '.join(MISSING)} on PATH: the Pulumi CLI, and plugins that need no account"
)


@dataclass(frozen=True)
class PulumiCli:
    """The CLI in a folder of its own."""

    folder: Path

    @property
    def project(self) -> Path:
        """The copy of the project."""
        return self.folder / "project"

    @classmethod
    def prepare(cls, folder: Path) -> PulumiCli:
        """Copy the project and give it this Python's packages."""
        cli = cls(folder)
        (copy_project(cli.project) / ".venv").symlink_to(sys.prefix)
        for name in ("state", "home"):
            (folder / name).mkdir()
        return cli

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command of the CLI."""
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.project,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder / "home"),
                "PULUMI_HOME": str(self.folder / "home"),
                "PULUMI_BACKEND_URL": (self.folder / "state").as_uri(),
                "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
                "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                "PULUMI_SKIP_UPDATE_CHECK": "true",
                "AWS_ACCESS_KEY_ID": "none",
                "AWS_SECRET_ACCESS_KEY": "none",
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def good(self, *arguments: str) -> str:
        """One command that must succeed; what it prints."""
        ran = self.run(*arguments)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def create(self, stack: str) -> None:
        self.good("stack", "init", stack, "--no-select")

    def up(self, stack: str, *options: str) -> str:
        """Deploy without asking and without a preview before."""
        return self.good("up", "--stack", stack, "--yes", "--skip-preview", "--suppress-outputs", *options)

    def exported(self, *stacks: str) -> Bench:
        """The stacks as the CLI exports them, secrets encrypted, where the sandbox reads them."""
        target = self.folder / "exported" / PROJECT
        target.mkdir(parents=True, exist_ok=True)
        for stack in stacks:
            document = json.loads(self.good("stack", "export", "--stack", stack))
            (target / f"{stack}.json").write_text(json.dumps(document))
        return Bench(target.parent)
