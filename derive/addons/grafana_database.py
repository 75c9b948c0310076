"""A managed database that Grafana reads, too: for longer than Prometheus remembers, by a user who may only read."""

from __future__ import annotations

from typing import Any, Final

from derive import cloud
from derive.addons.flows import Flow, Hosts
from derive.data.databases import place_of
from derive.shapes import Deployment, SecretPlan
from derive.stores import postgres_managed
from model import DeclarationError, OnRds, PostgreSQL
from model.base import did_you_mean

KIND: Final = "grafana-postgresql-datasource"
SECRET: Final = "grafana-database"
VARIABLE: Final = "GRAFANA_DATABASE_PASSWORD"


def database(deployment: Deployment) -> PostgreSQL | None:
    """The declared one. Raises DeclarationError for what is no managed database."""
    name = deployment.system.platform.observability.database
    if name is None:
        return None
    managed = {
        store.name: store
        for store in deployment.system.stores
        if isinstance(store, PostgreSQL) and place_of(store, deployment.facts.placements) == OnRds().kind
    }
    if name not in managed:
        raise DeclarationError(
            f"platform.observability.database names '{name}', which is no managed database{did_you_mean(name, managed)}"
        )
    return managed[name]


def sources(deployment: Deployment) -> list[dict[str, Any]]:
    """Its id is the database's name, by which panels name it."""
    store = database(deployment)
    if store is None:
        return []
    return [
        {
            "name": "PostgreSQL",
            "type": KIND,
            "uid": store.name,
            "access": "proxy",
            "url": f"{cloud.database_host(store.name)}:{store.port}",
            "user": postgres_managed.user(store, "reader").name,
            "jsonData": {"database": store.name, "sslmode": "require", "postgresVersion": store.version * 100},
            "secureJsonData": {"password": f"$__env{{{VARIABLE}}}"},
            "editable": False,
        }
    ]


def variables(deployment: Deployment) -> dict[str, Any]:
    """The password, from its Secret."""
    if database(deployment) is None:
        return {}
    return {"envValueFrom": {VARIABLE: {"secretKeyRef": {"name": SECRET, "key": "password"}}}}


def secrets(deployment: Deployment) -> tuple[SecretPlan, ...]:
    store = database(deployment)
    if store is None:
        return ()
    reader = postgres_managed.user(store, "reader")
    home = deployment.system.platform.observability.namespace
    stored = postgres_managed.stored_name(store)
    return (SecretPlan(SECRET, home, {"username": reader.name}, {"password": reader.password}, stored=stored),)


def flows(deployment: Deployment) -> tuple[Flow, ...]:
    store = database(deployment)
    return (Flow(Hosts((cloud.database_host(store.name),), inside=True), (store.port,)),) if store else ()
