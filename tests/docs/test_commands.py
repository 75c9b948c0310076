"""No document names a command, an option, a target, a setting or a file that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import botocore.session
import pytest
import yaml
from botocore import xform_name
from typer.main import get_group

from stacks.settings import KEYS
from tests.docs.guide import blocks, commands
from wheelhouse.cli import app

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENTS: Final = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LOCAL: Final = re.compile(r"\]\((?!\w+:)([^)#]+)?(?:#([^)]+))?\)")
AWS_GLOBAL: Final = frozenset({"--output", "--query", "--region"})
HIGH_LEVEL: Final = frozenset({("s3", "sync"), ("s3", "cp"), ("s3", "ls")})
"""Commands that the AWS CLI has beside the services' own operations."""
PULUMI: Final = {
    "up": {"--stack", "--policy-pack", "--policy-pack-config"},
    "preview": {"--stack", "--diff", "--policy-pack", "--policy-pack-config"},
    "refresh": {"--stack"},
    "destroy": {"--stack"},
    "login": set(),
    "config": {"--stack", "--secret", "--path"},
    "stack": {"--stack", "--show-urns", "--show-secrets", "--secrets-provider", "--force"},
    "state": {"--stack"},
}
"""Commands of the Pulumi CLI with the options that the documents use (`pulumi <command> --help` of 3.2xx)."""
ON_SERVERS: Final = frozenset(
    {"/etc/rancher/k3s/restore", "/opt/wheelhouse/k3s-first-boot", "k3s", "sed", "systemctl", "tee"}
)

by_name = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def of(document: Path, program: str) -> Iterator[list[str]]:
    return (words for words in commands(document.read_text()) if words[0] == program)


def test_the_documents_are_read() -> None:
    """A pattern that matches nothing would make every test here pass."""
    found = {
        program: sum(len([*of(path, program)]) for path in DOCUMENTS) for program in ("wheelhouse", "aws", "pulumi")
    }
    assert min(found.values()) >= 5, found
    assert [*of(ROOT / "README.md", "make")]


@by_name
def test_every_target_is_one_of_the_makefile(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in of(document, "make"):
        asked = {word for word in words[1:] if "=" not in word and not word.startswith((".", "-"))}
        assert asked <= targets, words


@by_name
def test_every_wheelhouse_command_is_understood(document: Path) -> None:
    """Parsed by the command itself, which refuses an option or an argument that it does not have."""
    group = get_group(app)
    for words in of(document, "wheelhouse"):
        with group.make_context("wheelhouse", words[1:], resilient_parsing=False) as context:
            name, command, arguments = group.resolve_command(context, words[1:])
            assert command is not None, words
            command.make_context(name, arguments, parent=context)


@by_name
def test_every_aws_command_is_one_of_the_services_own(document: Path) -> None:
    """Operation and options are looked up in the descriptions that the AWS CLI itself is made from."""
    session = botocore.session.get_session()
    for words in of(document, "aws"):
        service, command = words[1:3]
        if (service, command) in HIGH_LEVEL:
            continue
        # The CLI has S3 twice: as copies and lists of its own, and as the service's operations.
        model = session.get_service_model("s3" if service == "s3api" else service)
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        assert command in {*operations, "start-session"}, words
        shape = model.operation_model(operations[command]).input_shape
        known = {f"--{xform_name(name, '-')}" for name in (shape.members if shape else ())}
        known |= {f"--no-{name.removeprefix('--')}" for name in known}
        asked = {word for word in words if word.startswith("--")}
        assert asked <= known | AWS_GLOBAL, (words, sorted(asked - known - AWS_GLOBAL))


@by_name
def test_every_pulumi_command_is_known(document: Path) -> None:
    for words in of(document, "pulumi"):
        asked = {word.split("=")[0] for word in words if word.startswith("--")}
        assert words[1] in PULUMI, words
        assert asked <= PULUMI[words[1]], words


@by_name
def test_every_program_on_a_server_is_there(document: Path) -> None:
    for words in of(document, "sudo"):
        assert words[1] in ON_SERVERS, words


@by_name
def test_every_setting_exists(document: Path) -> None:
    for block in blocks(document.read_text(), "yaml"):
        for key in (yaml.safe_load(block) or {}).get("config", {}):
            assert key == "aws:region" or key.removeprefix("wheelhouse:") in KEYS, key


@by_name
def test_every_link_leads_somewhere(document: Path) -> None:
    for path, anchor in LOCAL.findall(document.read_text()):
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), path
        if anchor and target.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{path}#{anchor}"
