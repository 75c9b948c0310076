"""What operators have done to the databases on machines: restored, promoted, given new volumes."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from derive.bootstrap.postgres_host import check_target
from model import DeclarationError
from model.base import Declared


class DatabaseState(Declared):
    """What operators have done to a database on machines. A record, not a command: it stays in the configuration.

    A history is one line of writes with an archive and data volumes of its own. A restore opens the next history, so
    that nothing of the former one is overwritten, and a wrong restore can itself be undone.
    """

    primary: str | None = None
    """The machine that accepts writes. Absent: the one that is named after the database."""
    volumes: dict[str, Annotated[int, Field(ge=1, le=999)]] = Field(default_factory=dict)
    """Number of a machine's data volume, 1 if absent; the next number is a new, blank volume."""
    history: int = Field(1, ge=1, le=999)
    restore: Annotated[str, AfterValidator(check_target)] | None = None
    """How this history began: an earlier one's archive up to a time (ISO 8601 with offset), or up to its 'latest'."""
    source: int | None = Field(None, ge=1)
    """The history whose archive was restored. Absent: the one before."""
    snapshot: str | None = Field(None, pattern=r"^snap-[0-9a-f]{8,17}$")
    """How this history began: this snapshot of a data volume, at its moment."""

    @model_validator(mode="after")
    def _began_somehow(self) -> DatabaseState:
        origins = [origin for origin in (self.restore, self.snapshot) if origin is not None]
        if len(origins) != (0 if self.history == 1 else 1):
            raise DeclarationError(
                f"history {self.history} with {len(origins)} origins; the first history has none, every later one "
                "begins with either 'restore' or 'snapshot'"
            )
        if self.source is not None and (self.restore is None or self.source >= self.history):
            raise DeclarationError(
                f"source {self.source} of history {self.history}; name an earlier history, together with 'restore'"
            )
        return self
