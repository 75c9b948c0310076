"""Exit codes, and the error that is the user's to put right."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the command's exit code says. 130 (the shell's own code for Ctrl-C) is an interrupted run."""

    OK = 0
    FAILED = 1
    """A run began and something in it was refused, if only a setting; or what was read is not as it must be."""
    USAGE = 2
    """Nothing was begun: a wrong option, an unknown stack, a file that cannot be read, a locked or damaged state, a
    wrong passphrase; or a question whose stack has bad settings."""
    CHANGES = 3
    """``preview --expect-no-changes``: there are changes."""
    INTERRUPTED = 130


class UserError(Exception):
    """A mistake the user can put right: the message names the place and the remedy, no traceback is wanted."""
