"""The pack under the Pulumi CLI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policies.pack import POLICIES
from tests.e2e.pulumi_cli import PulumiCli, needs_cli


@needs_cli
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_cli_previews_with_the_pack(tmp_path: Path) -> None:
    """A pack that the CLI cannot start guards nothing; one that never refuses neither."""
    cli = PulumiCli.prepare(tmp_path / "cli")
    cli.create("hub")
    asked = ("preview", "--stack", "hub", "--policy-pack", "policies", "--policy-pack-config")
    assert "policies" in cli.good(*asked, "policies/config.json")

    strict = tmp_path / "strict.json"
    strict.write_text(json.dumps({"required-tags": {"tags": ["CostCentre"]}}))
    refused = cli.run(*asked, str(strict))
    assert refused.returncode != 0
    assert "tags.CostCentre is missing; add it, best among the provider's defaultTags." in refused.stdout
    assert {item.name for item in POLICIES if item.name in refused.stdout} == {"required-tags", "encryption-own-key"}
