"""What the audit refuses to guess."""

from __future__ import annotations


class AuditError(ValueError):
    """Resources that the audit cannot judge. The message names the object and what to do."""

    user_facing = True
