"""Dumps of a database in the cluster: all of one moment, readable by every later version."""

from __future__ import annotations

from typing import Final

from derive import images, naming
from derive.services.workloads import requirements
from derive.stores import copies
from derive.stores.kind import Place, credentials_name
from manifests import pods
from manifests.base import Manifest
from model import InCluster, PostgreSQL

SCRIPT: Final = """\
set -eu
pg_dump --format=custom --no-password --file="$FILE"
pg_restore --list "$FILE" >/dev/null
"""
"""The dump counts only if it can be read again."""


def file(store: PostgreSQL) -> str:
    return f"{store.name}.dump"


def room(store: PostgreSQL) -> str:
    """A dump is smaller than its database."""
    placement = store.placement
    return placement.size if isinstance(placement, InCluster) else InCluster().size


def fetch(store: PostgreSQL, place: Place) -> Manifest:
    """As the owner, from the server itself: a pooler that shares connections by transaction cannot hold a snapshot."""
    credentials = credentials_name(store.name)
    return pods.container(
        "fetch",
        images.postgres_image(store),
        requirements(copies.FETCHING),
        env=[
            pods.value("PGHOST", naming.fqdn(store.name, place.namespace)),
            pods.value("PGPORT", str(store.port)),
            pods.value("PGDATABASE", store.database_name),
            pods.secret_value("PGUSER", credentials, "username"),
            pods.secret_value("PGPASSWORD", credentials, "password"),
            pods.value("FILE", f"{copies.ROOM}/{file(store)}"),
        ],
        mounts=[pods.mount("copy", copies.ROOM)],
        command=["sh", "-c", SCRIPT],
    )
