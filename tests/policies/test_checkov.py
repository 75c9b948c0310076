"""A second opinion on the rendered Kubernetes objects: checkov's checks, offline."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.golden import manifests
from tests.platforms import Platforms

needs_checkov = pytest.mark.skipif(
    shutil.which("checkov") is None, reason="needs checkov on PATH: too large to be a requirement (docs/policies.md)"
)


class Explained(NamedTuple):
    """Why a finding stays, and for which objects (Kind.namespace.name)."""

    why: str
    objects: tuple[str, ...] = ("*",)


PRODUCTION = ("prod", "orion-prod", "gym-prod", "neotool-prod", "myhealth-prod")
EXPLAINED = {
    "CKV2_K8S_6": Explained("It knows NetworkPolicies only; CiliumNetworkPolicies close every namespace.", ("Pod.*",)),
    "CKV_K8S_9": Explained(
        "A store serves without its exporter, so the exporter has no say.", ("StatefulSet.*", "Deployment.*.pgbouncer")
    ),
    "CKV_K8S_15": Explained("Versions do not move, and nodes start pods while a registry is down."),
    "CKV_K8S_43": Explained("Tags are versions, which registries can make immutable; people can read them."),
    "CKV_K8S_19": Explained("It waits for the network that it would otherwise use.", ("Job.kube-system.await-cilium",)),
    "CKV_K8S_35": Explained("The services' contract: credentials come in environment variables."),
    "CKV_K8S_38": Explained("Its purpose is to ask the API server whether an add-on is ready.", ("Job.*.await-*",)),
    "CKV_K8S_40": Explained(
        "The users of the published images, who own their files.",
        ("StatefulSet.*", "CronJob.logging.log-retention", "*.pgbouncer", "*-backup-*", "Job.*-roles"),
    ),
}
"""Check -> why its findings stay."""


def _findings(folder: Path) -> Iterator[tuple[str, str]]:
    """(check, object) of everything that checkov refuses."""
    ran = subprocess.run(
        ["checkov", "--directory", folder, "--framework", "kubernetes", "--output", "json", "--skip-download"],
        capture_output=True,
        text=True,
        check=False,
    )
    report: dict[str, Any] = json.loads(ran.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 200, "checkov looked at nothing"
    for item in report["results"]["failed_checks"]:
        yield item["check_id"], item["resource"]


@needs_checkov
def test_checkov_finds_only_what_is_explained(platforms: Platforms, tmp_path: Path) -> None:
    """What our own policies do not look for, in production of every system."""
    found: set[tuple[str, str]] = set()
    for stack in PRODUCTION:
        (tmp_path / stack).mkdir()
        for name, text in manifests(platforms.bench(stack).resources(stack)).items():
            (tmp_path / stack / name).write_text(text)
        found |= set(_findings(tmp_path / stack))
    unexplained = {
        f"{check}: {object_}"
        for check, object_ in found
        if check not in EXPLAINED or not any(fnmatchcase(object_, known) for known in EXPLAINED[check].objects)
    }
    assert unexplained == set()
    assert {check for check, _ in found} == EXPLAINED.keys(), "an explanation of what is not found any more"
