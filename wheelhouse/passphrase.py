"""The passphrase that encrypts the stacks' secrets: the user's, else one made on the first run and kept."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from typing import Final

from wheelhouse.errors import UserError
from wheelhouse.project import Project

FILE: Final = "passphrase"
_BYTES: Final = 24


def find(project: Project, environment: Mapping[str, str], tell: Callable[[str], None]) -> str | None:
    """The passphrase of a project, or None when the environment has one: the sandbox reads it as the CLI does.

    Without ``PULUMI_CONFIG_PASSPHRASE`` and ``PULUMI_CONFIG_PASSPHRASE_FILE`` it is kept in
    ``.wheelhouse/passphrase``, which ``tell`` says when it is made. :class:`UserError` when that file is gone
    although stacks encrypted with it are there, or when others may read it.
    """
    if "PULUMI_CONFIG_PASSPHRASE" in environment or environment.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        return None
    path = project.private / FILE
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if text:
        if path.stat().st_mode & 0o077:
            raise UserError(f"{path} can be read by others; run: chmod 600 {path}")
        return text
    if project.saved():
        raise UserError(
            f"{path} is missing, but {project.backend} has stacks encrypted with a passphrase; "
            "put the file back, or set PULUMI_CONFIG_PASSPHRASE to the passphrase they were made with"
        )
    made = secrets.token_urlsafe(_BYTES)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(made + "\n")
    tell(
        f"The stacks' secrets are encrypted with a new passphrase, kept in {path} (mode 0600). "
        "Set PULUMI_CONFIG_PASSPHRASE to use your own."
    )
    return made
