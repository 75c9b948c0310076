"""One exporter per database outside the cluster, with the credentials of that database's monitoring role only.

Databases in the cluster have their exporter beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from derive import cloud, versions
from derive.addons import kube_prometheus_stack
from derive.addons.chart import Release, housed
from derive.data.databases import place_of, placed_on_ec2
from derive.shapes import CA_FILE, STACK_CA, Deployment, SecretPlan
from derive.stores.postgres import monitoring_password
from derive.stores.postgres_managed import stored_name
from derive.stores.postgres_server import MONITORING
from model import OnRds, PostgreSQL

PORT: Final = 9187
_AUTHORITY: Final = "/etc/database"


@dataclass(frozen=True)
class Target:
    """A database to measure."""

    name: str
    host: str
    port: int
    managed: bool = False
    stored: str | None = None
    """The account's secret that holds its password beside others."""

    @property
    def release(self) -> str:
        return f"{self.name}-exporter"

    @property
    def secret(self) -> str:
        """Name of the Secret, and of the generated password of the monitoring role."""
        return monitoring_password(self.name)


def targets(deployment: Deployment) -> tuple[Target, ...]:
    """The databases on machines, by the names of the private zone, and those that AWS runs and names."""
    placements, zone = deployment.facts.placements, deployment.system.network.private_zone
    found = []
    for store in deployment.system.stores:
        if isinstance(store, PostgreSQL) and placed_on_ec2(store, placements):
            found.append(Target(store.name, f"{store.name}.{zone}", store.port))
        elif isinstance(store, PostgreSQL) and place_of(store, placements) == OnRds().kind:
            found.append(Target(store.name, cloud.database_host(store.name), store.port, True, stored_name(store)))
    return tuple(found)


def release(target: Target, namespace: str) -> Release:
    return Release(
        name=target.release,
        source=housed(versions.POSTGRES_EXPORTER, namespace),
        values=values(target),
        requires=(kube_prometheus_stack.NAME,),
    )


def secret(target: Target, namespace: str) -> SecretPlan:
    return SecretPlan(
        name=target.secret,
        namespace=namespace,
        literals={"username": MONITORING},
        stored=target.stored,
        passwords={"password": target.secret} | ({} if target.managed else {CA_FILE: STACK_CA}),
    )


def values(target: Target) -> dict[str, Any]:
    # A machine proves its name with the stack's own authority.
    known = {"sslmode": "verify-full", "extraParams": f"sslrootcert={_AUTHORITY}/{CA_FILE}"}
    return {
        "fullnameOverride": target.release,
        "podLabels": {"sidecar.istio.io/inject": "false", "database": target.name},
        "rbac": {"create": False},
        "service": {"type": "ClusterIP", "labels": {"database": target.name}},
        "serviceMonitor": {"enabled": True, "interval": "30s", "targetLabels": ["database"]},
        "config": {
            "datasource": {
                "host": target.host,
                "port": str(target.port),
                "user": MONITORING,
                "passwordSecret": {"name": target.secret, "key": "password"},
                "database": target.name,
                **({"sslmode": "require"} if target.managed else known),
            },
            "extraArgs": ["--collector.stat_statements", "--collector.long_running_transactions"],
        },
        **({} if target.managed else _authority(target)),
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
    }


def _authority(target: Target) -> dict[str, Any]:
    items = [{"key": CA_FILE, "path": CA_FILE}]
    return {
        "extraVolumes": [{"name": "authority", "secret": {"secretName": target.secret, "items": items}}],
        "extraVolumeMounts": [{"name": "authority", "mountPath": _AUTHORITY, "readOnly": True}],
    }
