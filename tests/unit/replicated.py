"""A shop whose database has replicas and, unless told otherwise, an archive."""

from __future__ import annotations

from typing import Any

from derive.data.database_state import DatabaseState
from model import InCluster, Pooler, PostgresBackup, PostgreSQL, Recovery, Service, System, hours
from tests.unit.declared import shop

STORE = "orderdb"
RECOVERY = Recovery(rto=hours(1), rpo=hours(6))
BACKUP = PostgresBackup(recovery=RECOVERY)


def replicated(port: int = 5432, pooler_port: int = 5432, backup: PostgresBackup | None = BACKUP) -> System:
    """Three members, one of which must confirm, and a pooler."""
    store = PostgreSQL(
        name=STORE,
        version=16,
        port=port,
        placement=InCluster(size="100Gi", members=3, synchronous=1, backup=backup),
        pooler=Pooler(name="pgbouncer", port=pooler_port),
    )
    services = (Service(name="web", port=3000, tier="frontend"), Service(name="orders", port=3001, uses=(STORE,)))
    return shop(stores=(store,), services=services)


def states(**state: Any) -> dict[str, DatabaseState]:
    """What operators declare of it."""
    return {STORE: DatabaseState(**state)}
