"""What the commands that only read work on: a stack's settings and deployment, saved stacks, exported files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sandbox.run
from audit.resources import STACK, read
from derive.shapes import Deployment
from model import DeclarationError
from sandbox.config import find_passphrase, load_config, load_project
from stacks.settings import HUB, Settings, SettingsError
from stacks.settings import read as read_settings
from wheelhouse import passphrase
from wheelhouse.errors import UserError
from wheelhouse.project import Project

Documents = Mapping[str, Mapping[str, Any]]
"""Exported stacks by name."""


def settings_of(project: Project, stack: str) -> Settings:
    """The stack's settings, from its file. :class:`UserError` for bad ones."""
    loaded = load_project(project.root)
    config = load_config(loaded, stack, _passphrase(project, stack), {}).values
    try:
        return read_settings(config, project.name, stack)
    except SettingsError as error:
        raise UserError(str(error)) from error


def deployment_of(project: Project, stack: str) -> Deployment:
    """What the stack deploys. :class:`UserError` for a stack without a file, bad settings, and the hub's stack."""
    (name,) = project.choose([stack])
    settings = settings_of(project, name)
    if settings.environment == HUB:
        raise UserError(f"stack {name!r} is a hub, in which no services run; name the stack of an environment")
    try:
        return settings.deployment()
    except DeclarationError as error:
        raise UserError(str(error)) from error


def saved(project: Project) -> Documents:
    """Every saved stack."""
    return {
        name: sandbox.run.export(name, project_dir=project.root, backend=project.backend) for name in project.saved()
    }


def exports(project: Project, files: Sequence[Path] | None) -> Documents:
    """The stacks of exported files, where there are some, otherwise the saved ones."""
    return read_files(files) if files else saved(project)


def export_of(stack: str, source: Documents) -> Mapping[str, Any]:
    """:class:`UserError` for a stack that is neither up nor in a file."""
    if stack not in source:
        raise UserError(
            f"stack {stack!r} is not up; there is: {', '.join(source) or 'none'}. "
            f"Bring it up with: wheelhouse up {stack}, or give its export with --from"
        )
    return source[stack]


def read_files(files: Sequence[Path]) -> Documents:
    """Exported stacks, each under the name that it has inside. :class:`UserError` for a file that is none."""
    found: dict[str, Mapping[str, Any]] = {}
    for path in files:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            roots = [item for item in read(document) if item.type == STACK]
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is no exported stack: {error}") from error
        if not roots:
            raise UserError(f"{path} holds no stack; give the output of `pulumi stack export` of a stack that is up")
        found[roots[0].urn.split(":")[2]] = document
    return found


def _passphrase(project: Project, stack: str) -> str:
    """Needed only where the stack's file holds a secret."""
    file = project.stack_files / f"Pulumi.{stack}.yaml"
    if not file.is_file() or "secure:" not in file.read_text(encoding="utf-8"):
        return ""
    if project.saved():
        return find_passphrase(passphrase.find(project, os.environ, lambda line: None))
    return os.environ.get("PULUMI_CONFIG_PASSPHRASE", "")
