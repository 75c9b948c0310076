"""What is promised to be back, and how much may be lost: for people to read, in the stack's outputs."""

from __future__ import annotations

from datetime import timedelta

from model import System
from model.base import span
from model.stores import backup_of

Objectives = dict[str, dict[str, str]]
"""``rto`` and ``rpo`` -> what is lost -> time."""


def objectives(system: System) -> Objectives:
    """Of each database with a promise, of the services, and of their configuration. Empty: nothing is promised."""
    found: Objectives = {"rto": {}, "rpo": {}}
    for store in system.stores:
        backup = backup_of(store)
        if backup and backup.recovery:
            found["rto"][f"database {store.name}"] = _time(backup.recovery.rto)
            found["rpo"][f"database {store.name}"] = _time(backup.recovery.rpo)
    if system.platform.recovery:
        found["rto"]["services"] = _time(system.platform.recovery.rto)
        found["rpo"]["configuration"] = _time(system.platform.recovery.rpo)
    return found


def _time(time: timedelta) -> str:
    return span(time) if time else "real-time"
